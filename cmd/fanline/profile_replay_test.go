package main

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fanline/engine"
	"fanline/engine/carrier"
	"fanline/engine/message"
	"fanline/smpp"
)

var updateProfiles = flag.Bool("update-profiles", false, "write testdata/profiles/*.golden anew")

// Every profile of configs/carriers is replayed: what it makes of a set of texts,
// and of what was captured from such carriers (testdata/profiles/NAME.captured),
// stands in testdata/profiles/NAME.golden.
func TestEveryProfileReplaysAsRecorded(t *testing.T) {
	for _, name := range profileNames() {
		t.Run(name, func(t *testing.T) {
			settings, err := LoadProfile(name)
			if err != nil {
				t.Fatal(err)
			}
			profile, err := carrier.NewProfile(settings.settings(name))
			if err != nil {
				t.Fatal(err)
			}
			values := map[string]string{}
			for _, tlv := range profile.TLVNames() {
				values[tlv] = "11" + fmt.Sprint(len(tlv))
			}
			profile, err = profile.WithSenders(map[message.Phone]carrier.Sender{
				17735550100: {Kind: "long_code", Values: values}, 447700900100: {Kind: "long_code", Values: values}, 12345: {Kind: "short_code", Values: values},
				18885550100: {Kind: "toll_free", Values: values}, 17735550111: {Kind: "long_code", Address: "FANLINE", Values: values},
			})
			if err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			encodeAll(t, &out, profile)
			decodeAll(t, &out, profile, name)
			golden := filepath.Join("testdata", "profiles", name+".golden")
			if *updateProfiles {
				if err := os.WriteFile(golden, out.Bytes(), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(out.String(), "\n")); diff != "" {
				t.Errorf("-recorded +now:\n%s", diff)
			}
		})
	}
}

// encodeAll writes each part as a line of hexadecimal digits, and holds that the
// plain decoder reads it.
func encodeAll(t *testing.T, out *bytes.Buffer, profile *carrier.Profile) {
	t.Helper()
	encoder := carrier.NewEncoder(profile)
	for _, text := range []struct {
		from, to message.Phone
		body     string
	}{
		{17735550100, 13125550199, "Hey Ana @ [é]"},
		{447700900100, 447700900123, "Hey Ana"},
		{12345, 13125550199, "short code"},
		{18885550100, 13125550199, "toll-free"},
		{17735550111, 13125550199, "a name"},
		{17735550100, 13125550199, "Да 🎉"},
		{17735550100, 13125550199, strings.Repeat("0123456789", 16) + "€"},
		{17735550100, 13125550199, strings.Repeat("ж", 66) + "🎉" + strings.Repeat("ж", 10)},
	} {
		var parts engine.Parts
		in := &engine.Text{
			Number: text.from, Phone: text.to, Key: message.Key{Broadcast: 7, Member: 12}, Body: []byte(text.body), Validity: 4 * time.Hour, Reference: 0xA7,
		}
		if err := encoder.Encode(&parts, in); err != nil {
			t.Fatalf("%q: %v", text.body, err)
		}
		fmt.Fprintf(out, "encode %q from %v to %v\n", text.body, text.from, text.to)
		from := 0
		for _, end := range parts.Ends {
			_, p, err := smpp.Decode(parts.Buf[from:end])
			if err != nil {
				t.Fatalf("%q: %v", text.body, err)
			}
			submit := p.(*smpp.SubmitSM)
			if strings.HasSuffix(submit.ValidityPeriod, "+") { // It changes with the clock.
				submit.ValidityPeriod = "absolute"
			}
			fmt.Fprintf(out, "  source %d/%d %s, destination %d/%d %s, esm_class %#02x, data_coding %d, validity_period %q, priority %d, service_type %q, short_message %x",
				submit.Source.TON, submit.Source.NPI, submit.Source.Addr, submit.Destination.TON, submit.Destination.NPI, submit.Destination.Addr,
				submit.ESMClass, submit.DataCoding, submit.ValidityPeriod, submit.PriorityFlag, submit.ServiceType, submit.ShortMessage)
			for tag, value := range submit.Options.All() {
				fmt.Fprintf(out, ", %#04x %x", uint16(tag), value)
			}
			fmt.Fprintln(out)
			from = end
		}
	}
}

// decodeAll reads what was captured.
func decodeAll(t *testing.T, out *bytes.Buffer, profile *carrier.Profile, name string) {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", "profiles", name+".captured"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	ps := carrier.NewProfiles(map[string]*carrier.Profile{name: profile})
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line := lines.Text()
		if id, ok := strings.CutPrefix(line, "id "); ok {
			fmt.Fprintf(out, "response id %s is %s\n", id, profile.CanonicalID([]byte(id)))
			continue
		}
		if strings.HasPrefix(line, "#") {
			fmt.Fprintf(out, "decode %s\n", strings.TrimPrefix(line, "# "))
			continue
		}
		pdu, err := hex.DecodeString(line)
		if err != nil {
			t.Fatal(err)
		}
		if r, ok := ps.Receipt(name, pdu); ok {
			fmt.Fprintf(out, "  receipt id %s, %v, err %q, member %v, number %v\n", profile.CanonicalID(slices.Clone(r.ID)), r.State, r.Err, r.Phone, r.To)
			continue
		}
		text, part, err := ps.Text(name, pdu)
		from, to := profile.Addresses(pdu)
		fmt.Fprintf(out, "  text %q of part %d/%d (%#x) from %v to %v, error %v\n", text, part.Part, part.Parts, part.Reference, from, to, err)
	}
}
