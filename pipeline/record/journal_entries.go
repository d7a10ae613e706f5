package record

import "fanline/engine/message"

// Flags of a message's head: what is the same as in the entry before it is
// left out, which is nearly always number, carrier and broadcast.
const (
	headLane = 1 << iota // number, carrier follow
	headText             // broadcast follows; 0: an ID stands in place of the rank
)

func appendIntents(dst []byte, j *Journal) []byte {
	dst = appendUvarint(dst, uint64(len(j.Runs)))
	for i := range j.Runs {
		run := &j.Runs[i]
		dst = appendUvarint(dst, uint64(run.Number))
		dst = appendString(dst, run.Carrier)
		dst = appendUvarint(dst, uint64(run.Bind))
		dst = appendVarint(dst, run.At)
	}
	dst = appendUvarint(dst, uint64(len(j.Intents)))
	for i := range j.Intents {
		in := &j.Intents[i]
		dst = appendUvarint(dst, uint64(in.Run))
		dst = append(dst, byte(in.Class))
		dst = appendUvarint(dst, uint64(in.Broadcast))
		if in.Broadcast == 0 {
			dst = append(dst, in.ID[:]...)
		} else {
			dst = appendUvarint(dst, uint64(in.Epoch))
			dst = appendUvarint(dst, uint64(in.Rank))
		}
		dst = appendUvarint(dst, uint64(in.Member))
		dst = appendUvarint(dst, uint64(in.Phone))
		dst = append(dst, in.Part, in.Parts)
	}
	return dst
}

func (r *reader) intents(j *Journal) {
	first := len(j.Runs)
	for range r.count(4, "runs") {
		j.Runs = append(j.Runs, Run{
			Number:  message.Phone(r.uvarint("number")),
			Carrier: r.string("carrier"),
			Bind:    r.uint32("bind"),
			At:      r.varint("time"),
		})
		if r.err != nil {
			return
		}
	}
	for range r.count(8, "intents") {
		in := Intent{Run: first + int(r.uint32("run")), Class: r.class()}
		if in.Run >= len(j.Runs) {
			r.fail("intent of no run")
		}
		in.Broadcast = message.BroadcastID(r.uint32("broadcast"))
		if in.Broadcast == 0 {
			r.fixed(in.ID[:], "id")
		} else {
			in.Epoch = message.Epoch(r.uint32("epoch"))
			in.Rank = message.Rank(r.uint32("rank"))
		}
		in.Member = message.MemberID(r.uint32("member"))
		in.Phone = message.Phone(r.uvarint("phone"))
		in.Part = r.byte("part")
		in.Parts = r.byte("parts")
		if r.err != nil {
			return
		}
		j.Intents = append(j.Intents, in)
	}
}

func (r *reader) class() message.Class {
	c := message.Class(r.byte("class"))
	if c >= message.Classes {
		r.fail("unknown class")
		return 0
	}
	return c
}

func appendMessage(dst []byte, m, prev *Message) []byte {
	var flags byte
	if m.Number != prev.Number || m.Carrier != prev.Carrier {
		flags |= headLane
	}
	if m.Broadcast != prev.Broadcast || m.Broadcast == 0 {
		flags |= headText
	}
	dst = append(dst, flags)
	if flags&headLane != 0 {
		dst = appendUvarint(dst, uint64(m.Number))
		dst = appendString(dst, m.Carrier)
	}
	if flags&headText != 0 {
		dst = appendUvarint(dst, uint64(m.Broadcast))
	}
	dst = append(dst, byte(m.Class))
	if m.Broadcast == 0 {
		dst = append(dst, m.ID[:]...)
	} else {
		dst = appendUvarint(dst, uint64(m.Rank))
	}
	dst = appendUvarint(dst, uint64(m.Member))
	dst = appendUvarint(dst, uint64(m.Phone))
	dst = append(dst, m.Parts)
	*prev = *m
	return appendAttributes(dst, m.Attributes)
}

func (r *reader) message(m, prev *Message) {
	flags := r.byte("flags")
	m.Number, m.Carrier, m.Broadcast = prev.Number, prev.Carrier, prev.Broadcast
	if flags&headLane != 0 {
		m.Number = message.Phone(r.uvarint("number"))
		m.Carrier = r.string("carrier")
	}
	if flags&headText != 0 {
		m.Broadcast = message.BroadcastID(r.uint32("broadcast"))
	}
	m.Class = r.class()
	if m.Broadcast == 0 {
		r.fixed(m.ID[:], "id")
	} else {
		m.Rank = message.Rank(r.uint32("rank"))
	}
	m.Member = message.MemberID(r.uint32("member"))
	m.Phone = message.Phone(r.uvarint("phone"))
	m.Parts = r.byte("parts")
	m.Attributes = r.attributes()
	*prev = *m
}

func appendOutcome(dst []byte, o *Outcome, prev *Message) []byte {
	dst = appendVarint(dst, o.Ref.Offset)
	dst = appendUvarint(dst, uint64(o.Ref.Index))
	dst = appendMessage(dst, &o.Message, prev)
	dst = append(dst, o.Part, byte(o.Code))
	dst = appendUvarint(dst, uint64(o.Status))
	dst = appendString(dst, o.MessageID)
	dst = appendUvarint(dst, uint64(o.Bind))
	dst = appendVarint(dst, o.At)
	dst = appendVarint(dst, o.Written-o.At)
	return append(dst, byte(o.From), byte(o.State), byte(o.Reason))
}

func (r *reader) outcome(prev *Message) Outcome {
	var o Outcome
	o.Ref = Ref{Offset: r.varint("reference's offset"), Index: r.uint32("reference's index")}
	r.message(&o.Message, prev)
	o.Part = r.byte("part")
	o.Code = message.Code(r.byte("code"))
	if o.Code > message.NotSent {
		r.fail("unknown code")
	}
	o.Status = r.uint32("status")
	o.MessageID = r.bytes("message id")
	o.Bind = r.uint32("bind")
	o.At = r.varint("time")
	o.Written = o.At + r.varint("written")
	o.From = r.state("from")
	o.State = r.state("state")
	o.Reason = message.Reason(r.byte("reason"))
	return o
}

// finalParts is set in a final's first state where those of its parts follow:
// few texts take several, and the records of the others stay as they were.
const finalParts = 0x80

func appendFinal(dst []byte, f *Final, prev *Message) []byte {
	dst = appendMessage(dst, &f.Message, prev)
	from := byte(f.From)
	if len(f.Parts) > 0 {
		from |= finalParts
	}
	dst = append(dst, from, byte(f.State), byte(f.Reason))
	dst = appendString(dst, f.Err)
	dst = appendVarint(dst, f.At)
	dst = appendVarint(dst, f.Written-f.At)
	if len(f.Parts) == 0 {
		return dst
	}
	dst = appendUvarint(dst, uint64(len(f.Parts)))
	for i := range f.Parts {
		p := &f.Parts[i]
		dst = append(dst, byte(p.State))
		if p.State != message.Open {
			dst = appendString(dst, p.Err)
			dst = appendVarint(dst, p.At-f.At)
		}
	}
	return dst
}

func (r *reader) final(prev *Message) Final {
	var f Final
	r.message(&f.Message, prev)
	parts := r.off < len(r.b) && r.b[r.off]&finalParts != 0
	f.From = r.stateIn("from", ^byte(finalParts))
	f.State = r.state("state")
	f.Reason = message.Reason(r.byte("reason"))
	f.Err = r.string("err")
	f.At = r.varint("time")
	f.Written = f.At + r.varint("written")
	if parts {
		f.Parts = r.parts(f.At)
	}
	return f
}

func (r *reader) parts(at int64) []Part {
	parts := make([]Part, r.count(1, "parts"))
	for i := range parts {
		if parts[i].State = r.state("part's state"); parts[i].State != message.Open {
			parts[i].Err, parts[i].At = r.string("part's err"), at+r.varint("part's time")
		}
	}
	return parts
}

func appendSnapshot(dst []byte, s *Snapshot) []byte {
	dst = appendVarint(dst, s.Applied)
	dst = appendVarint(dst, s.Replay)
	dst = appendUvarint(dst, uint64(len(s.Broadcasts)))
	for i := range s.Broadcasts {
		b := &s.Broadcasts[i]
		dst = appendUvarint(dst, uint64(b.ID))
		dst = appendUvarint(dst, uint64(b.Epoch))
		dst = appendUvarint(dst, uint64(b.Total))
		dst = appendUvarint(dst, uint64(b.Low))
		dst = appendString(dst, b.Decided)
		dst = append(dst, boolByte(b.Settled))
		for _, t := range []*message.Tally{&b.Counts, &b.Parts} {
			for _, n := range t {
				dst = appendVarint(dst, n)
			}
		}
	}
	dst = appendUvarint(dst, uint64(len(s.Recent)))
	for i := range s.Recent {
		dst = append(dst, s.Recent[i][:]...)
	}
	return dst
}

func (r *reader) snapshot() *Snapshot {
	s := &Snapshot{Applied: r.varint("applied"), Replay: r.varint("replay")}
	for range r.count(6+2*message.States, "broadcasts") {
		b := Broadcast{
			ID:      message.BroadcastID(r.uint32("broadcast")),
			Epoch:   message.Epoch(r.uint32("epoch")),
			Total:   message.Rank(r.uint32("total")),
			Low:     message.Rank(r.uint32("low-water rank")),
			Decided: r.bytes("decided"),
			Settled: r.byte("settled") != 0,
		}
		for _, t := range []*message.Tally{&b.Counts, &b.Parts} {
			for i := range t {
				t[i] = r.varint("tally")
			}
		}
		if r.err != nil {
			return s
		}
		s.Broadcasts = append(s.Broadcasts, b)
	}
	for range r.count(16, "recent ids") {
		var id message.ID
		r.fixed(id[:], "recent id")
		s.Recent = append(s.Recent, id)
	}
	return s
}

func appendEarly(dst []byte, early []Early) []byte {
	dst = appendUvarint(dst, uint64(len(early)))
	carrier := ""
	for i := range early {
		e := &early[i]
		if e.Carrier == carrier {
			dst = append(dst, 0) // As the one before; no carrier's name is empty.
		} else {
			dst = appendString(dst, e.Carrier)
			carrier = e.Carrier
		}
		dst = appendString(dst, e.ID)
		dst = appendUvarint(dst, uint64(e.Phone))
		dst = appendUvarint(dst, uint64(e.To))
		if e.Of == (message.Key{}) {
			dst = append(dst, byte(e.State))
		} else {
			dst = append(dst, byte(e.State)|earlyOf)
		}
		dst = appendString(dst, e.Err)
		dst = appendVarint(dst, e.At)
		switch {
		case e.Of == (message.Key{}):
		case e.Of.Broadcast != 0:
			dst = appendUvarint(appendUvarint(dst, uint64(e.Of.Broadcast)), uint64(e.Of.Member))
		default:
			dst = append(appendUvarint(dst, 0), e.Of.ID[:]...)
		}
	}
	return dst
}

// earlyOf is set in an early receipt's state where the key of a message follows.
const earlyOf = 0x80

func (r *reader) early(j *Journal) {
	carrier := ""
	for range r.count(7, "early receipts") {
		if name := r.string("carrier"); name != "" {
			carrier = name
		}
		e := Early{Carrier: carrier, ID: r.bytes("id"), Phone: message.Phone(r.uvarint("phone")), To: message.Phone(r.uvarint("number"))}
		of := r.off < len(r.b) && r.b[r.off]&earlyOf != 0
		e.State, e.Err, e.At = r.stateIn("state", ^byte(earlyOf)), r.string("err"), r.varint("time")
		if of {
			if e.Of.Broadcast = message.BroadcastID(r.uint32("broadcast")); e.Of.Broadcast != 0 {
				e.Of.Member = message.MemberID(r.uint32("member"))
			} else {
				r.fixed(e.Of.ID[:], "id")
			}
		}
		if r.err != nil {
			return
		}
		j.Early = append(j.Early, e)
	}
}
