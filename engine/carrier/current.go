package carrier

import "sync/atomic"

// Current holds the profile that a carrier has now. Encoders, sessions and
// readers ask it each time, so that a new profile counts for the next message.
type Current struct{ p atomic.Pointer[Profile] }

// NewCurrent returns a Current that holds p.
func NewCurrent(p *Profile) *Current {
	c := &Current{}
	c.Set(p)
	return c
}

// Get returns the profile; it does not change while it is used.
func (c *Current) Get() *Profile { return c.p.Load() }

// Set puts another profile in its place.
func (c *Current) Set(p *Profile) { c.p.Store(p) }
