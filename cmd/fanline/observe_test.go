package main

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
)

func get(o *observer, path string) *httptest.ResponseRecorder {
	mux := http.NewServeMux()
	o.routes(mux)
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w
}

func TestReadyNamesEveryCheckAndFailsWithAny(t *testing.T) {
	good := readyCheck{"log", func(context.Context) error { return nil }}
	bad := readyCheck{"store", func(context.Context) error { return errors.New("gone") }}
	for _, test := range []struct {
		checks []readyCheck
		status int
		body   string
	}{
		{nil, 200, ""},
		{[]readyCheck{good}, 200, "log: ok\n"},
		{[]readyCheck{good, bad}, 503, "log: ok\nstore: gone\n"},
	} {
		w := get(newObserver(test.checks...), "/readyz")
		if w.Code != test.status || w.Body.String() != test.body {
			t.Errorf("got %d %q, want %d %q", w.Code, w.Body, test.status, test.body)
		}
	}
}

func TestReadyWaitsForNoCheckForever(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hangs := readyCheck{"log", func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		}}
		if w := get(newObserver(hangs), "/readyz"); w.Code != 503 || !strings.Contains(w.Body.String(), "deadline") {
			t.Errorf("got %d %q", w.Code, w.Body)
		}
	})
}

func TestMetricsTellTheBuildAndTheProcess(t *testing.T) {
	w := get(newObserver(), "/metrics")
	for _, want := range []string{"fanline_build_info{", "go_goroutines ", "process_open_fds "} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("no %s in /metrics", want)
		}
	}
}

func TestHealthNeedsNothing(t *testing.T) {
	bad := readyCheck{"log", func(context.Context) error { return errors.New("gone") }}
	if w := get(newObserver(bad), "/healthz"); w.Code != 200 {
		t.Errorf("got %d: a restart would not bring the log back", w.Code)
	}
}
