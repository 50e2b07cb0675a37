//go:build wasip1

// Package program makes a plugin a program: one that the host starts whether or not it has connections. Importing it is what does
// it, and the plugin then needs isolation = "plugin".
//
//	func init() { program.Start(func() error { return sandloop.Connect("127.0.0.1", 7, &Client{}) }) }
package program

import (
	"unsafe"

	sandloop "sandloop.dev/sdk"
)

var (
	prepare, start    func() error
	stopping, stopped func()
	hooks             []func()
	save              func() []byte
	restore           func([]byte) error
)

// Prepare is called before the reactor runs, also by `sandloop check`: a place to read the options. An error stops the host's
// start.
func Prepare(action func() error) { prepare = action }

// Start is called when the reactor runs: make clients, timers, ticks. An error ends the sandbox and is logged.
func Start(action func() error) { start = action }

// Stopping is called when the reactor is about to stop. What is sent from here still goes out.
func Stopping(action func()) { stopping = action }

// Stopped is the last call.
func Stopped(action func()) { stopped = action }

// Save is called when this plugin is replaced: what the next version is to have, at most as much as a message may be; nil where
// there is nothing.
func Save(action func() []byte) { save = action }

// Restore is called with what the version before has saved, between Prepare and Start. The bytes are the host's: copy what is to be
// kept. With an error the plugin begins without.
func Restore(action func(state []byte) error) { restore = action }

// AddShutdownHook is called before Stopping; the hook that was added last runs first.
func AddShutdownHook(action func()) { hooks = append(hooks, action) }

//go:wasmexport sandloop:plugin/lifecycle@0.1.1#prepare
func onPrepare() sandloop.Outcome { return sandloop.CallProgram(prepare) }

//go:wasmexport sandloop:plugin/lifecycle@0.1.1#start
func onStart() sandloop.Outcome {
	if start == nil && prepare == nil {
		sandloop.Log(sandloop.Warn, "this program does nothing at its start: call program.Start in a func init(), or leave out the import of sandloop.dev/sdk/program")
	}
	return sandloop.CallProgram(start)
}

//go:wasmexport sandloop:plugin/lifecycle@0.1.1#stopping
func onStopping() {
	sandloop.CallProgram(func() error {
		for len(hooks) > 0 {
			hook := hooks[len(hooks)-1]
			hooks = hooks[:len(hooks)-1]
			hook()
		}
		if stopping != nil {
			stopping()
		}
		return nil
	})
}

//go:wasmexport sandloop:plugin/lifecycle@0.1.1#stopped
func onStopped() {
	sandloop.CallProgram(func() error {
		if stopped != nil {
			stopped()
		}
		return nil
	})
}

//go:wasmexport sandloop:plugin/handover-handler@0.1.1#save
func onSave() unsafe.Pointer { return sandloop.SaveState(save) }

//go:wasmexport sandloop:plugin/handover-handler@0.1.1#restore
func onRestore(at unsafe.Pointer, length uint32) sandloop.Outcome {
	return sandloop.RestoreState(restore, at, length)
}
