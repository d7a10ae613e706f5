package smsc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// controlFile in the log's directory names the unix socket of the control interface.
const controlFile = "control"

// waitFor is how long a request may ask to wait.
const waitFor = 60 * time.Second

var errNotRunning = errors.New("no simulator runs on this log")

// socketPathMax is what the kernel takes for a unix socket's path.
const socketPathMax = 100

// control serves the interface by which a test or a person plays the phones and the carrier's staff, on a unix socket
// beside the log and, when asked, on a loopback address, where it also is a page to look at. docs/simulator.md lists
// what it answers.
type control struct {
	servers []*http.Server
	done    []chan struct{}
	remove  []string
	http    string // where the page is; empty: nowhere
}

// routes are the requests that the control interface answers.
func (s *server) routes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /stats", s.serveStats)
	mux.HandleFunc("GET /messages", s.serveMessages)
	mux.HandleFunc("GET /log", s.serveLog)
	mux.HandleFunc("GET /audit", s.serveAudit)
	mux.HandleFunc("POST /mo", s.serveText)
	mux.HandleFunc("GET /binds", s.serveBinds)
	mux.HandleFunc("POST /drop", s.serveDrop)
	mux.HandleFunc("POST /receipt", s.serveReceipt)
	mux.HandleFunc("POST /pdu", s.servePDU)
	mux.HandleFunc("GET /faults", s.serveFaults)
	mux.HandleFunc("POST /faults", s.switchFault)
	mux.HandleFunc("POST /fault", s.serveFaultNow)
	mux.HandleFunc("POST /alert", s.serveAlert)
	mux.HandleFunc("POST /outbind", s.serveOutbind)
	mux.HandleFunc("GET /traffic", s.serveTraffic)
	mux.HandleFunc("POST /traffic", s.switchTraffic)
	mux.HandleFunc("GET /scenario", s.serveScenario)
	mux.HandleFunc("PUT /scenario", s.replaceScenario)
	return mux
}

func (s *server) startControl(ctx context.Context, o *Options) (*control, error) {
	c := &control{}
	if err := c.listenUnix(s, o.LogDir); err != nil {
		return nil, errors.Join(fmt.Errorf("smsc control: %w", err), c.close())
	}
	if o.HTTP == "" {
		return c, nil
	}
	listener, err := listen(ctx, o.HTTP)
	if err != nil {
		return nil, errors.Join(err, c.close())
	}
	c.http = listener.Addr().String()
	mux := s.routes()
	live := &live{s: s}
	mux.HandleFunc("GET /live", live.serve)
	mux.HandleFunc("GET /{$}", servePage())
	c.serve(s, listener, guard(mux))
	return c, nil
}

func (c *control) listenUnix(s *server, dir string) error {
	path := filepath.Join(dir, "control.sock")
	if len(path) > socketPathMax {
		short, err := os.MkdirTemp("", "fanline-smsc-")
		if err != nil {
			return err
		}
		path = filepath.Join(short, "control.sock")
		c.remove = append(c.remove, short)
	}
	_ = os.Remove(path) // left by a simulator that was killed; the lock on the log says that it is gone
	listener, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	c.remove = append([]string{path}, c.remove...)
	if err := os.Chmod(path, 0o600); err != nil {
		return errors.Join(err, listener.Close())
	}
	name := filepath.Join(dir, controlFile)
	if err := writeAtomically(name, path+"\n"); err != nil {
		return errors.Join(err, listener.Close())
	}
	c.remove = append([]string{name}, c.remove...)
	c.serve(s, listener, s.routes())
	return nil
}

func (c *control) serve(s *server, listener net.Listener, h http.Handler) {
	server := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, MaxHeaderBytes: 1 << 16}
	done := make(chan struct{})
	c.servers, c.done = append(c.servers, server), append(c.done, done)
	go func() {
		defer close(done)
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.logger.Error("simulator's control ended", "error", err)
		}
	}()
}

func (c *control) stop() { _ = c.close() }

func (c *control) close() error {
	var err error
	for i, server := range c.servers {
		err = errors.Join(err, server.Close())
		<-c.done[i]
	}
	for _, path := range c.remove {
		_ = os.Remove(path) // The socket goes with its listener.
	}
	return err
}

// errHost refuses what a page of another site could have made a browser ask for by a name that leads here.
var errHost = errors.New("ask by a loopback address or as localhost")

// guard lets nobody in but who means this address: no name of another site that resolves to it, and nothing that a
// page of another site makes a browser send.
func guard(h http.Handler) http.Handler {
	same := http.NewCrossOriginProtection().Handler(h)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			httpError(w, http.StatusForbidden, errHost)
			return
		}
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Referrer-Policy", "no-referrer")
		w.Header().Set("Cache-Control", "no-store")
		same.ServeHTTP(w, r)
	})
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
	RepliesDropped int64  `json:"replies_dropped"`  // of phones, for want of room
	LogBytes       int64  `json:"log_bytes_approx"` // whole log
}

func (s *server) serveStats(w http.ResponseWriter, _ *http.Request) { writeJSON(w, s.readStats()) }

func (s *server) readStats() Stats {
	return Stats{
		Address: s.addr.String(), UptimeSeconds: int64(time.Since(s.started).Seconds()), Binds: s.binds.Load(),
		Connections: s.stats.connections.Load(), Submits: s.stats.submits.Load(), Accepted: s.stats.accepted.Load(),
		Throttled: s.stats.throttled.Load(), Refused: s.stats.refused.Load(), Delivers: s.stats.receipts.Load(),
		ReceiptsAcked: s.stats.receiptsAcked.Load(), Texts: s.stats.texts.Load(), TextsAcked: s.stats.textsAcked.Load(),
		Owed: s.pending.Load(), ProtocolErrors: s.stats.protocolErrors.Load(), Faults: s.stats.droppedByFaults.Load(),
		RepliesDropped: s.traffic.dropped.Load(), LogBytes: s.log.bytes(),
	}
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

// bodyMax is the most that a request may bring.
const bodyMax = 1 << 20

// readJSON reads a request's body into v, strictly, and answers what is wrong with it.
func readJSON(w http.ResponseWriter, r *http.Request, v any) bool {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, bodyMax))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		httpError(w, http.StatusBadRequest, fmt.Errorf("body: %w", err))
		return false
	}
	return true
}
