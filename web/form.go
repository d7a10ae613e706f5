package web

import (
	"fmt"
	"net/mail"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"fanline/community"
)

// The form's fields, as their names stand in the page.
const (
	fieldFirst   = "first_name"
	fieldLast    = "last_name"
	fieldCity    = "city"
	fieldState   = "state"
	fieldMonth   = "birth_month"
	fieldDay     = "birth_day"
	fieldYear    = "birth_year"
	fieldGender  = "gender"
	fieldEmail   = "email"
	fieldConsent = "consent"
	fieldVersion = "consent_version"
)

// Limits of the form.
const (
	maxAge     = 120 // years; older is a slip of the finger
	maxName    = 60  // characters of a name or a city
	maxEmail   = 254 // octets, RFC 5321 §4.5.3.1.3
	maxBody    = 16 << 10
	consentYes = "yes"

	countryUnknown = "ZZ" // ISO 3166 leaves ZZ to users; CLDR gives it this meaning
)

// filled is the form as it was sent, every value trimmed, for showing again.
type filled struct {
	First, Last, City, State, Month, Day, Year, Gender, Email string
	Consent                                                   bool
}

// problem is one thing to put right: which field, and how.
type problem struct{ Field, Text string }

// problems are in the order of the page.
type problems []problem

// Of returns what is wrong with a field, or nothing.
func (p problems) Of(field string) string {
	for _, one := range p {
		if one.Field == field {
			return one.Text
		}
	}
	return ""
}

// readForm takes the values as the browser sent them.
func readForm(v url.Values) filled {
	get := func(name string) string { return tidy(v.Get(name)) }
	return filled{
		First: get(fieldFirst), Last: get(fieldLast), City: get(fieldCity), State: get(fieldState),
		Month: get(fieldMonth), Day: get(fieldDay), Year: get(fieldYear),
		Gender: get(fieldGender), Email: get(fieldEmail), Consent: v.Get(fieldConsent) == consentYes,
	}
}

// tidy trims a value and makes one space of any run of white space.
func tidy(s string) string { return strings.Join(strings.Fields(s), " ") }

// check validates the form as of today. tooYoung is set for a valid date of
// birth of someone below community.MinAge, whatever else is wrong.
func (f filled) check(today time.Time) (p community.Profile, wrong problems, tooYoung bool) {
	add := func(field, text string) {
		if text != "" {
			wrong = append(wrong, problem{field, text})
		}
	}
	add(fieldFirst, checkName(f.First, "your first name"))
	add(fieldLast, checkName(f.Last, "your last name"))
	birth, field, text := checkBirth(f.Month, f.Day, f.Year, today)
	add(field, text)
	tooYoung = text == "" && ageOn(birth, today) < community.MinAge
	add(fieldCity, checkName(f.City, "your city"))
	if !slices.ContainsFunc(states(), func(s state) bool { return s.Code == f.State }) {
		add(fieldState, "Choose your state, or “Outside the United States”.")
	}
	if !slices.Contains([]string{"", "f", "m", "x"}, f.Gender) {
		add(fieldGender, "Choose one of the answers, or leave it at “Prefer not to say”.")
	}
	add(fieldEmail, checkEmail(f.Email, &p))
	if !f.Consent {
		add(fieldConsent, "Tick the box if you want to get these texts. Without it we can't sign you up.")
	}
	p.FirstName, p.LastName, p.City, p.State, p.Country, p.Gender = f.First, f.Last, f.City, f.State, "US", f.Gender
	p.Birth = community.NewDate(birth.Year(), birth.Month(), birth.Day())
	if p.State == stateAbroad {
		p.State, p.Country = "", countryUnknown
	}
	return p, wrong, tooYoung
}

// checkName tells what is wrong with a name or a city; what is "your city".
func checkName(s, what string) string {
	switch {
	case s == "":
		return "Enter " + what + "."
	case !utf8.ValidString(s):
		return capital(what) + " has characters that we can't read. Please type it again."
	case utf8.RuneCountInString(s) > maxName:
		return fmt.Sprintf("%s must be %d characters or fewer.", capital(what), maxName)
	}
	letters := false
	for _, r := range s {
		letters = letters || unicode.IsLetter(r)
		if !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsDigit(r) && !strings.ContainsRune(" '’‘-‐.,()ʻʼ·", r) {
			return fmt.Sprintf("%s can't have the character %q. Please use letters.", capital(what), printable(r))
		}
	}
	if !letters {
		return capital(what) + " needs at least one letter."
	}
	return ""
}

func printable(r rune) string {
	if unicode.IsPrint(r) {
		return string(r)
	}
	return "�"
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// checkBirth reads the three parts of a date; field is where the focus goes.
func checkBirth(month, day, year string, today time.Time) (birth time.Time, field, text string) {
	m, errM := number(month, 2)
	d, errD := number(day, 2)
	y, errY := number(year, 4)
	switch {
	case month == "" && day == "" && year == "":
		return birth, fieldMonth, "Enter your date of birth."
	case errM != nil || m < 1 || m > 12:
		return birth, fieldMonth, "The month of your birth must be a number from 1 to 12."
	case errD != nil || d < 1 || d > 31:
		return birth, fieldDay, "The day of your birth must be a number from 1 to 31."
	case errY != nil || len(year) != 4:
		return birth, fieldYear, "The year of your birth must have four digits, such as 1999."
	}
	birth = time.Date(y, time.Month(m), d, 0, 0, 0, 0, time.UTC)
	switch {
	case birth.Day() != d:
		return time.Time{}, fieldDay, fmt.Sprintf("%s %d has no day %d. Please check your date of birth.", time.Month(m), y, d)
	case birth.After(today):
		return time.Time{}, fieldYear, "Your date of birth must be in the past."
	case ageOn(birth, today) > maxAge:
		return time.Time{}, fieldYear, fmt.Sprintf("Your date of birth is more than %d years ago. Please check the year.", maxAge)
	}
	return birth, "", ""
}

// number reads at most width ASCII digits; strconv alone would take a sign.
func number(s string, width int) (int, error) {
	if len(s) > width || strings.Trim(s, "0123456789") != "" {
		return 0, strconv.ErrSyntax
	}
	return strconv.Atoi(s)
}

// ageOn returns full years; who is born on 29 February has a birthday on
// 1 March in other years.
func ageOn(birth, day time.Time) int {
	years := day.Year() - birth.Year()
	if day.Month() < birth.Month() || day.Month() == birth.Month() && day.Day() < birth.Day() {
		years--
	}
	return years
}

// checkEmail tells what is wrong with an address, or stores it in the profile,
// whose own check has the last word.
func checkEmail(s string, p *community.Profile) string {
	const example = " It should look like name@example.com."
	switch {
	case s == "":
		return "" // It is optional.
	case len(s) > maxEmail:
		return fmt.Sprintf("Your e-mail address must be %d characters or fewer.", maxEmail)
	case !utf8.ValidString(s):
		return "Your e-mail address has characters that we can't read." + example
	}
	parsed, err := mail.ParseAddress(s)
	if err != nil || parsed.Address != s { // "Name <a@b>" is no address here.
		return "Check your e-mail address." + example
	}
	_, domain, _ := strings.Cut(s, "@")
	if !strings.Contains(strings.Trim(domain, "."), ".") || strings.ContainsAny(domain, "[]_@ ") {
		return "Check the part of your e-mail address behind the @." + example
	}
	if p.Set("email", s, 0) != nil {
		return "Check your e-mail address." + example
	}
	return ""
}
