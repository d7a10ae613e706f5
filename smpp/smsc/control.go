package smsc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// controlFile in the log's directory names the unix socket of the control interface.
const controlFile = "control"

// waitFor is how long a request may ask to wait.
const waitFor = 60 * time.Second

var errNotRunning = errors.New("no simulator runs on this log")

// socketPathMax is what the kernel takes for a unix socket's path.
const socketPathMax = 100

// control serves the interface by which a test or a demo plays the phones:
//
//	POST /mo {"from","to","text","wait"}   a text from a phone to a number; wait: until it is answered, as "5s"
//	GET  /messages?phone=P                 what a phone was sent, long texts joined
//	GET  /stats                            counts since the start
type control struct {
	server *http.Server
	done   chan struct{}
	remove []string
}

func (s *server) startControl(dir string) (*control, error) {
	c := &control{done: make(chan struct{})}
	path := filepath.Join(dir, "control.sock")
	if len(path) > socketPathMax {
		short, err := os.MkdirTemp("", "fanline-smsc-")
		if err != nil {
			return nil, fmt.Errorf("smsc control: %w", err)
		}
		path = filepath.Join(short, "control.sock")
		c.remove = append(c.remove, short)
	}
	_ = os.Remove(path) // left by a simulator that was killed; the lock on the log says that it is gone
	listener, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("smsc control: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("smsc control: %w", err), listener.Close())
	}
	name := filepath.Join(dir, controlFile)
	if err := writeAtomically(name, path+"\n"); err != nil {
		return nil, errors.Join(fmt.Errorf("smsc control: %w", err), listener.Close())
	}
	c.remove = append([]string{name, path}, c.remove...)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /mo", s.serveText)
	mux.HandleFunc("GET /messages", s.serveMessages)
	mux.HandleFunc("GET /stats", s.serveStats)
	c.server = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second}
	go func() {
		defer close(c.done)
		if err := c.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.logger.Error("simulator's control ended", "error", err)
		}
	}()
	return c, nil
}

func (c *control) stop() {
	_ = c.server.Close()
	<-c.done
	for _, path := range c.remove {
		_ = os.Remove(path) // The socket goes with its listener.
	}
}

// TextRequest is the body of POST /mo.
type TextRequest struct {
	From string `json:"from"` // the phone
	To   string `json:"to"`   // the number
	Text string `json:"text"`
	Wait string `json:"wait,omitempty"` // a duration: until all parts are answered, at most a minute
}

// TextResult answers POST /mo.
type TextResult struct {
	ID       string     `json:"id"`
	Parts    int        `json:"parts"`
	Answered bool       `json:"answered"`         // by deliver_sm_resp, all parts
	Status   string     `json:"status,omitempty"` // of the answer
	SentAt   *time.Time `json:"sent_at,omitempty"`
	Answer   *time.Time `json:"answered_at,omitempty"`
}

func (s *server) serveText(w http.ResponseWriter, r *http.Request) {
	var q TextRequest
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20))
	d.DisallowUnknownFields()
	if err := d.Decode(&q); err != nil {
		httpError(w, http.StatusBadRequest, fmt.Errorf("body: %w", err))
		return
	}
	var wait time.Duration
	if q.Wait != "" {
		var err error
		if wait, err = time.ParseDuration(q.Wait); err != nil || wait < 0 || wait > waitFor {
			httpError(w, http.StatusBadRequest, fmt.Errorf("wait %q: want a duration of at most %s", q.Wait, waitFor))
			return
		}
	}
	x, err := s.inject(q.From, q.To, q.Text)
	switch {
	case errors.Is(err, errNoNumber):
		httpError(w, http.StatusNotFound, err)
		return
	case err != nil:
		httpError(w, http.StatusBadRequest, err)
		return
	}
	if wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-x.done:
		case <-timer.C:
		case <-r.Context().Done():
		}
	}
	writeJSON(w, s.result(x))
}

func (s *server) result(x *inbound) TextResult {
	s.texts.mu.Lock()
	defer s.texts.mu.Unlock()
	r := TextResult{ID: string(s.plan().form.Append(nil, x.id)), Parts: len(x.parts), Answered: x.left == 0}
	if x.sent != 0 {
		t := time.UnixMicro(x.sent).UTC()
		r.SentAt = &t
	}
	if r.Answered {
		t := time.UnixMicro(x.acked).UTC()
		r.Answer, r.Status = &t, x.status.String()
	}
	return r
}

func (s *server) serveMessages(w http.ResponseWriter, r *http.Request) {
	phone := canonicalPhone(strings.TrimSpace(r.URL.Query().Get("phone")))
	if parsePhone([]byte(phone)) == 0 {
		httpError(w, http.StatusBadRequest, fmt.Errorf("phone: %w", errPhone))
		return
	}
	sent, err := s.sent(phone)
	if err != nil {
		httpError(w, http.StatusInternalServerError, err)
		return
	}
	writeJSON(w, map[string]any{"messages": sent})
}

// Stats is what GET /stats answers, counted since the process started.
type Stats struct {
	Address        string `json:"address"`
	UptimeSeconds  int64  `json:"uptime_seconds"`
	Binds          int64  `json:"binds"`
	Connections    int64  `json:"connections"` // ever
	Submits        int64  `json:"submits"`
	Accepted       int64  `json:"accepted"`
	Throttled      int64  `json:"throttled"`
	Refused        int64  `json:"refused"`
	Delivers       int64  `json:"delivers"`         // deliver_sm sent, repeats included
	ReceiptsAcked  int64  `json:"receipts_acked"`   // done with
	Texts          int64  `json:"texts"`            // from phones
	TextsAcked     int64  `json:"texts_acked"`      // done with
	Owed           int64  `json:"owed"`             // receipts and texts not done with
	ProtocolErrors int64  `json:"protocol_errors"`  // PDUs that made no sense
	Faults         int64  `json:"faults_dropped"`   // connections dropped by the scenario's faults
	LogBytes       int64  `json:"log_bytes_approx"` // whole log
}

func (s *server) serveStats(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, Stats{
		Address: s.addr.String(), UptimeSeconds: int64(time.Since(s.started).Seconds()), Binds: s.binds.Load(),
		Connections: s.stats.connections.Load(), Submits: s.stats.submits.Load(), Accepted: s.stats.accepted.Load(),
		Throttled: s.stats.throttled.Load(), Refused: s.stats.refused.Load(), Delivers: s.stats.receipts.Load(),
		ReceiptsAcked: s.stats.receiptsAcked.Load(), Texts: s.stats.texts.Load(), TextsAcked: s.stats.textsAcked.Load(),
		Owed: s.pending.Load(), ProtocolErrors: s.stats.protocolErrors.Load(), Faults: s.stats.droppedByFaults.Load(),
		LogBytes: s.log.bytes(),
	})
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	_ = e.Encode(v) // The client is gone.
}

func httpError(w http.ResponseWriter, code int, err error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": err.Error()}) // The client is gone.
}

// Client speaks to the control interface of the simulator that writes a log.
type Client struct{ http http.Client }

// Dial finds the control interface of the simulator that runs on the log in dir. It doesn't connect yet.
func Dial(dir string) (*Client, error) {
	b, err := os.ReadFile(filepath.Join(dir, controlFile))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNotRunning, err)
	}
	path := strings.TrimSpace(string(b))
	return &Client{http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", path)
		},
	}}}, nil
}

// Text sends a text from a phone to a number; wait is for its answer, at most a minute.
func (c *Client) Text(ctx context.Context, from, to, body string, wait time.Duration) (r TextResult, err error) {
	b, err := json.Marshal(TextRequest{From: from, To: to, Text: body, Wait: wait.String()})
	if err != nil {
		return r, err
	}
	return r, c.do(ctx, http.MethodPost, "/mo", bytes.NewReader(b), &r)
}

// Messages lists what a phone was sent, oldest first.
func (c *Client) Messages(ctx context.Context, phone string) ([]Sent, error) {
	var r struct {
		Messages []Sent `json:"messages"`
	}
	err := c.do(ctx, http.MethodGet, "/messages?phone="+url.QueryEscape(phone), nil, &r)
	return r.Messages, err
}

// Stats asks for the counts.
func (c *Client) Stats(ctx context.Context) (r Stats, err error) {
	return r, c.do(ctx, http.MethodGet, "/stats", nil, &r)
}

// Close gives up idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

func (c *Client) do(ctx context.Context, method, path string, body io.Reader, into any) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://simulator"+path, body)
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("simulator: %w", err)
	}
	defer resp.Body.Close() //nolint:errcheck // only read
	if resp.StatusCode != http.StatusOK {
		var e struct {
			Error string `json:"error"`
		}
		_ = json.NewDecoder(io.LimitReader(resp.Body, 1<<16)).Decode(&e) // The status says it too.
		return fmt.Errorf("simulator: %s: %s", resp.Status, e.Error)
	}
	return json.NewDecoder(resp.Body).Decode(into)
}
