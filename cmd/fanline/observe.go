package main

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// readyTimeout bounds one check of /readyz: a prober gives up soon after.
const readyTimeout = 2 * time.Second

// observer is what a process says about itself: metrics, liveness, readiness.
type observer struct {
	registry *prometheus.Registry
	checks   []readyCheck
}

// readyCheck is one thing without which the process should get no traffic.
type readyCheck struct {
	name string
	ok   func(ctx context.Context) error
}

// newObserver returns a registry with what every process has; parts register
// their own collectors in it.
func newObserver(checks ...readyCheck) *observer {
	o := &observer{registry: prometheus.NewRegistry(), checks: checks}
	info := readBuildInfo()
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "fanline_build_info", Help: "What the program was built from; always 1.",
		ConstLabels: prometheus.Labels{"version": info.Version, "revision": info.Revision, "go": info.Go},
	})
	build.Set(1)
	o.registry.MustRegister(build, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return o
}

// routes adds /metrics, /healthz and /readyz.
func (o *observer) routes(mux *http.ServeMux) {
	mux.Handle("GET /metrics", promhttp.HandlerFor(o.registry, promhttp.HandlerOpts{Registry: o.registry}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", o.ready)
}

// ready answers 200 when every check is ok and 503 otherwise, a line for each.
func (o *observer) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
	defer cancel()
	errs := make([]error, len(o.checks))
	var wait sync.WaitGroup
	for i, c := range o.checks {
		wait.Go(func() { errs[i] = c.ok(ctx) })
	}
	wait.Wait()
	status := http.StatusOK
	for _, err := range errs {
		if err != nil {
			status = http.StatusServiceUnavailable
		}
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	for i, c := range o.checks {
		if errs[i] != nil {
			fmt.Fprintf(w, "%s: %v\n", c.name, errs[i])
		} else {
			fmt.Fprintf(w, "%s: ok\n", c.name)
		}
	}
}
