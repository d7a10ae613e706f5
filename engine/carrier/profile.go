package carrier

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"fanline/engine"
	"fanline/engine/message"
	"fanline/smpp"
)

// Address is the type and plan of an address (SMPP 3.4 §5.2.5, §5.2.6).
type Address struct{ TON, NPI byte }

// Settings are a profile in the words of configs/carriers/*.yaml; an empty word
// means the first of its list.
type Settings struct {
	Name string

	// Of our long codes and of members' phones. The others, where nil: short codes
	// 3, 0 (network specific), toll-free numbers as long codes, alphanumeric 5, 0.
	Source, Destination               Address
	ShortCode, TollFree, Alphanumeric *Address
	// How E.164 numbers are written: digits, plus, 00 or national, which leaves the
	// country code out and puts TrunkPrefix before the rest.
	NumberFormat string
	CountryCode  string // of numbers that come or go without one; empty: none
	TrunkPrefix  string // before national numbers: 0 in most countries, 8, 06; empty: a leading 0 is one
	Region       string // ISO 3166 of that country: odd addresses are read by its numbering plan; empty: not

	DefaultAlphabet string            // what data_coding 0 means: gsm7, gsm7_packed, latin1 or ascii
	DataCoding      *int              // sent with texts in the default alphabet; nil: 0
	DataCodingUCS2  *int              // sent with UCS-2; nil: 8
	Inbound         map[string]string // data_coding of inbound texts, as 4 or 0xF5, to gsm7, gsm7_packed, latin1, ascii, ucs2 or utf8
	TrustGSM7       bool              // don't look whether an inbound text that says GSM 03.38 is UCS-2

	LongText           string        // udh8, udh16, sar or payload
	ServiceType        string        // SMPP 3.4 §5.2.11
	Priority           int           // priority_flag, 0 to 3 (§5.2.14)
	RegisteredDelivery *int          // §5.2.17; nil: 1, a receipt whatever becomes of it
	Validity           string        // relative, absolute or none (§7.1.1)
	MaxValidity        time.Duration // longest validity_period that is asked for; 0: 30 days
	TLVs               []TLV
	IDBase             string            // response to receipt: same, hex_to_decimal, decimal_to_hex, or auto: the engine finds out
	Member             string            // which address of a receipt is the member's: source_addr, destination_addr, or none of them
	States             map[string]string // receipt state to delivered, failed, expired or pending
	Statuses           map[string]string // status, as 0x58, to throttle, transient, permanent, sender, session, bind_retry or bind_fatal
	KeyTLV             int               // vendor TLV with the message key; 0: none
	Grammar            Grammar           // of receipts
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
	name                string
	addresses           addresses
	codings             codings
	long                longText
	service             string
	priority            byte
	registered          byte
	period              periodForm
	maxValidity         time.Duration
	tlvs                []tlv
	senders             senders
	responses, receipts idForm
	member              memberAddress
	grammar             grammar
	states              map[string]message.State
	statuses            map[smpp.Status]smpp.Class
	keyTag              smpp.Tag
	greeting            greeting
	settings            Settings // that it was made of
}

// same tells whether two profiles were made of the same words.
func (p *Profile) same(q *Profile) bool {
	return p == q || reflect.DeepEqual(p.settings, q.settings) && reflect.DeepEqual(p.senders.given, q.senders.given)
}

// NewProfile checks the words of a profile.
func NewProfile(s Settings) (*Profile, error) {
	p := &Profile{
		name: s.Name, service: s.ServiceType, priority: byte(s.Priority), registered: smpp.ReceiptAlways, maxValidity: s.MaxValidity,
		states: map[string]message.State{}, statuses: map[smpp.Status]smpp.Class{}, keyTag: smpp.Tag(s.KeyTLV), settings: s,
		greeting: greeting{systemType: s.SystemType, version: byte(s.InterfaceVersion), address: s.Range, addressRange: s.AddressRange},
	}
	if s.RegisteredDelivery != nil {
		p.registered = byte(*s.RegisteredDelivery)
	}
	if p.maxValidity == 0 {
		p.maxValidity = maxValidity
	}
	switch {
	case s.KeyTLV < 0 || s.KeyTLV > 0xFFFF:
		return nil, p.problem("key_tlv", strconv.Itoa(s.KeyTLV))
	case s.Priority < 0 || s.Priority > 3:
		return nil, p.problem("priority", strconv.Itoa(s.Priority))
	case len(s.ServiceType) > 5:
		return nil, p.problem("service_type", s.ServiceType)
	case s.MaxValidity < 0 || s.MaxValidity > maxValidity:
		return nil, p.problem("validity.max", s.MaxValidity.String())
	case !choose(&p.long, s.LongText, map[string]longText{"": udh8, "udh8": udh8, "udh16": udh16, "sar": sar, "payload": payload}):
		return nil, p.problem("long_text", s.LongText)
	case !choose(&p.period, s.Validity, map[string]periodForm{"": relative, "relative": relative, "absolute": absolute, "none": noPeriod}):
		return nil, p.problem("validity.form", s.Validity)
	}
	if byte(s.InterfaceVersion) == smpp.Version33 && (s.KeyTLV != 0 || len(s.TLVs) > 0 || p.long == sar || p.long == payload) {
		return nil, &SettingError{Profile: s.Name, Key: "interface_version", Value: "3.3", Err: errNoTLVs}
	}
	for _, read := range []func(Settings) error{p.readAddresses, p.readCodings, p.readTLVs} {
		if err := read(s); err != nil {
			return nil, err
		}
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
	for c := smpp.ClassThrottle; c <= smpp.ClassBindFatal; c++ {
		classes[strings.ReplaceAll(c.String(), " ", "_")] = c
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

// errNoTLVs says why a profile of SMPP 3.3 cannot ask for them.
var errNoTLVs = errors.New("it knows no optional parameters: leave out key_tlv and tlvs, and let long_text be udh8 or udh16")

// SettingError is a word of a profile that makes no sense.
type SettingError struct {
	Profile, Key, Value string // Key as in configs/carriers/*.yaml
	Err                 error  // why, where that isn't plain
}

// Error names the profile, the key and the word.
func (e *SettingError) Error() string {
	text := fmt.Sprintf("carrier: profile %q: %s: %q makes no sense", e.Profile, e.Key, e.Value)
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns why.
func (e *SettingError) Unwrap() error { return e.Err }

func (p *Profile) problem(key, value string) error {
	return &SettingError{Profile: p.name, Key: key, Value: value}
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

// JoinedText is Profile.JoinedText of a carrier.
func (ps Profiles) JoinedText(carrier string, pdus ...[]byte) (string, error) {
	p := ps.get(carrier)
	if p == nil {
		p = &Profile{}
	}
	return p.JoinedText(pdus...)
}
