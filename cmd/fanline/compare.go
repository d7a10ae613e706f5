package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/RoaringBitmap/roaring/v2"

	"fanline/api"
	"fanline/engine/message"
	"fanline/pipeline/audit"
	"fanline/smpp/smsc"
)

// keyAccounts holds two accounts of a broadcast against each other, member by
// member: ClickHouse's, derived from the journal, and the simulator's, derived
// from its own log. Bitmaps keep 20 million members in a few megabytes.
type keyAccounts struct {
	submitted *roaring.Bitmap // the ledger says that the SMSC accepted them
	uncertain *roaring.Bitmap // the ledger doesn't know
	known     *roaring.Bitmap // the ledger has them in any state
	accepted  *roaring.Bitmap // the simulator accepted all parts
	begun     *roaring.Bitmap // … some parts
}

// accountKeys reads both accounts of a broadcast.
func accountKeys(ctx context.Context, states func(context.Context, message.BroadcastID, func(message.Key, message.State) error) error, simLog string, id message.BroadcastID) (*keyAccounts, error) {
	k := &keyAccounts{roaring.New(), roaring.New(), roaring.New(), roaring.New(), roaring.New()}
	err := states(ctx, id, func(key message.Key, s message.State) error {
		k.known.Add(uint32(key.Member))
		switch s {
		case message.Submitted, message.Delivered, message.Failed, message.Expired, message.NoReceipt:
			k.submitted.Add(uint32(key.Member))
		case message.Uncertain:
			k.uncertain.Add(uint32(key.Member))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = smsc.AcceptedKeys(simLog, func(a smsc.Accepted) bool {
		if a.Kind != smsc.KeyBroadcast || a.Broadcast != uint32(id) {
			return true
		}
		k.begun.Add(a.Member)
		if a.Parts >= a.Total {
			k.accepted.Add(a.Member)
		}
		return true
	})
	if err != nil {
		return nil, fmt.Errorf("the simulator's log: %w", err)
	}
	return k, nil
}

// lost are members whom the ledger has as submitted and the simulator never
// accepted, or the other way round. An uncertain one may be either.
func (k *keyAccounts) lost() *roaring.Bitmap {
	never := roaring.AndNot(k.submitted, k.accepted)
	unknown := roaring.AndNot(k.accepted, k.submitted)
	unknown.AndNot(k.uncertain)
	never.Or(unknown)
	return never
}

// compare recounts a broadcast from every account there is.
func (n *node) compare(ctx context.Context, id message.BroadcastID) (api.Comparison, error) {
	b, err := n.store.Broadcast(ctx, id)
	if err != nil {
		return api.Comparison{}, err
	}
	var c api.Comparison
	engine := n.engine.Progress(id).Messages.Ledger(b.Total)
	c.Engine = &engine
	n.compareLog(ctx, id, &c)
	clickhouse, _, err := n.db.Ledger(ctx, id, b.Total)
	if err != nil {
		c.Notes = append(c.Notes, "ClickHouse: "+err.Error())
		return c, nil
	}
	c.ClickHouse = &clickhouse
	if clickhouse != engine {
		c.Notes = append(c.Notes, "ClickHouse and the engine differ: while a broadcast is under way ClickHouse is about a second behind")
	}
	return c, n.compareSimulator(ctx, id, b.Total, &c)
}

func (n *node) compareLog(ctx context.Context, id message.BroadcastID, c *api.Comparison) {
	report, err := audit.Read(ctx, audit.Config{Brokers: n.logs.config.Brokers, Dial: n.logs.config.Dialer})
	if err != nil {
		c.Notes = append(c.Notes, "the log: "+err.Error())
		return
	}
	for i := range report.Broadcasts {
		if report.Broadcasts[i].ID == id {
			c.Log = &report.Broadcasts[i].Ledger
		}
	}
	switch {
	case c.Log == nil:
		c.Notes = append(c.Notes, "the log retains nothing of this broadcast any more")
	case !report.Complete:
		c.Notes = append(c.Notes, "the log retains this broadcast only in part")
	}
}

// compareSimulator adds the simulator's account where one runs on our data.
func (n *node) compareSimulator(ctx context.Context, id message.BroadcastID, total int64, c *api.Comparison) error {
	simLog := n.data.file("smsc/log")
	if _, err := os.Stat(simLog); errors.Is(err, os.ErrNotExist) {
		c.Notes = append(c.Notes, "no simulator keeps a log in this data directory")
		return nil
	}
	k, err := accountKeys(ctx, n.db.States, simLog, id)
	if err != nil {
		c.Notes = append(c.Notes, err.Error())
		return nil
	}
	accepted := int64(k.accepted.GetCardinality())
	c.Simulator = &message.Ledger{Accepted: total, Submitted: accepted}
	c.Notes = append(c.Notes, "the simulator knows only what it accepted whole (submitted)")
	lost := k.lost()
	c.DiffKeys = int64(lost.GetCardinality())
	for it := lost.Iterator(); it.HasNext() && len(c.Examples) < 10; {
		c.Examples = append(c.Examples, message.Key{Broadcast: id, Member: message.MemberID(it.Next())}.String())
	}
	return nil
}
