// A chat: each line goes to everybody else.
package main

import "sandloop.dev/sdk"

type Chat struct {
	sandloop.Conn
	room *sandloop.Subscription
}

func (c *Chat) PostInit() { c.room = sandloop.Channel("chat").Subscribe(c.SendData) }

func (c *Chat) ReceiveLine(line string) { c.room.PushToOthers([]byte(line + "\n")) }

func (c *Chat) Unbind(sandloop.CloseReason) { c.room.Unsubscribe() }

func init() { sandloop.Handle[Chat]("chat") }

func main() {}
