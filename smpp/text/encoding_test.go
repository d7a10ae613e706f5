package text

import "testing"

func TestATextIsSentAsUCS2OnlyIfItMust(t *testing.T) {
	for _, tc := range []struct {
		text string
		want Encoding
		ok   bool
	}{
		{"", GSM7, true},
		{"Hey {{first_name}} ~ [8€]", GSM7, true},
		{"¿Qué tal, señor?", GSM7, true},
		{"Così è", GSM7, true},
		{"tú", UCS2, true},
		{"don’t", UCS2, true},
		{"`", UCS2, true},
		{"ok 👍", UCS2, true},
		{"broken \xff", UCS2, false},
		{"a replacement \uFFFD is a character", UCS2, true},
	} {
		if got, ok := Encode(tc.text); got != tc.want || ok != tc.ok {
			t.Errorf("%q: got %v, %v", tc.text, got, ok)
		}
	}
}

func TestDataCodingSaysHowOctetsAreRead(t *testing.T) {
	for _, tc := range []struct {
		coding   byte
		in, want string
	}{
		{0, "\x00\x1be", "@€"},
		{1, "a@\xe9", "a@\uFFFD"},
		{2, "\x01\xff", "\u0001ÿ"},
		{3, "caf\xe9", "café"},
		{4, "\x00\xff", "\u0000ÿ"},
		{8, "\x00a\xd8\x3d\xdc\x4d", "a👍"},
		{8, "\x00a\xd8\x3d", "a\uFFFD"}, // The low half is missing.
		{8, "\xd8\x3d\x00a", "\uFFFDa"}, // It is something else.
		{8, "\xdc\x4d\x00a", "\uFFFDa"}, // Or there is no high half.
		{8, "\xd8\x3d\xd8\x3d\xdc\x4d", "\uFFFD👍"},
		{8, "\x00a\x00", "a\uFFFD"},
		{0x10, "\x00", "@"}, // Class 0, as flash texts come.
		{0x18, "\x04\x11", "Б"},
		{0xC8, "\x00", "@"},
		{0xE0, "\x04\x11", "Б"},
		{0xF1, "\x00", "@"},
		{0xF5, "\xe9", "é"},
		{0x99, "\xe9", "é"},
	} {
		if got := Decode(tc.coding, []byte(tc.in)); got != tc.want {
			t.Errorf("data_coding %#x, % x: got %q, want %q", tc.coding, tc.in, got, tc.want)
		}
	}
}

func FuzzText(f *testing.F) {
	f.Add(byte(0), []byte("\x1be\x00\x7f\xe9\x1b"))
	f.Add(byte(1), []byte("a\xe9"))
	f.Add(byte(3), []byte("caf\xe9"))
	f.Add(byte(8), []byte("\xd8\x3d\xdc\x4d\xdc\x00\x00"))
	f.Add(byte(0xF5), []byte("\x05\x00\x03"))
	f.Fuzz(func(t *testing.T, coding byte, b []byte) {
		s := Decode(coding, b)
		// What was decoded is text, and encoding it again keeps it.
		if enc, ok := Encode(s); !ok {
			t.Errorf("%q is no UTF-8", s)
		} else if enc == GSM7 {
			out, ok := AppendGSM7(nil, s)
			if back := Decode(0, out); !ok || back != s {
				t.Errorf("%q comes back as %q", s, back)
			}
		}
		if back := Decode(8, AppendUCS2(nil, s)); back != s {
			t.Errorf("%q comes back as %q", s, back)
		}
	})
}
