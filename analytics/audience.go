package analytics

import (
	"context"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Audience narrows members down; what is empty narrows nothing. All that is
// given must hold.
type Audience struct {
	Cities    []string // names, in any case; several are alternatives
	Regions   []string // states or provinces, in any case
	AgeMin    int      // full years; a member without a birth date has no age
	AgeMax    int
	Genders   []string // f, m, x
	Languages []string // two letters
}

// AudienceCount is how many members fit, as far as analytics knows.
type AudienceCount struct {
	Members uint64
	AsOf    time.Time // of the latest profile that is in; zero: none is
}

// CountAudience counts members that fit an audience on a day (UTC). It knows
// profiles, not consent: the store confirms each member at planning.
func (db *DB) CountAudience(ctx context.Context, a Audience, day time.Time) (AudienceCount, error) {
	where, args := a.where(day)
	text := `SELECT countIf(` + where + `), max(m.at) FROM (SELECT * FROM members FINAL) AS m
LEFT JOIN (SELECT city, lowerUTF8(name) AS name, lowerUTF8(region) AS region FROM cities FINAL) AS c ON c.city = m.city`
	var n AudienceCount
	err := db.query(ctx, "audience", text, args, func(r driver.Rows) error { return r.Scan(&n.Members, &n.AsOf) })
	if n.AsOf.UnixMilli() == 0 {
		n.AsOf = time.Time{}
	}
	return n, err
}

// where writes the condition; every value goes beside the text.
func (a *Audience) where(day time.Time) (string, []driver.NamedValue) {
	terms := []string{"true"}
	var args []driver.NamedValue
	add := func(term, name string, value any) {
		terms = append(terms, term)
		args = append(args, clickhouse.Named(name, value))
	}
	if len(a.Cities) > 0 {
		add("c.name IN {cities:Array(String)}", "cities", lower(a.Cities))
	}
	if len(a.Regions) > 0 {
		add("c.region IN {regions:Array(String)}", "regions", lower(a.Regions))
	}
	if a.AgeMin > 0 || a.AgeMax > 0 {
		const age = "age('year', addDays(toDate32('1970-01-01'), m.birth), {day:Date32})"
		add("m.birth != 0", "day", day.UTC().Format(time.DateOnly))
		if a.AgeMin > 0 {
			add(age+" >= {age_min:Int32}", "age_min", a.AgeMin)
		}
		if a.AgeMax > 0 {
			add(age+" <= {age_max:Int32}", "age_max", a.AgeMax)
		}
	}
	if len(a.Genders) > 0 {
		add("toString(m.gender) IN {genders:Array(String)}", "genders", lower(a.Genders))
	}
	if len(a.Languages) > 0 {
		add("toString(m.language) IN {languages:Array(String)}", "languages", lower(a.Languages))
	}
	return strings.Join(terms, " AND "), args
}

func lower(all []string) []string {
	l := make([]string, len(all))
	for i, s := range all {
		l[i] = strings.ToLower(strings.TrimSpace(s))
	}
	return l
}
