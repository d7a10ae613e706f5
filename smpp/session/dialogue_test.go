package session_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"fanline/smpp"
	"fanline/smpp/session"
)

var update = flag.Bool("update", false, "rewrite the golden dialogues; review the difference")

// TestDialogues plays every file of testdata/dialogues in virtual time. A line that isn't indented is a command, indented ones are what
// was seen after it: ">" on the wire from the session, "=" by the handler, "!" returned by Open, Run or Unbind.
func TestDialogues(t *testing.T) {
	files, err := filepath.Glob("testdata/dialogues/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no dialogues: %v", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { play(t, file) })
		})
	}
}

func play(t *testing.T, file string) {
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	d := newDialogue(t)
	var got strings.Builder
	for line := range strings.Lines(string(want)) {
		line = strings.TrimRight(line, "\n")
		if strings.HasPrefix(line, "  ") {
			continue
		}
		fmt.Fprintln(&got, line)
		if line == "" || line[0] == '#' {
			continue
		}
		d.do(strings.Fields(line))
		synctest.Wait()
		for _, event := range d.events() {
			fmt.Fprintln(&got, "  "+event)
		}
	}
	d.end()
	if *update {
		if err := os.WriteFile(file, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

// dialogue is one session and the peer that a file plays against it.
type dialogue struct {
	t      *testing.T
	began  time.Time
	cfg    session.Config
	ctx    context.Context
	cancel context.CancelFunc
	peer   net.Conn
	send   chan []byte
	s      *session.Session
	runs   sync.WaitGroup
	slow   time.Duration // how long the handler takes for deliveries
	slower time.Duration // and for outcomes

	mu               sync.Mutex
	wire, seen, ends []string
	unbinds, calls   []string // beside ends: Run, Unbind and Request return at the same moment, in no order
}

func newDialogue(t *testing.T) *dialogue {
	d := &dialogue{t: t, began: time.Now(), send: make(chan []byte, 100), cfg: session.Config{
		SystemID: "fan", Password: "secret", Window: 3, EnquireInterval: 30 * time.Second, ResponseTimeout: 10 * time.Second,
		BindTimeout: 5 * time.Second, WriteTimeout: 8 * time.Second, UnbindTimeout: 4 * time.Second,
		Logger: slog.New(slog.DiscardHandler),
	}}
	d.ctx, d.cancel = context.WithCancel(t.Context())
	return d
}

func (d *dialogue) note(to *[]string, format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	*to = append(*to, fmt.Sprintf("%v ", time.Since(d.began).Round(time.Millisecond))+fmt.Sprintf(format, args...))
}

// events returns what was seen since the last call, by where it was seen.
func (d *dialogue) events() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := slices.Concat(d.wire, d.seen, d.ends, d.unbinds, d.calls)
	d.wire, d.seen, d.ends, d.unbinds, d.calls = nil, nil, nil, nil, nil
	return all
}

func (d *dialogue) Outcomes(batch []session.Outcome) {
	for _, o := range batch {
		line := fmt.Sprintf("= outcome %d %v", o.Token, o.Code)
		if o.Code == session.Refused || o.Status != 0 {
			line += fmt.Sprintf(" %v", o.Status)
		}
		if o.Code == session.Accepted {
			line += fmt.Sprintf(" id=%q took=%v", o.MessageID, o.Took.Round(time.Millisecond))
		}
		if o.Late {
			line += " late"
		}
		if o.Congestion >= 0 {
			line += fmt.Sprintf(" congestion=%d", o.Congestion)
		}
		d.note(&d.seen, "%s", line)
	}
	time.Sleep(d.slower)
}

func (d *dialogue) Alert(a *smpp.AlertNotification, _ time.Time) {
	d.note(&d.seen, "= alert of %s to %s", a.Source.Addr, a.ESME.Addr)
}

func (d *dialogue) Deliveries(batch []session.Delivery) {
	for _, v := range batch {
		d.note(&d.seen, "= %v %d, %d octets", v.Command, v.Sequence, len(v.PDU))
	}
	time.Sleep(d.slow) // Virtual: a handler that is slower than it should be.
}

// do carries out one command of a dialogue.
func (d *dialogue) do(words []string) {
	args := words[1:]
	switch words[0] {
	case "config":
		d.configure(args)
	case "open":
		d.open(session.Open)
	case "await-outbind":
		d.open(func(ctx context.Context, conn net.Conn, cfg session.Config, h session.Handler) (*session.Session, error) {
			return session.OpenOutbind(ctx, conn, cfg, func(id, password string) bool { return id == "smsc" && password == "pass" }, h)
		})
	case "peer":
		d.send <- d.pdu(args)
	case "hex":
		b := make([]byte, 0, 100)
		if _, err := fmt.Sscanf(strings.Join(args, ""), "%x", &b); err != nil {
			d.t.Fatalf("%v: %v", words, err)
		}
		d.send <- b
	case "submit":
		var items []session.Item
		for _, a := range args {
			items = append(items, session.Item{Token: d.number(a), PDU: submitPDU(d.t, "m"+a)})
		}
		if n := d.s.Submit(items); n != len(items) {
			d.note(&d.seen, "= took %d of %d", n, len(items))
		}
	case "submit-tlv", "submit-data":
		d.s.Submit([]session.Item{{Token: d.number(args[0]), PDU: since34(d.t, words[0] == "submit-data")}})
	case "submit-raw": // A submit whose length is one too small.
		pdu := submitPDU(d.t, "m")
		pdu[3]--
		d.s.Submit([]session.Item{{Token: d.number(args[0]), PDU: pdu}})
	case "respond":
		d.s.Respond(commandNamed(d.t, args[0]), uint32(d.number(args[1])), smpp.Status(d.number(args[2])))
	case "revoke":
		n := d.s.Revoke(func(token uint64) bool { return slices.Contains(args, strconv.FormatUint(token, 10)) })
		d.note(&d.seen, "= revoked %d", n)
	case "unbind":
		d.unbind(args)
	case "wait":
		time.Sleep(d.duration(args[0]))
	case "slow":
		d.slow = d.duration(args[0])
	case "slow-outcomes":
		d.slower = d.duration(args[0])
	case "request":
		d.request(args)
	case "stall": // The peer reads no more.
		_ = d.peer.SetReadDeadline(time.Unix(1, 0))
		synctest.Wait()
		_ = d.peer.SetReadDeadline(time.Time{})
	case "take": // The stalled peer reads so many octets.
		if _, err := io.ReadFull(d.peer, make([]byte, d.number(args[0]))); err != nil {
			d.note(&d.wire, "> %v", err)
		}
	case "take-pdu": // The stalled peer reads one whole PDU.
		pdu := make([]byte, smpp.HeaderLen)
		if _, err := io.ReadFull(d.peer, pdu); err != nil {
			d.t.Fatal(err)
		}
		pdu = append(pdu, make([]byte, int(pdu[3])-len(pdu))...)
		if _, err := io.ReadFull(d.peer, pdu[smpp.HeaderLen:]); err != nil {
			d.t.Fatal(err)
		}
		d.print(pdu)
	case "hang-up":
		d.peer.Close()
	case "cancel":
		d.cancel()
	case "inflight":
		d.note(&d.seen, "= inflight %d", d.s.Inflight())
	case "stats":
		st := d.s.Stats()
		if st.PutOff+st.Alerts+st.Requests > 0 || st.Congestion >= 0 {
			d.note(&d.seen, "= put off %d, alerts %d, requests %d, congestion %d", st.PutOff, st.Alerts, st.Requests, st.Congestion)
		}
		d.note(&d.seen, "= strays %d, nacks seen %d, sent %d, malformed %d, enquires sent %d, seen %d, lost %d, not sent %d, timed out %d, late %d",
			st.Strays, st.NacksSeen, st.NacksSent, st.Malformed, st.EnquiresSent, st.EnquiresSeen, st.Lost, st.NotSent, st.TimedOut, st.Late)
	default:
		d.t.Fatalf("unknown command %q", words[0])
	}
}

func (d *dialogue) configure(args []string) {
	for _, a := range args {
		k, v, _ := strings.Cut(a, "=")
		switch k {
		case "kind":
			d.cfg.Kind = commandNamed(d.t, v)
		case "window":
			d.cfg.Window = int(d.number(v))
		case "enquire":
			d.cfg.EnquireInterval = d.duration(v)
		case "response":
			d.cfg.ResponseTimeout = d.duration(v)
		case "password":
			d.cfg.Password = v
		case "version":
			d.cfg.InterfaceVersion = byte(d.number(v))
		case "inactivity":
			d.cfg.InactivityTimeout = d.duration(v)
		default:
			d.t.Fatalf("unknown setting %q", k)
		}
	}
}

// open starts the peer, and Open or OpenOutbind, and Run behind it.
func (d *dialogue) open(open func(context.Context, net.Conn, session.Config, session.Handler) (*session.Session, error)) {
	ours, theirs := net.Pipe()
	d.peer = theirs
	d.runs.Go(func() {
		for b := range d.send {
			_, _ = theirs.Write(b) // Fails when the session has ended, which the dialogue shows.
		}
	})
	d.runs.Go(func() { d.listen(theirs) })
	d.runs.Go(func() {
		s, err := open(d.ctx, ours, d.cfg, d)
		d.s = s
		if err != nil {
			d.note(&d.ends, "! open: %v", err)
			return
		}
		agreed := ""
		if s.Version() != smpp.Version34 {
			agreed = fmt.Sprintf(", agreed on %#x", s.Version())
		}
		d.note(&d.ends, "! open: %q speaks %#x%s", s.Peer().SystemID, s.Peer().InterfaceVersion, agreed)
		d.note(&d.ends, "! run: %v", s.Run(d.ctx))
	})
}

// listen notes what the session writes, until it ends or the peer stalls.
func (d *dialogue) listen(conn net.Conn) {
	var buf []byte
	b := make([]byte, 64<<10)
	for {
		n, err := conn.Read(b)
		buf = d.print(append(buf, b[:n]...))
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
		if err != nil {
			d.note(&d.wire, "> end")
			return
		}
	}
}

// print notes the whole PDUs in buf and returns the rest.
func (d *dialogue) print(buf []byte) []byte {
	for len(buf) >= smpp.HeaderLen {
		h, err := smpp.ReadHeader(buf)
		if err != nil {
			d.note(&d.wire, "> garbage: %v", err)
			return nil
		}
		if len(buf) < int(h.Length) {
			break
		}
		_, p, err := smpp.Decode(buf[:h.Length])
		if err != nil {
			d.note(&d.wire, "> %v", err)
		}
		line := fmt.Sprintf("> %v %d", h.ID, h.Sequence)
		if h.ID.IsResponse() {
			line += fmt.Sprintf(" %v", h.Status)
		}
		switch p := p.(type) {
		case *smpp.SubmitSM:
			line += fmt.Sprintf(" %q", p.ShortMessage)
		case *smpp.Bind:
			line += fmt.Sprintf(" %s %#x", p.SystemID, p.InterfaceVersion)
		}
		d.note(&d.wire, "%s", line)
		buf = buf[h.Length:]
	}
	return buf
}

func (d *dialogue) unbind(args []string) {
	ctx, stop := d.ctx, context.CancelFunc(func() {})
	if len(args) > 0 {
		ctx, stop = context.WithTimeout(d.ctx, d.duration(args[0]))
	}
	d.runs.Go(func() {
		defer stop()
		d.note(&d.unbinds, "! unbind: %v", d.s.Unbind(ctx))
	})
}

// end cuts what is still there; the bubble then checks that no goroutine is left.
func (d *dialogue) end() {
	d.cancel()
	close(d.send)
	if d.peer != nil {
		d.peer.Close()
	}
	d.runs.Wait()
}

func (d *dialogue) number(s string) uint64 {
	n, err := strconv.ParseUint(s, 0, 64)
	if err != nil {
		d.t.Fatal(err)
	}
	return n
}

func (d *dialogue) duration(s string) time.Duration {
	v, err := time.ParseDuration(s)
	if err != nil {
		d.t.Fatal(err)
	}
	return v
}

// commandNamed finds a command by its name in the specification, or by its number.
func commandNamed(t testing.TB, name string) smpp.CommandID {
	t.Helper()
	if n, err := strconv.ParseUint(name, 0, 32); err == nil {
		return smpp.CommandID(n)
	}
	for id := range smpp.CommandID(0x120) {
		for _, id := range []smpp.CommandID{id, id.Response()} {
			if id.String() == name {
				return id
			}
		}
	}
	t.Fatalf("no command %q", name)
	return 0
}

// submitPDU encodes a submit_sm with this text.
func submitPDU(t testing.TB, text string) []byte {
	t.Helper()
	b, err := smpp.Append(nil, smpp.StatusOK, 0, &smpp.SubmitSM{
		Source:       smpp.Address{TON: smpp.TONNational, NPI: smpp.NPIISDN, Addr: "7735550100"},
		Destination:  smpp.Address{TON: smpp.TONInternational, NPI: smpp.NPIISDN, Addr: "13125550199"},
		ShortMessage: []byte(text),
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}
