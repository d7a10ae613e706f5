package smpp

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// tracedPDUs reads testdata/trace.hex, whose PDUs were made by another
// program's encoder, except those that only SMPP 3.3 has: a comment, then the
// octets.
func tracedPDUs(t testing.TB) (names []string, pdus [][]byte) {
	t.Helper()
	file, err := os.ReadFile("testdata/trace.hex")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(file)) {
		line = strings.TrimSpace(line)
		if name, ok := strings.CutPrefix(line, "# "); ok {
			names = append(names, name)
			continue
		}
		b, err := hex.DecodeString(line)
		if err != nil {
			t.Fatal(err)
		}
		pdus = append(pdus, b)
	}
	return names, pdus
}

func TestTraceTellsEveryFieldInTheWordsOfTheSpecification(t *testing.T) {
	var got bytes.Buffer
	names, pdus := tracedPDUs(t)
	for i, pdu := range pdus {
		object, err := Trace(pdu)
		var v map[string]any
		if jsonErr := json.Unmarshal(object, &v); jsonErr != nil {
			t.Fatalf("%s: %v in %s", names[i], jsonErr, object)
		}
		if _, told := v["error"]; told != (err != nil) {
			t.Errorf("%s: %v, and %s", names[i], err, object)
		}
		got.WriteString("# " + names[i] + "\n")
		got.Write(object)
		got.WriteByte('\n')
	}
	if *update {
		if err := os.WriteFile("testdata/trace.golden", got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/trace.golden")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestTheGoldenTraceHasEveryCommand(t *testing.T) {
	_, pdus := tracedPDUs(t)
	seen := map[CommandID]bool{}
	for _, pdu := range pdus {
		if h, p, err := Decode(pdu); err == nil {
			seen[h.ID] = p != nil
		}
	}
	for _, id := range commands {
		if !seen[id] {
			t.Errorf("%s is missing", id)
		}
	}
}

// A PDU that was read without warnings returns octet by octet.
func TestATraceTurnsBackIntoItsPDU(t *testing.T) {
	names, pdus := tracedPDUs(t)
	back := 0
	for i, pdu := range pdus {
		object, err := Trace(pdu)
		got, untraceErr := Untrace(object)
		if err != nil {
			if untraceErr == nil {
				t.Errorf("%s: the trace of an error became % x", names[i], got)
			}
			continue
		}
		if untraceErr != nil {
			t.Errorf("%s: %v", names[i], untraceErr)
			continue
		}
		if bytes.Contains(object, []byte(`"warnings"`)) {
			continue
		}
		back++
		if !bytes.Equal(got, pdu) {
			t.Errorf("%s:\n got %x\nwant %x", names[i], got, pdu)
		}
	}
	if back < 50 {
		t.Errorf("only %d PDUs came back", back)
	}
}

func TestAPDUCanBeWrittenByHand(t *testing.T) {
	for _, tc := range []struct{ object, want string }{
		{`{"command":"enquire_link","sequence_number":1}`, "00000010 00000015 00000000 00000001"},
		{`{"command":"generic_nack","status":"ESME_RINVCMDID","sequence_number":2}`, "00000010 80000000 00000003 00000002"},
		{`{"command_id":2147483652,"command_status":1025}`, "00000010 80000004 00000401 00000000"},
		{`{"command":"submit_sm_resp","fields":{"message_id":"é"}}`, "00000012 80000004 00000000 00000000 e900"},
		{
			`{"command":"deliver_sm_resp","fields":{"message_id":""},"tlvs":[{"name":"message_state","value":2},{"tag":5120,"value":"k"},
			 {"name":"receipted_message_id","value":"a"},{"tag":1060,"value_hex":"00ff"},{"name":"source_port","value":258}]}`,
			"0000002d 80000005 00000000 00000000 00 0427 0001 02 1400 0001 6b 001e 0002 6100 0424 0002 00ff 020a 0002 0102",
		},
	} {
		got, err := Untrace([]byte(tc.object))
		if want := strings.ReplaceAll(tc.want, " ", ""); err != nil || hex.EncodeToString(got) != want {
			t.Errorf("%s\n got %x, %v\nwant %s", tc.object, got, err, want)
		}
	}
}

func TestAnObjectThatIsNoPDUSaysWhy(t *testing.T) {
	for object, want := range map[string]string{
		``:                                    "EOF",
		`[]`:                                  "array",
		`{}`:                                  `command "" is not known`,
		`{"command":"submit_smm"}`:            `"submit_smm"`,
		`{"command":"unbind"}{}`:              "more than one",
		`{"command":"unbind","x":1}`:          `"x"`,
		`{"command":"unbind","command_id":4}`: "submit_sm, not unbind",
		`{"command_id":2147483906}`:           "alert_notification_resp",
		`{"command":"param_retrieve","tlvs":[{"tag":1,"value_hex":""}]}`:                       "no optional parameters",
		`{"command":"submit_multi","fields":{"dest_address":[{"dest_flag":1,"dl_name":"x"}]}}`: "dest_address[0]: has no field dl_name",
		`{"command":"submit_multi","fields":{"dest_address":7}}`:                               "dest_address",
		`{"command":"unbind","status":"ESME_NO"}`:                                              "ESME_NO",
		`{"command":"unbind","status":"ESME_ROK","command_status":8}`:                          "ESME_RSYSERR",
		`{"command":"unbind","fields":{"a":1,"b":2}}`:                                          "no field a, b",
		`{"command":"submit_sm","fields":{"esm_class":256}}`:                                   "esm_class",
		`{"command":"submit_sm","fields":{"service_type":7}}`:                                  "service_type",
		`{"command":"submit_sm","fields":{"service_type":"1234567"}}`:                          "at most 5",
		`{"command":"submit_sm","fields":{"source_addr":"ё"}}`:                                 "no octet",
		`{"command":"submit_sm","fields":{"short_message":"hey"}}`:                             "short_message",
		`{"command":"submit_sm","tlvs":[{"name":"nothing"}]}`:                                  "nothing",
		`{"command":"submit_sm","tlvs":[{"tag":5,"name":"sms_signal"}]}`:                       "dest_addr_subunit",
		`{"command":"submit_sm","tlvs":[{"tag":5}]}`:                                           "needs value_hex",
		`{"command":"submit_sm","tlvs":[{"tag":5,"value":256}]}`:                               "does not fit",
		`{"command":"submit_sm","tlvs":[{"tag":5,"value":null}]}`:                              "null",
		`{"command":"submit_sm","tlvs":[{"tag":5120,"value":null}]}`:                           "null",
		`{"command":"submit_sm","tlvs":[{"tag":5120,"value":7}]}`:                              "string",
		`{"command":"submit_sm","tlvs":[{"tag":5120,"value_hex":"7"}]}`:                        "odd length",
		`{"error":"smpp: …","offset":3,"field":"x"}`:                                           "could not be read",
	} {
		b, err := Untrace([]byte(object))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got % x, %v; want %s", object, b, err, want)
		}
	}
}
