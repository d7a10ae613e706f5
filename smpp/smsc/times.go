package smsc

import (
	"time"

	"fanline/smpp"
)

// sendWithin bounds schedule_delivery_time: the simulator's clock of milliseconds is compared no further apart.
const sendWithin = 20 * 24 * time.Hour

// parseTime reads a time of SMPP 3.4 §7.1.1: "YYMMDDhhmmsstnnp" absolute with p + or -, or relative with p R. It gives
// microseconds since 1970.
func parseTime(s string, now int64) (micros int64, ok bool) {
	if len(s) != 16 {
		return 0, false
	}
	var v [7]int // year, month, day, hour, minute, second; tenth with quarters
	for i := range 6 {
		a, b := s[2*i]-'0', s[2*i+1]-'0'
		if a > 9 || b > 9 {
			return 0, false
		}
		v[i] = int(a)*10 + int(b)
	}
	for i := 12; i < 15; i++ {
		if s[i]-'0' > 9 {
			return 0, false
		}
	}
	tenth, quarters := int(s[12]-'0'), int(s[13]-'0')*10+int(s[14]-'0')
	if s[15] == 'R' {
		at := time.UnixMicro(now).UTC().AddDate(v[0], v[1], v[2])
		return at.Add(time.Duration(v[3])*time.Hour + time.Duration(v[4])*time.Minute + time.Duration(v[5])*time.Second).UnixMicro(), true
	}
	if v[1] < 1 || v[1] > 12 || v[2] < 1 || v[2] > 31 || v[3] > 23 || v[4] > 59 || v[5] > 59 || quarters > 48 {
		return 0, false
	}
	at := time.Date(2000+v[0], time.Month(v[1]), v[2], v[3], v[4], v[5], tenth*int(100*time.Millisecond), time.UTC)
	offset := time.Duration(quarters) * 15 * time.Minute
	switch s[15] {
	case '+': // local time is ahead of UTC
		return at.Add(-offset).UnixMicro(), true
	case '-':
		return at.Add(offset).UnixMicro(), true
	}
	return 0, false
}

// formatTime writes an absolute time in UTC, to the second.
func formatTime(micros int64) string {
	return time.UnixMicro(micros).UTC().Format("060102150405") + "000+"
}

// times reads when a message may go and until when it is worth anything, as microseconds since 1970; 0: at once, for
// ever.
func (c *conn) times() (status smpp.Status) {
	r := &c.submit
	if c.sm.ScheduleDeliveryTime != "" {
		r.schedule = c.sm.ScheduleDeliveryTime
		at, ok := parseTime(r.schedule, c.at.micros)
		if !ok || at-c.at.micros > sendWithin.Microseconds() {
			return smpp.StatusInvSchedule
		}
		if at > c.at.micros {
			c.sendAt = at
		}
	}
	if c.sm.ValidityPeriod == "" {
		return smpp.StatusOK
	}
	// One broadcast has one validity_period: parsed once.
	if c.validity == "" || c.sm.ValidityPeriod != c.validity[1:] {
		c.validity = typedAddress(0, c.sm.ValidityPeriod)
		at, ok := parseTime(c.sm.ValidityPeriod, c.at.micros)
		c.validityBad, c.validityAt = !ok, at
		if c.relative = ok && c.sm.ValidityPeriod[15] == 'R'; c.relative {
			c.validityAt -= c.at.micros
		}
	}
	r.validity = c.validity
	if c.validityBad {
		return smpp.StatusInvExpiry
	}
	if c.expires = c.validityAt; c.relative {
		c.expires += max(c.sendAt, c.at.micros)
	}
	return smpp.StatusOK
}
