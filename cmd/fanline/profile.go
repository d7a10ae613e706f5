package main

import (
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strconv"
	"strings"

	"fanline/configs"
	"fanline/engine/carrier"
	"fanline/smpp"
)

// Profile is how one make of carrier reads the specification. Issue-sized
// differences stand here, never in code that asks for a carrier's name.
type Profile struct {
	Source          AddressProfile    `yaml:"source"`
	Destination     AddressProfile    `yaml:"destination"`
	DefaultAlphabet string            `yaml:"default_alphabet"`
	Receipts        ReceiptProfile    `yaml:"receipts"`
	KeyTLV          int               `yaml:"key_tlv"`
	Statuses        map[string]string `yaml:"statuses"`
}

// AddressProfile is the TON and NPI of an address (SMPP 3.4 §5.2.5, §5.2.6).
type AddressProfile struct {
	TON int `yaml:"ton"`
	NPI int `yaml:"npi"`
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
	p := Profile{
		Source: AddressProfile{TON: 1, NPI: 1}, Destination: AddressProfile{TON: 1, NPI: 1},
		DefaultAlphabet: "gsm7", Receipts: ReceiptProfile{IDBase: "auto", Member: "source_addr", Detect: "esm_class", Parts: "all"},
	}
	r := newConfigReader(name, nil)
	r.file(raw, &p)
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

func (r *configReader) validateProfile(p *Profile) {
	for _, a := range []struct {
		path string
		AddressProfile
	}{{"source", p.Source}, {"destination", p.Destination}} {
		r.between(a.path+".ton", a.TON, 0, 6)
		r.between(a.path+".npi", a.NPI, 0, 18)
	}
	r.oneOf("default_alphabet", p.DefaultAlphabet, []string{"gsm7", "latin1", "ascii"})
	r.oneOf("receipts.id_base", p.Receipts.IDBase, []string{"auto", "same", "hex_to_decimal", "decimal_to_hex"})
	r.oneOf("receipts.member", p.Receipts.Member, []string{"source_addr", "destination_addr", "none"})
	r.oneOf("receipts.detect", p.Receipts.Detect, []string{"esm_class", "text"})
	r.oneOf("receipts.parts", p.Receipts.Parts, []string{"all", "last", "first", "any"})
	if _, err := regexp.Compile(p.Receipts.Pattern); err != nil {
		r.problem("receipts.pattern", "%v", err)
	}
	for code, state := range p.Receipts.Errors {
		r.oneOf("receipts.errors."+code, state, []string{"delivered", "failed", "expired", "pending"})
	}
	// SMPP 3.4 §5.3.2 leaves 0x1400 to 0x3FFF to vendors.
	if p.KeyTLV != 0 {
		r.between("key_tlv", p.KeyTLV, 0x1400, 0x3fff)
	}
	for stat, state := range p.Receipts.States {
		r.oneOf("receipts.states."+stat, state, []string{"delivered", "failed", "expired", "pending"})
	}
	for code, class := range p.Statuses {
		path := "statuses." + code
		if _, err := strconv.ParseUint(code, 0, 32); err != nil {
			r.problem(path, "%q found, a status such as 0x00000058 expected", code)
		}
		r.oneOf(path, class, statusClasses())
	}
}

// statusClasses are the words of smpp's status table that a submit's status can
// be given.
func statusClasses() []string {
	var words []string
	for _, c := range []smpp.Class{smpp.ClassThrottle, smpp.ClassTransient, smpp.ClassPermanent, smpp.ClassSender, smpp.ClassSession} {
		words = append(words, c.String())
	}
	return words
}
