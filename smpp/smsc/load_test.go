package smsc

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"time"

	"fanline/smpp"
)

// loader is a client made for weight, not for use: one bind that keeps a window of submits open and answers every
// deliver_sm, with pre-encoded PDUs so that its own cost stays small.
type loader struct {
	nc     net.Conn
	window int
	slots  chan struct{}

	accepted int
	refused  map[smpp.Status]int
	receipts int
	done     chan struct{}
}

// dialLoader binds as a transceiver.
func dialLoader(addr, systemID, password string, window int) (*loader, error) {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	pdu, err := smpp.Append(nil, 0, 1, &smpp.Bind{Kind: smpp.BindTransceiverID, SystemID: systemID, Password: password, InterfaceVersion: smpp.Version34})
	if err != nil {
		return nil, err
	}
	if _, err := nc.Write(pdu); err != nil {
		return nil, err
	}
	head := make([]byte, smpp.HeaderLen)
	if _, err := io.ReadFull(nc, head); err != nil {
		return nil, err
	}
	h, err := smpp.ReadHeader(head)
	if err != nil || h.Status != smpp.StatusOK {
		return nil, fmt.Errorf("bind: %v %w", h.Status, err)
	}
	if _, err := io.CopyN(io.Discard, nc, int64(h.Length)-smpp.HeaderLen); err != nil {
		return nil, err
	}
	return &loader{nc: nc, window: window, slots: make(chan struct{}, window), refused: map[smpp.Status]int{}, done: make(chan struct{})}, nil
}

// run submits n messages of the members from..from+n-1 of a broadcast and waits for their answers and receipts.
func (l *loader) run(broadcast uint32, from, n int, source string, receipts bool) error {
	names := []string{"Anna", "Bob", "Christina", "Dee", "Eleonora", "Farid", "Guadalupe", "Hank"}
	text := func(i int) []byte {
		return fmt.Appendf(nil, "Hey %s, the doors open at eight tonight, bring a friend and show this text at the bar for a drink on us. See you there! Reply STOP to end.", names[i%len(names)])
	}
	errs := make(chan error, 1)
	go func() { errs <- l.read(n, receipts) }()
	reg := byte(0)
	if receipts {
		reg = 1
	}
	var out []byte
	for i := 0; i < n; {
		out = out[:0]
		burst := min(64, n-i, l.window)
		for range burst {
			l.slots <- struct{}{}
			member := from + i
			sm := smpp.SubmitSM{
				Source:             smpp.Address{TON: 1, NPI: 1, Addr: source},
				Destination:        smpp.Address{TON: 1, NPI: 1, Addr: fmt.Sprintf("1312%07d", member)},
				RegisteredDelivery: reg, ShortMessage: text(member),
			}
			sm.Options = sm.Options.Append(TagKey, appendBroadcastKey(nil, broadcast, uint32(member)))
			var err error
			if out, err = smpp.Append(out, 0, uint32(i)+10, &sm); err != nil {
				return err
			}
			i++
		}
		if _, err := l.nc.Write(out); err != nil {
			return err
		}
	}
	return <-errs
}

func (l *loader) read(n int, receipts bool) error {
	buf := make([]byte, 256<<10)
	have, answers, got := 0, 0, 0
	var out []byte
	for answers < n || receipts && got < l.accepted {
		_ = l.nc.SetReadDeadline(time.Now().Add(20 * time.Second))
		k, err := l.nc.Read(buf[have:])
		if err != nil {
			return fmt.Errorf("after %d answers, %d receipts: %w", answers, got, err)
		}
		have += k
		used := 0
		out = out[:0]
		for have-used >= smpp.HeaderLen {
			length := int(binary.BigEndian.Uint32(buf[used:]))
			if used+length > have {
				break
			}
			id := smpp.CommandID(binary.BigEndian.Uint32(buf[used+4:]))
			status := smpp.Status(binary.BigEndian.Uint32(buf[used+8:]))
			seq := binary.BigEndian.Uint32(buf[used+12:])
			switch id {
			case smpp.SubmitSMRespID:
				answers++
				if status == smpp.StatusOK {
					l.accepted++
				} else {
					l.refused[status]++
				}
				<-l.slots
			case smpp.DeliverSMID:
				got++
				if !bytes.Contains(buf[used:used+length], []byte("stat:")) {
					return fmt.Errorf("deliver_sm without a receipt: %q", buf[used:used+length])
				}
				out = appendHeader(out, smpp.HeaderLen+1, smpp.DeliverSMRespID, 0, seq)
				out = append(out, 0)
			}
			used += length
		}
		have = copy(buf, buf[used:have])
		if len(out) > 0 {
			if _, err := l.nc.Write(out); err != nil {
				return err
			}
		}
	}
	l.receipts = got
	return nil
}
