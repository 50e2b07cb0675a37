//go:build wasip1

package sandloop

var ticks = map[uint32]func(){}

// NextTick calls action in this turn, after the callback, or in the next one.
func NextTick(action func()) {
	nextTick(answerAt)
	id, code := number()
	must("NextTick", code)
	ticks[id] = action
}

// Stop ends the host's loops. Needs allow.stop.
func Stop() error {
	stop(answerAt)
	return plain().orNil()
}

// IsRunning is false before the program's start and in its end.
func IsRunning() bool { return isRunning() != 0 }

//go:wasmexport sandloop:plugin/ticks-handler@0.1.1#tick
func tick(id uint32) {
	defer guard()
	if action := ticks[id]; action != nil {
		delete(ticks, id)
		action()
	}
	done()
}

//go:wasmimport sandloop:plugin/reactor@0.1.1 next-tick
func nextTick(to ptr)

//go:wasmimport sandloop:plugin/reactor@0.1.1 stop
func stop(to ptr)

//go:wasmimport sandloop:plugin/reactor@0.1.1 is-running
func isRunning() uint32
