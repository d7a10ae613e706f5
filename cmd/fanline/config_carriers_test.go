package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// carrierConfig is a configuration of one carrier of a profile, and one number.
func carrierConfig(t *testing.T, profile, carrier, number string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "p.yaml")
	if err := os.WriteFile(file, []byte(profile), 0o600); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("carriers:\n- {name: acme, profile: %s, hosts: ['h:1'], system_id: f, limit_per_second: 5%s}\n"+
		"numbers:\n- {number: '+17735550100', leader: l, carriers: [acme], limit_per_second: 5%s}\n", file, carrier, number)
}

func TestCarriersAreHeldToTheirProfiles(t *testing.T) {
	for name, test := range map[string]struct{ profile, carrier, number, want string }{
		"limits":                     {"limits: {binds: 2, window: 10, limit_per_second: 3}", ", binds: 3, window: 11", "", "carriers[0].binds: 3 found, at most 2 expected: profile"},
		"window":                     {"limits: {window: 10}", ", window: 11", "", "carriers[0].window: 11 found, at most 10"},
		"rate":                       {"limits: {limit_per_second: 3}", "", "", "carriers[0].limit_per_second: 5 found, at most 3"},
		"a transceiver of 3.3":       {"interface_version: '3.3'", "", "", "carriers[0].bind: transceiver, which SMPP 3.3"},
		"failover":                   {"", ", failover: sideways", "", `carriers[0].failover: "sideways" found, one of spread, priority expected`},
		"local address":              {"", ", local_address: eth0", "", `carriers[0].local_address: "eth0" found`},
		"bind":                       {"", ", bind: trio", "", "one of transceiver, transmitter, receiver, pair expected"},
		"back-off":                   {"", ", reconnect_min: 1h", "", "carriers[0].reconnect_min: 1h0m0s found"},
		"a value that is wanted":     {"tlvs: [{tag: 0x1401, name: campaign_id, required: true}]", "", "", "numbers[0].tlvs: carrier acme: carrier: number +177******00: the carrier wants a value for campaign_id"},
		"a value that nobody wants":  {"tlvs: [{tag: 0x1401, name: campaign_id}]", "", ", tlvs: {campaignid: C1}", "numbers[0].tlvs.campaignid: no profile of the number's carriers has a parameter of this name"},
		"a value of the wrong kind":  {"tlvs: [{tag: 0x1401, name: n, type: uint8}]", "", ", tlvs: {n: '300'}", "a number of 8 bits expected"},
		"an address of nobody":       {"", "", ", addresses: {beta: ACME}", `numbers[0].addresses.beta: the number goes by no carrier that is named "beta"`},
		"an address that is too odd": {"", "", ", addresses: {acme: 'a@b'}", "numbers[0].addresses.acme: carrier acme"},
	} {
		_, err := load(t, carrierConfig(t, test.profile, test.carrier, test.number))
		if err == nil || !strings.Contains(err.Error(), test.want) || !strings.HasPrefix(err.Error(), "c.yaml:") {
			t.Errorf("%s: %v\nwant %s", name, err, test.want)
		}
	}
}

func TestWhatAnAccountLeavesOpenIsTheProfilesBusiness(t *testing.T) {
	c, err := load(t, carrierConfig(t, "enquire_link: 50s\nreconnect_min: 45s", "", ""))
	if err != nil {
		t.Fatal(err)
	}
	if a := c.Carriers[0]; a.EnquireLink != 50*time.Second || a.ReconnectMin != 45*time.Second || a.ReconnectMax != 45*time.Second {
		t.Errorf("%+v", a)
	}
	c, err = load(t, carrierConfig(t, "enquire_link: 50s\nreconnect_min: 45s", ", enquire_link: 10s, reconnect_min: 1s, bind: pair, local_address: 127.0.0.5, failover: priority", ", addresses: {acme: ACME}"))
	if err != nil {
		t.Fatal(err)
	}
	accounts, err := c.accounts()
	if err != nil {
		t.Fatal(err)
	}
	if a := accounts[0]; a.EnquireLink != 10*time.Second || a.ReconnectMin != time.Second || a.ReconnectMax != 30*time.Second || a.Kind != "pair" ||
		a.LocalAddress.String() != "127.0.0.5" || !a.Priority {
		t.Errorf("%+v", a)
	}
}

func TestAProfileIsRefusedAtTheLineThatMakesNoSense(t *testing.T) {
	t.Chdir(t.TempDir())
	for text, want := range map[string]string{
		"long_text: udh8\nregion: XX\n":                             `profile p.yaml:2:9: region: "XX" makes no sense`,
		"number_format: national\n":                                 `profile p.yaml: country_code: "" makes no sense`,
		"data_coding: {ucs2: 256}\n":                                "profile p.yaml:1:21: data_coding.ucs2: 256 found, 0 to 255 expected",
		"data_coding_overrides: {\"x\": gsm7, \"4\": gsm8}\n":       `profile p.yaml:1:25: data_coding_overrides.x: "x" found, a data_coding of 0 to 255 expected`,
		"tlvs:\n- {tag: 0x1401}\n":                                  "profile p.yaml:2:4: tlvs[0]: neither name nor value found",
		"tlvs:\n- {tag: 0x1401, name: a}\n- {tag: 0x1401, name: b}": `profile p.yaml:3:9: tlvs[1].tag: "0x1401" makes no sense`,
		"interface_version: '3.3'\nlong_text: sar\n":                `profile p.yaml:1:20: interface_version: "3.3" makes no sense: it knows no optional parameters`,
		"validity: {form: sometimes}\n":                             `profile p.yaml:1:18: validity.form: "sometimes" found, one of relative, absolute, none expected`,
		"statuses: {\"0x58\": bind_sometimes}\n":                    "bind_retry, bind_fatal expected",
		"system_type: THIRTEENOCTETS\n":                             "profile p.yaml:1:14: system_type: 14 octets, 0 to 12 expected",
		"longtext: sar\n":                                           "did you mean long_text?",
	} {
		if err := os.WriteFile("p.yaml", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := LoadProfile("p.yaml")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\ngot  %v\nwant %s", text, err, want)
		}
	}
}

// default.yaml shows every key with its default, so that a copy of it changes
// nothing.
func TestTheDefaultProfileShowsEveryKeyWithItsDefault(t *testing.T) {
	shown, err := LoadProfile("default")
	if err != nil {
		t.Fatal(err)
	}
	want := defaultProfile()
	want.Receipts.States, want.Receipts.Errors, want.Statuses, want.DataCodingOverrides = map[string]string{}, map[string]string{}, map[string]string{}, map[string]string{}
	want.TLVs = []TLVProfile{}
	if diff := cmp.Diff(want, *shown); diff != "" {
		t.Error(diff)
	}
	raw, err := os.ReadFile("../../configs/carriers/default.yaml")
	if err != nil {
		t.Fatal(err)
	}
	keys, _ := fields(fieldOf(&want, "").Value)
	for _, key := range keys {
		if !strings.Contains(string(raw), "\n"+key+":") {
			t.Errorf("%s does not stand in default.yaml", key)
		}
	}
}
