//go:build wasip1

package sandloop

import "time"

// Timer is something that happens later, once or often.
type Timer struct {
	id         uint32
	action     func()
	isPeriodic bool
	isLive     bool
}

var timers = map[uint32]*Timer{}

// AddTimer calls action once after this time; 0 is the host's next turn. At the limit of timers, and while the reactor does not
// run, it panics; [TryAddTimer] answers.
func AddTimer(after time.Duration, action func()) *Timer {
	t := &Timer{action: action}
	must("AddTimer", t.start(after))
	return t
}

// AddPeriodicTimer calls action again and again, this time after the end of the call before.
func AddPeriodicTimer(every time.Duration, action func()) *Timer {
	t := &Timer{action: action, isPeriodic: true}
	must("AddPeriodicTimer", t.start(every))
	return t
}

// TryAddTimer is [AddTimer] and answers ErrLimit or ErrDenied.
func TryAddTimer(after time.Duration, action func()) (*Timer, error) {
	return try(&Timer{action: action}, after)
}

// TryAddPeriodicTimer is [AddPeriodicTimer] and answers ErrLimit, ErrDenied, or ErrInvalidArgument for 0.
func TryAddPeriodicTimer(every time.Duration, action func()) (*Timer, error) {
	return try(&Timer{action: action, isPeriodic: true}, every)
}

func try(t *Timer, after time.Duration) (*Timer, error) {
	if code := t.start(after); code != 0 {
		return nil, code
	}
	return t, nil
}

func (t *Timer) start(after time.Duration) ErrorCode {
	if t.action == nil {
		panic("sandloop: a timer needs a function to call, and was given nil")
	}
	if t.isPeriodic {
		addPeriodicTimer(milliseconds(after), answerAt)
	} else {
		addTimer(milliseconds(after), answerAt)
	}
	id, code := number()
	if code == 0 {
		t.id, t.isLive = id, true
		timers[id] = t
	}
	return code
}

// Cancel forgets the timer, also from its own callback. Does nothing to one that has fired, and to none.
func (t *Timer) Cancel() {
	if t != nil && t.isLive {
		t.isLive = false
		delete(timers, t.id)
		cancelTimer(t.id)
	}
}

// Stop is Cancel, by Go's name.
func (t *Timer) Stop() { t.Cancel() }

// Reset begins it anew, whether or not it has fired.
func (t *Timer) Reset(after time.Duration) {
	t.Cancel()
	must("Reset", t.start(after))
}

// CancelTimer is [Timer.Cancel], by EventMachine's name.
func CancelTimer(t *Timer) { t.Cancel() }

//go:wasmexport sandloop:plugin/timers-handler@0.1.1#timer-fired
func timerFired(id uint32) {
	defer guard()
	if t := timers[id]; t != nil {
		if !t.isPeriodic {
			t.isLive = false
			delete(timers, id)
		}
		t.action()
	}
	done()
}

//go:wasmimport sandloop:plugin/timers@0.1.1 add-timer
func addTimer(milliseconds uint32, to ptr)

//go:wasmimport sandloop:plugin/timers@0.1.1 add-periodic-timer
func addPeriodicTimer(milliseconds uint32, to ptr)

//go:wasmimport sandloop:plugin/timers@0.1.1 cancel-timer
func cancelTimer(id uint32)
