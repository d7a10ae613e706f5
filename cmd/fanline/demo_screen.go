package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"fanline/api"
)

// screen is what a person sees of dev: lines that stay and, on a terminal, a
// block below them that is drawn over. Elsewhere the block is a plain line
// every two seconds. Logs go through Write, so they never tear the block.
type screen struct {
	mu       sync.Mutex
	w        io.Writer // progress: stderr
	report   io.Writer // what remains: stdout, or w where stdout is for JSON
	terminal bool
	width    func() int
	drawn    int // lines of the block that stand there
	block    []string
	plain    time.Time // of the last plain line
	said     string    // that line
}

// plainEvery is how often progress is said where nothing can be drawn over.
const plainEvery = 2 * time.Second

func newScreen(w io.Writer) *screen {
	s := &screen{w: w, report: w, width: func() int { return 100 }}
	f, ok := w.(*os.File)
	if ok && term.IsTerminal(int(f.Fd())) {
		s.terminal = true
		s.width = func() int {
			if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 20 {
				return w
			}
			return 80
		}
	}
	return s
}

// note writes a line of progress that stays.
func (s *screen) note(format string, args ...any) { s.line(s.w, format, args...) }

// tell writes a line of the report.
func (s *screen) tell(format string, args ...any) { s.line(s.report, format, args...) }

func (s *screen) line(to io.Writer, format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.write(s.erased())
	fmt.Fprintf(to, format+"\n", args...)
	s.write(s.drawing())
}

// Write passes log lines on.
func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.write(s.erased())
	n, err := s.w.Write(p)
	s.write(s.drawing())
	return n, err
}

// show draws the block anew; plain stands for it where nothing can be drawn
// over.
func (s *screen) show(plain string, block ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.terminal {
		if now := time.Now(); now.Sub(s.plain) >= plainEvery {
			s.plain, s.said = now, plain
			fmt.Fprintln(s.w, plain)
		}
		return
	}
	erased := s.erased()
	s.block = block
	s.write(erased + s.drawing()) // In one go: else it flickers.
}

// keep leaves the block as it stands; without a terminal it says plain, so
// that the last state always appears.
func (s *screen) keep(plain string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.terminal && plain != s.said {
		fmt.Fprintln(s.w, plain)
	}
	s.block, s.drawn, s.plain = nil, 0, time.Time{}
}

// drop takes the block away.
func (s *screen) drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.write(s.erased())
	s.block, s.plain = nil, time.Time{}
}

// write goes to a terminal or nowhere; one that is gone is nobody's loss.
func (s *screen) write(text string) { _, _ = io.WriteString(s.w, text) }

// erased is what takes the block off a terminal.
func (s *screen) erased() string {
	if s.drawn == 0 {
		return ""
	}
	text := fmt.Sprintf("\x1b[%dA\x1b[J", s.drawn)
	s.drawn = 0
	return text
}

// drawing is what puts it there.
func (s *screen) drawing() string {
	if len(s.block) == 0 {
		return ""
	}
	width := s.width() - 1 // A full line would wrap on some terminals.
	var b strings.Builder
	for _, line := range s.block {
		if r := []rune(line); len(r) > width {
			line = string(r[:width-1]) + "…"
		}
		b.WriteString(line + "\n")
	}
	s.drawn = len(s.block)
	return b.String()
}

// mark is a step's result in front of its name.
func (s *screen) mark(ok bool) string {
	switch {
	case ok && s.colour():
		return "\x1b[32m✓\x1b[0m"
	case ok:
		return "✓"
	case s.colour():
		return "\x1b[31m✗\x1b[0m"
	}
	return "✗"
}

func (s *screen) colour() bool { return s.terminal && os.Getenv("NO_COLOR") == "" }

// bar is a line of blocks, done of 1 filled.
func bar(done float64, width int) string {
	filled := min(width, max(0, int(done*float64(width)+0.5)))
	return strings.Repeat("█", filled) + strings.Repeat("░", width-filled)
}

// broadcastBlock is how far a broadcast has come, to be drawn over.
func broadcastBlock(w api.Watched) []string {
	l := w.Ledger.Ledger
	decided := 0.0
	if l.Accepted > 0 {
		decided = float64(l.Accepted-l.PendingSend) / float64(l.Accepted)
	}
	left := "nobody can tell yet"
	switch {
	case w.Done:
		left = "none: every message is accounted for"
	case l.PendingSend == 0:
		left = grouped(l.PendingReceipt) + " receipts to come"
	case w.SecondsLeft != nil:
		left = span(*w.SecondsLeft) + ", then the last receipts"
	}
	// The limit counts parts, and so does the rate that stands beside it.
	return []string{
		"",
		fmt.Sprintf("  %s %3.0f %%", bar(decided, 50), 100*decided),
		fmt.Sprintf("  %-10s %12s %4s %-12s %12s", "planned", grouped(w.Planned), "", "rate now", grouped(int64(w.Rate))+"/s"),
		fmt.Sprintf("  %-10s %12s %4s %-12s %12s", "sent", grouped(w.Sent), "", "allowed", grouped(int64(w.Allowed))+"/s"),
		fmt.Sprintf("  %-10s %12s %4s %-12s %12s", "delivered", grouped(w.Delivered), "", "elapsed", span(w.Elapsed)),
		fmt.Sprintf("  %-10s %12s %4s %-12s %s", "failed", grouped(w.Failed), "", "time left", left),
		"",
	}
}
