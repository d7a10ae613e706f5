package community

import (
	"fmt"
	"strconv"
	"strings"

	"fanline/engine/message"
	"fanline/pipeline/record"
)

// Retry says whether a message that was not delivered may go once more by
// another carrier, as a leader or the configuration has it.
type Retry = record.Retry

// ParseRetry reads a policy: "never", "other-route", or "other-route" with the
// states after which it holds and by how many further carriers, such as
// "other-route:failed,expired:2". States are failed, expired and rejected; all
// of them, and one carrier, where nothing is said.
func ParseRetry(s string) (Retry, error) {
	word, rest, _ := strings.Cut(s, ":")
	switch {
	case s == "never":
		return Retry{}, nil
	case word != "other-route":
		return Retry{}, fmt.Errorf("%w: %q: want never, other-route, or such as other-route:failed,expired:2", ErrInvalid, s)
	}
	policy := Retry{Routes: 1, On: record.RetryFailed | record.RetryRejected | record.RetryExpired}
	states, count, counted := strings.Cut(rest, ":")
	if states != "" {
		policy.On = 0
		for state := range strings.SplitSeq(states, ",") {
			on, ok := retryOn()[strings.TrimSpace(state)]
			if !ok {
				return Retry{}, fmt.Errorf("%w: %q: state %q, want failed, expired or rejected", ErrInvalid, s, state)
			}
			policy.On |= on
		}
	}
	if counted {
		n, err := strconv.Atoi(count)
		if err != nil || n < 1 || n > maxRetries {
			return Retry{}, fmt.Errorf("%w: %q: want 1 to %d further carriers", ErrInvalid, s, maxRetries)
		}
		policy.Routes = uint8(n)
	}
	return policy, nil
}

// maxRetries is by how many further carriers a message may go.
const maxRetries = 8

func retryOn() map[string]record.RetryOn {
	return map[string]record.RetryOn{
		message.Failed.String():   record.RetryFailed,
		message.Rejected.String(): record.RetryRejected,
		message.Expired.String():  record.RetryExpired,
	}
}

// RetryText writes a policy as ParseRetry reads it.
func RetryText(r Retry) string {
	if r.Routes == 0 || r.On == 0 {
		return "never"
	}
	var states []string
	for _, s := range []message.State{message.Failed, message.Rejected, message.Expired} {
		if r.On.Covers(s) {
			states = append(states, s.String())
		}
	}
	return fmt.Sprintf("other-route:%s:%d", strings.Join(states, ","), r.Routes)
}
