package embedded

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// syncParallel is how many files are flushed at a time. Flushes that wait for
// the same commit of the file system's journal cost little more than one.
const syncParallel = 16

// syncer flushes segment files. kfake appends to the last segment of a
// partition and opens a new one when it writes to a segment that has reached
// its size; it never syncs either.
type syncer struct {
	root         string // of the partitions' directories
	segmentBytes int64
	log          *slog.Logger
	syncs        atomic.Int64
	failed       atomic.Pointer[error]

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
	synced int64 // size of file at its last flush
}

func newSyncer(root string, segmentBytes int64, log *slog.Logger) *syncer {
	return &syncer{root: root, segmentBytes: segmentBytes, log: log, partitions: map[string]*tail{}}
}

// directoryName is kfake's name for a partition's directory.
func directoryName(topic string, partition int32) string {
	return url.PathEscape(topic) + "-" + strconv.Itoa(int(partition))
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

// sync returns when all that was written to the partitions before the call is
// on the disk.
func (s *syncer) sync(topic string, partitions []int32) error {
	if err := s.failed.Load(); err != nil {
		return *err
	}
	if len(partitions) == 1 {
		return s.flush(s.at(directoryName(topic, partitions[0])))
	}
	var group errgroup.Group
	group.SetLimit(syncParallel)
	for _, p := range partitions {
		t := s.at(directoryName(topic, p))
		group.Go(func() error { return s.flush(t) })
	}
	return group.Wait()
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
		// After a failed fsync the kernel may call lost pages clean, so a
		// second one that succeeds proves nothing: the broker stays failed.
		err := fmt.Errorf("flushing %s: %w", filepath.Base(t.dir), t.err)
		if s.failed.CompareAndSwap(nil, &err) {
			s.log.Error("the log cannot be made durable", "err", err)
		}
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
	for {
		if err := unix.Fdatasync(int(f.Fd())); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

func syncDirectory(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// run flushes what changed, every so often, until ctx ends. It bounds what a
// power cut takes of records that nobody asked a barrier for.
func (s *syncer) run(ctx context.Context, every time.Duration) {
	state := map[string]int64{}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if s.failed.Load() != nil {
			return
		}
		changed, err := s.changed()
		if err != nil {
			s.log.Warn("listing the log", "err", err)
			continue
		}
		for _, t := range changed {
			if ctx.Err() != nil {
				return
			}
			_ = s.flush(t) // logged and remembered there
		}
		s.flushState(state)
	}
}

// changed lists the partitions whose last segment has grown since its flush.
func (s *syncer) changed() ([]*tail, error) {
	if err := s.list(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var changed []*tail
	for _, t := range s.partitions {
		if !t.mu.TryLock() {
			continue // being flushed
		}
		var st unix.Stat_t
		if t.file == nil || unix.Fstat(int(t.file.Fd()), &st) != nil || st.Nlink == 0 || st.Size != t.synced {
			changed = append(changed, t)
		}
		t.mu.Unlock()
	}
	return changed, nil
}

// list learns of partitions that were first written to since the last call.
func (s *syncer) list() error {
	st, err := os.Stat(s.root)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	s.mu.Lock()
	known := st.ModTime().Equal(s.seen)
	s.mu.Unlock()
	if known {
		return nil
	}
	entries, err := os.ReadDir(s.root)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.IsDir() {
			s.at(e.Name())
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(st.ModTime()) > time.Second { // else one made in the same tick could hide
		s.seen = st.ModTime()
	}
	return nil
}

// flushState flushes kfake's files of groups and producers when their sizes are
// not those of the last call. Losing their last entries costs records read
// again, never records.
func (s *syncer) flushState(sizes map[string]int64) {
	for _, name := range []string{"groups.log", "pids.log"} {
		path := filepath.Join(filepath.Dir(s.root), name)
		st, err := os.Stat(path)
		if err != nil || st.Size() == sizes[name] {
			continue
		}
		f, err := os.Open(path)
		if err != nil {
			continue // being rewritten; the next round finds it
		}
		if err := s.datasync(f); err != nil {
			s.log.Warn("flushing", "file", name, "err", err)
		}
		f.Close() //nolint:errcheck // opened for reading: nothing can be lost
		sizes[name] = st.Size()
	}
}

// syncAll flushes every segment there is.
func (s *syncer) syncAll() error {
	if err := s.list(); err != nil {
		return err
	}
	s.mu.Lock()
	tails := make([]*tail, 0, len(s.partitions))
	for _, t := range s.partitions {
		tails = append(tails, t)
	}
	s.mu.Unlock()
	var group errgroup.Group
	group.SetLimit(syncParallel)
	for _, t := range tails {
		group.Go(func() error { return s.flush(t) })
	}
	return group.Wait()
}

func (s *syncer) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.partitions {
		t.mu.Lock()
		t.forget()
		t.mu.Unlock()
	}
}

func segmentName(base int64) string { return strconv.FormatInt(base, 10) + ".dat" }

// segments lists the first offsets of a partition's segments, ascending. The
// names carry no padding, so they are sorted as numbers. Empty files are left
// out: kfake leaves one behind when the disk is full.
func segments(dir string) ([]int64, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var bases []int64
	for _, e := range entries {
		digits, ok := strings.CutSuffix(e.Name(), ".dat")
		if !ok {
			continue
		}
		base, err := strconv.ParseInt(digits, 10, 64)
		if err != nil {
			continue
		}
		if info, err := e.Info(); err != nil || info.Size() == 0 {
			continue
		}
		bases = append(bases, base)
	}
	slices.SortFunc(bases, cmp.Compare[int64])
	return bases, nil
}
