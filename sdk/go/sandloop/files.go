//go:build wasip1

package sandloop

import "time"

// FileError says why a file was not sent, or not all of it.
type FileError uint8

const (
	FileClosed FileError = 1 + iota
	FileClosing
	FileDenied
	FileNotFound
	FileNotAFile
	FileLimit
	FileChanged
	FileFailed
	FileUnsupported
)

func (e FileError) Error() string {
	return nameOf([]string{"", "closed", "closing", "denied: it is not below a folder of allow.read", "not-found", "not-a-file",
		"limit: no file descriptor, or no room; try again later", "changed", "failed", "unsupported"}, int(e))
}

// FilePart is what of a file is sent.
type FilePart struct {
	Offset int64
	// Length is how many bytes; 0 is all that there are.
	Length int64
}

// FileVersion is what the file system says of a file.
type FileVersion struct {
	Size     int64
	Modified time.Time
}

// SendFile sends a file below a folder of allow.read, behind what was sent before; sent is told how many bytes have gone, or why
// not.
func (c *Conn) SendFile(path string, part FilePart, sent func(bytes int64, err error)) error {
	socket, isThere := c.handle()
	if !isThere {
		return FileClosed
	}
	at, length := text(path)
	sendFile(socket, at, length, high(part.Offset), uint32(part.Offset), flag(part.Length != 0), high(part.Length), uint32(part.Length), answerAt)
	return c.sends(sent)
}

// SendVersion is SendFile where the file is still this one: with another size or time nothing of it is sent.
func (c *Conn) SendVersion(path string, part FilePart, version FileVersion, sent func(bytes int64, err error)) error {
	socket, isThere := c.handle()
	if !isThere {
		return FileClosed
	}
	at, length := text(path)
	sendVersion(socket, at, length, high(part.Offset), uint32(part.Offset), flag(part.Length != 0), high(part.Length), uint32(part.Length),
		high(version.Size), uint32(version.Size), uint32(version.Modified.Unix()), uint32(version.Modified.Nanosecond()), answerAt)
	return c.sends(sent)
}

func (c *Conn) sends(sent func(int64, error)) error {
	if isError() {
		return FileError(answer[1]&0xff) + 1
	}
	if c.files == nil {
		c.files = map[uint32]func(int64, error){}
	}
	if sent != nil {
		c.files[answer[1]] = sent
	}
	return nil
}

func high(count int64) uint32 { return uint32(uint64(count) >> 32) }

func byteCount(high, low uint32) int64 { return int64(uint64(high)<<32 | uint64(low)) }

//go:wasmexport sandloop:plugin/files-handler@0.1.1#file-sent
func fileSent(index, file, failed, a, b uint32) {
	defer guard()
	c := held[index]
	if sent := c.files[file]; sent != nil {
		delete(c.files, file)
		if failed == 0 {
			sent(byteCount(a, b), nil)
		} else {
			sent(0, FileError(a)+1)
		}
	}
	done()
}

//go:wasmimport sandloop:plugin/files@0.1.1 send-file
func sendFile(socket uint32, path ptr, length, offsetHigh, offsetLow, some, lengthHigh, lengthLow uint32, to ptr)

//go:wasmimport sandloop:plugin/file-versions@0.1.1 send-version
func sendVersion(socket uint32, path ptr, length, offsetHigh, offsetLow, some, lengthHigh, lengthLow, sizeHigh, sizeLow, seconds, nanoseconds uint32, to ptr)
