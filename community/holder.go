package community

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"
)

// ErrHeld says that another process runs on the store.
var ErrHeld = errors.New("another process runs on this store")

const (
	holdKey   = 7345108                // of the advisory lock; the schema is its other half
	holdLook  = time.Second            // how often a holder looks whether it still is one
	holdAgain = 100 * time.Millisecond // how often it tries after it lost PostgreSQL: sooner than one that waits
)

// Holder is a process's claim to be the only one that runs on a store: plans
// its broadcasts, relays its outbox, answers for it. PostgreSQL gives it back
// when the process is gone, however it went. A SQLite file needs none, because
// its data directory is held.
type Holder struct {
	db   *sql.DB   // nil: SQLite
	conn *sql.Conn // whose session has the lock; nil: none
}

// Holder returns a claim that is not made yet.
func (s *Store) Holder() *Holder {
	if s.dialect.name != "postgres" {
		return &Holder{}
	}
	return &Holder{db: s.writer}
}

// Take claims the store; ErrHeld while another process has it.
func (h *Holder) Take(ctx context.Context) error {
	if h.db == nil || h.conn != nil {
		return nil
	}
	conn, err := h.db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	h.conn = conn
	held, err := lock(ctx, conn)
	if err == nil && !held {
		err = ErrHeld
	}
	if err != nil {
		h.Release()
		return fmt.Errorf("store: %w", err)
	}
	return nil
}

func lock(ctx context.Context, conn *sql.Conn) (held bool, err error) {
	// A host that lost its power says nothing: after 11 s its session is over.
	_, err = conn.ExecContext(ctx, `SELECT set_config('tcp_keepalives_idle', '5', false),
		set_config('tcp_keepalives_interval', '2', false), set_config('tcp_keepalives_count', '3', false)`)
	if err != nil {
		return false, err
	}
	err = conn.QueryRowContext(ctx, `SELECT pg_try_advisory_lock($1, hashtext(current_schema()))`, holdKey).Scan(&held)
	return held, err
}

// Run keeps what Take claimed until ctx ends, and gives it back. A session that
// PostgreSQL ended is replaced; ErrHeld when another process was faster.
func (h *Holder) Run(ctx context.Context) error {
	defer h.Release()
	wait := holdLook
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
		if h.db == nil {
			continue
		}
		wait = holdLook
		if h.conn != nil && h.alive(ctx) {
			continue
		}
		h.Release()
		if err := h.Take(ctx); errors.Is(err, ErrHeld) {
			return err
		} else if err != nil { // It says so wherever it is needed.
			wait = holdAgain
		}
	}
}

func (h *Holder) alive(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 10*holdLook)
	defer cancel()
	_, err := h.conn.ExecContext(ctx, `SELECT 1`)
	return err == nil
}

// Release gives the store back; doing it twice is no error.
func (h *Holder) Release() {
	if h.conn == nil {
		return
	}
	// The session is ended, for in the pool it would keep its lock.
	_ = h.conn.Raw(func(any) error { return driver.ErrBadConn })
	_ = h.conn.Close() // It is closed already.
	h.conn = nil
}
