package smsc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// logLimit is how many lines GET /log answers at most unless asked for more.
const logLimit = 10_000

// logRequest is what GET /log asks for beside the query.
type logRequest struct {
	q       Query
	last    int           // only so many at the end
	limit   int           // no more lines than this
	count   bool          // only their number
	atLeast int           // wait until there are so many
	wait    time.Duration // but no longer than this
}

func parseLogRequest(v url.Values, now time.Time) (l logRequest, err error) {
	known := map[string]bool{"last": true, "limit": true, "count": true, "at_least": true, "wait": true}
	for _, k := range QueryKeys() {
		known[k] = true
	}
	for k := range v {
		if !known[k] {
			return l, fmt.Errorf("%s: no such parameter", k)
		}
	}
	if l.q, err = ParseQuery(v, now); err != nil {
		return l, err
	}
	l.limit = logLimit
	for name, into := range map[string]*int{"last": &l.last, "limit": &l.limit, "at_least": &l.atLeast} {
		if s := v.Get(name); s != "" {
			if *into, err = strconv.Atoi(s); err != nil || *into < 1 {
				return l, fmt.Errorf("%s %q: want a number from 1 on", name, s)
			}
		}
	}
	if l.count, err = parseFlag(v, "count"); err != nil {
		return l, err
	}
	l.wait, err = parseWait(v.Get("wait"))
	return l, err
}

func parseWait(s string) (time.Duration, error) {
	if s == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 || d > waitFor {
		return 0, fmt.Errorf("wait %q: want a duration of at most %s", s, waitFor)
	}
	return d, nil
}

// errEnough ends the reading of a log of which no more is wanted.
var errEnough = errors.New("enough")

// serveLog answers NDJSON, or with count one object with the number of lines.
func (s *server) serveLog(w http.ResponseWriter, r *http.Request) {
	l, err := parseLogRequest(r.URL.Query(), time.Now())
	if err != nil {
		httpError(w, http.StatusBadRequest, err)
		return
	}
	found := 0
	if l.atLeast > 0 || l.count {
		if found, err = s.countLog(r.Context(), &l); err != nil {
			httpError(w, http.StatusInternalServerError, err)
			return
		}
	}
	if l.count {
		writeJSON(w, map[string]int{"count": found})
		return
	}
	if err := s.log.flush(); err != nil {
		httpError(w, http.StatusInternalServerError, err)
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	out := newLineWriter(w)
	lines, ring := 0, lastLines{max: l.last}
	err = QueryLog(s.log.dir, &l.q, func(e *Entry) error {
		if l.last > 0 {
			return ring.add(lineOf(e))
		}
		if lines++; lines > l.limit {
			return errEnough
		}
		return out.write(lineOf(e))
	})
	if err == nil {
		err = ring.each(out.write)
	}
	if err = errors.Join(err, out.flush()); err != nil && !errors.Is(err, errEnough) {
		s.logger.Warn("simulator's log was not read to its end for the control interface", "error", err)
	}
}

// countLog counts what the query picks; with wait until there are so many as wanted, or the time is over.
func (s *server) countLog(ctx context.Context, l *logRequest) (found int, err error) {
	if l.wait == 0 {
		if err := s.log.flush(); err != nil {
			return 0, err
		}
		err := QueryLog(s.log.dir, &l.q, func(*Entry) error { found++; return nil })
		return found, err
	}
	ctx, cancel := context.WithTimeout(ctx, l.wait)
	defer cancel()
	err = FollowLog(ctx, s.log.dir, &l.q, func(*Entry) error { found++; return nil }, func() error {
		if l.atLeast > 0 && found >= l.atLeast {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return found, err
}

func (s *server) serveAudit(w http.ResponseWriter, _ *http.Request) {
	err := s.log.flush()
	var report Report
	if err == nil {
		report, err = Audit(s.log.dir)
	}
	if err != nil {
		httpError(w, http.StatusInternalServerError, err)
		return
	}
	writeJSON(w, report)
}
