//go:build wasip1

package sandloop

// ProxyError says why nothing is proxied.
type ProxyError uint8

const (
	ProxySourceClosed ProxyError = 1 + iota
	ProxyTargetClosed
	ProxyItself
	ProxyAlready
	ProxyBusyTarget
	ProxyUnsupported
)

func (e ProxyError) Error() string {
	return nameOf([]string{"", "source-closed", "target-closed", "itself: source and target are one connection", "already-proxying: StopProxying ends that", "busy-target: another connection is proxied to it", "unsupported: a peer over UDP has no stream"}, int(e))
}

// ProxyIncomingTo has what comes on this connection go to another, past the plugin. At most buffer bytes wait in the target's
// outbox, 0 is its high mark; after so many bytes it stops with ProxyCompleted, 0 is without end.
func (c *Conn) ProxyIncomingTo(target Connection, buffer uint32, bytes int64) error {
	socket, isThere := c.handle()
	if !isThere {
		return ProxySourceClosed
	}
	to, isThere := target.embedsSandloopConn().handle()
	if !isThere {
		return ProxyTargetClosed
	}
	proxyIncomingTo(socket, to, buffer, high(bytes), uint32(bytes), answerAt)
	if isError() {
		return ProxyError(answer[0]>>8&0xff) + 1
	}
	return nil
}

// StopProxying has what comes be told by ReceiveData again.
func (c *Conn) StopProxying() {
	if socket, isThere := c.handle(); isThere {
		stopProxying(socket)
	}
}

// ProxiedBytes have gone over since ProxyIncomingTo, also in Unbind.
func (c *Conn) ProxiedBytes() int64 {
	socket, isThere := c.handle()
	if !isThere {
		return 0
	}
	getProxiedBytes(socket, answerAt)
	return byteCount(answer[0], answer[1])
}

//go:wasmimport sandloop:plugin/proxying@0.1.1 proxy-incoming-to
func proxyIncomingTo(source, target, buffer, high, low uint32, to ptr)

//go:wasmimport sandloop:plugin/proxying@0.1.1 stop-proxying
func stopProxying(source uint32)

//go:wasmimport sandloop:plugin/proxying@0.1.1 get-proxied-bytes
func getProxiedBytes(source uint32, to ptr)
