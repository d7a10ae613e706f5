package smpp

import (
	"bytes"
	"strconv"
	"strings"
	"unsafe"
)

// A Receipt is what the SMSC says about the fate of a message (SMPP 3.4
// appendix B and §5.3.2.12, §5.3.2.35). What a carrier leaves out is empty.
type Receipt struct {
	ID   string // as sent: base, case and leading zeros are the carrier's
	Stat string // "DELIVRD" or whatever stood there; made from State if absent
	Err  string // a network's code: digits, letters, any length
	Text string // the start of the message, as far as the carrier repeats it

	Sub, Dlvrd           int    // parts submitted and delivered; zero when absent
	SubmitDate, DoneDate string // as sent; see ParseReceiptTime

	State        byte // of the TLV message_state if there is one, else after Stat; zero: unknown
	Intermediate bool // not the last word: esm_class 0x20
}

// ParseReceipt reads a delivery receipt, and reports whether p is one: esm_class
// says so (any of ESMReceiptMask), or a TLV receipted_message_id. TLVs win over
// the text; the text may be in short_message or in message_payload. A receipt
// of which nothing can be read is still one, with an empty ID. The strings point
// into p: with DecodeInto, they live as long as its buffer.
func ParseReceipt(p *DeliverSM) (Receipt, bool) {
	return receiptOf(p.ESMClass, p.DataCoding, p.ShortMessage, p.Options)
}

// ParseDataReceipt does for data_sm what ParseReceipt does for deliver_sm.
func ParseDataReceipt(p *DataSM) (Receipt, bool) {
	return receiptOf(p.ESMClass, p.DataCoding, nil, p.Options)
}

func receiptOf(esmClass, dataCoding byte, text []byte, o Options) (Receipt, bool) {
	marked := esmClass&ESMReceiptMask != 0
	var r Receipt
	id, hasID := o.Text(TagReceiptedMessageID)
	if !marked && !hasID {
		return r, false
	}
	r, _ = ParseReceiptText(plain(esmClass, dataCoding, text))
	if r.ID == "" && r.Stat == "" {
		if payload, ok := o.Get(TagMessagePayload); ok {
			r, _ = ParseReceiptText(plain(esmClass, dataCoding, payload))
		}
	}
	if id != "" {
		r.ID = id
	}
	if s, ok := o.Uint(TagMessageState); ok && s <= 0xFF {
		r.State = byte(s)
		if r.Stat == "" {
			r.Stat = statOf(r.State)
		}
	}
	if v, ok := o.Get(TagNetworkErrorCode); ok && r.Err == "" {
		r.Err = networkError(v)
	}
	r.Intermediate = esmClass&ESMIntermediateReceipt != 0
	return r, true
}

// plain takes header and width off a receipt's text.
func plain(esmClass, dataCoding byte, text []byte) []byte {
	if esmClass&ESMUDHI != 0 {
		text = withoutUDH(text)
	}
	if dataCoding == CodingUCS2 || len(text) >= 4 && text[0] == 0 && text[2] == 0 {
		text = narrow(text)
	}
	return text
}

// networkError returns the code of network_error_code in the words of a
// receipt: its decimal number, or the digits that some carriers send instead.
func networkError(v []byte) string {
	switch {
	case asciiDigits(v):
		return alias(v)
	case len(v) == 3:
		return strconv.Itoa(int(bigEndian(v[1:])))
	}
	return ""
}

func asciiDigits(b []byte) bool {
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(b) > 0
}

// ParseReceiptText reads the text of a receipt, "id:… sub:… dlvrd:… submit
// date:… done date:… stat:… err:… text:…" (SMPP 3.4 appendix B), with keys in
// any order and case, any of them missing, and values that hold spaces; or the
// seven comma-separated values of a large British carrier. It reports whether
// there is an id and a stat. Few carriers leave esm_class unset; for those, a
// profile may ask this function about texts, knowing that a person can type
// them too. The strings point into text.
func ParseReceiptText(text []byte) (Receipt, bool) {
	r := Receipt{}
	s := alias(text)
	var seen [keyCount]bool
	key, from := keyNone, 0
	for at := 0; at < len(s); {
		i := strings.IndexByte(s[at:], ':')
		if i < 0 {
			break
		}
		colon := at + i
		at = colon + 1
		next, start := keyBefore(s, from, colon)
		if next == keyNone || seen[next] {
			continue
		}
		r.set(key, s[from:start])
		seen[next], key, from = true, next, colon+1
		if key == keyText && seen[keyID] && seen[keyStat] {
			break
		}
	}
	r.set(key, s[min(from, len(s)):])
	if key == keyNone {
		r.setCSV(s)
	}
	if r.State == 0 {
		r.State = stateOf(r.Stat)
	}
	return r, r.ID != "" && r.Stat != ""
}

type receiptKey byte

const (
	keyNone receiptKey = iota
	keyID
	keySub
	keyDlvrd
	keySubmitDate
	keyDoneDate
	keyStat
	keyErr
	keyText
	keyCount
)

// keyBefore returns the key that ends before the colon, and where it starts.
// A key starts the text or follows something other than a letter or digit.
func keyBefore(s string, from, colon int) (receiptKey, int) {
	end := colon
	for end > from && s[end-1] == ' ' {
		end--
	}
	if end == from {
		return keyNone, 0
	}
	key, n := keyNone, 0
	switch s[end-1] | 0x20 {
	case 'd':
		if hasKey(s[from:end], "id") {
			key, n = keyID, 2
		} else if hasKey(s[from:end], "dlvrd") {
			key, n = keyDlvrd, 5
		}
	case 'b':
		if hasKey(s[from:end], "sub") {
			key, n = keySub, 3
		}
	case 'e':
		key, n = dateKey(s[from:end])
	case 't':
		if hasKey(s[from:end], "stat") {
			key, n = keyStat, 4
		} else if hasKey(s[from:end], "text") {
			key, n = keyText, 4
		}
	case 'r':
		if hasKey(s[from:end], "err") {
			key, n = keyErr, 3
		}
	}
	return key, end - n
}

// dateKey recognises "submit date" and "done date", also with an underscore, a
// dash or nothing between the words.
func dateKey(s string) (receiptKey, int) {
	if len(s) < 8 || s[len(s)-4]|0x20 != 'd' || s[len(s)-3]|0x20 != 'a' || s[len(s)-2]|0x20 != 't' {
		return keyNone, 0
	}
	rest := s[:len(s)-4]
	if c := rest[len(rest)-1]; c == ' ' || c == '_' || c == '-' {
		rest = rest[:len(rest)-1]
	}
	n := len(s) - len(rest)
	if hasKey(rest, "submit") {
		return keySubmitDate, n + 6
	}
	if hasKey(rest, "done") {
		return keyDoneDate, n + 4
	}
	return keyNone, 0
}

// hasKey reports whether s ends with the word key, small letters, in any case.
func hasKey(s, key string) bool {
	n := len(s) - len(key)
	if n < 0 || n > 0 && isWord(s[n-1]) {
		return false
	}
	for i := range len(key) {
		if s[n+i]|0x20 != key[i] {
			return false
		}
	}
	return true
}

func isWord(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
}

// trim cuts blanks and controls off both ends, and separators off the end.
func trim(s string, separators bool) string {
	for len(s) > 0 && s[0] <= ' ' {
		s = s[1:]
	}
	for n := len(s); n > 0; n = len(s) {
		c := s[n-1]
		if c > ' ' && (!separators || c != ',' && c != ';' && c != '|') {
			break
		}
		s = s[:n-1]
	}
	return s
}

func (r *Receipt) set(key receiptKey, v string) {
	if key == keyNone {
		return
	}
	v = trim(v, key != keyText)
	switch key {
	case keyID:
		// No id holds a blank: what follows one is something we don't know.
		if i := strings.IndexByte(v, ' '); i >= 0 {
			v = v[:i]
		}
		r.ID = v
	case keySub:
		r.Sub = digits(v)
	case keyDlvrd:
		r.Dlvrd = digits(v)
	case keySubmitDate:
		r.SubmitDate = v
	case keyDoneDate:
		r.DoneDate = v
	case keyStat:
		r.Stat = v
	case keyErr:
		r.Err = v
	case keyText:
		r.Text = v
	}
}

// setCSV reads "stat,done,submit,,phone,number,id".
func (r *Receipt) setCSV(s string) {
	var f [7]string
	for i := range f {
		v, rest, more := strings.Cut(s, ",")
		if more != (i < len(f)-1) {
			return
		}
		f[i], s = trim(v, false), rest
	}
	if len(f[1]) < 10 || strings.Trim(f[1], "0123456789") != "" || f[6] == "" {
		return
	}
	r.Stat, r.DoneDate, r.SubmitDate, r.ID = f[0], f[1], f[2], f[6]
}

// digits reads a small decimal number; anything else is zero.
func digits(s string) int {
	n := 0
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' || n > 1e6 {
			return 0
		}
		n = n*10 + int(s[i]-'0')
	}
	return n
}

// withoutUDH drops a user data header. Some carriers set UDHI on a receipt and
// send none: a first octet that is a printable character is text.
func withoutUDH(text []byte) []byte {
	if len(text) == 0 || text[0] >= ' ' || 1+int(text[0]) > len(text) {
		return text
	}
	return text[1+int(text[0]):]
}

// narrow turns UTF-16BE text that is ASCII into octets; receipts come that way
// from few carriers, some of which say data_coding 0 all the same, so that it
// allocates doesn't matter.
func narrow(text []byte) []byte {
	text = bytes.TrimPrefix(text, []byte{0xFE, 0xFF})
	if len(text) < 2 || len(text)%2 != 0 || text[0] != 0 {
		return text
	}
	out := make([]byte, 0, len(text)/2)
	for i := 0; i < len(text); i += 2 {
		c := text[i+1]
		if text[i] != 0 || c >= 0x80 {
			c = '?'
		}
		out = append(out, c)
	}
	return out
}

func bigEndian(b []byte) uint32 {
	v := uint32(0)
	for _, c := range b {
		v = v<<8 | uint32(c)
	}
	return v
}

func trimNUL(b []byte) []byte {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		return b[:i]
	}
	return b
}

func alias(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
