package embedded

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

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
		s.flushChanged(ctx, changed)
		s.flushState(state)
	}
}

// flushChanged flushes what changed listed; failures are logged and remembered
// where they happen.
func (s *syncer) flushChanged(ctx context.Context, changed []growth) {
	if s.flushesWhole(len(changed)) {
		if s.flushWhole() != nil {
			return
		}
		for _, c := range changed {
			if c.rolled {
				_ = s.flush(c.tail) // goes on to the last segment
				continue
			}
			c.tail.mu.Lock()
			c.tail.synced = c.size
			c.tail.mu.Unlock()
		}
		return
	}
	for _, c := range changed {
		if ctx.Err() != nil {
			return
		}
		_ = s.flush(c.tail)
	}
}

// growth is a partition that has grown.
type growth struct {
	tail   *tail
	size   int64 // of its last segment
	rolled bool  // there are segments behind the one that the tail knows
}

// changed lists the partitions that have grown since their last flush.
func (s *syncer) changed() ([]growth, error) {
	if err := s.list(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var changed []growth
	for _, t := range s.partitions {
		if !t.mu.TryLock() {
			continue // being flushed
		}
		if g := s.grown(t); g.rolled || g.size != t.synced {
			changed = append(changed, g)
		}
		t.mu.Unlock()
	}
	return changed, nil
}

// grown looks at one partition, whose mu is held. What can't be looked at is
// taken for grown, so that flushing it reports why.
func (s *syncer) grown(t *tail) growth {
	var st unix.Stat_t
	if t.file != nil {
		if unix.Fstat(int(t.file.Fd()), &st) != nil || st.Nlink == 0 {
			return growth{t, 0, true}
		}
		if st.Size < s.segmentBytes || st.Size != t.synced {
			return growth{t, st.Size, false}
		}
	}
	// Full and flushed, or empty so far: is there a segment behind it?
	if unix.Stat(t.dir, &st) != nil || st.Mtim == t.seen {
		return growth{t, t.synced, false}
	}
	bases, err := segments(t.dir)
	if err != nil || len(bases) > 0 && bases[len(bases)-1] > t.base {
		return growth{t, 0, true}
	}
	if time.Since(time.Unix(st.Mtim.Unix())) > time.Second { // else one made in the same tick could hide
		t.seen = st.Mtim
	}
	return growth{t, t.synced, false}
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
