package embedded

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Sync returns when everything that was acknowledged in the partitions before
// the call is on the disk: one fdatasync for each of few partitions, one syncfs
// for many; callers that wait at the same time share it. Once it has failed it
// keeps failing, for the disk can't be trusted any more.
func (b *Broker) Sync(ctx context.Context, topic string, partitions []int32) error {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if b.closed {
		return ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return b.syncer.sync(topic, partitions)
}

// Trim forgets records below before as far as whole segments allow, and returns
// the offset at which the partition now begins. The segment with the newest
// batch stays: a partition without any would start again at offset 0 after a
// restart, and all that points into it would point at other records.
func (b *Broker) Trim(ctx context.Context, topic string, partition int32, before int64) (int64, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if b.closed {
		return 0, ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	bases, err := segments(filepath.Join(b.syncer.root, directoryName(topic, partition)))
	if err != nil || len(bases) == 0 {
		return 0, err
	}
	i, found := slices.BinarySearch(bases, before)
	if !found {
		i-- // the segment that before lies in stays
	}
	if i <= 0 {
		return bases[0], nil
	}
	// The segment that is kept must be on the disk before the others leave it:
	// a power cut between the two would leave no segment at all.
	if err := b.syncer.sync(topic, []int32{partition}); err != nil {
		return bases[0], err
	}
	if err := b.cluster.DeleteRecords(topic, partition, bases[i]); err != nil {
		return bases[0], fmt.Errorf("trimming %s/%d to %d: %w", topic, partition, bases[i], err)
	}
	return bases[i], nil
}

// Size is what one partition takes on the disk.
type Size struct {
	Topic     string
	Partition int32
	Bytes     int64
	Segments  int
}

// Sizes lists all partitions that hold anything, by reading directories.
func (b *Broker) Sizes() ([]Size, error) {
	dirs, err := os.ReadDir(b.syncer.root)
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var sizes []Size
	for _, d := range dirs {
		topic, partition, ok := parseDirectory(d.Name())
		if !ok {
			continue
		}
		files, err := os.ReadDir(filepath.Join(b.syncer.root, d.Name()))
		if err != nil {
			continue // deleted meanwhile
		}
		s := Size{Topic: topic, Partition: partition}
		for _, f := range files {
			info, err := f.Info()
			if err != nil {
				continue
			}
			s.Bytes += info.Size()
			if strings.HasSuffix(f.Name(), ".dat") {
				s.Segments++
			}
		}
		if s.Segments > 0 {
			sizes = append(sizes, s)
		}
	}
	return sizes, nil
}

// Stats is a snapshot for metrics.
type Stats struct {
	Syncs       int64 // fdatasync calls since Open
	Connections int64 // open now
	Warnings    int64 // failed writes and the like that kfake reported
	Failed      bool  // the disk refused a flush; nothing more becomes durable
}

// Stats returns counters.
func (b *Broker) Stats() Stats {
	return Stats{
		Syncs: b.syncer.syncs.Load(), Connections: b.listener.open(),
		Warnings: b.warnings.Load(), Failed: b.syncer.failed.Load() != nil,
	}
}
