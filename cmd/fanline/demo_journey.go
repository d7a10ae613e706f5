package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"fanline/api"
	"fanline/community"
	"fanline/community/conversation"
	"fanline/smpp/smsc"
)

// The steps of the journey.
const (
	stepTexts     = "a fan texts the number"
	stepLink      = "the first reply is a link to the form"
	stepForm      = "she opens the form, fills it in and sends it"
	stepConfirmed = "the confirmation text arrives"
	stepCard      = "the contact card arrives, a vCard with a picture"
	stepAsks      = "she asks something"
	stepInbox     = "her question is in the inbox"
	stepAnswer    = "the leader's answer arrives at her phone"
	stepStranger  = "a stranger texts, gets a link, and is not in the inbox"
	stepCity      = "a text to one city reaches its members and nobody else"
	stepEarly     = "another fan joins"
	stepStart     = "the broadcast to all members starts"
	stepEarlyStop = "a fan in its audience texts STOP, and gets one confirmation"
	stepSecond    = "a second fan joins while the broadcast runs"
	stepStop      = "she texts STOP too, and gets one confirmation"
	stepNothing   = "nobody was sent anything after their STOP"
)

// journeySteps lists the steps in the order of the story.
func journeySteps() []string {
	return []string{
		stepTexts, stepLink, stepForm, stepConfirmed, stepCard, stepAsks, stepInbox, stepAnswer, stepStranger,
		stepCity, stepEarly, stepStart, stepEarlyStop, stepSecond, stepStop, stepNothing,
	}
}

// The fans of the story, by role. The first and the early one have joined when
// the broadcast starts, so they are in its audience.
const (
	roleFirst    = "first"
	roleStranger = "stranger"
	roleEarly    = "early"
	roleSecond   = "second"

	fansInAudience = 2
)

// fanCity is where the first fan lives: the smallest city of the simulation.
const fanCity, fanState = "Providence", "RI"

// answersOf is what a fan fills into the form.
func answersOf(role string) map[string]string {
	who := map[string][]string{
		roleFirst:  {"Ana", "Pereira", fanCity, fanState, "f", "ana@example.com"},
		roleEarly:  {"Ben", "Okafor", "Boston", "MA", "m", ""},
		roleSecond: {"Cleo", "Martin", "Chicago", "IL", "x", "cleo@example.com"},
	}[role]
	if who == nil {
		return nil
	}
	return map[string]string{
		"first_name": who[0], "last_name": who[1], "city": who[2], "state": who[3], "gender": who[4], "email": who[5],
		"birth_month": "4", "birth_day": "12", "birth_year": "1999", "consent": "yes",
	}
}

// What is said in the story.
const (
	fanHello    = "Hi! Is this really you?"
	fanQuestion = "Will you play Providence this year?"
	fanAnswer   = "Yes, in June! I'd love to see you there."
	textToCity  = "Hey {{first_name}}, I'm in {{city}} tonight. Come and say hello!"
	textToAll   = "Hey {{first_name}}, the new tour is out. See you in {{city}}?"
)

// How long one step may take. One that waits for what a crash left uncertain
// waits in vain, so after a restart less patience is shown at first.
const (
	stepWithin  = time.Minute
	stepRetaken = 15 * time.Second
)

// stepError is why a step was not taken.
type stepError struct {
	step demoStep
	err  error
}

func (e *stepError) Error() string { return e.step.Name + ": " + e.err.Error() }

func (e *stepError) Unwrap() error { return e.err }

// step takes a step that was not taken yet, and keeps that it was.
func (m *demo) step(ctx context.Context, name string, take func(ctx context.Context) error) error {
	if m.memory.taken(name) {
		return nil
	}
	own, cancel := context.WithTimeoutCause(ctx, m.patience, fmt.Errorf("%v have passed", m.patience))
	defer cancel()
	begin := time.Now()
	err := take(own)
	done := demoStep{Name: name, OK: err == nil, MS: milliseconds(time.Since(begin))}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	m.screen.note("  %s %-58s %8.0f ms", m.screen.mark(done.OK), name, done.MS)
	if err != nil {
		return &stepError{done, err}
	}
	return m.memory.change(ctx, func(s *demoState) { s.Steps = append(s.Steps, done) })
}

// with takes steps as the fan of a role. A crash in the middle of a single text
// leaves it uncertain, and what is uncertain is not sent twice; then nobody
// waits for it any longer, and another fan takes the steps anew.
func (m *demo) with(ctx context.Context, role string, steps []string, take func(ctx context.Context, f *fan) error) error {
	defer func() { m.patience = stepWithin }()
	for again := false; ; again = true {
		m.patience = stepWithin
		if m.resumed && !again {
			m.patience = stepRetaken
		}
		var phone string
		if err := m.memory.change(ctx, func(s *demoState) { phone = s.phone(role) }); err != nil {
			return err
		}
		err := take(ctx, &fan{phone: phone, carrier: m.carrier, browser: m.browser, answers: answersOf(role)})
		if err == nil || ctx.Err() != nil || again || !m.resumed {
			return err
		}
		m.screen.note("    %v;\n    the crash left it uncertain, and what is uncertain is not sent twice: another fan takes that place", err)
		if err := m.memory.change(ctx, func(s *demoState) { s.again(role, steps) }); err != nil {
			return err
		}
	}
}

// story is the journey up to the broadcast to all.
func (m *demo) story(ctx context.Context) error {
	err := m.with(ctx, roleFirst, []string{stepTexts, stepLink, stepForm, stepConfirmed, stepCard, stepAsks, stepInbox, stepAnswer}, m.first)
	if err != nil {
		return err
	}
	if err := m.with(ctx, roleStranger, []string{stepStranger}, m.stranger); err != nil {
		return err
	}
	if err := m.city(ctx); err != nil {
		return err
	}
	return m.with(ctx, roleEarly, []string{stepEarly}, func(ctx context.Context, f *fan) error {
		return m.step(ctx, stepEarly, func(ctx context.Context) error { return m.join(ctx, f) })
	})
}

// first is the first fan's way from her first text to the leader's answer.
func (m *demo) first(ctx context.Context, f *fan) error {
	steps := []struct {
		name string
		take func(ctx context.Context) error
	}{
		{stepTexts, func(ctx context.Context) error { return f.text(ctx, fanHello) }},
		{stepLink, func(ctx context.Context) error { _, err := m.link(ctx, f); return err }},
		{stepForm, func(ctx context.Context) error {
			link, err := m.link(ctx, f)
			if err != nil {
				return err
			}
			return f.signUp(ctx, link)
		}},
		{stepConfirmed, func(ctx context.Context) error { return m.confirmed(ctx, f) }},
		{stepCard, func(ctx context.Context) error { return m.card(ctx, f) }},
		{stepAsks, func(ctx context.Context) error { return f.text(ctx, fanQuestion) }},
		{stepInbox, func(ctx context.Context) error { return m.inInbox(ctx, f) }},
		{stepAnswer, func(ctx context.Context) error { return m.answer(ctx, f) }},
	}
	for _, s := range steps {
		if err := m.step(ctx, s.name, s.take); err != nil {
			return err
		}
	}
	return nil
}

// link waits for the link to the form, which stands in the first reply.
func (m *demo) link(ctx context.Context, f *fan) (string, error) {
	link, err := f.awaitLink(ctx, "the link to the form", m.n.cfg.HTTP.PublicURL+"/j/")
	if err != nil {
		return "", err
	}
	sent, err := f.carrier.Messages(ctx, f.phone)
	if err == nil && linkIn(sent[0].Text, m.n.cfg.HTTP.PublicURL+"/j/") == "" {
		err = fmt.Errorf("the first reply to %s is not the link", f.phone)
	}
	return link, err
}

func (m *demo) confirmed(ctx context.Context, f *fan) error {
	words, err := m.words.Fill(conversation.TextConfirmation, m.fields)
	if err != nil {
		return err
	}
	_, err = f.await(ctx, "the confirmation", func(s smsc.Sent) bool { return s.Text == words })
	return err
}

func (m *demo) card(ctx context.Context, f *fan) error {
	link, err := f.awaitLink(ctx, "the link to the contact card", m.n.cfg.HTTP.PublicURL+"/card/")
	if err != nil {
		return err
	}
	return f.fetchCard(ctx, link)
}

// join is the whole way of a fan in one step.
func (m *demo) join(ctx context.Context, f *fan) error {
	if err := f.text(ctx, fanHello); err != nil {
		return err
	}
	link, err := m.link(ctx, f)
	if err != nil {
		return err
	}
	if err := f.signUp(ctx, link); err != nil {
		return err
	}
	if err := m.confirmed(ctx, f); err != nil {
		return err
	}
	return m.card(ctx, f)
}

// inbox reads the inbox as the command line does.
func (m *demo) inbox(ctx context.Context) ([]api.ThreadLine, error) {
	var all struct {
		Threads []api.ThreadLine `json:"threads"`
	}
	err := m.api.ask(ctx, http.MethodGet, pathOf("numbers", demoNumber, "inbox")+"?limit=1000", nil, &all)
	return all.Threads, err
}

func (m *demo) inInbox(ctx context.Context, f *fan) error {
	for {
		threads, err := m.inbox(ctx)
		if err != nil {
			return err
		}
		for _, t := range threads {
			if t.Phone.String() == f.phone && t.Last.Text == fanQuestion {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("her text is not in the inbox, which has %d threads: %w", len(threads), context.Cause(ctx))
		case <-time.After(phoneEvery):
		}
	}
}

// answer has the leader answer, once, and waits for it on the fan's phone.
func (m *demo) answer(ctx context.Context, f *fan) error {
	var thread api.ThreadView
	if err := m.api.ask(ctx, http.MethodGet, pathOf("numbers", demoNumber, "inbox", f.phone), nil, &thread); err != nil {
		return err
	}
	id := ""
	for _, t := range thread.Texts { // A crash may have come after it.
		if t.Direction == community.Out && t.Text == fanAnswer {
			id = t.MessageID
		}
	}
	if id == "" {
		var done api.Replied
		if err := m.api.ask(ctx, http.MethodPost, pathOf("numbers", demoNumber, "inbox", f.phone, "replies"), api.Reply{Text: fanAnswer}, &done); err != nil {
			return err
		}
		id = done.ID
	}
	_, err := f.await(ctx, "the answer", func(s smsc.Sent) bool { return s.Text == fanAnswer && s.Key == id })
	return err
}

// stranger texts, and never opens the link that comes back. Once it is there,
// the text was read, and the inbox may be asked.
func (m *demo) stranger(ctx context.Context, f *fan) error {
	return m.step(ctx, stepStranger, func(ctx context.Context) error {
		if err := f.text(ctx, fanHello); err != nil {
			return err
		}
		if _, err := m.link(ctx, f); err != nil {
			return err
		}
		threads, err := m.inbox(ctx)
		if err == nil && slices.ContainsFunc(threads, func(t api.ThreadLine) bool { return t.Phone.String() == f.phone }) {
			err = errors.New("somebody who has not joined is in the inbox")
		}
		return err
	})
}

// stopping texts STOP and waits for its confirmation.
func (m *demo) stopping(ctx context.Context, f *fan) error {
	if err := f.text(ctx, "STOP"); err != nil {
		return err
	}
	words, err := m.stopWords()
	if err != nil {
		return err
	}
	_, err = f.await(ctx, "the confirmation of the STOP", func(s smsc.Sent) bool { return s.Text == words })
	return err
}

func (m *demo) stopWords() (string, error) { return m.words.Fill(conversation.TextStopped, m.fields) }

// meanwhile is what happens while the broadcast runs: one fan, who is in its
// audience, stops before her turn; another joins and stops.
func (m *demo) meanwhile(ctx context.Context) error {
	early := m.with(ctx, roleEarly, []string{stepEarly, stepEarlyStop}, func(ctx context.Context, f *fan) error {
		// Only a fan who takes another's place has this before her.
		if err := m.step(ctx, stepEarly, func(ctx context.Context) error { return m.join(ctx, f) }); err != nil {
			return err
		}
		return m.step(ctx, stepEarlyStop, func(ctx context.Context) error { return m.stopping(ctx, f) })
	})
	if early != nil {
		return early
	}
	return m.with(ctx, roleSecond, []string{stepSecond, stepStop}, func(ctx context.Context, f *fan) error {
		if err := m.step(ctx, stepSecond, func(ctx context.Context) error { return m.join(ctx, f) }); err != nil {
			return err
		}
		return m.step(ctx, stepStop, func(ctx context.Context) error { return m.stopping(ctx, f) })
	})
}

// nothingAfter holds the simulator's account of the stops against what should
// be: one confirmation each, and nothing else.
func (m *demo) nothingAfter(ctx context.Context, after int64) error {
	if after > 0 {
		return fmt.Errorf("%d submits were read after the answer to a STOP", after)
	}
	words, err := m.stopWords()
	if err != nil {
		return err
	}
	var phones []string
	m.memory.look(func(s *demoState) { phones = []string{s.Phones[roleEarly], s.Phones[roleSecond]} })
	for _, phone := range phones {
		sent, err := m.carrier.Messages(ctx, phone)
		if err != nil {
			return err
		}
		confirmations := 0
		for _, s := range sent {
			if s.Text == words {
				confirmations++
			}
		}
		if confirmations != 1 {
			return fmt.Errorf("%s got %d confirmations of the STOP", phone, confirmations)
		}
		if last := sent[len(sent)-1]; last.Text != words {
			return fmt.Errorf("the last text to %s is not the confirmation of the STOP", phone)
		}
	}
	return nil
}
