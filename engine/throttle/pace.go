package throttle

import "time"

// Pace finds out how fast a carrier takes parts where that is less than was
// agreed, or nothing was: down quickly when the carrier throttles
// (ESME_RTHROTTLED, ESME_RMSGQFUL, a high congestion_state), up gently when it
// doesn't. As long as the carrier never throttles it limits nothing. It is not
// safe for concurrent use.
type Pace struct {
	ceiling int     // parts a second that were agreed; 0: unknown
	rate    float64 // parts a second now; 0: not limited
	known   float64 // the rate at which the carrier throttled last
	limit   *Limit

	cut     time.Time // what was written before says nothing more
	raised  time.Time
	held    time.Time // not raised before: the carrier is well loaded
	wanted  bool      // since raised it held parts back
	backoff time.Duration

	begun       time.Time // of the count of accepted parts
	count, last int       // in this half second, in the one before
}

const (
	paceCut     = 0.9  // of what the carrier took when it began to throttle
	paceBlind   = 0.7  // of the rate, where too little was sent to tell
	paceUp      = 0.01 // of the rate, each raiseEvery
	paceFar     = 0.05 // likewise, once nothing was throttled for paceQuiet
	paceQuiet   = 10 * time.Second
	paceBack    = 0.1 // of the way back to what was known
	raiseEvery  = 200 * time.Millisecond
	countFor    = 500 * time.Millisecond
	fullBackoff = 500 * time.Millisecond // after the first queue-full
	mostBackoff = 8 * time.Second

	// CongestionHigh is the congestion_state from which a carrier is treated as
	// throttling, CongestionGood the one from which it is not sent more (SMPP 5.0
	// §4.8.4.18: 80-89 optimum load, 90-99 nearing congestion, 100 congested).
	CongestionHigh, CongestionGood = 90, 80
)

// NewPace returns a pace below a ceiling in parts a second; 0: none is known.
func NewPace(ceiling int) *Pace {
	return &Pace{ceiling: max(ceiling, 0), limit: New(0, time.Time{})}
}

// Rate returns the parts a second that it lets through; 0: it limits nothing.
func (p *Pace) Rate() int { return int(p.rate) }

// SetCeiling changes the rate above which it limits nothing.
func (p *Pace) SetCeiling(ceiling int, now time.Time) {
	p.ceiling = max(ceiling, 0)
	p.set(p.rate, now)
}

// Take takes up to n parts and returns how many it gave.
func (p *Pace) Take(n int, now time.Time) int {
	got := p.limit.Take(n, now)
	p.wanted = p.wanted || got < n
	return got
}

// Return gives back parts that were taken and not written.
func (p *Pace) Return(n int) { p.limit.Return(n) }

// Accepted takes note of n parts that the carrier took.
func (p *Pace) Accepted(n int, now time.Time) {
	p.turn(now)
	p.count += n
	p.backoff = 0
	if p.rate == 0 || now.Sub(p.raised) < raiseEvery || now.Before(p.held) {
		return
	}
	if p.wanted { // A rate that nobody uses up says nothing about a higher one.
		up := paceUp
		if now.Sub(p.cut) >= paceQuiet {
			up = paceFar
		}
		p.set(max(p.rate+1.0/8, p.rate*(1+up), p.rate+paceBack*(p.known*0.95-p.rate)), now)
	}
	p.raised, p.wanted = now, false
}

// Throttled takes note of a part, written at a time, that the carrier would not
// take for being sent too fast. All that was written before the last cut tells
// the same story and cuts no more.
func (p *Pace) Throttled(written, now time.Time) {
	if !written.After(p.cut) {
		return
	}
	p.slow(now)
}

// Full takes note of a part that found the carrier's queue full. It needs time
// to empty, the longer the more often it is found so.
func (p *Pace) Full(written, now time.Time) {
	if !written.After(p.cut) {
		return
	}
	p.backoff = min(max(fullBackoff, 2*p.backoff), mostBackoff)
	p.limit.PauseUntil(now.Add(p.backoff))
	p.slow(now)
}

// Congested takes note of the carrier's congestion_state, 0 to 100, in the
// answer to a part written at a time.
func (p *Pace) Congested(state int8, written, now time.Time) {
	if state >= CongestionGood {
		p.held = now.Add(raiseEvery)
	}
	if state >= CongestionHigh {
		p.Throttled(written, now)
	}
}

// slow cuts the rate to less than the carrier was seen to take.
func (p *Pace) slow(now time.Time) {
	p.turn(now)
	measured, enough := p.measured(now)
	rate := p.rate
	switch {
	case enough && (rate == 0 || measured < rate):
		p.known = measured
		rate = measured * paceCut
	case rate > 0:
		p.known = rate
		rate *= paceBlind
	case p.ceiling > 0:
		p.known = float64(p.ceiling)
		rate = p.known * paceBlind
	default:
		p.known = max(measured, 10)
		rate = p.known
	}
	p.cut, p.raised, p.wanted = now, now, false
	p.set(max(rate, 1), now)
}

// measured is how many parts a second were accepted of late; enough tells
// whether they were counted for long enough.
func (p *Pace) measured(now time.Time) (rate float64, enough bool) {
	passed := now.Sub(p.begun)
	if p.last == 0 {
		return float64(p.count) / max(passed.Seconds(), 0.01), passed >= countFor/4 && p.count > 0
	}
	return float64(p.count+p.last) / (passed + countFor).Seconds(), true
}

func (p *Pace) turn(now time.Time) {
	switch passed := now.Sub(p.begun); {
	case p.begun.IsZero():
		p.begun = now
	case passed >= 2*countFor:
		p.last, p.count, p.begun = 0, 0, now
	case passed >= countFor:
		p.last, p.count, p.begun = p.count, 0, p.begun.Add(countFor)
	}
}

// set takes a rate; one at the ceiling ends the limiting.
func (p *Pace) set(rate float64, now time.Time) {
	if p.ceiling > 0 && rate >= float64(p.ceiling) {
		rate = 0
	}
	if int(rate) != int(p.rate) {
		p.limit.SetRate(int(rate), now)
	}
	p.rate = rate
}
