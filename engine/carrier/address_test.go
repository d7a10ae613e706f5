package carrier

import (
	"fmt"
	"strings"
	"testing"

	"fanline/engine/message"
	"fanline/smpp"
)

func TestInboundAddressesAreReadInEveryForm(t *testing.T) {
	none := profileOf(t, nil)
	american := profileOf(t, func(s *Settings) { s.CountryCode = "1" })
	british := profileOf(t, func(s *Settings) { s.CountryCode = "44" })
	region := func(code string) *Profile { return profileOf(t, func(s *Settings) { s.Region = code }) }
	us, gb, it, ru, hu, de := region("US"), region("GB"), region("IT"), region("RU"), region("HU"), region("DE")
	for _, test := range []struct {
		name string
		p    *Profile
		ton  byte
		addr string
		want message.Phone
	}{
		{"international", none, 1, "17735550100", 17735550100},
		{"unknown type, no country", none, 0, "17735550100", 17735550100},
		{"plus", none, 0, "+17735550100", 17735550100},
		{"plus, wrongly national", none, 2, "+17735550100", 17735550100},
		{"00", none, 0, "0017735550100", 17735550100},
		{"blanks around", none, 1, " 17735550100 ", 17735550100},
		{"alphanumeric", none, 5, "ACME", 0},
		{"digits that say they are letters", none, 5, "17735550100", 0},
		{"letters that say nothing", none, 0, "ACME", 0},
		{"empty", none, 1, "", 0},
		{"too long", none, 1, "1234567890123456", 0},
		{"short code", none, 3, "12345", 0},
		{"ten digits of North America", american, 0, "7735550100", 17735550100},
		{"eleven digits of North America", american, 0, "17735550100", 17735550100},
		{"trunk prefix by country code", british, 0, "07700900123", 447700900123},
		{"national type by country code", british, 2, "7700900123", 447700900123},
		{"international by country code", british, 1, "447700900123", 447700900123},
		{"US, ten digits", us, 0, "7735550100", 17735550100},
		{"US, written for people", us, 0, "(773) 555-0100", 17735550100},
		{"US, dialled abroad", us, 0, "011447700900123", 447700900123},
		{"GB, trunk prefix", gb, 0, "07700900123", 447700900123},
		{"GB, national type", gb, 2, "7700900123", 447700900123},
		{"GB, trunk prefix written twice", gb, 0, "+44 (0)7700 900123", 447700900123},
		{"GB, international", gb, 0, "447700900123", 447700900123},
		{"GB, abroad", gb, 1, "17735550100", 17735550100},
		{"IT keeps its zero", it, 0, "0612345678", 390612345678},
		{"IT, mobile", it, 2, "3123456789", 393123456789},
		{"RU has 8", ru, 0, "89123456789", 79123456789},
		{"RU, international", ru, 0, "79123456789", 79123456789},
		{"HU has 06", hu, 0, "06201234567", 36201234567},
		{"DE, trunk prefix", de, 0, "015123456789", 4915123456789},
		{"DE, letters", de, 0, "Sparkasse", 0},
	} {
		if got := test.p.phone(test.ton, test.addr); got != test.want {
			t.Errorf("%s: %q is %d, want %d", test.name, test.addr, got, test.want)
		}
	}
}

func TestOurNumbersAreWrittenByTheirKind(t *testing.T) {
	numbers := map[message.Phone]Sender{
		17735550100: {Kind: "long_code"}, 18885550100: {Kind: "toll_free"}, 12345: {Kind: "short_code"}, 12345678: {Kind: "short_code"},
		17735550111: {Kind: "long_code", Address: "ACME Fans"}, 17735550122: {Address: "447700900100"},
	}
	international, national := Address{1, 1}, Address{2, 8}
	for name, test := range map[string]struct {
		change func(*Settings)
		want   map[message.Phone]smpp.Address
	}{
		"as it stands": {func(s *Settings) {}, map[message.Phone]smpp.Address{
			17735550100: {TON: 1, NPI: 1, Addr: "17735550100"}, 18885550100: {TON: 1, NPI: 1, Addr: "18885550100"}, 12345: {TON: 3, NPI: 0, Addr: "12345"},
			12345678: {TON: 3, NPI: 0, Addr: "12345678"}, 17735550111: {TON: 5, NPI: 0, Addr: "ACME Fans"}, 17735550122: {TON: 1, NPI: 1, Addr: "447700900100"},
			17735550133: {TON: 1, NPI: 1, Addr: "17735550133"}, 54321: {TON: 3, NPI: 0, Addr: "54321"},
		}},
		"each its own": {
			func(s *Settings) {
				s.Source, s.TollFree, s.ShortCode, s.Alphanumeric, s.NumberFormat = international, &Address{0, 3}, &Address{6, 9}, &Address{5, 1}, "plus"
			},
			map[message.Phone]smpp.Address{
				17735550100: {TON: 1, NPI: 1, Addr: "+17735550100"}, 18885550100: {TON: 0, NPI: 3, Addr: "+18885550100"}, 12345: {TON: 6, NPI: 9, Addr: "12345"},
				12345678: {TON: 6, NPI: 9, Addr: "12345678"}, 17735550111: {TON: 5, NPI: 1, Addr: "ACME Fans"},
			},
		},
		"national": {
			func(s *Settings) {
				s.Source, s.TollFree, s.NumberFormat, s.CountryCode, s.TrunkPrefix = national, &national, "national", "1", "1"
			},
			map[message.Phone]smpp.Address{17735550100: {TON: 2, NPI: 8, Addr: "17735550100"}, 447700900100: {TON: 1, NPI: 1, Addr: "447700900100"}},
		},
		"with 00": {func(s *Settings) { s.NumberFormat = "00" }, map[message.Phone]smpp.Address{17735550100: {TON: 1, NPI: 1, Addr: "0017735550100"}}},
	} {
		p, err := profileOf(t, test.change).WithSenders(numbers)
		if err != nil {
			t.Fatal(err)
		}
		for number, want := range test.want {
			if got := p.source(number); got != want {
				t.Errorf("%s: %d is %+v, want %+v", name, number, got, want)
			}
		}
	}
}

func TestWhatStandsForANumberIsReadAsTheNumber(t *testing.T) {
	p, err := profileOf(t, nil).WithSenders(map[message.Phone]Sender{17735550111: {Address: "ACME"}, 17735550122: {Address: "447700900100"}})
	if err != nil {
		t.Fatal(err)
	}
	for addr, want := range map[string]message.Phone{"ACME": 17735550111, "447700900100": 17735550122, "17735550100": 17735550100} {
		if got := p.sender(1, addr); got != want {
			t.Errorf("%s is %d, want %d", addr, got, want)
		}
	}
	receipt := deliver(t, &smpp.DeliverSM{
		Source: smpp.Address{TON: 1, NPI: 1, Addr: "13125550199"}, Destination: smpp.Address{TON: 5, Addr: "ACME"},
		ESMClass: smpp.ESMReceipt, ShortMessage: receiptText("1", "DELIVRD", "000"),
	})
	if r, ok := p.Receipt(receipt); !ok || r.To != 17735550111 {
		t.Errorf("%+v", r)
	}
}

// @ is octet 0 of GSM 03.38: in an address that is encoded so it would be the end.
func TestNoAddressHoldsWhatGSM7HasElsewhere(t *testing.T) {
	for address, ok := range map[string]bool{
		"ACME": true, "Fan Club 24": true, "": true, "17735550100": true, "+17735550100": true, "A.B-C/D": true,
		"a@b": false, "$100": false, "A_B": false, "[X]": false, "Café": false, "TWELVELETTER": false, strings.Repeat("1", 21): false, "A\x00B": false, "A`B": false,
	} {
		_, err := profileOf(t, nil).WithSenders(map[message.Phone]Sender{17735550100: {Address: address}})
		if (err == nil) != ok {
			t.Errorf("%q: %v", address, err)
		}
	}
	_, err := profileOf(t, nil).WithSenders(map[message.Phone]Sender{17735550100: {Address: "ACME"}, 17735550101: {Address: "ACME"}})
	if err == nil {
		t.Error("two numbers with one address")
	}
	if _, err := profileOf(t, nil).WithSenders(map[message.Phone]Sender{17735550100: {Kind: "pigeon"}}); err == nil {
		t.Error("a number of no kind")
	}
}

func TestTheNumberingPlanIsAskedOnceForAnAddress(t *testing.T) {
	p := profileOf(t, func(s *Settings) { s.Region = "US" })
	for i := range rememberMost + 10 {
		addr := fmt.Sprintf("(773) %03d-%04d", 200+i/10000, i%10000)
		if got, want := p.phone(0, addr), message.Phone(17730000000+2_000_000+i); got != want {
			t.Fatalf("%s is %d, want %d", addr, got, want)
		}
	}
	if n := len(p.addresses.plan.known); n > rememberMost {
		t.Errorf("%d addresses remembered", n)
	}
	if allocs := testing.AllocsPerRun(100, func() { p.phone(0, "(773) 201-6384") }); allocs > 0 {
		t.Errorf("%v allocations for an address that is known", allocs)
	}
	if allocs := testing.AllocsPerRun(100, func() { p.phone(1, "17732016384") }); allocs > 0 {
		t.Errorf("%v allocations for a plain one", allocs)
	}
}

func FuzzAddress(f *testing.F) {
	f.Add(byte(0), "+17735550100", "US")
	f.Add(byte(2), "07700900123", "GB")
	f.Add(byte(1), "0011", "DE")
	profiles := map[string]*Profile{}
	for _, region := range []string{"US", "GB", "DE", "IT", "RU"} {
		profiles[region] = profileOf(f, func(s *Settings) { s.Region = region })
	}
	f.Fuzz(func(t *testing.T, ton byte, addr, region string) {
		p := profiles[region]
		if p == nil {
			p = profiles["US"]
		}
		if got := p.phone(ton, addr); got != 0 && !got.Valid() {
			t.Errorf("%q is %d", addr, got)
		}
	})
}

func BenchmarkAddress(b *testing.B) {
	p := profileOf(b, func(s *Settings) { s.Region = "GB" })
	for name, test := range map[string]struct {
		ton  byte
		addr string
	}{"plain": {1, "447700900123"}, "trunk": {0, "07700900123"}, "remembered": {0, "+44 7700 900123"}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p.phone(test.ton, test.addr)
			}
		})
	}
}
