package receipts

import "testing"

func TestSeenRemembersAtLeastItsLimitAndForgetsInTheEnd(t *testing.T) {
	s := NewSeen(100)
	for i := range 1000 {
		s.Add(uint64(i) + 1)
		for j := max(0, i-99); j <= i; j++ {
			if !s.Has(uint64(j) + 1) {
				t.Fatalf("after %d: %d forgotten", i, j)
			}
		}
		if !s.Again(uint64(i) + 1) {
			t.Fatalf("%d is new once more", i)
		}
	}
	if s.Has(6) {
		t.Error("nothing is ever forgotten")
	}
}

func TestAStyleTellsBaseCaseAndPadding(t *testing.T) {
	for _, c := range []struct {
		ids  []string
		want string
	}{
		{nil, "none seen"},
		{[]string{"1776000000000001"}, "decimal, 16 octets"},
		{[]string{"0000012345", "0000012346"}, "decimal, 10 octets, zero-padded"},
		{[]string{"7A1F", "7120"}, "hex, upper case, 4 octets"},
		{[]string{"00ab", "1ab"}, "hex, lower case, 3 to 4 octets, zero-padded"},
		{[]string{"0f2504e0-4f89-11d3-9a0c-0305e82c3301"}, "UUID, lower case, 36 octets"},
		{[]string{"", "msg_1"}, "other, empty, 5 octets"},
	} {
		var s Style
		for _, id := range c.ids {
			s.Observe([]byte(id))
		}
		if got := s.String(); got != c.want {
			t.Errorf("%q: %q, want %q", c.ids, got, c.want)
		}
	}
}
