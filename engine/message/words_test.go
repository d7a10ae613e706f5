package message

import "testing"

func TestEveryWordHasANameOfItsOwn(t *testing.T) {
	names := func(kind string, n int, of func(uint8) string) {
		seen := map[string]int{}
		for v := range n {
			name := of(uint8(v))
			if other, ok := seen[name]; ok || name == "" && (kind != "reason" || v != 0) {
				t.Errorf("%s %d is called %q, as is %d", kind, v, name, other)
			}
			seen[name] = v
		}
		// Past the last one there is only a number: no name was forgotten and none is too many.
		if got := of(uint8(n)); len(got) != len("11") && len(got) != len("1") {
			t.Errorf("%s %d is called %q", kind, n, got)
		}
	}
	names("class", Classes, func(v uint8) string { return Class(v).String() })
	names("policy", 2, func(v uint8) string { return Policy(v).String() })
	names("code", 4, func(v uint8) string { return Code(v).String() })
	names("state", States, func(v uint8) string { return State(v).String() })
	names("reason", int(reasonCount), func(v uint8) string { return Reason(v).String() })
}

func TestAPolicyReadsBackFromItsName(t *testing.T) {
	for _, p := range []Policy{AtMostOnce, AtLeastOnce} {
		if got, err := ParsePolicy(p.String()); err != nil || got != p {
			t.Errorf("%s: got %s, %v", p, got, err)
		}
	}
	if _, err := ParsePolicy("exactly-once"); err == nil {
		t.Error("a policy that nobody can keep was accepted")
	}
}
