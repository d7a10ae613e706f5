package main

import (
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"fanline/engine/message"
)

// SMPP 3.4 §4.1.1 gives system_id 16 octets, password 9 and system_type 13,
// each with its terminating NUL.
const (
	maxSystemID   = 15
	maxPassword   = 8
	maxSystemType = 12
	maxWindow     = 10_000
	maxBinds      = 256
	maxLimit      = 1_000_000
)

// validate reports every value that cannot be right, each at its place.
func (r *configReader) validate(c *Config) {
	r.require("data", c.Data)
	for i, b := range c.Log.Brokers {
		r.hostPort(fmt.Sprintf("log.brokers[%d]", i), b)
	}
	for i, a := range c.ClickHouse.Addresses {
		r.hostPort(fmt.Sprintf("clickhouse.addresses[%d]", i), a)
	}
	if n := len(c.ClickHouse.Addresses); n > 1 {
		r.problem("clickhouse.addresses", "%d found, one expected: tables that are not replicated would differ", n)
	}
	r.require("clickhouse.user", c.ClickHouse.User)
	if !isName(c.ClickHouse.Database) || strings.Contains(c.ClickHouse.Database, "-") {
		r.problem("clickhouse.database", "%q found, a name of letters, digits and _ expected", c.ClickHouse.Database)
	}
	r.storeURL(c.Store.URL)
	r.httpSection(c.HTTP)
	r.require("program.name", c.Program.Name)
	r.require("program.help", c.Program.Help)
	if _, err := message.ParsePolicy(c.Sending.Policy); err != nil {
		r.problem("sending.policy", "%v", err)
	}
	r.duration("sending.validity", c.Sending.Validity, time.Second, 7*24*time.Hour)
	r.duration("sending.receipt_grace", c.Sending.ReceiptGrace, 0, 30*24*time.Hour)
	r.carriers(c.Carriers)
	r.numbers(c.Numbers, c.Carriers)
	r.routesSection(c)
	r.lookupSection(&c.Lookup)
}

func (r *configReader) numbers(numbers []NumberConfig, carriers []CarrierConfig) {
	known := func(name string) bool {
		return slices.ContainsFunc(carriers, func(c CarrierConfig) bool { return c.Name == name })
	}
	seen := map[string]int{}
	for i := range numbers {
		n, path := &numbers[i], fmt.Sprintf("numbers[%d]", i)
		if r.oneOf(path+".kind", n.Kind, numberKinds()) {
			r.sender(path+".number", n)
		}
		if first, twice := seen[n.Number]; twice {
			r.problem(path+".number", "numbers[%d] already is %s", first, n.Number)
		}
		seen[n.Number] = i
		r.require(path+".leader", n.Leader)
		if len(n.Carriers) == 0 {
			r.problem(path+".carriers", "none found, at least one name of a carrier expected")
		}
		for j, name := range n.Carriers {
			if !known(name) {
				r.problem(fmt.Sprintf("%s.carriers[%d]", path, j), "no carrier is named %q", name)
			}
		}
		r.between(path+".limit_per_second", n.LimitPerSecond, 1, maxLimit)
		r.retrySection(path+".retry_undelivered", &n.Retry)
		r.senderAt(path, n, carriers)
	}
}

// sender checks a number against its kind: short codes are 3 to 8 digits,
// everything else is E.164 with its plus sign.
func (r *configReader) sender(path string, n *NumberConfig) {
	if n.Kind == "short_code" {
		if !shortCode(n.Number) {
			r.problem(path, "%q found, a short code of 3 to 8 digits expected", n.Number)
		}
		return
	}
	phone, err := message.ParsePhone(n.Number)
	if err != nil || !strings.HasPrefix(n.Number, "+") {
		r.problem(path, "%q found, E.164 such as +17735550100 expected", n.Number)
		return
	}
	n.Number = phone.String()
}

func (r *configReader) storeURL(s Secret) {
	text := s.Reveal()
	if text == "" {
		return
	}
	u, err := url.Parse(text)
	if err != nil || (u.Scheme != "postgres" && u.Scheme != "postgresql") || u.Host == "" {
		// The URL itself stays out of the message: it may hold a password.
		r.problem("store.url", "postgres://user@host/database expected; empty means SQLite")
	}
}

func (r *configReader) httpSection(h HTTPConfig) {
	if _, port, err := net.SplitHostPort(h.Listen); err != nil || !validPort(port, 0) {
		r.problem("http.listen", "%q found, address:port expected", h.Listen)
	}
	u, err := url.Parse(h.PublicURL)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		r.problem("http.public_url", "%q found, http(s)://host[:port][/path] expected", h.PublicURL)
	}
}

func (r *configReader) tlsSection(path string, t TLSConfig) {
	if !t.Enabled && t != (TLSConfig{}) {
		r.problem(path+".enabled", "false, though other keys of tls are set")
	}
	if (t.Certificate == "") != (t.Key == "") {
		r.problem(path, "certificate and key go together")
	}
}

func (r *configReader) hostPort(path, text string) {
	host, port, err := net.SplitHostPort(text)
	if err != nil || host == "" || !validPort(port, 1) {
		r.problem(path, "%q found, host:port expected", text)
	}
}

func (r *configReader) require(path, text string) {
	if strings.TrimSpace(text) == "" {
		r.problem(path, "nothing found, text expected")
	}
}

func (r *configReader) octets(path, text string, least, most int) {
	if len(text) < least || len(text) > most {
		r.problem(path, "%d octets, %d to %d expected (SMPP 3.4 §4.1.1)", len(text), least, most)
	}
}

func (r *configReader) between(path string, n, least, most int) {
	if n < least || n > most {
		r.problem(path, "%d found, %d to %d expected", n, least, most)
	}
}

func (r *configReader) duration(path string, d, least, most time.Duration) {
	if d < least || d > most {
		r.problem(path, "%v found, %v to %v expected", d, least, most)
	}
}

func (r *configReader) oneOf(path, text string, allowed []string) bool {
	if slices.Contains(allowed, text) {
		return true
	}
	r.problem(path, "%q found, one of %s expected", text, strings.Join(allowed, ", "))
	return false
}

func bindKinds() []string { return []string{"transceiver", "transmitter", "receiver"} }

func numberKinds() []string { return []string{"long_code", "short_code", "toll_free"} }

func validPort(text string, least int) bool {
	n, err := strconv.Atoi(text)
	return err == nil && n >= least && n <= 65535
}

func shortCode(text string) bool {
	return regexp.MustCompile(`^[1-9][0-9]{2,7}$`).MatchString(text)
}

// isName accepts what can stand in a file name, a metric's label and SQL.
func isName(text string) bool {
	return regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,63}$`).MatchString(text)
}
