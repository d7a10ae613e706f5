package route

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"fanline/engine/message"
)

// TestTheLongestPrefixIsFound compares the ranges with a search through all
// prefixes, over random ones that lie in one another.
func TestTheLongestPrefixIsFound(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 300 {
		ids := map[string]uint16{}
		var areas []area
		for range 1 + random.IntN(1+round) {
			digits := "1"
			for range random.IntN(7) {
				digits += fmt.Sprint(random.IntN(3) * 4)
			}
			if _, twice := ids[digits]; twice {
				continue
			}
			ids[digits] = uint16(len(ids) + 1)
			lo, hi, err := span(digits)
			if err != nil {
				t.Fatal(err)
			}
			areas = append(areas, area{lo, hi, value{ids[digits], uint8(len(digits))}})
		}
		found, err := newRanges(areas)
		if err != nil {
			t.Fatal(err)
		}
		for range 300 {
			phone := "1"
			for range random.IntN(15) {
				phone += fmt.Sprint(random.IntN(3) * 4)
			}
			var want uint16
			for n := len(phone); n > 0 && want == 0; n-- {
				want = ids[phone[:n]]
			}
			var p message.Phone
			if _, err := fmt.Sscan(phone, &p); err != nil {
				t.Fatal(err)
			}
			if got := found.find(p); got.id != want {
				t.Fatalf("phone %s among %v: %d, want %d", phone, ids, got.id, want)
			}
		}
	}
}

func TestAPhoneShorterThanAPrefixDoesNotHaveIt(t *testing.T) {
	lo, hi, err := span("12345670")
	if err != nil {
		t.Fatal(err)
	}
	found, err := newRanges([]area{{lo, hi, value{1, 8}}})
	if err != nil {
		t.Fatal(err)
	}
	for phone, want := range map[message.Phone]uint16{1234567: 0, 12345670: 1, 123456700: 1, 123456709999999: 1, 12345671: 0, 0: 0, 1e15: 0, 1<<64 - 1: 0} {
		if got := found.find(phone); got.id != want {
			t.Errorf("%d: %d, want %d", phone, got.id, want)
		}
	}
}

func TestAFileOfPrefixesIsReadStrictly(t *testing.T) {
	got, err := ReadPrefixes(strings.NewReader("\xef\xbb\xbfPrefix,network\n# the first\n+1312,att\n\n1313,\"T-Mobile, US\"\r\n"), "p.csv")
	if err != nil || len(got) != 2 || got[0] != (Prefix{Digits: "1312", Network: "att"}) || got[1] != (Prefix{Digits: "1313", Network: "T-Mobile, US"}) {
		t.Error(got, err)
	}
	for in, want := range map[string]string{
		"":                                     "p.csv:1: want the line prefix,network",
		"1312,att\n":                           "p.csv:1: want the line prefix,network",
		"prefix,network\n1312,att\n13x2,att\n": `p.csv:3: prefix "13x2": want 1 to 15 digits`,
		"prefix,network\n0312,att\n":           `p.csv:2: prefix "0312"`,
		"prefix,network\n1312\n":               "p.csv:2: 1 columns",
		"prefix,network\n1312,\n":              "p.csv:2: prefix 1312 without a network",
		"prefix,network\n1,a\n2,b\n+1,a\n":     "p.csv:4: prefix 1 already stands on line 2",
		"prefix,network\n1,\"a\n":              "p.csv:",
	} {
		if _, err := ReadPrefixes(strings.NewReader(in), "p.csv"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", in, err, want)
		}
	}
	_, err = ReadPrefixes(strings.NewReader("prefix,network\n"+strings.Repeat("x,y\n", 1000)), "p.csv")
	if err == nil || strings.Count(err.Error(), "\n") != 20 {
		t.Error("1000 bad lines:", err)
	}
}

func FuzzReadPrefixes(f *testing.F) {
	f.Add("prefix,network\n1312,att\n13125,tmo\n", uint64(13125550123))
	f.Fuzz(func(t *testing.T, in string, phone uint64) {
		prefixes, err := ReadPrefixes(strings.NewReader(in), "f")
		if err != nil {
			return
		}
		made, err := New(Config{Carriers: []string{"a"}, Numbers: []Number{{Phone: 100, Carriers: []string{"a"}}}, Prefixes: prefixes})
		if err != nil {
			t.Fatalf("read but not taken: %v", err)
		}
		if got := made.Choices(nil, Query{Number: 100, Phone: message.Phone(phone)}); len(got) != 1 {
			t.Fatal(got)
		}
	})
}

func hundredThousand() string {
	var file strings.Builder
	file.WriteString("prefix,network\n")
	for i := range 100_000 {
		fmt.Fprintf(&file, "%d,network %d\n", 12_000_000+i*71, i%100)
	}
	return file.String()
}

func BenchmarkLoad100kPrefixes(b *testing.B) {
	file := hundredThousand()
	for b.Loop() {
		prefixes, err := ReadPrefixes(strings.NewReader(file), "p.csv")
		if err != nil {
			b.Fatal(err)
		}
		if _, err := New(Config{Prefixes: prefixes}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFindAmong100kPrefixes(b *testing.B) {
	prefixes, err := ReadPrefixes(strings.NewReader(hundredThousand()), "p.csv")
	if err != nil {
		b.Fatal(err)
	}
	made, err := New(Config{Prefixes: prefixes})
	if err != nil {
		b.Fatal(err)
	}
	for i := uint64(0); b.Loop(); i++ {
		made.prefixes.find(message.Phone(12_000_000_000 + i*1_000_003%7_000_000_000))
	}
}
