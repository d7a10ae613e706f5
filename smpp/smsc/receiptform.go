package smsc

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"fanline/smpp"
)

// ReceiptForm is how a carrier writes its receipts. Every key is a way that real ones have.
type ReceiptForm struct {
	Format    string            `yaml:"format"`     // standard, lower-case, upper-case, no-counts, reordered, short, csv, free
	Dates     string            `yaml:"dates"`      // minute (10 digits), second (12), century (14), zero, blank
	As        string            `yaml:"as"`         // deliver_sm, data_sm
	InPayload bool              `yaml:"in_payload"` // the text in message_payload, sm_length 0; data_sm always does so
	ESMClass  *int              `yaml:"esm_class"`  // 4, or another octet: 0 marks nothing, 0x08, 0x20, 0x44
	TLVs      []string          `yaml:"tlvs"`       // of id, state, error, error-digits; [none]; left out: as receipt_tlvs says
	TLVOnly   bool              `yaml:"tlv_only"`   // no text
	Coding    string            `yaml:"coding"`     // gsm, or ucs2: the text in UTF-16 with data_coding 8
	IDForm    string            `yaml:"id_form"`    // as ids.receipt_form, for these receipts only
	Words     map[string]string `yaml:"words"`      // another word for a state, such as {UNDELIV: FAILED}
	Errs      map[string]string `yaml:"errs"`       // another err for a state: four digits, letters, anything
}

// receiptForm is a ReceiptForm compiled: a value that can be compared.
type receiptForm struct {
	format, dates byte
	data          bool
	payload       bool
	tlvOnly       bool
	ucs2          bool
	esm           byte
	tlvs          byte
	ids           IDForm
	words, errs   [statCount]string // empty: those of the table
	patched       bool              // see isPatched
}

// The formats of a receipt's text.
const (
	formatStandard  byte = iota // id:… sub:001 dlvrd:001 submit date:… done date:… stat:DELIVRD err:000 text:
	formatLower                 // the same with everything but the id in small letters
	formatUpper                 // the same with everything but the id in capitals
	formatNoCounts              // without sub and dlvrd
	formatReordered             // stat first, id last but for text
	formatShort                 // id, stat and err only
	formatCSV                   // stat,done,submit,,phone,number,id with a numeric stat: a large British carrier
	formatFree                  // a sentence that no parser knows; what it is about stands in TLVs
	formatCount
)

var formatNames = [formatCount]string{"standard", "lower-case", "upper-case", "no-counts", "reordered", "short", "csv", "free"}

// The ways to write a date.
const (
	datesMinute  byte = iota // YYMMDDhhmm
	datesSecond              // YYMMDDhhmmss
	datesCentury             // YYYYMMDDhhmmss
	datesZero                // 0000000000
	datesBlank
	datesCount
)

var datesNames = [datesCount]string{"minute", "second", "century", "zero", "blank"}

// TLVs of a receipt.
const (
	tlvID          byte = 1 << iota // receipted_message_id
	tlvState                        // message_state
	tlvError                        // network_error_code: network 3 (GSM) and 16 bits
	tlvErrorDigits                  // network_error_code: three ASCII digits, as some carriers have it
)

func nameIndex(names []string, s string) (byte, error) {
	if i := slices.Index(names, s); i >= 0 {
		return byte(i), nil
	}
	return 0, fmt.Errorf("%q: want one of %s", s, strings.Join(names, ", "))
}

func standardForm(ids IDForm, tlvs bool) receiptForm {
	f := receiptForm{esm: smpp.ESMReceipt, ids: ids}
	if tlvs {
		f.tlvs = tlvID | tlvState
	}
	f.patched = f.isPatched()
	return f
}

// compileForm starts from what applies without these keys.
func compileForm(r *ReceiptForm, f receiptForm) (receiptForm, error) {
	var err error
	if r.Format != "" {
		if f.format, err = nameIndex(formatNames[:], r.Format); err != nil {
			return f, fmt.Errorf("format: %w", err)
		}
	}
	if r.Dates != "" {
		if f.dates, err = nameIndex(datesNames[:], r.Dates); err != nil {
			return f, fmt.Errorf("dates: %w", err)
		}
	}
	switch r.As {
	case "":
	case "deliver_sm", "data_sm":
		f.data = r.As == "data_sm"
	default:
		return f, fmt.Errorf("as: %q: want deliver_sm or data_sm", r.As)
	}
	switch r.Coding {
	case "":
	case "gsm", "ucs2":
		f.ucs2 = r.Coding == "ucs2"
	default:
		return f, fmt.Errorf("coding: %q: want gsm or ucs2", r.Coding)
	}
	f.payload = f.payload || r.InPayload
	f.tlvOnly = f.tlvOnly || r.TLVOnly
	if r.ESMClass != nil {
		if *r.ESMClass < 0 || *r.ESMClass > 255 {
			return f, fmt.Errorf("esm_class: %d is no octet", *r.ESMClass)
		}
		f.esm = byte(*r.ESMClass)
	}
	if r.TLVs != nil {
		if f.tlvs, err = compileReceiptTLVs(r.TLVs); err != nil {
			return f, fmt.Errorf("tlvs: %w", err)
		}
	}
	if r.IDForm != "" {
		if f.ids, err = ParseIDForm(r.IDForm); err != nil {
			return f, fmt.Errorf("id_form: %w", err)
		}
	}
	if err = statTexts(&f.words, r.Words); err != nil {
		return f, fmt.Errorf("words: %w", err)
	}
	if err = statTexts(&f.errs, r.Errs); err != nil {
		return f, fmt.Errorf("errs: %w", err)
	}
	if f.tlvOnly && f.tlvs&tlvID == 0 {
		return f, fmt.Errorf("tlv_only: without the TLV id nothing says which message it is about")
	}
	f.patched = f.isPatched()
	return f, nil
}

func compileReceiptTLVs(names []string) (tlvs byte, err error) {
	for _, name := range names {
		switch name {
		case "id":
			tlvs |= tlvID
		case "state":
			tlvs |= tlvState
		case "error":
			tlvs |= tlvError
		case "error-digits":
			tlvs |= tlvErrorDigits
		case "none":
		default:
			return 0, fmt.Errorf("%q: want id, state, error, error-digits or none", name)
		}
	}
	return tlvs, nil
}

func statTexts(into *[statCount]string, texts map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		stat, ok := parseStat(name)
		if !ok {
			return fmt.Errorf("%q is no state", name)
		}
		if v := texts[name]; v == "" || len(v) > 20 || strings.ContainsAny(v, ":\x00") {
			return fmt.Errorf("%s: %q: want 1 to 20 characters, none a colon", name, v)
		}
		into[stat] = texts[name]
	}
	return nil
}

// isPatched says whether receipts of the form differ from each other in places of known width only.
func (f *receiptForm) isPatched() bool {
	return f.format == formatStandard && f.dates == datesMinute && !f.data && !f.payload && !f.tlvOnly && !f.ucs2 &&
		(f.tlvs == 0 || f.tlvs == tlvID|tlvState) && f.words == [statCount]string{} && f.errs == [statCount]string{}
}

// how is what the log says of a receipt in this form beside its fields; 0 for the usual one.
func (f *receiptForm) how(d *delivery, version byte) (how byte) {
	if f.data && version >= smpp.Version34 {
		how |= moreData
	}
	if d.flags&deliverBefore != 0 {
		how |= moreIntermediate
	}
	return how | f.format<<moreFormat
}

func (f *receiptForm) word(s Stat) string {
	if w := f.words[s]; w != "" {
		return w
	}
	return statTable[s].name
}

func (f *receiptForm) err(s Stat) string {
	if e := f.errs[s]; e != "" {
		return e
	}
	return statTable[s].err
}

// date writes a time, Unix seconds in UTC.
func (f *receiptForm) date(dst []byte, unix int64) []byte {
	t := time.Unix(unix, 0).UTC()
	switch f.dates {
	case datesSecond:
		return t.AppendFormat(dst, "060102150405")
	case datesCentury:
		return t.AppendFormat(dst, "20060102150405")
	case datesZero:
		return append(dst, "0000000000"...)
	case datesBlank:
		return dst
	}
	return t.AppendFormat(dst, "0601021504")
}

// text is what stands in short_message or message_payload.
func (f *receiptForm) text(d *delivery, stat Stat, id []byte, n *number, done int64) []byte {
	field := func(dst []byte, key string, value []byte) []byte { return append(append(dst, key...), value...) }
	word, code := []byte(f.word(stat)), []byte(f.err(stat))
	submitAt, doneAt := f.date(nil, int64(d.submitted)), f.date(nil, done)
	delivered := []byte("000")
	if stat == StatDelivered {
		delivered[2] = '1'
	}
	var b []byte
	switch f.format {
	case formatCSV:
		b = fmt.Appendf(nil, "%02d,%s,%s,,%s,%s,%s", statTable[stat].csv, doneAt, submitAt, d.from.String(), n.addr, id)
	case formatFree:
		b = []byte("Your message has reached its end. Thank you for travelling with us.")
	case formatShort:
		b = field(field(field(nil, "id:", id), " stat:", word), " err:", code)
	case formatReordered:
		b = field(field(nil, "stat:", word), " err:", code)
		b = field(field(b, " submit date:", submitAt), " done date:", doneAt)
		b = append(field(field(b, " dlvrd:", delivered), " id:", id), " sub:001 text:"...)
	default:
		b = field(nil, "id:", id)
		if f.format != formatNoCounts {
			b = field(append(b, " sub:001"...), " dlvrd:", delivered)
		}
		b = field(field(b, " submit date:", submitAt), " done date:", doneAt)
		b = append(field(field(b, " stat:", word), " err:", code), " text:"...)
		switch f.format {
		case formatLower:
			b = bytes.ToLower(b)
		case formatUpper:
			b = bytes.ToUpper(b)
		}
		copy(b[len("id:"):], id) // an id is not to be told by its case
	}
	return b
}

// pdu is a receipt with all that the form asks for. v33 leaves out TLVs: SMPP 3.3 has none.
func (f *receiptForm) pdu(d *delivery, stat Stat, intermediate, v33 bool, n *number, done int64) smpp.PDU {
	id := f.ids.Append(nil, d.id)
	esm := f.esm
	if intermediate {
		esm = f.esm&^smpp.ESMReceiptMask | smpp.ESMIntermediateReceipt
	}
	var text []byte
	if !f.tlvOnly || v33 {
		text = f.text(d, stat, id, n, done)
	}
	coding := byte(0)
	if f.ucs2 {
		coding, text = codingUCS2, widen(text)
	}
	var o smpp.Options
	if (f.payload || f.data || len(text) > smpp.MaxShortMessage) && len(text) > 0 && !v33 {
		o, text = o.Append(smpp.TagMessagePayload, text), nil
	}
	if !v33 {
		o = f.options(o, stat, id)
	}
	from := smpp.Address{Addr: d.from.String()}
	from.TON, from.NPI = unpackType(d.fromType)
	to := smpp.Address{Addr: n.addr}
	to.TON, to.NPI = unpackType(d.toType)
	if f.data && !v33 {
		return &smpp.DataSM{Source: from, Destination: to, ESMClass: esm, DataCoding: coding, Options: o}
	}
	return &smpp.DeliverSM{Source: from, Destination: to, ESMClass: esm, DataCoding: coding, ShortMessage: text, Options: o}
}

// codingUCS2 is the data_coding of UTF-16 (SMPP 3.4 §5.2.19).
const codingUCS2 = 8

// widen writes ASCII as UTF-16, most significant octet first.
func widen(ascii []byte) []byte {
	out := make([]byte, 0, 2*len(ascii))
	for _, c := range ascii {
		out = append(out, 0, c)
	}
	return out
}

func (f *receiptForm) options(o smpp.Options, stat Stat, id []byte) smpp.Options {
	if f.tlvs&tlvID != 0 {
		o = o.Append(smpp.TagReceiptedMessageID, append(slices.Clone(id), 0))
	}
	if f.tlvs&tlvState != 0 {
		o = o.Append(smpp.TagMessageState, []byte{statTable[stat].state})
	}
	code := statTable[stat].err
	if f.tlvs&tlvErrorDigits != 0 {
		o = o.Append(smpp.TagNetworkErrorCode, []byte(code))
	} else if f.tlvs&tlvError != 0 {
		v, _ := strconv.Atoi(code) // of the table
		o = o.Append(smpp.TagNetworkErrorCode, []byte{networkGSM, byte(v >> 8), byte(v)})
	}
	return o
}

// networkGSM is the network of a network_error_code (SMPP 3.4 §5.3.2.31).
const networkGSM = 3

// formTable numbers the forms that any plan of this process had; readers never wait.
type formTable struct {
	mu   sync.Mutex
	list atomic.Pointer[[]*receiptForm]
}

// formsMax is what one octet of a delivery can name, half of them for SMPP 3.3.
const formsMax = 128

// form33 marks in a delivery that its submit came by SMPP 3.3, where ids have at most eight digits.
const form33 = 1 << 7

// index numbers a form; more than formsMax of them fall back on the first.
func (t *formTable) index(f receiptForm) byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := t.all()
	for i, have := range list {
		if *have == f {
			return byte(i)
		}
	}
	if len(list) >= formsMax {
		return 0
	}
	grown := append(slices.Clone(list), &f)
	t.list.Store(&grown)
	return byte(len(list))
}

func (t *formTable) all() []*receiptForm {
	if p := t.list.Load(); p != nil {
		return *p
	}
	return nil
}
