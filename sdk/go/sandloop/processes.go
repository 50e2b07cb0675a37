//go:build wasip1

package sandloop

import "fmt"

// Process is a sandbox of the plugin's own making, with a mailbox, by its number, which holds in the whole tenant.
type Process uint32

// Receiver is what a process does: Notified is called with every message, which is the host's again when it returns.
type Receiver interface{ Notified(message []byte) }

var (
	processKinds   = map[string]func(Process, []byte) (Receiver, error){}
	exits          = map[uint32]func(ExitReason){}
	currentProcess Process
	isProcess      bool
	receiver       Receiver
)

// HandleProcess gives a kind of process a name, for [Spawn]. Called in init. The function makes the process of its number and the
// argument; an error ends it.
func HandleProcess(name string, make func(id Process, argument []byte) (Receiver, error)) {
	processKinds[name] = make
}

// ExitReason is why a process has ended.
type ExitReason uint8

const (
	ExitFinished ExitReason = iota
	ExitKilled
	ExitTrapped
	ExitUnavailable
)

func (r ExitReason) String() string {
	return nameOf([]string{"finished", "killed", "trapped", "unavailable"}, int(r))
}

// Spawn starts a process of this plugin, of a kind that HandleProcess has named. exited is told why it ended.
func Spawn(name string, argument []byte, exited func(ExitReason)) (Process, error) {
	return start(0, "", name, argument, exited)
}

// SpawnOf is [Spawn] of another plugin, which allow.spawn lists.
func SpawnOf(plugin, name string, argument []byte, exited func(ExitReason)) (Process, error) {
	return start(1, plugin, name, argument, exited)
}

func start(some uint32, plugin, name string, argument []byte, exited func(ExitReason)) (Process, error) {
	p, pLength := text(plugin)
	n, nLength := text(name)
	a, aLength := bytes(argument)
	spawn(some, p, pLength, n, nLength, a, aLength, answerAt)
	id, code := number()
	if code != 0 {
		return 0, code
	}
	if exited != nil {
		exits[id] = exited
	}
	return Process(id), nil
}

// Notify puts a message into its mailbox. It never fails: what a process that has ended is told goes nowhere, and a message that
// its mailbox has no room for is lost and the log says so.
func (p Process) Notify(message []byte) {
	if err := p.TryNotify(message); err != nil && err != ErrClosed {
		Logf(Error, "process %d: a message was lost: %v", uint32(p), err)
	}
}

// TryNotify is Notify and answers ErrClosed or ErrLimit.
func (p Process) TryNotify(message []byte) error {
	at, length := bytes(message)
	notify(uint32(p), at, length, answerAt)
	return plain().orNil()
}

// Kill ends it, if this sandbox has spawned it.
func (p Process) Kill() { kill(uint32(p)) }

// Exit ends the process that this sandbox is.
func Exit() { exit() }

// CurrentProcess is the process that this sandbox is, if it is one.
func CurrentProcess() (Process, bool) { return currentProcess, isProcess }

//go:wasmexport sandloop:plugin/mailbox@0.1.1#spawned
func spawned(id uint32, name ptr, nameLength uint32, argument ptr, length uint32) ptr {
	defer guard()
	currentProcess, isProcess = Process(id), true
	kind := ownString(uint32(uintptr(name)), nameLength)
	make := processKinds[kind]
	err := fmt.Errorf("this plugin has no process named %q: call sandloop.HandleProcess in a func init()", kind)
	if make != nil {
		receiver, err = make(currentProcess, append([]byte(nil), borrowed(argument, length)...))
	}
	at := answerOf(nil, err)
	done()
	return at
}

//go:wasmexport sandloop:plugin/mailbox@0.1.1#notified
func notified(message ptr, length uint32) {
	defer guard()
	if receiver != nil {
		receiver.Notified(borrowed(message, length))
	}
	done()
}

//go:wasmexport sandloop:plugin/processes-handler@0.1.1#exited
func exited(id, reason uint32) {
	defer guard()
	if told := exits[id]; told != nil {
		delete(exits, id)
		told(ExitReason(reason))
	}
	done()
}

//go:wasmimport sandloop:plugin/processes@0.1.1 spawn
func spawn(some uint32, plugin ptr, pluginLength uint32, name ptr, nameLength uint32, argument ptr, length uint32, to ptr)

//go:wasmimport sandloop:plugin/processes@0.1.1 notify
func notify(id uint32, message ptr, length uint32, to ptr)

//go:wasmimport sandloop:plugin/processes@0.1.1 kill
func kill(id uint32)

//go:wasmimport sandloop:plugin/processes@0.1.1 exit
func exit()
