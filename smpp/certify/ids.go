package certify

import (
	"slices"
	"strconv"
	"strings"

	"fanline/smpp"
	"fanline/smpp/session"
)

// idForms are the ways in which the id of a receipt may be that of a response, the closest first. It is an array, and never
// written to.
var idForms = [...]string{
	formSame: "the same", formCase: "the same in another case", formZeros: "the same but for leading zeros",
	formHexToDecimal: "hexadecimal in the response, decimal in the receipt",
	formDecimalToHex: "decimal in the response, hexadecimal in the receipt",
}

const (
	formSame = iota
	formCase
	formZeros
	formHexToDecimal
	formDecimalToHex
)

// relation returns how the id of a receipt relates to that of a response, as a place in idForms; len(idForms): not at all. Of
// the two conversions the one that was agreed on is looked at first, since digits can fit either way.
func relation(response, receipt, base string) int {
	response, receipt = strings.TrimSpace(response), strings.TrimSpace(receipt)
	switch {
	case response == "" || receipt == "":
		return len(idForms)
	case response == receipt:
		return formSame
	case strings.EqualFold(response, receipt):
		return formCase
	case strings.EqualFold(strings.TrimLeft(response, "0"), strings.TrimLeft(receipt, "0")):
		return formZeros
	}
	hex, decimal := equal(response, 16, receipt, 10), equal(response, 10, receipt, 16)
	switch {
	case hex && (!decimal || base != "decimal_to_hex"):
		return formHexToDecimal
	case decimal:
		return formDecimalToHex
	}
	return len(idForms)
}

// IDForm tells how the id of a receipt relates to that of a response, in words; false: not at all.
func IDForm(response, receipt string) (words string, ok bool) {
	i := relation(response, receipt, "auto")
	if i == len(idForms) {
		return "", false
	}
	return idForms[i], true
}

func equal(a string, baseA int, b string, baseB int) bool {
	x, errA := strconv.ParseUint(a, baseA, 64)
	y, errB := strconv.ParseUint(b, baseB, 64)
	return errA == nil && errB == nil && x == y
}

// agreed lists the places of idForms that need nothing but what the account's profile says.
func agreed(base string) []int {
	switch base {
	case "auto":
		return []int{formSame, formCase, formZeros, formHexToDecimal, formDecimalToHex}
	case "hex_to_decimal":
		return []int{formHexToDecimal}
	case "decimal_to_hex":
		return []int{formDecimalToHex}
	}
	return []int{formSame, formCase, formZeros}
}

// baseOf is the word of the profile for a form of ids.
func baseOf(form string) string {
	switch form {
	case idForms[formHexToDecimal]:
		return "hex_to_decimal"
	case idForms[formDecimalToHex]:
		return "decimal_to_hex"
	}
	return "same"
}

func sameDigits(a, b string) bool {
	a, b = strings.TrimLeft(a, "+0"), strings.TrimLeft(b, "+0")
	return a != "" && a == b
}

// phones are those that the certification texts: the one that is read, the one for floods, and the one that nobody has, which may
// be nothing but zeros.
type phones []string

// have reports whether an address is one of them.
func (p phones) have(addr string) bool {
	return slices.ContainsFunc(p, func(phone string) bool { return addr != "" && (addr == phone || sameDigits(addr, phone)) })
}

// deliveryOf reads a delivery; p is nil when it cannot be read.
func deliveryOf(d *session.Delivery) (p *smpp.SubmitSM, r receipt, isReceipt bool) {
	_, decoded, err := smpp.Decode(d.PDU)
	if err != nil {
		return nil, r, false
	}
	r.command = d.Command
	switch x := decoded.(type) {
	case *smpp.DeliverSM:
		p = (*smpp.SubmitSM)(x)
		r.Receipt, isReceipt = smpp.ParseReceipt(x)
	case *smpp.DataSM:
		p = &smpp.SubmitSM{
			ServiceType: x.ServiceType, Source: x.Source, Destination: x.Destination, ESMClass: x.ESMClass, DataCoding: x.DataCoding, Options: x.Options,
		}
		r.Receipt, isReceipt = smpp.ParseDataReceipt(x)
	default:
		return nil, r, false
	}
	r.how = ReceiptForm(d.Command, p)
	return p, r, isReceipt
}

// ReceiptForm says in which form a receipt came: its command, esm_class, whether there is a text that reads as one, and its
// optional parameters, by tag. Of a data_sm the fields that both have are enough.
func ReceiptForm(command smpp.CommandID, p *smpp.SubmitSM) string {
	words := []string{command.String(), "esm_class 0x" + strconv.FormatUint(uint64(p.ESMClass), 16)}
	payload, _ := p.Options.Get(smpp.TagMessagePayload)
	if _, ok := smpp.ParseReceiptText(append(append([]byte(nil), p.ShortMessage...), payload...)); ok {
		words = append(words, "text")
	}
	var tags []smpp.Tag
	for tag := range p.Options.All() {
		tags = append(tags, tag)
	}
	slices.Sort(tags)
	for _, tag := range tags {
		words = append(words, tag.String())
	}
	return strings.Join(words, ", ")
}
