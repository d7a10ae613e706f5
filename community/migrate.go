package community

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"strings"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrate applies the numbered files that the store has not seen, each in one
// transaction together with the note that it was.
func (s *Store) migrate(ctx context.Context) error {
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return err
	}
	for i, name := range names {
		if err := s.apply(ctx, i+1, name); err != nil {
			return fmt.Errorf("migration %s: %w", name, err)
		}
	}
	return s.InTx(ctx, func(tx *Tx) error {
		had, err := one[int](ctx, tx.querier, `SELECT COUNT(*) FROM migrations`)
		if err == nil && had > len(names) {
			err = fmt.Errorf("the store has %d migrations, this program knows %d: it was opened by a newer one", had, len(names))
		}
		return err
	})
}

func (s *Store) apply(ctx context.Context, number int, name string) error {
	if n, _, _ := strings.Cut(strings.TrimPrefix(name, "migrations/"), "_"); n != fmt.Sprintf("%04d", number) {
		return fmt.Errorf("number %s where %04d should follow", n, number)
	}
	text, err := migrations.ReadFile(name)
	if err != nil {
		return err
	}
	return s.InTx(ctx, func(tx *Tx) error {
		if err := tx.lockMigrations(ctx); err != nil {
			return err
		}
		had, err := one[int](ctx, tx.querier, `SELECT COUNT(*) FROM migrations WHERE number = $1`, number)
		if err != nil || had > 0 {
			return err
		}
		if _, err := tx.on.ExecContext(ctx, s.dialect.words.Replace(string(text))); err != nil {
			return err
		}
		return tx.exec(ctx, `INSERT INTO migrations (number, name, at) VALUES ($1, $2, $3)`, number, name, millis(tx.Now()))
	})
}

// lockMigrations makes two processes that start at once wait for each other.
// SQLite's transactions are immediate, so there the lock is held already.
func (tx *Tx) lockMigrations(ctx context.Context) error {
	if tx.dialect.name == "postgres" {
		if err := tx.exec(ctx, `SELECT pg_advisory_xact_lock(7345107)`); err != nil {
			return err
		}
	}
	return tx.exec(ctx, `CREATE TABLE IF NOT EXISTS migrations (number INTEGER PRIMARY KEY, name TEXT NOT NULL, at BIGINT NOT NULL)`)
}
