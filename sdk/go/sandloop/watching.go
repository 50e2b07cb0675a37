//go:build wasip1

package sandloop

// WatchError says why nothing is watched.
type WatchError uint8

const (
	WatchDenied WatchError = 1 + iota
	WatchNotFound
	WatchUnsupported
	WatchLimit
	WatchFailed
)

func (e WatchError) Error() string {
	return nameOf([]string{"", "denied: it is not below a folder of allow.read or allow.write", "not-found", "unsupported: a pipe, a socket or a device", "limit: too many watches", "failed"}, int(e))
}

// FileWatch is what is told of a file or folder; any of them may be nil.
type FileWatch struct {
	Modified func()
	Moved    func()
	// Deleted: it is gone, and the watch has ended.
	Deleted func()
	// Ended: there was nothing to watch.
	Ended func(WatchError)
}

// Watch is a watch.
type Watch uint32

var watches = map[uint32]FileWatch{}

// WatchFile watches the file or folder that is there now, whatever it is called later.
func WatchFile(path string, told FileWatch) (Watch, error) {
	at, length := text(path)
	watchFile(at, length, answerAt)
	if isError() {
		return 0, WatchError(answer[1]&0xff) + 1
	}
	watches[answer[1]] = told
	return Watch(answer[1]), nil
}

// Unwatch ends it.
func (w Watch) Unwatch() {
	delete(watches, uint32(w))
	unwatch(uint32(w))
}

//go:wasmexport sandloop:plugin/watch-handler@0.1.1#file-modified
func fileModified(id uint32) {
	defer guard()
	if told := watches[id].Modified; told != nil {
		told()
	}
	done()
}

//go:wasmexport sandloop:plugin/watch-handler@0.1.1#file-moved
func fileMoved(id uint32) {
	defer guard()
	if told := watches[id].Moved; told != nil {
		told()
	}
	done()
}

//go:wasmexport sandloop:plugin/watch-handler@0.1.1#file-deleted
func fileDeleted(id uint32) {
	defer guard()
	told := watches[id].Deleted
	delete(watches, id)
	if told != nil {
		told()
	}
	done()
}

//go:wasmexport sandloop:plugin/watch-handler@0.1.1#watch-ended
func watchEnded(id, why uint32) {
	defer guard()
	told := watches[id].Ended
	delete(watches, id)
	if told != nil {
		told(WatchError(why) + 1)
	}
	done()
}

//go:wasmimport sandloop:plugin/watching@0.1.1 watch-file
func watchFile(path ptr, length uint32, to ptr)

//go:wasmimport sandloop:plugin/watching@0.1.1 unwatch
func unwatch(id uint32)
