package message

import (
	"errors"
	"math"
	"testing"
)

func TestAKeyReadsBackFromItsText(t *testing.T) {
	id, err := ParseID("01ARZ3NDEKTSV4RRFFQ69G5FAV")
	if err != nil {
		t.Fatal(err)
	}
	for text, key := range map[string]Key{
		"b7.12345":                   {Broadcast: 7, Member: 12345},
		"b1.0":                       {Broadcast: 1},
		"b4294967295.4294967295":     {Broadcast: math.MaxUint32, Member: math.MaxUint32},
		"01ARZ3NDEKTSV4RRFFQ69G5FAV": {ID: id},
		"7ZZZZZZZZZZZZZZZZZZZZZZZZZ": {ID: ID{255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255}},
	} {
		if got := key.String(); got != text {
			t.Errorf("%+v: text %s, want %s", key, got, text)
		}
		if got, err := ParseKey(text); err != nil || got != key {
			t.Errorf("%s: got %+v, %v", text, got, err)
		}
	}
	if got := string((Key{Broadcast: 7, Member: 1}).AppendText([]byte("key="))); got != "key=b7.1" {
		t.Errorf("appended: %s", got)
	}
}

func TestWhatIsNoKeyIsRefused(t *testing.T) {
	for _, text := range []string{
		"", "b", "b.", "b7", "b7.", "b.7", "b0.7", "b7.-1", "b+7.1", "b7.4294967296", "b4294967296.1", "b7.1.2", "b7.1 ", "c7.1", "B7.1",
		"01ARZ3NDEKTSV4RRFFQ69G5FA", "01ARZ3NDEKTSV4RRFFQ69G5FAVV", "01ARZ3NDEKTSV4RRFFQ69G5FAU", "8ZZZZZZZZZZZZZZZZZZZZZZZZZ",
	} {
		if got, err := ParseKey(text); !errors.Is(err, ErrKey) || got != (Key{}) {
			t.Errorf("%q: got %+v, %v", text, got, err)
		}
	}
}

// A reply's id is stored in the log and at the carrier: reading the inbound
// record again after an upgrade must find the same one.
func TestTheIDOfAnAutomaticReplyNeverChanges(t *testing.T) {
	base := ReplyID(17735550100, 13125550199, 3, 42, 0)
	if got, want := base.String(), "038ZZ7NKKYBP6WC0Y2DJ4DQZ14"; got != want {
		t.Errorf("got %s, for ever %s", got, want)
	}
	seen := map[ID]bool{base: true}
	for _, other := range []ID{
		ReplyID(17735550101, 13125550199, 3, 42, 0), ReplyID(17735550100, 13125550198, 3, 42, 0),
		ReplyID(17735550100, 13125550199, 4, 42, 0), ReplyID(17735550100, 13125550199, 3, 43, 0), ReplyID(17735550100, 13125550199, 3, 42, 1),
	} {
		if seen[other] {
			t.Errorf("%s names two replies", other)
		}
		seen[other] = true
	}
}

func TestANewIDIsAnotherOneAndNeverTheZeroOne(t *testing.T) {
	a, b := NewID(), NewID()
	if a == b || a.IsZero() || !(ID{}).IsZero() {
		t.Errorf("%s, %s", a, b)
	}
	if got, err := ParseID(a.String()); err != nil || got != a {
		t.Errorf("%s reads back as %s, %v", a, got, err)
	}
}

func FuzzParseKey(f *testing.F) {
	f.Add("b7.12345")
	f.Fuzz(func(t *testing.T, text string) {
		key, err := ParseKey(text)
		if err != nil {
			if !errors.Is(err, ErrKey) || key != (Key{}) {
				t.Fatalf("%q: %+v, %v", text, key, err)
			}
			return
		}
		if key.Broadcast != 0 && !key.ID.IsZero() {
			t.Fatalf("%q is a key of two kinds: %+v", text, key)
		}
		if again, err := ParseKey(key.String()); err != nil || again != key {
			t.Fatalf("%q: %+v is written %s, which is %+v, %v", text, key, key, again, err)
		}
	})
}
