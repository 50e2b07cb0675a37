//go:build wasip1

package sandloop

import (
	"strings"
	"unsafe"
)

// ptr is an address in the component's memory.
type ptr = unsafe.Pointer

// The host's words and bytes come into memory that it asks for by cabi_realloc. While it does, the component must not be left:
// not for the time, which Go's collector asks for, and not for the log. So cabi_realloc never takes Go's memory, which may begin a
// collection, or have other goroutines run. It gives pieces of one buffer that are free again when the callback has returned;
// where the buffer is too small, memory that Go's runtime never sees takes its place, and stays.
var (
	firstBuffer [64 << 10]byte
	buffer      uintptr
	bufferSize  uintptr
	bufferUsed  uintptr
)

//go:wasmexport cabi_realloc
func cabiRealloc(old ptr, oldSize, align, size uint32) ptr {
	if buffer == 0 {
		buffer = uintptr(ptr(&firstBuffer))
		bufferSize = uintptr(len(firstBuffer))
	}
	bytes, mask := uintptr(size), uintptr(align)-1
	at := (buffer + bufferUsed + mask) &^ mask
	if at+bytes > buffer+bufferSize {
		at = largerBuffer(bytes)
	}
	bufferUsed = at + bytes - buffer
	if old != nil && oldSize != 0 {
		copy(unsafe.Slice((*byte)(ptr(at)), size), unsafe.Slice((*byte)(old), oldSize))
	}
	return ptr(at)
}

// largerBuffer begins another buffer with room for this much. What is in the old one stays valid.
func largerBuffer(bytes uintptr) uintptr {
	larger := 2 * bufferSize
	for larger < bytes {
		larger *= 2
	}
	at := breakMemory(larger)
	if at == 0 {
		// The log says which limit it is.
		trap()
	}
	buffer, bufferSize, bufferUsed = at, larger, 0
	return at
}

// breakMemory has Go's runtime give memory from the end of what there is, aligned to 64 KiB; 0 where there is none.
func breakMemory(bytes uintptr) uintptr

// trap ends the sandbox without a word.
func trap()

// A mark is how much of which buffer is used: before a call whose answer comes into it.
type mark struct{ buffer, used uintptr }

func begin() mark { return mark{buffer, bufferUsed} }

// end gives the answer's memory back.
func (m mark) end() {
	if m.buffer == buffer {
		bufferUsed = m.used
	}
}

// answer is where the host puts what a call answers: at a fixed place, since a goroutine's stack moves.
var answer [16]uint32

var answerAt = ptr(&answer)

func text(s string) (ptr, uint32)  { return ptr(unsafe.StringData(s)), uint32(len(s)) }
func bytes(b []byte) (ptr, uint32) { return ptr(unsafe.SliceData(b)), uint32(len(b)) }

// borrowed is a view of memory that the host has filled: until the callback returns.
func borrowed(at ptr, length uint32) []byte { return unsafe.Slice((*byte)(at), length) }

func ownString(at, length uint32) string { return string(borrowed(ptr(uintptr(at)), length)) }

func word(at, index uint32) uint32 { return *(*uint32)(ptr(uintptr(at + 4*index))) }

// pairs are a list of two strings each.
func pairs(at, length uint32) Options {
	all := make([]Option, length)
	for i := range length {
		entry := at + 16*i
		all[i] = Option{ownString(word(entry, 0), word(entry, 1)), ownString(word(entry, 2), word(entry, 3))}
	}
	return all
}

func chain(at, length uint32) [][]byte {
	all := make([][]byte, length)
	for i := range length {
		all[i] = []byte(ownString(word(at+8*i, 0), word(at+8*i, 1)))
	}
	return all
}

// A pointer has eight bytes in Go and four in the component, so that what the host reads beside the arguments of a call is made of
// numbers. Go's collector does not see these as pointers, and moves what is on stacks: they lead to copies, which are kept here
// until the next ones.
type stringHeader struct{ at, length uint32 }

var kept struct {
	strings []string
	headers []stringHeader
}

// copied is a string's copy in the heap. The first of a call is preceded by forget.
func copied(s string) stringHeader {
	if s == "" {
		return stringHeader{4, 0}
	}
	s = strings.Clone(s)
	kept.strings = append(kept.strings, s)
	return stringHeader{uint32(uintptr(ptr(unsafe.StringData(s)))), uint32(len(s))}
}

func forget() {
	clear(kept.strings)
	kept.strings, kept.headers = kept.strings[:0], nil
}

// copiedList is a list of strings, whole.
func copiedList(list []string) stringHeader {
	if len(list) == 0 {
		return stringHeader{4, 0}
	}
	all := make([]stringHeader, len(list))
	for i, s := range list {
		all[i] = copied(s)
	}
	kept.headers = all
	return stringHeader{uint32(uintptr(ptr(unsafe.SliceData(all)))), uint32(len(all))}
}

// isError looks at the first byte of an answer that may be an error.
func isError() bool { return answer[0]&0xff != 0 }

// plain is an answer without a value: its error is the second byte.
func plain() ErrorCode {
	if !isError() {
		return 0
	}
	return ErrorCode(answer[0]>>8&0xff) + 1
}

// number is an answer with an id.
func number() (uint32, ErrorCode) {
	if isError() {
		return 0, ErrorCode(answer[1]&0xff) + 1
	}
	return answer[1], 0
}
