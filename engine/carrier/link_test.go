package carrier

import (
	"net"
	"testing"

	"fanline/engine"
	"fanline/smpp"
	"fanline/smpp/session"
)

// nowhere is a connection whose bind is accepted and that takes no octet after
// it, so that what is handed over stays in the window.
type nowhere struct {
	net.Conn
	answer []byte
	shut   chan struct{}
}

func (c *nowhere) Write(b []byte) (int, error) {
	if c.answer == nil {
		c.answer, _ = smpp.Append(nil, smpp.StatusOK, 1, &smpp.BindResp{Kind: smpp.BindTransceiverRespID})
		return len(b), nil
	}
	<-c.shut
	return 0, net.ErrClosed
}

func (c *nowhere) Read(b []byte) (int, error) { return copy(b, c.answer), nil }

func TestHandingPartsOverDoesNotAllocate(t *testing.T) {
	const runs, each = 100, 200
	ours, theirs := net.Pipe()
	defer theirs.Close()
	conn := &nowhere{Conn: ours, shut: make(chan struct{})}
	s, err := session.Open(t.Context(), conn, session.Config{Window: (runs + 2) * each, Logger: quiet()}, &link{})
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	l := &link{s: s, profile: NewCurrent(profileOf(t, nil)), size: (runs + 2) * each, window: (runs + 2) * each, wanted: true}
	batch := make([]engine.Item, each)
	for i := range batch {
		batch[i] = items(t, "Hey Ana")[0]
	}
	took := l.Write(batch) // The session's first chunk has its size then.
	perRun := testing.AllocsPerRun(runs, func() { took += l.Write(batch) })
	if took != (runs+2)*each {
		t.Errorf("took %d of %d", took, (runs+2)*each)
	}
	// The session's own chunks of 64 KB, which nobody writes here, are all that grows.
	if perRun > 4 {
		t.Errorf("%v allocations for %d parts", perRun, each)
	}
}
