package smpp

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// ucs2 widens ASCII to UTF-16BE.
func ucs2(s string) []byte {
	var b []byte
	for i := range len(s) {
		b = append(b, 0, s[i])
	}
	return b
}

// A receiptForm is a receipt as some carrier sends it, and what is to be
// understood.
type receiptForm struct {
	name string
	pdu  DeliverSM
	want Receipt
}

func receiptForms() []receiptForm {
	const std = "id:a1 sub:001 dlvrd:001 submit date:2601151200 done date:2601151201 stat:DELIVRD err:000 text:Hey"
	want := Receipt{ID: "a1", Stat: "DELIVRD", Err: "000", Text: "Hey", Sub: 1, Dlvrd: 1, SubmitDate: "2601151200", DoneDate: "2601151201", State: StateDelivered}
	with := func(f func(*Receipt)) Receipt { r := want; f(&r); return r }
	stat := func(word string, state byte) (string, Receipt) {
		return strings.Replace(std, "DELIVRD", word, 1), with(func(r *Receipt) { r.Stat, r.State = word, state })
	}
	id64 := strings.Repeat("0123456789abcdef", 4)
	text := func(s string) DeliverSM { return DeliverSM{ESMClass: ESMReceipt, ShortMessage: []byte(s)} }
	tlvID := Options(nil).AppendText(TagReceiptedMessageID, "A1")
	cases := []receiptForm{
		{"the specification's own", text(std), want},
		{"sub and dlvrd missing", text(strings.Replace(std, "sub:001 dlvrd:001 ", "", 1)), with(func(r *Receipt) { r.Sub, r.Dlvrd = 0, 0 })},
		{"text missing", text(strings.TrimSuffix(std, " text:Hey")), with(func(r *Receipt) { r.Text = "" })},
		{"err missing", text(strings.Replace(std, " err:000", "", 1)), with(func(r *Receipt) { r.Err = "" })},
		{"dates missing", text("id:a1 sub:001 dlvrd:001 stat:DELIVRD err:000 text:Hey"), with(func(r *Receipt) { r.SubmitDate, r.DoneDate = "", "" })},
		{"keys in another order", text("stat:DELIVRD err:000 done date:2601151201 submit date:2601151200 dlvrd:001 sub:001 id:a1 text:Hey"), want},
		{"keys in capitals", text(strings.NewReplacer("id:", "ID:", "sub", "SUB", "date", "DATE", "done", "DONE", "stat", "STAT", "err", "ERR", "text", "TEXT").Replace(std)), want},
		{"Text with a capital", text(strings.Replace(std, "text", "Text", 1)), want},
		{"values with blanks", text(strings.Replace(std, "text:Hey", "text:Hey you  there", 1)), with(func(r *Receipt) { r.Text = "Hey you  there" })},
		{"blanks behind colons", text(strings.ReplaceAll(std, ":", ": ")), want},
		{"dates of 12 digits", text(strings.ReplaceAll(std, "26011512", "2601151200")), with(func(r *Receipt) { r.SubmitDate, r.DoneDate = "260115120000", "260115120001" })},
		{"dates of 14 digits", text(strings.ReplaceAll(std, "26011512", "202601151200")), with(func(r *Receipt) { r.SubmitDate, r.DoneDate = "20260115120000", "20260115120001" })},
		{"dates of blanks", text("id:a1 sub:001 dlvrd:001 submit date:           done date:           stat:DELIVRD err:000 text:Hey"), with(func(r *Receipt) { r.SubmitDate, r.DoneDate = "", "" })},
		{"dates of zeros", text("id:a1 sub:001 dlvrd:001 submit date:0000000000 done date:0000000000 stat:DELIVRD err:000 text:Hey"), with(func(r *Receipt) { r.SubmitDate, r.DoneDate = "0000000000", "0000000000" })},
		{"an err of letters", text(strings.Replace(std, "err:000", "err:21b", 1)), with(func(r *Receipt) { r.Err = "21b" })},
		{"an err of four digits", text(strings.Replace(std, "err:000", "err:0000", 1)), with(func(r *Receipt) { r.Err = "0000" })},
		{"a do-not-disturb code", text(strings.Replace(std, "err:000", "err:11", 1)), with(func(r *Receipt) { r.Err = "11" })},
		{"an id with dashes", text(strings.Replace(std, "a1", "2f1c0a52-7b1e-4c55-9d1d-0a2b3c4d5e6f", 1)), with(func(r *Receipt) { r.ID = "2f1c0a52-7b1e-4c55-9d1d-0a2b3c4d5e6f" })},
		{"an id of 64 characters", text(strings.Replace(std, "a1", id64, 1)), with(func(r *Receipt) { r.ID = id64 })},
		{"an id with zeros in front", text(strings.Replace(std, "a1", "0000000042", 1)), with(func(r *Receipt) { r.ID = "0000000042" })},
		{"commas, and the id at the end", text("00,0210021543,0210021500,,447700900123,8000,1a2b"), Receipt{ID: "1a2b", Stat: "00", DoneDate: "0210021543", SubmitDate: "0210021500"}},
		{"message_payload and sm_length 0", DeliverSM{ESMClass: 4, Options: Options(nil).Append(TagMessagePayload, []byte(std))}, want},
		{"TLVs alone", DeliverSM{ESMClass: 4, Options: tlvID.AppendUint(TagMessageState, 5)}, Receipt{ID: "A1", Stat: "UNDELIV", State: StateUndeliverable}},
		{"an id in a TLV, the state in the text", DeliverSM{ESMClass: 4, ShortMessage: []byte("stat:EXPIRED err:001"), Options: tlvID}, Receipt{ID: "A1", Stat: "EXPIRED", Err: "001", State: StateExpired}},
		{"receipted_message_id without NUL", DeliverSM{ESMClass: 4, Options: Options(nil).Append(TagReceiptedMessageID, []byte("A1"))}, Receipt{ID: "A1"}},
		{"receipted_message_id and no message_state", DeliverSM{ESMClass: 4, Options: tlvID}, Receipt{ID: "A1"}},
		{"a TLV and no esm_class", DeliverSM{Options: tlvID.AppendUint(TagMessageState, 2)}, Receipt{ID: "A1", Stat: "DELIVRD", State: StateDelivered}},
		{"network_error_code as it should be", DeliverSM{ESMClass: 4, Options: tlvID.Append(TagNetworkErrorCode, []byte{3, 0, 34})}, Receipt{ID: "A1", Err: "34"}},
		{"network_error_code as three digits", DeliverSM{ESMClass: 4, Options: tlvID.Append(TagNetworkErrorCode, []byte("034"))}, Receipt{ID: "A1", Err: "034"}},
		{"UCS-2", DeliverSM{ESMClass: 4, DataCoding: CodingUCS2, ShortMessage: ucs2(std)}, want},
		{"UCS-2 with a byte order mark", DeliverSM{ESMClass: 4, DataCoding: CodingUCS2, ShortMessage: append([]byte{0xFE, 0xFF}, ucs2(std)...)}, want},
		{"UCS-2 that says data_coding 0", DeliverSM{ESMClass: 4, ShortMessage: ucs2(std)}, want},
		{"UCS-2 in message_payload", DeliverSM{ESMClass: 4, DataCoding: CodingUCS2, Options: Options(nil).Append(TagMessagePayload, ucs2(std))}, want},
		{"esm_class 0x08", DeliverSM{ESMClass: 0x08, ShortMessage: []byte(std)}, want},
		{"esm_class 0x20 is not the last word", DeliverSM{ESMClass: 0x20, ShortMessage: []byte(std)}, with(func(r *Receipt) { r.Intermediate = true })},
		{"esm_class 0x44 without a header", DeliverSM{ESMClass: 0x44, ShortMessage: []byte(std)}, want},
		{"esm_class 0x44 with a header", DeliverSM{ESMClass: 0x44, ShortMessage: append([]byte{5, 0, 3, 1, 1, 1}, std...)}, want},
		{"esm_class 0x07, with a mode", DeliverSM{ESMClass: 0x07, ShortMessage: []byte(std)}, want},
	}
	for _, w := range statWords {
		s, r := stat(w.word, w.state)
		cases = append(cases, receiptForm{"stat " + w.word, text(s), r})
	}
	return cases
}

// statWords are the states of receipts as carriers write them, and what we take
// them for; zero: the carrier's profile has to say.
var statWords = [...]struct {
	word  string
	state byte
}{
	{"DELIVRD", StateDelivered},
	{"ACCEPTD", StateAccepted},
	{"EXPIRED", StateExpired},
	{"DELETED", StateDeleted},
	{"UNDELIV", StateUndeliverable},
	{"UNKNOWN", StateUnknown},
	{"REJECTD", StateRejected},
	{"ENROUTE", StateEnroute},
	{"ACKED", StateAccepted},
	{"BUFFRED", StateEnroute},
	{"BUFFERD", StateEnroute},
	{"FAILED", StateUndeliverable},
	{"NOCRED", StateRejected},
	{"SYSERR", StateUndeliverable},
	{"SKIPPED", StateSkipped},
	{"0", 0},
	{"NEVERHEARD", 0},
}

// Every form comes as a deliver_sm and as a data_sm.
func TestReceiptsOfTheField(t *testing.T) {
	for _, tc := range receiptForms() {
		t.Run(tc.name, func(t *testing.T) {
			checkReceipt(t, tc.pdu, tc.want)
		})
	}
}

// checkReceipt sends p as both operations that carry receipts.
func checkReceipt(t *testing.T, p DeliverSM, want Receipt) {
	t.Helper()
	data := DataSM{ESMClass: p.ESMClass, DataCoding: p.DataCoding, Options: append(Options(nil), p.Options...)}
	if len(p.ShortMessage) > 0 {
		data.Options = data.Options.Append(TagMessagePayload, p.ShortMessage)
	}
	for _, sent := range []PDU{&p, &data} {
		b, err := Append(nil, StatusOK, 1, sent)
		if err != nil {
			t.Fatal(err)
		}
		_, pdu, err := Decode(b)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := receiptIn(pdu); !ok || got != want {
			t.Errorf("%s: %v, %s", sent.CommandID(), ok, cmp.Diff(want, got))
		}
	}
}

// Kannel's mask is 0x2C, others' 0x3C: 0x10 is an acknowledgement that a person
// gives, and what a person types makes no receipt.
func TestWhatAPersonTypesIsNoReceipt(t *testing.T) {
	for _, esmClass := range []byte{0x00, 0x01, 0x03, 0x10, 0x40, 0x80, 0xC3} {
		p := DeliverSM{ESMClass: esmClass, ShortMessage: []byte("id:a1 sub:001 dlvrd:001 stat:DELIVRD err:000 text:Hey")}
		if r, ok := ParseReceipt(&p); ok {
			t.Errorf("esm_class %#02x: %+v", esmClass, r)
		}
	}
	for _, esmClass := range []byte{0x04, 0x08, 0x20, 0x0C, 0x24, 0x44, 0x14} {
		if _, ok := ParseReceipt(&DeliverSM{ESMClass: esmClass}); !ok {
			t.Errorf("esm_class %#02x makes no receipt", esmClass)
		}
	}
}
