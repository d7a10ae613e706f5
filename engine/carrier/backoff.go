package carrier

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"fanline/smpp"
	"fanline/smpp/session"
)

// How a bind comes back.
const (
	firstRetry   = 200 * time.Millisecond // at most, after a session that had lasted
	lastRetry    = 30 * time.Second       // at most, however often it failed, unless the account says otherwise
	throttledFor = 5 * time.Second        // at least, when the SMSC finds that we bind too often
	fatalRetry   = time.Minute            // after a refusal that only a person can change
	lasting      = 10 * time.Second       // a session that was up so long starts the back-off anew
	stubborn     = 2 * time.Minute        // of refusals of one bind, while others are up, until somebody is told
	unreachable  = time.Minute            // without any bind, until somebody is told
)

// refusal is what a failed bind tells about the next one.
type refusal byte

const (
	notRefused     refusal = iota
	refusedForNow          // ESME_RALYBND, ESME_RBINDFAIL and the like: somebody has the place still
	refusedForRate         // ESME_RTHROTTLED
	refusedForGood         // bind-fatal: the account must be put right
)

// refusal puts an error of an attempt into its class. That a bind is refused
// because the account is bound already is never taken as a bind: nobody knows
// whose that one is, or whether it lives (SMPP 3.4 §5.1.3).
func (p *Profile) refusal(err error) refusal {
	var refused *session.BindError
	if !errors.As(err, &refused) {
		return notRefused
	}
	switch p.class(refused.Status) {
	case smpp.ClassBindFatal:
		return refusedForGood
	case smpp.ClassThrottle:
		return refusedForRate
	}
	return refusedForNow
}

// backOff is how often a bind has failed in a row.
type backOff struct{ failures int }

func (b *backOff) reset() { b.failures = 0 }

// next returns the pause after an attempt, or a session, that ended.
func (b *backOff) next(a *Account, lasted time.Duration, why refusal, lot float64) time.Duration {
	if lasted >= lasting {
		b.failures = 0
	}
	wait := retryAfter(b.failures, lot, a.ReconnectMin, a.ReconnectMax)
	b.failures++
	switch why {
	case refusedForRate:
		wait = max(wait, throttledFor+time.Duration(float64(throttledFor)*lot))
	case refusedForGood:
		wait = max(fatalRetry, a.ReconnectMin)
	}
	return wait
}

// retryAfter is the pause after a number of failures in a row: exponential up
// to most, of which up to a half, by lot (0 to 1), is left out so that binds
// don't come back all at once. It is never shorter than least, above which the
// lot then spreads them by up to a quarter.
func retryAfter(failures int, lot float64, least, most time.Duration) time.Duration {
	if most == 0 {
		most = lastRetry
	}
	d := most
	if failures < 16 { // 200 ms times 2 to the sixteenth is beyond any most.
		d = min(most, max(least, firstRetry)<<failures)
	}
	d -= time.Duration(float64(d/2) * lot)
	if d < least {
		d = least + time.Duration(float64(least/4)*lot)
	}
	return d
}

// Alarm says that a person must look after a carrier; the zero Alarm that
// nobody must.
type Alarm struct {
	Text  string
	Since time.Time
}

// alarmOf raises or ends the carrier's alarm after an attempt, which err ended,
// or that came up. c.mu is held.
func (c *carrierBinds) alarmOf(b *bind, err error) {
	p := c.profile.Get()
	why := p.refusal(err)
	if why == notRefused {
		b.state.RefusedSince = time.Time{}
	} else if b.state.RefusedSince.IsZero() {
		b.state.RefusedSince = time.Now()
	}
	text, unbound := "", err != nil
	for _, o := range c.binds {
		unbound = unbound && !o.state.Up && time.Since(o.state.Since) >= unreachable
		switch {
		case o.state.Up || c.admin == Disabled: // Nobody tries: there is nothing to look after.
		case o.state.Refused:
			text = fmt.Sprintf("the carrier refuses the account %q (%s): put its system_id, password, system_type or rights right;"+
				" until then one bind asks once a minute", c.account.SystemID, o.state.LastError)
		case text == "" && !o.state.RefusedSince.IsZero() && time.Since(o.state.RefusedSince) >= stubborn && c.up() > 0:
			text = fmt.Sprintf("the carrier holds %d of %d binds and refuses more (%s): ask for %d, or configure fewer",
				c.up(), len(c.binds), o.state.LastError, len(c.binds))
		}
	}
	if text == "" && unbound && c.admin != Disabled {
		text = fmt.Sprintf("no bind of %d is up: %v", len(c.binds), err)
	}
	switch {
	case text == "" && c.alarm.Text != "":
		c.log.Info("the alarm is over", slog.String("alarm", c.alarm.Text))
		c.alarm = Alarm{}
	case text != "" && c.alarm.Text == "":
		c.alarm = Alarm{Text: text, Since: time.Now()}
		c.log.Error("a carrier needs looking after", slog.String("alarm", text))
	case text != "":
		c.alarm.Text = text // It changes with its latest reason, and is old news.
	}
}

// up counts the binds that are up. c.mu is held.
func (c *carrierBinds) up() (n int) {
	for _, b := range c.binds {
		if b.link != nil {
			n++
		}
	}
	return n
}

// refusedBy tells whether b must leave it to another bind to ask whether the
// account is still refused: many that ask with a wrong password get an account
// locked. While one of its binds is up the account as such is well, and each
// asks for itself. c.mu is held.
func (c *carrierBinds) refusedBy(b *bind) bool {
	if c.up() > 0 {
		return false
	}
	for _, o := range c.binds {
		if o.state.Refused {
			return o != b
		}
	}
	return false
}
