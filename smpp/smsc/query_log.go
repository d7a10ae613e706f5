package smsc

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// QueryLog calls yield for each entry of the log in path that q picks, until it returns an error. Entries alias
// buffers, as with ReadLog.
func QueryLog(path string, q *Query, yield func(*Entry) error) error {
	if err := q.compile(); err != nil {
		return err
	}
	segs, err := segmentsSince(path, q.Since)
	if err != nil {
		return err
	}
	p, d := newPicker(q), decoder{from: q.blocksFrom()}
	for i, seg := range segs {
		good, size, err := readSegment(seg, &d, func(e *Entry) error {
			if !p.pick(e) {
				return nil
			}
			return yield(e)
		})
		if err != nil {
			return err
		}
		if good < size && i < len(segs)-1 {
			return fmt.Errorf("%w: %s at offset %d: block is cut off, yet a later segment exists", ErrCorrupt, filepath.Base(seg), good)
		}
	}
	return nil
}

// blocksFrom is before which time a block may be left out: it holds one read or flush, so it ends soon after it begins;
// and a deliver_sm may be asked for by its answer.
func (q *Query) blocksFrom() int64 {
	if q.since <= lateMicros {
		return 0
	}
	return q.since - lateMicros
}

// segmentsSince lists the segments of a log that were written to after a time; path may be one segment.
func segmentsSince(path string, since time.Time) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("smsc log: %w", err)
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	segs, err := segments(path)
	if err != nil {
		return nil, err
	}
	if len(segs) == 0 {
		return nil, fmt.Errorf("smsc log %s: no segment *%s in it", path, segmentSuffix)
	}
	if since.IsZero() {
		return segs, nil
	}
	for len(segs) > 1 { // the newest is looked at in any case
		info, err := os.Stat(segs[0])
		if err != nil || info.ModTime().After(since.Add(-lateMicros*time.Microsecond)) {
			break
		}
		segs = segs[1:]
	}
	return segs, nil
}

// FollowLog is QueryLog that goes on with what a running simulator adds, until ctx ends; then it returns nil. caughtUp
// is called each time all that was there has been handed out.
func FollowLog(ctx context.Context, dir string, q *Query, yield func(*Entry) error, caughtUp func() error) error {
	if err := q.compile(); err != nil {
		return err
	}
	p := newPicker(q)
	t := logTail{dir: dir, since: q.Since, d: decoder{from: q.blocksFrom()}}
	pick := func(e *Entry) error {
		if !p.pick(e) {
			return nil
		}
		return yield(e)
	}
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for {
		if err := t.read(pick); err != nil {
			return err
		}
		if err := caughtUp(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// followEvery is how often a log that is followed is looked at.
const followEvery = 100 * time.Millisecond

// logTail reads a log as it grows. It holds no file open between two reads.
type logTail struct {
	dir   string
	since time.Time // older segments are left out at the first read
	seg   string    // the segment that is read; empty before the first
	off   int64     // how much of it was read
	d     decoder
	buf   *bufio.Reader
	bad   int // how often in a row a block couldn't be read
}

// badReads is how often a block may look damaged because it was only half written; then it is.
const badReads = 50

// read hands out all whole blocks that were not read yet.
func (t *logTail) read(yield func(*Entry) error) error {
	segs, err := segmentsSince(t.dir, t.since)
	if err != nil {
		return err
	}
	t.since = time.Time{}
	if t.seg == "" {
		t.seg = segs[0]
	}
	for i := max(slices.Index(segs, t.seg), 0); i < len(segs); i++ {
		if segs[i] != t.seg {
			t.seg, t.off = segs[i], 0
		}
		if err := t.readOn(yield); err != nil {
			return err
		}
	}
	return nil
}

func (t *logTail) readOn(yield func(*Entry) error) error {
	f, err := os.Open(t.seg)
	if err != nil {
		return fmt.Errorf("smsc log: %w", err)
	}
	defer f.Close() //nolint:errcheck // only read
	if info, err := f.Stat(); err == nil && info.Size() == t.off {
		return nil
	}
	if _, err := f.Seek(t.off, io.SeekStart); err != nil {
		return fmt.Errorf("smsc log: %w", err)
	}
	if t.buf == nil {
		t.buf = bufio.NewReaderSize(f, 1<<18)
	}
	t.buf.Reset(f)
	name := filepath.Base(t.seg)
	if t.off == 0 {
		t.off, err = readBlocks(t.buf, name, &t.d, yield)
	} else {
		t.off, err = readBlocksFrom(t.buf, t.off, name, &t.d, yield)
	}
	if errors.Is(err, ErrCorrupt) && t.bad < badReads {
		t.bad++
		return nil
	}
	t.bad = 0
	return err
}
