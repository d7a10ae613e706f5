package message

import (
	"errors"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestAPhoneIsReadWithOrWithoutPlusAndSeparators(t *testing.T) {
	for text, want := range map[string]Phone{
		"+17735550100":            17735550100,
		"17735550100":             17735550100,
		"+1 (773) 555-0100":       17735550100,
		"1.773.555.0100":          17735550100,
		" 1773 5550100 ":          17735550100,
		"+44 7700 900123":         447700900123,
		"1000000":                 1_000_000, // 7 digits are the fewest
		"+999999999999999":        maxPhone,  // and 15 the most.
		"+9-9-9-9-9-9-9-9-9-9":    9999999999,
		"+1(((((((((((7735550100": 17735550100,
	} {
		if got, err := ParsePhone(text); err != nil || got != want {
			t.Errorf("%q: got %d, %v; want %d", text, uint64(got), err, uint64(want))
		}
	}
}

func TestWhatIsNoPhoneIsRefusedWithItsReason(t *testing.T) {
	for text, reason := range map[string]string{
		"":                   "0 digits",
		"+":                  "0 digits",
		"123456":             "6 digits, at least 7",
		"+1234567890123456":  "more than 15 digits",
		"07700900123":        "begins with 0",
		"+01 773":            "begins with 0",
		"1+7735550100":       `character '+' at position 2`,
		" +17735550100":      `character '+' at position 2`,
		"++17735550100":      `character '+' at position 2`,
		"773555o100":         `character 'o' at position 7`,
		"17735550100;ext=1":  `character ';' at position 12`,
		"1773\t5550100":      `character '\t' at position 5`,
		"1773\x005550100":    `character '\x00' at position 5`,
		"\u0661\u0667\u0667": `at position 1`, // Digits of other scripts are not guessed either.
	} {
		got, err := ParsePhone(text)
		if !errors.Is(err, ErrPhone) || !strings.Contains(err.Error(), reason) || got != 0 {
			t.Errorf("%q: got %d, %v; want an error with %q", text, uint64(got), err, reason)
		}
	}
}

func TestARefusedTextLeavesThePhoneAsItWas(t *testing.T) {
	p := Phone(17735550100)
	if err := p.UnmarshalText([]byte("none")); err == nil || p != 17735550100 {
		t.Errorf("got %d, %v", uint64(p), err)
	}
	if err := p.UnmarshalText([]byte("+447700900123")); err != nil || p != 447700900123 {
		t.Errorf("got %d, %v", uint64(p), err)
	}
}

func TestAShortCodeIsANumberOfOursAndNobodysPhone(t *testing.T) {
	for text, want := range map[string]Phone{"773": 773, "12345": 12345, "999999": 999_999, "+17735550100": 17735550100} {
		got, err := ParseSender(text)
		if err != nil || got != want || got.String() != text {
			t.Errorf("%q: got %d, written %s, %v", text, uint64(got), got, err)
		}
	}
	for _, text := range []string{"", "12", "012", "07735", "+773", "+12345", "77-3", " 773", "7 7 3", "12a45"} {
		if got, err := ParseSender(text); !errors.Is(err, ErrPhone) || got != 0 {
			t.Errorf("%q: got %d, %v", text, uint64(got), err)
		}
	}
	if p := Phone(12345); p.Valid() || p.Masked() != "12345" {
		t.Errorf("valid %v, masked %s", p.Valid(), p.Masked())
	}
}

func TestOnlyAWholeE164NumberIsValid(t *testing.T) {
	for p, want := range map[Phone]bool{0: false, 999_999: false, 1_000_000: true, maxPhone: true, maxPhone + 1: false} {
		if p.Valid() != want {
			t.Errorf("%d: valid %v", uint64(p), !want)
		}
	}
}

func TestALogShowsNoMoreThanTheCountryAndTheLastTwoDigits(t *testing.T) {
	for p, want := range map[Phone]string{
		17735550100: "+177******00", 447700900123: "+447*******23", 1234567: "+123**67", maxPhone: "+999**********99",
	} {
		var log strings.Builder
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "phone", p)
		if p.Masked() != want || !strings.Contains(log.String(), "phone="+want) || strings.Contains(log.String(), p.Digits()) {
			t.Errorf("%d: masked %s, log %s", uint64(p), p.Masked(), log.String())
		}
	}
}

// The numbers were computed by another implementation of xxHash's
// specification; where they change, every log that exists becomes unreadable.
func TestTheSlotOfAPhoneNeverChanges(t *testing.T) {
	for _, tc := range []struct {
		phone Phone
		slot  int
		of12  int32
		of24  int32
	}{
		{1_234_567, 857, 5, 17},
		{17735550100, 78, 6, 6},
		{17735550101, 47, 11, 23},
		{13125550199, 182, 2, 14},
		{447700900123, 413, 5, 5},
		{4915112345678, 735, 3, 15},
		{maxPhone, 289, 1, 1},
	} {
		if got := tc.phone.Slot(); got != tc.slot {
			t.Errorf("%d: slot %d, for ever %d", uint64(tc.phone), got, tc.slot)
		}
		if a, b := tc.phone.Partition(12), tc.phone.Partition(24); a != tc.of12 || b != tc.of24 {
			t.Errorf("%d: partition %d of 12 and %d of 24, want %d and %d", uint64(tc.phone), a, b, tc.of12, tc.of24)
		}
	}
}

func TestTheSlotsOfNeighbouringPhonesAreSpreadEvenly(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	var slots [Slots]int
	const each = 400
	first := Phone(10_000_000_000 + rng.Uint64N(1_000_000_000))
	for i := range Phone(each * Slots) {
		slots[(first+i).Slot()]++
	}
	for slot, n := range slots {
		if n < each*7/10 || n > each*13/10 { // Six standard deviations.
			t.Errorf("slot %d holds %d phones of about %d", slot, n, each)
		}
	}
}

func FuzzParsePhone(f *testing.F) {
	f.Add("+1 (773) 555-0100")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParsePhone(text)
		if err != nil {
			if !errors.Is(err, ErrPhone) || p != 0 {
				t.Fatalf("%q: %d, %v", text, uint64(p), err)
			}
			return
		}
		if digits := strings.NewReplacer(" ", "", "-", "", ".", "", "(", "", ")", "", "+", "").Replace(text); digits != p.Digits() {
			t.Fatalf("%q was read as %s", text, p.Digits())
		}
		if again, err := ParsePhone(p.String()); !p.Valid() || err != nil || again != p {
			t.Fatalf("%q: %d reads back as %d, %v", text, uint64(p), uint64(again), err)
		}
		if slot := p.Slot(); slot < 0 || slot >= Slots {
			t.Fatalf("%q: slot %d", text, slot)
		}
	})
}
