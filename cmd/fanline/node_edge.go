package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/pprof"

	"golang.org/x/sync/errgroup"

	"fanline/api"
	"fanline/community"
	"fanline/engine/message"
	"fanline/smpp/text"
	"fanline/web"
)

// runEdge serves people on http.listen, and the command line on the control
// socket.
func (n *node) runEdge(ctx context.Context, ready func()) error {
	site, err := web.New(web.Config{PublicURL: n.cfg.HTTP.PublicURL, Program: n.cfg.Program.Name, Log: n.log}, n.links, directory{n}, n.desk)
	if err != nil {
		return err
	}
	n.observer.checks = n.readyChecks()
	n.registerMetrics()
	public := http.NewServeMux()
	n.observer.routes(public)
	public.Handle("/", site.Handler())
	private := http.NewServeMux()
	n.observer.routes(private)
	private.Handle("/v1/", n.api().Handler())
	private.HandleFunc("POST /v1/reload", n.serveReload)
	private.HandleFunc("/debug/pprof/", pprof.Index) // Only here: the socket opens to its owner alone.
	private.HandleFunc("/debug/pprof/profile", pprof.Profile)
	var g errgroup.Group
	g.Go(func() error { return web.Serve(ctx, n.public, public) })
	g.Go(func() error { return api.Serve(ctx, n.control, private) })
	ready()
	return g.Wait()
}

func (n *node) api() *api.API {
	policy, err := message.ParsePolicy(n.cfg.Sending.Policy)
	if err != nil {
		policy = message.AtMostOnce // The configuration was validated: this cannot be.
	}
	return api.New(api.Config{
		Store: n.store, Progress: n.progress, Compare: n.compare, Measure: measure, Carriers: n.carriers, Route: n.route, CarrierName: n.carrierName,
		Policy: policy, Validity: n.cfg.Sending.Validity, Log: n.log,
	})
}

// progress is the engine's account in the API's words.
func (n *node) progress(id message.BroadcastID) api.Progress {
	p := n.engine.Progress(id)
	planned := int64(0)
	for i := range p.Low {
		planned += int64(max(p.Low[i], p.Queued[i]))
	}
	return api.Progress{Ready: p.Ready, Epochs: p.Epochs, Planned: planned, Messages: p.Messages, Parts: p.Parts}
}

// measure says how a text would travel.
func measure(s string) (api.Measured, error) {
	p, err := text.Preview(s)
	if err != nil {
		return api.Measured{}, err
	}
	return api.Measured{Encoding: p.Encoding, Parts: p.Parts, ForcedBy: p.ForcedBy}, nil
}

// directory tells the site whose number it is.
type directory struct{ n *node }

func (d directory) Sender(ctx context.Context, number message.Phone) (web.Sender, error) {
	all, err := d.Senders(ctx)
	if err != nil {
		return web.Sender{}, err
	}
	for _, s := range all {
		if s.Number == number {
			return s, nil
		}
	}
	return web.Sender{}, fmt.Errorf("%v: %w", number, web.ErrNoSender)
}

func (d directory) Senders(ctx context.Context) ([]web.Sender, error) {
	numbers, err := d.n.store.Numbers(ctx)
	if err != nil {
		return nil, err
	}
	senders := make([]web.Sender, len(numbers))
	for i, number := range numbers {
		senders[i] = d.n.sender(number)
	}
	return senders, nil
}

func (n *node) sender(number community.Number) web.Sender {
	return web.Sender{Number: number.Number, Leader: number.Leader, Program: n.cfg.Program.Name, Help: n.cfg.Program.Help}
}

// readyChecks say without what the process should get no traffic. Analytics is
// not among them: sending never needs it.
func (n *node) readyChecks() []readyCheck {
	return []readyCheck{
		{"store", n.store.Ping},
		{"log", func(ctx context.Context) error { return n.logs.admin.Ping(ctx) }},
		{"engine", func(context.Context) error {
			if !n.engine.Progress(0).Ready {
				return fmt.Errorf("not all partitions are taken over")
			}
			return nil
		}},
		{"carriers", func(context.Context) error { return n.carriers.healthy() }},
	}
}
