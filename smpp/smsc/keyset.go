package smsc

import (
	"encoding/binary"
	"hash/fnv"
	"math/bits"
	"slices"
)

// bitset is a set of 32-bit numbers in pages, so that it costs a bit for each member of a dense range and one page
// (8 KiB) for a lonely one.
type bitset struct {
	pages map[uint32]*[pageWords]uint64
	last  *[pageWords]uint64
	at    uint32
	n     int
}

const (
	pageWords = 1024
	pageBits  = 16 // a page holds 1<<pageBits numbers
)

// add says whether v was new.
func (s *bitset) add(v uint32) bool {
	page := v >> pageBits
	if s.last == nil || s.at != page {
		p := s.pages[page]
		if p == nil {
			if s.pages == nil {
				s.pages = map[uint32]*[pageWords]uint64{}
			}
			p = new([pageWords]uint64)
			s.pages[page] = p
		}
		s.last, s.at = p, page
	}
	word, bit := &s.last[v>>6&(pageWords-1)], uint64(1)<<(v&63)
	if *word&bit != 0 {
		return false
	}
	*word |= bit
	s.n++
	return true
}

func (s *bitset) has(v uint32) bool {
	p := s.pages[v>>pageBits]
	return p != nil && p[v>>6&(pageWords-1)]&(1<<(v&63)) != 0
}

// all yields the numbers in order.
func (s *bitset) all(yield func(uint32) bool) {
	pages := make([]uint32, 0, len(s.pages))
	for page := range s.pages {
		pages = append(pages, page)
	}
	slices.Sort(pages)
	for _, page := range pages {
		for i, word := range s.pages[page] {
			for ; word != 0; word &= word - 1 {
				if !yield(page<<pageBits | uint32(i)<<6 | uint32(bits.TrailingZeros64(word))) {
					return
				}
			}
		}
	}
}

// hashSet is a set of 64-bit hashes, open-addressed: 16 octets an entry at most.
type hashSet struct {
	table []uint64
	n     int
	zero  bool
}

func (s *hashSet) add(h uint64) bool {
	if h == 0 {
		fresh := !s.zero
		s.zero = true
		return fresh
	}
	if 4*s.n >= 3*len(s.table) {
		s.grow()
	}
	mask := uint64(len(s.table) - 1)
	for i := mix64(h) & mask; ; i = (i + 1) & mask {
		switch s.table[i] {
		case 0:
			s.table[i] = h
			s.n++
			return true
		case h:
			return false
		}
	}
}

func (s *hashSet) grow() {
	old := s.table
	s.table = make([]uint64, max(64, 2*len(old)))
	mask := uint64(len(s.table) - 1)
	for _, h := range old {
		if h == 0 {
			continue
		}
		i := mix64(h) & mask
		for s.table[i] != 0 {
			i = (i + 1) & mask
		}
		s.table[i] = h
	}
}

// keySet holds which parts of which messages were accepted. Keys of broadcasts are exact and cost a bit each; other keys
// are exact as well; submits without a key count by a 64-bit hash of number, destination, content and part.
type keySet struct {
	broadcasts map[uint32]*broadcastKeys
	others     map[string]*otherKey
	unkeyed    hashSet // of part
	messages   hashSet // unkeyed, of message
}

// broadcastKeys are the accepted parts of one broadcast by member.
type broadcastKeys struct {
	members bitset           // any part
	parts   map[byte]*bitset // by part number
	totals  map[byte]*bitset // by number of parts, where that is more than one
}

// otherKey is which parts of a message with a key of its own were accepted.
type otherKey struct {
	parts [4]uint64 // by part number
	n     int
	total byte
}

// add takes an accepted submit and says whether its (key, part) was new.
func (s *keySet) add(e *Entry) bool {
	switch e.KeyKind {
	case KeyBroadcast:
		return s.broadcast(e.Broadcast).add(e.Member, e.Part, e.Parts)
	case KeyNone:
		h := contentHash(e)
		s.messages.add(h)
		return s.unkeyed.add(mix64(h + uint64(e.Part)))
	default:
		k := s.others[string(e.Key)]
		if k == nil {
			if s.others == nil {
				s.others = map[string]*otherKey{}
			}
			k = &otherKey{}
			s.others[string(e.Key)] = k
		}
		return k.add(e.Part, e.Parts)
	}
}

func (s *keySet) broadcast(id uint32) *broadcastKeys {
	b := s.broadcasts[id]
	if b == nil {
		if s.broadcasts == nil {
			s.broadcasts = map[uint32]*broadcastKeys{}
		}
		b = &broadcastKeys{parts: map[byte]*bitset{}, totals: map[byte]*bitset{}}
		s.broadcasts[id] = b
	}
	return b
}

func (b *broadcastKeys) add(member uint32, part, total byte) bool {
	b.members.add(member)
	if total > 1 {
		set(b.totals, total).add(member)
	}
	return set(b.parts, part).add(member)
}

func set(m map[byte]*bitset, i byte) *bitset {
	s := m[i]
	if s == nil {
		s = &bitset{}
		m[i] = s
	}
	return s
}

func (k *otherKey) add(part, total byte) bool {
	word, bit := &k.parts[part>>6], uint64(1)<<(part&63)
	if *word&bit != 0 {
		return false
	}
	*word |= bit
	k.n++
	k.total = max(k.total, total)
	return true
}

// distinct is the number of messages of which a part was accepted.
func (s *keySet) distinct() (broadcast, other, unkeyed int) {
	for _, b := range s.broadcasts {
		broadcast += b.members.n
	}
	unkeyed = s.messages.n
	if s.messages.zero {
		unkeyed++
	}
	return broadcast, len(s.others), unkeyed
}

// each yields the keys: those of broadcasts by number and member, then the others in alphabetical order.
func (s *keySet) each(yield func(Accepted) bool) {
	ids := make([]uint32, 0, len(s.broadcasts))
	for id := range s.broadcasts {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	var key []byte
	for _, id := range ids {
		b, more := s.broadcasts[id], true
		b.members.all(func(member uint32) bool {
			key = appendBroadcastKey(key[:0], id, member)
			a := Accepted{Key: key, Kind: KeyBroadcast, Broadcast: id, Member: member, Total: 1}
			for _, p := range b.parts {
				if p.has(member) {
					a.Parts++
				}
			}
			for total, t := range b.totals {
				if t.has(member) {
					a.Total = max(a.Total, int(total))
				}
			}
			more = yield(a)
			return more
		})
		if !more {
			return
		}
	}
	keys := make([]string, 0, len(s.others))
	for k := range s.others {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		key = append(key[:0], k...)
		a := Accepted{Key: key, Kind: KeyOther, Parts: s.others[k].n, Total: int(s.others[k].total)}
		if isULID(key) {
			a.Kind = KeyULID
		}
		if !yield(a) {
			return
		}
	}
}

// contentHash stands for the key of a submit that has none: number, destination, coding, text and number of parts of the
// part are hashed, so the same text sent to the same phone twice counts as a duplicate.
func contentHash(e *Entry) uint64 {
	h := fnv.New64a()
	h.Write([]byte(canonicalPhone(e.Source)))
	h.Write([]byte{0})
	h.Write([]byte(canonicalPhone(e.Destination)))
	h.Write([]byte{0, e.DataCoding, e.Parts})
	h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(e.Octets))))
	h.Write(e.Octets)
	return h.Sum64()
}
