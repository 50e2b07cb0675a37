//go:build wasip1

package sandloop

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// ErrorCode says why the host refused what was asked for: an error with the remedy in its words. Compare with errors.Is, or ==.
type ErrorCode uint8

const (
	// ErrClosed: the connection has ended, or was never this sandbox's.
	ErrClosed ErrorCode = 1 + iota
	// ErrClosing: a close was asked for earlier.
	ErrClosing
	// ErrOutboxFull: there is no room for these bytes, and none of them was taken.
	ErrOutboxFull
	// ErrDenied: plugins.toml does not allow it, or the reactor does not run.
	ErrDenied
	// ErrLimit: a count or a size is at its limit.
	ErrLimit
	// ErrInvalidArgument: an argument makes no sense.
	ErrInvalidArgument
	// ErrUnsupported: this kind of connection, or the plugin that was named, cannot do it.
	ErrUnsupported
)

func (e ErrorCode) Error() string {
	switch e {
	case ErrClosed:
		return "closed: the connection or process has ended; Unbind was its last callback"
	case ErrClosing:
		return "closing: nothing can be sent after CloseConnectionAfterWriting or HalfClose"
	case ErrOutboxFull:
		return "outbox-full: the peer reads too slowly; wait for Drained before sending more"
	case ErrDenied:
		return "denied: plugins.toml does not allow it, and the log names the line that would; or the reactor does not run"
	case ErrLimit:
		return "limit: too many of these, or too large; try again later, or raise the limit in plugins.toml"
	case ErrInvalidArgument:
		return "invalid-argument: an empty name, port 0 or a time of 0"
	case ErrUnsupported:
		return "unsupported: this kind of connection or plugin cannot do it"
	}
	return fmt.Sprintf("error code %d", uint8(e))
}

func (e ErrorCode) orNil() error {
	if e == 0 {
		return nil
	}
	return e
}

// CloseReason is why a connection ended.
type CloseReason uint8

const (
	PeerClosed CloseReason = iota
	Closed
	Stopped
	Refused
	ConnectTimeout
	NameNotFound
	Unreachable
	InactivityTimeout
	Reset
	LimitReached
	Failed
)

var closeReasons = [...]string{"peer-closed", "closed", "stopped", "refused", "connect-timeout", "name-not-found",
	"unreachable", "inactivity-timeout", "reset", "limit", "failed"}

func (r CloseReason) String() string { return nameOf(closeReasons[:], int(r)) }

func nameOf(names []string, index int) string {
	if index < len(names) {
		return names[index]
	}
	return strconv.Itoa(index)
}

// Address is one end of a connection: a host and a port, or the path of a Unix socket.
type Address struct {
	Host string
	Port uint16
	// Path is set for a Unix socket, and then the others are not; empty for an end without a name, where IsUnix says what it is.
	Path   string
	IsUnix bool
}

// TCP is the address of a host, by name or IP address, and a port.
func TCP(host string, port uint16) Address { return Address{Host: host, Port: port} }

// Unix is the address of a Unix socket.
func Unix(path string) Address { return Address{Path: path, IsUnix: true} }

// ParseAddress reads "host:port", or "unix:/path".
func ParseAddress(s string) (Address, error) {
	if path, isUnix := strings.CutPrefix(s, "unix:"); isUnix {
		return Unix(path), nil
	}
	colon := strings.LastIndexByte(s, ':')
	if colon <= 0 {
		return Address{}, fmt.Errorf("%q is no address such as host:port or unix:/path", s)
	}
	host, port := strings.Trim(s[:colon], "[]"), s[colon+1:]
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil || number == 0 {
		return Address{}, fmt.Errorf("%q is no address: its port is a number from 1 to 65535", s)
	}
	return TCP(host, uint16(number)), nil
}

func (a Address) String() string {
	if a.IsUnix {
		return "unix:" + a.Path
	}
	host := a.Host
	if strings.IndexByte(host, ':') >= 0 {
		host = "[" + host + "]"
	}
	return host + ":" + strconv.Itoa(int(a.Port))
}

// Network makes an Address what package net calls an Addr.
func (a Address) Network() string {
	if a.IsUnix {
		return "unix"
	}
	return "tcp"
}

func (a Address) parts() (kind uint32, at ptr, length uint32, port uint32) {
	if a.IsUnix {
		at, length = text(a.Path)
		return 1, at, length, 0
	}
	at, length = text(a.Host)
	return 0, at, length, uint32(a.Port)
}

// addressAt reads the address of which the kind is at this word of the answer.
func addressAt(index int) Address {
	s := ownString(answer[index+1], answer[index+2])
	if answer[index]&0xff == 1 {
		return Unix(s)
	}
	return TCP(s, uint16(answer[index+3]))
}

// milliseconds rounds up, so that nothing comes early.
func milliseconds(d time.Duration) uint32 {
	if d <= 0 {
		return 0
	}
	ms := (d + time.Millisecond - 1) / time.Millisecond
	return uint32(min(int64(ms), math.MaxUint32))
}

func fromMilliseconds(ms uint32) time.Duration { return time.Duration(ms) * time.Millisecond }

// must is for what fails only at a limit, or where the operator has not allowed it.
func must(what string, code ErrorCode) {
	if code != 0 {
		panic(fmt.Sprintf("sandloop: %s: %v", what, code))
	}
}
