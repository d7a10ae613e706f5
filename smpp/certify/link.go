package certify

import (
	"context"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"fanline/smpp"
	"fanline/smpp/session"
	"fanline/smpp/tap"
)

// enquireUsual is after how much silence our session asks; long enough not to disturb most cases.
const enquireUsual = 25 * time.Second

// link is one bound session, or a connection before its bind, with all that goes over it in the trace.
type link struct {
	number int
	host   string
	conn   *tap.Conn
	s      *session.Session
	book   *book
	window int
	dialed time.Duration
	bound  time.Duration // how long the bind took
	ended  chan error    // has the end of Run
	rec    *recorder

	mu      sync.Mutex
	next    uint32 // sequence number of what is injected
	waiting map[uint32]chan answer
	seen    map[smpp.CommandID]int // what the peer sent
}

// answer is what came for an injected request.
type answer struct {
	header smpp.Header
	pdu    []byte
	at     time.Time
}

// injectedFrom is the first sequence number of requests that the session doesn't know of; it never gets so far itself.
const injectedFrom = 0x70000000

// Outcomes is part of session.Handler.
func (l *link) Outcomes(batch []session.Outcome) {
	for i := range batch {
		l.book.answer(&batch[i])
	}
}

// Deliveries is part of session.Handler.
func (l *link) Deliveries(batch []session.Delivery) {
	for i := range batch {
		l.book.deliver(l, &batch[i])
	}
}

// see is what the tap calls with every PDU.
func (l *link) see(at time.Time, out bool, pdu []byte) {
	l.rec.add(l.number, at, out, pdu)
	if out {
		return
	}
	h, err := smpp.ReadHeader(pdu)
	if err != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen[h.ID]++
	if to := l.waiting[h.Sequence]; to != nil && h.ID.IsResponse() {
		delete(l.waiting, h.Sequence)
		to <- answer{h, append([]byte(nil), pdu...), at} // It has room for one, and gets one.
	}
}

func (l *link) count(id smpp.CommandID) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.seen[id]
}

// errNoAnswer says that the peer left a request unanswered.
var errNoAnswer = errors.New("no answer in time")

// ask sends a request past the session and waits for its answer. A sequence number of 0 stands for the next one.
func (l *link) ask(ctx context.Context, long time.Duration, sequence uint32, pdu []byte) (answer, time.Duration, error) {
	return l.askWith(ctx, long, sequence, pdu, func(pdu []byte) error {
		_, err := l.conn.Write(pdu)
		return err
	})
}

func (l *link) askWith(ctx context.Context, long time.Duration, sequence uint32, pdu []byte, write func([]byte) error) (answer, time.Duration, error) {
	to := make(chan answer, 1)
	l.mu.Lock()
	if sequence == 0 {
		sequence = injectedFrom + l.next
		l.next++
	}
	l.waiting[sequence] = to
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		delete(l.waiting, sequence)
		l.mu.Unlock()
	}()
	smpp.PutSequence(pdu, sequence)
	begun := time.Now()
	if err := write(pdu); err != nil {
		return answer{}, 0, err
	}
	timer := time.NewTimer(long)
	defer timer.Stop()
	select {
	case a := <-to:
		return a, a.at.Sub(begun), nil
	case <-timer.C:
		return answer{}, 0, fmt.Errorf("%w (%v)", errNoAnswer, long)
	case err := <-l.ended:
		l.ended <- err
		return answer{}, 0, fmt.Errorf("the session ended: %w", orClosed(err))
	case <-ctx.Done():
		return answer{}, 0, ctx.Err()
	}
}

func orClosed(err error) error {
	if err == nil {
		return errors.New("unbound")
	}
	return err
}

// alive reports whether the session goes on.
func (l *link) alive() bool {
	select {
	case err := <-l.ended:
		l.ended <- err
		return false
	default:
		return true
	}
}

// end waits for the end of Run; false: it didn't come in time.
func (l *link) end(long time.Duration) (error, bool) { //nolint:revive // The error is the result here, not this call's.
	select {
	case err := <-l.ended:
		l.ended <- err
		return err, true
	case <-time.After(long):
		return nil, false
	}
}

// leave unbinds and waits until the session has ended.
func (l *link) leave(ctx context.Context, long time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, long)
	defer cancel()
	unbinding := l.s.Unbind(ctx)
	err := <-l.ended
	l.ended <- err
	return errors.Join(err, unbinding)
}

// cut closes the connection without a word, and waits until the session has seen it.
func (l *link) cut() {
	raw := l.conn.Conn
	if secure, ok := raw.(*tls.Conn); ok {
		raw = secure.NetConn() // Without TLS's word of farewell, too.
	}
	_ = raw.Close() // The session may have closed it.
	err := <-l.ended
	l.ended <- err
}

// bindAs says with what to bind; the zero value of a field means what the account has.
type bindAs struct {
	kind               smpp.CommandID
	host               string
	systemID, password string
	enquire            time.Duration
	window             int
}

// open dials and binds. The error is a *session.BindError when the peer refused. A carrier may take a moment to see that a
// bind of ours has ended: ESME_RALYBND right behind one is tried again, unless coming back is what the case is about. A bind
// that is not answered behind a connection that never bound is tried once more when the carrier must have given that one up.
func (r *runner) open(ctx context.Context, as bindAs) (*link, error) {
	for try := 1; ; try++ {
		l, err := r.openOnce(ctx, as)
		var refused *session.BindError
		wait := again
		switch {
		case errors.Is(err, session.ErrBindTimeout) && !r.loose.IsZero():
			wait = max(again, min(r.cfg.keeps, r.cfg.keeps-time.Since(r.loose)+again))
			r.saw("no answer to a bind %s after a connection of ours that never bound: some servers serve nobody else meanwhile; tried again %s later", shown(time.Since(r.loose)), shown(wait))
			r.loose = time.Time{} // Once.
		case errors.As(err, &refused) && refused.Status == smpp.StatusAlreadyBound && !r.strict && try < tries && time.Since(r.left) <= lingering:
			r.saw("refused with %v %s after our last bind ended; tried again", refused.Status, shown(time.Since(r.left)))
		default:
			return l, err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// How a carrier is given time to see that a bind has ended.
const (
	tries     = 4
	lingering = 5 * time.Second
)

func (r *runner) openOnce(ctx context.Context, as bindAs) (*link, error) {
	if as.host == "" {
		as.host = r.cfg.Hosts[0]
	}
	l, err := r.connect(ctx, as.host)
	if err != nil {
		return nil, err
	}
	return l, r.bind(ctx, l, as)
}

// bind binds over a connection, which ends when it fails.
func (r *runner) bind(ctx context.Context, l *link, as bindAs) (err error) {
	if as.systemID == "" {
		as.systemID = r.cfg.SystemID
	}
	if as.password == "" {
		as.password = r.cfg.Password
	}
	if as.enquire == 0 {
		as.enquire = enquireUsual
	}
	if as.window == 0 {
		as.window = r.cfg.Window
	}
	begun := time.Now()
	l.s, err = session.Open(ctx, l.conn, session.Config{
		Kind: as.kind, SystemID: as.systemID, Password: as.password, SystemType: r.cfg.SystemType, Window: as.window,
		InterfaceVersion: r.cfg.Version, AddressRange: r.cfg.Range.Addr, AddrTON: r.cfg.Range.TON, AddrNPI: r.cfg.Range.NPI,
		EnquireInterval: as.enquire, ResponseTimeout: r.cfg.Timeout, BindTimeout: r.cfg.Timeout, UnbindTimeout: r.cfg.Timeout,
		Logger: slog.New(slog.DiscardHandler), // What it would say is in the report.
	}, l)
	l.bound, l.window = time.Since(begun), as.window
	if err != nil {
		return err
	}
	r.loose = time.Time{}
	go func() { l.ended <- l.s.Run(context.WithoutCancel(ctx)) }()
	peer := l.s.Peer()
	r.report.SMSC.SystemID = peer.SystemID
	r.report.SMSC.InterfaceVersion = fmt.Sprintf("%x.%x", peer.InterfaceVersion>>4, peer.InterfaceVersion&0x0F)
	r.links = append(r.links, l)
	return nil
}

// connect dials a host.
func (r *runner) connect(ctx context.Context, host string) (*link, error) {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.Timeout)
	defer cancel()
	begun := time.Now()
	conn, err := r.cfg.Dial(ctx, host)
	if err != nil {
		return nil, err
	}
	r.connections++
	l := &link{
		number: r.connections, host: host, book: r.book, dialed: time.Since(begun), ended: make(chan error, 1), rec: &r.rec,
		waiting: map[uint32]chan answer{}, seen: map[smpp.CommandID]int{},
	}
	l.conn = &tap.Conn{Conn: conn, Seen: l.see}
	return l, nil
}

// recorder keeps the start and the end of what goes over all links during a case.
type recorder struct {
	phones phones // whom our texts go to

	mu      sync.Mutex
	head    []Line
	tail    []Line
	omitted int
}

// add keeps a PDU, unless it is somebody else's text or receipt: those are nobody's business here.
func (r *recorder) add(link int, at time.Time, out bool, pdu []byte) {
	pdu = tap.WithoutPassword(pdu)
	line := Line{At: at, Link: link, Out: out}
	if !out && r.foreign(pdu) {
		line.Text = "a delivery of other traffic on this account; put off with ESME_RX_T_APPN"
	} else {
		line.Hex, line.Text = hex.EncodeToString(pdu), tap.Line(pdu, true)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.head) < traceHead {
		r.head = append(r.head, line)
		return
	}
	if len(r.tail) == traceTail {
		copy(r.tail, r.tail[1:])
		r.tail = r.tail[:traceTail-1]
		r.omitted++
	}
	r.tail = append(r.tail, line)
}

func (r *recorder) foreign(pdu []byte) bool {
	h, p, err := smpp.Decode(pdu)
	if err != nil {
		return h.ID == smpp.DeliverSMID || h.ID == smpp.DataSMID
	}
	var a, b string
	switch p := p.(type) {
	case *smpp.DeliverSM:
		a, b = p.Source.Addr, p.Destination.Addr
	case *smpp.DataSM:
		a, b = p.Source.Addr, p.Destination.Addr
	default:
		return false
	}
	return !r.phones.have(a) && !r.phones.have(b)
}

// take returns what was kept, and begins anew.
func (r *recorder) take() (lines []Line, omitted int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	lines, omitted = append(r.head, r.tail...), r.omitted
	r.head, r.tail, r.omitted = nil, nil, 0
	return lines, omitted
}

// tlsOf describes the TLS of a connection; empty: none.
func tlsOf(conn net.Conn) (tls.ConnectionState, bool) {
	secure, ok := conn.(*tls.Conn)
	if !ok {
		return tls.ConnectionState{}, false
	}
	return secure.ConnectionState(), true
}
