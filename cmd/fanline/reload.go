package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"reflect"
	"slices"
	"strings"
	"sync"
	"syscall"

	"fanline/api"
	"fanline/engine/message"
)

// reloader takes a changed configuration over while everything runs.
type reloader struct {
	n    *node
	load func() (*Config, error) // reads file and environment anew
	mu   sync.Mutex              // one at a time
}

// reloadReport is what a reload came to, and the JSON of `fanline reload`. Keys
// are those of the configuration, behind the carrier or number they are about.
type reloadReport struct {
	OK       bool     `json:"ok"`
	Applied  []string `json:"applied"`  // counts from now on
	Rebind   []string `json:"rebind"`   // counts from the next session of each bind on: fanline carrier rebind
	Restart  []string `json:"restart"`  // needs another process
	Problems []string `json:"problems"` // why nothing was changed
}

// running is the configuration that is in force: the one the process began
// with, and what reloads changed in it.
func (n *node) running() *Config {
	if live := n.live.Load(); live != nil {
		return live
	}
	return n.cfg
}

// reload reads the configuration again and takes over what can change while
// everything runs. Where anything is wrong with it nothing changes.
func (r *reloader) reload() reloadReport {
	r.mu.Lock()
	defer r.mu.Unlock()
	report, err := r.apply()
	var problems Problems
	switch {
	case errors.As(err, &problems):
		for _, p := range problems {
			report.Problems = append(report.Problems, p.Error())
		}
	case err != nil:
		report.Problems = []string{err.Error()}
	}
	report.OK = len(report.Problems) == 0
	for _, list := range []*[]string{&report.Applied, &report.Rebind, &report.Restart, &report.Problems} {
		if *list == nil {
			*list = []string{} // A list in JSON, too.
		}
	}
	r.n.log.Info("configuration read again", "ok", report.OK, "applied", len(report.Applied), "rebind", len(report.Rebind),
		"restart", len(report.Restart), "problems", len(report.Problems))
	return report
}

func (r *reloader) apply() (report reloadReport, err error) {
	next, err := r.load()
	if err != nil {
		return report, err
	}
	old := r.n.running()
	merged := merge(r.n.cfg, next)
	accounts, err := merged.accounts()
	if err != nil {
		return report, err
	}
	table, err := merged.routeTable()
	if err != nil {
		return report, fmt.Errorf("routes: %w", err)
	}
	// Nothing fails from here on but the pool's own look at what it is handed.
	pool, err := r.n.carriers.pool.Reload(accounts)
	if err != nil {
		return report, err
	}
	report.Applied, report.Rebind = pool.Applied, pool.Rebind
	for i := range accounts {
		r.n.carriers.profiles[accounts[i].Name].Set(accounts[i].Profile)
	}
	r.limits(old, merged, &report)
	if !reflect.DeepEqual(old.Routes, merged.Routes) || merged.Routes.PrefixesFile != "" { // Whose content may have changed.
		r.n.setRoutes(table)
		report.Applied = append(report.Applied, "routes")
	}
	r.n.live.Store(merged)
	report.Restart = needRestart(r.n.cfg, next)
	return report, nil
}

// limits hands changed limits to the engine.
func (r *reloader) limits(old, merged *Config, report *reloadReport) {
	for i := range merged.Carriers {
		was, is := &old.Carriers[i], &merged.Carriers[i]
		if was.LimitPerSecond != is.LimitPerSecond {
			r.n.engine.SetCarrierLimit(is.Name, is.LimitPerSecond, 0)
			report.Applied = append(report.Applied, is.Name+": limit_per_second")
		}
	}
	for i := range merged.Numbers {
		was, is := &old.Numbers[i], &merged.Numbers[i]
		if phone, err := message.ParseSender(is.Number); err == nil && was.LimitPerSecond != is.LimitPerSecond {
			r.n.engine.SetNumberLimit(phone, is.LimitPerSecond)
			report.Applied = append(report.Applied, is.Number+": limit_per_second")
		}
		for key, changed := range map[string]bool{
			"addresses": !reflect.DeepEqual(was.Addresses, is.Addresses), "tlvs": !reflect.DeepEqual(was.TLVs, is.TLVs),
		} {
			if changed {
				report.Applied = append(report.Applied, is.Number+": "+key)
			}
		}
	}
}

// merge returns the configuration that a process which began with one runs on
// when another is handed to it: carriers and numbers stay those that the engine
// was built for.
func merge(began, next *Config) *Config {
	merged := *began
	merged.Carriers, merged.Numbers, merged.Routes = slices.Clone(began.Carriers), slices.Clone(began.Numbers), next.Routes
	for i := range merged.Carriers {
		if c := lookFor(next.Carriers, func(c *CarrierConfig) bool { return c.Name == merged.Carriers[i].Name }); c != nil {
			merged.Carriers[i] = *c
		}
	}
	for i := range merged.Numbers {
		is := &merged.Numbers[i]
		if n := lookFor(next.Numbers, func(n *NumberConfig) bool { return n.Number == is.Number }); n != nil {
			is.LimitPerSecond, is.Addresses, is.TLVs = n.LimitPerSecond, n.Addresses, n.TLVs
		}
	}
	return &merged
}

func lookFor[T any](all []T, is func(*T) bool) *T {
	for i := range all {
		if is(&all[i]) {
			return &all[i]
		}
	}
	return nil
}

// needRestart names what differs from the configuration that the process began
// with and cannot be taken over.
func needRestart(began, next *Config) (keys []string) {
	note := func(key string) { keys = append(keys, key) }
	was, is := reflect.ValueOf(began).Elem(), reflect.ValueOf(next).Elem()
	for i := range was.NumField() {
		key := was.Type().Field(i).Tag.Get("yaml")
		if key != "carriers" && key != "numbers" && key != "routes" {
			changedKeys(key, was.Field(i), is.Field(i), note)
		}
	}
	for i := range next.Carriers {
		if name := next.Carriers[i].Name; lookFor(began.Carriers, func(c *CarrierConfig) bool { return c.Name == name }) == nil {
			note(name + ": added")
		}
	}
	for i := range began.Carriers {
		if name := began.Carriers[i].Name; lookFor(next.Carriers, func(c *CarrierConfig) bool { return c.Name == name }) == nil {
			note(name + ": removed")
		}
	}
	for i := range next.Numbers {
		is := &next.Numbers[i]
		was := lookFor(began.Numbers, func(n *NumberConfig) bool { return n.Number == is.Number })
		if was == nil {
			note(is.Number + ": added")
			continue
		}
		for key, changed := range map[string]bool{
			"kind": was.Kind != is.Kind, "leader": was.Leader != is.Leader, "carriers": !slices.Equal(was.Carriers, is.Carriers),
			"retry_undelivered": !reflect.DeepEqual(was.Retry, is.Retry),
		} {
			if changed {
				note(is.Number + ": " + key)
			}
		}
	}
	for i := range began.Numbers {
		if number := began.Numbers[i].Number; lookFor(next.Numbers, func(n *NumberConfig) bool { return n.Number == number }) == nil {
			note(number + ": removed")
		}
	}
	slices.Sort(keys)
	return keys
}

// changedKeys names the keys below path whose values differ.
func changedKeys(path string, was, is reflect.Value, note func(key string)) {
	if old, ok := was.Interface().(Secret); ok {
		now := is.Interface().(Secret)
		made := old.Reveal() == "" // By the first start, after it was read.
		if old.ref != now.ref || !made && old.Reveal() != now.Reveal() {
			note(path)
		}
		return
	}
	if was.Kind() != reflect.Struct {
		if !reflect.DeepEqual(was.Interface(), is.Interface()) {
			note(path)
		}
		return
	}
	for i := range was.NumField() {
		changedKeys(join(path, was.Type().Field(i).Tag.Get("yaml")), was.Field(i), is.Field(i), note)
	}
}

// run reloads at each SIGHUP until ctx ends.
func (r *reloader) run(ctx context.Context, ready func()) error {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP)
	defer signal.Stop(signals)
	ready()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-signals:
			report := r.reload()
			for _, p := range report.Problems {
				r.n.log.Error("the configuration is refused, nothing was changed", "problem", p)
			}
			for _, key := range report.Rebind {
				r.n.log.Warn("counts from the next bind on: fanline carrier rebind", "key", key)
			}
			for _, key := range report.Restart {
				r.n.log.Warn("needs a restart", "key", maskedKey(key))
			}
		}
	}
}

// maskedKey hides the middle of a number that a key begins with.
func maskedKey(key string) string {
	number, rest, found := strings.Cut(key, ": ")
	if phone, err := message.ParseSender(number); found && err == nil {
		return phone.Masked() + ": " + rest
	}
	return key
}

// serveReload answers POST /v1/reload on the control socket.
func (n *node) serveReload(w http.ResponseWriter, _ *http.Request) {
	if n.reloads == nil {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusConflict)
		_ = printJSON(w, &api.Error{Status: http.StatusConflict, Problem: "this process runs without a configuration file: there is nothing to read again"})
		return
	}
	report := n.reloads.reload()
	w.Header().Set("Content-Type", "application/json")
	_ = printJSON(w, report) // Nobody is left to tell.
}

// runReload asks a running process to read its configuration again.
func runReload(ctx context.Context, args []string, _ io.Reader, stdout, stderr io.Writer) error {
	flags := newClientFlags("reload", stderr)
	if _, err := parseFlags(flags.FlagSet, args); err != nil {
		return err
	}
	var report reloadReport
	if err := flags.ask(ctx, http.MethodPost, "/v1/reload", nil, &report); err != nil {
		return err
	}
	if *flags.asJSON {
		if err := printJSON(stdout, report); err != nil {
			return err
		}
	} else {
		report.print(stdout)
	}
	if !report.OK {
		return errReported
	}
	return nil
}

func (r *reloadReport) print(w io.Writer) {
	if !r.OK {
		fmt.Fprintln(w, "nothing was changed:")
	}
	for _, part := range []struct {
		words string
		keys  []string
	}{
		{"", r.Problems}, {"in force", r.Applied}, {"in force for each bind from its next session on (fanline carrier rebind)", r.Rebind}, {"needs a restart", r.Restart},
	} {
		if len(part.keys) > 0 && part.words != "" {
			fmt.Fprintln(w, part.words+":")
		}
		for _, key := range part.keys {
			fmt.Fprintln(w, "  "+key)
		}
	}
	if r.OK && len(r.Applied)+len(r.Rebind)+len(r.Restart) == 0 {
		fmt.Fprintln(w, "nothing has changed")
	}
}
