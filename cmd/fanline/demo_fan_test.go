package main

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fanline/community"
	"fanline/community/conversation"
	"fanline/engine/message"
	"fanline/web"
)

// lobby is the real site over one number, with somebody at the door who writes
// down who came in.
type lobby struct {
	number message.Phone
	links  *conversation.Links
	joined []conversation.Joining
}

func (l *lobby) Sender(_ context.Context, number message.Phone) (web.Sender, error) {
	if number != l.number {
		return web.Sender{}, web.ErrNoSender
	}
	return web.Sender{Number: number, Leader: simulatorLeader, Program: "Demo", Help: "help@example.com"}, nil
}

func (l *lobby) Senders(ctx context.Context) ([]web.Sender, error) {
	s, err := l.Sender(ctx, l.number)
	return []web.Sender{s}, err
}

func (l *lobby) Standing(context.Context, conversation.Invitation) (conversation.Standing, error) {
	if len(l.joined) > 0 {
		return conversation.Joined, nil
	}
	return conversation.Open, nil
}

func (l *lobby) Join(_ context.Context, j conversation.Joining) error {
	l.joined = append(l.joined, j)
	return nil
}

func openLobby(t *testing.T) *lobby {
	t.Helper()
	number, err := parsedDemoNumber()
	if err != nil {
		t.Fatal(err)
	}
	l := &lobby{number: number}
	server := httptest.NewUnstartedServer(nil)
	base := "http://" + server.Listener.Addr().String()
	if l.links, err = conversation.NewLinks(bytes.Repeat([]byte("k"), 32), base, time.Hour); err != nil {
		t.Fatal(err)
	}
	site, err := web.New(web.Config{PublicURL: base}, l.links, l, l)
	if err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = site.Handler()
	server.Start()
	t.Cleanup(server.Close)
	return l
}

func newFan(t *testing.T, role string) *fan {
	t.Helper()
	f := &fan{phone: "+14015550100", browser: &http.Client{Transport: &http.Transport{}}, answers: answersOf(role)}
	t.Cleanup(f.browser.CloseIdleConnections)
	return f
}

func TestEveryFanOfTheDemoCanFillInTheRealForm(t *testing.T) {
	for _, role := range []string{roleFirst, roleEarly, roleSecond} {
		l, f := openLobby(t), newFan(t, role)
		link := l.links.Join(l.number, 14015550100, time.Now())
		if err := f.signUp(t.Context(), link); err != nil {
			t.Fatalf("%s: %v", role, err)
		}
		if len(l.joined) != 1 {
			t.Fatalf("%s: %d joined", role, len(l.joined))
		}
		want := community.Profile{
			FirstName: f.answers["first_name"], LastName: f.answers["last_name"], City: f.answers["city"], State: f.answers["state"], Country: "US",
			Birth: community.NewDate(1999, time.April, 12), Gender: f.answers["gender"], Email: f.answers["email"],
		}
		if diff := cmp.Diff(want, l.joined[0].Profile); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", role, diff)
		}
		if err := f.signUp(t.Context(), link); err != nil || len(l.joined) != 1 {
			t.Errorf("%s: a link that a crash had used already: %v, %d joined", role, err, len(l.joined))
		}
	}
}

func TestAFormThatComesBackIsNoSignUp(t *testing.T) {
	l, f := openLobby(t), newFan(t, roleFirst)
	f.answers["birth_year"] = "2026"
	err := f.signUp(t.Context(), l.links.Join(l.number, 14015550100, time.Now()))
	if err == nil || len(l.joined) != 0 {
		t.Errorf("somebody born this year: %v, %d joined", err, len(l.joined))
	}
	if err := f.signUp(t.Context(), l.links.Join(l.number, 14015550100, time.Now())+"x"); err == nil {
		t.Error("a link with a character too many is fine")
	}
}

func TestTheRealContactCardPasses(t *testing.T) {
	l, f := openLobby(t), newFan(t, roleFirst)
	if err := f.fetchCard(t.Context(), l.links.Card(l.number)); err != nil {
		t.Error(err)
	}
}

func TestABrokenContactCardIsFound(t *testing.T) {
	card := func(lines ...string) []byte { return []byte(strings.Join(lines, "\r\n") + "\r\n") }
	for name, test := range map[string]struct {
		card []byte
		want string
	}{
		"a page":      {[]byte("<html></html>"), "no vCard"},
		"cut off":     {card("BEGIN:VCARD", "TEL:"+demoNumber), "no vCard"},
		"of another":  {card("BEGIN:VCARD", "TEL;TYPE=CELL:+13125550187", "END:VCARD"), "+13125550187"},
		"no picture":  {card("BEGIN:VCARD", "TEL:"+demoNumber, "END:VCARD"), "no picture"},
		"not base64":  {card("BEGIN:VCARD", "TEL:"+demoNumber, "PHOTO;ENCODING=b:!!!!", "END:VCARD"), "no picture"},
		"not a photo": {card("BEGIN:VCARD", "TEL:"+demoNumber, "PHOTO;ENCODING=b:aGVs", " bG8=", "END:VCARD"), "picture"},
	} {
		if err := checkCard(test.card, demoNumber); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}

func TestAFormIsFilledInAsAPersonWould(t *testing.T) {
	const head = `<!doctype html><form method="post" action="/go">`
	answers := map[string]string{"name": "Ana", "ok": "yes"}
	const plain = `<input name="name" type="text" required><input name="ok" type="checkbox" value="yes" required>`
	for name, test := range map[string]struct{ page, want, values string }{
		"plain":            {head + plain + `</form>`, "", "name=Ana&ok=yes"},
		"hidden goes back": {head + `<input type="hidden" name="v" value="7">` + plain + `</form>`, "", "name=Ana&ok=yes&v=7"},
		"optional is sent": {head + `<input name="mail" type="email" value="">` + plain + `</form>`, "", "mail=&name=Ana&ok=yes"},
		"unticked is not":  {head + `<input name="more" type="checkbox" value="yes">` + plain + `</form>`, "", "name=Ana&ok=yes"},
		"chosen already":   {head + `<select name="s"><option value="a">A</option><option value="b" selected>B</option></select>` + plain + `</form>`, "", "name=Ana&ok=yes&s=b"},
		"a new question":   {head + plain + `<input name="shoe_size" required></form>`, "wants shoe_size", ""},
		"ticked before":    {head + `<input name="name"><input name="ok" type="checkbox" value="yes" checked></form>`, "ticked beforehand", ""},
		"another value":    {head + `<input name="name"><input name="ok" type="checkbox" value="1"></form>`, `stands for "1"`, ""},
		"no such choice":   {head + `<select name="name"><option value="Bo">Bo</option></select><input name="ok" type="checkbox" value="yes"></form>`, "doesn't offer", ""},
		"not asked":        {head + `<input name="name"></form>`, "doesn't ask for ok", ""},
		"no form":          {`<p>You're already in</p>`, errNoForm.Error(), ""},
		"a search field":   {`<form method="get" action="/s"><input name="q"></form>`, errNoForm.Error(), ""},
	} {
		form, err := readWebForm([]byte(test.page))
		got := ""
		if err == nil {
			var values interface{ Encode() string }
			if values, err = form.fill(answers); err == nil {
				got = values.Encode()
			}
		}
		if test.want == "" && (err != nil || got != test.values || form.action != "/go") {
			t.Errorf("%s: %v, %q; want %q", name, err, got, test.values)
		}
		if test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: %v; want %q", name, err, test.want)
		}
	}
}

func TestALinkIsFoundBelowItsBaseOnly(t *testing.T) {
	const base = "http://127.0.0.1:8080/j/"
	for text, want := range map[string]string{
		"Tap " + base + "abc I can't": base + "abc",
		"Tap " + base:                 "",
		"http://evil.example/j/abc":   "",
		"":                            "",
	} {
		if got := linkIn(text, base); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
