// Package text turns texts into the octets of short messages and back: GSM
// 03.38 with its extension table, UCS-2, and the parts of a long text with
// their user data headers.
//
// It refuses to know about PDUs and carriers: which data_coding a carrier
// understands by which number is its profile's business. It imports the
// standard library only.
//
//	m := text.Split("Hey Ana 🎉", 7)
//	for _, p := range m.Parts {
//		pdu.ESMClass, pdu.DataCoding, pdu.ShortMessage = m.ESMClass(), m.DataCoding(), p.Data
//	}
package text
