package smpp

import (
	"bytes"
	"testing"

	"github.com/fiorix/go-smpp/smpp/pdu"
)

// BenchmarkCodecs encodes and decodes one and the same submit_sm with our codec
// and with go-smpp's (docs/decisions/0002-smpp-code.md).
func BenchmarkCodecs(b *testing.B) {
	wire, err := Append(nil, StatusOK, 7, ourSubmit())
	if err != nil {
		b.Fatal(err)
	}
	b.Run("encode/ours", func(b *testing.B) {
		b.ReportAllocs()
		p, buf := ourSubmit(), make([]byte, 0, 256)
		for range b.N {
			if buf, err = Append(buf[:0], StatusOK, 7, p); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encode/go-smpp", func(b *testing.B) {
		b.ReportAllocs()
		fields := theirFields()
		var buf bytes.Buffer
		for range b.N {
			p := pdu.NewSubmitSM(nil)
			for name, v := range fields {
				if err := p.Fields().Set(name, v); err != nil {
					b.Fatal(err)
				}
			}
			buf.Reset()
			if err := p.SerializeTo(&buf); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("decode/ours", func(b *testing.B) {
		b.ReportAllocs()
		var p SubmitSM
		for range b.N {
			if _, err := DecodeInto(wire, &p); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("decode/go-smpp", func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			if _, err := pdu.Decode(bytes.NewReader(wire)); err != nil {
				b.Fatal(err)
			}
		}
	})
}
