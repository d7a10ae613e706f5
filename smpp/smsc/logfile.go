package smsc

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/klauspost/compress/s2"
)

// The log is a row of segments NNNNNNNN.smsclog. A segment is a line of text that names the format, then blocks:
// length of the payload and CRC-32C of flags and payload as little-endian 32-bit numbers, an octet of flags, 24 bits of
// the CRC-32C of those nine octets, the payload. The head has its own checksum because a damaged length would otherwise
// look like a block that is cut off, and all behind it like nothing.
const (
	segmentMagic  = "fanline smsc log 1\n"
	segmentSuffix = ".smsclog"

	blockHeaderLen  = 12
	blockHeadLen    = 9 // of it under its checksum
	blockPayloadMax = 8 << 20
	blockS2         = 1 << 0 // payload is one s2 block

	// compressFrom is the number of literal octets of text per record from which s2 on top saves more than it costs
	// (docs in doc.go: a broadcast with a name in it stays below, every text different lies above).
	compressFrom = 24
	compressMin  = 512
)

// castagnoli has hardware support; the table is a constant in all but syntax.
func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// seal finishes the block and gives the bytes to write, valid until the next reset.
func (b *block) seal() []byte {
	b.endRun()
	payload := b.buf[blockHeaderLen:]
	out := b.buf
	flags := byte(0)
	if b.literals > compressFrom*b.records && len(payload) >= compressMin {
		need := blockHeaderLen + s2.MaxEncodedLen(len(payload))
		if cap(b.packed) < need {
			b.packed = make([]byte, need)
		}
		packed := s2.Encode(b.packed[blockHeaderLen:need], payload)
		if len(packed) < len(payload) {
			out = b.packed[:blockHeaderLen+len(packed)]
			flags = blockS2
		}
	}
	out[8] = flags
	binary.LittleEndian.PutUint32(out, uint32(len(out)-blockHeaderLen))
	sum := crc32.Update(crc32.Checksum(out[8:9], castagnoli()), castagnoli(), out[blockHeaderLen:])
	binary.LittleEndian.PutUint32(out[4:], sum)
	head := headSum(out)
	out[9], out[10], out[11] = byte(head), byte(head>>8), byte(head>>16)
	return out
}

// headSum is the checksum of a block's head, 24 bits of it.
func headSum(head []byte) uint32 { return crc32.Checksum(head[:blockHeadLen], castagnoli()) & 0xffffff }

// logWriter appends blocks to the newest segment. Blocks are gathered in memory; what flush returned from has been
// given to the operating system, so it survives the end of the process in any way. It doesn't promise to survive the
// loss of power. Whoever is about to answer flushes first, and with its own blocks it writes those of all others.
type logWriter struct {
	dir          string
	segmentBytes int64
	form         IDForm
	version      string
	now          func() int64

	mu      sync.Mutex // guards what is gathered
	pending []byte
	marks   []mark        // blocks of pending with submits
	dirty   chan struct{} // capacity 1: something was gathered that nobody may flush

	file    sync.Mutex // guards what follows; taken before mu
	writing []byte
	marking []mark    // of writing
	index   []indexed // blocks with submits, as they were written
	lock    *os.File
	segment *os.File
	seq     int
	size    int64
	head    block
	err     error // the first failure; nothing is written after it
}

// gatherMax is how much is gathered before it is written in any case.
const gatherMax = 1 << 20

const segmentBytesDefault = 256 << 20

// lockLog takes the log for this process, so that no second simulator writes into it.
func lockLog(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("smsc log: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("smsc log: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("smsc log %s: another simulator writes it: %w", dir, err), f.Close())
	}
	return f, nil
}

// segments lists a directory's segments in the order they were written.
func segments(dir string) ([]string, error) {
	names, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("smsc log: %w", err)
	}
	var out []string
	for _, n := range names {
		if strings.HasSuffix(n.Name(), segmentSuffix) && n.Type().IsRegular() {
			out = append(out, filepath.Join(dir, n.Name()))
		}
	}
	slices.Sort(out)
	return out, nil
}

func segmentNumber(path string) (int, error) {
	var n int
	if _, err := fmt.Sscanf(filepath.Base(path), "%08d"+segmentSuffix, &n); err != nil {
		return 0, fmt.Errorf("smsc log %s: not the name of a segment", path)
	}
	return n, nil
}

// openLog goes on with the newest segment, which must end at a whole block (restore cuts it there), or starts the first.
func openLog(w *logWriter) error {
	segs, err := segments(w.dir)
	if err != nil {
		return err
	}
	if w.segmentBytes == 0 {
		w.segmentBytes = segmentBytesDefault
	}
	if len(segs) == 0 {
		return w.nextSegment()
	}
	path := segs[len(segs)-1]
	if w.seq, err = segmentNumber(path); err != nil {
		return err
	}
	w.segment, err = os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("smsc log: %w", err)
	}
	w.size, err = w.segment.Seek(0, io.SeekEnd)
	if err != nil {
		return fmt.Errorf("smsc log %s: %w", path, err)
	}
	if w.size < int64(len(segmentMagic)) { // the crash came between creating the segment and its first line
		if err := w.segment.Truncate(0); err != nil {
			return fmt.Errorf("smsc log %s: %w", path, err)
		}
		return w.beginSegment()
	}
	return w.writeStart(false)
}

func (w *logWriter) nextSegment() error {
	if w.segment != nil {
		if err := w.segment.Close(); err != nil {
			return fmt.Errorf("smsc log: %w", err)
		}
	}
	w.seq++
	path := filepath.Join(w.dir, fmt.Sprintf("%08d%s", w.seq, segmentSuffix))
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("smsc log: %w", err)
	}
	w.segment = f
	return w.beginSegment()
}

func (w *logWriter) beginSegment() error {
	if _, err := w.segment.WriteString(segmentMagic); err != nil {
		return fmt.Errorf("smsc log: %w", err)
	}
	w.size = int64(len(segmentMagic))
	return w.writeStart(w.seq > 1)
}

// writeStart says how ids are written: each segment can then be read alone.
func (w *logWriter) writeStart(again bool) error {
	w.head.reset(0, "", w.now())
	w.head.start(w.version, w.form, again)
	return w.put(w.head.seal())
}

func (w *logWriter) put(sealed []byte) error {
	n, err := w.segment.Write(sealed)
	w.size += int64(n)
	if err != nil {
		return fmt.Errorf("smsc log %s: %w", w.segment.Name(), err)
	}
	return nil
}

// write gathers a block; it reaches the segment with the next flush.
func (w *logWriter) write(b *block) error {
	if b.empty() {
		return nil
	}
	sealed := b.seal()
	w.mu.Lock()
	if b.idFirst != 0 {
		w.marks = append(w.marks, mark{b.idFirst, b.idLast, len(w.pending)})
	}
	w.pending = append(w.pending, sealed...)
	n := len(w.pending)
	w.mu.Unlock()
	if n >= gatherMax {
		return w.flush()
	}
	if n == len(sealed) {
		wakeUp(w.dirty)
	}
	return nil
}

// flush writes what was gathered before it was called. After the first failure it refuses everything: an SMSC that
// can't write its log doesn't answer.
func (w *logWriter) flush() error {
	w.file.Lock()
	defer w.file.Unlock()
	if w.err != nil {
		return w.err
	}
	w.mu.Lock()
	w.writing, w.pending = w.pending, w.writing[:0]
	w.marking, w.marks = w.marks, w.marking[:0]
	w.mu.Unlock()
	if len(w.writing) == 0 {
		return nil
	}
	if w.size >= w.segmentBytes {
		w.err = w.nextSegment()
	}
	base := w.size
	if w.err == nil {
		w.err = w.put(w.writing)
	}
	if w.err == nil {
		w.settleMarks(base)
	}
	return w.err
}

// flushWithin is how long a block waits at most when no answer needs it.
const flushWithin = 20 * time.Millisecond

// run flushes what nobody else does, until done closes.
func (w *logWriter) run(done <-chan struct{}, fail func(error)) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		select {
		case <-done:
			return
		case <-w.dirty:
			timer.Reset(flushWithin)
		case <-timer.C:
			if err := w.flush(); err != nil {
				fail(err)
				return
			}
		}
	}
}

// offset is how long the newest segment is.
func (w *logWriter) offset() int64 {
	w.file.Lock()
	defer w.file.Unlock()
	return w.size
}

func (w *logWriter) bytes() int64 {
	w.file.Lock()
	defer w.file.Unlock()
	return int64(w.seq-1)*w.segmentBytes + w.size
}

func (w *logWriter) close() error {
	err := w.flush()
	w.file.Lock()
	defer w.file.Unlock()
	if w.err == nil {
		w.err = errors.New("smsc log: closed")
	}
	if w.segment != nil {
		err = errors.Join(err, w.segment.Close())
	}
	if w.lock != nil {
		err = errors.Join(err, w.lock.Close())
	}
	return err
}
