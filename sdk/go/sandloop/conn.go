//go:build wasip1

package sandloop

import (
	"time"
)

// Connection is what a handler is: any type that embeds [Conn]. Its methods are the callbacks; Conn has one of each that does
// nothing, so that a handler writes those that it needs.
//
// A handler may also have these, which are found by their names:
//
//	ReceiveLine(line string)  a line without its end, in place of ReceiveData
//	OnOpen()                  gnet's name for PostInit
//	OnTraffic(data []byte)    gnet's name for ReceiveData
//	OnClose(reason CloseReason)  gnet's name for Unbind
type Connection interface {
	// PostInit: the connection exists. Called exactly once, first.
	PostInit()
	// ConnectionCompleted: an outgoing connection is made. Never called for an accepted one.
	ConnectionCompleted()
	// ReceiveData: bytes from the peer, at least one, cut anywhere. The slice is the host's again when the callback returns: what
	// is to be kept is copied, by bytes.Clone or append.
	ReceiveData(data []byte)
	// Drained: the outbox was above its high mark and has fallen below the low one: a good moment to send more.
	Drained()
	// TLSCompleted: TLS is there, from StartTLS or a tls:// listener.
	TLSCompleted()
	// VerifyPeer says whether the peer is taken, by its certificate and those that lead to its authority, each as DER. Asked only
	// where Verification says so. The default is no.
	VerifyPeer(chain [][]byte) bool
	// ProxyTargetUnbound: the target that this connection was proxied to has ended.
	ProxyTargetUnbound()
	// ProxyCompleted: as many bytes as were to be proxied have gone over.
	ProxyCompleted()
	// Draining: the connection is to come to its end within this time, since the host stops or the plugin is replaced. The
	// default is WhenIdle.
	Draining(within time.Duration) Drain
	// Unbind: the connection has ended, and why. Called exactly once, last.
	Unbind(reason CloseReason)

	// A handler embeds sandloop.Conn.
	embedsSandloopConn() *Conn
}

// Drain is how a connection that is being drained comes to its end.
type Drain uint32

const (
	// WhenIdle has the host close it once nothing of it is under way.
	WhenIdle Drain = iota
	// UntilClosed has it go on until the plugin closes it.
	UntilClosed
)

// Conn is a connection as its handler holds it; the host owns the real socket. A handler embeds it. Kept longer than the
// connection it is harmless: what it is asked then does nothing, or answers ErrClosed.
type Conn struct {
	socket   uint32
	made     bool
	handler  Connection
	listener string
	options  Options
	lines    *lineBuffer

	open    interface{ OnOpen() }
	traffic interface{ OnTraffic([]byte) }
	closed  interface{ OnClose(CloseReason) }

	unbinding bool
	again     bool
	files     map[uint32]func(int64, error)
}

func (c *Conn) embedsSandloopConn() *Conn { return c }

func (c *Conn) PostInit() {
	if c.open != nil {
		c.open.OnOpen()
	}
}
func (c *Conn) ReceiveData(data []byte) {
	switch {
	case c.lines != nil:
		c.lines.receive(c, data)
	case c.traffic != nil:
		c.traffic.OnTraffic(data)
	}
}
func (c *Conn) Unbind(reason CloseReason) {
	if c.closed != nil {
		c.closed.OnClose(reason)
	}
}
func (c *Conn) ConnectionCompleted()           {}
func (c *Conn) Drained()                       {}
func (c *Conn) TLSCompleted()                  {}
func (c *Conn) VerifyPeer(chain [][]byte) bool { return false }
func (c *Conn) ProxyTargetUnbound()            {}
func (c *Conn) ProxyCompleted()                {}
func (c *Conn) Draining(time.Duration) Drain   { return WhenIdle }

// attach makes the handler that of a socket.
func attach(handler Connection, socket uint32, listener string, options Options) *Conn {
	c := handler.embedsSandloopConn()
	c.socket, c.made, c.handler, c.listener, c.options = socket, true, handler, listener, options
	c.open, _ = handler.(interface{ OnOpen() })
	c.traffic, _ = handler.(interface{ OnTraffic([]byte) })
	c.closed, _ = handler.(interface{ OnClose(CloseReason) })
	if lines, isLines := handler.(interface{ ReceiveLine(string) }); isLines {
		c.lines = &lineBuffer{told: lines, max: lineMax}
	}
	return c
}

// handle is the socket's; a Conn that the host did not make has none.
func (c *Conn) handle() (uint32, bool) {
	if c.socket == 0 && !c.made {
		panic("sandloop: this Conn has no connection yet: handlers are made by the host, after sandloop.Handle in init or by sandloop.Connect, and Conn is used from PostInit on")
	}
	return c.socket, c.socket != 0
}

// SendData sends bytes, in order, never blocking. As in EventMachine it never fails: on a connection that has ended or is closing
// it does nothing. Where the outbox is full the connection is closed and the log says so; [Conn.TrySendData] and [Conn.Write]
// answer instead.
func (c *Conn) SendData(data []byte) {
	if c.TrySendData(data) == ErrOutboxFull {
		c.failFull(len(data))
	}
}

// SendString is SendData of text.
func (c *Conn) SendString(s string) {
	if c.trySend(text(s)) == ErrOutboxFull {
		c.failFull(len(s))
	}
}

func (c *Conn) failFull(length int) {
	Logf(Error, "connection %d: its outbox has no room for %d bytes; closing it", c.ID(), length)
	c.CloseConnection()
}

// TrySendData is SendData, and answers ErrClosed, ErrClosing or ErrOutboxFull, where nothing was taken, or nil.
func (c *Conn) TrySendData(data []byte) error {
	return c.trySend(bytes(data)).orNil()
}

// Write makes a connection an io.Writer, so that fmt.Fprintf writes to it: [Conn.TrySendData].
func (c *Conn) Write(data []byte) (int, error) {
	if err := c.TrySendData(data); err != nil {
		return 0, err
	}
	return len(data), nil
}

func (c *Conn) trySend(at ptr, length uint32) ErrorCode {
	socket, isThere := c.handle()
	if !isThere {
		return ErrClosed
	}
	sendData(socket, at, length, answerAt)
	return plain()
}

// CloseConnection closes without waiting for the outbox. Unbind follows after this callback has returned.
func (c *Conn) CloseConnection() {
	if socket, isThere := c.handle(); isThere {
		closeConnection(socket)
	}
}

// CloseConnectionAfterWriting closes once what was sent has gone out.
func (c *Conn) CloseConnectionAfterWriting() {
	if socket, isThere := c.handle(); isThere {
		closeConnectionAfterWriting(socket)
	}
}

// Close is CloseConnectionAfterWriting, by Go's name.
func (c *Conn) Close() error {
	c.CloseConnectionAfterWriting()
	return nil
}

// HalfClose ends the write side once the outbox is empty; reading goes on.
func (c *Conn) HalfClose() error {
	socket, isThere := c.handle()
	if !isThere {
		return ErrClosed
	}
	halfClose(socket, answerAt)
	return plain().orNil()
}

// KeepHalfOpen: with true, the connection stays open for writing when the peer ends its side, until the plugin closes it.
func (c *Conn) KeepHalfOpen(keep bool) {
	if socket, isThere := c.handle(); isThere {
		keepHalfOpen(socket, flag(keep))
	}
}

// PeerFinished: the peer has ended its side.
func (c *Conn) PeerFinished() bool {
	socket, isThere := c.handle()
	return isThere && peerFinished(socket) != 0
}

// Pause stops reading; the peer feels it.
func (c *Conn) Pause() {
	if socket, isThere := c.handle(); isThere {
		pause(socket)
	}
}

// Resume starts reading again.
func (c *Conn) Resume() {
	if socket, isThere := c.handle(); isThere {
		resume(socket)
	}
}

// IsPaused: between Pause and Resume.
func (c *Conn) IsPaused() bool {
	socket, isThere := c.handle()
	return isThere && isPaused(socket) != 0
}

// PeerAddress is the other end; false when it is not connected (yet, or any more).
func (c *Conn) PeerAddress() (Address, bool) { return c.address(peerAddress) }

// LocalAddress is this end; false when it is not connected (yet, or any more).
func (c *Conn) LocalAddress() (Address, bool) { return c.address(localAddress) }

func (c *Conn) address(ask func(uint32, ptr)) (Address, bool) {
	socket, isThere := c.handle()
	if !isThere {
		return Address{}, false
	}
	m := begin()
	ask(socket, answerAt)
	if !isError() {
		return Address{}, false
	}
	address := addressAt(1)
	m.end()
	return address, true
}

// SetCommInactivityTimeout closes the connection with InactivityTimeout after this time in which nothing was read or written. 0,
// the default, turns it off.
func (c *Conn) SetCommInactivityTimeout(timeout time.Duration) {
	if socket, isThere := c.handle(); isThere {
		setCommInactivityTimeout(socket, milliseconds(timeout))
	}
}

// CommInactivityTimeout is what SetCommInactivityTimeout was last given.
func (c *Conn) CommInactivityTimeout() time.Duration { return c.duration(commInactivityTimeout) }

// SetPendingConnectTimeout: how long all attempts to connect may take together, 20 seconds at first.
func (c *Conn) SetPendingConnectTimeout(timeout time.Duration) error {
	socket, isThere := c.handle()
	if !isThere {
		return ErrClosed
	}
	setPendingConnectTimeout(socket, milliseconds(timeout), answerAt)
	return plain().orNil()
}

// PendingConnectTimeout is what SetPendingConnectTimeout was last given.
func (c *Conn) PendingConnectTimeout() time.Duration { return c.duration(pendingConnectTimeout) }

// IdleTime is how long nothing has been read or written.
func (c *Conn) IdleTime() time.Duration { return c.duration(idleTime) }

func (c *Conn) duration(ask func(uint32) uint32) time.Duration {
	return fromMilliseconds(c.number(ask))
}

func (c *Conn) number(ask func(uint32) uint32) uint32 {
	socket, isThere := c.handle()
	if !isThere {
		return 0
	}
	return ask(socket)
}

// OutboundDataSize is how many bytes wait in the outbox.
func (c *Conn) OutboundDataSize() int { return int(c.number(outboundDataSize)) }

// ID is the number that the host's log gives this connection.
func (c *Conn) ID() uint32 { return c.number(socketID) }

// Listener is the address of the listener that accepted the connection, as it is served, such as "tcp://127.0.0.1:10000"; empty of
// an outgoing one.
func (c *Conn) Listener() string { return c.listener }

// SetMaxLine says how long a line may be that ReceiveLine is told, 65,536 bytes at first: a peer that sends more without an end is
// closed.
func (c *Conn) SetMaxLine(bytes int) {
	if c.lines == nil {
		panic("sandloop: SetMaxLine is for a handler with a method ReceiveLine(line string)")
	}
	c.lines.max = bytes
}

// Options are what the operator wrote under the options of the listener; none on an outgoing connection.
func (c *Conn) Options() Options { return c.options }

// Connect starts an outgoing connection to a name or IP address and a port, and returns at once. The handler's PostInit is called
// after this callback, then ConnectionCompleted, or Unbind with why there is no connection.
func Connect(host string, port uint16, handler Connection) error {
	return ConnectTo(TCP(host, port), handler)
}

// ConnectTo is [Connect], to an address of either kind.
func ConnectTo(to Address, handler Connection) error {
	return ask(handler, func(token uint32) ErrorCode {
		kind, at, length, port := to.parts()
		connect(kind, at, length, port, token, answerAt)
		return plain()
	})
}

// BindConnect is [Connect] from this address and port of the machine; port 0 is one of the system's choice. allow.listen lists
// what may be chosen.
func BindConnect(bindHost string, bindPort uint16, host string, port uint16, handler Connection) error {
	return ask(handler, func(token uint32) ErrorCode {
		local, localLength := text(bindHost)
		kind, at, length, port := TCP(host, port).parts()
		connectFrom(local, localLength, uint32(bindPort), kind, at, length, port, token, answerAt)
		return plain()
	})
}

var (
	lastToken uint32
	pending   = map[uint32]Connection{}
)

// ask keeps the handler for the connection that comes with the token.
func ask(handler Connection, with func(token uint32) ErrorCode) error {
	if handler == nil {
		panic("sandloop: connecting needs a handler, such as &Client{}, and was given nil")
	}
	lastToken++
	token := lastToken
	if code := with(token); code != 0 {
		return code
	}
	pending[token] = handler
	return nil
}

// Reconnect connects again, to the same place or another, and goes on with the same handler: for its Unbind, and nowhere else.
// PostInit is not called again; ConnectionCompleted is, or Unbind.
func (c *Conn) Reconnect(host string, port uint16) error {
	if !c.unbinding || c.again {
		return ErrInvalidArgument
	}
	if err := Connect(host, port, c.handler); err != nil {
		return err
	}
	c.again = true
	return nil
}

// ConnectionCount is how many connections this sandbox has, with its listeners and datagram sockets.
func ConnectionCount() int { return int(connectionCount()) }

// Probes say how the system finds out that a silent peer has gone, in seconds; 0 leaves each as the system has it.
type Probes struct{ Idle, Interval, Count uint32 }

// EnableKeepalive has the system probe a peer that says nothing.
func (c *Conn) EnableKeepalive(p Probes) error { return c.keepalive(1, p) }

// DisableKeepalive ends that.
func (c *Conn) DisableKeepalive() error { return c.keepalive(0, Probes{}) }

func (c *Conn) keepalive(some uint32, p Probes) error {
	socket, isThere := c.handle()
	if !isThere {
		return ErrClosed
	}
	setKeepalive(socket, some, p.Idle, p.Interval, p.Count, answerAt)
	return plain().orNil()
}

// Keepalive is what the socket has of that now; false where it does not probe or is not connected.
func (c *Conn) Keepalive() (Probes, bool) {
	socket, isThere := c.handle()
	if !isThere {
		return Probes{}, false
	}
	getKeepalive(socket, answerAt)
	return Probes{answer[1], answer[2], answer[3]}, isError()
}

// SetNodelay says whether small pieces go out at once, as at first, or wait for the answer to what is on its way.
func (c *Conn) SetNodelay(nodelay bool) error {
	socket, isThere := c.handle()
	if !isThere {
		return ErrClosed
	}
	setNodelay(socket, flag(nodelay), answerAt)
	return plain().orNil()
}

// Nodelay is what SetNodelay was last given.
func (c *Conn) Nodelay() bool {
	socket, isThere := c.handle()
	return isThere && getNodelay(socket) != 0
}

func flag(b bool) uint32 {
	if b {
		return 1
	}
	return 0
}

//go:wasmimport sandloop:plugin/sockets@0.1.1 [method]socket.send-data
//go:noescape
func sendData(socket uint32, data ptr, length uint32, to ptr)

//go:wasmimport sandloop:plugin/sockets@0.1.1 [method]socket.close-connection
func closeConnection(socket uint32)

//go:wasmimport sandloop:plugin/sockets@0.1.1 [method]socket.close-connection-after-writing
func closeConnectionAfterWriting(socket uint32)

//go:wasmimport sandloop:plugin/sockets@0.1.1 [method]socket.half-close
func halfClose(socket uint32, to ptr)

//go:wasmimport sandloop:plugin/sockets@0.1.1 [method]socket.keep-half-open
func keepHalfOpen(socket uint32, keep uint32)

//go:wasmimport sandloop:plugin/sockets@0.1.1 [method]socket.peer-finished
func peerFinished(socket uint32) uint32

//go:wasmimport sandloop:plugin/sockets@0.1.1 [method]socket.pause
func pause(socket uint32)

//go:wasmimport sandloop:plugin/sockets@0.1.1 [method]socket.resume
func resume(socket uint32)

//go:wasmimport sandloop:plugin/sockets@0.1.1 [method]socket.is-paused
func isPaused(socket uint32) uint32

//go:wasmimport sandloop:plugin/sockets@0.1.1 [method]socket.peer-address
func peerAddress(socket uint32, to ptr)

//go:wasmimport sandloop:plugin/sockets@0.1.1 [method]socket.local-address
func localAddress(socket uint32, to ptr)

//go:wasmimport sandloop:plugin/sockets@0.1.1 [method]socket.set-comm-inactivity-timeout
func setCommInactivityTimeout(socket uint32, milliseconds uint32)

//go:wasmimport sandloop:plugin/sockets@0.1.1 [method]socket.comm-inactivity-timeout
func commInactivityTimeout(socket uint32) uint32

//go:wasmimport sandloop:plugin/sockets@0.1.1 [method]socket.set-pending-connect-timeout
func setPendingConnectTimeout(socket uint32, milliseconds uint32, to ptr)

//go:wasmimport sandloop:plugin/sockets@0.1.1 [method]socket.pending-connect-timeout
func pendingConnectTimeout(socket uint32) uint32

//go:wasmimport sandloop:plugin/sockets@0.1.1 [method]socket.outbound-data-size
func outboundDataSize(socket uint32) uint32

//go:wasmimport sandloop:plugin/sockets@0.1.1 [method]socket.idle-time
func idleTime(socket uint32) uint32

//go:wasmimport sandloop:plugin/sockets@0.1.1 [method]socket.id
func socketID(socket uint32) uint32

//go:wasmimport sandloop:plugin/sockets@0.1.1 [resource-drop]socket
func dropSocket(socket uint32)

//go:wasmimport sandloop:plugin/sockets@0.1.1 connect
func connect(kind uint32, at ptr, length, port, token uint32, to ptr)

//go:wasmimport sandloop:plugin/socket-options@0.1.1 connect-from
func connectFrom(local ptr, localLength, localPort, kind uint32, at ptr, length, port, token uint32, to ptr)

//go:wasmimport sandloop:plugin/socket-options@0.1.1 connection-count
func connectionCount() uint32

//go:wasmimport sandloop:plugin/socket-options@0.1.1 set-keepalive
func setKeepalive(socket, some, idle, interval, count uint32, to ptr)

//go:wasmimport sandloop:plugin/socket-options@0.1.1 keepalive
func getKeepalive(socket uint32, to ptr)

//go:wasmimport sandloop:plugin/socket-options@0.1.1 set-nodelay
func setNodelay(socket, nodelay uint32, to ptr)

//go:wasmimport sandloop:plugin/socket-options@0.1.1 nodelay
func getNodelay(socket uint32) uint32
