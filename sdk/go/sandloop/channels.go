//go:build wasip1

package sandloop

// Channel is a name: what one pushes, every subscriber of the tenant gets, in one order.
type Channel string

// Subscription is a subscriber's.
type Subscription struct {
	id      uint32
	channel Channel
	action  func([]byte)
	isLive  bool
}

var subscriptions = map[uint32]*Subscription{}

// Subscribe calls action with every message that is pushed from now on. The message is the host's again when it returns.
func (ch Channel) Subscribe(action func(message []byte)) *Subscription {
	s, code := ch.subscribe(action)
	must("subscribe to "+string(ch), code)
	return s
}

// TrySubscribe is Subscribe and answers ErrLimit, ErrDenied or ErrInvalidArgument.
func (ch Channel) TrySubscribe(action func(message []byte)) (*Subscription, error) {
	s, code := ch.subscribe(action)
	return s, code.orNil()
}

func (ch Channel) subscribe(action func(message []byte)) (*Subscription, ErrorCode) {
	at, length := text(string(ch))
	subscribe(at, length, answerAt)
	id, code := number()
	if code != 0 {
		return nil, code
	}
	s := &Subscription{id, ch, action, true}
	subscriptions[id] = s
	return s, 0
}

// Pop calls action with the next message and no other.
func (ch Channel) Pop(action func(message []byte)) *Subscription {
	var own *Subscription
	own = ch.Subscribe(func(message []byte) {
		own.Unsubscribe()
		action(message)
	})
	return own
}

// Push pushes a message to all subscribers. It never fails: at the bound the message is lost and the log says so.
func (ch Channel) Push(message []byte) { ch.logLost(ch.push(message, 0, 0)) }

// PushString is Push of text.
func (ch Channel) PushString(message string) { ch.Push([]byte(message)) }

// TryPush is Push and answers ErrLimit, ErrDenied or ErrInvalidArgument.
func (ch Channel) TryPush(message []byte) error { return ch.push(message, 0, 0).orNil() }

func (ch Channel) push(message []byte, except, id uint32) ErrorCode {
	at, length := text(string(ch))
	data, size := bytes(message)
	push(at, length, data, size, except, id, answerAt)
	return plain()
}

func (ch Channel) logLost(code ErrorCode) {
	if code != 0 {
		Logf(Error, "channel %q: a message was lost: %v", string(ch), code)
	}
}

// NumSubscribers is how many subscriptions it has, in all sandboxes.
func (ch Channel) NumSubscribers() int {
	at, length := text(string(ch))
	return int(numSubscribers(at, length))
}

// Unsubscribe ends it at once. Does nothing to none.
func (s *Subscription) Unsubscribe() {
	if s != nil && s.isLive {
		s.isLive = false
		delete(subscriptions, s.id)
		unsubscribe(s.id)
	}
}

// Channel is what it is subscribed to.
func (s *Subscription) Channel() Channel { return s.channel }

// PushToOthers pushes a message to all other subscriptions: a member of a room speaks and does not hear itself.
func (s *Subscription) PushToOthers(message []byte) {
	s.channel.logLost(s.channel.push(message, flag(s.isLive), s.id))
}

// PushStringToOthers is PushToOthers of text.
func (s *Subscription) PushStringToOthers(message string) { s.PushToOthers([]byte(message)) }

// TryPushToOthers is PushToOthers and answers as [Channel.TryPush].
func (s *Subscription) TryPushToOthers(message []byte) error {
	return s.channel.push(message, flag(s.isLive), s.id).orNil()
}

//go:wasmexport sandloop:plugin/subscriptions@0.1.1#message
func message(id uint32, data ptr, length uint32) {
	defer guard()
	if s := subscriptions[id]; s != nil {
		s.action(borrowed(data, length))
	}
	done()
}

//go:wasmimport sandloop:plugin/channels@0.1.1 subscribe
func subscribe(channel ptr, length uint32, to ptr)

//go:wasmimport sandloop:plugin/channels@0.1.1 unsubscribe
func unsubscribe(id uint32)

//go:wasmimport sandloop:plugin/channels@0.1.1 push
func push(channel ptr, length uint32, message ptr, size, except, id uint32, to ptr)

//go:wasmimport sandloop:plugin/channels@0.1.1 num-subscribers
func numSubscribers(channel ptr, length uint32) uint32
