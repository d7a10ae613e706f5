package certify

import (
	"time"
)

// The verdicts of a case.
const (
	Pass          = "pass"
	Fail          = "fail"
	NotApplicable = "not applicable" // the other side doesn't offer it, and need not
	NotRun        = "not run"
)

// Report is a test plan carried out.
type Report struct {
	Carrier  string    `json:"carrier"`
	Program  string    `json:"program"`
	Started  time.Time `json:"started"`
	Ended    time.Time `json:"ended"`
	Account  Account   `json:"account"`
	SMSC     SMSC      `json:"smsc"`
	Results  []Result  `json:"results"`
	Passed   int       `json:"passed"`
	Failed   int       `json:"failed"`
	NA       int       `json:"not_applicable"`
	NotRun   int       `json:"not_run"`
	Verdict  string    `json:"verdict"` // pass: no case failed and at least one passed
	Receipts Receipts  `json:"receipts"`
}

// Account is who was certified. It holds no secret.
type Account struct {
	SystemID       string   `json:"system_id"`
	SystemType     string   `json:"system_type,omitempty"`
	Bind           string   `json:"bind"`
	Binds          int      `json:"binds"`
	Window         int      `json:"window"`
	LimitPerSecond int      `json:"limit_per_second"`
	Hosts          []string `json:"hosts"`
	Source         string   `json:"source,omitempty"`
	Destination    string   `json:"destination,omitempty"`
}

// SMSC is what the other side said of itself.
type SMSC struct {
	SystemID         string `json:"system_id,omitempty"`
	InterfaceVersion string `json:"interface_version,omitempty"`
	TLS              string `json:"tls,omitempty"`
}

// Result is a case carried out.
type Result struct {
	ID       string   `json:"id"`
	Name     string   `json:"name"`
	Section  string   `json:"section"` // of SMPP 3.4, where not said otherwise
	Purpose  string   `json:"purpose"`
	Steps    []string `json:"steps"`
	Expected string   `json:"expected"`
	Observed []string `json:"observed"`
	Verdict  string   `json:"verdict"`
	Reason   string   `json:"reason,omitempty"` // of everything but a pass
	MS       float64  `json:"ms"`
	Trace    []Line   `json:"trace,omitempty"`
	Omitted  int      `json:"trace_omitted,omitempty"` // PDUs in the middle that are not in Trace
}

// Line is one PDU of a case's trace.
type Line struct {
	At   time.Time `json:"at"`
	Link int       `json:"link"` // which connection of the certification, from 1
	Out  bool      `json:"out"`  // we sent it
	Hex  string    `json:"hex"`  // without password
	Text string    `json:"text"`
}

// Receipts sums up what came for the texts that asked for receipts.
type Receipts struct {
	Asked    int            `json:"asked"`
	Matched  int            `json:"matched"`
	Lost     int            `json:"lost"`     // none came in time
	Strange  int            `json:"strange"`  // about our texts by their addresses, with an id that fits none
	Nameless int            `json:"nameless"` // accepted texts whose response has no message_id, beside Asked
	Repeated int            `json:"repeated"` // more than one final receipt
	Early    int            `json:"early"`    // before the response
	IDForms  map[string]int `json:"id_forms"` // how ids relate to those of responses
	States   map[string]int `json:"states"`
	Form     map[string]int `json:"form"` // text, TLVs or both; deliver_sm or data_sm; esm_class
	P50MS    float64        `json:"p50_ms"`
	P99MS    float64        `json:"p99_ms"`
}

func (r *Report) count() {
	for i := range r.Results {
		switch r.Results[i].Verdict {
		case Pass:
			r.Passed++
		case Fail:
			r.Failed++
		case NotApplicable:
			r.NA++
		default:
			r.NotRun++
		}
	}
	r.Verdict = Fail
	if r.Failed == 0 && r.Passed > 0 {
		r.Verdict = Pass
	}
}

// traceHead and traceTail are how many PDUs a case's trace keeps of its start and of its end.
const (
	traceHead = 24
	traceTail = 16
)

// finding is how a case ended.
type finding struct {
	verdict, reason string
}

func pass() finding { return finding{verdict: Pass} }
