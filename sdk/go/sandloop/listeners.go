//go:build wasip1

package sandloop

// ListenError says why there is no listener, or no datagram socket.
type ListenError uint8

const (
	ListenDenied ListenError = 1 + iota
	ListenInUse
	ListenInvalidAddress
	ListenUnavailable
	ListenForbidden
	ListenLimit
	ListenTooLarge
	ListenFailed
)

func (e ListenError) Error() string {
	return nameOf([]string{"",
		"denied: allow.listen in plugins.toml does not list it, and the log names the line that would; or the reactor does not run",
		"in-use: somebody else has the address", "invalid-address: it needs an IP address, not a name",
		"unavailable: the machine does not have the address", "forbidden: the system does not let the host have it",
		"limit: too many listeners or file descriptors", "too-large: the handler's name and the options are too long",
		"failed: the log has the system's words at the level debug"}, int(e))
}

// Listener is an open one.
type Listener struct {
	id uint32
	// Address has the real port.
	Address Address
}

// StartServer listens, and has connections made by this handler with these options. allow.listen lists what may be.
func StartServer(at Address, handler string, options Options) (Listener, error) {
	kind := uint32(0)
	if at.IsUnix {
		kind = 2
	}
	return startServerAs(kind, at, handler, options)
}

// StartUDPServer is [StartServer] over UDP: each peer is a connection.
func StartUDPServer(at Address, handler string, options Options) (Listener, error) {
	return startServerAs(1, at, handler, options)
}

func startServerAs(kind uint32, at Address, handler string, options Options) (Listener, error) {
	_, p, length, port := at.parts()
	h, hLength := text(handler)
	flat := make([]string, 0, 2*len(options))
	for _, option := range options {
		flat = append(flat, option.Key, option.Value)
	}
	forget()
	all := copiedList(flat)
	m := begin()
	startServer(kind, p, length, port, h, hLength, all.at, all.length/2, answerAt)
	if isError() {
		return Listener{}, ListenError(answer[1]&0xff) + 1
	}
	s := ownString(answer[3], answer[4])
	m.end()
	if answer[2]&0xff == 2 {
		return Listener{answer[1], Unix(s)}, nil
	}
	return Listener{answer[1], TCP(s, uint16(answer[5]))}, nil
}

// Stop closes it; accepted connections stay.
func (l Listener) Stop() { stopServer(l.id) }

// OpenDatagramSocket opens a UDP socket of the handler's: ReceiveData is told one datagram each time, and PeerAddress who sent it.
// The address that it has is answered at once.
func OpenDatagramSocket(host string, port uint16, handler Connection) (Address, error) {
	var local Address
	var problem error
	err := ask(handler, func(token uint32) ErrorCode {
		at, length := text(host)
		m := begin()
		openDatagramSocket(at, length, uint32(port), token, answerAt)
		if isError() {
			problem = ListenError(answer[1]&0xff) + 1
			return ErrUnsupported
		}
		local = TCP(ownString(answer[1], answer[2]), uint16(answer[3]))
		m.end()
		return 0
	})
	if err != nil {
		return Address{}, problem
	}
	return local, nil
}

// SendDatagram sends one datagram from a socket of OpenDatagramSocket to an IP address and a port.
func (c *Conn) SendDatagram(data []byte, host string, port uint16) error {
	socket, isThere := c.handle()
	if !isThere {
		return ErrClosed
	}
	at, length := bytes(data)
	h, hLength := text(host)
	sendDatagram(socket, at, length, h, hLength, uint32(port), answerAt)
	return plain().orNil()
}

//go:wasmimport sandloop:plugin/listeners@0.1.1 start-server
func startServer(kind uint32, at ptr, length, port uint32, handler ptr, handlerLength, options, count uint32, to ptr)

//go:wasmimport sandloop:plugin/listeners@0.1.1 stop-server
func stopServer(id uint32)

//go:wasmimport sandloop:plugin/datagrams@0.1.1 open-datagram-socket
func openDatagramSocket(host ptr, length, port, token uint32, to ptr)

//go:wasmimport sandloop:plugin/datagrams@0.1.1 send-datagram
func sendDatagram(socket uint32, data ptr, length uint32, host ptr, hostLength, port uint32, to ptr)
