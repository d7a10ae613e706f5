package carrier

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fanline/engine"
	"fanline/engine/message"
	"fanline/smpp"
	"fanline/smpp/session"
)

func TestStatusesMeanWhatTheTableOrTheProfileSays(t *testing.T) {
	standard := profileOf(t, nil)
	own := profileOf(t, func(s *Settings) {
		s.Statuses = map[string]string{"0x45": "throttle", "0x0000000B": "transient", "0x401": "session", "8": "permanent"}
	})
	at := time.UnixMilli(1_790_000_000_000)
	type verdict struct {
		later, slow, full, fault, sender bool
	}
	for _, test := range []struct {
		profile *Profile
		status  smpp.Status
		want    verdict
	}{
		{standard, smpp.StatusThrottled, verdict{later: true, slow: true}},
		{standard, smpp.StatusMsgQFull, verdict{later: true, slow: true, full: true}},
		{standard, smpp.StatusSysErr, verdict{later: true, fault: true}},
		{standard, smpp.StatusSubmitFailed, verdict{later: true, fault: true}},
		{standard, smpp.StatusUnknownError, verdict{later: true, fault: true}},
		{standard, smpp.StatusTemporaryError, verdict{later: true}},
		{standard, smpp.StatusInvBindStatus, verdict{later: true, fault: true}},
		{standard, smpp.StatusInvDstAddr, verdict{}},
		{standard, smpp.StatusInvSrcAddr, verdict{sender: true}},
		{standard, smpp.StatusPermanentError, verdict{}},
		{standard, 0x401, verdict{}},
		{own, smpp.StatusSubmitFailed, verdict{later: true, slow: true}},
		{own, smpp.StatusInvDstAddr, verdict{later: true, fault: true}},
		{own, 0x401, verdict{later: true, fault: true}},
		{own, smpp.StatusSysErr, verdict{}},
	} {
		got := test.profile.answer(&session.Outcome{Token: 5, Code: session.Refused, Status: test.status, At: at})
		want := engine.Answer{
			Token: 5, Code: message.Refused, Status: uint32(test.status), At: at.UnixMilli(),
			Later: test.want.later, Slow: test.want.slow, Full: test.want.full, Fault: test.want.fault, Sender: test.want.sender,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%v: %s", test.status, diff)
		}
	}
	for _, test := range []struct {
		in   session.Outcome
		want engine.Answer
	}{
		{
			session.Outcome{Code: session.Accepted, MessageID: []byte("1"), At: at, Took: time.Second, Congestion: 85},
			engine.Answer{Code: message.Accepted, ID: []byte("1"), At: at.UnixMilli(), Took: time.Second, Congestion: 85},
		},
		{session.Outcome{Code: session.Accepted, Late: true, At: at}, engine.Answer{Code: message.Accepted, Late: true, At: at.UnixMilli()}},
		{session.Outcome{Code: session.NotSent, At: at}, engine.Answer{Code: message.NotSent, At: at.UnixMilli()}},
		{session.Outcome{Code: session.Unknown, At: at}, engine.Answer{Code: message.Unknown, Fault: true, At: at.UnixMilli()}},
	} {
		if diff := cmp.Diff(test.want, standard.answer(&test.in)); diff != "" {
			t.Errorf("%v: %s", test.in.Code, diff)
		}
	}
}

func TestASenderThatIsNotAllowedIsSaidOnceAMinute(t *testing.T) {
	var log bytes.Buffer
	l := &link{
		profile: NewCurrent(profileOf(t, nil)), last: (&fakeEngine{}).Attach("acme", 1, 1, nil), ending: make(chan error, 1),
		log: slog.New(slog.NewTextHandler(&log, nil)),
	}
	at := time.UnixMilli(1_790_000_000_000)
	refuse := func(status smpp.Status) {
		l.Outcomes([]session.Outcome{{Code: session.Refused, Status: status, At: at}, {Code: session.Refused, Status: status, At: at}})
	}
	refuse(smpp.StatusInvDstAddr) // The message's own fault.
	if log.Len() != 0 {
		t.Errorf("said %s", log.String())
	}
	for range 3 {
		refuse(smpp.StatusInvSrcAddr)
		at = at.Add(30 * time.Second)
	}
	if n := strings.Count(log.String(), "ESME_RINVSRCADR"); n != 2 || !strings.Contains(log.String(), "level=ERROR") {
		t.Errorf("said %d times in a minute: %s", n, log.String())
	}
	if len(l.ending) != 0 {
		t.Error("a new bind would not help")
	}
}
