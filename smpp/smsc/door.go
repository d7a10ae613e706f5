package smsc

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"
)

// door is a TCP listener that can be shut and opened again on the same address: while it is shut, the kernel refuses
// connections.
type door struct {
	addr string

	mu     sync.Mutex
	inner  net.Listener
	ended  bool
	shut   bool
	opened chan struct{} // closed when it is opened again or ends
}

// opened is a listener with the door that it goes through.
type opened struct {
	net.Listener
	door *door
}

func openDoor(ctx context.Context, addr string) (*door, error) {
	var config net.ListenConfig
	inner, err := config.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return &door{addr: inner.Addr().String(), inner: inner}, nil
}

// Accept waits for a connection, also while the door is shut. It returns net.ErrClosed once it is closed for good.
func (d *door) Accept() (net.Conn, error) {
	for {
		d.mu.Lock()
		inner, opened, ended, shut := d.inner, d.opened, d.ended, d.shut
		d.mu.Unlock()
		switch {
		case ended:
			return nil, net.ErrClosed
		case shut:
			<-opened
			continue
		}
		nc, err := inner.Accept()
		if err == nil || !errors.Is(err, net.ErrClosed) {
			return nc, err
		}
	}
}

// Addr is where the door is.
func (d *door) Addr() net.Addr {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.inner.Addr()
}

// Close ends it.
func (d *door) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ended {
		return net.ErrClosed
	}
	d.ended = true
	if d.shut {
		close(d.opened)
		return nil
	}
	return d.inner.Close()
}

// set shuts or opens the door, and says whether that changed anything.
func (d *door) set(ctx context.Context, shut bool) (bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ended || shut == d.shut {
		return false, nil
	}
	if shut {
		d.shut, d.opened = true, make(chan struct{})
		return true, d.inner.Close()
	}
	var config net.ListenConfig
	inner, err := config.Listen(ctx, "tcp", d.addr)
	if err != nil {
		return false, err // Somebody else has the port: tried again.
	}
	d.inner, d.shut = inner, false
	close(d.opened)
	return true, nil
}

// doorEvery is how often doors are looked at.
const doorEvery = 10 * time.Millisecond

// doors shuts and opens as the scenario in force says, until ctx ends.
func (s *server) doors(ctx context.Context, listeners []net.Listener) {
	tick := time.NewTicker(doorEvery)
	defer tick.Stop()
	was := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		p, now := s.plan(), s.now()
		shut := p.refuses(now.ns-p.since, now.micros)
		if !shut && !was {
			continue
		}
		changed := false
		for _, l := range listeners {
			if o, ok := l.(*opened); ok {
				did, err := o.door.set(ctx, shut)
				changed = changed || did
				if err != nil && ctx.Err() == nil {
					s.logger.Warn("simulator can't open or shut its door", "addr", o.door.addr, "error", err)
				}
			}
		}
		was = shut || !changed && was
		if changed {
			s.doorEvent(shut, now)
		}
	}
}

// doorEvent has the log say that connections are refused, or taken again.
func (s *server) doorEvent(shut bool, at moment) {
	note := "refuse: over"
	if shut {
		note = "refuse"
	}
	var b block
	b.reset(0, "", at.micros)
	b.event(CommandFault, false, 0, 0, "", note)
	if err := s.log.write(&b); err != nil {
		s.fail(err)
	}
}
