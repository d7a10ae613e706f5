package analytics

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// ErrSchema is wrapped when the tables are not those of this program.
var ErrSchema = errors.New("the schema in ClickHouse doesn't fit this program")

// migration is one numbered file. Each of its statements can be repeated, so a
// crash between a statement and its entry in schema_migrations does no harm.
type migration struct {
	version    uint32
	name       string
	hash       string
	statements []string
}

const migrationTable = `CREATE TABLE IF NOT EXISTS schema_migrations
(version UInt32, name String, hash String, at DateTime DEFAULT now())
ENGINE = ReplacingMergeTree ORDER BY version`

// Migrate makes the database and applies, in order, what is missing of the
// migrations. A file that was changed after it was applied is refused, and so
// is a database that a newer version has migrated further.
func (db *DB) Migrate(ctx context.Context) error {
	migrations, err := loadMigrations(migrationFiles)
	if err != nil {
		return err
	}
	if err := db.bare.Exec(ctx, "CREATE DATABASE IF NOT EXISTS "+db.database); err != nil {
		return fmt.Errorf("creating database %s: %w", db.database, err)
	}
	if err := db.conn.Exec(ctx, migrationTable); err != nil {
		return fmt.Errorf("creating schema_migrations: %w", err)
	}
	applied, err := db.appliedMigrations(ctx)
	if err != nil {
		return err
	}
	for _, m := range migrations {
		hash, done := applied[m.version]
		delete(applied, m.version)
		if done && hash != m.hash {
			return fmt.Errorf("%w: migration %s was applied with another content (%.8s, this program has %.8s)", ErrSchema, m.name, hash, m.hash)
		}
		if done {
			continue
		}
		for _, s := range m.statements {
			if err := db.conn.Exec(ctx, s); err != nil {
				return fmt.Errorf("migration %s: %w", m.name, err)
			}
		}
		if err := db.conn.Exec(ctx, "INSERT INTO schema_migrations (version, name, hash) VALUES (?, ?, ?)", m.version, m.name, m.hash); err != nil {
			return fmt.Errorf("migration %s: %w", m.name, err)
		}
	}
	for version := range applied {
		return fmt.Errorf("%w: database %s has migration %d, this program is older", ErrSchema, db.database, version)
	}
	return nil
}

func (db *DB) appliedMigrations(ctx context.Context) (map[uint32]string, error) {
	rows, err := db.conn.Query(ctx, "SELECT version, hash FROM schema_migrations FINAL")
	if err != nil {
		return nil, fmt.Errorf("reading schema_migrations: %w", err)
	}
	defer func() { _ = rows.Close() }()
	applied := map[uint32]string{}
	for rows.Next() {
		var version uint32
		var hash string
		if err := rows.Scan(&version, &hash); err != nil {
			return nil, fmt.Errorf("reading schema_migrations: %w", err)
		}
		applied[version] = hash
	}
	return applied, rows.Err()
}

// loadMigrations reads the files in order of their numbers.
func loadMigrations(files fs.FS) ([]migration, error) {
	names, err := fs.Glob(files, "migrations/*.sql")
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	var all []migration
	for i, path := range names {
		name := strings.TrimSuffix(strings.TrimPrefix(path, "migrations/"), ".sql")
		number, _, _ := strings.Cut(name, "_")
		version, err := strconv.ParseUint(number, 10, 32)
		if err != nil || version != uint64(i+1) {
			return nil, fmt.Errorf("migration %s: number %d expected", name, i+1)
		}
		text, err := fs.ReadFile(files, path)
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(text)
		all = append(all, migration{uint32(version), name, hex.EncodeToString(sum[:]), statements(string(text))})
	}
	return all, nil
}

// statements cuts a file at semicolons that end a line, without its comments.
func statements(text string) []string {
	var lines []string
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(strings.TrimSpace(line), "--") {
			lines = append(lines, line)
		}
	}
	var all []string
	for s := range strings.SplitSeq(strings.Join(lines, "")+"\n", ";\n") {
		if s = strings.TrimSpace(s); s != "" {
			all = append(all, s)
		}
	}
	return all
}
