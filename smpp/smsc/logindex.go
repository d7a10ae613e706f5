package smsc

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// indexed is a block of the log by the ids that its submits were given: 24 octets a block, so that query_sm finds a
// message among millions by reading one block.
type indexed struct {
	first  uint64
	span   uint32 // last id - first
	segnum uint32
	offset int64
}

// mark is a block that is gathered but not written: offset counts from the start of what is gathered.
type mark struct {
	first, last uint64
	offset      int
}

// note keeps where a submit stands, while the log is read at the start.
func (w *logWriter) note(id uint64, segment int, offset int64) {
	if n := len(w.index); n > 0 {
		x := &w.index[n-1]
		if x.segnum == uint32(segment) && x.offset == offset {
			last := max(x.first+uint64(x.span), id)
			x.first = min(x.first, id)
			x.span = uint32(last - x.first)
			return
		}
	}
	w.index = append(w.index, indexed{first: id, segnum: uint32(segment), offset: offset})
}

// settleMarks turns marks into places, once it is known where what was gathered begins.
func (w *logWriter) settleMarks(base int64) {
	for _, m := range w.marking {
		w.index = append(w.index, indexed{m.first, uint32(m.last - m.first), uint32(w.seq), base + int64(m.offset)})
	}
	w.marking = w.marking[:0]
}

// lookUp calls yield for the submits whose ids match: names says whether the id that a form's Parse read means one.
func (w *logWriter) lookUp(form IDForm, parsed uint64, yield func(*Entry) error) error {
	if err := w.flush(); err != nil {
		return err
	}
	w.file.Lock()
	var found []indexed
	for _, x := range w.index {
		inside := parsed >= x.first && parsed-x.first <= uint64(x.span)
		if form == IDShort {
			inside = uint32(parsed)-uint32(x.first) <= x.span
		}
		if inside {
			found = append(found, x)
		}
	}
	w.file.Unlock()
	for _, x := range found {
		if err := w.readAt(x, func(e *Entry) error {
			if e.Kind == KindSubmit && form.names(parsed, e.MessageID) && e.MessageID != 0 {
				return yield(e)
			}
			return nil
		}); err != nil && !errors.Is(err, errFound) {
			return err
		}
	}
	return nil
}

// errFound ends a reading that has found what it was for.
var errFound = errors.New("found")

// readAt reads one block.
func (w *logWriter) readAt(x indexed, yield func(*Entry) error) (err error) {
	path := filepath.Join(w.dir, fmt.Sprintf("%08d%s", x.segnum, segmentSuffix))
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("smsc log: %w", err)
	}
	defer f.Close() //nolint:errcheck // only read
	d := decoder{form: w.form}
	r := bufio.NewReader(io.NewSectionReader(f, x.offset, 1<<62))
	if _, err := readBlock(r, &d); err != nil {
		return fmt.Errorf("%w: %s at offset %d: %w", ErrCorrupt, filepath.Base(path), x.offset, err)
	}
	return d.entries(yield)
}
