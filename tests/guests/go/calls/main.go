// Every call of the Go SDK, one for each word that a peer says: what comes back is what the host has said.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"sandloop.dev/sdk"
)

type Calls struct {
	sandloop.Conn
	timer *sandloop.Timer
	room  *sandloop.Subscription
	watch sandloop.Watch
	ticks int
}

func (c *Calls) say(format string, values ...any) { fmt.Fprintf(c, format+"\n", values...) }

// said is an error's code, without the words behind it.
func said(err error) string {
	if err == nil {
		return "ok"
	}
	code, _, _ := strings.Cut(err.Error(), ":")
	return code
}

func number(isTrue bool) int {
	if isTrue {
		return 1
	}
	return 0
}

func code(err error) int {
	var listen sandloop.ListenError
	var other sandloop.ErrorCode
	switch {
	case errors.As(err, &listen):
		return int(listen)
	case errors.As(err, &other):
		return int(other)
	}
	return 0
}

func address(kind string, a sandloop.Address, isThere bool) string {
	if !isThere {
		return "none"
	}
	return fmt.Sprintf("%s %s %d", kind, a.Host, a.Port)
}

func (c *Calls) fired()                       { c.say("fired") }
func (c *Calls) heard(message []byte)         { c.say("heard %s", message) }
func (c *Calls) popped(item []byte)           { c.say("popped %s", item) }
func (c *Calls) sent(count int64, err error)  { c.say("sent %s %d", said(err), count) }
func (c *Calls) exited(r sandloop.ExitReason) { c.say("exited 1 %d", r) }

func (c *Calls) again() {
	if c.ticks++; c.ticks == 3 {
		c.timer.Cancel()
		sandloop.Channel("calls").PushString("three")
	}
}

var backwards = sandloop.NewOperation(func(argument []byte) ([]byte, error) {
	if len(argument) == 0 {
		return nil, errors.New("nothing to turn")
	}
	if string(argument) == "trap" {
		panic("as it was told")
	}
	turned := bytes.Clone(argument)
	for i := range argument {
		turned[i] = argument[len(argument)-1-i]
	}
	return turned, nil
})

func (c *Calls) done(result []byte, err error) {
	var failure *sandloop.Failure
	switch {
	case err == nil:
		c.say("done 0 %s", result)
	case errors.As(err, &failure) && failure.Kind == sandloop.OperationTrapped:
		c.say("done 2 the operation trapped")
	default:
		c.say("done 1 %v", err)
	}
}

// Out is an outgoing connection that knows the one that asked for it.
type Out struct {
	sandloop.Conn
	asked *Calls
}

func (o *Out) ConnectionCompleted() {
	o.asked.say("connected %d", number(o.ProxyIncomingTo(o.asked, 0, 5) != nil))
}
func (o *Out) ProxyCompleted() {
	o.asked.say("\nproxied %d", o.ProxiedBytes())
	o.CloseConnection()
}
func (o *Out) Unbind(reason sandloop.CloseReason) { o.asked.say("unbound %v", reason) }

// Persistent connects again.
type Persistent struct {
	sandloop.Conn
	asked *Calls
	kept  string
	count int
}

func (p *Persistent) PostInit() { p.kept += "kept" }
func (p *Persistent) Unbind(reason sandloop.CloseReason) {
	var err error
	if p.count++; p.count < 3 {
		err = p.Reconnect("127.0.0.1", 1)
	}
	if p.count == 3 || err != nil {
		p.asked.say("again %d %v %s", p.count, reason, p.kept)
	}
}

// Datagrams answers, or sends to whom it is from.
type Datagrams struct{ sandloop.Conn }

func (d *Datagrams) ReceiveData(data []byte) {
	if from, isThere := d.PeerAddress(); isThere && len(data) > 1 && data[0] == '>' {
		d.SendDatagram(data[1:], from.Host, from.Port)
	} else {
		d.SendData(data)
	}
}

// Worker is a process.
type Worker struct{ given string }

func (w *Worker) Notified(message []byte) {
	sandloop.Channel("calls").PushString(w.given + " " + string(message))
	sandloop.Exit()
}

func (c *Calls) PostInit() { c.SetMaxLine(100) }

func (c *Calls) ReceiveLine(line string) {
	word, rest, _ := strings.Cut(line, " ")
	switch word {
	case "listener":
		c.say("%s %s", c.Listener(), c.Options().GetOr("color", "none"))
	case "peer":
		a, isThere := c.PeerAddress()
		c.say("%s", address("tcp", a, isThere))
	case "local":
		a, isThere := c.LocalAddress()
		c.say("%s", address("tcp", a, isThere))
	case "numbers":
		c.SetCommInactivityTimeout(70 * time.Second)
		zero := c.SetPendingConnectTimeout(0)
		c.say("%d %d %d %d %d", c.CommInactivityTimeout().Milliseconds(), c.OutboundDataSize(), code(zero), number(c.ID() > 0), number(c.IdleTime() < time.Minute))
	case "states":
		c.Pause()
		paused := c.IsPaused()
		c.Resume()
		c.KeepHalfOpen(true)
		c.say("%d %d %d %d", number(paused), number(c.IsPaused()), number(c.PeerFinished()), number(sandloop.IsRunning()))
	case "keepalive":
		first := c.EnableKeepalive(sandloop.Probes{Idle: 11, Interval: 12, Count: 13})
		p, isThere := c.Keepalive()
		second := c.DisableKeepalive()
		_, isStillThere := c.Keepalive()
		third := c.SetNodelay(false)
		c.say("%d %d %d %d %d %d %d %d %d", code(first), number(isThere), p.Idle, p.Interval, p.Count, code(second), number(isStillThere), code(third), number(c.Nodelay()))
	case "half":
		c.say("%s", said(c.HalfClose()))
	case "option":
		if value, isGiven := sandloop.GetOption(rest); isGiven {
			c.say("%s", value)
		} else {
			c.say("none")
		}
	case "options":
		for _, option := range sandloop.AllOptions() {
			fmt.Fprintf(c, "%s=%s;", option.Key, option.Value)
		}
		c.say("")
	case "timer":
		ms, _ := strconv.Atoi(rest)
		c.timer = sandloop.AddTimer(time.Duration(ms)*time.Millisecond, c.fired)
	case "cancelled":
		timer := sandloop.AddTimer(0, c.fired)
		timer.Cancel()
		timer.Cancel()
		sandloop.CancelTimer(nil)
		c.say("cancelled")
	case "periodic":
		c.timer = sandloop.AddPeriodicTimer(time.Millisecond, c.again)
	case "zero":
		_, err := sandloop.TryAddPeriodicTimer(0, c.again)
		sandloop.Logf(sandloop.Warn, "no timer: %v", err)
		c.say("%d", number(err != nil))
	case "tick":
		sandloop.NextTick(c.fired)
	case "defer":
		backwards.Defer([]byte(rest), c.done)
		c.say("ok")
	case "print":
		fmt.Println(rest)
	case "abrupt":
		c.CloseConnection()
	case "quit":
		c.CloseConnectionAfterWriting()
	case "stop":
		sandloop.Stop()
	default:
		c.more(word, rest)
	}
}

// more are the words that are about others.
func (c *Calls) more(word, rest string) {
	calls, items := sandloop.Channel("calls"), sandloop.Queue("calls")
	switch word {
	case "server":
		listener, err := sandloop.StartServer(sandloop.TCP("127.0.0.1", 0), "calls", sandloop.Options{{Key: "color", Value: "blue"}, {}})
		c.say("%s", address("tcp", listener.Address, err == nil))
	case "denied":
		_, one := sandloop.StartServer(sandloop.TCP("127.0.0.2", 1), "", nil)
		_, two := sandloop.OpenDatagramSocket("name", 1, &Datagrams{})
		c.say("%d %d %d", code(one), code(two), code(sandloop.Connect("127.0.0.2", 1, &Out{asked: c})))
	case "datagrams":
		a, err := sandloop.OpenDatagramSocket("127.0.0.1", 0, &Datagrams{})
		c.say("%s", address("udp", a, err == nil))
	case "file":
		c.say("%s", said(c.SendFile(rest, sandloop.FilePart{}, c.sent)))
	case "part":
		c.say("%s", said(c.SendFile(rest, sandloop.FilePart{Offset: 1, Length: 3}, c.sent)))
	case "version":
		version := sandloop.FileVersion{Size: 6, Modified: time.Unix(1, 2)}
		c.say("%s", said(c.SendVersion(rest, sandloop.FilePart{}, version, c.sent)))
	case "watch":
		var err error
		c.watch, err = sandloop.WatchFile(rest, sandloop.FileWatch{
			Deleted: func() { c.say("deleted ok") },
			Ended:   func(err sandloop.WatchError) { c.say("ended %s", said(err)) },
		})
		c.say("%d", number(err != nil))
	case "unwatch":
		c.watch.Unwatch()
	case "connect":
		to, err := sandloop.ParseAddress(rest)
		if err != nil {
			c.say("invalid-argument")
			return
		}
		c.say("%s", said(sandloop.ConnectTo(to, &Out{asked: c})))
	case "from":
		port, _ := strconv.Atoi(rest)
		c.say("%s", said(sandloop.BindConnect("127.0.0.1", 0, "127.0.0.1", uint16(port), &Out{asked: c})))
	case "unix":
		c.say("%s", said(sandloop.ConnectTo(sandloop.Unix(rest), &Out{asked: c})))
	case "again":
		c.say("%s", said(sandloop.Connect("127.0.0.1", 1, &Persistent{asked: c})))
	case "count":
		c.say("%d", sandloop.ConnectionCount())
	case "subscribe":
		c.room = calls.Subscribe(c.heard)
		_, err := sandloop.Channel("").TrySubscribe(c.heard)
		c.say("%d %d", calls.NumSubscribers(), number(err != nil))
	case "unsubscribe":
		c.room.Unsubscribe()
		c.say("%d", calls.NumSubscribers())
	case "push":
		calls.PushString(rest)
	case "others":
		c.room.PushStringToOthers(rest)
	case "item":
		c.say("%s", said(items.TryPush([]byte(rest))))
	case "pop":
		cancelled := items.Pop(c.popped)
		items.Pop(c.popped)
		cancelled.Cancel()
		c.say("%d %d", items.NumWaiting(), items.Size())
	case "spawn":
		worker, err := sandloop.Spawn("worker", []byte("given"), c.exited)
		if err == nil {
			err = worker.TryNotify([]byte("told"))
		}
		c.say("%s", said(err))
	case "kill":
		worker, _ := sandloop.Spawn("worker", []byte("given"), c.exited)
		worker.Kill()
	case "session":
		if s, isThere := c.TLSSession(); isThere {
			c.say("%d %d %s %d %s %s %d %d", number(s.Version == "TLS 1.3"), number(s.Resumed), s.Cipher, s.CipherBits, s.ALPN, s.ServerName, len(c.PeerCertificates()), c.TLSEndOfStream())
		} else {
			c.say("none")
		}
	default:
		c.say("what?")
	}
}

func (c *Calls) Draining(within time.Duration) sandloop.Drain {
	c.say("draining %d", number(within > 0))
	c.CloseConnectionAfterWriting()
	return sandloop.UntilClosed
}

func (c *Calls) Unbind(reason sandloop.CloseReason) {
	c.timer.Cancel()
	if failure, isThere := c.TLSFailure(); isThere {
		sandloop.Logf(sandloop.Warn, "handshake %v", failure)
	}
	sandloop.Logf(sandloop.Info, "unbind %v", reason)
}

func init() {
	sandloop.Handle[Calls]("calls")
	sandloop.HandleProcess("worker", func(_ sandloop.Process, argument []byte) (sandloop.Receiver, error) {
		if len(argument) == 0 {
			return nil, errors.New("nothing was given")
		}
		return &Worker{string(argument)}, nil
	})
}

func main() {}
