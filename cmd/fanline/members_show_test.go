package main

import (
	"strings"
	"testing"
)

func TestAMemberIsShownWithTheCarrierOfTheImport(t *testing.T) {
	p := startProcess(t)
	p.mustSay("members", "import", p.file("people.csv", "phone,first_name,carrier\n+13125550101,Ann,acme\n"))
	out := p.mustSay("members", "show", "+13125550101")
	for _, want := range []string{"phone                 +13125550101", "name                  Ann", "consent               joined since", "carrier, as imported  acme"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	if out = p.mustSay("members", "show", "1", "--json"); !strings.Contains(out, `"imported":"acme"`) {
		t.Error(out)
	}
}
