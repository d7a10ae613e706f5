package main

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"fanline/engine/carrier"
	"fanline/smpp"
)

// validateProfile reports every value that cannot be right, each at its place.
func (r *configReader) validateProfile(p *Profile) {
	for _, a := range []struct {
		path string
		AddressProfile
	}{
		{"source", p.Source},
		{"short_code", p.ShortCode},
		{"toll_free", p.TollFree},
		{"alphanumeric", p.Alphanumeric},
		{"destination", p.Destination},
		{"address_range", AddressProfile{p.AddressRange.TON, p.AddressRange.NPI}},
	} {
		r.between(a.path+".ton", a.TON, 0, 6)
		r.between(a.path+".npi", a.NPI, 0, 18)
	}
	r.octets("system_type", p.SystemType, 0, maxSystemType)
	r.octets("address_range.range", p.AddressRange.Range, 0, 40)
	r.oneOf("interface_version", p.InterfaceVersion, []string{"3.3", "3.4", "5.0"})
	r.profileTexts(p)
	r.profileReceipts(&p.Receipts)
	for code, class := range p.Statuses {
		path := "statuses." + code
		if !isNumber(code, 32) {
			r.problem(path, "%q found, a status such as 0x00000058 expected", code)
		}
		r.oneOf(path, class, statusClasses())
	}
	r.between("limits.binds", p.Limits.Binds, 0, maxBinds)
	r.between("limits.window", p.Limits.Window, 0, maxWindow)
	r.between("limits.limit_per_second", p.Limits.LimitPerSecond, 0, maxLimit)
	r.duration("enquire_link", p.EnquireLink, time.Second, time.Hour)
	r.duration("reconnect_min", p.ReconnectMin, 0, 10*time.Minute)
	if len(r.problems) > 0 {
		return
	}
	// What depends on several keys, or on other packages' tables, is known there.
	if _, err := carrier.NewProfile(p.settings(r.name)); err != nil {
		var at *carrier.SettingError
		if errors.As(err, &at) {
			r.problem(at.Key, "%q makes no sense%s", at.Value, reason(at.Err))
			return
		}
		r.problem("", "%v", err)
	}
}

// isNumber tells whether text is a number of so many bits, decimal or 0x….
func isNumber(text string, bits int) bool {
	_, err := strconv.ParseUint(text, 0, bits)
	return err == nil
}

func reason(err error) string {
	if err == nil {
		return ""
	}
	return ": " + err.Error()
}

// profileTexts checks how numbers and texts are written.
func (r *configReader) profileTexts(p *Profile) {
	r.oneOf("number_format", p.NumberFormat, []string{"digits", "plus", "00", "national"})
	alphabets := []string{"gsm7", "gsm7_packed", "latin1", "ascii"}
	r.oneOf("default_alphabet", p.DefaultAlphabet, alphabets)
	r.between("data_coding.default", p.DataCoding.Default, 0, 255)
	r.between("data_coding.ucs2", p.DataCoding.UCS2, 0, 255)
	for coding, alphabet := range p.DataCodingOverrides {
		path := "data_coding_overrides." + coding
		if !isNumber(coding, 8) {
			r.problem(path, "%q found, a data_coding of 0 to 255 expected", coding)
		}
		r.oneOf(path, alphabet, append(alphabets, "ucs2", "utf8"))
	}
	r.oneOf("long_text", p.LongText, []string{"udh8", "udh16", "sar", "payload"})
	r.octets("service_type", p.ServiceType, 0, 5)
	r.between("priority", p.Priority, 0, 3)
	r.between("registered_delivery", p.RegisteredDelivery, 0, 255)
	r.oneOf("validity.form", p.Validity.Form, []string{"relative", "absolute", "none"})
	r.duration("validity.max", p.Validity.Max, time.Minute, 30*24*time.Hour)
	for i := range p.TLVs {
		t, path := &p.TLVs[i], fmt.Sprintf("tlvs[%d]", i)
		r.between(path+".tag", t.Tag, 1, 0xFFFF)
		r.oneOf(path+".type", t.Type, []string{"text", "cstring", "uint8", "uint16", "uint32", "hex"})
		if t.Name == "" && t.Value == "" {
			r.problem(path, "neither name nor value found, one of them expected")
		}
	}
	// SMPP 3.4 §5.3.2 leaves 0x1400 to 0x3FFF to vendors.
	if p.KeyTLV != 0 {
		r.between("key_tlv", p.KeyTLV, 0x1400, 0x3fff)
	}
}

// setDefaults is called on each parameter before its keys are read.
func (t *TLVProfile) setDefaults() { t.Type = "text" }

// profileReceipts checks what receipts are said to look like.
func (r *configReader) profileReceipts(p *ReceiptProfile) {
	r.oneOf("receipts.id_base", p.IDBase, []string{"auto", "same", "hex_to_decimal", "decimal_to_hex"})
	r.oneOf("receipts.member", p.Member, []string{"source_addr", "destination_addr", "none"})
	r.oneOf("receipts.detect", p.Detect, []string{"esm_class", "text"})
	r.oneOf("receipts.parts", p.Parts, []string{"all", "last", "first", "any"})
	if _, err := regexp.Compile(p.Pattern); err != nil {
		r.problem("receipts.pattern", "%v", err)
	}
	words := []string{"delivered", "failed", "expired", "pending"}
	for code, state := range p.Errors {
		r.oneOf("receipts.errors."+code, state, words)
	}
	for stat, state := range p.States {
		r.oneOf("receipts.states."+stat, state, words)
	}
}

// statusClasses are the words of smpp's status table that a status can be given.
func statusClasses() []string {
	var words []string
	for c := smpp.ClassThrottle; c <= smpp.ClassBindFatal; c++ {
		words = append(words, strings.ReplaceAll(c.String(), " ", "_"))
	}
	return words
}

// settings are the profile in the words of engine/carrier.
func (p *Profile) settings(name string) carrier.Settings {
	version := map[string]int{"3.3": int(smpp.Version33), "3.4": int(smpp.Version34), "5.0": int(smpp.Version50)}[p.InterfaceVersion]
	address := func(a AddressProfile) *carrier.Address { v := addressOf(a); return &v }
	s := carrier.Settings{
		Name: name, SystemType: p.SystemType, InterfaceVersion: version,
		Range: addressOf(AddressProfile{p.AddressRange.TON, p.AddressRange.NPI}), AddressRange: p.AddressRange.Range,
		Source: addressOf(p.Source), Destination: addressOf(p.Destination), ShortCode: address(p.ShortCode), TollFree: address(p.TollFree),
		Alphanumeric: address(p.Alphanumeric), NumberFormat: p.NumberFormat, CountryCode: p.CountryCode, TrunkPrefix: p.TrunkPrefix, Region: p.Region,
		DefaultAlphabet: p.DefaultAlphabet, DataCoding: &p.DataCoding.Default, DataCodingUCS2: &p.DataCoding.UCS2, Inbound: p.DataCodingOverrides,
		TrustGSM7: !p.GuessUCS2, LongText: p.LongText, ServiceType: p.ServiceType, Priority: p.Priority, RegisteredDelivery: &p.RegisteredDelivery,
		Validity: p.Validity.Form, MaxValidity: p.Validity.Max, KeyTLV: p.KeyTLV,
		IDBase: p.Receipts.IDBase, Member: p.Receipts.Member, States: p.Receipts.States, Statuses: p.Statuses, Grammar: p.Receipts.grammar(),
	}
	for _, t := range p.TLVs {
		s.TLVs = append(s.TLVs, carrier.TLV(t))
	}
	return s
}
