package analytics

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
)

func TestAServerThatIsAwayIsOneLineAndNotOneForEachReader(t *testing.T) {
	var out bytes.Buffer
	s := newStream("journal", 24, func() rows { return newEvents() })
	s.log = slog.New(slog.NewTextHandler(&out, nil))
	lines := func(what string, want int) {
		t.Helper()
		if got := strings.Count(out.String(), "analytics "); got != want {
			t.Errorf("%s: %d lines, want %d:\n%s", what, got, want, out.String())
		}
		out.Reset()
	}
	for range 3 {
		for p := range 24 {
			s.trouble(p, errors.New("connection refused"))
		}
	}
	lines("away", 1)
	s.trouble(7, errLogEnds)
	s.trouble(7, errLogEnds)
	lines("a log that ends too early meanwhile", 1)
	for p := range 23 {
		s.trouble(p, nil)
	}
	lines("all but one are back", 0)
	s.trouble(23, nil)
	lines("back", 1)
}
