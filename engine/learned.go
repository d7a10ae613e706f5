package engine

import (
	"context"
	"time"

	"fanline/engine/message"
)

// Learned returns the name of the carrier over which deliveries showed that a
// phone is reached, where the routing table would have chosen another; "" when
// nothing was learned of it or its partition is another engine's. It asks the
// event loop: for explanations, not for every message.
func (e *Engine) Learned(ctx context.Context, phone message.Phone) (carrier string, err error) {
	err = e.do(ctx, func(now time.Time) {
		p := e.parts[phone.Partition(len(e.parts))]
		if p == nil || p.learned == nil {
			return
		}
		if c := p.learned.Of(phone, uint32(now.Add(-learnedFor).Unix())); c > 0 && int(c) <= len(e.routes.known) {
			carrier = e.routes.known[c-1]
		}
	})
	return carrier, err
}
