package smsc

import (
	"testing"

	"fanline/smpp"
)

// rareBlock holds records with what most logs don't have.
func rareBlock() *block {
	var b block
	b.reset(3, "acme", 1_700_000_000_000_000)
	source := typedAddress(typeE164, testNumber)
	b.submit(&submitRecord{
		seq: 7, source: source, dest: []byte("13125550001"), destPhone: parsePhone([]byte("13125550001")), destType: typeE164,
		reg: 1, part: 1, parts: 1, text: []byte("hello"), id: 99, stat: StatExpired, quiet: true, before: true, delayMillis: 5,
		service: "WAP", schedule: "261122103000000+", validity: typedAddress(0, "000001000000000R"), protocol: 1, priority: 3,
		replace: true, shape: shapeEmptyID | shapeLate, idForm: IDShort, otherForm: true, multi: true,
	})
	b.submit(&submitRecord{
		seq: 8, source: source, dest: []byte("13125550002"), destPhone: parsePhone([]byte("13125550002")), destType: typeE164,
		reg: 1, part: 1, parts: 1, text: []byte("hello"), status: smpp.StatusMsgQFull, cause: CauseQueue,
		validity: typedAddress(0, "000001000000000R"),
	})
	b.receipt(5, 99, source, parsePhone([]byte("13125550001")), typeE164, StatEnroute, false, moreData|moreIntermediate|formatCSV<<moreFormat)
	b.operate(&operation{
		in: true, command: "replace_sm", status: smpp.StatusOK, seq: 9, id: 99, idForm: IDShort, source: source,
		destination: typedAddress(typeE164, "13125550001"), octets: []byte("new"), stat: StatDelivered, delayMillis: 77, quiet: true, note: "63",
	})
	return &b
}

func TestWhatIsRareIsLoggedAndRead(t *testing.T) {
	dir := t.TempDir()
	w := testLog(t, dir)
	if err := w.write(rareBlock()); err != nil {
		t.Fatal(err)
	}
	closeLog(t, w)
	e := readAll(t, dir)
	if len(e) != 5 { // the first is the start
		t.Fatalf("%d entries", len(e))
	}
	a, b, r, o := e[1], e[2], e[3], e[4]
	if a.ServiceType != "WAP" || a.Schedule != "261122103000000+" || a.Validity != "000001000000000R" || a.ProtocolID != 1 || a.Priority != 3 ||
		!a.Replace || a.ID() != "63" || a.Command != "submit_multi" || !a.Multi || a.Stat != StatExpired || !a.Unwanted || !a.Intermediate ||
		a.Message() != "hello" || a.Destination != "13125550001" || a.DelayMillis != 5 {
		t.Errorf("%+v", a)
	}
	if odd := a.Odd(); len(odd) != 2 || odd[0] != "empty_id" || odd[1] != "late" {
		t.Errorf("odd %v", odd)
	}
	if b.Cause != CauseQueue || b.Status != smpp.StatusMsgQFull || b.Validity != a.Validity || b.Source != testNumber || b.Seq != 8 {
		t.Errorf("%+v", b)
	}
	if r.Command != "data_sm" || !r.Intermediate || r.Format != "csv" || r.Stat != StatEnroute || r.MessageID != 99 || r.Source != "13125550001" {
		t.Errorf("%+v", r)
	}
	if o.Kind != KindOperation || o.Command != "replace_sm" || !o.In || o.ID() != "63" || o.Message() != "new" || o.Destination != "13125550001" ||
		o.Stat != StatDelivered || !o.Unwanted || o.DelayMillis != 77 || o.Text != "63" {
		t.Errorf("%+v", o)
	}
}
