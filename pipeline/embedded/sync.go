package embedded

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

const (
	// syncParallel is how many files are flushed at a time. Flushes that wait
	// for the same commit of the file system's journal cost little more than one.
	syncParallel = 16

	// filesystemFrom is the number of partitions from which one syncfs is cheaper
	// than an fdatasync for each: measured for 12 on ext4, 0.2 instead of 1 ms of
	// CPU and 1.0 instead of 1.3 ms to wait, with 100 MB/s of other people's
	// writes on the same disk 1.3 instead of 2.0 ms.
	filesystemFrom = 3

	// A syncfs waits for what others write on the file system, too. One that
	// takes longer than filesystemSlow has us flush file by file for a while.
	filesystemSlow  = 50 * time.Millisecond
	filesystemPause = 10 * time.Second
)

// syncer flushes segment files. kfake appends to the last segment of a
// partition and opens a new one when it writes to a segment that has reached
// its size; it never syncs either.
type syncer struct {
	root         string // of the partitions' directories
	segmentBytes int64
	log          *slog.Logger
	syncs        atomic.Int64
	failed       atomic.Pointer[error]

	whole filesystem

	mu         sync.Mutex
	partitions map[string]*tail // by directory name
	seen       time.Time        // root's modification when it was last listed
}

// tail is the end of one partition's log.
type tail struct {
	dir   string
	asked atomic.Uint64

	mu     sync.Mutex // held while flushing
	done   uint64     // the last of asked that a flush has covered
	err    error      // of that flush
	file   *os.File   // the last segment as far as we know; nil: none yet
	base   int64
	synced int64         // size of file at its last flush
	seen   unix.Timespec // dir's modification when no segment was behind file
}

func newSyncer(root string, segmentBytes int64, log *slog.Logger) *syncer {
	return &syncer{root: root, segmentBytes: segmentBytes, log: log, partitions: map[string]*tail{}}
}

func (s *syncer) at(name string) *tail {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.partitions[name]
	if t == nil {
		t = &tail{dir: filepath.Join(s.root, name), base: -1}
		s.partitions[name] = t
	}
	return t
}

// filesystem flushes all that was written to the file system of the log.
type filesystem struct {
	asked atomic.Uint64
	avoid atomic.Int64 // Unix ns until which files are flushed one by one

	mu   sync.Mutex // held while flushing
	done uint64     // the last of asked that a flush has covered
	err  error      // of that flush
	dir  *os.File
}

// sync returns when all that was written to the partitions before the call is
// on the disk.
func (s *syncer) sync(topic string, partitions []int32) error {
	if err := s.failed.Load(); err != nil {
		return *err
	}
	if s.flushesWhole(len(partitions)) {
		return s.flushWhole()
	}
	tails := make([]*tail, len(partitions))
	for i, p := range partitions {
		tails[i] = s.at(directoryName(topic, p))
	}
	return s.flushEach(tails)
}

func (s *syncer) flushEach(tails []*tail) error {
	if len(tails) == 1 {
		return s.flush(tails[0])
	}
	var group errgroup.Group
	group.SetLimit(syncParallel)
	for _, t := range tails {
		group.Go(func() error { return s.flush(t) })
	}
	return group.Wait()
}

func (s *syncer) flushesWhole(partitions int) bool {
	return partitions >= filesystemFrom && time.Now().UnixNano() > s.whole.avoid.Load()
}

// flushWhole flushes the file system. Calls that wait while another flushes
// share the next flush, whatever topics they are about.
func (s *syncer) flushWhole() error {
	w := &s.whole
	ticket := w.asked.Add(1)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.done >= ticket {
		return w.err
	}
	w.done = w.asked.Load()
	if w.dir == nil {
		if w.dir, w.err = os.Open(filepath.Dir(s.root)); w.err != nil {
			return w.err
		}
	}
	begin := time.Now()
	s.syncs.Add(1)
	w.err = uninterrupted(func() error { return unix.Syncfs(int(w.dir.Fd())) })
	if w.err != nil {
		s.fail(fmt.Errorf("flushing the file system of %s: %w", w.dir.Name(), w.err))
	}
	if took := time.Since(begin); took > filesystemSlow {
		w.avoid.Store(time.Now().Add(filesystemPause).UnixNano())
		s.log.Info("flushing the file system is slow; files are flushed one by one for a while", "took", took)
	}
	return w.err
}

// fail remembers the first failure. After one the kernel may call lost pages
// clean, so a second flush that succeeds proves nothing: the broker stays failed.
func (s *syncer) fail(err error) {
	if s.failed.CompareAndSwap(nil, &err) {
		s.log.Error("the log cannot be made durable", "err", err)
	}
}

func uninterrupted(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// flush flushes one partition. Calls that wait while another flushes share the
// next flush.
func (s *syncer) flush(t *tail) error {
	ticket := t.asked.Add(1)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.done >= ticket {
		return t.err // by a flush that began after we asked
	}
	t.done = t.asked.Load()
	t.err = s.flushLocked(t)
	if t.err != nil {
		s.fail(fmt.Errorf("flushing %s: %w", filepath.Base(t.dir), t.err))
	}
	return t.err
}

func (s *syncer) flushLocked(t *tail) error {
	if t.file != nil {
		var st unix.Stat_t
		if err := unix.Fstat(int(t.file.Fd()), &st); err != nil {
			return err
		}
		if st.Nlink == 0 { // compacted or trimmed away: the segments are others
			t.forget()
		} else {
			if err := s.datasync(t.file); err != nil {
				return err
			}
			t.synced = st.Size
			if st.Size < s.segmentBytes {
				return nil // not full, so it still is the last
			}
		}
	}
	return s.advance(t)
}

// advance flushes the segments behind the one we know and stays at the last.
func (s *syncer) advance(t *tail) error {
	bases, err := segments(t.dir)
	if err != nil {
		return err
	}
	first := t.base < 0
	var opened bool
	for _, base := range bases {
		if base <= t.base {
			continue
		}
		f, err := os.Open(filepath.Join(t.dir, segmentName(base)))
		if errors.Is(err, os.ErrNotExist) {
			continue // trimmed meanwhile
		}
		if err != nil {
			return err
		}
		t.forget()
		t.file, t.base, opened = f, base, true
		st, err := f.Stat()
		if err != nil {
			return err
		}
		if err := s.datasync(f); err != nil {
			return err
		}
		t.synced = st.Size()
	}
	if !opened {
		return nil
	}
	// A new file is found again only when its directory is on the disk too.
	if first {
		if err := syncDirectory(s.root); err != nil {
			return err
		}
	}
	return syncDirectory(t.dir)
}

func (t *tail) forget() {
	if t.file != nil {
		t.file.Close() //nolint:errcheck // opened for reading: nothing can be lost
	}
	t.file, t.base = nil, -1
}

func (s *syncer) datasync(f *os.File) error {
	s.syncs.Add(1)
	return uninterrupted(func() error { return unix.Fdatasync(int(f.Fd())) })
}

func syncDirectory(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (s *syncer) close() {
	s.whole.mu.Lock()
	if s.whole.dir != nil {
		s.whole.dir.Close() //nolint:errcheck // opened for reading: nothing can be lost
	}
	s.whole.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.partitions {
		t.mu.Lock()
		t.forget()
		t.mu.Unlock()
	}
}
