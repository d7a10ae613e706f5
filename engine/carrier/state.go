package carrier

import (
	"time"

	"fanline/smpp/session"
)

// CarrierState is a snapshot of the binds of one account.
type CarrierState struct {
	Name  string    `json:"name"`
	Admin Admin     `json:"admin"`
	Since time.Time `json:"admin_since"`
	// Alarm says what a person must look after, AlarmSince since when.
	Alarm      string      `json:"alarm,omitempty"`
	AlarmSince time.Time   `json:"alarm_since,omitzero"`
	Up         int         `json:"up"`
	Sending    int         `json:"sending"` // of those that are up: able to submit; of a receiver account, all
	Binds      []BindState `json:"binds"`
}

// BindState is a snapshot of one bind.
type BindState struct {
	Bind         uint32        `json:"bind"`
	Kind         string        `json:"kind"`
	Host         string        `json:"host"`              // that it is bound to, or was tried last
	Peer         string        `json:"peer"`              // the SMSC's system_id
	Version      byte          `json:"interface_version"` // that it said, 0x33 where it said none
	VersionSaid  bool          `json:"interface_version_said"`
	Up           bool          `json:"up"`
	Refused      bool          `json:"refused"`                // bind-fatal: somebody must change the configuration
	RefusedSince time.Time     `json:"refused_since,omitzero"` // since when every attempt was refused, for whatever reason
	Since        time.Time     `json:"since"`                  // when it came up or went down
	Retry        time.Time     `json:"retry,omitzero"`         // of one that is down: when it tries again
	Bound        uint64        `json:"bound"`                  // how often since the start
	Window       int           `json:"window"`                 // that the engine may use
	Congestion   int8          `json:"congestion_state"`       // the last of SMPP 5.0 §4.8.4.18, -1 if none
	Inflight     int           `json:"inflight"`
	LastError    string        `json:"last_error,omitempty"`
	Stats        session.Stats `json:"-"` // of all its sessions together, for metrics
}

// State returns a snapshot, in the order of the accounts.
func (p *Pool) State() []CarrierState {
	states := make([]CarrierState, len(p.carriers))
	for i, c := range p.carriers {
		states[i] = c.snapshot()
	}
	return states
}

func (c *carrierBinds) snapshot() CarrierState {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := CarrierState{Name: c.name, Admin: c.admin, Since: c.since, Alarm: c.alarm.Text, AlarmSince: c.alarm.Since}
	for _, b := range c.binds {
		state := b.snapshot()
		if state.Up {
			s.Up++
			if b.link.submits || c.account.Kind == kindReceiver {
				s.Sending++
			}
		}
		s.Binds = append(s.Binds, state)
	}
	return s
}

// snapshot returns the bind's state with the counters of all its sessions. c.mu
// is held.
func (b *bind) snapshot() BindState {
	state := b.state
	state.Stats, state.Congestion = b.past, -1
	if b.link != nil {
		now := b.link.s.Stats()
		add(&state.Stats, now)
		state.Inflight, state.Congestion = now.Inflight, now.Congestion
		state.Stats.Inflight, state.Stats.Waiting, state.Stats.Congestion = now.Inflight, now.Waiting, now.Congestion
	}
	return state
}

// add adds the counters of s to sum.
func add(sum *session.Stats, s session.Stats) {
	sum.Submits += s.Submits
	sum.Accepted += s.Accepted
	sum.Refused += s.Refused
	sum.TimedOut += s.TimedOut
	sum.Late += s.Late
	sum.NotSent += s.NotSent
	sum.Lost += s.Lost
	sum.Invalid += s.Invalid
	sum.Deliveries += s.Deliveries
	sum.Responds += s.Responds
	sum.EnquiresSent += s.EnquiresSent
	sum.EnquiresSeen += s.EnquiresSeen
	sum.Strays += s.Strays
	sum.NacksSent += s.NacksSent
	sum.NacksSeen += s.NacksSeen
	sum.Malformed += s.Malformed
	sum.BytesIn += s.BytesIn
	sum.BytesOut += s.BytesOut
	sum.Reads += s.Reads
	sum.Writes += s.Writes
}
