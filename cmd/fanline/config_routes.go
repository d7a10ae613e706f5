package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nyaruka/phonenumbers"

	"fanline/engine/message"
	"fanline/engine/route"
	"fanline/pipeline/record"
)

// RoutesConfig says which carrier reaches a member. Without it a number's
// carriers are tried in their order.
type RoutesConfig struct {
	Ignore       []string        `yaml:"ignore"`
	Networks     []NetworkConfig `yaml:"networks"`
	PrefixesFile string          `yaml:"prefixes_file"`
	Prefixes     []PrefixConfig  `yaml:"prefixes"`
	Rules        []RuleConfig    `yaml:"rules"`
}

// NetworkConfig is a mobile operator and how others write its name.
type NetworkConfig struct {
	Name    string   `yaml:"name"`
	Aliases []string `yaml:"aliases"`
}

// PrefixConfig gives the phones that begin with a prefix to a network.
type PrefixConfig struct {
	Prefix  string `yaml:"prefix"`
	Network string `yaml:"network"`
}

// RuleConfig gives carriers to messages; empty conditions fit all.
type RuleConfig struct {
	Name      string              `yaml:"name"`
	Numbers   []string            `yaml:"numbers"`
	Networks  []string            `yaml:"networks"`
	Countries []string            `yaml:"countries"`
	Carriers  []RuleCarrierConfig `yaml:"carriers"`
	Only      bool                `yaml:"only"`
}

// RuleCarrierConfig is one carrier of a rule.
type RuleCarrierConfig struct {
	Name     string `yaml:"name"`
	Weight   int    `yaml:"weight"`
	Priority int    `yaml:"priority"`
}

// setDefaults is called on each carrier of a rule before its keys are read.
func (c *RuleCarrierConfig) setDefaults() { c.Weight = 1 }

// LookupConfig names a service that knows of ported numbers; no URL, no lookups.
type LookupConfig struct {
	URL            string        `yaml:"url"`
	Header         string        `yaml:"header"`
	Secret         Secret        `yaml:"secret"`
	Field          string        `yaml:"field"`
	Timeout        time.Duration `yaml:"timeout"`
	CacheTTL       time.Duration `yaml:"cache_ttl"`
	Concurrency    int           `yaml:"concurrency"`
	LimitPerSecond int           `yaml:"limit_per_second"`
}

func defaultLookup() LookupConfig {
	return LookupConfig{
		Header: "Authorization", Field: "network", Timeout: 2 * time.Second, CacheTTL: 30 * 24 * time.Hour, Concurrency: 4, LimitPerSecond: 20,
	}
}

// RetryConfig says whether a message that was not delivered may go once more by
// another carrier.
type RetryConfig struct {
	OtherRoute bool     `yaml:"other_route"`
	On         []string `yaml:"on"`
	Max        int      `yaml:"max"`
}

func defaultRetry() RetryConfig {
	return RetryConfig{On: []string{"failed", "expired", "rejected"}, Max: 1}
}

// retry is the policy as records have it.
func (c *RetryConfig) retry() record.Retry {
	if !c.OtherRoute {
		return record.Retry{}
	}
	policy := record.Retry{Routes: uint8(c.Max)}
	for _, state := range c.On {
		policy.On |= retryStates()[state]
	}
	return policy
}

// retryStates are the words of retry_undelivered.on.
func retryStates() map[string]record.RetryOn {
	return map[string]record.RetryOn{"failed": record.RetryFailed, "expired": record.RetryExpired, "rejected": record.RetryRejected}
}

func (r *configReader) retrySection(path string, c *RetryConfig) {
	for i, state := range c.On {
		r.oneOf(fmt.Sprintf("%s.on[%d]", path, i), state, []string{"failed", "expired", "rejected"})
	}
	r.between(path+".max", c.Max, 1, 8)
	if c.OtherRoute && len(c.On) == 0 {
		r.problem(path+".on", "none found, at least one of failed, expired, rejected expected")
	}
}

// routesSection checks each name at its place, then whether a table comes of it.
func (r *configReader) routesSection(c *Config) {
	had := len(r.problems)
	for i, kind := range c.Routes.Ignore {
		r.oneOf(fmt.Sprintf("routes.ignore[%d]", i), kind, evidenceKinds())
	}
	for i, p := range c.Routes.Prefixes {
		r.digits(fmt.Sprintf("routes.prefixes[%d].prefix", i), p.Prefix)
	}
	for i := range c.Routes.Rules {
		r.rule(fmt.Sprintf("routes.rules[%d]", i), &c.Routes.Rules[i], c)
	}
	if len(r.problems) > had || !r.sound("carriers", "numbers") {
		return // A table of what is wrong would only say it again.
	}
	if _, err := c.routeTable(); err != nil {
		for _, line := range strings.Split(err.Error(), "\n") {
			r.problem("routes", "%s", line)
		}
	}
}

// sound tells that nothing was found wrong under those keys.
func (r *configReader) sound(keys ...string) bool {
	return !slices.ContainsFunc(r.problems, func(p Problem) bool {
		return slices.ContainsFunc(keys, func(key string) bool { return strings.HasPrefix(p.Key, key) })
	})
}

func evidenceKinds() []string {
	var kinds []string
	for e := message.EvidencePrefix; e <= message.EvidenceLookup; e++ {
		kinds = append(kinds, e.String())
	}
	return kinds
}

func (r *configReader) rule(path string, rule *RuleConfig, c *Config) {
	for i, text := range rule.Numbers {
		if !slices.ContainsFunc(c.Numbers, func(n NumberConfig) bool { return sameSender(n.Number, text) }) {
			r.problem(fmt.Sprintf("%s.numbers[%d]", path, i), "no number is %q", text)
		}
	}
	for i, text := range rule.Countries {
		if _, err := countryCode(text); err != nil {
			r.problem(fmt.Sprintf("%s.countries[%d]", path, i), "%v", err)
		}
	}
	if len(rule.Carriers) == 0 {
		r.problem(path+".carriers", "none found, at least one expected")
	}
	for i, option := range rule.Carriers {
		at := fmt.Sprintf("%s.carriers[%d]", path, i)
		if !slices.ContainsFunc(c.Carriers, func(k CarrierConfig) bool { return k.Name == option.Name }) {
			r.problem(at+".name", "no carrier is named %q", option.Name)
		} else if !c.serves(rule, option.Name) {
			r.problem(at+".name", "no number that the rule is about has %q among its carriers", option.Name)
		}
		r.between(at+".weight", option.Weight, 0, 1000)
		r.between(at+".priority", option.Priority, 0, 100)
	}
}

// serves tells whether any number that a rule is about may use a carrier.
func (c *Config) serves(rule *RuleConfig, carrier string) bool {
	return slices.ContainsFunc(c.Numbers, func(n NumberConfig) bool {
		about := len(rule.Numbers) == 0 || slices.ContainsFunc(rule.Numbers, func(text string) bool { return sameSender(n.Number, text) })
		return about && slices.Contains(n.Carriers, carrier)
	})
}

func sameSender(a, b string) bool {
	x, err := message.ParseSender(a)
	y, err2 := message.ParseSender(b)
	return err == nil && err2 == nil && x == y
}

// digits checks a prefix of E.164.
func (r *configReader) digits(path, text string) {
	if !isPrefix(text) {
		r.problem(path, "%q found, 1 to 15 digits of E.164 expected", text)
	}
}

func isPrefix(text string) bool {
	rest := strings.TrimPrefix(text, "+")
	return len(rest) > 0 && len(rest) <= 15 && rest[0] != '0' && strings.Trim(rest, "0123456789") == ""
}

// countryCode returns the digits for what a rule calls a country: a code, or the
// two letters of ISO 3166 where a country has a code for itself.
func countryCode(text string) (string, error) {
	if isPrefix(text) {
		return strings.TrimPrefix(text, "+"), nil
	}
	region := strings.ToUpper(text)
	code := phonenumbers.GetCountryCodeForRegion(region)
	if len(text) != 2 || code == 0 {
		return "", fmt.Errorf("%q found, a code such as +44 or a country such as BR expected", text)
	}
	if others := phonenumbers.GetRegionCodesForCountryCode(code); len(others) > 1 {
		return "", fmt.Errorf("%s shares +%d with %d others: write the code, or the longer ones that you mean", region, code, len(others)-1)
	}
	return strconv.Itoa(code), nil
}

// routeTable makes the table; the file of prefixes is read anew each time.
func (c *Config) routeTable() (*route.Table, error) {
	made := route.Config{}
	for _, carrier := range c.Carriers {
		made.Carriers = append(made.Carriers, carrier.Name)
	}
	var errs []error
	sender := func(text string) message.Phone {
		phone, err := message.ParseSender(text)
		if err != nil {
			errs = append(errs, fmt.Errorf("number %s: %w", text, err))
		}
		return phone
	}
	for _, n := range c.Numbers {
		made.Numbers = append(made.Numbers, route.Number{Phone: sender(n.Number), Carriers: n.Carriers})
	}
	for _, text := range c.Routes.Ignore {
		var e message.Evidence
		errs = append(errs, e.UnmarshalText([]byte(text)))
		made.Ignored = append(made.Ignored, e)
	}
	for _, n := range c.Routes.Networks {
		made.Networks = append(made.Networks, route.Network{Name: n.Name, Aliases: n.Aliases})
	}
	for i, p := range c.Routes.Prefixes {
		made.Prefixes = append(made.Prefixes, route.Prefix{
			Digits: strings.TrimPrefix(p.Prefix, "+"), Network: p.Network, Place: fmt.Sprintf("routes.prefixes[%d]", i),
		})
	}
	if c.Routes.PrefixesFile != "" {
		more, err := readPrefixes(c.Routes.PrefixesFile)
		errs = append(errs, err)
		made.Prefixes = append(made.Prefixes, more...)
	}
	for i := range c.Routes.Rules {
		rule := &c.Routes.Rules[i]
		out := route.Rule{Name: rule.Name, Networks: rule.Networks, Only: rule.Only}
		for _, text := range rule.Countries {
			code, err := countryCode(text)
			errs = append(errs, err)
			out.Countries = append(out.Countries, code)
		}
		for _, text := range rule.Numbers {
			out.Numbers = append(out.Numbers, sender(text))
		}
		for _, o := range rule.Carriers {
			out.Carriers = append(out.Carriers, route.Option{Carrier: o.Name, Weight: uint16(o.Weight), Priority: uint8(o.Priority)})
		}
		made.Rules = append(made.Rules, out)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return route.New(made)
}

func readPrefixes(path string) (_ []route.Prefix, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("routes.prefixes_file: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return route.ReadPrefixes(f, path)
}

// phonePlace is what stands for the phone in lookup.url.
const phonePlace = "{phone}"

func (r *configReader) lookupSection(c *LookupConfig) {
	if c.URL != "" {
		u, err := url.Parse(strings.ReplaceAll(c.URL, phonePlace, "1"))
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || !strings.Contains(c.URL, phonePlace) {
			r.problem("lookup.url", "%q found, http(s)://host/path with %s in it expected", c.URL, phonePlace)
		}
	}
	if c.Secret.Reveal() != "" && (c.Header == "" || http.CanonicalHeaderKey(c.Header) == "" || strings.ContainsAny(c.Header, " :\r\n")) {
		r.problem("lookup.header", "%q found, the name of an HTTP header expected", c.Header)
	}
	r.require("lookup.field", c.Field)
	r.duration("lookup.timeout", c.Timeout, 10*time.Millisecond, time.Minute)
	r.duration("lookup.cache_ttl", c.CacheTTL, time.Minute, 366*24*time.Hour)
	r.between("lookup.concurrency", c.Concurrency, 1, 256)
	r.between("lookup.limit_per_second", c.LimitPerSecond, 1, 10_000)
}
