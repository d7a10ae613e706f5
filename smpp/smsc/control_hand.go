package smsc

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"fanline/smpp"
)

// PDUs sent by hand have sequence numbers of their own, above those of deliveries.
const (
	handSequence  = 0x7f000000
	handSequences = 0x00ff0000
)

// pdu makes the receipt.
func (q *ReceiptRequest) pdu(now time.Time) (smpp.PDU, error) {
	stat := q.Stat
	if stat == "" {
		stat = StatDelivered.String()
	}
	body := fmt.Sprintf("id:%s sub:001 dlvrd:001 submit date:%s done date:%[2]s stat:%s err:000 text:", q.MessageID,
		now.UTC().Format("0601021504"), stat)
	if q.Text != nil {
		body = *q.Text
	}
	var tlvs smpp.Options
	short := []byte(body)
	if q.Payload {
		tlvs, short = tlvs.Append(smpp.TagMessagePayload, short), nil
	}
	if !q.NoTLVs {
		tlvs = tlvs.Append(smpp.TagReceiptedMessageID, append([]byte(q.MessageID), 0))
		if known, ok := parseStat(stat); ok {
			tlvs = tlvs.Append(smpp.TagMessageState, []byte{statTable[known].state})
		}
	}
	for _, t := range q.TLVs {
		value, err := hex.DecodeString(t.Value)
		if err != nil {
			return nil, fmt.Errorf("tlvs: %w", err)
		}
		tlvs = tlvs.Append(smpp.Tag(t.Tag), value)
	}
	class := smpp.ESMReceipt
	if q.ESMClass != nil {
		class = *q.ESMClass
	}
	from := smpp.Address{TON: smpp.TONInternational, NPI: smpp.NPIISDN, Addr: q.From}
	to := smpp.Address{TON: smpp.TONInternational, NPI: smpp.NPIISDN, Addr: q.To}
	switch q.Command {
	case "", "deliver_sm":
		return &smpp.DeliverSM{Source: from, Destination: to, ESMClass: class, DataCoding: q.Coding, ShortMessage: short, Options: tlvs}, nil
	case "data_sm":
		if !q.Payload {
			tlvs = slices.Insert(tlvs, 0, smpp.Options(nil).Append(smpp.TagMessagePayload, short)...)
		}
		return &smpp.DataSM{Source: from, Destination: to, ESMClass: class, DataCoding: q.Coding, Options: tlvs}, nil
	}
	return nil, fmt.Errorf("command %q: want deliver_sm or data_sm", q.Command)
}

// PDURequest is the body of POST /pdu: octets to be sent as they are, right or wrong.
type PDURequest struct {
	Choice
	PDU string `json:"pdu"` // hex, header included
}

func (s *server) servePDU(w http.ResponseWriter, r *http.Request) {
	var q PDURequest
	if !readJSON(w, r, &q) {
		return
	}
	b, err := hex.DecodeString(q.PDU)
	if err != nil || len(b) == 0 {
		httpError(w, http.StatusBadRequest, errors.New("pdu: want octets in hex"))
		return
	}
	sequence := uint32(0)
	if len(b) >= smpp.HeaderLen {
		sequence = binary.BigEndian.Uint32(b[12:])
	}
	s.sendByHand(w, q.Choice, b, sequence)
}

// handNote is how much of a PDU stands in the log.
const handNote = 4096

// sendByHand logs octets and sends them on the first connection of a choice.
func (s *server) sendByHand(w http.ResponseWriter, to Choice, pdu []byte, sequence uint32) {
	picked, err := s.pick(to)
	if err != nil {
		httpError(w, http.StatusNotFound, err)
		return
	}
	c := picked[0]
	name := ""
	if x := c.seen.bound.Load(); x != nil {
		name = x.account
	}
	var b block
	b.reset(c.id, name, s.now().micros)
	b.event(CommandByHand, false, smpp.StatusOK, sequence, name, hex.EncodeToString(pdu[:min(len(pdu), handNote)]))
	err = s.log.write(&b)
	if err == nil {
		err = s.log.flush()
	}
	if err != nil {
		s.fail(err)
		httpError(w, http.StatusInternalServerError, err)
		return
	}
	c.box.say(pdu)
	writeJSON(w, ByHand{Conn: c.id, Sequence: sequence, PDU: hex.EncodeToString(pdu)})
}
