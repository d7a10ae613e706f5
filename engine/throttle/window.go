package throttle

import "time"

// Window says how many unanswered parts a bind may have, below what was agreed:
// less when answers take several times as long as they do on a quiet bind, or
// do not come, or the carrier says that its queue is full; more again, gently,
// when they come in time. More in flight would then not be faster, only later,
// and what is late is soon unknown. It is not safe for concurrent use.
type Window struct {
	most int
	size float64
	base time.Duration // how long answers take on a quiet bind
	took time.Duration // of late, smoothed; 0: no answer yet
	next time.Time     // when the size is thought over again
	cut  time.Time     // what was written before says nothing more
	aged time.Time
}

const (
	windowSlow   = 4                      // times the base, from which answers count as late
	windowSlack  = 250 * time.Millisecond // and at least so much above it
	windowDown   = 0.8
	windowUp     = 1.0 / 16 // of the size, each time answers have come
	windowOften  = 50 * time.Millisecond
	baseAgesOver = time.Minute
)

// NewWindow returns a window of at most so many parts, which it begins with.
func NewWindow(most int, now time.Time) Window {
	return Window{most: most, size: float64(most), next: now, aged: now}
}

// Size returns how many parts may be unanswered.
func (w *Window) Size() int { return int(w.size) }

// Took returns how long answers take of late, smoothed; 0 before the first.
func (w *Window) Took() time.Duration { return w.took }

// Answered takes note of an answer and how long it took.
func (w *Window) Answered(took time.Duration, now time.Time) {
	if took <= 0 {
		return
	}
	if w.took == 0 {
		w.took, w.base = took, took
	}
	w.took += (took - w.took) / 16
	w.base = min(w.base, w.took)
	if now.Before(w.next) {
		return
	}
	w.next = now.Add(max(w.took, windowOften))
	if now.Sub(w.aged) >= baseAgesOver { // A way that has become longer for good is the new base by and by.
		w.aged = now
		w.base += (w.took - w.base) / 8
	}
	if w.took > max(windowSlow*w.base, w.base+windowSlack) {
		w.size *= windowDown
	} else {
		w.size += max(1, w.size*windowUp)
	}
	w.bound()
}

// Full takes note of a part, written at a time, that found the carrier's queue
// full or never got an answer.
func (w *Window) Full(written, now time.Time) {
	if !written.After(w.cut) {
		return
	}
	w.cut, w.next = now, now.Add(max(w.took, windowOften))
	w.size /= 2
	w.bound()
}

func (w *Window) bound() {
	w.size = max(1, min(w.size, float64(w.most)))
}
