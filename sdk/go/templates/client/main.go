// A client: it says hello to the option `server`, logs the answer, and stops the host.
package main

import (
	"errors"
	"log"
	"time"

	"sandloop.dev/sdk"
	"sandloop.dev/sdk/program"
)

type Client struct {
	sandloop.Conn
	isAnswered bool
}

func (c *Client) ConnectionCompleted() { c.SendString("hello\n") }

func (c *Client) ReceiveLine(line string) {
	if !c.isAnswered {
		c.isAnswered = true
		log.Println("answer:", line)
		c.CloseConnection()
	}
}

func (c *Client) Unbind(sandloop.CloseReason) {
	if c.isAnswered {
		sandloop.Stop()
	} else {
		sandloop.AddTimer(time.Second, connect)
	}
}

var server sandloop.Address

func prepare() (err error) {
	option, isGiven := sandloop.GetOption("server")
	if !isGiven {
		return errors.New("the option server is missing: server = \"127.0.0.1:10000\"")
	}
	server, err = sandloop.ParseAddress(option)
	return err
}

func connect() {
	if err := sandloop.ConnectTo(server, &Client{}); err != nil {
		log.Println("connect:", err)
	}
}

func init() {
	program.Prepare(prepare)
	program.Start(func() error { connect(); return nil })
}

func main() {}
