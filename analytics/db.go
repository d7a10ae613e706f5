package analytics

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Config names a ClickHouse.
type Config struct {
	Addresses []string // host:port of the native protocol
	User      string
	Password  string
	Database  string      // made when absent; empty: "fanline"
	TLS       *tls.Config // nil: none
}

// DB is a ClickHouse with Fanline's tables. It is safe for concurrent use.
type DB struct {
	conn     driver.Conn // of the sink and the reports
	bare     driver.Conn // without the database, which may not exist yet
	database string
}

var databaseName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// ErrSeveral is returned by Open for more than one address.
var ErrSeveral = errors.New("clickhouse.addresses: tables that are not replicated would differ between several servers: name one")

// Open checks the configuration; it connects when first used, so ClickHouse may
// be down. Migrate makes the tables.
func Open(c Config) (*DB, error) {
	if c.Database == "" {
		c.Database = "fanline"
	}
	switch {
	case len(c.Addresses) == 0:
		return nil, errors.New("ClickHouse: no address given")
	case len(c.Addresses) > 1:
		return nil, ErrSeveral
	case !databaseName.MatchString(c.Database):
		return nil, fmt.Errorf("ClickHouse: database %q: a name of letters, digits and _ expected", c.Database)
	}
	db := &DB{database: c.Database}
	var err error
	if db.bare, err = open(c, ""); err != nil {
		return nil, err
	}
	if db.conn, err = open(c, c.Database); err != nil {
		return nil, errors.Join(err, db.bare.Close())
	}
	return db, nil
}

func open(c Config, database string) (driver.Conn, error) {
	conn, err := clickhouse.Open(&clickhouse.Options{
		Addr:        c.Addresses,
		Auth:        clickhouse.Auth{Database: database, Username: c.User, Password: c.Password},
		TLS:         c.TLS,
		DialTimeout: 5 * time.Second,
		// A query that answers nothing for so long is given up; the sink repeats it.
		ReadTimeout:     2 * time.Minute,
		ConnMaxLifetime: time.Hour,
		MaxOpenConns:    16,
		MaxIdleConns:    8,
		Compression:     &clickhouse.Compression{Method: clickhouse.CompressionLZ4},
	})
	if err != nil {
		return nil, fmt.Errorf("ClickHouse: %w", err)
	}
	return conn, nil
}

// Close closes all connections.
func (db *DB) Close() error { return errors.Join(db.conn.Close(), db.bare.Close()) }

// Ping tells whether the server answers to our user.
func (db *DB) Ping(ctx context.Context) error { return db.bare.Ping(ctx) }

// ServerVersion returns the server's own name and version.
func (db *DB) ServerVersion() (string, error) {
	v, err := db.bare.ServerVersion()
	if err != nil {
		return "", err
	}
	return v.String(), nil
}
