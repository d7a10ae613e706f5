package api

import (
	"net/http"
	"time"

	"fanline/community"
)

// MemberView is a member as the store has him or her.
type MemberView struct {
	Person
	Since  time.Time      `json:"since"` // of the present consent
	Joined time.Time      `json:"joined"`
	Ways   community.Ways `json:"ways"` // what is known of the way to the phone
}

// member shows one member.
func (a *API) member(w http.ResponseWriter, r *http.Request) error {
	_, m, err := a.memberOf(r)
	if err != nil {
		return err
	}
	return a.answer(w, r, MemberView{Person: personOf(m.Member, m.Consent), Since: m.Since, Joined: m.Joined, Ways: m.Ways})
}
