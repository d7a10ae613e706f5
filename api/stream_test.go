package api

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"fanline/community"
	"fanline/engine/message"
)

// server is the API behind a real connection.
func (h *house) server() *httptest.Server {
	s := httptest.NewServer(h.handler)
	h.t.Cleanup(s.Close)
	return s
}

func TestAnImportStreamsProgressRejectsAndReport(t *testing.T) {
	h := newHouse(t)
	s := h.server()
	var file bytes.Buffer
	file.WriteString("phone,first_name,city,state\n")
	const good, bad = 11_000, 700 // more than one batch
	for i := range good {
		fmt.Fprintf(&file, "+1312%07d,Ann,Chicago,IL\n", 2000000+i)
	}
	for i := range bad {
		fmt.Fprintf(&file, "12%d,Bad,Nowhere,XX\n", i%10)
	}
	resp, err := http.Post(s.URL+"/v1/numbers/+17735550100/members/import?source=people.csv", "text/csv", &file)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var progress int
	var rejects strings.Builder
	var report *community.ImportReport
	d := json.NewDecoder(resp.Body)
	for {
		var line ImportLine
		err := d.Decode(&line)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case line.Error != nil:
			t.Fatal(line.Error)
		case line.Progress != nil:
			progress++
		case line.Report != nil:
			report = line.Report
		}
		rejects.Write(line.Rejects)
	}
	if report == nil || report.Rows != good+bad || report.Created != good || report.Rejected != bad || progress < 2 {
		t.Errorf("%d progress lines, report %+v", progress, report)
	}
	if n := strings.Count(rejects.String(), "\n"); n != bad+1 {
		t.Errorf("%d lines of rejects, want a header and %d: %.200s", n, bad, rejects.String())
	}
	if n, err := h.store.Count(t.Context(), ourNumber, "city=Chicago"); err != nil || n != good {
		t.Errorf("%d members, %v", n, err)
	}
}

func TestABrokenFileIsAnErrorWithTheReportSoFar(t *testing.T) {
	h := newHouse(t)
	s := h.server()
	resp, err := http.Post(s.URL+"/v1/numbers/+17735550100/members/import?format=csv", "text/csv", strings.NewReader("name\nAnn\n"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var line ImportLine
	if err := json.NewDecoder(resp.Body).Decode(&line); err != nil || line.Error == nil || !strings.Contains(line.Error.Problem, "phone") || line.Report == nil {
		t.Errorf("%+v, %v", line, err)
	}
}

func TestAWatchEndsWhenNothingIsToCome(t *testing.T) {
	h := newHouse(t)
	h.join(make([]community.Profile, 4)...)
	ask[Broadcast](h, "POST", "/v1/broadcasts", newOne)
	h.set(func(p *Progress) { p.Ready, p.Epochs = true, []message.Epoch{1, 1, 1, 1} })
	ask[Controlled](h, "POST", "/v1/broadcasts/last/start", "")
	s := h.server()
	for _, tt := range []struct {
		until string
		last  func(*Progress)
	}{
		{"sent", func(p *Progress) { p.Messages[message.Submitted], p.Parts[message.Submitted] = 4, 4 }},
		{"rest", func(p *Progress) {
			p.Messages[message.Submitted], p.Messages[message.Delivered], p.Messages[message.Failed] = 0, 3, 1
		}},
	} {
		resp, err := http.Get(s.URL + "/v1/broadcasts/last/watch?every_ms=50&until=" + tt.until)
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(resp.Body)
		var line Watched
		for n := 0; lines.Scan(); n++ {
			if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
				t.Fatalf("%v in %s", err, lines.Bytes())
			}
			if n == 0 && line.Done {
				t.Errorf("until %s: done at once: %s", tt.until, lines.Bytes())
			}
			if n == 1 {
				h.set(tt.last)
			}
		}
		if err := resp.Body.Close(); err != nil {
			t.Error(err)
		}
		if !line.Done || line.Sent != 4 || line.Allowed != 10 || !line.Ledger.Balanced {
			t.Errorf("until %s: last line %+v", tt.until, line)
		}
	}
}

func TestAWatchDoesNotEndWhileAPartitionHasNoOwner(t *testing.T) {
	l := NewLedger(community.Broadcast{ID: 1, Epoch: 1, State: community.Sending, Total: 2}, Progress{Messages: message.Tally{message.Delivered: 2}})
	if l.Complete || l.over(false) || l.over(true) {
		t.Error("over, though a partition is unknown")
	}
	l.Complete = true
	if !l.over(false) {
		t.Error("not over")
	}
}

func TestTheMeterFollowsTheLastSeconds(t *testing.T) {
	var m meter
	at := time.Unix(0, 0)
	for i := range int64(20) {
		m.add(at, i*100)
		at = at.Add(500 * time.Millisecond)
	}
	if got := m.perSecond(); got != 200 {
		t.Errorf("steady: %v", got)
	}
	for range 10 {
		m.add(at, 1900)
		at = at.Add(500 * time.Millisecond)
	}
	if got := m.perSecond(); got != 0 || len(m.samples) > 10 {
		t.Errorf("after a stop: %v, %d samples", got, len(m.samples))
	}
}

func TestSecondsLeftNeedARateOrALimit(t *testing.T) {
	l := Ledger{Ledger: message.Ledger{Accepted: 100, PendingSend: 60, Submitted: 40}, Parts: message.Parts{Submitted: 80}}
	for _, tt := range []struct {
		rate  float64
		limit int
		want  float64
		ok    bool
	}{{20, 10, 6, true}, {0, 10, 12, true}, {0, 0, 0, false}} {
		if got, ok := secondsLeft(l, tt.rate, tt.limit); got != tt.want || ok != tt.ok {
			t.Errorf("rate %v, limit %d: %v, %v", tt.rate, tt.limit, got, ok)
		}
	}
}

func TestServeEndsStreamsWithItsContext(t *testing.T) {
	h := newHouse(t)
	h.join(make([]community.Profile, 1)...)
	ask[Broadcast](h, "POST", "/v1/broadcasts", newOne)
	listener := httptest.NewUnstartedServer(nil).Listener
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, listener, h.handler) }()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + listener.Addr().String() + "/v1/broadcasts/last/watch")
	if err != nil {
		t.Fatal(err)
	}
	if !bufio.NewScanner(resp.Body).Scan() {
		t.Error("no first line")
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Error(err)
	}
}
