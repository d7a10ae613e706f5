package conversation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"fanline/community"
	"fanline/engine/message"
	"fanline/pipeline/record"
)

// Decode reads the PDU of an inbound record as its carrier writes texts: the
// text, and which part of a longer one it is. Of several PDUs, consecutive parts
// of one text, it reads the text that they make up together, and the part is the
// first one's. Cmd hands it in, since only it may know SMPP.
type Decode func(carrier string, pdus ...[]byte) (text string, part Part, err error)

// Part is the place of an inbound text in a longer one. Total is 0 or 1 for a
// whole message.
type Part struct {
	Ref        uint16
	Seq, Total uint8 // Seq counts from 1
}

// Config is what a desk is told from outside.
type Config struct {
	Program   string        // the registered name, in every text that law asks for
	Help      string        // where a person is reached
	LinkEvery time.Duration // a person gets no second link sooner; default 10 minutes
	Log       *slog.Logger
	Now       func() time.Time
}

// How long an automatic text is worth sending, and for how long the carrier
// may try. A confirmation of STOP is covered by consent for 5 minutes
// (47 CFR 64.1200(a)(12)), so none begins later than that.
const (
	stopDeadline    = 5 * time.Minute
	stopValidity    = 5 * time.Minute
	helpDeadline    = time.Hour
	joiningDeadline = 12 * time.Hour
	joiningValidity = 12 * time.Hour
)

// How often one person gets an automatic text of one kind, so that two
// machines that answer each other come to rest.
const (
	defaultLinkEvery = 10 * time.Minute
	stopEvery        = 24 * time.Hour // to one who had stopped before
	helpEvery        = 5 * time.Second
	startEvery       = 5 * time.Second
)

// Kinds of community.Tx.AnswerOnce.
const (
	kindLink  = "link"
	kindStop  = "stop"
	kindHelp  = "help"
	kindStart = "start"
)

// maxWords is how much of a text is kept as evidence, in octets.
const maxWords = 500

// Desk answers what comes in. It holds no state of its own; several may work
// at once on different partitions.
type Desk struct {
	store  *community.Store
	links  *Links
	texts  Texts
	decode Decode
	config Config
}

// New returns a desk.
func New(store *community.Store, links *Links, texts Texts, decode Decode, config Config) *Desk {
	if config.LinkEvery == 0 {
		config.LinkEvery = defaultLinkEvery
	}
	if config.Log == nil {
		config.Log = slog.Default()
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	return &Desk{store: store, links: links, texts: texts, decode: decode, config: config}
}

func (d *Desk) now() time.Time { return d.config.Now() }

// Record is a record of the topic inbound.
type Record struct {
	Offset int64
	Value  []byte
}

// Handle applies records of one partition, in order, together with the offset
// to read next, in one SQL transaction: read again after a crash, they change
// nothing. A record that cannot be read is logged and passed over. After an
// error nothing was applied and the same records are to be handed in again.
func (d *Desk) Handle(ctx context.Context, partition int32, records []Record) error {
	if len(records) == 0 {
		return nil
	}
	// Read before the transaction: they change only with the configuration.
	senders, err := d.senders(ctx)
	if err != nil {
		return err
	}
	return d.store.InTx(ctx, func(tx *community.Tx) error {
		next, err := tx.HoldConsumed(ctx, record.TopicInbound, partition)
		if err != nil {
			return fmt.Errorf("inbound: %w", err)
		}
		for _, r := range records {
			if r.Offset < next {
				continue
			}
			if err := d.take(ctx, tx, senders, partition, r); err != nil {
				return fmt.Errorf("inbound %d/%d: %w", partition, r.Offset, err)
			}
			next = r.Offset + 1
		}
		return tx.SetConsumed(ctx, record.TopicInbound, partition, next)
	})
}

// sender is one of our numbers: what texts say about it, and whether the
// networks answer STOP for it.
type sender struct {
	Fields
	tollFree bool
	choice   bool // it has several carriers: by which somebody writes is worth knowing
}

// tollFree is the kind of number for which the networks themselves confirm a
// STOP, by a text that can't be changed (product.md 3.2): ours would be a second.
const tollFree = "toll_free"

// senders maps our numbers to what is to be known of them.
func (d *Desk) senders(ctx context.Context) (map[message.Phone]sender, error) {
	numbers, err := d.store.Numbers(ctx)
	if err != nil {
		return nil, fmt.Errorf("numbers: %w", err)
	}
	senders := make(map[message.Phone]sender, len(numbers))
	for _, n := range numbers {
		senders[n.Number] = sender{
			Fields:   Fields{Leader: n.Leader, Program: d.config.Program, Help: d.config.Help},
			tollFree: n.Kind == tollFree,
			choice:   len(n.Carriers) > 1,
		}
	}
	return senders, nil
}

func (d *Desk) sender(ctx context.Context, number message.Phone) (Fields, error) {
	senders, err := d.senders(ctx)
	if err != nil {
		return Fields{}, err
	}
	who, ok := senders[number]
	if !ok {
		return Fields{}, fmt.Errorf("number %s is not configured: %w", number.Masked(), community.ErrNotFound)
	}
	return who.Fields, nil
}

// inbound is one text on its way through the desk.
type inbound struct {
	record.Inbound
	partition int32
	offset    int64
	text      string
	who       sender // empty when the number is no longer configured
	replies   int
}

// take reads a record and does what it asks for.
func (d *Desk) take(ctx context.Context, tx *community.Tx, senders map[message.Phone]sender, partition int32, r Record) error {
	log := d.config.Log.With("partition", partition, "offset", r.Offset)
	in, err := record.DecodeInbound(r.Value)
	if err != nil {
		log.Warn("inbound record passed over", "err", err)
		return nil
	}
	if _, ours := senders[in.Phone]; ours || !in.Phone.Valid() {
		// Two numbers of ours would talk for ever; a name can't be answered.
		log.Warn("inbound text of no person passed over", "short_code", in.Number, "sender", in.Phone)
		return nil
	}
	text, part, err := d.decode(in.Carrier, in.PDU)
	if err != nil {
		log.Warn("inbound text passed over", "carrier", in.Carrier, "err", err)
		return nil
	}
	text = clean(text)
	who, active := senders[in.Number]
	t := &inbound{Inbound: in, partition: partition, offset: r.Offset, text: text, who: who}
	found, err := tx.FindMember(ctx, in.Number, in.Phone)
	if errors.Is(err, community.ErrNotFound) {
		log.Warn("inbound text to a number that isn't ours passed over", "carrier", in.Carrier, "short_code", in.Number)
		return nil
	}
	if err != nil {
		return err
	}
	if err := d.read(ctx, tx, t, part, found, active); err != nil || !who.choice {
		return err
	}
	return tx.SawCarrier(ctx, found, t.Phone, t.Carrier, t.at())
}

// read acts on a text once it is whole. STOP counts in each part too: the
// engines have acted on it already.
func (d *Desk) read(ctx context.Context, tx *community.Tx, t *inbound, part Part, found community.Membership, active bool) error {
	if part.Total > 1 {
		stops := Classify(t.text) == Stop
		if stops {
			if err := d.stop(ctx, tx, t, active); err != nil {
				return err
			}
		}
		ready, err := d.part(ctx, tx, t, part, active)
		if err != nil || !ready {
			return err
		}
		if stops { // Whoever it is stands differently now.
			if found, err = tx.FindMember(ctx, t.Number, t.Phone); err != nil {
				return err
			}
		}
	}
	t.text = strings.TrimSpace(t.text)
	return d.act(ctx, tx, t, found, active)
}

// act does what a text asks for.
func (d *Desk) act(ctx context.Context, tx *community.Tx, t *inbound, found community.Membership, active bool) error {
	switch intent := Classify(t.text); {
	case intent == Stop:
		return d.stop(ctx, tx, t, active)
	case !active:
		return nil // Nobody reads it and nothing can be sent; only STOP still counts.
	case intent == Help:
		return d.help(ctx, tx, t, found)
	case intent == Start:
		return d.start(ctx, tx, t, found)
	default:
		// Yes too: joining takes the form, so no opt-in can be pending that it
		// would answer, and a leader's "shall I come to your town?" gets many.
		return d.talk(ctx, tx, t, found)
	}
}

// stop stores the revocation, also a stranger's, and sends the one
// confirmation; who had stopped before gets it at most once a day.
func (d *Desk) stop(ctx context.Context, tx *community.Tx, t *inbound, active bool) error {
	// Not Logged: the engine wrote its own record before it answered the
	// carrier, but a START that came between two STOPs is written by us and
	// would end up behind it. Ours follow one another in order.
	m, before, err := tx.RevokeConsent(ctx, t.Number, t.Phone, community.Revocation{Evidence: t.evidence("text")})
	if err != nil || !active || t.who.tollFree {
		return err
	}
	every := time.Duration(0)
	if before == community.Stopped {
		every = stopEvery
	}
	return d.answer(ctx, tx, t, m, kindStop, every, TextStopped, message.ClassStop, stopDeadline, stopValidity)
}

// help says who this is, to anyone who asks.
func (d *Desk) help(ctx context.Context, tx *community.Tx, t *inbound, m community.Membership) error {
	return d.answer(ctx, tx, t, m, kindHelp, helpEvery, TextHelp, message.ClassStop, helpDeadline, joiningValidity)
}

// start brings back who had joined before and sends the link to anyone else.
// Its answer is of the class of STOP and HELP, since the engines may still
// hold the revocation that it ends.
func (d *Desk) start(ctx context.Context, tx *community.Tx, t *inbound, m community.Membership) error {
	every := d.config.LinkEvery
	if m.Consent == community.Stopped {
		every = 0 // The STOP has made the last link void.
		again, err := tx.RejoinMember(ctx, t.Number, t.Phone, t.evidence("text"))
		if err != nil {
			return err
		}
		m = again.Membership
	}
	if m.Consent == community.Joined {
		return d.answer(ctx, tx, t, m, kindStart, startEvery, TextWelcomeBack, message.ClassStop, joiningDeadline, joiningValidity)
	}
	return d.invite(ctx, tx, t, m, message.ClassStop, every)
}

// talk puts a text into the inbox of the leader, if its writer has ever joined.
// A stranger gets the link; one who stopped without ever joining, nothing.
func (d *Desk) talk(ctx context.Context, tx *community.Tx, t *inbound, m community.Membership) error {
	switch {
	case !m.Joined.IsZero(): // Also after STOP: what people write is never thrown away.
		_, err := tx.AppendText(ctx, t.Number, m.Member.ID, community.Text{Direction: community.In, Text: t.text, At: t.at()})
		return err
	case m.Consent == community.Stopped:
		return nil
	}
	return d.invite(ctx, tx, t, m, message.ClassJoining, d.config.LinkEvery)
}

// invite sends the link, at most once every so often.
func (d *Desk) invite(ctx context.Context, tx *community.Tx, t *inbound, m community.Membership, class message.Class, every time.Duration) error {
	text := TextInviteAgain
	if m.Consent == community.Stranger {
		text = TextInvite
	}
	m, err := tx.Invite(ctx, t.Number, t.Phone, t.evidence("text"))
	if err != nil {
		return err
	}
	issued := d.now()
	if t.at().After(issued) { // A bind on a machine whose clock is ahead must not make the link older than the invitation.
		issued = t.at()
	}
	t.who.Link = d.links.Join(t.Number, t.Phone, issued)
	return d.answer(ctx, tx, t, m, kindLink, every, text, class, joiningDeadline, joiningValidity)
}

// answer sends an automatic text unless one of its kind went out a moment ago.
func (d *Desk) answer(ctx context.Context, tx *community.Tx, t *inbound, m community.Membership,
	kind string, every time.Duration, name Text, class message.Class, deadline, validity time.Duration,
) error {
	// A stranger who asks for HELP has no row to remember it by: nothing of a
	// person is stored before he or she wrote something that needs it.
	if m.Member.ID != 0 {
		may, err := tx.AnswerOnce(ctx, t.Number, m.Member.ID, kind, every)
		if err != nil || !may {
			return err
		}
	}
	text, err := d.texts.Fill(name, t.who.Fields)
	if err != nil {
		return err
	}
	s := record.Single{
		ID: message.ReplyID(t.Number, t.Phone, t.partition, t.offset, t.replies), Number: t.Number, Phone: t.Phone, Member: m.Member.ID,
		Class: class, Policy: message.AtMostOnce, Deadline: t.at().Add(deadline).UnixMilli(),
		Validity: uint32(validity / time.Second), At: t.At, Text: text,
		Attributes: m.Member.Attributes(community.DateOf(tx.Now())),
		// Back by the carrier that brought the text: that it reaches the phone is
		// sure.
		Hint: record.Hint{Name: t.Carrier, Source: message.EvidenceSeen},
	}
	t.replies++
	return d.send(ctx, tx, s)
}

func (d *Desk) send(ctx context.Context, tx *community.Tx, s record.Single) error {
	_, err := tx.Send(ctx, s)
	return err
}

func (t *inbound) at() time.Time { return time.UnixMilli(t.At).UTC() }

// evidence is what a text proves.
func (t *inbound) evidence(method string) community.Evidence {
	words := t.text
	if len(words) > maxWords {
		words = strings.ToValidUTF8(words[:maxWords], "")
	}
	return community.Evidence{
		Method: method, Words: words, At: t.at(),
		MessageID: fmt.Sprintf("%s/%d/%d", record.TopicInbound, t.partition, t.offset),
	}
}
