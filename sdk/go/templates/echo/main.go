// An echo: what comes is sent back.
package main

import "sandloop.dev/sdk"

type Echo struct{ sandloop.Conn }

func (e *Echo) ReceiveData(data []byte) { e.SendData(data) }

func init() { sandloop.Handle[Echo]("echo") }

func main() {}
