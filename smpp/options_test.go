package smpp

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOptionsKeepOrderRepetitionAndUnknownTags(t *testing.T) {
	o := Options(nil).Append(0x1400, []byte("key")).Append(TagMessageState, []byte{2}).Append(0xFFFF, nil).Append(TagMessageState, []byte{5})
	type tlv struct {
		Tag   Tag
		Value string
	}
	var got []tlv
	for tag, v := range o.All() {
		got = append(got, tlv{tag, string(v)})
	}
	want := []tlv{{0x1400, "key"}, {TagMessageState, "\x02"}, {0xFFFF, ""}, {TagMessageState, "\x05"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if v, ok := o.Get(TagMessageState); !ok || string(v) != "\x02" {
		t.Errorf("the first of two is %v, %v", v, ok)
	}
	if v, ok := o.Get(0xFFFF); !ok || len(v) != 0 {
		t.Errorf("an empty value is %v, %v", v, ok)
	}
	if _, ok := o.Get(TagUserMessageReference); ok {
		t.Error("what isn't there is found")
	}
	for range o.All() {
		break
	}
}

func TestIntegersAreReadInAnyLengthUpToFour(t *testing.T) {
	for _, tc := range []struct {
		value []byte
		want  uint32
		ok    bool
	}{
		{[]byte{}, 0, false},
		{[]byte{7}, 7, true},
		{[]byte{1, 2}, 0x102, true},
		{[]byte{0, 1, 2}, 0x102, true},
		{[]byte{0xFF, 0xFF, 0xFF, 0xFF}, 0xFFFFFFFF, true},
		{[]byte{0, 0, 0, 0, 1}, 1, true},
		{[]byte{1, 0, 0, 0, 0}, 0, false},
	} {
		if got, ok := Options(nil).Append(TagDestinationPort, tc.value).Uint(TagDestinationPort); got != tc.want || ok != tc.ok {
			t.Errorf("% x: got %d, %v", tc.value, got, ok)
		}
	}
}

func TestTextsAreReadWithAndWithoutNUL(t *testing.T) {
	for value, want := range map[string]string{"abc\x00": "abc", "abc": "abc", "": "", "\x00": "", "a\x00b\x00": "a"} {
		if got, ok := Options(nil).Append(TagReceiptedMessageID, []byte(value)).Text(TagReceiptedMessageID); !ok || got != want {
			t.Errorf("%q: got %q, %v", value, got, ok)
		}
	}
}

func TestTheTableOfTagsIsInOrder(t *testing.T) {
	last := TagInfo{}
	names := map[string]bool{}
	for _, info := range Tags() {
		if info.Tag <= last.Tag || info.Min > info.Max || names[info.Name] {
			t.Errorf("%+v stands behind %+v", info, last)
		}
		if info.Kind == KindInteger && (info.Min < 1 && info.Tag != TagAlertOnMessageDelivery || info.Max > 4) {
			t.Errorf("%s is an integer of %d to %d octets", info.Name, info.Min, info.Max)
		}
		if got, ok := info.Tag.Lookup(); !ok || got != info || info.Tag.String() != info.Name {
			t.Errorf("%v is found as %+v", info, got)
		}
		last, names[info.Name] = info, true
	}
	if got := Tag(0x1400).String(); got != "0x1400" {
		t.Errorf("a vendor tag is called %s", got)
	}
	if n := len(Tags()); n < 43 {
		t.Errorf("%d tags, 3.4 alone has 43", n)
	}
}

func TestWhatTagsFitIsWhatTheTableSays(t *testing.T) {
	for tag := range 1 << 16 {
		info, _ := Tag(tag).Lookup()
		for _, n := range []int{0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 17, 18, 19, 20, 23, 24, 64, 65, 66, 67, 101, 102, 255, 256, 257, 1024, 1025, 65535} {
			want := n >= info.Min && n <= info.Max
			if info.Tag == TagMsValidity {
				want = n == 1 || n == 4
			}
			if got := Tag(tag).fits(n); got != want {
				t.Errorf("%s of %d octets: %v, want %v", info.Name, n, got, want)
			}
		}
	}
}
