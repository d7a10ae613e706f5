package carrier

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"fanline/engine"
	"fanline/engine/message"
	"fanline/smpp"
)

// Address is the type and plan of an address (SMPP 3.4 §5.2.5, §5.2.6).
type Address struct{ TON, NPI byte }

// Settings are a profile in the words of configs/carriers/*.yaml; an empty word
// means the first of its list.
type Settings struct {
	Name                string
	Source, Destination Address           // of our long codes, of members' phones
	ShortCode           *Address          // of our short codes; nil: 3, 0 (network specific)
	CountryCode         string            // digits put before numbers that carriers send without one; empty: none
	DefaultAlphabet     string            // what data_coding 0 means: gsm7, latin1 or ascii
	IDBase              string            // response to receipt: same, hex_to_decimal, decimal_to_hex, or auto: the engine finds out
	Member              string            // which address of a receipt is the member's: source_addr, destination_addr, or none of them
	States              map[string]string // receipt state to delivered, failed, expired or pending
	Statuses            map[string]string // status, as 0x58, to throttle, transient, permanent, sender or session
	KeyTLV              int               // vendor TLV with the message key; 0: none
	Grammar             Grammar           // of receipts
	// What each bind says of itself (SMPP 3.4 §4.1): system_type where the account
	// has none, interface_version (0: 0x34), and which of our addresses it serves.
	SystemType       string
	InterfaceVersion int
	Range            Address
	AddressRange     string
}

// greeting is what each bind says of itself.
type greeting struct {
	systemType   string
	version      byte
	address      Address
	addressRange string
}

// Profile is how one make of carrier reads the specification. It does not
// change and may be used by any goroutine.
type Profile struct {
	name                           string
	source, destination, shortCode Address
	country                        string
	alphabet                       alphabet
	responses, receipts            idForm
	member                         memberAddress
	grammar                        grammar
	states                         map[string]message.State
	statuses                       map[smpp.Status]smpp.Class
	keyTag                         smpp.Tag
	greeting                       greeting
	settings                       Settings // that it was made of
}

// same tells whether two profiles were made of the same words.
func (p *Profile) same(q *Profile) bool { return p == q || reflect.DeepEqual(p.settings, q.settings) }

// alphabet is what data_coding 0 means to a carrier.
type alphabet byte

const (
	gsm7 alphabet = iota
	latin1
	ascii
)

// NewProfile checks the words of a profile.
func NewProfile(s Settings) (*Profile, error) {
	p := &Profile{
		name: s.Name, source: s.Source, destination: s.Destination, shortCode: Address{TON: smpp.TONNetworkSpecific},
		country: s.CountryCode, states: map[string]message.State{}, statuses: map[smpp.Status]smpp.Class{}, keyTag: smpp.Tag(s.KeyTLV), settings: s,
		greeting: greeting{systemType: s.SystemType, version: byte(s.InterfaceVersion), address: s.Range, addressRange: s.AddressRange},
	}
	if s.ShortCode != nil {
		p.shortCode = *s.ShortCode
	}
	if s.KeyTLV < 0 || s.KeyTLV > 0xFFFF {
		return nil, p.problem("key_tlv", strconv.Itoa(s.KeyTLV))
	}
	if len(s.CountryCode) > 3 || strings.Trim(s.CountryCode, "0123456789") != "" || strings.HasPrefix(s.CountryCode, "0") {
		return nil, p.problem("country_code", s.CountryCode)
	}
	if !choose(&p.alphabet, s.DefaultAlphabet, map[string]alphabet{"": gsm7, "gsm7": gsm7, "latin1": latin1, "ascii": ascii}) {
		return nil, p.problem("default_alphabet", s.DefaultAlphabet)
	}
	if !choose(&p.member, s.Member, map[string]memberAddress{
		"": memberIsSource, "source_addr": memberIsSource, "destination_addr": memberIsDestination, "none": memberIsNone,
	}) {
		return nil, p.problem("receipts.member", s.Member)
	}
	forms := map[string][2]idForm{
		"auto": {unknown, unknown}, "": {asSent, asSent}, "same": {asSent, asSent}, "hex_to_decimal": {hexadecimal, decimal}, "decimal_to_hex": {decimal, hexadecimal},
	}
	form, ok := forms[s.IDBase]
	if !ok {
		return nil, p.problem("receipts.id_base", s.IDBase)
	}
	p.responses, p.receipts = form[0], form[1]
	if err := p.readGrammar(&s.Grammar); err != nil {
		return nil, err
	}
	return p, p.overrides(s)
}

// overrides takes over what receipt states and statuses mean there.
func (p *Profile) overrides(s Settings) error {
	for stat, word := range s.States {
		state, ok := stateWords[word]
		if !ok {
			return p.problem("receipts.states."+stat, word)
		}
		p.states[strings.ToUpper(stat)] = state
	}
	classes := map[string]smpp.Class{}
	for _, c := range []smpp.Class{smpp.ClassThrottle, smpp.ClassTransient, smpp.ClassPermanent, smpp.ClassSender, smpp.ClassSession} {
		classes[c.String()] = c
	}
	for code, word := range s.Statuses {
		status, err := strconv.ParseUint(code, 0, 32)
		class, ok := classes[word]
		if err != nil || !ok || status == 0 {
			return p.problem("statuses."+code, word)
		}
		p.statuses[smpp.Status(status)] = class
	}
	return nil
}

func (p *Profile) problem(key, value string) error {
	return fmt.Errorf("carrier: profile %q: %s: %q makes no sense", p.name, key, value)
}

func choose[T any](to *T, word string, words map[string]T) bool {
	v, ok := words[word]
	*to = v
	return ok
}

// Profiles finds a carrier's profile by the carrier's name; the methods are
// what engine.Config and community/conversation are handed. The carriers stay
// those of NewProfiles; what each of them has may be replaced at any time.
type Profiles map[string]*Current

// NewProfiles returns Profiles of these carriers.
func NewProfiles(byCarrier map[string]*Profile) Profiles {
	ps := make(Profiles, len(byCarrier))
	for name, p := range byCarrier {
		ps[name] = NewCurrent(p)
	}
	return ps
}

// get returns the carrier's profile now; nil where it is not configured.
func (ps Profiles) get(carrier string) *Profile {
	if c := ps[carrier]; c != nil {
		return c.Get()
	}
	return nil
}

// Encoder returns an encoder for the carrier, which must be configured. It
// follows the carrier's profile.
func (ps Profiles) Encoder(carrier string) *Encoder { return newEncoder(ps[carrier]) }

// Receipt reads a receipt of a carrier; false: it is none, or the carrier is
// not configured.
func (ps Profiles) Receipt(carrier string, pdu []byte) (engine.Receipt, bool) {
	p := ps.get(carrier)
	if p == nil {
		return engine.Receipt{}, false
	}
	return p.Receipt(pdu)
}

// CanonicalID is Profile.CanonicalID of a carrier, and id itself where the
// carrier is not configured.
func (ps Profiles) CanonicalID(carrier string, id []byte) []byte {
	p := ps.get(carrier)
	if p == nil {
		return id
	}
	return p.CanonicalID(id)
}

// DetectIDs is Profile.DetectIDs of a carrier.
func (ps Profiles) DetectIDs(carrier string) bool {
	p := ps.get(carrier)
	return p != nil && p.DetectIDs()
}

// ReceiptID is Profile.ReceiptID of a carrier.
func (ps Profiles) ReceiptID(carrier string, form engine.IDForm, id, room []byte) ([]byte, bool) {
	p := ps.get(carrier)
	if p == nil {
		return id, form == engine.IDSame
	}
	return p.ReceiptID(form, id, room)
}

// PartsReceipt is Profile.PartsReceipt of a carrier.
func (ps Profiles) PartsReceipt(carrier string) engine.PartsReceipt {
	p := ps.get(carrier)
	if p == nil {
		return engine.EveryPart
	}
	return p.PartsReceipt()
}

// Text is Profile.Text of a carrier; where it is not configured, data_coding
// means what the specification says.
func (ps Profiles) Text(carrier string, pdu []byte) (string, Part, error) {
	p := ps.get(carrier)
	if p == nil {
		p = &Profile{}
	}
	return p.Text(pdu)
}
