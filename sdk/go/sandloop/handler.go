//go:build wasip1

package sandloop

import (
	"fmt"
	"strings"
)

type kind struct {
	name string
	make func() Connection
}

var kinds []kind

// Handle gives a type of connections a name, which a [[listen]] section gives as `handler`. Called in init. T embeds [Conn], and
// each connection gets a new T.
func Handle[T any, P interface {
	*T
	Connection
}](name string) {
	HandleFunc(name, func() Connection { return P(new(T)) })
}

// HandleFunc is [Handle] for handlers that are made by a function: it is called for each connection, before its PostInit.
func HandleFunc(name string, make func() Connection) {
	for _, known := range kinds {
		if known.name == strings.ToLower(name) {
			panic(fmt.Sprintf("sandloop: two handlers are named %q", name))
		}
	}
	kinds = append(kinds, kind{strings.ToLower(name), make})
}

func findKind(name string) (kind, string) {
	if len(kinds) == 0 {
		return kind{}, "this plugin has no handler: call sandloop.Handle[YourType](\"name\") in a func init()"
	}
	if name == "" && len(kinds) == 1 {
		return kinds[0], ""
	}
	var names []string
	for _, known := range kinds {
		if known.name == strings.ToLower(name) {
			return known, ""
		}
		names = append(names, known.name)
	}
	return kind{}, fmt.Sprintf("this plugin has no handler named %q: sandloop.Handle gave it %q", name, names)
}

// The connections that the host holds, by their numbers; the first is none, so that no number is 0.
var (
	held = []*Conn{nil}
	free []uint32
)

func hold(c *Conn) uint32 {
	if last := len(free) - 1; last >= 0 {
		index := free[last]
		free = free[:last]
		held[index] = c
		return index
	}
	held = append(held, c)
	return uint32(len(held) - 1)
}

//go:wasmexport sandloop:plugin/handler@0.1.1#[constructor]connection
func construct(socket, origin, a, aLength, b, bLength, c, cLength uint32) uint32 {
	defer guard()
	var handler Connection
	var options Options
	var listener string
	if origin == 0 {
		listener = ownString(a, aLength)
		found, problem := findKind(ownString(b, bLength))
		if problem != "" {
			fail(fmt.Sprintf("listener %s: %s", listener, problem))
		}
		options = pairs(c, cLength)
		handler = found.make()
		if handler == nil {
			fail(fmt.Sprintf("the function that makes the handler %q returned nil", found.name))
		}
	} else {
		handler = pending[a]
		delete(pending, a)
	}
	index := hold(attach(handler, socket, listener, options))
	done()
	return newConnection(index)
}

//go:wasmexport sandloop:plugin/handler@0.1.1#[dtor]connection
func destroy(index uint32) {
	c := held[index]
	held[index] = nil
	free = append(free, index)
	// One that connects again has another socket by now, or will have.
	if c != nil && c.socket != 0 && !c.again {
		dropSocket(c.socket)
		c.socket = 0
	}
}

//go:wasmexport sandloop:plugin/handler@0.1.1#[method]connection.post-init
func postInit(index uint32) {
	defer guard()
	c := held[index]
	if c.again {
		c.again = false
	} else {
		c.handler.PostInit()
	}
	done()
}

//go:wasmexport sandloop:plugin/handler@0.1.1#[method]connection.connection-completed
func connectionCompleted(index uint32) {
	defer guard()
	held[index].handler.ConnectionCompleted()
	done()
}

//go:wasmexport sandloop:plugin/handler@0.1.1#[method]connection.receive-data
func receiveData(index uint32, data ptr, length uint32) {
	defer guard()
	held[index].handler.ReceiveData(borrowed(data, length))
	done()
}

//go:wasmexport sandloop:plugin/handler@0.1.1#[method]connection.drained
func drained(index uint32) {
	defer guard()
	held[index].handler.Drained()
	done()
}

//go:wasmexport sandloop:plugin/handler@0.1.1#[method]connection.unbind
func unbind(index, reason uint32) {
	defer guard()
	c := held[index]
	c.unbinding = true
	c.handler.Unbind(CloseReason(reason))
	c.unbinding = false
	if c.again {
		dropSocket(c.socket)
		c.socket = 0
	}
	done()
}

//go:wasmexport sandloop:plugin/proxy-handler@0.1.1#proxy-target-unbound
func proxyTargetUnbound(index uint32) {
	defer guard()
	held[index].handler.ProxyTargetUnbound()
	done()
}

//go:wasmexport sandloop:plugin/proxy-handler@0.1.1#proxy-completed
func proxyCompleted(index uint32) {
	defer guard()
	held[index].handler.ProxyCompleted()
	done()
}

//go:wasmexport sandloop:plugin/drain-handler@0.1.1#draining
func draining(index, ms uint32) uint32 {
	defer guard()
	drain := held[index].handler.Draining(fromMilliseconds(ms))
	done()
	return uint32(drain)
}

var catalogAnswer stringHeader

//go:wasmexport sandloop:plugin/catalog@0.1.1#handlers
func catalog() ptr {
	defer guard()
	names := make([]string, len(kinds))
	for i, known := range kinds {
		names[i] = known.name
	}
	forget()
	catalogAnswer = copiedList(names)
	done()
	return ptr(&catalogAnswer)
}

//go:wasmimport [export]sandloop:plugin/handler@0.1.1 [resource-new]connection
func newConnection(index uint32) uint32
