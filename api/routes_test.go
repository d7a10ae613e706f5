package api

import (
	"net/http"
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
