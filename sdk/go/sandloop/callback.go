//go:build wasip1

package sandloop

import (
	"fmt"
	"runtime"
	"runtime/metrics"
	"strings"
	"time"
)

// isInCallback: what runs is a callback, and not a goroutine after one.
var isInCallback = true

// done ends every callback: goroutines run, and the host's memory is free again.
func done() {
	if runtime.NumGoroutine() > 1 {
		runGoroutines()
	}
	bufferUsed = 0
}

var runnable = []metrics.Sample{{Name: "/sched/goroutines/runnable:goroutines"}}

// runGoroutines has goroutines run until each of them blocks. One that never does is stopped by the host's limit of time.
func runGoroutines() {
	isInCallback = false
	for {
		runtime.Gosched()
		metrics.Read(runnable)
		if runnable[0].Value.Kind() != metrics.KindUint64 || runnable[0].Value.Uint64() == 0 {
			break
		}
	}
	isInCallback = true
}

// Sleep has a goroutine wait, by a timer of the host, while everything else goes on. In a callback it would wait for ever.
func Sleep(d time.Duration) {
	if isInCallback {
		panic("sandloop: Sleep in a callback waits for an event, and none comes before the callback returns: use AddTimer, or call it in a goroutine")
	}
	woken := make(chan struct{})
	AddTimer(d, func() { close(woken) })
	<-woken
}

// ErrorHandler, where it is set, is called when a callback has panicked, with what it panicked with: for a last word to the log.
// The sandbox ends all the same.
var ErrorHandler func(value any)

// guard is deferred by every callback: a panic becomes lines of the log, the last of which says what, where and by which way, and
// ends the sandbox.
func guard() {
	value := recover()
	if value == nil {
		return
	}
	trace := frames()
	if ErrorHandler != nil {
		ErrorHandler(value)
	}
	fail(fmt.Sprintf("panic: %v%s", say(value), trace))
}

func say(value any) any {
	if err, isError := value.(runtime.Error); isError && strings.Contains(err.Error(), "nil pointer") {
		return err.Error() + ": something that was not set is used, such as a *Timer, a *Subscription or a connection that is not there yet"
	}
	return value
}

// fail says why, and ends the sandbox.
func fail(why string) {
	Log(Error, why)
	trap()
}

// frames are the author's: neither Go's runtime nor what is here.
func frames() string {
	var callers [64]uintptr
	all := runtime.CallersFrames(callers[:runtime.Callers(2, callers[:])])
	var trace strings.Builder
	for {
		frame, more := all.Next()
		if name := frame.Function; name != "" && !strings.HasPrefix(name, "runtime.") && !strings.HasPrefix(name, "sandloop") {
			before := " < "
			if trace.Len() == 0 {
				before = ", at "
			}
			fmt.Fprintf(&trace, "%s%s (%s:%d)", before, name, frame.File, frame.Line)
		}
		if !more {
			return trace.String()
		}
	}
}
