//go:build wasip1

package sandloop

import (
	"errors"
	"unsafe"
)

// Outcome is for package program alone.
type Outcome = unsafe.Pointer

// CallProgram is for package program alone: it calls one of its functions as a callback.
func CallProgram(action func() error) Outcome {
	defer guard()
	var err error
	if action != nil {
		err = action()
	}
	at := answerOf(nil, err)
	done()
	return at
}

// lastState is an option<list<u8>> as the host reads it.
var lastState struct {
	isThere uint32
	value   stringHeader
}

// SaveState is for package program alone: what the next version is to have, or nil.
func SaveState(save func() []byte) unsafe.Pointer {
	defer guard()
	var state []byte
	if save != nil {
		state = save()
	}
	forget()
	lastState.isThere = 0
	if state != nil {
		lastState.isThere = 1
	}
	lastState.value = copied(unsafe.String(unsafe.SliceData(state), len(state)))
	done()
	return ptr(&lastState)
}

// RestoreState is for package program alone: it hands over what the version before has saved.
func RestoreState(restore func([]byte) error, at unsafe.Pointer, length uint32) Outcome {
	return CallProgram(func() error {
		if restore == nil {
			return errors.New("this plugin has no use for a state: call program.Restore in a func init()")
		}
		return restore(borrowed(at, length))
	})
}
