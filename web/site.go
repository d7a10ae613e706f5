package web

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"fanline/community/conversation"
	"fanline/engine/message"
)

// Sender is one of our numbers as people know it.
type Sender struct {
	Number  message.Phone
	Leader  string // who texts
	Program string // the registered name of the program
	Help    string // where a person is reached
}

// ErrNoSender is returned by a Directory for a number that isn't ours.
var ErrNoSender = errors.New("no number of ours")

// Directory tells whose number it is.
type Directory interface {
	Sender(ctx context.Context, number message.Phone) (Sender, error)
	// Senders lists those that the landing page may show.
	Senders(ctx context.Context) ([]Sender, error)
}

// Joiner takes filled-in forms. conversation.Desk is one.
type Joiner interface {
	Standing(ctx context.Context, in conversation.Invitation) (conversation.Standing, error)
	// Join returns conversation.ErrUsed when the link was used meanwhile.
	Join(ctx context.Context, j conversation.Joining) error
}

// Config is what a site is told from outside. The zero value of each field
// but PublicURL is usable.
type Config struct {
	PublicURL string                       // as in links; its origin is the one that may submit
	Program   string                       // shown on the landing page
	Log       *slog.Logger                 // default: slog.Default()
	Now       func() time.Time             // default: time.Now
	ClientIP  func(r *http.Request) string // default: the peer; behind a proxy, what the proxy vouches for
	Limits    Limits
}

// Limits keep one visitor from holding back the others. Fans of one carrier
// share few addresses, and all come in the minute after a television show, so
// a network may do much; what a forged link costs is one HMAC.
type Limits struct {
	NetworkPerSecond, NetworkBurst float64 // requests of an IPv4 address or IPv6 /64; default 50, 500
	LinkPerSecond, LinkBurst       float64 // submits of one link; default 0.5, 10
	AtOnce                         int     // submits being worked on; default 64; further ones get 503
}

// Site serves the pages.
type Site struct {
	config    Config
	links     *conversation.Links
	directory Directory
	joiner    Joiner
	pages     map[string]*template.Template
	style     []byte
	byNetwork *limiter
	byLink    *limiter
	submits   chan struct{}
	secure    bool   // served under https
	origin    string // of the public URL

	mu        sync.Mutex
	portraits map[string][]byte // by leader's name; as many as there are numbers
}

//go:embed templates/*.html assets/*
var files embed.FS

// New reads the templates; an error is a mistake in this package or in
// PublicURL.
func New(config Config, links *conversation.Links, directory Directory, joiner Joiner) (*Site, error) {
	public, err := url.Parse(config.PublicURL)
	if err != nil || public.Host == "" || public.Scheme != "http" && public.Scheme != "https" {
		return nil, fmt.Errorf("web: public URL %q: want http:// or https:// and a host", config.PublicURL)
	}
	setDefaults(&config)
	s := &Site{
		config: config, links: links, directory: directory, joiner: joiner,
		pages:     map[string]*template.Template{},
		byNetwork: newLimiter(config.Limits.NetworkPerSecond, config.Limits.NetworkBurst, 65536),
		byLink:    newLimiter(config.Limits.LinkPerSecond, config.Limits.LinkBurst, 65536),
		submits:   make(chan struct{}, config.Limits.AtOnce),
		secure:    public.Scheme == "https",
		origin:    public.Scheme + "://" + public.Host,
		portraits: map[string][]byte{},
	}
	if s.style, err = files.ReadFile("assets/style.css"); err != nil {
		return nil, err
	}
	names, err := fs.Glob(files, "templates/*.html")
	if err != nil {
		return nil, err
	}
	for _, path := range names {
		name := strings.TrimSuffix(strings.TrimPrefix(path, "templates/"), ".html")
		if name == "layout" {
			continue
		}
		t, err := template.New("layout.html").ParseFS(files, "templates/layout.html", path)
		if err != nil {
			return nil, fmt.Errorf("web: page %s: %w", name, err)
		}
		s.pages[name] = t
	}
	return s, nil
}

func setDefaults(c *Config) {
	c.PublicURL = strings.TrimRight(c.PublicURL, "/")
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.ClientIP == nil {
		c.ClientIP = peer
	}
	if c.Limits.NetworkPerSecond == 0 {
		c.Limits.NetworkPerSecond, c.Limits.NetworkBurst = 50, 500
	}
	if c.Limits.LinkPerSecond == 0 {
		c.Limits.LinkPerSecond, c.Limits.LinkBurst = 0.5, 10
	}
	if c.Limits.AtOnce == 0 {
		c.Limits.AtOnce = 64
	}
}

// peer is the address at the other end of the connection.
func peer(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// Handler returns all pages with their limits and headers.
func (s *Site) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.landing)
	mux.HandleFunc("GET /j/{token}", s.showForm)
	mux.HandleFunc("POST /j/{token}", s.submit)
	mux.HandleFunc("GET /j/{token}/done", s.done)
	mux.HandleFunc("GET /card/{file}", s.card)
	mux.HandleFunc("GET /terms/{number}", s.terms)
	mux.HandleFunc("GET /privacy/{number}", s.privacy)
	mux.HandleFunc("GET /style.css", s.stylesheet)
	mux.HandleFunc("GET /robots.txt", robots)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.notice(w, r, http.StatusNotFound, notice{
			Title: "There is no page here",
			Text:  "Check the address, or tap the link in your text message again.",
		})
	})
	sameOrigin := http.NewCrossOriginProtection()
	if err := sameOrigin.AddTrustedOrigin(s.origin); err != nil { // A proxy may ask us by another name.
		s.config.Log.Error("forms are taken by the request's own host only", "err", err)
	}
	sameOrigin.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.notice(w, r, http.StatusForbidden, notice{
			Title: "This form was sent from another site",
			Text:  "For your safety we take it only from our own page. Open the link in your text message and fill it in there.",
		})
	}))
	return s.headers(s.limited(sameOrigin.Handler(mux)))
}

// headers go with every answer. The style sheet is ours and there is no script
// at all, so the policy can forbid nearly everything. The referrer policy is
// same-origin and not no-referrer, which would make browsers send Origin: null
// with the form; the link's token leaves for nowhere either way.
func (s *Site) headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy",
			"default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=()")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		if s.secure {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		next.ServeHTTP(w, r)
	})
}

// limited refuses a network that asks for too much.
func (s *Site) limited(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.byNetwork.allow(networkOf(s.config.ClientIP(r)), s.config.Now()) {
			s.tooMany(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (s *Site) tooMany(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Retry-After", "10")
	s.notice(w, r, http.StatusTooManyRequests, notice{
		Title: "One moment, please",
		Text:  "There have been too many tries from here. Wait a few seconds, then try again.",
	})
}

// How long a visitor may take. A form is small and so is every page.
const (
	headerTimeout = 5 * time.Second
	readTimeout   = 15 * time.Second
	writeTimeout  = 30 * time.Second
	idleTimeout   = 60 * time.Second
	drainTimeout  = 10 * time.Second
	maxHeader     = 16 << 10
)

// Serve answers on a listener until ctx ends, then lets requests finish for
// up to 10 s. Cmd may hang more than the site's handler on it.
func Serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout,
		WriteTimeout: writeTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("web: serving %v: %w", listener.Addr(), err)
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	err := server.Shutdown(drain)
	if err != nil {
		err = errors.Join(fmt.Errorf("web: requests were still running after %v: %w", drainTimeout, err), server.Close())
	}
	if serving := <-failed; !errors.Is(serving, http.ErrServerClosed) {
		err = errors.Join(err, serving)
	}
	return err
}
