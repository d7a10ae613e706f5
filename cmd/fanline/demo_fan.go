package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"image"
	_ "image/jpeg" // the format of the contact card's picture
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"fanline/smpp/smsc"
)

// fan is a person of the demo: a phone at the simulated carrier, and a browser.
type fan struct {
	phone   string
	carrier *smsc.Client
	browser *http.Client
	answers map[string]string // to the form's questions
}

// phoneEvery is how often a phone is looked at.
const phoneEvery = 10 * time.Millisecond

// text sends a text to our number and waits until the carrier was told that we
// have it.
func (f *fan) text(ctx context.Context, body string) error {
	wait := 30 * time.Second
	if deadline, ok := ctx.Deadline(); ok {
		wait = min(wait, time.Until(deadline))
	}
	r, err := f.carrier.Text(ctx, f.phone, demoNumber, body, wait)
	switch {
	case err != nil:
		return err
	case !r.Answered:
		return fmt.Errorf("the text was not acknowledged to the carrier within %v", wait.Round(time.Second))
	case r.Status != "ESME_ROK":
		return fmt.Errorf("the text was refused with %s", r.Status)
	}
	return nil
}

// await waits for a text on the phone; what says which, for the error.
func (f *fan) await(ctx context.Context, what string, is func(smsc.Sent) bool) (smsc.Sent, error) {
	for {
		sent, err := f.carrier.Messages(ctx, f.phone)
		if err == nil {
			if i := slices.IndexFunc(sent, func(m smsc.Sent) bool { return m.Complete && is(m) }); i >= 0 {
				return sent[i], nil
			}
		}
		select {
		case <-ctx.Done():
			return smsc.Sent{}, errors.Join(fmt.Errorf("%s did not arrive at %s, which has %d other texts: %w", what, f.phone, len(sent), context.Cause(ctx)), err)
		case <-time.After(phoneEvery):
		}
	}
}

// awaitLink waits for a text with a link below base and returns the link.
func (f *fan) awaitLink(ctx context.Context, what, base string) (string, error) {
	m, err := f.await(ctx, what, func(m smsc.Sent) bool { return linkIn(m.Text, base) != "" })
	return linkIn(m.Text, base), err
}

// linkIn returns the first link of a text below base.
func linkIn(text, base string) string {
	for word := range strings.FieldsSeq(text) {
		if strings.HasPrefix(word, base) && len(word) > len(base) {
			return word
		}
	}
	return ""
}

// get opens a page.
func (f *fan) get(ctx context.Context, link string) (body []byte, kind string, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, link, nil)
	if err != nil {
		return nil, "", err
	}
	return f.fetch(r)
}

// maxPage is more than any page of ours has.
const maxPage = 4 << 20

func (f *fan) fetch(r *http.Request) (body []byte, kind string, err error) {
	resp, err := f.browser.Do(r)
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = resp.Body.Close() }() // It was only read.
	body, err = io.ReadAll(io.LimitReader(resp.Body, maxPage))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %s", r.Method, r.URL.Path, resp.Status)
	}
	return body, resp.Header.Get("Content-Type"), err
}

// signUp opens the form behind a link, fills it in, and sends it. A link that
// says that its owner is in already was used before a crash.
func (f *fan) signUp(ctx context.Context, link string) error {
	page, _, err := f.get(ctx, link)
	if err != nil {
		return err
	}
	form, err := readWebForm(page)
	if err != nil {
		if bytes.Contains(page, []byte("already in")) {
			return nil
		}
		return err
	}
	values, err := form.fill(f.answers)
	if err != nil {
		return err
	}
	at, err := url.Parse(link)
	if err != nil {
		return err
	}
	to, err := at.Parse(form.action)
	if err != nil {
		return fmt.Errorf("the form's action: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to.String(), strings.NewReader(values.Encode()))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", at.Scheme+"://"+at.Host)
	page, _, err = f.fetch(r) // Goes on to the page that thanks.
	if err != nil {
		return err
	}
	if _, err := readWebForm(page); err == nil {
		return errors.New("the form came back: it was not taken as it was filled in")
	}
	return nil
}

// fetchCard opens the contact card and looks whether a phone could store it.
func (f *fan) fetchCard(ctx context.Context, link string) error {
	card, kind, err := f.get(ctx, link)
	if err != nil {
		return err
	}
	if !strings.HasPrefix(kind, "text/vcard") {
		return fmt.Errorf("the contact card is %q, not text/vcard", kind)
	}
	return checkCard(card, demoNumber)
}

// checkCard wants a vCard (RFC 2426) of a number, with a picture that opens.
func checkCard(card []byte, number string) error {
	unfolded := strings.NewReplacer("\r\n ", "", "\r\n\t", "").Replace(string(card))
	lines := strings.Split(strings.TrimSpace(unfolded), "\r\n")
	if lines[0] != "BEGIN:VCARD" || lines[len(lines)-1] != "END:VCARD" {
		return errors.New("the contact card is no vCard")
	}
	property := func(name string) string {
		for _, line := range lines {
			if head, value, ok := strings.Cut(line, ":"); ok && (head == name || strings.HasPrefix(head, name+";")) {
				return value
			}
		}
		return ""
	}
	if tel := property("TEL"); tel != number {
		return fmt.Errorf("the contact card is that of %q, not of %s", tel, number)
	}
	photo, err := base64.StdEncoding.DecodeString(property("PHOTO"))
	if err != nil || len(photo) == 0 {
		return errors.Join(errors.New("the contact card has no picture"), err)
	}
	if _, _, err := image.Decode(bytes.NewReader(photo)); err != nil {
		return fmt.Errorf("the contact card's picture: %w", err)
	}
	return nil
}

// webForm is a form as a page has it.
type webForm struct {
	action string
	fields []webField
}

// webField is one question of a form.
type webField struct {
	name, kind, value string   // kind: type of an input, or select
	required, checked bool     //
	options           []string // of a select
}

// errNoForm says that a page asks for nothing.
var errNoForm = errors.New("the page has no form to send")

// readWebForm reads the one form of a page that is sent by post. Our pages
// close what they open, so the standard library's XML reader in its HTML mode
// is browser enough.
func readWebForm(page []byte) (*webForm, error) {
	d := xml.NewDecoder(bytes.NewReader(page))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	var form *webForm
	for {
		token, err := d.Token()
		switch {
		case errors.Is(err, io.EOF) && form == nil:
			return nil, errNoForm
		case errors.Is(err, io.EOF):
			return form, nil
		case err != nil:
			return nil, fmt.Errorf("reading the form: %w", err)
		}
		e, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		attrs := map[string]string{}
		for _, a := range e.Attr {
			attrs[a.Name.Local] = a.Value
		}
		switch {
		case e.Name.Local == "form" && strings.EqualFold(attrs["method"], "post"):
			form = &webForm{action: attrs["action"]}
		case form != nil:
			form.element(e.Name.Local, attrs)
		}
	}
}

func (f *webForm) element(name string, attrs map[string]string) {
	has := func(attr string) bool { _, ok := attrs[attr]; return ok }
	switch name {
	case "input", "select", "textarea":
		kind := name
		if name == "input" {
			kind = attrs["type"]
		}
		f.fields = append(f.fields, webField{name: attrs["name"], kind: kind, value: attrs["value"], required: has("required"), checked: has("checked")})
	case "option":
		if last := len(f.fields) - 1; last >= 0 && f.fields[last].kind == "select" {
			f.fields[last].options = append(f.fields[last].options, attrs["value"])
			if has("selected") {
				f.fields[last].value = attrs["value"]
			}
		}
	}
}

// fill answers the form's questions as a person would: hidden fields go back
// as they came, a box is ticked when the answer is its value, a choice must be
// among those offered. A question that must be answered and isn't, an answer
// that nothing asks for, and a box that comes ticked are errors.
func (f *webForm) fill(answers map[string]string) (url.Values, error) {
	values := url.Values{}
	asked := map[string]bool{}
	for _, field := range f.fields {
		answer, known := answers[field.name]
		asked[field.name] = true
		switch {
		case field.name == "":
		case field.kind == "hidden":
			values.Set(field.name, field.value)
		case field.kind == "checkbox" && field.checked:
			return nil, fmt.Errorf("the form's box %s is ticked beforehand", field.name)
		case !known && field.required:
			return nil, fmt.Errorf("the form wants %s, which the fan doesn't know", field.name)
		case field.kind == "checkbox" && known && answer != field.value:
			return nil, fmt.Errorf("the form's box %s stands for %q, not %q", field.name, field.value, answer)
		case field.kind == "select" && known && !slices.Contains(field.options, answer):
			return nil, fmt.Errorf("the form doesn't offer %q as %s", answer, field.name)
		case known:
			values.Set(field.name, answer)
		case field.kind != "checkbox":
			values.Set(field.name, field.value)
		}
	}
	for name := range answers {
		if !asked[name] {
			return nil, fmt.Errorf("the form doesn't ask for %s", name)
		}
	}
	return values, nil
}
