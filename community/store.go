package community

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"       // database/sql driver "pgx"
	_ "github.com/ncruces/go-sqlite3/driver" // database/sql driver "sqlite3"

	"fanline/engine/message"
	"fanline/pipeline/record"
)

// Options are what a store is told when it is opened.
type Options struct {
	// Partitions is the number of partitions of every topic. It is fixed when
	// the store is made: audiences are kept by partition.
	Partitions int
	// Now is asked for the time; nil means time.Now.
	Now func() time.Time
	// Hint chooses, of what is known of the way to a member, what can decide
	// anything for a number; nil: the strongest. It is called for each distinct
	// combination among a round of recipients.
	Hint func(number message.Phone, known Ways) record.Hint
}

// Store is the SQL store. It is safe for use by many goroutines; Close it.
type Store struct {
	writer     *sql.DB // SQLite: one connection, so writers queue here and not in the file's lock
	reader     *sql.DB
	dialect    dialect
	partitions int
	now        func() time.Time
	hint       func(message.Phone, Ways) record.Hint
	wake       chan struct{}
}

// Errors that callers tell apart with errors.Is.
var (
	ErrNotFound   = errors.New("not found")
	ErrState      = errors.New("not possible in this state")
	ErrInvalid    = errors.New("invalid")
	ErrNotJoined  = errors.New("the member has not joined")
	ErrPartitions = errors.New("wrong number of partitions")
)

// Open opens the store at a postgres:// URL, or at the path of a SQLite file,
// which is made when it is missing, and brings its schema up to date.
func Open(ctx context.Context, url string, o Options) (*Store, error) {
	if o.Partitions < 1 || o.Partitions > message.Slots {
		return nil, fmt.Errorf("store: %w: %d, want 1 to %d", ErrPartitions, o.Partitions, message.Slots)
	}
	s := &Store{partitions: o.Partitions, now: o.Now, hint: o.Hint, wake: make(chan struct{}, 1)}
	if s.now == nil {
		s.now = time.Now
	}
	err := s.connect(url)
	if err == nil {
		err = s.writer.PingContext(ctx) // Or the first migration would seem to be what fails.
	}
	if err == nil {
		err = s.migrate(ctx)
	}
	if err == nil {
		err = s.fixPartitions(ctx)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("store: %w", err), s.Close())
	}
	s.notify() // Rows that an earlier process left in the outbox.
	return s, nil
}

func (s *Store) connect(url string) error {
	if isPostgres(url) {
		s.dialect = postgresDialect()
		db, err := sql.Open("pgx", url)
		if err != nil {
			return errors.New("the PostgreSQL URL cannot be read") // The error would show its password.
		}
		db.SetMaxOpenConns(8)
		s.writer, s.reader = db, db
		return nil
	}
	s.dialect = sqliteDialect()
	path, err := filepath.Abs(url)
	if err != nil {
		return err
	}
	// People's data: made readable for its owner alone.
	for _, name := range []string{path, path + "-shm"} {
		f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	if s.writer, err = sql.Open("sqlite3", sqliteURL(path, "cache_size(-65536)", "wal_autocheckpoint(8192)")); err != nil {
		return err
	}
	s.writer.SetMaxOpenConns(1)
	if s.reader, err = sql.Open("sqlite3", sqliteURL(path, "cache_size(-8192)", "query_only(true)")); err != nil {
		return err
	}
	s.reader.SetMaxOpenConns(4)
	s.reader.SetMaxIdleConns(4)
	return nil
}

// Close closes all connections.
func (s *Store) Close() error {
	var errs []error
	if s.reader != nil && s.reader != s.writer {
		errs = append(errs, s.reader.Close())
	}
	if s.writer != nil {
		errs = append(errs, s.writer.Close())
	}
	return errors.Join(errs...)
}

// Ping tells whether the store answers, for /readyz.
func (s *Store) Ping(ctx context.Context) error {
	if _, err := one[int64](ctx, s.read(), `SELECT COUNT(*) FROM leaders`); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	return nil
}

// Partitions returns the number of partitions that audiences are kept by.
func (s *Store) Partitions() int { return s.partitions }

// fixPartitions remembers the number of partitions, or compares it.
func (s *Store) fixPartitions(ctx context.Context) error {
	return s.InTx(ctx, func(tx *Tx) error {
		err := tx.exec(ctx, `INSERT INTO settings (name, value) VALUES ('partitions', $1) ON CONFLICT (name) DO NOTHING`, strconv.Itoa(s.partitions))
		if err != nil {
			return err
		}
		had, err := one[string](ctx, tx.querier, `SELECT value FROM settings WHERE name = 'partitions'`)
		if err == nil && had != strconv.Itoa(s.partitions) {
			err = fmt.Errorf("%w: the store was made for %s, the log has %d", ErrPartitions, had, s.partitions)
		}
		return err
	})
}

// querier runs this package's SQL on a transaction or on a pool.
type querier struct {
	on interface {
		ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
		QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
		QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	}
	dialect dialect
}

func (s *Store) read() querier { return querier{s.reader, s.dialect} }

func (q querier) exec(ctx context.Context, query string, args ...any) error {
	_, err := q.on.ExecContext(ctx, q.dialect.sql(query), args...)
	return err
}

// changed runs a statement and returns how many rows it touched.
func (q querier) changed(ctx context.Context, query string, args ...any) (int64, error) {
	r, err := q.on.ExecContext(ctx, q.dialect.sql(query), args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

func (q querier) row(ctx context.Context, query string, args ...any) *sql.Row {
	return q.on.QueryRowContext(ctx, q.dialect.sql(query), args...)
}

// rowScanner is the row that each hands to its callback.
type rowScanner interface{ Scan(dest ...any) error }

// each calls scan for every row of a query.
func (q querier) each(ctx context.Context, scan func(rowScanner) error, query string, args ...any) error {
	rows, err := q.on.QueryContext(ctx, q.dialect.sql(query), args...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells what broke off the reading.
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// one reads a single value; ErrNotFound when there is no row.
func one[T any](ctx context.Context, q querier, query string, args ...any) (T, error) {
	var v T
	err := q.row(ctx, query, args...).Scan(&v)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	return v, err
}

// Tx is a transaction of the store. It is used by one goroutine.
type Tx struct {
	querier
	s    *Store
	told bool // something stands in the outbox
}

// InTx runs fn in one transaction, which is undone when fn fails or panics.
// On SQLite there is one at a time: keep fn short and never wait for the
// network in it.
func (s *Store) InTx(ctx context.Context, fn func(*Tx) error) error {
	t, err := s.writer.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	defer func() { _ = t.Rollback() }() // After a commit this does nothing.
	tx := &Tx{querier: querier{t, s.dialect}, s: s}
	if err := fn(tx); err != nil {
		return err
	}
	if err := t.Commit(); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	if tx.told {
		s.notify()
	}
	return nil
}

// Now is the time by which the transaction dates what it writes.
func (tx *Tx) Now() time.Time { return tx.s.now() }

// take gives out n ids of a sequence and returns the first. It also holds all
// other transactions that take from it until this one ends.
func (tx *Tx) take(ctx context.Context, sequence string, n int) (int64, error) {
	next, err := one[int64](ctx, tx.querier, `UPDATE sequences SET next = next + $1 WHERE name = $2 RETURNING next`, n, sequence)
	if err != nil {
		return 0, fmt.Errorf("sequence %s: %w", sequence, err)
	}
	if next > 1<<31 {
		return 0, fmt.Errorf("sequence %s: all 2^31 ids are given out", sequence)
	}
	return next - int64(n), nil
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func fromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
