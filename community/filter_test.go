package community

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fanline/engine/message"
)

func TestAnAudienceSelectsWhoItSays(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *fixture) { // It is 21 September 2026.
		people := map[string]Profile{
			"chi40f": {City: "Chicago", State: "IL", Birth: NewDate(1986, 9, 21), Gender: "f", Language: "en"},
			"chi20m": {City: "Chicago", State: "IL", Birth: NewDate(2005, 9, 22), Gender: "m", Language: "es"},
			"chi21m": {City: "Chicago", State: "IL", Birth: NewDate(2005, 9, 21), Gender: "m", Language: "es"},
			"ny30x":  {City: "New York", State: "NY", Birth: NewDate(1996, 1, 1), Gender: "x", Language: "en"},
			"spring": {City: "Springfield", State: "IL", Gender: "f"},
			"silent": {},
		}
		ids := map[string]message.MemberID{}
		phone := message.Phone(12025550000)
		for name, p := range people {
			phone++
			ids[name] = s.join(phone, p)
		}
		_, err := s.AddToGroup(t.Context(), ours, "Front Row", []message.MemberID{ids["chi40f"], ids["silent"]})
		s.must(err)
		// Who stopped is in no audience, whatever it says.
		phone++
		s.join(phone, Profile{City: "Chicago", State: "IL", Birth: NewDate(1986, 9, 21), Gender: "f"})
		s.must(s.InTx(t.Context(), func(tx *Tx) error {
			_, _, err := tx.RevokeConsent(t.Context(), ours, phone, Revocation{Logged: true})
			return err
		}))
		for audience, want := range map[string][]string{
			"all":                             {"chi40f", "chi20m", "chi21m", "ny30x", "spring", "silent"},
			"  all ":                          {"chi40f", "chi20m", "chi21m", "ny30x", "spring", "silent"},
			"city=Chicago":                    {"chi40f", "chi20m", "chi21m"},
			"city=cHICAGO":                    {"chi40f", "chi20m", "chi21m"},
			"CITY=Chicago":                    {"chi40f", "chi20m", "chi21m"},
			`city="New York"`:                 {"ny30x"},
			"city!=Chicago":                   {"ny30x", "spring", "silent"},
			"city=Atlantis":                   {},
			"state=il":                        {"chi40f", "chi20m", "chi21m", "spring"},
			"state!=IL":                       {"ny30x", "silent"},
			"city=Chicago city=Springfield":   {},
			"age>=21":                         {"chi40f", "chi21m", "ny30x"},
			"age>20":                          {"chi40f", "chi21m", "ny30x"},
			"age<21":                          {"chi20m"},
			"age<=20":                         {"chi20m"},
			"age=21":                          {"chi21m"},
			"age=40":                          {"chi40f"},
			"age!=21":                         {"chi40f", "chi20m", "ny30x", "spring", "silent"},
			"age>=21 age<40":                  {"chi21m", "ny30x"},
			"age>=0":                          {"chi40f", "chi20m", "chi21m", "ny30x"},
			"gender=f":                        {"chi40f", "spring"},
			"gender=woman":                    {"chi40f", "spring"},
			"gender!=f":                       {"chi20m", "chi21m", "ny30x", "silent"},
			"language=ES":                     {"chi20m", "chi21m"},
			`group="front row"`:               {"chi40f", "silent"},
			`group!="front row"`:              {"chi20m", "chi21m", "ny30x", "spring"},
			"group=none":                      {},
			`state=IL  age>=21   gender=f`:    {"chi40f"},
			`city="' OR 1=1 --"`:              {},
			`group="front row" city!=Chicago`: {"silent"},
		} {
			var expected []uint32
			for _, name := range want {
				expected = append(expected, uint32(ids[name]))
			}
			slices.Sort(expected)
			n, err := s.Count(t.Context(), ours, audience)
			if err != nil || n != int64(len(want)) {
				t.Errorf("%s: counted %d, want %d (%v)", audience, n, len(want), err)
			}
			sets, err := s.fixAudience(t.Context(), Broadcast{Number: ours, Audience: audience})
			s.must(err)
			var got []uint32
			for _, set := range sets {
				got = append(got, set.ToArray()...)
			}
			slices.Sort(got)
			if diff := cmp.Diff(expected, got); diff != "" {
				t.Errorf("%s: %s", audience, diff)
			}
			if again, err := ParseAudience(mustParse(t, audience).String()); err != nil || cmp.Diff(mustParse(t, audience), again) != "" {
				t.Errorf("%s reads back as %v, %v", audience, again, err)
			}
		}
		if n, err := s.Count(t.Context(), theirs, "all"); err != nil || n != 0 {
			t.Errorf("another number's members: %d, %v", n, err)
		}
	})
}

func mustParse(t *testing.T, s string) Audience {
	t.Helper()
	a, err := ParseAudience(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestAnAudienceThatCannotBeReadSaysWhereAndWhatIsAllowed(t *testing.T) {
	for filter, want := range map[string]struct {
		at   int
		says string
	}{
		"":                           {1, "empty"},
		"   ":                        {4, "empty"},
		"town=Chicago":               {1, `"town" is no field`},
		"city=Chicago town=x":        {14, "city=Chicago city="},
		"all city=Chicago":           {1, `"all" is no field`},
		"city":                       {5, "want one of ="},
		"city=":                      {6, "value is missing"},
		`city=""`:                    {6, "value is missing"},
		`city="New York`:             {6, "not closed"},
		`city="New York"x`:           {16, "space after"},
		"city<Chicago":               {5, "only be compared by"},
		"city==Chicago":              {5, "want one of"},
		"age=>21":                    {4, "want one of"},
		"age>=old":                   {6, "number from 0 to 130"},
		"age>=-1":                    {6, "number from 0 to 130"},
		"age>=1000":                  {6, "number from 0 to 130"},
		"gender=q":                   {8, "f, m, x"},
		"language=spanish":           {10, "two letters"},
		"city=Köln gender=q":         {18, "f, m, x"},
		"city=a\x00b":                {1, "control character"},
		"city=\xff":                  {1, "UTF-8"},
		"city=a=b":                   {7, "double quotes"},
		"=x":                         {1, "is no field"},
		strings.Repeat("a", 2000):    {1, "2000 octets"},
		strings.Repeat("age>1 ", 30): {126, "more than 20 terms"},
	} {
		_, err := ParseAudience(filter)
		var e *AudienceError
		if !errors.As(err, &e) || !errors.Is(err, ErrInvalid) {
			t.Errorf("%.40q: %v", filter, err)
			continue
		}
		if e.At != want.at || !strings.Contains(e.Error(), want.says) {
			t.Errorf("%.40q: at %d, %v; want at %d, %q", filter, e.At, err, want.at, want.says)
		}
	}
}

func FuzzParseAudience(f *testing.F) {
	for _, s := range []string{"all", `city="New York" age>=21 age<30 group!=vip`, "state=IL", "gender=f language=es", "age=", `city="`, "x", " "} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := ParseAudience(s)
		if err != nil {
			var e *AudienceError
			if !errors.As(err, &e) || e.At < 1 || e.At > len(s)+1 {
				t.Fatalf("%q: error %#v", s, err)
			}
			return
		}
		again, err := ParseAudience(a.String())
		if err != nil || cmp.Diff(a, again) != "" {
			t.Fatalf("%q reads as %q, which reads as %v, %v", s, a.String(), again, err)
		}
		var args []any
		for _, term := range a.Terms {
			sql := term.sql(func(v any) string { args = append(args, v); return "$?" }, 1, 739000)
			if strings.ContainsAny(sql, `"'`) {
				t.Fatalf("%q becomes %s", s, sql)
			}
		}
	})
}
