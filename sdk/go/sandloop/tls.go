//go:build wasip1

package sandloop

// Verification says who decides whether the peer's certificate is taken.
type Verification uint32

const (
	// VerifyHost: the host, by the profile's authorities or the system's.
	VerifyHost Verification = iota
	// VerifyHostAndPlugin: the host, and then the handler's VerifyPeer as well.
	VerifyHostAndPlugin
	// VerifyPlugin: the handler's VerifyPeer alone. The operator has to have allowed it.
	VerifyPlugin
)

// TLSClient is the side that begins.
type TLSClient struct {
	// ServerName is what the server's certificate must be for.
	ServerName string
	// Profile is the operator's name for authorities and an own certificate; empty: the system's and none.
	Profile string
	// ALPN are the protocols to choose from, the best first; none: those of the profile.
	ALPN         []string
	Verification Verification
}

// TLSServer is the side that shows a certificate.
type TLSServer struct {
	// Profile is the operator's name for the certificates.
	Profile      string
	ALPN         []string
	Verification Verification
}

// StartTLS has the connection go on with TLS as a client, once what was sent before has gone out in plain.
func (c *Conn) StartTLS(as TLSClient) error {
	socket, isThere := c.handle()
	if !isThere {
		return ErrClosed
	}
	forget()
	name, profile, alpn := copied(as.ServerName), copied(as.Profile), copiedList(as.ALPN)
	startTLS(socket, 0, name.at, name.length, flag(as.Profile != ""), profile.at, profile.length, alpn.at, alpn.length,
		uint32(as.Verification), answerAt)
	return plain().orNil()
}

// StartTLSServer is StartTLS as the server.
func (c *Conn) StartTLSServer(as TLSServer) error {
	socket, isThere := c.handle()
	if !isThere {
		return ErrClosed
	}
	forget()
	profile, alpn := copied(as.Profile), copiedList(as.ALPN)
	startTLS(socket, 1, profile.at, profile.length, alpn.at, alpn.length, uint32(as.Verification), 0, 0, 0, answerAt)
	return plain().orNil()
}

// TLSSession is what two sides agreed on.
type TLSSession struct {
	// Version is "TLS 1.2" or "TLS 1.3".
	Version    string
	Cipher     string
	CipherBits int
	// ALPN is the protocol that was chosen; empty for none.
	ALPN string
	// ServerName is what the client asked for.
	ServerName string
	Resumed    bool
}

// TLSSession is there once the handshake is complete, also in Unbind.
func (c *Conn) TLSSession() (TLSSession, bool) {
	socket, isThere := c.handle()
	if !isThere {
		return TLSSession{}, false
	}
	m := begin()
	tlsSession(socket, answerAt)
	if !isError() {
		return TLSSession{}, false
	}
	s := TLSSession{
		Version:    nameOf([]string{"TLS 1.2", "TLS 1.3"}, int(answer[1]&0xff)),
		Cipher:     ownString(answer[2], answer[3]),
		CipherBits: int(answer[4]),
		Resumed:    answer[11]&0xff != 0,
	}
	if answer[5]&0xff != 0 {
		s.ALPN = ownString(answer[6], answer[7])
	}
	if answer[8]&0xff != 0 {
		s.ServerName = ownString(answer[9], answer[10])
	}
	m.end()
	return s, true
}

// PeerCertificates are the peer's certificate, then those that lead to its authority, each as DER.
func (c *Conn) PeerCertificates() [][]byte {
	socket, isThere := c.handle()
	if !isThere {
		return nil
	}
	m := begin()
	peerCertificates(socket, answerAt)
	all := chain(answer[0], answer[1])
	m.end()
	return all
}

// StreamEnd is how the peer's stream has ended.
type StreamEnd uint32

const (
	// StreamOpen: not yet, or there is no TLS.
	StreamOpen StreamEnd = iota
	// StreamSaid: the peer has said so; nothing is missing.
	StreamSaid
	// StreamCut: it stopped without a word; something may be missing.
	StreamCut
)

// TLSEndOfStream is how the peer's stream has ended, also in Unbind.
func (c *Conn) TLSEndOfStream() StreamEnd { return StreamEnd(c.number(endOfStream)) }

// TLSFailure is why a handshake failed: the contract's word for it, and words for a person.
type TLSFailure struct{ Kind, Words string }

func (f TLSFailure) Error() string { return f.Kind + ": " + f.Words }

var tlsFailures = []string{"unknown-authority", "expired", "wrong-name", "bad-certificate", "no-certificate", "not-taken",
	"refused", "nothing-in-common", "not-tls", "cut", "too-late", "other"}

// TLSFailure is there in Unbind, where the handshake failed.
func (c *Conn) TLSFailure() (TLSFailure, bool) {
	socket, isThere := c.handle()
	if !isThere {
		return TLSFailure{}, false
	}
	m := begin()
	tlsFailure(socket, answerAt)
	if !isError() {
		return TLSFailure{}, false
	}
	f := TLSFailure{nameOf(tlsFailures, int(answer[1]&0xff)), ownString(answer[2], answer[3])}
	m.end()
	return f, true
}

//go:wasmexport sandloop:plugin/tls-handler@0.1.1#completed
func tlsCompleted(index uint32) {
	defer guard()
	held[index].handler.TLSCompleted()
	done()
}

//go:wasmexport sandloop:plugin/tls-handler@0.1.1#verify-peer
func verifyPeer(index uint32, certificates, count uint32) uint32 {
	defer guard()
	isTaken := held[index].handler.VerifyPeer(chain(certificates, count))
	done()
	return flag(isTaken)
}

//go:wasmimport sandloop:plugin/tls@0.1.1 start-tls
func startTLS(socket, role, a, b, c, d, e, f, g, h uint32, to ptr)

//go:wasmimport sandloop:plugin/tls@0.1.1 session
func tlsSession(socket uint32, to ptr)

//go:wasmimport sandloop:plugin/tls@0.1.1 peer-certificates
func peerCertificates(socket uint32, to ptr)

//go:wasmimport sandloop:plugin/tls@0.1.1 end-of-stream
func endOfStream(socket uint32) uint32

//go:wasmimport sandloop:plugin/tls@0.1.1 failure
func tlsFailure(socket uint32, to ptr)
