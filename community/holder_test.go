package community

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestOneProcessAtATimeRunsOnAPostgreSQL(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *fixture) {
		if s.dialect.name != "postgres" {
			if err := errors.Join(s.Holder().Take(t.Context()), s.Holder().Take(t.Context())); err != nil {
				t.Errorf("a file is held by its data directory: %v", err)
			}
			return
		}
		other, err := Open(t.Context(), s.url, Options{Partitions: s.Partitions()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { other.Close() })
		first, second := s.Holder(), other.Holder()
		s.must(first.Take(t.Context()))
		if err := second.Take(t.Context()); !errors.Is(err, ErrHeld) {
			t.Fatalf("a second process got %v, want %v", err, ErrHeld)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- first.Run(ctx) }()

		// PostgreSQL ends the session, as a restart does; the holder takes another.
		before := holding(t, other)
		s.must(terminate(t.Context(), other, before))
		until(t, func() bool { now := holding(t, other); return now != 0 && now != before })
		if err := second.Take(t.Context()); !errors.Is(err, ErrHeld) {
			t.Errorf("a second process got %v after a restart of PostgreSQL, want %v", err, ErrHeld)
		}
		cancel()
		s.must(<-ended)
		until(t, func() bool { return second.Take(t.Context()) == nil })
		second.Release()
		second.Release()
	})
}

func TestAHolderStopsWhenAnotherWasFaster(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *fixture) {
		if s.dialect.name != "postgres" {
			return // A file is held by its data directory.
		}
		first, second := s.Holder(), s.Holder()
		s.must(first.Take(t.Context()))
		first.Release()
		until(t, func() bool { return second.Take(t.Context()) == nil })
		if err := first.Run(t.Context()); !errors.Is(err, ErrHeld) {
			t.Errorf("it went on: %v, want %v", err, ErrHeld)
		}
		second.Release()
	})
}

// holding returns the process id of the session that holds the store; 0: none.
func holding(t *testing.T, s *Store) (pid int) {
	t.Helper()
	err := s.writer.QueryRowContext(t.Context(), `SELECT COALESCE(MAX(pid), 0) FROM pg_locks
		WHERE locktype = 'advisory' AND classid = $1 AND objid = hashtext(current_schema())::bigint & 4294967295`, holdKey).Scan(&pid)
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

func terminate(ctx context.Context, s *Store, pid int) error {
	_, err := s.writer.ExecContext(ctx, `SELECT pg_terminate_backend($1)`, pid)
	return err
}

// until waits for what PostgreSQL does in its own time.
func until(t *testing.T, reached func() bool) {
	t.Helper()
	for begun := time.Now(); !reached(); time.Sleep(10 * time.Millisecond) {
		if time.Since(begun) > 30*time.Second {
			t.Fatal("it doesn't come")
		}
	}
}
