package smpp

import (
	"bytes"
	"testing"
)

// benchSubmit is a submit_sm as the engine sends it: 160 octets of text and
// our key in a TLV.
func benchSubmit() *SubmitSM {
	return &SubmitSM{
		Source: Address{TONNational, NPIISDN, "7735550100"}, Destination: Address{TONInternational, NPIISDN, "13125550199"},
		RegisteredDelivery: ReceiptAlways, ValidityPeriod: "000000040000000R",
		ShortMessage: bytes.Repeat([]byte("Hey Ana! "), 18)[:160], Options: Options(nil).Append(0x1400, []byte("b7.1234567")),
	}
}

func benchReceipt() *DeliverSM {
	return &DeliverSM{
		Source: Address{TONInternational, NPIISDN, "13125550199"}, Destination: Address{TONNational, NPIISDN, "7735550100"}, ESMClass: ESMReceipt,
		ShortMessage: []byte("id:0123456789 sub:001 dlvrd:001 submit date:2601151200 done date:2601151201 stat:DELIVRD err:000 text:Hey Ana, see you ton"),
		Options:      Options(nil).Append(TagReceiptedMessageID, []byte("0123456789\x00")).Append(TagMessageState, []byte{StateDelivered}),
	}
}

func BenchmarkAppend(b *testing.B) {
	for _, p := range []PDU{benchSubmit(), &SubmitSMResp{MessageID: "0123456789"}, benchReceipt(), &DeliverSMResp{}} {
		b.Run(p.CommandID().String(), func(b *testing.B) {
			b.ReportAllocs()
			dst := make([]byte, 0, 1024)
			for b.Loop() {
				var err error
				if dst, err = Append(dst[:0], StatusOK, 1, p); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDecodeInto(b *testing.B) {
	for _, p := range []PDU{benchSubmit(), &SubmitSMResp{MessageID: "0123456789"}, benchReceipt(), &DeliverSMResp{}} {
		b.Run(p.CommandID().String(), func(b *testing.B) {
			b.ReportAllocs()
			pdu, err := Append(nil, StatusOK, 1, p)
			if err != nil {
				b.Fatal(err)
			}
			into := newPDU(p.CommandID())
			for b.Loop() {
				if _, err := DecodeInto(pdu, into); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	b.ReportAllocs()
	pdu, err := Append(nil, StatusOK, 1, benchReceipt())
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, _, err := Decode(pdu); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseReceipt(b *testing.B) {
	b.ReportAllocs()
	p := benchReceipt()
	for b.Loop() {
		if _, ok := ParseReceipt(p); !ok {
			b.Fatal("no receipt")
		}
	}
}
