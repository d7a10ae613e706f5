package web

import (
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"fanline/community/conversation"
)

// element is a start tag with its attributes.
type element struct {
	name  string
	attrs map[string]string
}

// elements reads a page's tags in order. Our templates close what they open, so
// the standard library's XML reader in its HTML mode is enough; a page that it
// can't read is an error of the page.
func elements(t *testing.T, page string) []element {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(strings.TrimPrefix(page, "<!doctype html>")))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	var all []element
	depth := 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("the page is not well formed: %v", err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			depth++
			e := element{token.Name.Local, map[string]string{}}
			for _, a := range token.Attr {
				if _, twice := e.attrs[a.Name.Local]; twice {
					t.Errorf("<%s> has %s twice", e.name, a.Name.Local)
				}
				e.attrs[a.Name.Local] = a.Value
			}
			all = append(all, e)
		case xml.EndElement:
			depth--
		}
	}
	if depth != 0 {
		t.Errorf("%d elements are not closed", depth)
	}
	return all
}

func TestPagesAreAccessible(t *testing.T) {
	h := newHouse(t)
	bad := h.goodForm()
	for name := range bad {
		bad.Set(name, "?")
	}
	pages := map[string]string{
		"landing":    h.get("/").Body.String(),
		"form":       h.get(h.path()).Body.String(),
		"all wrong":  h.post(h.path(), bad).Body.String(),
		"no birth":   h.post(h.path(), nil).Body.String(),
		"terms":      h.get("/terms/17735550100").Body.String(),
		"privacy":    h.get("/privacy/17735550100").Body.String(),
		"forged":     h.get("/j/x").Body.String(),
		"no page":    h.get("/nothing").Body.String(),
		"too young":  "",
		"already in": "",
	}
	young := h.goodForm()
	young.Set("birth_year", "2020")
	pages["too young"] = h.post(h.path(), young).Body.String()
	h.standing = conversation.Joined
	pages["already in"] = h.get(h.path()).Body.String()
	pages["done"] = h.get(h.path() + "/done").Body.String()
	h.clock = h.clock.Add(1000 * time.Hour)
	pages["expired"] = h.get(h.path()).Body.String()
	for name, page := range pages {
		t.Run(name, func(t *testing.T) { checkPage(t, elements(t, page)) })
	}
}

// checkPage holds what WCAG 2.2 asks of a page's tags: language, title, one
// main, one first heading, headings in order, labels, alternatives, unique ids,
// references that lead somewhere, purposes of inputs, nothing run or loaded
// from elsewhere.
func checkPage(t *testing.T, page []element) {
	t.Helper()
	ids, count, labelled := map[string]bool{}, map[string]int{}, map[string]bool{}
	for _, e := range page {
		count[e.name]++
		if id := e.attrs["id"]; id != "" {
			if ids[id] {
				t.Errorf("id %q twice", id)
			}
			ids[id] = true
		}
		if e.name == "label" {
			labelled[e.attrs["for"]] = true
		}
	}
	if page[0].name != "html" || page[0].attrs["lang"] == "" {
		t.Error("the page has no language")
	}
	for name, want := range map[string]int{"title": 1, "main": 1, "h1": 1, "script": 0, "style": 0, "iframe": 0} {
		if count[name] != want {
			t.Errorf("%d <%s>, want %d", count[name], name, want)
		}
	}
	for _, e := range page {
		checkElement(t, e, ids, labelled)
	}
}

func checkElement(t *testing.T, e element, ids, labelled map[string]bool) {
	t.Helper()
	for name, value := range e.attrs {
		if strings.HasPrefix(name, "on") || name == "style" {
			t.Errorf("<%s> has %s", e.name, name)
		}
		if name == "aria-describedby" || name == "aria-labelledby" || name == "list" {
			for _, id := range strings.Fields(value) {
				if !ids[id] {
					t.Errorf("<%s %s> refers to %q, which is not there", e.name, name, id)
				}
			}
		}
		if (name == "href" || name == "src" || name == "action") && !strings.HasPrefix(value, "/") && !strings.HasPrefix(value, "#") && !strings.HasPrefix(value, "sms:") {
			t.Errorf("<%s> leads to %q", e.name, value)
		}
		if name == "href" && strings.HasPrefix(value, "#") && !ids[value[1:]] {
			t.Errorf("a link leads to %q, which is not there", value)
		}
	}
	switch e.name {
	case "img":
		if _, ok := e.attrs["alt"]; !ok || e.attrs["width"] == "" {
			t.Errorf("an image without alternative or size: %v", e.attrs)
		}
	case "input", "select":
		if e.attrs["type"] == "hidden" {
			return
		}
		if !labelled[e.attrs["id"]] {
			t.Errorf("no label for %q", e.attrs["id"])
		}
		if e.attrs["autocomplete"] == "" && e.attrs["type"] != "checkbox" {
			t.Errorf("%q doesn't say what it is for", e.attrs["id"])
		}
		if e.attrs["aria-invalid"] == "true" && e.attrs["aria-describedby"] == "" {
			t.Errorf("%q is wrong and doesn't say why", e.attrs["id"])
		}
	case "th":
		if e.attrs["scope"] == "" {
			t.Error("a heading of a table without scope")
		}
	}
}

func TestEveryFieldOfTheFormIsOnThePage(t *testing.T) {
	h := newHouse(t)
	names := map[string]bool{}
	for _, e := range elements(t, h.get(h.path()).Body.String()) {
		names[e.attrs["name"]] = true
	}
	for name := range h.goodForm() {
		if !names[name] {
			t.Errorf("%q is not on the page", name)
		}
	}
}

func TestTypedMarkupIsShownAsText(t *testing.T) {
	h := newHouse(t)
	form := h.goodForm()
	const attack = `"><script>alert(1)</script>`
	for _, f := range []string{"first_name", "last_name", "city", "email", "birth_year", "state", "gender"} {
		form.Set(f, attack)
	}
	w := h.post(h.path(), form)
	wantStatus(t, w, http.StatusUnprocessableEntity)
	if strings.Contains(w.Body.String(), "<script") {
		t.Error("a script came through")
	}
}
