package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/RoaringBitmap/roaring/v2"

	"fanline/api"
	"fanline/engine/message"
	"fanline/smpp/smsc"
)

// city takes the step of the text to one city, and takes it anew where a crash
// has cut the first one off and left messages of it uncertain.
func (m *demo) city(ctx context.Context) error {
	err := m.step(ctx, stepCity, m.toCity)
	if err == nil || ctx.Err() != nil || !m.resumed {
		return err
	}
	m.screen.note("    %v;\n    the crash left them uncertain, and what is uncertain is not sent twice: another text takes its place", err)
	if err := m.memory.change(ctx, func(s *demoState) { s.Abandoned, s.City = append(s.Abandoned, s.City), 0 }); err != nil {
		return err
	}
	return m.step(ctx, stepCity, m.toCity)
}

// toCity sends a text to all members of one city, and holds the phones that
// the carrier was given against those that the store has there.
func (m *demo) toCity(ctx context.Context) error {
	var name string
	m.memory.look(func(s *demoState) { name = fmt.Sprintf("city%d", len(s.Abandoned)) })
	id, err := m.start(ctx, name, api.NewBroadcast{
		Number: demoNumber, Text: textToCity, Audience: fmt.Sprintf("city=%q state=%s", fanCity, fanState), Validity: demoValidity.String(),
	}, func(s *demoState) *message.BroadcastID { return &s.City })
	if err != nil {
		return err
	}
	if _, err := m.watch(ctx, id, "sent", func(api.Watched) {}); err != nil {
		return err
	}
	wanted, err := m.phonesIn(ctx, id)
	if err != nil {
		return err
	}
	got := phoneSet{}
	err = smsc.ReadLog(m.simLog, func(e *smsc.Entry) error {
		if e.Kind != smsc.KindSubmit || e.KeyKind != smsc.KeyBroadcast || e.Broadcast != uint32(id) {
			return nil
		}
		phone, err := message.ParsePhone(e.Destination)
		got[phone] = true
		return err
	})
	if err != nil {
		return err
	}
	return sameSet("phones of "+fanCity, wanted, got)
}

// phoneSet is a small set of phones: those of one city.
type phoneSet map[message.Phone]bool

// phonesIn returns the phones of a broadcast's audience, each of which must be
// somebody's who lives where the first fan does.
func (m *demo) phonesIn(ctx context.Context, id message.BroadcastID) (phoneSet, error) {
	number, err := parsedDemoNumber()
	if err != nil {
		return nil, err
	}
	var ana string
	m.memory.look(func(s *demoState) { ana = s.Phones[roleFirst] })
	phone, err := message.ParsePhone(ana)
	if err != nil {
		return nil, err
	}
	her, err := m.n.store.FindMember(ctx, number, phone)
	if err != nil {
		return nil, err
	}
	parts, err := m.n.store.Audience(ctx, id)
	if err != nil {
		return nil, err
	}
	all := roaring.FastOr(parts...)
	ids := make([]message.MemberID, 0, all.GetCardinality())
	for it := all.Iterator(); it.HasNext(); {
		ids = append(ids, message.MemberID(it.Next()))
	}
	people, _, _, err := m.n.store.Recipients(ctx, number, nil, ids, nil, nil)
	if err != nil {
		return nil, err
	}
	set := phoneSet{}
	for _, p := range people {
		if p.Attributes.City != her.Member.CityID {
			return nil, fmt.Errorf("member %d is in the audience and lives elsewhere", p.Member)
		}
		if p.Suppressed == message.NoReason {
			set[p.Phone] = true
		}
	}
	if !set[phone] {
		return nil, errors.New("the first fan is not in the audience of her own city")
	}
	return set, nil
}

// sameSet says how two sets differ, without naming a phone.
func sameSet(what string, wanted, got phoneSet) error {
	missing, strange := 0, 0
	for p := range wanted {
		if !got[p] {
			missing++
		}
	}
	for p := range got {
		if !wanted[p] {
			strange++
		}
	}
	if missing+strange == 0 {
		return nil
	}
	return fmt.Errorf("%s: %d expected; %d of them were sent nothing, and %d others were sent something", what, len(wanted), missing, strange)
}
