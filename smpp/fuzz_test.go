package smpp

import (
	"bytes"
	"encoding/json"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
)

// FuzzDecode holds that no octets make the reader panic, that both readers
// agree, and that what was read can be written and read again without change.
func FuzzDecode(f *testing.F) {
	_, pdus := tracedPDUs(f)
	for _, pdu := range pdus {
		f.Add(pdu)
	}
	for _, p := range samples() {
		b, err := Append(nil, StatusOK, 1, p)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		object, traceErr := Trace(b)
		if !json.Valid(object) {
			t.Fatalf("no JSON: %s", object)
		}
		h, p, err := Decode(b)
		if (err == nil) != (traceErr == nil) {
			t.Fatalf("decode %v, trace %v", err, traceErr)
		}
		if err != nil {
			return
		}
		aliased := newPDU(h.ID)
		if _, err := DecodeInto(b, aliased); err != nil || !cmp.Equal(p, aliased) {
			t.Fatalf("DecodeInto: %v, %s", err, cmp.Diff(p, aliased))
		}
		once, err := Append(nil, h.Status, h.Sequence, p)
		if err != nil {
			return // Longer than the specification allows: read, never written.
		}
		h2, p2, err := Decode(once)
		if err != nil {
			t.Fatalf("% x is written and not read: %v", once, err)
		}
		if h2.ID != h.ID || h2.Status != h.Status || h2.Sequence != h.Sequence {
			t.Fatalf("header %+v became %+v", h, h2)
		}
		twice, err := Append(nil, h2.Status, h2.Sequence, p2)
		if err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("once  % x\ntwice % x, %v", once, twice, err)
		}
	})
}

// FuzzTrace holds that a PDU that is read without a warning comes back from its
// trace octet by octet, and that the trace of any other can be written, if need
// be loosely, as a PDU that does.
func FuzzTrace(f *testing.F) {
	_, pdus := tracedPDUs(f)
	for _, pdu := range pdus {
		f.Add(pdu)
	}
	for _, p := range samples() {
		b, err := Encoding{Version: Version50}.Append(nil, StatusOK, 1, p)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	loose := Encoding{Version: Version50, Loose: true}
	f.Fuzz(func(t *testing.T, b []byte) {
		object, err := Trace(b)
		if err != nil {
			return
		}
		if !bytes.Contains(object, []byte(`,"warnings":[`)) {
			if back, err := Untrace(object); err != nil || !bytes.Equal(back, b) {
				t.Fatalf("trace %s\ngives % x, %v\nwant  % x", object, back, err, b)
			}
			return
		}
		once, err := loose.Untrace(object)
		if err != nil {
			t.Fatalf("trace %s: %v", object, err)
		}
		object, err = Trace(once)
		if err != nil {
			t.Fatalf("% x is written and not read: %v", once, err)
		}
		if twice, err := loose.Untrace(object); err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("trace %s\ngives % x, %v\nwant  % x", object, twice, err, once)
		}
	})
}

// FuzzReceipt holds that no text makes the parser panic, and that every string
// of a receipt is a piece of the text.
func FuzzReceipt(f *testing.F) {
	for _, s := range []string{
		"id:0123456789 sub:001 dlvrd:001 submit date:2601151200 done date:2601151201 stat:DELIVRD err:000 text:Hey Ana",
		"stat:DELIVRD err:21b id : a1 text:id:2 stat:x", "00,0210021543,0210021500,,447700900123,8000,1a2b", ":::", "ID:1", "donedate:submit date:",
		"\x05\x00\x03\x01\x01\x01id:1", "\x00i\x00d\x00:\x001",
	} {
		f.Add([]byte(s), ESMReceipt, byte(0), []byte{})
	}
	f.Add([]byte{}, byte(0x24), byte(8), []byte(Options(nil).Append(TagReceiptedMessageID, []byte("A\x00")).Append(TagMessageState, []byte{2})))
	f.Add([]byte{}, byte(0x44), byte(0), []byte(Options(nil).Append(TagMessagePayload, []byte("id:1 stat:FAILED")).Append(TagNetworkErrorCode, []byte("034"))))
	f.Fuzz(func(t *testing.T, text []byte, esmClass, dataCoding byte, options []byte) {
		r, ok := ParseReceiptText(text)
		for _, s := range []string{r.ID, r.Stat, r.Err, r.Text, r.SubmitDate, r.DoneDate} {
			if !within(text, s) {
				t.Fatalf("%q is no piece of %q", s, text)
			}
		}
		if ok != (r.ID != "" && r.Stat != "") || r.Sub < 0 || r.Dlvrd < 0 {
			t.Fatalf("%+v, %v", r, ok)
		}
		p := DeliverSM{ESMClass: esmClass, DataCoding: dataCoding, ShortMessage: text, Options: options[:wholeTLVs(options)]}
		r, ok = ParseReceipt(&p)
		if !ok && (r != Receipt{} || esmClass&ESMReceiptMask != 0) {
			t.Fatalf("%+v of what is no receipt", r)
		}
		p.Options.NetworkError()
	})
}

func within(b []byte, s string) bool {
	if s == "" {
		return true
	}
	from := uintptr(unsafe.Pointer(unsafe.StringData(s)))
	start := uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	return from >= start && from+uintptr(len(s)) <= start+uintptr(len(b))
}

// FuzzOptions holds that any octets can be walked, and that what is walked is
// what wholeTLVs counted, in order.
func FuzzOptions(f *testing.F) {
	f.Add([]byte(Options(nil).Append(0x1400, []byte("key")).Append(TagMessageState, []byte{2})))
	f.Add([]byte{0, 0x1E, 0, 0x41, 'a'})
	f.Add([]byte{0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		var again Options
		for tag, v := range Options(b).All() {
			again = again.Append(tag, v)
			if first, ok := Options(b).Get(tag); !ok || first == nil {
				t.Fatalf("%s is there and not found", tag)
			}
			Options(b).Uint(tag)
			Options(b).Text(tag)
			_ = tag.String()
		}
		if want := b[:wholeTLVs(b)]; !bytes.Equal(again, want) {
			t.Fatalf("walked % x, want % x", again, want)
		}
	})
}

// FuzzUntrace holds that what Untrace accepts is a PDU whose trace gives the
// same octets again.
func FuzzUntrace(f *testing.F) {
	_, pdus := tracedPDUs(f)
	for _, pdu := range pdus {
		object, _ := Trace(pdu)
		f.Add(object)
	}
	f.Add([]byte(`{"command":"deliver_sm_resp","tlvs":[{"name":"message_state","value":2},{"tag":5120,"value":"k"}]}`))
	f.Fuzz(func(t *testing.T, object []byte) {
		pdu, err := Untrace(object)
		if err != nil {
			return
		}
		object, err = Trace(pdu)
		if err != nil {
			t.Fatalf("% x cannot be read: %v", pdu, err)
		}
		if again, err := Untrace(object); err != nil || !bytes.Equal(again, pdu) {
			t.Fatalf("% x became % x, %v", pdu, again, err)
		}
	})
}
