// A plugin whose author has forgotten sandloop.Handle.
package main

import "sandloop.dev/sdk"

type Echo struct{ sandloop.Conn }

func (e *Echo) ReceiveData(data []byte) { e.SendData(data) }

func main() {}
