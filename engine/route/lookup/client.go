package lookup

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"

	"fanline/engine/message"
)

// Config says whom to ask and how. Zero values mean the defaults.
type Config struct {
	URL       string        // with {phone} for the digits
	Header    string        // that carries Secret
	Secret    func() string // nil or "": no header
	Field     string        // where the name stands in the JSON: keys and indexes joined by dots
	Timeout   time.Duration // of one question; default 2 s
	TTL       time.Duration // how long an answer counts; default 30 days
	PerSecond int           // questions; default 20
	Cached    int           // answers kept in memory, the oldest go first; default 65,536

	Transport http.RoundTripper // default: one of its own
	Now       func() time.Time  // default time.Now
}

// Answer is what the service said. Name is "" when it knows nothing.
type Answer struct {
	Name  string
	Until time.Time // when it no longer counts
}

// ErrUnavailable is wrapped by errors of a service that doesn't answer as it
// should, and returned at once while it is left alone.
var ErrUnavailable = errors.New("the lookup service is not available")

// PhonePlace stands for the digits in Config.URL.
const PhonePlace = "{phone}"

const (
	maxBody     = 64 << 10
	maxName     = 64
	tripsAfter  = 5                // failures in a row, from which on the service is left alone
	openFor     = 30 * time.Second // that long
	idleSockets = 16
)

// Client asks about phones. It is safe for concurrent use; Close it.
type Client struct {
	c       Config
	path    []string
	http    http.Client
	breaker *gobreaker.CircuitBreaker[Answer]
	pace    pacer
	cache   cache
	counts  counters
}

type counters struct{ asked, known, unknown, failed, refused, cached, micros atomic.Int64 }

// Stats are counts since the start, for metrics. Asked = Known + Unknown +
// Failed, once no question is under way.
type Stats struct {
	Asked   int64 // of the service
	Known   int64 // it named something
	Unknown int64 // it knew nothing
	Failed  int64 // timeout, error, or no sense
	Refused int64 // not asked, because it had failed too often
	Cached  int64 // answered from memory
	Took    time.Duration
}

// New returns a client; nothing is asked yet.
func New(c Config) (*Client, error) {
	if !strings.Contains(c.URL, PhonePlace) || c.Field == "" {
		return nil, fmt.Errorf("lookup: wants a URL with %s in it, and a field", PhonePlace)
	}
	c.Timeout, c.TTL = orElse(c.Timeout, 2*time.Second), orElse(c.TTL, 30*24*time.Hour)
	c.PerSecond, c.Cached = orElse(c.PerSecond, 20), orElse(c.Cached, 1<<16)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Transport == nil {
		c.Transport = &http.Transport{MaxIdleConnsPerHost: idleSockets, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true, Proxy: http.ProxyFromEnvironment}
	}
	return &Client{
		c: c, path: strings.Split(c.Field, "."), pace: pacer{gap: time.Second / time.Duration(c.PerSecond)},
		http: http.Client{
			Transport: c.Transport,
			// The secret goes to nobody but whom the configuration names.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		breaker: gobreaker.NewCircuitBreaker[Answer](gobreaker.Settings{
			Name: "lookup", Timeout: openFor, ReadyToTrip: func(n gobreaker.Counts) bool { return n.ConsecutiveFailures >= tripsAfter },
			// Who is told to stop says nothing about the service.
			IsExcluded: func(err error) bool { return errors.Is(err, context.Canceled) },
		}),
		cache: cache{most: c.Cached, answers: map[message.Phone]Answer{}},
	}, nil
}

func orElse[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

// Close gives idle connections back.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Stats returns the counts.
func (c *Client) Stats() Stats {
	n := &c.counts
	return Stats{
		Asked: n.asked.Load(), Known: n.known.Load(), Unknown: n.unknown.Load(), Failed: n.failed.Load(),
		Refused: n.refused.Load(), Cached: n.cached.Load(), Took: time.Duration(n.micros.Load()) * time.Microsecond,
	}
}

// Ask returns what is known of a phone, from memory or from the service, for
// which it waits its turn and the timeout at most. An error wraps
// ErrUnavailable, or the context's.
func (c *Client) Ask(ctx context.Context, phone message.Phone) (Answer, error) {
	if a, ok := c.cache.get(phone, c.c.Now()); ok {
		c.counts.cached.Add(1)
		return a, nil
	}
	a, err := c.breaker.Execute(func() (Answer, error) {
		if err := c.pace.wait(ctx); err != nil {
			return Answer{}, err
		}
		return c.ask(ctx, phone)
	})
	switch {
	case errors.Is(err, gobreaker.ErrOpenState), errors.Is(err, gobreaker.ErrTooManyRequests):
		c.counts.refused.Add(1)
		return Answer{}, fmt.Errorf("%w: it failed %d times in a row and is left alone for a while", ErrUnavailable, tripsAfter)
	case err != nil:
		return Answer{}, err
	}
	c.cache.put(phone, a)
	return a, nil
}

func (c *Client) ask(ctx context.Context, phone message.Phone) (a Answer, err error) {
	began := c.c.Now()
	c.counts.asked.Add(1)
	defer func() {
		c.counts.micros.Add(c.c.Now().Sub(began).Microseconds())
		switch {
		case err != nil:
			c.counts.failed.Add(1)
		case a.Name == "":
			c.counts.unknown.Add(1)
		default:
			c.counts.known.Add(1)
		}
	}()
	name, err := c.fetch(ctx, phone)
	if err != nil {
		if ctx.Err() != nil { // Of the caller, not of the question.
			return Answer{}, ctx.Err()
		}
		return Answer{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return Answer{Name: name, Until: c.c.Now().Add(c.c.TTL)}, nil
}

// fetch does one request. Errors hold no phone: the URL stays out of them.
func (c *Client) fetch(ctx context.Context, phone message.Phone) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, c.c.Timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.ReplaceAll(c.c.URL, PhonePlace, phone.Digits()), nil)
	if err != nil {
		return "", errors.New("the URL cannot be asked")
	}
	r.Header.Set("Accept", "application/json")
	if c.c.Secret != nil && c.c.Secret() != "" {
		r.Header.Set(c.c.Header, c.c.Secret())
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return "", withoutURL(err)
	}
	defer func() { _ = resp.Body.Close() }() // It was read, or is of no use.
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound, http.StatusNoContent:
		return "", nil
	default:
		return "", fmt.Errorf("it answered %s", resp.Status)
	}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	if err != nil {
		return "", withoutURL(err)
	}
	if len(raw) > maxBody {
		return "", fmt.Errorf("its answer has more than %d octets", maxBody)
	}
	return field(raw, c.path)
}

// withoutURL returns the reason in an error of net/http, whose own text names
// the URL and the phone in it.
func withoutURL(err error) error {
	for inner := err; inner != nil; inner = errors.Unwrap(inner) {
		err = inner
	}
	return err
}

// field returns the text at a path of a JSON document; "" when nothing stands
// there.
func field(raw []byte, path []string) (string, error) {
	var v any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber() // A network's code such as 310410 is no float.
	if err := d.Decode(&v); err != nil {
		return "", errors.New("its answer is not JSON")
	}
	for i, step := range path {
		switch in := v.(type) {
		case map[string]any:
			v = in[step]
		case []any:
			n, err := strconv.Atoi(step)
			if err != nil {
				return "", fmt.Errorf("its answer has a list at %s, not keys", strings.Join(path[:i], "."))
			}
			v = nil
			if n >= 0 && n < len(in) {
				v = in[n]
			}
		case nil:
			return "", nil
		default:
			return "", fmt.Errorf("its answer has a value at %s, not keys", strings.Join(path[:i], "."))
		}
	}
	name := ""
	switch v := v.(type) {
	case nil:
	case string:
		name = strings.TrimSpace(v)
	case json.Number:
		name = v.String()
	default:
		return "", fmt.Errorf("its answer has no text at %s", strings.Join(path, "."))
	}
	if len(name) > maxName {
		return "", fmt.Errorf("its answer names something of %d octets", len(name))
	}
	return name, nil
}

// pacer spreads questions evenly.
type pacer struct {
	mu   sync.Mutex
	next time.Time
	gap  time.Duration
}

func (p *pacer) wait(ctx context.Context) error {
	p.mu.Lock()
	now := time.Now()
	at := p.next
	if at.Before(now) {
		at = now
	}
	p.next = at.Add(p.gap)
	p.mu.Unlock()
	timer := time.NewTimer(at.Sub(now))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// cache keeps answers; when it is full the one put first goes.
type cache struct {
	mu      sync.Mutex
	most    int
	answers map[message.Phone]Answer
	order   []message.Phone // a ring of those in answers
	oldest  int
}

func (c *cache) get(p message.Phone, now time.Time) (Answer, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a, ok := c.answers[p]
	return a, ok && now.Before(a.Until)
}

func (c *cache) put(p message.Phone, a Answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, had := c.answers[p]; !had {
		if len(c.order) < c.most {
			c.order = append(c.order, p)
		} else {
			delete(c.answers, c.order[c.oldest])
			c.order[c.oldest] = p
			c.oldest = (c.oldest + 1) % c.most
		}
	}
	c.answers[p] = a
}
