package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	"fanline/smpp"
)

// probeSight is what one stack saw.
type probeSight struct {
	Stack         string      `json:"stack"`
	Kind          string      `json:"kind"` // of bind that was asked for
	Bind          string      `json:"bind"` // accepted, refused, failed or unreachable
	Code          string      `json:"code,omitempty"`
	Status        smpp.Status `json:"status"`
	LatencyMS     float64     `json:"latency_ms"`
	SMSC          string      `json:"smsc,omitempty"`              // the system_id it answered with
	Version       string      `json:"interface_version,omitempty"` // sc_interface_version
	EnquireLink   string      `json:"enquire_link,omitempty"`
	EnquireLinkMS float64     `json:"enquire_link_ms,omitempty"`
	Submit        string      `json:"submit,omitempty"`
	SubmitCode    string      `json:"submit_code,omitempty"`
	SubmitMS      float64     `json:"submit_ms,omitempty"`
	ID            string      `json:"id,omitempty"`      // the carrier's message id
	Receipt       string      `json:"receipt,omitempty"` // its state, or none
	ReceiptMS     float64     `json:"receipt_ms,omitempty"`
	ReceiptForm   string      `json:"receipt_form,omitempty"` // how it was told, and how its id relates to ID
	Unbind        string      `json:"unbind,omitempty"`
	Error         string      `json:"error,omitempty"`
}

// The words of a sight.
const (
	sawAccepted    = "accepted"
	sawRefused     = "refused"
	sawFailed      = "failed"
	sawUnreachable = "unreachable"
	sawNone        = "none"
)

// allAccepted reports whether a stack got through all that was asked of it.
func (s *probeSight) allAccepted() bool {
	good := func(word string) bool { return word == "" || word == sawAccepted }
	return s.Bind == sawAccepted && good(s.EnquireLink) && good(s.Submit) && good(s.Unbind) && s.Receipt != sawNone && s.Error == ""
}

// fatal reports whether the account itself is refused.
func (s *probeSight) fatal() bool {
	return s.Bind == sawRefused && s.Status.Class() == smpp.ClassBindFatal
}

// probeReport is the JSON of `fanline carrier probe`.
type probeReport struct {
	Carrier     string     `json:"carrier"`
	Host        string     `json:"host"`
	TLS         bool       `json:"tls"`
	Version     string     `json:"interface_version"` // that we said
	Kind        string     `json:"kind"`              // of bind that is probed
	Account     string     `json:"account_kind"`      // of bind that the account is configured with
	Running     int        `json:"running_binds"`     // of a fanline that runs beside
	Ours        probeSight `json:"ours"`
	Independent probeSight `json:"independent"`
	Differences []string   `json:"differences"`
	Verdict     string     `json:"verdict"`
}

// much is how many times longer an answer must take, and by how many
// milliseconds, to be told as a difference.
const (
	muchTimes = 5
	muchMS    = 200
)

// differences are what to ask the carrier, or us, about. Ids differ by nature;
// of times only what nobody would call chance.
func differencesOf(ours, other probeSight) []string {
	found := []string{}
	compare := func(what, a, b string) {
		if a != b {
			found = append(found, fmt.Sprintf("%s: %s saw %s, %s saw %s", what, ours.Stack, cmp.Or(a, "nothing"), other.Stack, cmp.Or(b, "nothing")))
		}
	}
	slower := func(what string, a, b float64) {
		if a > 0 && b > 0 && max(a, b) > muchTimes*min(a, b) && max(a, b)-min(a, b) > muchMS {
			found = append(found, fmt.Sprintf("%s: %s took %.0f ms, %s %.0f ms", what, ours.Stack, a, other.Stack, b))
		}
	}
	compare("bind", ours.Bind, other.Bind)
	compare("bind code", ours.Code, other.Code)
	compare("smsc", ours.SMSC, other.SMSC)
	compare("interface_version", ours.Version, other.Version)
	compare("enquire_link", ours.EnquireLink, other.EnquireLink)
	compare("submit", ours.Submit, other.Submit)
	compare("submit code", ours.SubmitCode, other.SubmitCode)
	if !onlyByChance(ours.ID, other.ID) {
		compare("form of the id", idStyle(ours.ID), idStyle(other.ID))
	}
	compare("receipt", ours.Receipt, other.Receipt)
	compare("receipt form", ours.ReceiptForm, other.ReceiptForm)
	compare("unbind", ours.Unbind, other.Unbind)
	slower("bind", ours.LatencyMS, other.LatencyMS)
	slower("enquire_link", ours.EnquireLinkMS, other.EnquireLinkMS)
	slower("submit", ours.SubmitMS, other.SubmitMS)
	return found
}

// idStyle says what an id looks like: two of one carrier look alike.
func idStyle(id string) string {
	switch {
	case id == "":
		return ""
	case strings.Trim(id, "0123456789") == "":
		return "decimal digits"
	case strings.Trim(id, "0123456789abcdefABCDEF") == "":
		return "hexadecimal digits"
	case strings.Trim(id, "0123456789abcdefABCDEF-") == "":
		return "a UUID"
	}
	return "other characters"
}

// onlyByChance reports whether one of two ids may be hexadecimal like the other, and happens to have no letter: of those with
// eight digits every fortieth has none.
func onlyByChance(a, b string) bool {
	return len(a) == len(b) && strings.Trim(a+b, "0123456789abcdefABCDEF") == ""
}

// judge compares, and answers "them or us?".
func (r *probeReport) judge() {
	r.Differences = differencesOf(r.Ours, r.Independent)
	if r.kindMayBeWrong() {
		r.Verdict = "neither stack gets through as transmitter, but the account is configured as transceiver, and the carrier may allow nothing else: " +
			"try --bind transceiver (texts and receipts that come to it are put off, which some carriers don't send again); if that fails too, ask the carrier, and show this report"
		return
	}
	r.answer()
}

// kindMayBeWrong reports whether no stack came through its bind as transmitter, of an account that traffic binds as transceiver,
// for a reason that may be just that.
func (r *probeReport) kindMayBeWrong() bool {
	tried := func(s *probeSight) bool {
		switch s.Status {
		case smpp.StatusInvPassword, smpp.StatusInvSystemID, smpp.StatusInvSystemType, smpp.StatusAlreadyBound:
			return false
		}
		return s.Bind == sawRefused || s.Bind == sawFailed
	}
	return r.Kind == "transmitter" && r.Account == "transceiver" && tried(&r.Ours) && tried(&r.Independent)
}

// answer puts into words what both saw.
func (r *probeReport) answer() {
	ours, other := r.Ours.allAccepted(), r.Independent.allAccepted()
	switch {
	case ours && other && len(r.Differences) == 0:
		r.Verdict = "both stacks saw the same: the carrier is ready for " + r.done()
	case ours && other:
		r.Verdict = "both stacks get through, though not alike: ask the carrier about the differences"
	case r.Ours.Bind == sawUnreachable && r.Independent.Bind == sawUnreachable:
		r.Verdict = "neither stack reaches the host: it is the network, a firewall or the address, and not SMPP"
	case r.Ours.Bind == sawRefused && r.Ours.Code == r.Independent.Code:
		r.Verdict = fmt.Sprintf("both stacks are refused with %s, so it is the account: %s", r.Ours.Code, adviceOn(r.Ours.Status))
		if r.Running > 0 && r.Ours.Status == smpp.StatusAlreadyBound {
			r.Verdict = fmt.Sprintf("both stacks are refused with %s: the fanline that runs holds %d binds, and the account has no more; drain and disable the carrier first, or ask for one more bind", r.Ours.Code, r.Running)
		}
	case !ours && !other:
		r.Verdict = "neither stack gets through: ask the carrier, and show this report"
	case other:
		r.Verdict = "only Fanline fails: it may be us. Please report it with this report and a trace"
	default:
		r.Verdict = "only " + r.Independent.Stack + " fails: the carrier does something unusual that Fanline understands"
	}
}

// done lists what was tried.
func (r *probeReport) done() string {
	words := []string{"binds"}
	if r.Ours.Submit != "" {
		words = append(words, "texts")
	}
	if r.Ours.Receipt != "" {
		words = append(words, "receipts")
	}
	return strings.Join(words, ", ")
}

func (r *probeReport) print(w io.Writer, asJSON bool) error {
	if asJSON {
		return printJSON(w, r)
	}
	over := ""
	if r.TLS {
		over = " over TLS"
	}
	fmt.Fprintf(w, "carrier %s, %s%s, SMPP %s\n", r.Carrier, r.Host, over, r.Version)
	if r.Running > 0 {
		fmt.Fprintf(w, "  a fanline that runs holds %d binds of this account\n", r.Running)
	}
	for _, s := range []probeSight{r.Ours, r.Independent} {
		fmt.Fprintf(w, "  %-8s %s\n", s.Stack, strings.Join(s.words(), "; "))
	}
	for _, d := range r.Differences {
		fmt.Fprintln(w, "  differs:", shown(d))
	}
	_, err := fmt.Fprintf(w, "%d differences: %s\n", len(r.Differences), r.Verdict)
	return err
}

// words tell what a stack saw, in the order in which it did.
func (s *probeSight) words() []string {
	words := []string{strings.TrimSpace(fmt.Sprintf("bind_%s %s %s", s.Kind, s.Bind, s.Code))}
	if s.LatencyMS > 0 {
		words[0] += fmt.Sprintf(", %.1f ms", s.LatencyMS)
	}
	if s.SMSC != "" || s.Version != "" {
		words = append(words, strings.TrimSpace(fmt.Sprintf("by %q %s", shown(s.SMSC), orPrefix("SMPP ", s.Version))))
	}
	if s.EnquireLink != "" {
		words = append(words, fmt.Sprintf("enquire_link %s, %.1f ms", s.EnquireLink, s.EnquireLinkMS))
	}
	if s.Submit != "" {
		words = append(words, fmt.Sprintf("submit %s %s, %.1f ms, id %q", s.Submit, s.SubmitCode, s.SubmitMS, s.ID))
	}
	if s.Receipt != "" {
		words = append(words, fmt.Sprintf("receipt %s, %.0f ms, %s", shown(s.Receipt), s.ReceiptMS, orElse(s.ReceiptForm, "-")))
	}
	if s.Unbind != "" {
		words = append(words, "unbind "+s.Unbind)
	}
	if s.Error != "" {
		words = append(words, shown(s.Error))
	}
	return words
}

func orPrefix(prefix, s string) string {
	if s == "" {
		return ""
	}
	return prefix + s
}
