package web

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"fanline/community"
	"fanline/community/conversation"
)

func TestAFilledFormJoinsWithItsEvidence(t *testing.T) {
	h := newHouse(t)
	page := h.get(h.path())
	wantStatus(t, page, http.StatusOK)
	wantText(t, page, "Maya Torres", `name="first_name"`, `action="`+h.path()+`"`)
	if strings.Contains(page.Body.String(), "checked") {
		t.Error("the consent box is ticked")
	}
	sent := h.post(h.path(), h.goodForm())
	wantStatus(t, sent, http.StatusSeeOther)
	if got := sent.Header().Get("Location"); got != h.path()+"/done" {
		t.Errorf("goes on to %q", got)
	}
	if len(h.joined) != 1 {
		t.Fatalf("%d joined", len(h.joined))
	}
	j := h.joined[0]
	want := community.Profile{
		FirstName: "Ann Marie", LastName: "O’Brien-Núñez", City: "Chicago", State: "IL", Country: "US",
		Birth: community.NewDate(1999, 3, 27), Gender: "f", Email: "ann@example.com", Language: "es",
	}
	if j.Profile != want {
		t.Errorf("profile %+v, want %+v", j.Profile, want)
	}
	if j.Number != ourNumber || j.Phone != fanPhone || !j.Issued.Equal(noon) {
		t.Errorf("invitation %+v", j.Invitation)
	}
	e := j.Evidence
	if !strings.Contains(e.Disclosure, "Message frequency varies") || !strings.HasPrefix(e.TextVersion, "form-") ||
		e.IP != "192.0.2.7" || e.UserAgent != "Telephone/1.0" || e.PageURL != "https://fan.example/j/…" || !e.At.Equal(noon) {
		t.Errorf("evidence %+v", e)
	}
	done := h.get(h.path() + "/done")
	wantStatus(t, done, http.StatusOK)
	wantText(t, done, "You&#39;re in!", "/card/17735550100.vcf", "sms:&#43;17735550100")
}

func TestTheConsentTextHasItsRequiredWords(t *testing.T) {
	h := newHouse(t)
	text := strings.ToLower(Disclosure(h.sender))
	for _, element := range []string{
		"maya torres", "maya live", "text messages (sms)", "message frequency varies", "message and data rates may apply",
		"help for help", "stop to cancel", "not a condition of any purchase", "not shared with third parties", "guardian",
	} {
		if !strings.Contains(text, element) {
			t.Errorf("lacks %q: %s", element, text)
		}
	}
	page := h.get(h.path())
	wantText(t, page, `href="/terms/17735550100"`, `href="/privacy/17735550100"`)
}

func TestFormsWithNonsenseAreRefusedWithWhatToDo(t *testing.T) {
	long := strings.Repeat("a", 61)
	tests := []struct {
		name, field, value, says string
	}{
		{"no first name", "first_name", "   ", "Enter your first name."},
		{"no last name", "last_name", "", "Enter your last name."},
		{"long name", "first_name", long, "60 characters or fewer"},
		{"markup", "first_name", "<b>Ann", "can&#39;t have the character &#34;&lt;&#34;"},
		{"address as a name", "last_name", "http://x.example", "can&#39;t have the character"},
		{"merge field", "first_name", "{{city}}", "can&#39;t have the character"},
		{"emoji", "first_name", "Ann 🎉", "can&#39;t have the character"},
		{"control character", "first_name", "An\x01n", "can&#39;t have the character"},
		{"only dots", "first_name", "...", "at least one letter"},
		{"not UTF-8", "first_name", "\xff\xfe", "characters that we can&#39;t read"},
		{"no city", "city", "", "Enter your city."},
		{"no state", "state", "", "Choose your state"},
		{"made-up state", "state", "XX", "Choose your state"},
		{"month 13", "birth_month", "13", "number from 1 to 12"},
		{"month in words", "birth_month", "March", "number from 1 to 12"},
		{"month left out", "birth_month", "", "number from 1 to 12"},
		{"signed month", "birth_month", "+3", "number from 1 to 12"},
		{"day 0", "birth_day", "0", "number from 1 to 31"},
		{"day 32", "birth_day", "32", "number from 1 to 31"},
		{"Arabic digits", "birth_day", "٢٧", "number from 1 to 31"},
		{"two-digit year", "birth_year", "99", "four digits"},
		{"negative year", "birth_year", "-999", "four digits"},
		{"huge year", "birth_year", "99999", "four digits"},
		{"future", "birth_year", "2027", "must be in the past"},
		{"year 1", "birth_year", "0001", "more than 120 years ago"},
		{"year 1885", "birth_year", "1885", "more than 120 years ago"},
		{"other gender", "gender", "robot", "Choose one of the answers"},
		{"no address", "email", "ann", "name@example.com"},
		{"no domain", "email", "ann@", "name@example.com"},
		{"no dot", "email", "ann@localhost", "behind the @"},
		{"name and address", "email", "Ann <ann@example.com>", "name@example.com"},
		{"two addresses", "email", "a@example.com,b@example.com", "name@example.com"},
		{"new line", "email", "ann@example.com\nBcc: x@example.com", "name@example.com"},
		{"address literal", "email", "ann@[127.0.0.1]", "behind the @"},
		{"long address", "email", strings.Repeat("a", 250) + "@example.com", "254 characters or fewer"},
		{"no consent", "consent", "", "Tick the box"},
		{"consent by another word", "consent", "on", "Tick the box"},
		{"consent to other words", "consent_version", "form-000000000000", "words beside the box have changed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHouse(t)
			form := h.goodForm()
			form.Set(tt.field, tt.value)
			w := h.post(h.path(), form)
			wantStatus(t, w, http.StatusUnprocessableEntity)
			wantText(t, w, tt.says, `role="alert"`, "One thing to put right", "<title>Error: ")
			if len(h.joined) != 0 {
				t.Error("someone joined")
			}
		})
	}
}

func TestDatesOfBirthAreRealDays(t *testing.T) {
	tests := []struct{ month, day, year, says string }{
		{"2", "30", "1999", "February 1999 has no day 30"},
		{"2", "29", "1999", "February 1999 has no day 29"},
		{"2", "29", "1996", ""},
		{"4", "31", "2001", "April 2001 has no day 31"},
		{"12", "31", "1999", ""},
		{"01", "01", "2000", ""},
		{"11", "23", "2026", "must be in the past"},
		{"", "", "", "Enter your date of birth"},
		{"0", "1", "1999", "1 to 12"},
	}
	for _, tt := range tests {
		_, _, says := checkBirth(tt.month, tt.day, tt.year, noon)
		if (tt.says == "") != (says == "") || !strings.Contains(says, tt.says) {
			t.Errorf("%s/%s/%s: %q, want %q", tt.month, tt.day, tt.year, says, tt.says)
		}
	}
}

func TestNobodyBelowTheAgeJoins(t *testing.T) {
	tests := []struct {
		month, day, year string
		status           int
	}{
		{"11", "22", "2013", http.StatusSeeOther},  // 13 today
		{"11", "23", "2013", http.StatusForbidden}, // 13 tomorrow
		{"11", "22", "2026", http.StatusForbidden}, // born today
		{"1", "1", "1999", http.StatusSeeOther},
	}
	for _, tt := range tests {
		h := newHouse(t)
		form := h.goodForm()
		form.Set("birth_month", tt.month)
		form.Set("birth_day", tt.day)
		form.Set("birth_year", tt.year)
		form.Set("city", form.Get("city"))
		w := h.post(h.path(), form)
		wantStatus(t, w, tt.status)
		if tt.status == http.StatusForbidden {
			wantText(t, w, "at least 13 years old", "kept nothing")
			if len(h.joined) != 0 || strings.Contains(w.Body.String(), "<form") {
				t.Error("joined, or offered the form again")
			}
		}
	}
}

func TestAllErrorsAreShownAtOnceAndWhatWasTypedStays(t *testing.T) {
	h := newHouse(t)
	form := h.goodForm()
	for _, f := range []string{"first_name", "city", "birth_day", "email", "consent"} {
		form.Set(f, "")
	}
	form.Set("email", "x")
	w := h.post(h.path(), form)
	wantStatus(t, w, http.StatusUnprocessableEntity)
	wantText(t, w, "5 things to put right", `href="#first_name"`, `href="#city"`, `href="#birth_day"`, `href="#email"`, `href="#consent"`,
		`value="1999"`, `<option value="IL" selected>`, `<option value="f" selected>`)
}

func TestOutsideTheUnitedStatesIsAnAnswer(t *testing.T) {
	h := newHouse(t)
	form := h.goodForm()
	form.Set("state", "-")
	form.Set("email", "")
	form.Set("gender", "")
	wantStatus(t, h.post(h.path(), form), http.StatusSeeOther)
	if p := h.joined[0].Profile; p.State != "" || p.Country != "ZZ" || p.Gender != "" || p.Email != "" {
		t.Errorf("profile %+v", p)
	}
}

func TestLinksThatOpenNothingSayWhy(t *testing.T) {
	h := newHouse(t)
	good := h.path()
	tests := []struct {
		name, path string
		prepare    func(*house)
		status     int
		says       string
	}{
		{"forged", good[:5] + "AAAA" + good[9:], nil, http.StatusNotFound, "link isn&#39;t complete"},
		{"cut short", good[:20], nil, http.StatusNotFound, "link isn&#39;t complete"},
		{"expired", good, func(h *house) { h.clock = noon.Add(72 * time.Hour) }, http.StatusGone, "expired"},
		{"number gone", good, func(h *house) { h.sender.Number = 12025550123 }, http.StatusGone, "in service"},
		{"member already", good, func(h *house) { h.standing = conversation.Joined }, http.StatusOK, "already in"},
		{"used and stopped", good, func(h *house) { h.standing = conversation.Used }, http.StatusGone, "used already"},
		{"directory down", good, func(h *house) { h.dirErr = errors.New("disk") }, http.StatusServiceUnavailable, "on us"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHouse(t)
			if tt.prepare != nil {
				tt.prepare(h)
			}
			for _, w := range []*httptest.ResponseRecorder{h.get(tt.path), h.post(tt.path, h.goodForm())} {
				wantStatus(t, w, tt.status)
				wantText(t, w, tt.says)
				if strings.Contains(w.Body.String(), "<form") || len(h.joined) != 0 {
					t.Error("the form is there, or someone joined")
				}
			}
		})
	}
}

func TestAUseOfTheLinkMeanwhileAndAFailingStoreAreTold(t *testing.T) {
	h := newHouse(t)
	h.joinErr = errors.New("disk full")
	w := h.post(h.path(), h.goodForm())
	wantStatus(t, w, http.StatusServiceUnavailable)
	wantText(t, w, "Please try again")
	if strings.Contains(w.Body.String(), "disk full") {
		t.Error("the page shows our error")
	}
	h.joinErr = conversation.ErrTooYoung
	wantStatus(t, h.post(h.path(), h.goodForm()), http.StatusForbidden)
}

func TestTheDonePageOfAnOpenLinkLeadsToTheForm(t *testing.T) {
	h := newHouse(t)
	w := h.get(h.path() + "/done")
	wantStatus(t, w, http.StatusSeeOther)
	if w.Header().Get("Location") != h.path() {
		t.Errorf("leads to %q", w.Header().Get("Location"))
	}
}

func TestFormsFromOtherSitesAreRefused(t *testing.T) {
	for name, headers := range map[string]map[string]string{
		"fetch metadata": {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
		"origin alone":   {"Origin": "https://evil.example"},
		"null origin":    {"Origin": "null"},
	} {
		h := newHouse(t)
		r := httptest.NewRequest(http.MethodPost, "https://fan.example"+h.path(), strings.NewReader(h.goodForm().Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for k, v := range headers {
			r.Header.Set(k, v)
		}
		w := h.do(r)
		if w.Code != http.StatusForbidden || len(h.joined) != 0 {
			t.Errorf("%s: status %d, %d joined", name, w.Code, len(h.joined))
		}
	}
}

func TestAProxyMayAskByAnotherName(t *testing.T) {
	h := newHouse(t)
	r := httptest.NewRequest(http.MethodPost, "http://upstream:8080"+h.path(), strings.NewReader(h.goodForm().Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", "https://fan.example") // From a browser that sends no Sec-Fetch-Site.
	wantStatus(t, h.do(r), http.StatusSeeOther)
}

func TestBodiesThatAreNoFormOrTooLargeAreRefused(t *testing.T) {
	h := newHouse(t)
	send := func(kind string, body io.Reader) int {
		r := httptest.NewRequest(http.MethodPost, "https://fan.example"+h.path(), body)
		r.Header.Set("Content-Type", kind)
		return h.do(r).Code
	}
	const form = "application/x-www-form-urlencoded"
	big := "first_name=" + strings.Repeat("a", maxBody)
	if got := send(form, strings.NewReader(big)); got != http.StatusRequestEntityTooLarge {
		t.Errorf("large body: %d", got)
	}
	if got := send("application/json", strings.NewReader("{}")); got != http.StatusUnsupportedMediaType {
		t.Errorf("JSON: %d", got)
	}
	if got := send(form, strings.NewReader("first_name=%zz")); got != http.StatusBadRequest {
		t.Errorf("bad escape: %d", got)
	}
	if got := send(form, strings.NewReader("")); got != http.StatusUnprocessableEntity {
		t.Errorf("empty form: %d", got)
	}
	if len(h.joined) != 0 {
		t.Error("someone joined")
	}
}

func TestOneLinkCannotBeSubmittedWithoutEnd(t *testing.T) {
	h := newHouse(t)
	bad := h.goodForm()
	bad.Set("city", "")
	var last int
	for range 11 {
		last = h.post(h.path(), bad).Code
	}
	if last != http.StatusTooManyRequests {
		t.Fatalf("submit 11: status %d", last)
	}
	h.clock = h.clock.Add(3 * time.Second)
	wantStatus(t, h.post(h.path(), h.goodForm()), http.StatusSeeOther)
}

func TestEveryAnswerHasTheSecurityHeaders(t *testing.T) {
	h := newHouse(t)
	for _, path := range []string{"/", h.path(), "/j/x", "/card/17735550100.vcf", "/style.css", "/nothing", "/terms/17735550100"} {
		w := h.get(path)
		for header, want := range map[string]string{
			"Content-Security-Policy": "default-src 'none'", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin",
			"X-Frame-Options": "DENY", "Strict-Transport-Security": "max-age", "Cross-Origin-Opener-Policy": "same-origin",
		} {
			if !strings.Contains(w.Header().Get(header), want) {
				t.Errorf("%s: %s is %q", path, header, w.Header().Get(header))
			}
		}
		if policy := w.Header().Get("Content-Security-Policy"); strings.Contains(policy, "unsafe") || strings.Contains(policy, "script-src") {
			t.Errorf("%s: policy %q", path, policy)
		}
	}
	if got := h.get(h.path()).Header().Get("Cache-Control"); got != "no-store" {
		t.Errorf("the form may be kept: %q", got)
	}
}

func TestOtherMethodsAndPathsAreAnswered(t *testing.T) {
	h := newHouse(t)
	for path, status := range map[string]int{
		"/": 200, "/robots.txt": 200, "/privacy/17735550100": 200, "/terms/12025550123": 404, "/terms/x": 404, "/nothing": 404,
		"/card/12025550123.vcf": 404, "/card/17735550100.png": 404, "/card/.vcf": 404, "/card/99999999999999999999.vcf": 404,
		"/card/17735550100.jpg": 200,
	} {
		if w := h.get(path); w.Code != status {
			t.Errorf("GET %s: %d, want %d", path, w.Code, status)
		}
	}
	if w := h.do(httptest.NewRequest(http.MethodDelete, "https://fan.example/j/x", nil)); w.Code < 400 {
		t.Errorf("DELETE: %d", w.Code)
	}
}

func TestABadPublicURLIsRefused(t *testing.T) {
	for _, u := range []string{"", "fan.example", "ftp://fan.example", "://", "http://"} {
		if _, err := New(Config{PublicURL: u}, nil, nil, nil); err == nil {
			t.Errorf("%q was taken", u)
		}
	}
}

func TestServeAnswersAndEndsWithItsContext(t *testing.T) {
	h := newHouse(t)
	server := httptest.NewUnstartedServer(nil) // For its listener on port 0.
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, server.Listener, h.site.Handler()) }()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + server.Listener.Addr().String() + "/")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if closing := resp.Body.Close(); err != nil || closing != nil || !strings.Contains(string(body), "Maya Live") {
		t.Errorf("%v, %v, %.100s", err, closing, body)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
