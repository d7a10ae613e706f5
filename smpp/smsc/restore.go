package smsc

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"slices"

	"fanline/smpp"
)

// owedReceipt is an accepted submit whose receipt was not answered yet.
type owedReceipt struct {
	account, number string
	d               delivery
	due             int64 // microseconds since 1970
	copies          int8
	before          bool // the intermediate one is owed too
}

// sentUnder names a deliver_sm by connection and sequence number.
type sentUnder struct {
	conn, seq uint32
}

// recovery collects from the log what the simulator still owes.
type recovery struct {
	s        *server
	segment  int
	d        *decoder
	receipts map[changed]owedReceipt
	texts    map[uint64]*recoveredText
	inFlight map[sentUnder]sentPartOf
	traffic  map[string]progress
	lastID   uint64
	lastConn uint32
}

type sentPartOf struct {
	id     uint64
	part   byte  // 0: a receipt
	to     phone // of a receipt
	before bool  // of a receipt: an intermediate one
}

type recoveredText struct {
	account, number, phone string
	kind, esm, dcs         byte
	form                   TextForm
	ref                    uint16
	twin                   bool
	tlvs                   smpp.Options
	micros                 int64 // when it was taken in
	parts                  []inboundPart
}

// restore reads the log of earlier runs, cuts its torn end, and takes up what it says is owed.
func (s *server) restore(dir string) error {
	segs, err := segments(dir)
	if err != nil {
		return err
	}
	d := decoder{}
	r := &recovery{s: s, d: &d, receipts: map[changed]owedReceipt{}, texts: map[uint64]*recoveredText{}, inFlight: map[sentUnder]sentPartOf{}, traffic: map[string]progress{}}
	for i, seg := range segs {
		if r.segment, err = segmentNumber(seg); err != nil {
			return err
		}
		good, size, err := readSegment(seg, &d, r.entry)
		if err != nil {
			return err
		}
		if good == size {
			continue
		}
		if i < len(segs)-1 {
			return fmt.Errorf("%w: %s at offset %d: block is cut off, yet a later segment exists", ErrCorrupt, seg, good)
		}
		if err := cutTail(seg, good); err != nil {
			return err
		}
		s.logger.Warn("simulator's log had a torn end", "segment", seg, "cut_bytes", size-good)
	}
	s.takeUp(r)
	return nil
}

// cutTail keeps what is cut off in a file beside the segment: it is evidence.
func cutTail(path string, good int64) (err error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("smsc log: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	aside, err := os.Create(fmt.Sprintf("%s.torn-%d", path, good))
	if err != nil {
		return fmt.Errorf("smsc log: %w", err)
	}
	defer func() { err = errors.Join(err, aside.Close()) }()
	if _, err := f.Seek(good, 0); err != nil {
		return fmt.Errorf("smsc log: %w", err)
	}
	if _, err := bufio.NewReader(f).WriteTo(aside); err != nil {
		return fmt.Errorf("smsc log: %w", err)
	}
	return f.Truncate(good)
}

// entry follows one entry of the log.
func (r *recovery) entry(e *Entry) error {
	r.lastConn = max(r.lastConn, e.Conn)
	switch e.Kind {
	case KindSubmit:
		r.lastID = max(r.lastID, e.MessageID)
		if e.MessageID != 0 {
			r.s.log.note(e.MessageID, r.segment, r.d.at)
		}
		if e.Accepted() && e.Stat != StatNone && (e.Intermediate || !e.Unwanted && !e.Lost) {
			r.submit(e)
		}
	case KindQueued:
		r.lastID = max(r.lastID, e.MessageID)
		r.text(e)
	case KindEvent:
		if name, p, ok := parseProgress(e.Text); ok && e.Command == CommandTraffic {
			r.traffic[name] = p
		}
	case KindReceipt:
		r.inFlight[sentUnder{e.Conn, e.Seq}] = sentPartOf{id: e.MessageID, to: parsePhone([]byte(e.Source)), before: e.Intermediate}
	case KindReply:
		r.inFlight[sentUnder{e.Conn, e.Seq}] = sentPartOf{id: e.MessageID, part: e.Part}
	case KindDeliverResp:
		r.answered(e)
	case KindOperation:
		r.lastID = max(r.lastID, e.MessageID)
		r.operation(e)
	}
	return nil
}

// operation follows what changed a message.
func (r *recovery) operation(e *Entry) {
	if e.Status != smpp.StatusOK || e.Stat == StatNone || e.MessageID == 0 {
		return
	}
	fate := change{e.Stat, e.Micros + int64(e.DelayMillis)*1000}
	switch e.Command {
	case "broadcast_sm":
		r.s.broadcasts.put(e.MessageID, &cellBroadcast{
			account: e.Account, source: canonicalPhone(e.Source), service: e.Text, change: fate,
		})
	case "cancel_broadcast_sm":
		if b := r.s.broadcasts.byID[e.MessageID]; b != nil {
			b.change = fate
		}
	default:
		k := changed{e.MessageID, parsePhone([]byte(canonicalPhone(e.Destination)))}
		r.s.changes.put(k, fate)
		if e.Unwanted {
			delete(r.receipts, k)
			return
		}
		o := r.receipts[k]
		o.account, o.number, o.due, o.copies, o.before = e.Account, canonicalPhone(e.Source), fate.at, 1, false
		o.d.id, o.d.from, o.d.stat, o.d.fromType, o.d.toType = e.MessageID, k.to, fate.stat, e.DestType, e.SourceType
		if o.d.submitted == 0 {
			o.d.submitted = uint32(e.Micros / 1_000_000)
		}
		r.receipts[k] = o
	}
}

// text keeps a part that was taken in. Parts that never come were never taken in.
func (r *recovery) text(e *Entry) {
	x := r.texts[e.MessageID]
	if x == nil {
		x = &recoveredText{
			account: e.Account, number: e.Destination, phone: e.Source, kind: e.SourceType, esm: e.ESMClass, dcs: e.DataCoding,
			form: e.Form, ref: e.Ref, twin: e.Duplicate, tlvs: slices.Clone(e.TLVs), micros: e.Micros,
			parts: make([]inboundPart, max(e.Parts, 1)),
		}
		for i := range x.parts {
			x.parts[i].done = true
		}
		r.texts[e.MessageID] = x
	}
	if i := int(e.Part) - 1; i >= 0 && i < len(x.parts) {
		x.parts[i] = inboundPart{udh: slices.Clone(e.UDH), octets: slices.Clone(e.Octets), delayMs: e.DelayMillis}
	}
}

func (r *recovery) submit(e *Entry) {
	o := owedReceipt{
		account: e.Account, number: canonicalPhone(e.Source), due: e.Micros + int64(e.DelayMillis)*1000, copies: 1,
		d: delivery{
			id: e.MessageID, from: parsePhone([]byte(canonicalPhone(e.Destination))), submitted: uint32(e.Micros / 1_000_000),
			fromType: e.DestType, toType: e.SourceType, stat: e.Stat,
		},
	}
	if e.IDForm == IDShort {
		o.d.form = form33
	}
	if e.Duplicate {
		o.copies = 2
	}
	if e.Lost || e.Unwanted {
		o.copies = 0
	}
	o.before = e.Intermediate
	k := changed{e.MessageID, o.d.from}
	if have, ok := r.receipts[k]; ok { // an id given twice
		o.copies += have.copies
	}
	r.receipts[k] = o
}

func (r *recovery) answered(e *Entry) {
	under := sentUnder{e.Conn, e.Seq}
	sent, ok := r.inFlight[under]
	if !ok {
		return
	}
	delete(r.inFlight, under)
	if e.Status != smpp.StatusOK && retryable(e.Status) {
		return
	}
	if sent.part > 0 {
		x := r.texts[sent.id]
		if x == nil || int(sent.part) > len(x.parts) {
			return
		}
		x.parts[sent.part-1].done = true
		if !slices.ContainsFunc(x.parts, func(p inboundPart) bool { return !p.done }) {
			delete(r.texts, sent.id)
		}
		return
	}
	k := changed{sent.id, sent.to}
	o := r.receipts[k]
	if sent.before {
		o.before = false
	} else {
		o.copies--
	}
	if o.copies <= 0 && !o.before {
		delete(r.receipts, k)
		return
	}
	r.receipts[k] = o
}

// takeUp hands what is owed to the accounts. What belongs to an account or number that is gone is dropped, with a word.
func (s *server) takeUp(r *recovery) {
	if r.lastID > 0 {
		s.nextID.Store(r.lastID)
	}
	s.nextConn.Store(r.lastConn)
	s.traffic.before = r.traffic
	now := s.now()
	gone := 0
	batches := map[*account][]delivery{}
	for _, o := range r.receipts {
		a, n := s.ownerOf(o.account, o.number)
		if n == nil || o.d.from == 0 {
			gone++
			continue
		}
		batches[a] = append(batches[a], s.owedAgain(o, n, now)...)
	}
	for a, batch := range batches {
		slices.SortFunc(batch, func(x, y delivery) int { return int(int32(x.due - y.due)) })
		s.pending.Add(int64(len(batch)))
		a.deliver(batch, now.ms)
	}
	gone += s.takeUpTexts(r, now)
	if gone > 0 {
		s.logger.Warn("receipts or texts owed to accounts or numbers that are not configured any more were dropped", "count", gone)
	}
}

// owedAgain makes the deliveries that a message is owed.
func (s *server) owedAgain(o owedReceipt, n *number, now moment) (out []delivery) {
	o.d.number, o.d.due = n.place, now.ms
	o.d.form |= s.plan().of(o.account).behaviourFor(o.d.from.String(), n.addr).formIndex
	if o.before {
		d := o.d
		d.flags = deliverBefore
		out = append(out, d)
	}
	if o.due > now.micros {
		o.d.due += uint32((o.due - now.micros) / 1000)
	}
	for range o.copies {
		out = append(out, o.d)
	}
	if n.maxPending > 0 {
		n.pending.Add(int64(len(out)))
	}
	return out
}

func (s *server) takeUpTexts(r *recovery, now moment) (gone int) {
	var owed []*inbound
	ids := make([]uint64, 0, len(r.texts))
	for id := range r.texts {
		ids = append(ids, id)
	}
	slices.Sort(ids) // in the order the phones sent them
	for _, id := range ids {
		t := r.texts[id]
		a, n := s.ownerOf(t.account, t.number)
		if n == nil {
			gone++
			continue
		}
		x := &inbound{
			id: id, account: a, number: n, phone: t.phone, kind: t.kind, esm: t.esm, dcs: t.dcs, form: t.form, ref: t.ref,
			again: t.twin, tlvs: t.tlvs, parts: t.parts,
		}
		since := max(now.micros-t.micros, 0) / 1000
		for i := range x.parts {
			p := &x.parts[i]
			p.delayMs = uint32(max(int64(p.delayMs)-since, 0))
			if !p.done {
				x.left++
			}
		}
		owed = append(owed, x)
	}
	if len(owed) > 0 {
		s.owe(owed, now.ms)
	}
	return gone
}

func (s *server) ownerOf(systemID, addr string) (*account, *number) {
	a := s.accounts[systemID]
	if a == nil {
		return nil, nil
	}
	return a, s.number(a, addr)
}
