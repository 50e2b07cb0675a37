//go:build wasip1

package sandloop

import (
	"fmt"
	"unsafe"
)

// Operation is work that takes long, done off the loop: on a worker thread, in another sandbox of the same plugin. Nothing is
// shared with it: what it needs goes in as bytes, what it found comes back as bytes. It may log, read the options, push to channels
// and queues and notify processes.
type Operation struct{ number uint32 }

var operations []func([]byte) ([]byte, error)

// NewOperation makes a function an operation. For a variable of a package, since every sandbox must have the same ones in the same
// order:
//
//	var primes = sandloop.NewOperation(func(argument []byte) ([]byte, error) { … })
func NewOperation(run func(argument []byte) ([]byte, error)) Operation {
	operations = append(operations, run)
	return Operation{uint32(len(operations) - 1)}
}

// Failure is why an operation has no result.
type Failure struct {
	Kind FailureKind
	// Text is the operation's own error.
	Text string
}

// FailureKind is which of them.
type FailureKind uint8

const (
	// OperationFailed: it returned an error, which is the Text.
	OperationFailed FailureKind = iota
	// OperationTrapped: it panicked; the log says where.
	OperationTrapped
	// OperationTooLong: it used up cpu_per_operation or operation_deadline.
	OperationTooLong
	// OperationTooLarge: its result is larger than a message may be.
	OperationTooLarge
	// OperationUnavailable: no sandbox could be made for it.
	OperationUnavailable
)

func (f *Failure) Error() string {
	switch f.Kind {
	case OperationFailed:
		return f.Text
	case OperationTrapped:
		return "the operation panicked; the log says where"
	case OperationTooLong:
		return "the operation took too long: cpu_per_operation or operation_deadline in plugins.toml"
	case OperationTooLarge:
		return "the result is too large: limits.message in plugins.toml"
	}
	return "no worker has room for the operation"
}

var jobs = map[uint32]func([]byte, error){}

// Defer has a worker do the operation, and calls then with its result, or with why there is none: a *Failure, or the ErrorCode
// with which it was refused. The result is the host's again when it returns.
func (o Operation) Defer(argument []byte, then func(result []byte, err error)) {
	at, length := bytes(argument)
	deferWork(o.number, at, length, answerAt)
	job, code := number()
	if code != 0 {
		NextTick(func() { then(nil, code) })
		return
	}
	jobs[job] = then
}

//go:wasmexport sandloop:plugin/deferred-handler@0.1.1#completed
func completed(job, isFailure, a, b, c uint32) {
	defer guard()
	if then := jobs[job]; then != nil {
		delete(jobs, job)
		if isFailure == 0 {
			then(borrowed(ptr(uintptr(a)), b), nil)
		} else {
			failure := &Failure{Kind: FailureKind(a)}
			if failure.Kind == OperationFailed {
				failure.Text = ownString(b, c)
			}
			then(nil, failure)
		}
	}
	done()
}

// lastOutcome is a result<list<u8>, string>, or one without a value, as the host reads it.
var lastOutcome struct {
	isError uint32
	value   stringHeader
}

func answerOf(result []byte, err error) ptr {
	forget()
	lastOutcome.isError = 0
	text := unsafe.String(unsafe.SliceData(result), len(result))
	if err != nil {
		lastOutcome.isError = 1
		text = err.Error()
	}
	lastOutcome.value = copied(text)
	return ptr(&lastOutcome)
}

//go:wasmexport sandloop:plugin/operations@0.1.1#run
func runOperation(operation uint32, argument ptr, length uint32) ptr {
	defer guard()
	if int(operation) >= len(operations) {
		fail(fmt.Sprintf("there is no operation %d: NewOperation is for variables of a package, which every sandbox has in the same order", operation))
	}
	result, err := operations[operation](borrowed(argument, length))
	at := answerOf(result, err)
	done()
	return at
}

//go:wasmimport sandloop:plugin/deferred@0.1.1 defer
func deferWork(operation uint32, argument ptr, length uint32, to ptr)
