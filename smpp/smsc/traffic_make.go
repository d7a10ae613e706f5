package smsc

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// within is the manner of a text inside one that holds around it.
func (m Manner) within(around *Manner) Manner {
	out := *around
	for _, s := range [][2]*string{{&m.Parts, &out.Parts}, {&m.PartOrder, &out.PartOrder}, {&m.Encoding, &out.Encoding}, {&m.PhoneForm, &out.PhoneForm}} {
		if *s[0] != "" {
			*s[1] = *s[0]
		}
	}
	for _, d := range [][2]*Duration{{&m.PartGap, &out.PartGap}, {&m.DuplicateAfter, &out.DuplicateAfter}} {
		if *d[0] != 0 {
			*d[1] = *d[0]
		}
	}
	for _, f := range [][2]*float64{{&m.LosePart, &out.LosePart}, {&m.Duplicate, &out.Duplicate}} {
		if *f[0] != 0 {
			*f[1] = *f[0]
		}
	}
	if m.DataCoding != nil {
		out.DataCoding = m.DataCoding
	}
	if m.ESMClass != 0 {
		out.ESMClass = m.ESMClass
	}
	if m.TLVs != nil {
		out.TLVs = m.TLVs
	}
	out.Spread = out.Spread || m.Spread
	return out
}

// charactersMax bounds what a text is filled up to: 255 parts of UCS-2.
const charactersMax = 255 * 67

func (t *textShare) compile(around *Manner) (err error) {
	manner := t.spec.within(around)
	if t.manner, err = manner.compile(); err != nil {
		return err
	}
	if t.spec.Characters < 0 || t.spec.Characters > charactersMax {
		return fmt.Errorf("characters: %d: want 0 to %d", t.spec.Characters, charactersMax)
	}
	if t.spec.Octets != "" {
		if t.octets, err = hex.DecodeString(t.spec.Octets); err != nil || t.spec.Text != "" || t.spec.Characters != 0 {
			return errors.New("octets_hex: want octets in hex, and no text beside them")
		}
	}
	// What can't be encoded is found now, not in the middle of the night.
	x := inbound{}
	return x.encode(t.write(&rng{}, 1<<40, "1234567890123456"), t.octets, &t.manner)
}

// write makes the text of a place in the row.
func (t *textShare) write(chance *rng, i uint64, phone string) string {
	s := t.spec.Text
	if strings.Contains(s, "{") {
		s = strings.NewReplacer("{i}", strconv.FormatUint(i, 10), "{phone}", phone).Replace(s)
	}
	if t.spec.Characters == 0 {
		return s
	}
	b := []rune(s)
	for len(b) < t.spec.Characters {
		if len(b) > 0 {
			b = append(b, ' ')
		}
		b = append(b, []rune(fillers[chance.below(uint64(len(fillers)))])...)
	}
	return string(b[:t.spec.Characters])
}

// fillers are the words that long texts are made of, in the alphabet of GSM 03.38.
var fillers = [...]string{
	"and", "see", "you", "tonight", "at", "the", "show", "we", "love", "it", "so", "much", "bring", "friends", "from", "town", "new", "song", "what", "a", "day",
	"thank", "for", "all", "where", "is", "next", "stop", "maybe", "soon", "ok", "great", "music",
}

// textAt is what the i-th text of a stream is: it depends on the seed, the stream's name and i alone.
func (s *stream) textAt(seed, i uint64, order permutation) (phone, number string, t *textShare, chance rng) {
	chance = rng{mix64(seed ^ hashOf(s.name) ^ mix64(i))}
	which := i % s.phones.count
	if s.phones.shuffled {
		which = order.at(i)
	}
	phone = s.phones.at(which)
	number = s.numbers[i%uint64(len(s.numbers))]
	return phone, number, pickText(s.texts, &chance), chance
}

func pickText(list []textShare, chance *rng) *textShare {
	r := chance.next() >> 32
	for i := range list {
		if r < list[i].below {
			return &list[i]
		}
	}
	return &list[len(list)-1]
}

// hashOf is FNV-1a: the same in every process.
func hashOf(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return h
}
