package community

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestADateIsADayNumber(t *testing.T) {
	for _, c := range []struct {
		year  int
		month time.Month
		day   int
		want  Date
		text  string
	}{{1, 1, 1, 1, "0001-01-01"}, {1970, 1, 1, unixEpoch, "1970-01-01"}, {2000, 2, 29, 730179, "2000-02-29"}, {2026, 9, 21, 739880, "2026-09-21"}} {
		d := NewDate(c.year, c.month, c.day)
		if d != c.want || d.String() != c.text {
			t.Errorf("%v is day %d, %s", c, d, d)
		}
		if back, err := ParseDate(c.text); err != nil || back != d {
			t.Errorf("%s reads as %d, %v", c.text, back, err)
		}
	}
	if d, err := ParseDate("9/1/1990"); err != nil || d.String() != "1990-09-01" {
		t.Errorf("9/1/1990 reads as %s, %v", d, err)
	}
	for _, bad := range []string{"", "1990-02-30", "31/12/1990", "1990", "yesterday", "0000-01-01"} {
		if d, err := ParseDate(bad); !errors.Is(err, ErrInvalid) {
			t.Errorf("%q reads as %s, %v", bad, d, err)
		}
	}
	if Date(0).String() != "" || Date(0).unix() != 0 || Date(unixEpoch).unix() != 1 || NewDate(1969, 12, 31).unix() != -1 || NewDate(1970, 1, 2).unix() != 1 {
		t.Error("days since 1970 are wrong around 1970")
	}
}

func TestAgesAgreeWithTheCalendar(t *testing.T) {
	// Every birth date of 130 years, as of days that are awkward.
	for _, today := range []Date{NewDate(2026, 9, 21), NewDate(2024, 2, 29), NewDate(2026, 2, 28), NewDate(2026, 3, 1), NewDate(2100, 1, 1)} {
		a := agesOn(today)
		for birth := today - 131*366; birth <= today+1; birth++ {
			want := min(birth.AgeOn(today), maxAge)
			if got := a.of(birth); int(got) != want {
				t.Fatalf("born on %s, on %s: %d years, want %d", birth, today, got, want)
			}
		}
		for years := range 100 {
			last := today.lastBirth(years)
			if last.AgeOn(today) != years || (last+1).AgeOn(today) != max(years-1, 0) {
				t.Fatalf("on %s the youngest of %d years is born on %s, of %d years", today, years, last, last.AgeOn(today))
			}
		}
		if a.of(0) != 0 {
			t.Error("an unknown birth date has an age")
		}
	}
}

func TestProfileFieldsAreReadAsPeopleWriteThem(t *testing.T) {
	today := NewDate(2026, 9, 21)
	for _, c := range []struct{ field, value, want, problem string }{
		{"first_name", "  Zoë ", "Zoë", ""},
		{"first_name", strings.Repeat("ä", 100), strings.Repeat("ä", 100), ""},
		{"first_name", strings.Repeat("ä", 101), "", "101 characters"},
		{"first_name", "a\nb", "", "control character 0x0a"},
		{"first_name", "a\u202eb", "", "control character U+202E"},
		{"first_name", "a\u0085b", "", "control character U+0085"},
		{"first_name", "\xff", "", "UTF-8"},
		{"last_name", "O'Brien-Nuñez", "O'Brien-Nuñez", ""},
		{"city", "", "", ""},
		{"state", "il", "IL", ""},
		{"country", "us", "US", ""},
		{"country", "USA", "", "two letters"},
		{"birth_date", "2013-09-21", "2013-09-21", ""},
		{"birth_date", "2013-09-22", "", "at least 13"},
		{"birth_date", "2027-01-01", "", "future"},
		{"birth_date", "1800-01-01", "", "130 years"},
		{"birth_date", "soon", "", "YYYY-MM-DD"},
		{"birth_date", "", "", ""},
		{"gender", "Female", "f", ""},
		{"gender", "?", "", "f, m, x"},
		{"email", "Ann@Example.COM", "Ann@example.com", ""},
		{"email", "ann", "", "not an e-mail"},
		{"email", "ann@localhost", "", "not an e-mail"},
		{"email", "a b@example.com", "", "not an e-mail"},
		{"email", "a@b@example.com", "", "not an e-mail"},
		{"email", "a@example..com", "", "not an e-mail"},
		{"email", strings.Repeat("a", 65) + "@example.com", "", "not an e-mail"},
		{"language", "es_MX", "es", ""},
		{"language", "EN-us", "en", ""},
		{"language", "english", "", "two letters"},
		{"nickname", "x", "", "no such field"},
	} {
		var p Profile
		err := p.Set(c.field, c.value, today)
		if c.problem != "" {
			var e *FieldError
			if !errors.As(err, &e) || e.Field != c.field || !strings.Contains(e.Problem, c.problem) || !errors.Is(err, ErrInvalid) {
				t.Errorf("%s %q: %v, want a problem with %q", c.field, c.value, err, c.problem)
			}
			continue
		}
		got := map[string]string{
			"first_name": p.FirstName, "last_name": p.LastName, "city": p.City, "state": p.State, "country": p.Country,
			"birth_date": p.Birth.String(), "gender": p.Gender, "email": p.Email, "language": p.Language,
		}[c.field]
		if err != nil || got != c.want {
			t.Errorf("%s %q: %q, %v, want %q", c.field, c.value, got, err, c.want)
		}
	}
}
