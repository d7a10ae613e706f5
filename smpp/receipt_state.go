package smpp

import (
	"strings"
	"time"
)

// stats pairs the words of receipts with states. The first of a state is the
// specification's own. ACKED, BUFFRED and ENROUTE are on the way; FAILED,
// NOCRED and SYSERR will not arrive.
var stats = [...]struct {
	stat  string
	state byte
}{
	{"DELIVRD", StateDelivered},
	{"UNDELIV", StateUndeliverable},
	{"EXPIRED", StateExpired},
	{"REJECTD", StateRejected},
	{"ACCEPTD", StateAccepted},
	{"ENROUTE", StateEnroute},
	{"DELETED", StateDeleted},
	{"UNKNOWN", StateUnknown},
	{"SKIPPED", StateSkipped},
	{"ACKED", StateAccepted},
	{"BUFFRED", StateEnroute},
	{"BUFFERD", StateEnroute},
	{"FAILED", StateUndeliverable},
	{"NOCRED", StateRejected},
	{"SYSERR", StateUndeliverable},
	{"DELIVERED", StateDelivered},
	{"UNDELIVERABLE", StateUndeliverable},
	{"UNDELIVERED", StateUndeliverable},
	{"ACCEPTED", StateAccepted},
	{"REJECTED", StateRejected},
}

func stateOf(stat string) byte {
	if stat == "DELIVRD" {
		return StateDelivered
	}
	for i := range stats {
		if strings.EqualFold(stats[i].stat, stat) {
			return stats[i].state
		}
	}
	return 0
}

func statOf(state byte) string {
	for i := range stats {
		if stats[i].state == state {
			return stats[i].stat
		}
	}
	return ""
}

// ParseReceiptTime reads a date of a receipt: YYMMDDhhmm, YYMMDDhhmmss or
// YYYYMMDDhhmmss, in the carrier's time zone, which it doesn't tell. It reports
// false for anything else: blanks, zeros, and whatever a carrier makes up.
func ParseReceiptTime(s string, carrier *time.Location) (time.Time, bool) {
	var layout string
	switch len(s) {
	case 10:
		layout = "0601021504"
	case 12:
		layout = "060102150405"
	case 14:
		layout = "20060102150405"
	default:
		return time.Time{}, false
	}
	t, err := time.ParseInLocation(layout, s, carrier)
	if err != nil && len(s) == 12 {
		t, err = time.ParseInLocation("200601021504", s, carrier)
	}
	return t, err == nil
}
