package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"fanline/analytics"
	chembedded "fanline/analytics/embedded"
	"fanline/community"
	"fanline/community/conversation"
	"fanline/engine"
	"fanline/engine/message"
	"fanline/engine/route"
	"fanline/pipeline"
	"fanline/pipeline/audience"
	"fanline/pipeline/record"
)

// node is one process of Fanline with all its parts. What is opened in newNode
// needs no context of its own; run starts the parts in order and stops them in
// reverse, which is invariant 10 of architecture.md.
type node struct {
	cfg      *Config
	data     *dataDir
	log      *slog.Logger
	instance string

	logs       *logNode
	store      *community.Store
	holder     *community.Holder
	clickhouse *chembedded.Server // nil: named servers
	db         *analytics.DB
	sink       *analytics.Sink
	engine     *engine.Engine
	engines    *engineNode
	carriers   *carrierNode
	planner    *audience.Planner
	desk       *conversation.Desk
	links      *conversation.Links
	observer   *observer
	public     net.Listener
	control    net.Listener
	routes     atomic.Pointer[route.Table]
	lookups    *lookupNode // nil: no service is named
	live       atomic.Pointer[Config]
	reloads    *reloader // nil: there is no file to read again
}

// runNode opens everything, serves until ctx ends and closes everything. extra
// parts start last and stop first; they see the node whole.
func runNode(ctx context.Context, cfg *Config, log *slog.Logger, extra func(*node) []part) (err error) {
	data, err := openDataDir(cfg.Data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, data.Close()) }()
	n := &node{cfg: cfg, data: data, log: log, observer: newObserver()}
	if n.instance, err = instanceName(data); err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	if n.control, err = listenControl(data); err != nil {
		return fmt.Errorf("control socket: %w", err)
	}
	defer func() { _ = n.control.Close() }() // Closed already when it was served.
	if n.public, err = net.Listen("tcp", cfg.HTTP.Listen); err != nil {
		return fmt.Errorf("http.listen: %w", err)
	}
	defer func() { _ = n.public.Close() }()
	defer func() { err = errors.Join(err, n.close()) }()
	if err := n.open(ctx); err != nil {
		return err
	}
	parts := n.parts()
	if extra != nil {
		parts = append(parts, extra(n)...)
	}
	return runParts(ctx, log, parts...)
}

// instanceName is by which the group knows an engine. It outlives restarts, so
// that one that comes back has its partitions again at once. It is made with the
// data directory, which one process at a time holds: were two alive under one
// name, the group would give the second what the first still sends.
func instanceName(d *dataDir) (string, error) {
	path := d.file("instance")
	raw, err := os.ReadFile(path)
	if name := strings.TrimSpace(string(raw)); err == nil && name != "" {
		return name, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown" // It is for people; the rest makes it the only one.
	}
	name := "fanline-" + host + "-" + strings.ToLower(rand.Text()[:12])
	return name, writeAtomically(path, name+"\n")
}

// open opens log, store, analytics and engine; nothing runs yet.
func (n *node) open(ctx context.Context) error {
	var err error
	if n.logs, err = openLog(ctx, n); err != nil {
		return err
	}
	if err := n.openRoutes(); err != nil {
		return err
	}
	if err := n.openStore(ctx); err != nil {
		return err
	}
	if err := n.holdStore(ctx); err != nil {
		return err
	}
	if err := n.checkHistory(ctx); err != nil {
		return err
	}
	if err := n.openAnalytics(); err != nil {
		return err
	}
	return n.openEngine()
}

func (n *node) close() error {
	var errs []error
	if n.db != nil {
		errs = append(errs, n.db.Close())
	}
	if n.holder != nil {
		n.holder.Release()
	}
	if n.store != nil {
		errs = append(errs, n.store.Close())
	}
	if n.logs != nil {
		errs = append(errs, n.logs.close())
	}
	return errors.Join(errs...)
}

func (n *node) openStore(ctx context.Context) error {
	url := n.cfg.Store.URL.Reveal()
	if url == "" {
		url = filepath.Join(n.data.path, "fanline.db")
	}
	var err error
	if n.store, err = community.Open(ctx, url, community.Options{Partitions: n.logs.partitions, Hint: n.hint}); err != nil {
		return err // It says "store" itself.
	}
	var numbers []community.Number
	for _, c := range n.cfg.Numbers {
		phone, err := message.ParseSender(c.Number)
		if err != nil {
			return fmt.Errorf("numbers: %w", err)
		}
		numbers = append(numbers, community.Number{Number: phone, Kind: c.Kind, Leader: c.Leader, Carriers: c.Carriers, LimitPerSecond: c.LimitPerSecond, Retry: c.Retry.retry()})
	}
	if err := n.store.SyncNumbers(ctx, numbers); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	key, err := loadSigningKey(n.cfg.SigningKey)
	if err != nil {
		return err
	}
	if n.links, err = conversation.NewLinks(key, n.cfg.HTTP.PublicURL, linkTTL); err != nil {
		return err
	}
	texts, err := conversation.DefaultTexts()
	if err != nil {
		return err
	}
	if n.lookups, err = newLookupNode(n); err != nil {
		return err
	}
	if n.lookups != nil {
		n.observer.registry.MustRegister(newLookupCollector(n.lookups))
	}
	n.desk = conversation.New(n.store, n.links, texts, n.decodeText, conversation.Config{
		Program: n.cfg.Program.Name, Help: n.cfg.Program.Help, Log: n.log,
	})
	return nil
}

// holdStore waits until no other process runs on the store. Two would each plan
// and answer, and each send at the whole limit.
func (n *node) holdStore(ctx context.Context) error {
	n.holder = n.store.Holder()
	err := n.holder.Take(ctx)
	if errors.Is(err, community.ErrHeld) {
		n.log.Warn("another process runs on this store; this one waits until it ends")
	}
	for errors.Is(err, community.ErrHeld) {
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w, and this one was told to stop while it waited", community.ErrHeld)
		case <-time.After(standby):
		}
		err = n.holder.Take(ctx)
	}
	return err
}

// standby is how often a process that waits for another looks for its end.
const standby = time.Second

// linkTTL is how long a link to the join form opens it.
const linkTTL = 72 * time.Hour

func (n *node) openAnalytics() error {
	c := analytics.Config{Addresses: n.cfg.ClickHouse.Addresses, User: n.cfg.ClickHouse.User, Password: n.cfg.ClickHouse.Password.Reveal(), Database: n.cfg.ClickHouse.Database}
	if len(c.Addresses) == 0 {
		library, err := n.cfg.findLibrary()
		if err != nil {
			return err
		}
		if n.clickhouse, err = chembedded.New(chembedded.Options{Dir: filepath.Join(n.data.path, "clickhouse"), Library: library, HTTP: true, Log: n.log}); err != nil {
			return err
		}
		c.Addresses, c.User, c.Password = []string{n.clickhouse.Address()}, n.clickhouse.User(), n.clickhouse.Password()
	}
	var err error
	if n.db, err = analytics.Open(c); err != nil {
		return err
	}
	n.sink, err = analytics.NewSink(n.db, analytics.SinkConfig{
		Brokers: n.logs.config.Brokers, Dial: n.logs.config.Dialer, Partitions: n.logs.partitions, Log: n.log,
	})
	return err
}

func (n *node) openEngine() error {
	var err error
	if n.carriers, err = newCarrierNode(n); err != nil {
		return err
	}
	numbers := make([]engine.Number, 0, len(n.cfg.Numbers))
	for _, c := range n.cfg.Numbers {
		phone, err := message.ParseSender(c.Number)
		if err != nil {
			return err
		}
		numbers = append(numbers, engine.Number{Phone: phone, Carriers: c.Carriers, Limit: c.LimitPerSecond})
	}
	n.engine, err = engine.New(engine.Config{
		Name: n.instance, Partitions: n.logs.partitions, Numbers: numbers, Carriers: n.carriers.engineCarriers(),
		Log: engineLog{n.logs}, Receipt: n.carriers.receipt, CanonicalID: n.carriers.canonicalID,
		DetectIDs: n.carriers.profiles.DetectIDs, ReceiptID: n.carriers.profiles.ReceiptID, PartsReceipt: n.carriers.profiles.PartsReceipt,
		Validity: n.cfg.Sending.Validity, Grace: n.cfg.Sending.ReceiptGrace, Logger: n.log,
	})
	if err != nil {
		return err
	}
	n.setRoutes(n.routes.Load())
	if err := n.carriers.open(); err != nil {
		return err
	}
	if n.engines, err = newEngineNode(n, n.engine); err != nil {
		return err
	}
	n.planner, err = audience.New(audience.Config{
		Partitions: n.logs.partitions, Source: n.store, Members: n.store, Progress: n.plannerProgress, Produce: n.produceJobs, Log: n.log,
	})
	return err
}

// plannerProgress is the engine's account as the planner needs it.
func (n *node) plannerProgress(id message.BroadcastID) (message.Epoch, []message.Rank, bool) {
	p := n.engine.Progress(id)
	epoch := message.Epoch(0)
	for i, e := range p.Epochs {
		if i == 0 || e < epoch {
			epoch = e
		}
	}
	return epoch, p.Low, p.Ready
}

func (n *node) produceJobs(ctx context.Context, entries []audience.Entry) error {
	out := make([]pipeline.Entry, len(entries))
	for i, e := range entries {
		out[i] = pipeline.Entry{Topic: record.TopicJobs, Partition: e.Partition, Value: e.Value}
	}
	return n.logs.produce(ctx, out)
}

// decodeText reads an inbound text, or consecutive parts of one, for the
// conversation.
func (n *node) decodeText(carrier string, pdus ...[]byte) (string, conversation.Part, error) {
	text, part, err := n.carriers.profiles.Text(carrier, pdus[0])
	if err == nil && len(pdus) > 1 {
		text, err = n.carriers.profiles.JoinedText(carrier, pdus...)
	}
	return text, conversation.Part{Ref: part.Reference, Seq: part.Part, Total: part.Parts}, err
}

// parts lists what runs, in the order in which it starts.
func (n *node) parts() []part {
	parts := []part{{"store", simple(n.holder.Run)}}
	if n.clickhouse != nil {
		parts = append(parts, part{"clickhouse", n.runClickHouse})
	}
	parts = append(parts,
		part{"sink", simple(n.runSink)},
		part{"retention", simple(n.runRetention)},
		part{"outbox", simple(n.runRelay)},
		part{"carriers", n.carriers.run},
		part{"engine", n.engines.run},
		part{"conversation", simple(n.runConversation)},
		part{"long texts", simple(n.desk.Run)},
		part{"planner", simple(n.planner.Run)},
	)
	if n.lookups != nil {
		parts = append(parts, part{"lookups", simple(n.lookups.run)})
	}
	return append(parts, part{"edge", n.runEdge})
}

// simple is a part that is ready at once.
func simple(run func(ctx context.Context) error) func(context.Context, func()) error {
	return func(ctx context.Context, ready func()) error {
		ready()
		return ignoreCanceled(run(ctx))
	}
}

// runClickHouse is ready at once: sending never waits for analytics.
func (n *node) runClickHouse(ctx context.Context, ready func()) error {
	ready()
	return ignoreCanceled(n.clickhouse.Run(ctx))
}

// runSink begins when the embedded ClickHouse has come up; later it waits by
// itself for one that is away, and says so.
func (n *node) runSink(ctx context.Context) error {
	if n.clickhouse != nil {
		if err := n.clickhouse.Ready(ctx); err != nil {
			return err
		}
	}
	return n.sink.Run(ctx)
}

// runRelay carries the store's outbox to the log.
func (n *node) runRelay(ctx context.Context) error {
	relay := pipeline.NewRelay(outbox{n.store}, n.logs.acked, n.log)
	go func() {
		for {
			select {
			case <-n.store.Wake():
				relay.Wake()
			case <-ctx.Done():
				return
			}
		}
	}()
	return relay.Run(ctx)
}

// outbox is the store's, in the relay's words.
type outbox struct{ store *community.Store }

func (o outbox) Next(ctx context.Context, limit int) ([]pipeline.OutboxRow, error) {
	rows, err := o.store.OutboxNext(ctx, limit)
	out := make([]pipeline.OutboxRow, len(rows))
	for i, r := range rows {
		out[i] = pipeline.OutboxRow{ID: r.ID, Entry: pipeline.Entry{Topic: r.Topic, Partition: r.Partition, Key: r.Key, Value: r.Value}}
	}
	return out, err
}

func (o outbox) Done(ctx context.Context, ids []int64) error {
	rows := make([]community.Outgoing, len(ids))
	for i, id := range ids {
		rows[i].ID = id
	}
	return o.store.OutboxDone(ctx, rows)
}

// runConversation answers what comes in.
func (n *node) runConversation(ctx context.Context) error {
	from := make([]int64, n.logs.partitions)
	for p := range from {
		next, err := n.store.Consumed(ctx, record.TopicInbound, int32(p))
		if err != nil {
			return err
		}
		from[p] = next
	}
	reader, err := pipeline.NewReader(pipeline.ReaderConfig{
		Config: n.logs.config, Topic: record.TopicInbound, Partitions: int32(n.logs.partitions),
		From: func(p int32) int64 { return from[p] },
		Handle: func(ctx context.Context, p int32, records []pipeline.Record) error {
			batch := make([]conversation.Record, len(records))
			for i, r := range records {
				batch[i] = conversation.Record{Offset: r.Offset, Value: r.Value}
			}
			return n.desk.Handle(ctx, p, batch)
		},
	})
	if err != nil {
		return err
	}
	return reader.Run(ctx)
}

// runRetention has the log forget what everyone is done with.
func (n *node) runRetention(ctx context.Context) error {
	trim := pipeline.ClusterTrim(n.logs.admin)
	if n.logs.broker != nil {
		trim = n.logs.broker.Trim
	}
	return pipeline.NewRetainer(func() []pipeline.Safe { return n.safe(ctx) }, trim, n.log).Run(ctx)
}

// safe tells what nobody needs any more (contracts.md, "Retention").
func (n *node) safe(ctx context.Context) []pipeline.Safe {
	sunk := n.sink.SafeOffsets()
	var all []pipeline.Safe
	for p := range int32(n.logs.partitions) {
		jobs, receipts, replay := n.engine.Marks(p)
		answered, err := n.store.Consumed(ctx, record.TopicInbound, p)
		if err != nil {
			answered = 0
		}
		all = append(all,
			pipeline.Safe{Topic: record.TopicJobs, Partition: p, Before: jobs},
			pipeline.Safe{Topic: record.TopicReceipts, Partition: p, Before: receipts},
			pipeline.Safe{Topic: record.TopicJournal, Partition: p, Before: min(replay, sunk[record.TopicJournal][p])},
			pipeline.Safe{Topic: record.TopicInbound, Partition: p, Before: min(answered, sunk[record.TopicInbound][p])},
			pipeline.Safe{Topic: record.TopicMembers, Partition: p, Before: sunk[record.TopicMembers][p]},
		)
	}
	return all
}

// analyticsCaughtUp waits until everything that stands in the log now is in
// ClickHouse.
func (n *node) analyticsCaughtUp(ctx context.Context) error {
	ends := map[string][]int64{}
	for _, topic := range []string{record.TopicJournal, record.TopicInbound, record.TopicMembers} {
		offsets, err := pipeline.EndOffsets(ctx, n.logs.admin, topic)
		if err != nil {
			return err
		}
		ends[topic] = offsets
	}
	return n.sink.CaughtUp(ctx, ends)
}
