//go:build wasip1

package sandloop

import "unsafe"

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
