package web

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	"mime"
	"net/http"
	"strings"
	"time"

	"fanline/community"
	"fanline/community/conversation"
	"fanline/engine/message"
)

// view is what every template gets.
type view struct {
	Title  string
	Style  string // address of the style sheet, changing with its content
	Sender Sender // zero on pages of nobody
	Data   any
}

// Readable is the sender's number as people write it.
func (v view) Readable() string { return readable(v.Sender) }

// SMSLink opens the composer of a telephone; html/template knows no sms: and
// would replace it, so it is vouched for here, where it is made of digits.
func (v view) SMSLink() template.URL { return smsLink(v.Sender) }

// notice is a page that says one thing.
type notice struct {
	Title, Text string
	Sender      Sender
	TextAgain   bool // offer to text the number
	Card        bool // offer the contact card
}

// formView is what the form's template gets.
type formView struct {
	Action      string
	Filled      filled
	Problems    problems
	States      []state
	Cities      []string
	Disclosure  string
	Version     string
	Terms       string
	Privacy     string
	MinAge      int
	MaxName     int
	MaxEmail    int
	BirthFields []string
}

// landing says what this is and whom one can text.
func (s *Site) landing(w http.ResponseWriter, r *http.Request) {
	senders, err := s.directory.Senders(r.Context())
	if err != nil {
		s.failed(w, r, "landing", err)
		return
	}
	type row struct {
		Sender
		Readable, Portrait string
		SMSLink            template.URL
	}
	rows := make([]row, 0, len(senders))
	for _, one := range senders {
		rows = append(rows, row{one, readable(one), "/card/" + one.Number.Digits() + ".jpg", smsLink(one)})
	}
	s.render(w, r, http.StatusOK, "landing", view{Title: s.config.Program, Data: struct {
		Program string
		Rows    []row
	}{s.config.Program, rows}})
}

// invited opens the link of a request, or answers with the page that says why
// it opens nothing.
func (s *Site) invited(w http.ResponseWriter, r *http.Request) (conversation.Invitation, Sender, bool) {
	w.Header().Set("Cache-Control", "no-store") // The page has a person's answers in it.
	w.Header().Set("X-Robots-Tag", "noindex, nofollow")
	in, err := s.links.Open(r.PathValue("token"), s.config.Now())
	if errors.Is(err, conversation.ErrForged) {
		s.notice(w, r, http.StatusNotFound, notice{
			Title: "This link isn't complete",
			Text:  "Part of it may have been lost. Tap the link in your text message again, or text us once more and you'll get a new one.",
		})
		return in, Sender{}, false
	}
	sender, missing := s.directory.Sender(r.Context(), in.Number)
	switch {
	case errors.Is(missing, ErrNoSender):
		s.notice(w, r, http.StatusGone, notice{
			Title: "This number isn't in service any more",
			Text:  "The link was fine, but nobody answers at its number now.",
		})
	case missing != nil:
		s.failed(w, r, "sender", missing)
	case errors.Is(err, conversation.ErrExpired):
		s.notice(w, r, http.StatusGone, notice{
			Title:  "This link has expired",
			Text:   fmt.Sprintf("Text %s again and you'll get a new one right away.", sender.Leader),
			Sender: sender, TextAgain: true,
		})
	case err != nil:
		s.failed(w, r, "link", err)
	default:
		return in, sender, true
	}
	return in, sender, false
}

// unused goes on only when the link was not used yet.
func (s *Site) unused(w http.ResponseWriter, r *http.Request, in conversation.Invitation, sender Sender) bool {
	standing, err := s.joiner.Standing(r.Context(), in)
	switch {
	case err != nil:
		s.failed(w, r, "standing", err)
	case standing == conversation.Open:
		return true
	default:
		s.used(w, r, sender, standing)
	}
	return false
}

func (s *Site) used(w http.ResponseWriter, r *http.Request, sender Sender, standing conversation.Standing) {
	if standing == conversation.Joined {
		s.notice(w, r, http.StatusOK, notice{
			Title:  "You're already in",
			Text:   fmt.Sprintf("Your number is on %s's list. There's nothing more to do: just text.", sender.Leader),
			Sender: sender, TextAgain: true, Card: true,
		})
		return
	}
	s.notice(w, r, http.StatusGone, notice{
		Title:  "This link was used already",
		Text:   fmt.Sprintf("If you want texts from %s again, text START to the number.", sender.Leader),
		Sender: sender, TextAgain: true,
	})
}

// showForm answers with the empty form.
func (s *Site) showForm(w http.ResponseWriter, r *http.Request) {
	in, sender, ok := s.invited(w, r)
	if ok && s.unused(w, r, in, sender) {
		s.form(w, r, http.StatusOK, sender, filled{}, nil)
	}
}

// form shows the form with what was filled in and what is wrong with it.
func (s *Site) form(w http.ResponseWriter, r *http.Request, status int, sender Sender, f filled, wrong problems) {
	title := "Join " + sender.Leader
	if len(wrong) > 0 {
		title = "Error: " + title // Read first by a screen reader.
	}
	disclosure := Disclosure(sender)
	s.render(w, r, status, "form", view{Title: title, Sender: sender, Data: formView{
		Action: "/j/" + r.PathValue("token"), Filled: f, Problems: wrong, States: states(), Cities: cities(),
		Disclosure: disclosure, Version: disclosureVersion(disclosure),
		Terms: "/terms/" + sender.Number.Digits(), Privacy: "/privacy/" + sender.Number.Digits(),
		MinAge: community.MinAge, MaxName: maxName, MaxEmail: maxEmail, BirthFields: []string{fieldMonth, fieldDay, fieldYear},
	}})
}

// Disclosure is what stands beside the consent box and is kept as evidence:
// brand, kind of messages, frequency, rates, HELP, STOP, no condition of
// purchase, nothing shared (product.md 3.3). The page adds the links to terms
// and privacy below it.
func Disclosure(s Sender) string {
	return fmt.Sprintf("Yes, send me recurring text messages (SMS) from %s, including marketing and automated texts, at the number I texted from. "+
		"Message frequency varies. Message and data rates may apply. Reply HELP for help, STOP to cancel at any time. "+
		"Consent is not a condition of any purchase. My mobile number and consent are not shared with third parties for their marketing. "+
		"I am 18 or older, or at least %d with my parent's or guardian's permission.", brand(s), community.MinAge)
}

// brand names program and leader, once when they are the same.
func brand(s Sender) string {
	if s.Program == "" || strings.EqualFold(s.Program, s.Leader) {
		return s.Leader
	}
	return fmt.Sprintf("%s (%s)", s.Leader, s.Program)
}

// disclosureVersion changes with the words, so that a form opened before a
// change can't be taken as consent to what it didn't show.
func disclosureVersion(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "form-" + hex.EncodeToString(sum[:6])
}

// submit takes the form, and answers with what is wrong or with the way to the
// thank-you page (303, so that going back and forth sends nothing again).
func (s *Site) submit(w http.ResponseWriter, r *http.Request) {
	in, sender, ok := s.invited(w, r)
	if !ok {
		return
	}
	if !s.byLink.allow(r.PathValue("token"), s.config.Now()) {
		s.tooMany(w, r)
		return
	}
	select {
	case s.submits <- struct{}{}:
		defer func() { <-s.submits }()
	default: // More at once would only wait for the store together.
		w.Header().Set("Retry-After", "3")
		s.notice(w, r, http.StatusServiceUnavailable, notice{
			Title: "A lot of people are joining right now",
			Text:  "Wait a few seconds, go back and send the form again. What you typed is still there.",
		})
		return
	}
	if !s.parse(w, r) || !s.unused(w, r, in, sender) {
		return
	}
	s.take(w, r, in, sender)
}

// parse reads the body within its limits.
func (s *Site) parse(w http.ResponseWriter, r *http.Request) bool {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" {
		s.notice(w, r, http.StatusUnsupportedMediaType, notice{
			Title: "That's not our form", Text: "Open the link in your text message and fill in the page there.",
		})
		return false
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	var tooLarge *http.MaxBytesError
	switch err := r.ParseForm(); {
	case errors.As(err, &tooLarge):
		s.notice(w, r, http.StatusRequestEntityTooLarge, notice{
			Title: "That's too much text", Text: "Go back and shorten what you typed. Nothing was saved.",
		})
		return false
	case err != nil:
		s.notice(w, r, http.StatusBadRequest, notice{
			Title: "We couldn't read the form", Text: "Go back and send it again. Nothing was saved.",
		})
		return false
	}
	return true
}

func (s *Site) take(w http.ResponseWriter, r *http.Request, in conversation.Invitation, sender Sender) {
	now := s.config.Now()
	form := readForm(r.PostForm)
	a, wrong, tooYoung := form.check(now.UTC())
	disclosure := Disclosure(sender)
	version := disclosureVersion(disclosure)
	if len(wrong) == 0 && r.PostForm.Get(fieldVersion) != version {
		form.Consent = false
		wrong = append(wrong, problem{fieldConsent, "The words beside the box have changed since you opened this page. Please read them and tick it again."})
	}
	switch {
	case tooYoung:
		s.tooYoung(w, r)
		return
	case len(wrong) > 0:
		s.form(w, r, http.StatusUnprocessableEntity, sender, form, wrong)
		return
	}
	a.Language = language(r.Header.Get("Accept-Language"))
	err := s.joiner.Join(r.Context(), conversation.Joining{
		Invitation: in, Profile: a,
		Evidence: community.Evidence{
			TextVersion: version, Disclosure: disclosure, PageURL: s.config.PublicURL + "/j/…", // The token is a key, and no evidence.
			IP: s.config.ClientIP(r), UserAgent: cut(strings.ToValidUTF8(r.UserAgent(), ""), 400), At: now,
		},
	})
	switch {
	case errors.Is(err, conversation.ErrUsed):
		s.unused(w, r, in, sender) // Someone was faster with the same link; says where it stands now.
	case errors.Is(err, conversation.ErrTooYoung):
		s.tooYoung(w, r)
	case err != nil:
		s.failed(w, r, "join", err)
	default:
		http.Redirect(w, r, "/j/"+r.PathValue("token")+"/done", http.StatusSeeOther)
	}
}

func (s *Site) tooYoung(w http.ResponseWriter, r *http.Request) {
	s.notice(w, r, http.StatusForbidden, notice{
		Title: "Sorry, you can't join yet",
		Text:  fmt.Sprintf("You have to be at least %d years old. We've kept nothing of what you typed.", community.MinAge),
	})
}

// done thanks; it stands behind the link so that only who has it sees it.
func (s *Site) done(w http.ResponseWriter, r *http.Request) {
	in, sender, ok := s.invited(w, r)
	if !ok {
		return
	}
	standing, err := s.joiner.Standing(r.Context(), in)
	switch {
	case err != nil:
		s.failed(w, r, "standing", err)
	case standing == conversation.Open:
		http.Redirect(w, r, "/j/"+r.PathValue("token"), http.StatusSeeOther)
	case standing != conversation.Joined:
		s.used(w, r, sender, standing)
	default:
		s.render(w, r, http.StatusOK, "done", view{Title: "You're in!", Sender: sender})
	}
}

func (s *Site) terms(w http.ResponseWriter, r *http.Request)   { s.legal(w, r, "terms", "Terms") }
func (s *Site) privacy(w http.ResponseWriter, r *http.Request) { s.legal(w, r, "privacy", "Privacy") }

func (s *Site) legal(w http.ResponseWriter, r *http.Request, page, title string) {
	sender, ok := s.sender(w, r, r.PathValue("number"))
	if !ok {
		return
	}
	s.render(w, r, http.StatusOK, page, view{Title: title + " · " + brand(sender), Sender: sender, Data: struct {
		Brand    string
		MinAge   int
		LinkLife string
	}{brand(sender), community.MinAge, life(s.links.TTL())}})
}

// life says how long in words.
func life(d time.Duration) string {
	if days := int(d.Hours() / 24); days >= 2 {
		return fmt.Sprintf("%d days", days)
	}
	if hours := int(d.Hours()); hours >= 2 {
		return fmt.Sprintf("%d hours", hours)
	}
	return fmt.Sprintf("%d minutes", int(d.Minutes()))
}

// sender looks up the number in an address.
func (s *Site) sender(w http.ResponseWriter, r *http.Request, digits string) (Sender, bool) {
	number, err := message.ParseSender(digits)
	if err != nil {
		err = ErrNoSender
	}
	var sender Sender
	if err == nil {
		sender, err = s.directory.Sender(r.Context(), number)
	}
	switch {
	case errors.Is(err, ErrNoSender):
		s.notice(w, r, http.StatusNotFound, notice{Title: "That's not a number of ours", Text: "Check the address and try again."})
	case err != nil:
		s.failed(w, r, "sender", err)
	}
	return sender, err == nil
}

// stylesheet may be kept for ever: its address changes with it.
func (s *Site) stylesheet(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	s.write(w, r, s.style)
}

func robots(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("User-agent: *\nDisallow: /j/\n")) // The visitor's connection is nobody's concern.
}

func (s *Site) notice(w http.ResponseWriter, r *http.Request, status int, n notice) {
	s.render(w, r, status, "notice", view{Title: n.Title, Sender: n.Sender, Data: n})
}

// failed is our fault: the visitor is told that, the log why.
func (s *Site) failed(w http.ResponseWriter, r *http.Request, what string, err error) {
	if r.Context().Err() == nil {
		s.config.Log.Error("page failed", "page", what, "err", err)
	}
	w.Header().Set("Retry-After", "10")
	s.notice(w, r, http.StatusServiceUnavailable, notice{
		Title: "That's on us",
		Text:  "Something went wrong on our side. Please try again in a minute; nothing you typed is lost if you go back.",
	})
}

// render writes a page whole or not at all.
func (s *Site) render(w http.ResponseWriter, r *http.Request, status int, page string, v view) {
	sum := sha256.Sum256(s.style)
	v.Style = "/style.css?" + hex.EncodeToString(sum[:6])
	var b bytes.Buffer
	if err := s.pages[page].Execute(&b, v); err != nil {
		s.config.Log.Error("page failed", "page", page, "err", err)
		http.Error(w, "Something went wrong on our side. Please try again in a minute.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	s.write(w, r, b.Bytes())
}

// write sends a body; that a visitor has left is no error of ours.
func (s *Site) write(w http.ResponseWriter, r *http.Request, body []byte) {
	if _, err := w.Write(body); err != nil {
		s.config.Log.Debug("visitor left", "path", r.Pattern, "err", err)
	}
}

// language is the first language that the browser asks for, in two letters.
func language(accept string) string {
	first, _, _ := strings.Cut(accept, ",")
	first, _, _ = strings.Cut(first, ";")
	first, _, _ = strings.Cut(strings.TrimSpace(first), "-")
	if len(first) != 2 || strings.Trim(strings.ToLower(first), "abcdefghijklmnopqrstuvwxyz") != "" {
		return ""
	}
	return strings.ToLower(first)
}

// cut shortens s to n octets at most, between characters.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}
