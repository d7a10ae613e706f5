package community

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Profile is what a member told about himself or herself.
type Profile struct {
	FirstName string `json:"first_name"`
	LastName  string `json:"last_name"`
	City      string `json:"city"`
	State     string `json:"state"`
	Country   string `json:"country"` // ISO 3166, two letters
	Birth     Date   `json:"-"`
	Gender    string `json:"gender"` // f, m, x, or empty: unknown
	Email     string `json:"email"`
	Language  string `json:"language"` // ISO 639-1, two letters
}

// MinAge is the youngest age at which people may join (product research, C19).
const MinAge = 13

// FieldError says what is wrong with one field of a form or of a row.
type FieldError struct {
	Field   string
	Problem string
}

// Error names the field first.
func (e *FieldError) Error() string { return e.Field + ": " + e.Problem }

// Unwrap makes every FieldError an ErrInvalid.
func (e *FieldError) Unwrap() error { return ErrInvalid }

// ProfileFields lists the names that Set knows, as forms and files have them.
func ProfileFields() []string {
	return []string{"first_name", "last_name", "city", "state", "country", "birth_date", "gender", "email", "language"}
}

// Set reads one field as a person or a file wrote it; white space around it is
// passed over and an empty value empties the field. The error is a *FieldError.
func (p *Profile) Set(field, value string, today Date) error {
	v, problem := clean(value)
	if problem == "" {
		problem = p.set(field, v, today)
	}
	if problem != "" {
		return &FieldError{field, problem}
	}
	return nil
}

func (p *Profile) set(field, v string, today Date) (problem string) {
	switch field {
	case "first_name":
		p.FirstName, problem = limited(v, 100)
	case "last_name":
		p.LastName, problem = limited(v, 100)
	case "city":
		p.City, problem = limited(v, 100)
	case "state":
		p.State, problem = limited(strings.ToUpper(v), 50)
	case "country":
		p.Country, problem = letters(strings.ToUpper(v), "a country as two letters, such as US")
	case "birth_date":
		p.Birth, problem = birth(v, today)
	case "gender":
		p.Gender, problem = gender(v)
	case "email":
		p.Email, problem = email(v)
	case "language":
		code, _, _ := strings.Cut(strings.ReplaceAll(v, "_", "-"), "-") // es-MX is es here.
		p.Language, problem = letters(strings.ToLower(code), "a language as two letters, such as en")
	default:
		problem = "no such field: want one of " + strings.Join(ProfileFields(), ", ")
	}
	return problem
}

// clean trims a value and refuses what no name or address holds.
func clean(s string) (string, string) {
	s = strings.TrimSpace(s)
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' || c == 0x7f {
			return "", fmt.Sprintf("holds the control character 0x%02x", c)
		}
		if s[i] >= utf8.RuneSelf {
			return cleanUnicode(s)
		}
	}
	return s, ""
}

func cleanUnicode(s string) (string, string) {
	if !utf8.ValidString(s) {
		return "", "is not valid UTF-8"
	}
	for _, r := range s {
		// Line separators and what turns the direction of writing would spoil
		// whatever stands beside them.
		if unicode.IsControl(r) || r >= 0x2028 && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return "", fmt.Sprintf("holds the control character %U", r)
		}
	}
	return s, ""
}

func limited(s string, most int) (string, string) {
	if len(s) > most && utf8.RuneCountInString(s) > most {
		return "", fmt.Sprintf("has %d characters, at most %d fit", utf8.RuneCountInString(s), most)
	}
	return s, ""
}

func letters(s, want string) (string, string) {
	if s == "" {
		return "", ""
	}
	if len(s) != 2 || !isLetter(s[0]) || !isLetter(s[1]) {
		return "", "want " + want
	}
	return s, ""
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

func birth(s string, today Date) (Date, string) {
	if s == "" {
		return 0, ""
	}
	d, err := ParseDate(s)
	switch {
	case err != nil:
		return 0, "want YYYY-MM-DD or MM/DD/YYYY"
	case d > today:
		return 0, "is in the future"
	case d.AgeOn(today) > maxAge:
		return 0, fmt.Sprintf("is more than %d years ago", maxAge)
	case d.AgeOn(today) < MinAge:
		return 0, fmt.Sprintf("members are at least %d years old", MinAge)
	}
	return d, ""
}

func gender(s string) (string, string) {
	switch strings.ToLower(s) {
	case "":
		return "", ""
	case "f", "female", "woman":
		return "f", ""
	case "m", "male", "man":
		return "m", ""
	case "x", "nonbinary", "non-binary", "other":
		return "x", ""
	}
	return "", "want f, m, x or nothing"
}

// email holds an address to the form local@domain.tld within the lengths of
// RFC 5321 §4.5.3.1; whether it exists only a letter can tell.
func email(s string) (string, string) {
	if s == "" {
		return "", ""
	}
	at := strings.LastIndexByte(s, '@')
	if at < 1 || at > 64 || len(s) > 254 || strings.ContainsAny(s, " ,;<>\"") || strings.Contains(s[:at], "@") {
		return "", "is not an e-mail address"
	}
	domain := s[at+1:]
	dot := strings.LastIndexByte(domain, '.')
	if dot < 1 || dot == len(domain)-1 || strings.Contains(domain, "..") {
		return "", "is not an e-mail address"
	}
	return s[:at+1] + strings.ToLower(domain), ""
}
