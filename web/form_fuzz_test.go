package web

import (
	"net/url"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"fanline/community"
)

// FuzzForm sends any body: nothing panics, and what passes is fit to be stored,
// shown and filled into a text.
func FuzzForm(f *testing.F) {
	good := (&house{sender: Sender{Number: ourNumber, Leader: "Maya"}}).goodForm()
	f.Add(good.Encode())
	f.Add("")
	f.Add("first_name=%00&last_name=%ff&birth_month=99999999999999999999&state=-&email=%22@%22.x")
	f.Add(strings.Replace(good.Encode(), "1999", "0000", 1))
	f.Add(strings.Replace(good.Encode(), "first_name=", "first_name=%E2%80%AE", 1))
	today := community.DateOf(noon)
	f.Fuzz(func(t *testing.T, body string) {
		values, err := url.ParseQuery(body)
		if err != nil {
			return
		}
		p, wrong, tooYoung := readForm(values).check(noon)
		for _, one := range wrong {
			if one.Field == "" || one.Text == "" {
				t.Fatalf("a problem without a field or a text: %+v", one)
			}
		}
		if len(wrong) > 0 || tooYoung {
			return
		}
		if age := p.Birth.AgeOn(today); age < community.MinAge || age > maxAge {
			t.Fatalf("passed at the age of %d", age)
		}
		for _, s := range []string{p.FirstName, p.LastName, p.City} {
			if s == "" || !utf8.ValidString(s) || utf8.RuneCountInString(s) > maxName || strings.ContainsAny(s, "<>{}\"&;=/\\") {
				t.Fatalf("passed: %q", s)
			}
			for _, r := range s {
				if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
					t.Fatalf("passed: %q with %U", s, r)
				}
			}
		}
		if p.Email != "" && (len(p.Email) > maxEmail || strings.ContainsAny(p.Email, "\r\n <>") || strings.Count(p.Email, "@") < 1) {
			t.Fatalf("passed: e-mail %q", p.Email)
		}
		// The store takes what the form takes.
		for field, value := range map[string]string{
			"first_name": p.FirstName, "last_name": p.LastName, "city": p.City, "state": p.State, "country": p.Country, "gender": p.Gender, "email": p.Email,
		} {
			if err := new(community.Profile).Set(field, value, today); err != nil {
				t.Fatalf("the store refuses %q: %v", value, err)
			}
		}
	})
}
