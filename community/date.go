package community

import (
	"fmt"
	"time"
)

// Date is a day: 1 is 1 January of the year 1, 0 is unknown. The store and
// analytics count days because a filter on age then is one comparison.
type Date int32

// unixEpoch is 1970-01-01 as a Date.
const unixEpoch = 719163

// DateOf returns the day of t as its location has it.
func DateOf(t time.Time) Date {
	return NewDate(t.Year(), t.Month(), t.Day())
}

// NewDate returns a day; months and days out of range are carried over as in
// time.Date.
func NewDate(year int, month time.Month, day int) Date {
	return Date(time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Unix()/86400 + unixEpoch)
}

// ParseDate reads 1990-12-31, or 12/31/1990 as forms and lists in the United
// States have it.
func ParseDate(s string) (Date, error) {
	for _, layout := range []string{time.DateOnly, "1/2/2006"} {
		if t, err := time.Parse(layout, s); err == nil && t.Year() >= 1 {
			return DateOf(t), nil
		}
	}
	return 0, fmt.Errorf("%w date: want YYYY-MM-DD or MM/DD/YYYY", ErrInvalid)
}

// Time returns the midnight, UTC, at which d begins.
func (d Date) Time() time.Time { return time.Unix((int64(d)-unixEpoch)*86400, 0).UTC() }

// String returns the form 1990-12-31, empty when unknown.
func (d Date) String() string {
	if d == 0 {
		return ""
	}
	return d.Time().Format(time.DateOnly)
}

// unix returns days since 1970 as records have it, where 0 is unknown: who was
// born on that very day is shown as born on the next.
func (d Date) unix() int32 {
	switch d {
	case 0:
		return 0
	case unixEpoch:
		return 1
	}
	return int32(d) - unixEpoch
}

// lastBirth returns the latest birth date of those who have lived that many
// full years on day d. Who was born on 29 February grows older on 1 March.
func (d Date) lastBirth(years int) Date {
	t := d.Time()
	day := NewDate(t.Year()-years, t.Month(), t.Day())
	if day.Time().Month() != t.Month() { // 29 February in a common year
		day--
	}
	return day
}

// maxAge is the highest age that is told apart.
const maxAge = 130

// ages turns birth dates into full years as of one day.
type ages struct {
	today Date
	last  [maxAge + 2]Date // last[n]: who was born then or before has n full years
}

func agesOn(today Date) *ages {
	a := &ages{today: today}
	for n := range a.last {
		a.last[n] = today.lastBirth(n)
	}
	return a
}

// of returns full years, 0 when the birth date is unknown, in the future or
// beyond belief.
func (a *ages) of(birth Date) uint8 {
	if birth == 0 || birth > a.today {
		return 0
	}
	n := min(int(a.today-birth)*400/146097, maxAge) // At most one too few or too many.
	for n < maxAge && birth <= a.last[n+1] {
		n++
	}
	for n > 0 && birth > a.last[n] {
		n--
	}
	return uint8(n)
}

// AgeOn returns the full years of someone born on d, as of a day.
func (d Date) AgeOn(today Date) int {
	if d == 0 || d > today {
		return 0
	}
	b, t := d.Time(), today.Time()
	n := t.Year() - b.Year()
	if t.Month() < b.Month() || t.Month() == b.Month() && t.Day() < b.Day() {
		n--
	}
	return n
}
