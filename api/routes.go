package api

import (
	"fmt"
	"net/http"

	"fanline/community"
	"fanline/engine/message"
)

// Route says which carrier a message of a number to a phone would take, and
// why.
type Route struct {
	Number message.Phone    `json:"number"`
	Phone  message.Phone    `json:"phone"`
	Member message.MemberID `json:"member"` // 0: a stranger, or no process was asked

	Evidence    []RouteEvidence  `json:"evidence"`     // the strongest first
	Network     string           `json:"network"`      // home network of the member; "": unknown
	NetworkFrom message.Evidence `json:"network_from"` // none, prefix, import, lookup
	Region      string           `json:"region"`       // ISO 3166 of the phone; "": no possible number
	Country     string           `json:"country"`      // the longest code that rules name and the phone begins with; "": none
	Rule        string           `json:"rule"`         // that decides; "": the number's own list of carriers
	Only        bool             `json:"only"`         // the rule lets no other carrier step in
	Choices     []RouteChoice    `json:"choices"`      // in the order in which they are tried

	Live     bool     `json:"live"`     // a running process was asked: choices say whether they are healthy
	Carrier  string   `json:"carrier"`  // that gets it now; offline: when all are healthy; "": none
	Why      string   `json:"why"`      // of Carrier
	Failover []string `json:"failover"` // who follows Carrier, in order
	Problem  string   `json:"problem,omitempty"`
}

// RouteEvidence is one thing known of the phone and what came of it.
type RouteEvidence struct {
	Source message.Evidence `json:"source"` // lookup, seen, import, prefix
	Says   string           `json:"says"`
	Used   bool             `json:"used"`
	Why    string           `json:"why"`
}

// RouteChoice is a carrier that may take the message.
type RouteChoice struct {
	Carrier string           `json:"carrier"`
	Group   int              `json:"group"`  // of priority, 0 first
	Weight  int              `json:"weight"` //
	Share   float64          `json:"share"`  // of all phones of its group, 0 to 1
	From    message.Evidence `json:"from"`   // evidence that put it there; none: rule or list
	Healthy *bool            `json:"healthy,omitempty"`
	Health  string           `json:"health,omitempty"` // in words
}

// route explains the way to a phone.
func (a *API) route(w http.ResponseWriter, r *http.Request) error {
	n, err := a.numberOf(r)
	if err != nil {
		return err
	}
	phone, err := message.ParsePhone(r.PathValue("phone"))
	if err != nil {
		return invalid("phone", "%v", err)
	}
	if a.Route == nil {
		return fmt.Errorf("routes are not known here: %w", community.ErrNotFound)
	}
	m, err := a.Store.FindMember(r.Context(), n.Number, phone)
	if err != nil {
		return err
	}
	told := a.Route(m, phone)
	told.Member, told.Live = m.Member.ID, true
	return a.answer(w, r, told)
}
