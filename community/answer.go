package community

import (
	"context"
	"fmt"
	"math"
	"time"

	"fanline/engine/message"
)

// AnswerOnce notes that an automatic text of a kind goes to a member now, and
// reports whether it may: not when one of that kind went out less than every
// ago. In the transaction that also puts the text into the outbox, no two of
// them pass. With every 0 it always may.
func (tx *Tx) AnswerOnce(ctx context.Context, number message.Phone, member message.MemberID, kind string, every time.Duration) (bool, error) {
	n, err := tx.numberID(ctx, number)
	if err != nil {
		return false, err
	}
	now := millis(tx.Now())
	latest := now - every.Milliseconds()
	if every <= 0 {
		latest = math.MaxInt64 // Even when the clock was set back.
	}
	rows, err := tx.changed(ctx, `INSERT INTO answers (number, member, kind, at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (number, member, kind) DO UPDATE SET at = excluded.at WHERE answers.at <= $5`,
		n, int64(member), kind, now, latest)
	if err != nil {
		return false, fmt.Errorf("answer %s: %w", kind, err)
	}
	return rows == 1, nil
}
