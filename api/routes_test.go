package api

import (
	"net/http"
	"strings"
	"testing"

	"fanline/community"
	"fanline/engine/message"
)

func TestARouteIsExplainedWithWhatTheStoreKnows(t *testing.T) {
	h := newHouse(t)
	h.join(community.Profile{FirstName: "Ann"})
	got := ask[Route](h, "GET", "/v1/numbers/"+ourNumber.String()+"/routes/"+phoneOf(0).String(), "")
	if got.Member != 1 || !got.Live || got.Carrier != "acme" || got.Phone != phoneOf(0) {
		t.Errorf("%+v", got)
	}
	if got = ask[Route](h, "GET", "/v1/numbers/"+ourNumber.String()+"/routes/+442070000000", ""); got.Member != 0 {
		t.Errorf("a stranger: %+v", got)
	}
	if w := h.do("GET", "/v1/numbers/"+ourNumber.String()+"/routes/x", ""); w.Code != http.StatusBadRequest {
		t.Error(w.Code, w.Body)
	}
}

// routeOf stands for the program's table.
func routeOf(m community.Membership, phone message.Phone) Route {
	return Route{Number: m.Number, Phone: phone, Carrier: "acme", Evidence: []RouteEvidence{}, Choices: []RouteChoice{}, Failover: []string{}}
}

func TestAMemberIsShownWithTheWayToThePhone(t *testing.T) {
	h := newHouse(t)
	file := strings.NewReader("phone,first_name,carrier\n" + phoneOf(0).String() + ",Ann,acme\n")
	if _, err := h.store.Import(t.Context(), file, community.ImportOptions{Number: ourNumber, Format: community.CSV}); err != nil {
		t.Fatal(err)
	}
	got := ask[MemberView](h, "GET", "/v1/numbers/"+ourNumber.String()+"/members/"+phoneOf(0).String(), "")
	if got.FirstName != "Ann" || got.Consent != community.Joined || got.Ways != (community.Ways{Imported: "acme"}) || got.Joined.IsZero() {
		t.Errorf("%+v", got)
	}
	if w := h.do("GET", "/v1/numbers/"+ourNumber.String()+"/members/7", ""); w.Code != http.StatusNotFound {
		t.Error(w.Code, w.Body)
	}
}
