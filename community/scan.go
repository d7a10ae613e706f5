package community

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/driver"
)

// row is one row of scan: whole numbers and texts, each in their order. Texts
// are valid until the next row.
type row struct {
	ints  []int64
	texts [][]byte
}

// scan calls fn for every row of a query that reads many. kinds has a letter
// for each column: i for a whole number, t for a text. On SQLite it steps
// through the statement itself, which costs a third of database/sql.
func (s *Store) scan(ctx context.Context, kinds string, fn func(*row) error, query string, args ...any) error {
	var r row
	for _, k := range kinds {
		if k == 'i' {
			r.ints = append(r.ints, 0)
		} else {
			r.texts = append(r.texts, nil)
		}
	}
	if s.dialect.name == "sqlite" {
		return s.scanSQLite(ctx, kinds, &r, fn, query, args)
	}
	return s.scanAny(ctx, kinds, &r, fn, query, args)
}

func (s *Store) scanAny(ctx context.Context, kinds string, r *row, fn func(*row) error, query string, args []any) error {
	raw := make([]sql.RawBytes, len(r.texts))
	var into []any
	i, t := 0, 0
	for _, k := range kinds {
		if k == 'i' {
			into = append(into, &r.ints[i])
			i++
		} else {
			into = append(into, &raw[t])
			t++
		}
	}
	return s.read().each(ctx, func(rows rowScanner) error {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		for i := range raw {
			r.texts[i] = raw[i]
		}
		return fn(r)
	}, query, args...)
}

func (s *Store) scanSQLite(ctx context.Context, kinds string, r *row, fn func(*row) error, query string, args []any) error {
	pooled, err := s.reader.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = pooled.Close() }() // Only read: back to the pool.
	return pooled.Raw(func(c any) error {
		conn := c.(driver.Conn).Raw()
		defer conn.SetInterrupt(conn.SetInterrupt(ctx))
		stmt, _, err := conn.Prepare(s.dialect.sql(query))
		if err != nil {
			return err
		}
		defer func() { _ = stmt.Close() }() // It would repeat the error of the last step.
		if err := bind(stmt, args); err != nil {
			return err
		}
		for stmt.Step() {
			i, t := 0, 0
			for column, k := range kinds {
				if k == 'i' {
					r.ints[i] = stmt.ColumnInt64(column)
					i++
				} else {
					r.texts[t] = stmt.ColumnRawText(column)
					t++
				}
			}
			if err := fn(r); err != nil {
				return err
			}
		}
		return stmt.Err()
	})
}

func bind(stmt *sqlite3.Stmt, args []any) error {
	for i, arg := range args {
		var err error
		switch v := arg.(type) {
		case int64:
			err = stmt.BindInt64(i+1, v)
		case int:
			err = stmt.BindInt(i+1, v)
		case string:
			err = stmt.BindText(i+1, v)
		default:
			err = fmt.Errorf("parameter %d is a %T", i+1, arg)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
