package main

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"fanline/community"
	"fanline/engine/message"
	routelookup "fanline/engine/route/lookup"
)

// lookupNode asks in the background to which networks members were ported.
type lookupNode struct {
	client *routelookup.Client
	sweep  *routelookup.Sweep
}

// newLookupNode returns nil where the configuration names no service.
func newLookupNode(n *node) (*lookupNode, error) {
	c := &n.cfg.Lookup
	if c.URL == "" {
		return nil, nil
	}
	client, err := routelookup.New(routelookup.Config{
		URL: c.URL, Header: c.Header, Secret: c.Secret.Reveal, Field: c.Field, Timeout: c.Timeout, TTL: c.CacheTTL, PerSecond: c.LimitPerSecond,
	})
	if err != nil {
		return nil, err
	}
	return &lookupNode{client, routelookup.NewSweep(routelookup.SweepConfig{
		Client: client, Source: lookupSource{n.store}, Known: n.carrierName, Concurrency: c.Concurrency, Log: n.log,
	})}, nil
}

// run sweeps until ctx ends.
func (l *lookupNode) run(ctx context.Context) error {
	defer l.client.Close()
	return l.sweep.Run(ctx)
}

// lookupSource is the store in the words of a sweep.
type lookupSource struct{ store *community.Store }

func (s lookupSource) Last(ctx context.Context) (message.MemberID, error) {
	return s.store.LastMember(ctx)
}

func (s lookupSource) Due(ctx context.Context, after, to message.MemberID, limit int) ([]routelookup.Member, error) {
	due, err := s.store.LookupsDue(ctx, after, to, limit)
	out := make([]routelookup.Member, len(due))
	for i, d := range due {
		out[i] = routelookup.Member{ID: d.Member, Phone: d.Phone}
	}
	return out, err
}

func (s lookupSource) Save(ctx context.Context, all []routelookup.Result) error {
	out := make([]community.Looked, len(all))
	for i, r := range all {
		out[i] = community.Looked{Member: r.ID, Name: r.Name, Until: r.Until}
	}
	return s.store.SaveLookups(ctx, out)
}

// lookupCollector tells how lookups go.
type lookupCollector struct {
	l       *lookupNode
	results *prometheus.Desc
	strange *prometheus.Desc
	seconds *prometheus.Desc
}

func newLookupCollector(l *lookupNode) *lookupCollector {
	return &lookupCollector{
		l:       l,
		results: desc("lookups_total", "Lookups of ported numbers by what came of them.", "result"),
		strange: desc("lookups_strange_total", "Lookups that named a network of which the configuration knows nothing."),
		seconds: desc("lookup_seconds_total", "Time that the lookup service took to answer, all answers together."),
	}
}

// Describe is part of prometheus.Collector.
func (c *lookupCollector) Describe(out chan<- *prometheus.Desc) {
	prometheus.DescribeByCollect(c, out)
}

// Collect is part of prometheus.Collector.
func (c *lookupCollector) Collect(out chan<- prometheus.Metric) {
	s := c.l.client.Stats()
	for result, n := range map[string]int64{
		"known": s.Known, "unknown": s.Unknown, "failed": s.Failed, "left_alone": s.Refused, "cached": s.Cached,
	} {
		out <- prometheus.MustNewConstMetric(c.results, prometheus.CounterValue, float64(n), result)
	}
	out <- prometheus.MustNewConstMetric(c.strange, prometheus.CounterValue, float64(c.l.sweep.Strange()))
	out <- prometheus.MustNewConstMetric(c.seconds, prometheus.CounterValue, s.Took.Seconds())
}
