package main

import (
	"context"
	"errors"
	"fmt"

	"fanline/pipeline"
	"fanline/pipeline/record"
)

// errHistory is wrapped when store and log have not lived through the same.
var errHistory = errors.New("store and log don't belong together")

// history is what store and log know of the past. The store gives broadcasts
// their ids; what was decided about each of their messages stands in the log.
type history struct {
	started    int64 // broadcasts, in the store
	unfinished int64 // of those
	told       int64 // records about broadcasts in the log, which keeps them for ever
	journal    int64 // records ever written to journals
}

// check refuses what would leave messages out or send them twice: an id given
// out again finds its members decided, and a broadcast whose journal is gone
// finds none.
func (h history) check() error {
	switch {
	case h.started == 0 && h.told > 0:
		return fmt.Errorf("%w: the log holds broadcasts, and this store has started none; "+
			"name the store that they are from under store.url, or an empty log under log.brokers", errHistory)
	case h.unfinished > 0 && h.journal == 0:
		return fmt.Errorf("%w: %d broadcasts of the store are under way, and the log is empty; "+
			"name the log that they went through under log.brokers, or what was sent already would be sent again", errHistory, h.unfinished)
	}
	return nil
}

// checkHistory holds what the configuration names, or what the data directory
// holds, to that.
func (n *node) checkHistory(ctx context.Context) error {
	var h history
	var err error
	if h.started, h.unfinished, err = n.store.Started(ctx); err != nil {
		return err
	}
	if h.told, err = n.everWritten(ctx, record.TopicControl); err != nil {
		return err
	}
	if h.journal, err = n.everWritten(ctx, record.TopicJournal); err != nil {
		return err
	}
	return h.check()
}

// everWritten counts the records of a topic, those that are gone included.
func (n *node) everWritten(ctx context.Context, topic string) (all int64, err error) {
	ends, err := pipeline.EndOffsets(ctx, n.logs.admin, topic)
	for _, end := range ends {
		all += end
	}
	return all, err
}
