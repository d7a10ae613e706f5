package embedded

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

const (
	backupDir     = "compacting"
	compactedFile = "compacted" // holds the size after the last compaction
)

// errCompaction is wrapped by an error after which the log stands as before.
var errCompaction = errors.New("compaction failed")

// compact compacts the compacted topics, at the start, while nobody waits for
// the broker, when they have grown large. kfake deletes a partition's segments
// before it writes the new ones and only logs what goes wrong, so the old files
// stand by, as hard links, until the new ones are on the disk.
func (b *Broker) compact() error {
	partitions, size, err := b.compacted()
	if err != nil || size < b.config.CompactBytes || size < 2*b.lastCompacted() {
		return err
	}
	if err := b.backUp(partitions); err != nil {
		return fmt.Errorf("%w: keeping the old segments: %w", errCompaction, err)
	}
	before := b.warnings.Load()
	b.cluster.Compact()
	if b.warnings.Load() != before {
		return fmt.Errorf("%w: the broker reported %d failed writes", errCompaction, b.warnings.Load()-before)
	}
	// The backup keeps the old files linked, so the syncer could not tell that
	// they are not the log's any more.
	b.syncer.close()
	b.syncer = newSyncer(b.syncer.root, b.config.SegmentBytes, b.log)
	if err := b.syncer.flushWhole(); err != nil {
		return err
	}
	if err := os.RemoveAll(filepath.Join(b.dir, backupDir)); err != nil {
		return err
	}
	_, after, err := b.compacted()
	if err != nil {
		return err
	}
	b.log.Info("compacted", "bytes_before", size, "bytes_after", after)
	return os.WriteFile(filepath.Join(b.dir, compactedFile), strconv.AppendInt(nil, after, 10), 0o600)
}

func (b *Broker) lastCompacted() int64 {
	raw, err := os.ReadFile(filepath.Join(b.dir, compactedFile))
	if err != nil {
		return 0 // never
	}
	n, _ := strconv.ParseInt(string(raw), 10, 64) // Unreadable is as good as never.
	return n
}

// compacted lists the directories of compacted partitions and their size.
func (b *Broker) compacted() (names []string, bytes int64, err error) {
	sizes, err := b.Sizes()
	if err != nil {
		return nil, 0, err
	}
	for _, s := range sizes {
		info := b.cluster.TopicInfo(s.Topic)
		if info == nil {
			continue
		}
		if policy := info.Configs["cleanup.policy"]; policy != nil && strings.Contains(*policy, "compact") {
			names = append(names, directoryName(s.Topic, s.Partition))
			bytes += s.Bytes
		}
	}
	return names, bytes, nil
}

// backUp links all segments of the partitions into backupDir, which appears
// whole or not at all.
func (b *Broker) backUp(partitions []string) error {
	half := filepath.Join(b.dir, backupDir+".tmp")
	if err := os.RemoveAll(half); err != nil {
		return err
	}
	for _, p := range partitions {
		if err := linkFiles(filepath.Join(b.syncer.root, p), filepath.Join(half, p)); err != nil {
			return err
		}
	}
	if err := os.Rename(half, filepath.Join(b.dir, backupDir)); err != nil {
		return err
	}
	return syncDirectory(b.dir)
}

// undoCompaction puts the segments back of a compaction that didn't end. It may
// itself be interrupted and repeated.
func (b *Broker) undoCompaction() error {
	if err := os.RemoveAll(filepath.Join(b.dir, backupDir+".tmp")); err != nil {
		return err
	}
	backup := filepath.Join(b.dir, backupDir)
	partitions, err := os.ReadDir(backup)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, p := range partitions {
		dir := filepath.Join(b.dir, "partitions", p.Name())
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
		if err := linkFiles(filepath.Join(backup, p.Name()), dir); err != nil {
			return err
		}
	}
	if err := syncDirectory(filepath.Join(b.dir, "partitions")); err != nil {
		return err
	}
	b.log.Warn("undid an interrupted compaction", "partitions", len(partitions))
	return os.RemoveAll(backup)
}

// linkFiles makes directory to hold the segments and indexes of from. kfake
// never writes into a segment of its past again: it appends to the last, which
// a restart would cut to its last whole batch, or removes it.
func linkFiles(from, to string) error {
	if err := os.MkdirAll(to, 0o700); err != nil {
		return err
	}
	files, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, f := range files {
		if name := f.Name(); strings.HasSuffix(name, ".dat") || strings.HasSuffix(name, ".idx") {
			if err := os.Link(filepath.Join(from, name), filepath.Join(to, name)); err != nil {
				return err
			}
		}
	}
	return syncDirectory(to)
}
