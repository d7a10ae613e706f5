package main

import (
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"fanline/configs"
	"fanline/engine/carrier"
)

// Profile is how one make of carrier reads the specification. Issue-sized
// differences stand here, never in code that asks for a carrier's name.
// configs/carriers/default.yaml documents each key.
type Profile struct {
	SystemType       string       `yaml:"system_type"`
	InterfaceVersion string       `yaml:"interface_version"`
	AddressRange     RangeProfile `yaml:"address_range"`

	Source       AddressProfile `yaml:"source"`
	ShortCode    AddressProfile `yaml:"short_code"`
	TollFree     AddressProfile `yaml:"toll_free"`
	Alphanumeric AddressProfile `yaml:"alphanumeric"`
	Destination  AddressProfile `yaml:"destination"`
	NumberFormat string         `yaml:"number_format"`
	CountryCode  string         `yaml:"country_code"`
	TrunkPrefix  string         `yaml:"trunk_prefix"`
	Region       string         `yaml:"region"`

	DefaultAlphabet     string            `yaml:"default_alphabet"`
	DataCoding          CodingProfile     `yaml:"data_coding"`
	DataCodingOverrides map[string]string `yaml:"data_coding_overrides"`
	GuessUCS2           bool              `yaml:"guess_ucs2"`

	LongText           string          `yaml:"long_text"`
	ServiceType        string          `yaml:"service_type"`
	Priority           int             `yaml:"priority"`
	RegisteredDelivery int             `yaml:"registered_delivery"`
	Validity           ValidityProfile `yaml:"validity"`
	TLVs               []TLVProfile    `yaml:"tlvs"`
	KeyTLV             int             `yaml:"key_tlv"`

	Receipts ReceiptProfile    `yaml:"receipts"`
	Statuses map[string]string `yaml:"statuses"`

	Limits       LimitsProfile `yaml:"limits"`
	EnquireLink  time.Duration `yaml:"enquire_link"`
	ReconnectMin time.Duration `yaml:"reconnect_min"`
}

// AddressProfile is the TON and NPI of an address (SMPP 3.4 §5.2.5, §5.2.6).
type AddressProfile struct {
	TON int `yaml:"ton"`
	NPI int `yaml:"npi"`
}

// RangeProfile is which of our addresses a bind serves (SMPP 3.4 §5.2.7).
type RangeProfile struct {
	TON   int    `yaml:"ton"`
	NPI   int    `yaml:"npi"`
	Range string `yaml:"range"`
}

// CodingProfile is the data_coding that is sent.
type CodingProfile struct {
	Default int `yaml:"default"`
	UCS2    int `yaml:"ucs2"`
}

// ValidityProfile is how a validity_period is written.
type ValidityProfile struct {
	Form string        `yaml:"form"`
	Max  time.Duration `yaml:"max"`
}

// TLVProfile is an optional parameter that goes with every submit.
type TLVProfile struct {
	Tag      int    `yaml:"tag"`
	Name     string `yaml:"name"`
	Type     string `yaml:"type"`
	Value    string `yaml:"value"`
	Required bool   `yaml:"required"`
}

// LimitsProfile is the most that the carrier grants any account; 0: it doesn't
// say.
type LimitsProfile struct {
	Binds          int `yaml:"binds"`
	Window         int `yaml:"window"`
	LimitPerSecond int `yaml:"limit_per_second"`
}

// ReceiptProfile is how receipts name the message they are about, and what they
// say of it.
type ReceiptProfile struct {
	IDBase  string            `yaml:"id_base"`
	Member  string            `yaml:"member"`
	Detect  string            `yaml:"detect"`
	Pattern string            `yaml:"pattern"`
	Parts   string            `yaml:"parts"`
	States  map[string]string `yaml:"states"`
	Errors  map[string]string `yaml:"errors"`
}

// grammar is the section in the words of engine/carrier.
func (p *ReceiptProfile) grammar() carrier.Grammar {
	return carrier.Grammar{Pattern: p.Pattern, Detect: p.Detect, Errors: p.Errors, Parts: p.Parts}
}

// defaultProfile reads SMPP 3.4 as it stands.
func defaultProfile() Profile {
	international := AddressProfile{TON: 1, NPI: 1}
	return Profile{
		InterfaceVersion: "3.4", Source: international, ShortCode: AddressProfile{TON: 3}, TollFree: international,
		Alphanumeric: AddressProfile{TON: 5}, Destination: international, NumberFormat: "digits",
		DefaultAlphabet: "gsm7", DataCoding: CodingProfile{Default: 0, UCS2: 8}, GuessUCS2: true,
		LongText: "udh8", RegisteredDelivery: 1, Validity: ValidityProfile{Form: "relative", Max: 30 * 24 * time.Hour},
		Receipts:    ReceiptProfile{IDBase: "auto", Member: "source_addr", Detect: "esm_class", Parts: "all"},
		EnquireLink: 30 * time.Second,
	}
}

// LoadProfile returns a profile by its name in configs/carriers, or a file's
// when the name is a path.
func LoadProfile(name string) (*Profile, error) {
	var raw []byte
	var err error
	if strings.ContainsAny(name, `/\.`) {
		raw, err = os.ReadFile(name)
	} else {
		raw, err = fs.ReadFile(configs.Files, "carriers/"+name+".yaml")
		if isMissingFile(err) {
			return nil, fmt.Errorf("no profile is named %q; there are %s", name, strings.Join(profileNames(), ", "))
		}
	}
	if err != nil {
		return nil, err
	}
	p := defaultProfile()
	r := newConfigReader(name, nil)
	r.file(raw, &p)
	if _, set := r.places["toll_free"]; !set {
		p.TollFree = p.Source
	}
	r.validateProfile(&p)
	if len(r.problems) > 0 {
		return nil, fmt.Errorf("profile %w", r.sorted())
	}
	return &p, nil
}

func profileNames() []string {
	entries, _ := fs.ReadDir(configs.Files, "carriers")
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = strings.TrimSuffix(e.Name(), ".yaml")
	}
	return names
}
