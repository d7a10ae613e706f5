package smsc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"strings"
	"testing"
	"time"

	"fanline/smpp"
)

// queried runs a simulator through a little of everything and gives it with its log written.
func queried(t *testing.T) *running {
	t.Helper()
	r := startSMSC(t, t.TempDir(), testAccounts(), quick())
	c := r.bind(smpp.BindTransceiverID)
	first := submitTo("13125550001", "Hello there")
	first.Options = first.Options.Append(TagKey, []byte("b1.5"))
	c.write(smpp.StatusOK, 11, first)
	c.write(smpp.StatusOK, 12, submitTo("nobody", "lost"))
	receipt := uint32(0)
	for answers := 0; answers < 2 || receipt == 0; {
		h, _ := c.receive()
		if h.ID == smpp.DeliverSMID {
			receipt = h.Sequence
		} else {
			answers++
		}
	}
	c.write(smpp.StatusOK, receipt, &smpp.DeliverSMResp{})
	r.textFrom(testPhone, testNumber, "STOP please")
	h, _ := c.expect(smpp.DeliverSMID)
	c.write(smpp.StatusPermanentError, h.Sequence, &smpp.DeliverSMResp{})
	c.send(&smpp.EnquireLink{})
	c.expect(smpp.EnquireLinkRespID)
	if n, err := r.control().Count(t.Context(), url.Values{"all": {""}, "command": {"deliver_sm_resp"}}, 2, 5*time.Second); err != nil || n != 2 {
		t.Fatalf("%d answers in the log, %v", n, err)
	}
	return r
}

func TestTheLogIsAskedByWhatStandsInIt(t *testing.T) {
	r := queried(t)
	id := ""
	for _, e := range r.entries() {
		if e.Accepted() {
			id = e.ID()
		}
	}
	for query, want := range map[string]int{
		"":                            5, // bind, two submits, receipt, text, its answer: see below
		"command=submit_sm":           2,
		"command=submit_sm,bind":      3,
		"command=receipt":             1,
		"command=reply":               1,
		"command=deliver_sm":          2,
		"command=queued":              1,
		"command=deliver_sm_resp":     2,
		"phone=%2B13125550001":        2, // submit and receipt
		"phone=13125550001&all":       3, // and its answer
		"phone=" + testPhone:          2, // the text and its answer
		"number=" + testNumber:        4 + 1,
		"key=b1.5":                    1,
		"message_id=" + id:            2,
		"status=ok":                   2, // bind, submit
		"status=error":                2, // the refused submit, the answer to the text
		"status=ESME_RX_P_APPN":       1,
		"status=0x65":                 1,
		"status=ok&command=submit_sm": 1,
		"stat=DELIVRD":                1,
		"stat=UNDELIV":                0,
		"text=stop":                   2, // in any case of letters, and its answer
		"account=acme&command=bind":   1,
		"account=sender":              0,
		"since=1h&command=submit_sm":  2,
		"until=1h":                    0,
		"since=2001-01-01T00:00:00Z&until=2002-01-01T00:00:00Z": 0,
		"conn=99": 0,
	} {
		v, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		if query == "" {
			want = 6
		}
		got, err := r.control().Count(t.Context(), v, 0, 0)
		if err != nil || got != want {
			var lines bytes.Buffer
			_ = r.control().Log(t.Context(), &lines, v)
			t.Errorf("%q: %d, want %d, %v\n%s", query, got, want, err, lines.String())
		}
	}
	for _, query := range []string{"command=submitsm", "status=fine", "since=yesterday", "stat=OK", "conn=x", "last=0", "phon=1", "all=maybe", "wait=1h"} {
		v, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := r.control().Count(t.Context(), v, 0, 0); err == nil {
			t.Errorf("%q: %d instead of an error", query, n)
		}
	}
}

func TestTheLastLinesOfALogAreTheLast(t *testing.T) {
	r := queried(t)
	var all, last bytes.Buffer
	q := url.Values{"all": {""}}
	if err := r.control().Log(t.Context(), &all, q); err != nil {
		t.Fatal(err)
	}
	q.Set("last", "3")
	if err := r.control().Log(t.Context(), &last, q); err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(all.String(), "\n")
	if want := strings.Join(lines[len(lines)-4:], ""); last.String() != want {
		t.Errorf("got\n%swant\n%s", last.String(), want)
	}
	for _, line := range lines[:len(lines)-1] {
		if !json.Valid([]byte(line)) {
			t.Errorf("no JSON: %s", line)
		}
	}
}

func TestALogIsFollowedWhileItGrowsOverItsSegments(t *testing.T) {
	r := startSMSC(t, t.TempDir(), testAccounts(), quick())
	r.server.log.file.Lock()
	r.server.log.segmentBytes = 400 // so that the next blocks begin new ones
	r.server.log.file.Unlock()
	c := r.bind(smpp.BindTransmitterID)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	const want = 40
	seen, sent := 0, 0
	done := errors.New("done")
	err := FollowLog(ctx, r.dir, &Query{Commands: []string{"submit_sm"}}, func(e *Entry) error {
		if seen++; seen == want {
			return done
		}
		return nil
	}, func() error {
		for range min(7, want-sent) { // a little more each time it has caught up
			sent++
			c.submit(submitTo("13125550001", strings.Repeat("hello ", sent)))
		}
		return nil
	})
	if !errors.Is(err, done) {
		t.Fatalf("%d of %d, %v", seen, want, err)
	}
	segs, err := segments(r.dir)
	if err != nil || len(segs) < 3 {
		t.Errorf("%d segments, %v: the test wants several", len(segs), err)
	}
}

func TestOldBlocksAreLeftOutUnread(t *testing.T) {
	dir := t.TempDir()
	w := &logWriter{dir: dir, dirty: make(chan struct{}, 1), form: IDHex, version: "test", now: func() int64 { return 1 }}
	if err := openLog(w); err != nil {
		t.Fatal(err)
	}
	const old, young = 1_000_000_000_000, 2_000_000_000_000
	for _, at := range []int64{old, young} {
		var b block
		b.reset(1, "acme", at)
		s := submitRecord{source: typedAddress(typeE164, testNumber), seq: 1, part: 1, parts: 1, id: 255, destPhone: parsePhone([]byte("1")), destType: typeE164}
		b.submit(&s)
		if err := w.write(&b); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.close(); err != nil {
		t.Fatal(err)
	}
	ids := []string{}
	err := QueryLog(dir, &Query{Since: time.UnixMicro(young - 1)}, func(e *Entry) error {
		ids = append(ids, e.ID())
		return nil
	})
	if err != nil || len(ids) != 1 || ids[0] != "ff" {
		t.Errorf("%v, %v, want the one that is young enough, with its id as the log writes it", ids, err)
	}
}

func TestALogIsFollowedFromItsLastLines(t *testing.T) {
	r := startSMSC(t, t.TempDir(), testAccounts(), quick())
	c := r.bind(smpp.BindTransmitterID)
	for range 5 {
		c.submit(submitTo("13125550001", "before"))
	}
	ctx, cancel := context.WithCancel(t.Context())
	out, lines := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := FollowNDJSON(ctx, lines, r.dir, &Query{Commands: []string{"submit_sm"}}, 2)
		lines.CloseWithError(err)
		done <- err
	}()
	d := json.NewDecoder(out)
	for i, want := range []string{"before", "before", "after", "after"} {
		if i == 2 {
			c.submit(submitTo("13125550001", "after"))
			c.submit(submitTo("13125550001", "after"))
		}
		var line struct{ Text string }
		if err := d.Decode(&line); err != nil || line.Text != want {
			t.Fatalf("line %d: %+v, %v", i, line, err)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestWaitingForTheLogEndsWithTheTimeOrTheEntries(t *testing.T) {
	r := startSMSC(t, t.TempDir(), testAccounts(), quick())
	q := url.Values{"command": {"submit_sm"}}
	if n, err := r.control().Count(t.Context(), q, 1, 50*time.Millisecond); err != nil || n != 0 {
		t.Errorf("%d, %v, want none when the time is over", n, err)
	}
	c := r.bind(smpp.BindTransmitterID)
	counted := make(chan int, 1)
	control := r.control()
	go func() {
		n, err := control.Count(t.Context(), q, 2, 30*time.Second)
		if err != nil {
			t.Error(err)
		}
		counted <- n
	}()
	c.submit(submitTo("13125550001", "one"))
	c.submit(submitTo("13125550001", "two"))
	if n := <-counted; n != 2 {
		t.Errorf("%d, want 2", n)
	}
	var some bytes.Buffer
	if err := r.control().Log(t.Context(), &some, url.Values{"limit": {"1"}, "command": {"submit_sm"}}); err != nil || strings.Count(some.String(), "\n") != 1 {
		t.Errorf("%q, %v, want one line", some.String(), err)
	}
	var report Report
	if err := control.do(t.Context(), "GET", "/audit", nil, &report); err != nil || report.Submits != 2 {
		t.Errorf("%+v, %v", report, err)
	}
}
