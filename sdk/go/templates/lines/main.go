// Lines are answered, until one says quit or none comes for five seconds.
package main

import (
	"time"

	"sandloop.dev/sdk"
)

type Lines struct {
	sandloop.Conn
	idle *sandloop.Timer
}

func (l *Lines) PostInit() { l.idle = sandloop.AddTimer(5*time.Second, l.bye) }

func (l *Lines) ReceiveLine(line string) {
	if line == "quit" {
		l.bye()
		return
	}
	l.idle.Reset(5 * time.Second)
	l.SendString(line + "\n")
}

func (l *Lines) bye() {
	l.SendString("bye\n")
	l.CloseConnectionAfterWriting()
}

func (l *Lines) Unbind(sandloop.CloseReason) { l.idle.Cancel() }

func init() { sandloop.Handle[Lines]("lines") }

func main() {}
