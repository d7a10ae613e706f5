package conversation

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fanline/community"
	"fanline/engine/message"
	"fanline/pipeline/record"
)

// house is a desk over a real store, with a clock that stands still until it is
// moved.
type house struct {
	t     testing.TB
	desk  *Desk
	store *community.Store
	clock time.Time
	next  map[int32]int64
}

const partitions = 4

func newHouse(t testing.TB) *house {
	t.Helper()
	h := &house{t: t, clock: noon, next: map[int32]int64{}}
	now := func() time.Time { return h.clock }
	store, err := community.Open(t.Context(), filepath.Join(t.TempDir(), "fanline.db"), community.Options{Partitions: partitions, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	err = store.SyncNumbers(t.Context(), []community.Number{{Number: ourNumber, Kind: "long_code", Leader: "Maya Torres"}})
	if err != nil {
		t.Fatal(err)
	}
	h.store = store
	h.desk = New(store, testLinks(t), defaults(t), decodeText, Config{
		Program: "Maya Live", Help: "help@maya.example", Now: now, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	return h
}

var errNoText = errors.New("no text in it")

// decodeText stands for the codec: the tests' PDUs are their text. One of a part
// begins with "reference/part/parts|", and what is behind "#" is no text.
func decodeText(_ string, pdus ...[]byte) (string, Part, error) {
	text, first := "", Part{Seq: 1, Total: 1}
	for i, pdu := range pdus {
		p := Part{Seq: 1, Total: 1}
		body := string(pdu)
		if body == "broken" {
			return "", Part{}, errNoText
		}
		if head, rest, ok := strings.Cut(body, "|"); ok {
			if _, err := fmt.Sscanf(head, "%d/%d/%d", &p.Ref, &p.Seq, &p.Total); err != nil {
				return "", Part{}, err
			}
			body = rest
		}
		body, _, _ = strings.Cut(body, "#")
		text += body
		if i == 0 {
			first = p
		}
	}
	return text, first, nil
}

// record makes the next inbound record of a phone.
func (h *house) record(phone message.Phone, text string) (int32, Record) {
	p := phone.Partition(partitions)
	r := Record{Offset: h.next[p], Value: record.AppendInbound(nil, &record.Inbound{
		Number: ourNumber, Phone: phone, Carrier: "acme", Bind: 1, At: h.clock.UnixMilli(), PDU: []byte(text),
	})}
	h.next[p]++
	return p, r
}

// hears hands a text in and returns what is sent back.
func (h *house) hears(phone message.Phone, text string) []record.Single {
	h.t.Helper()
	p, r := h.record(phone, text)
	if err := h.desk.Handle(h.t.Context(), p, []Record{r}); err != nil {
		h.t.Fatalf("%q: %v", text, err)
	}
	singles, _ := h.outbox()
	return singles
}

// outbox takes what waits for the log.
func (h *house) outbox() (singles []record.Single, consents []record.Consent) {
	h.t.Helper()
	rows, err := h.store.OutboxNext(h.t.Context(), 1000)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, row := range rows {
		switch row.Topic {
		case record.TopicJobs:
			job, err := record.DecodeJob(row.Value)
			if err != nil || job.Single == nil {
				h.t.Fatalf("job: %v, %v", job, err)
			}
			singles = append(singles, *job.Single)
		case record.TopicConsent:
			c, err := record.DecodeConsent(row.Value)
			if err != nil {
				h.t.Fatal(err)
			}
			consents = append(consents, c)
		}
	}
	if err := h.store.OutboxDone(h.t.Context(), rows); err != nil {
		h.t.Fatal(err)
	}
	return singles, consents
}

// invitation opens the link of a text.
func (h *house) invitation(s record.Single) Invitation {
	h.t.Helper()
	_, rest, ok := strings.Cut(s.Text, "https://fan.example/j/")
	if !ok {
		h.t.Fatalf("no link in %q", s.Text)
	}
	token, _, _ := strings.Cut(rest, " ")
	in, err := h.desk.links.Open(token, h.clock)
	if err != nil {
		h.t.Fatal(err)
	}
	return in
}

func filledForm(in Invitation) Joining {
	return Joining{
		Invitation: in,
		Profile:    community.Profile{FirstName: "Ann", LastName: "Lee", City: "Chicago", State: "IL", Country: "US", Birth: community.NewDate(1999, 3, 27)},
		Evidence:   community.Evidence{Disclosure: "Yes, send me texts.", TextVersion: "form-1", PageURL: "https://fan.example/j/…", IP: "192.0.2.1", UserAgent: "test"},
	}
}

// join goes the whole way from the first text to the confirmation.
func (h *house) join(phone message.Phone) {
	h.t.Helper()
	sent := h.hears(phone, "Hi!")
	if len(sent) != 1 {
		h.t.Fatalf("first text: %d replies", len(sent))
	}
	if err := h.desk.Join(h.t.Context(), filledForm(h.invitation(sent[0]))); err != nil {
		h.t.Fatal(err)
	}
	h.outbox()
	h.clock = h.clock.Add(time.Minute)
}

func (h *house) consent(phone message.Phone) community.Consent {
	h.t.Helper()
	m, err := h.store.FindMember(h.t.Context(), ourNumber, phone)
	if err != nil {
		h.t.Fatal(err)
	}
	return m.Consent
}

func (h *house) inbox() []community.ThreadHead {
	h.t.Helper()
	heads, err := h.store.ListThreads(h.t.Context(), ourNumber, time.Time{}, 100)
	if err != nil {
		h.t.Fatal(err)
	}
	return heads
}
