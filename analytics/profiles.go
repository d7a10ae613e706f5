package analytics

import (
	"context"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"fanline/pipeline/record"
)

// city is a row of cities.
type city struct {
	id           uint32
	name, region string
	at           int64
}

// profiles are the rows of topic members: profiles, and the cities they name.
type profiles struct {
	rows        []record.Member
	cities      []city
	known       map[uint32]city // that this process has inserted or is about to
	columns     []column[record.Member]
	cityColumns []column[city]
}

func newProfiles() *profiles {
	var spoken languages
	return &profiles{
		known: map[uint32]city{},
		columns: []column[record.Member]{
			field("member", func(r *record.Member) uint32 { return uint32(r.Member) }),
			field("city", func(r *record.Member) uint32 { return r.City }),
			field("birth", func(r *record.Member) int32 { return r.Birth }),
			field("gender", func(r *record.Member) int8 { return genderOf(r.Gender) }),
			boxed("language", func(r *record.Member) any { return spoken.box(r.Language) }),
			field("joined", func(r *record.Member) int64 { return clampTime(r.Joined) }),
			field("at", func(r *record.Member) int64 { return clampTime(r.At) }),
			field("deleted", func(r *record.Member) uint8 { return flag(r.Deleted) }),
		},
		cityColumns: []column[city]{
			field("city", func(r *city) uint32 { return r.id }),
			field("name", func(r *city) string { return r.name }),
			field("region", func(r *city) string { return r.region }),
			field("at", func(r *city) int64 { return r.at }),
		},
	}
}

func flag(b bool) uint8 {
	if b {
		return 1
	}
	return 0
}

func (p *profiles) len() int { return len(p.rows) }

// reset keeps known: a city is inserted before the profiles that name it, and
// a batch is repeated until that has worked.
func (p *profiles) reset() { p.rows, p.cities = p.rows[:0], p.cities[:0] }

func (p *profiles) add(r *source) error {
	ms, err := record.DecodeMembers(r.value)
	if err != nil {
		return err
	}
	for i := range ms.Entries {
		m := &ms.Entries[i]
		if m.At == 0 {
			m.At = r.at
		}
		if k, ok := p.known[m.City]; m.City != 0 && m.CityName != "" && (!ok || k.name != m.CityName || k.region != m.Region) {
			c := city{m.City, strings.Clone(m.CityName), strings.Clone(m.Region), clampTime(m.At)}
			p.known[m.City] = c
			p.cities = append(p.cities, c)
		}
		m.CityName, m.Region = "", "" // They alias the record, which may go.
		p.rows = append(p.rows, *m)
	}
	return nil
}

// insert writes cities without a token: which of them are new depends on what
// this process has seen, and a second row of a city replaces the first.
func (p *profiles) insert(ctx context.Context, conn driver.Conn, token string) error {
	if err := insertRows(ctx, conn, "cities", "", p.cityColumns, p.cities); err != nil {
		return err
	}
	return insertRows(ctx, conn, "members", token, p.columns, p.rows)
}
