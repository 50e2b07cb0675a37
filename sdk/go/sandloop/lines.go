//go:build wasip1

package sandloop

import (
	slices "bytes"
	"strings"
)

// lineMax is how long a line may be, where SetMaxLine has not said so.
const lineMax = 64 << 10

// lineBuffer cuts what comes into lines for a handler's ReceiveLine.
type lineBuffer struct {
	told interface{ ReceiveLine(string) }
	max  int
	// The beginning of a line.
	begun []byte
}

func (l *lineBuffer) receive(c *Conn, data []byte) {
	for {
		end := slices.IndexByte(data, '\n')
		if end < 0 {
			break
		}
		line := string(l.begun) + string(data[:end])
		l.begun, data = l.begun[:0], data[end+1:]
		l.told.ReceiveLine(strings.TrimSuffix(line, "\r"))
	}
	if len(l.begun)+len(data) > l.max {
		Logf(Warn, "connection %d: a line of more than %d bytes, which is what SetMaxLine says; closing it", c.ID(), l.max)
		l.begun = nil
		c.CloseConnection()
		return
	}
	l.begun = append(l.begun, data...)
}
