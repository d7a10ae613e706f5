package smsc

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"time"

	"fanline/smpp"
)

// Responses is what is odd about the answers to submits. Shares are of the submits that are answered.
type Responses struct {
	NoBody     float64       `yaml:"no_body"`     // accepted, answered by a header alone: the client never learns the id
	EmptyID    float64       `yaml:"empty_id"`    // accepted, answered with an empty message_id
	ErrorBody  bool          `yaml:"error_body"`  // refusals have a body in SMPP 3.4 too: an empty message_id
	Nack       float64       `yaml:"nack"`        // refused by generic_nack
	NackZero   float64       `yaml:"nack_zero"`   // refused by generic_nack with sequence number 0
	NackStatus string        `yaml:"nack_status"` // of both; left out: ESME_RSYSERR
	Late       float64       `yaml:"late"`        // answered later than latency says, so that others overtake
	LateBy     *Distribution `yaml:"late_by"`     // by how much; left out: up to 1s
	TLVs       []ResponseTLV `yaml:"tlvs"`        // in every answer that has a body
}

// ResponseTLV is an optional parameter of an answer.
type ResponseTLV struct {
	Tag  int    `yaml:"tag"`
	Text string `yaml:"text"` // its value as text without a NUL at the end,
	Hex  string `yaml:"hex"`  // or as octets
}

// responseShapes is Responses compiled; shares are thresholds one upon the other.
type responseShapes struct {
	nack, nackZero, noBody, emptyID, late uint64
	nackStatus                            smpp.Status
	lateBy                                *sampler
	always                                byte // shape of every answer
	tlvs                                  smpp.Options
	set                                   byte // place of tlvs in the plan, counted from 1
}

// Shapes of an answer; they stand in the log.
const (
	shapeNoBody byte = 1 << iota
	shapeEmptyID
	shapeErrorBody
	shapeNack
	shapeNackZero
	shapeTLVs
	shapeLate
)

// shapeNames are what `smsc log` calls those that a client can stumble over.
var shapeNames = [...]struct {
	bit  byte
	name string
}{
	{shapeNoBody, "no_body"}, {shapeEmptyID, "empty_id"}, {shapeNack, "nack"}, {shapeNackZero, "nack_zero"}, {shapeLate, "late"},
}

func compileResponses(r *Responses) (*responseShapes, error) {
	c := &responseShapes{nackStatus: smpp.StatusSysErr}
	sum := 0.0
	for _, x := range []struct {
		name  string
		share float64
		into  *uint64
	}{{"nack", r.Nack, &c.nack}, {"nack_zero", r.NackZero, &c.nackZero}, {"no_body", r.NoBody, &c.noBody}, {"empty_id", r.EmptyID, &c.emptyID}} {
		t, err := threshold(&sum, x.share)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", x.name, err)
		}
		*x.into = t
	}
	var err error
	if r.NackStatus != "" {
		if c.nackStatus, err = parseStatus(r.NackStatus); err != nil || c.nackStatus == smpp.StatusOK {
			return nil, fmt.Errorf("nack_status: %q is no error", r.NackStatus)
		}
	}
	if c.late, err = share(r.Late); err != nil {
		return nil, fmt.Errorf("late: %w", err)
	}
	if c.lateBy, err = spanOrSecond(r.LateBy); err != nil {
		return nil, fmt.Errorf("late_by: %w", err)
	}
	if r.ErrorBody {
		c.always |= shapeErrorBody
	}
	for i, t := range r.TLVs {
		value := []byte(t.Text)
		if t.Hex != "" {
			if value, err = hex.DecodeString(t.Hex); err != nil || t.Text != "" {
				return nil, fmt.Errorf("tlvs[%d]: want text or hex, whole octets", i)
			}
		}
		if t.Tag < 1 || t.Tag > 0xffff || len(value) > 1024 {
			return nil, fmt.Errorf("tlvs[%d]: want a tag of 16 bits and a value of at most 1024 octets", i)
		}
		c.tlvs = c.tlvs.Append(smpp.Tag(t.Tag), value)
		c.always |= shapeTLVs
	}
	return c, nil
}

// spanOrSecond compiles a span; left out it is anything up to a second.
func spanOrSecond(d *Distribution) (*sampler, error) {
	if d == nil {
		d = &Distribution{Max: Duration(time.Second)}
	}
	return compileDistribution(d)
}

// numberTLVs gives the sets of TLVs of a plan's answers their places.
func (p *plan) numberTLVs() {
	p.behaviours(func(b *behaviour) {
		if r := b.responses; r != nil && r.tlvs != nil && r.set == 0 && len(p.tlvSets) < 255 {
			p.tlvSets = append(p.tlvSets, r.tlvs)
			r.set = byte(len(p.tlvSets))
		}
	})
}

// draw gives an answer its shape.
func (s *responseShapes) draw(r uint64) byte {
	shape, low := s.always, r&0xffffffff
	switch {
	case low < s.nack:
		return shapeNack
	case low < s.nackZero:
		return shapeNackZero
	case low < s.noBody:
		shape |= shapeNoBody
	case low < s.emptyID:
		shape |= shapeEmptyID
	}
	if r>>32 < s.late {
		shape |= shapeLate
	}
	return shape
}

// oddReceipts is compiled from Receipts: what most scenarios leave out.
type oddReceipts struct {
	any                                       bool
	reorder, otherBind, unasked, intermediate uint64
	reorderBy                                 *sampler
}

func compileOdd(r *Receipts) (o oddReceipts, err error) {
	for _, x := range []struct {
		name  string
		share float64
		into  *uint64
	}{{"reorder", r.Reorder, &o.reorder}, {"other_bind", r.OtherBind, &o.otherBind}, {"unasked", r.Unasked, &o.unasked}, {"intermediate", r.Intermediate, &o.intermediate}} {
		if *x.into, err = share(x.share); err != nil {
			return o, fmt.Errorf("%s: %w", x.name, err)
		}
	}
	o.any = o.reorder|o.otherBind|o.unasked|o.intermediate != 0
	if o.reorderBy, err = spanOrSecond(r.ReorderBy); err != nil {
		return o, fmt.Errorf("reorder_by: %w", err)
	}
	return o, nil
}

// Cause says why a submit was refused.
type Cause uint8

// The causes.
const (
	CauseNone     Cause = iota
	CauseContent        // the PDU: an address, a time, a header
	CauseLimit          // limit_per_second of the number or account
	CauseWindow         // more outstanding than the account's window
	CauseQueue          // max_pending
	CauseShare          // statuses
	CauseSchedule       // errors
	CauseFault          // a fault of kind status or nack
	CauseResponse       // responses.nack, responses.nack_zero
	CauseDelivery       // transaction mode: it could not be delivered
	causeCount
)

var causeNames = [causeCount]string{"", "content", "limit", "window", "queue", "statuses", "errors", "fault", "responses", "delivery"}

// String is the name of the key or part of the simulator that refused; empty when nothing did.
func (c Cause) String() string {
	if int(c) < len(causeNames) {
		return causeNames[c]
	}
	return "cause-" + strconv.Itoa(int(c))
}
