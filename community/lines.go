package community

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// lineBuffer holds a stretch of the file of at least one longest row.
type lineBuffer struct {
	r          io.Reader
	buf        []byte
	start, end int
	eof        bool
	failed     error // of r; whole lines read before are still good
	line       int64 // at start, from 1
}

func newLineBuffer(r io.Reader) *lineBuffer {
	return &lineBuffer{r: r, buf: make([]byte, 8*maxRow), line: 1}
}

// begin passes over a byte order mark and refuses what is no UTF-8 text.
func (l *lineBuffer) begin() error {
	if err := l.atEnd(); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	b := l.buf[:l.end]
	switch {
	case bytes.HasPrefix(b, []byte("\xef\xbb\xbf")):
		l.start = 3
	case bytes.HasPrefix(b, []byte("\xff\xfe")), bytes.HasPrefix(b, []byte("\xfe\xff")):
		return fmt.Errorf("%w: it is UTF-16; save it as UTF-8", ErrFormat)
	}
	if bytes.IndexByte(b, '\r') >= 0 && bytes.IndexByte(b, '\n') < 0 && len(bytes.TrimRight(b, "\r")) > bytes.IndexByte(b, '\r') {
		return fmt.Errorf("%w: its lines end in CR alone; save it with LF or CR LF", ErrFormat)
	}
	return nil
}

// fill makes sure that a longest row lies in the buffer, or all that is left.
func (l *lineBuffer) fill() {
	if l.eof || l.end-l.start > maxRow {
		return
	}
	copy(l.buf, l.buf[l.start:l.end])
	l.start, l.end = 0, l.end-l.start
	for l.end < len(l.buf) {
		n, err := l.r.Read(l.buf[l.end:])
		l.end += n
		if err == io.EOF {
			l.eof = true
			return
		}
		if err != nil {
			l.eof, l.failed = true, err
			l.end = l.start + bytes.LastIndexByte(l.buf[l.start:l.end], '\n') + 1
			return
		}
	}
}

// atEnd returns io.EOF behind the last row, or why there are no more.
func (l *lineBuffer) atEnd() error {
	l.fill()
	switch {
	case l.start < l.end:
		return nil
	case l.failed != nil:
		return fmt.Errorf("reading behind line %d: %w", l.line-1, l.failed)
	}
	return io.EOF
}

// rest returns what is buffered, at most one longest row and one octet.
func (l *lineBuffer) rest() []byte { return l.buf[l.start:min(l.end, l.start+maxRow+1)] }

// skip goes on by n octets.
func (l *lineBuffer) skip(n int) {
	l.line += int64(bytes.Count(l.buf[l.start:l.start+n], []byte{'\n'}))
	l.start += n
}

// skipLine goes on behind the next line feed, however far that is.
func (l *lineBuffer) skipLine() {
	for {
		if i := bytes.IndexByte(l.buf[l.start:l.end], '\n'); i >= 0 {
			l.skip(i + 1)
			return
		}
		l.skip(l.end - l.start)
		if l.eof {
			return
		}
		l.fill()
	}
}

// oneLine returns the buffered line without its end, and its length with it.
// When it is longer than maxRow, ok is false and line holds its beginning.
func (l *lineBuffer) oneLine() (line []byte, length int, ok bool) {
	b := l.rest()
	i := bytes.IndexByte(b, '\n')
	switch {
	case i >= 0:
		return bytes.TrimSuffix(b[:i], []byte{'\r'}), i + 1, true
	case len(b) <= maxRow:
		return bytes.TrimSuffix(b, []byte{'\r'}), len(b), true
	}
	return b[:80], 0, false
}
