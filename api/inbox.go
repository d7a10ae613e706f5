package api

import (
	"net/http"
	"strconv"
	"time"

	"fanline/community"
	"fanline/engine/message"
)

// Person is a member as a leader sees him or her.
type Person struct {
	Member    message.MemberID  `json:"member"`
	Phone     message.Phone     `json:"phone"`
	FirstName string            `json:"first_name"`
	LastName  string            `json:"last_name"`
	City      string            `json:"city"`
	State     string            `json:"state"`
	Birth     string            `json:"birth_date,omitempty"`
	Gender    string            `json:"gender,omitempty"`
	Email     string            `json:"email,omitempty"`
	Language  string            `json:"language,omitempty"`
	Consent   community.Consent `json:"consent"`
}

func personOf(m community.Member, consent community.Consent) Person {
	return Person{
		Member: m.ID, Phone: m.Phone, FirstName: m.FirstName, LastName: m.LastName, City: m.City, State: m.State,
		Birth: m.Birth.String(), Gender: m.Gender, Email: m.Email, Language: m.Language, Consent: consent,
	}
}

// ThreadLine is a line of the inbox.
type ThreadLine struct {
	Person
	Last   community.Text `json:"last"`
	Unread int            `json:"unread"`
}

// ThreadView is a whole thread, oldest text first.
type ThreadView struct {
	Person
	Texts []community.Text `json:"texts"`
}

// How many lines a list has.
const (
	defaultLimit = 50
	maxLimit     = 1000
)

func limitOf(r *http.Request) (int, error) {
	text := r.URL.Query().Get("limit")
	if text == "" {
		return defaultLimit, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxLimit {
		return 0, invalid("limit", "%q: want a number from 1 to %d", text, maxLimit)
	}
	return n, nil
}

// inbox lists threads, newest first; before is the time of the last line that
// the client has.
func (a *API) inbox(w http.ResponseWriter, r *http.Request) error {
	n, err := a.numberOf(r)
	if err != nil {
		return err
	}
	limit, err := limitOf(r)
	if err != nil {
		return err
	}
	var before time.Time
	if text := r.URL.Query().Get("before"); text != "" {
		if before, err = time.Parse(time.RFC3339Nano, text); err != nil {
			return invalid("before", "%q: want a time such as 2026-11-22T12:00:00Z", text)
		}
	}
	heads, err := a.Store.ListThreads(r.Context(), n.Number, before, limit)
	if err != nil {
		return err
	}
	lines := make([]ThreadLine, len(heads))
	for i, h := range heads {
		lines[i] = ThreadLine{Person: personOf(h.Member, h.Consent), Last: h.Last, Unread: h.Unread}
	}
	return a.answer(w, r, struct {
		Number  message.Phone `json:"number"`
		Threads []ThreadLine  `json:"threads"`
	}{n.Number, lines})
}

// memberOf reads a member in a path: an id, or a phone with its plus sign.
// Who has never joined is not there for a leader.
func (a *API) memberOf(r *http.Request) (message.Phone, community.Membership, error) {
	n, err := a.numberOf(r)
	if err != nil {
		return 0, community.Membership{}, err
	}
	text := r.PathValue("member")
	var m community.Membership
	if text != "" && text[0] == '+' {
		phone, err := message.ParsePhone(text)
		if err != nil {
			return 0, m, invalid("member", "%v", err)
		}
		m, err = a.Store.FindMember(r.Context(), n.Number, phone)
		if err != nil {
			return 0, m, err
		}
	} else {
		id, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			return 0, m, invalid("member", "%q: want a member's id, or a phone with its plus sign", text)
		}
		if m, err = a.Store.Member(r.Context(), n.Number, message.MemberID(id)); err != nil {
			return 0, m, err
		}
	}
	if m.Joined.IsZero() {
		return 0, m, &Error{Status: http.StatusNotFound, Field: "member", Problem: "nobody of that number has joined"}
	}
	return n.Number, m, nil
}

func (a *API) thread(w http.ResponseWriter, r *http.Request) error {
	number, m, err := a.memberOf(r)
	if err != nil {
		return err
	}
	limit, err := limitOf(r)
	if err != nil {
		return err
	}
	texts, err := a.Store.Thread(r.Context(), number, m.Member.ID, limit)
	if err != nil {
		return err
	}
	return a.answer(w, r, ThreadView{Person: personOf(m.Member, m.Consent), Texts: orEmpty(texts)})
}

func (a *API) markRead(w http.ResponseWriter, r *http.Request) error {
	number, m, err := a.memberOf(r)
	if err != nil {
		return err
	}
	if err := a.Store.MarkRead(r.Context(), number, m.Member.ID); err != nil {
		return err
	}
	return a.answer(w, r, struct {
		Member message.MemberID `json:"member"`
		Unread int              `json:"unread"`
	}{m.Member.ID, 0})
}

// Reply is what a leader answers.
type Reply struct {
	Text string `json:"text"`
}

// Replied is what became of it.
type Replied struct {
	ID     string           `json:"id"` // the key of the message
	Member message.MemberID `json:"member"`
}

func (a *API) reply(w http.ResponseWriter, r *http.Request) error {
	number, m, err := a.memberOf(r)
	if err != nil {
		return err
	}
	var body Reply
	if err := readJSON(w, r, &body); err != nil {
		return err
	}
	id, err := a.Store.AddReply(r.Context(), number, m.Member.ID, body.Text, a.ReplyValidity)
	if err != nil {
		return err
	}
	a.writeJSON(w, r, http.StatusCreated, Replied{ID: id.String(), Member: m.Member.ID})
	return nil
}
