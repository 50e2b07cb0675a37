//go:build wasip1

// Package sandloop makes a Go program a plugin of Sandloop: a type that embeds [Conn], and one line that gives it a name.
//
//	type Echo struct{ sandloop.Conn }
//
//	func (e *Echo) ReceiveData(data []byte) { e.SendData(data) }
//
//	func init() { sandloop.Handle[Echo]("echo") }
//	func main() {}
//
// The names are EventMachine's. Everything runs on one thread, one event at a time: no callback is called inside another one, and
// nothing here is locked. What is asked for (close, connect, timers) is done after the callback that asked has returned.
//
// # Output
//
// [log.Println], [fmt.Println] and slog write to the host's log: log and slog at info, standard output at info, standard error at
// warn. A panic ends the sandbox, and the log has its message, the place and the frames that led there.
//
// # Goroutines
//
// Goroutines run while a callback runs and right after it, until each of them blocks; then the host goes on. One that waits for
// a channel is resumed by the event that sends to it. [Sleep] wakes a goroutine by a timer of the host. [time.Sleep] in a callback
// holds this sandbox up for that long, and in a goroutine it ends with the first event that comes after it.
// A callback that waits for something that only another event brings can never go on: Go says "all goroutines are asleep".
package sandloop

import (
	"fmt"
	"log"
)

// Level says how much a line of the log matters.
type Level uint32

const (
	Trace Level = iota
	Debug
	Info
	Warn
	Error
)

// Logf writes one line to the operator's log, in the words of [fmt.Sprintf].
func Logf(level Level, format string, values ...any) { Log(level, fmt.Sprintf(format, values...)) }

// Log writes one line to the operator's log. Control characters are escaped by the host.
func Log(level Level, message string) {
	p, n := text(message)
	logLog(uint32(level), p, n)
}

// logWriter has each write of Go's log package be a line.
type logWriter struct{}

func (logWriter) Write(line []byte) (int, error) {
	length := len(line)
	for length > 0 && line[length-1] == '\n' {
		length--
	}
	Log(Info, string(line[:length]))
	return len(line), nil
}

func init() {
	// The host puts the time and the plugin's name before each line.
	log.SetFlags(0)
	log.SetOutput(logWriter{})
}

//go:wasmimport sandloop:plugin/log@0.1.1 log
func logLog(level uint32, message ptr, length uint32)
