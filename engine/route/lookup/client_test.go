package lookup

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"fanline/engine/message"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const phone = message.Phone(13125550123)

// service is a lookup service that a test makes up.
func service(t *testing.T, c Config, h http.HandlerFunc) *Client {
	t.Helper()
	server := httptest.NewServer(h)
	c.URL, c.PerSecond = server.URL+"/hlr/{phone}?of={phone}", 10_000
	if c.Field == "" {
		c.Field = "network"
	}
	client, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); server.Close() })
	return client
}

func TestAServiceIsAskedWithPhoneAndSecret(t *testing.T) {
	client := service(t, Config{Header: "X-Key", Secret: func() string { return "s3cret" }, Field: "data.0.mccmnc", TTL: time.Hour},
		func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/hlr/13125550123" || r.URL.RawQuery != "of=13125550123" || r.Header.Get("X-Key") != "s3cret" {
				t.Errorf("asked %s with %q", r.URL, r.Header.Get("X-Key"))
			}
			fmt.Fprint(w, `{"data":[{"mccmnc":310410}]}`)
		})
	a, err := client.Ask(t.Context(), phone)
	if err != nil || a.Name != "310410" || time.Until(a.Until) < 59*time.Minute {
		t.Fatal(a, err)
	}
	if a, err = client.Ask(t.Context(), phone); err != nil || a.Name != "310410" {
		t.Fatal(a, err)
	}
	if s := client.Stats(); s.Asked != 1 || s.Known != 1 || s.Cached != 1 || s.Took <= 0 {
		t.Errorf("%+v", s)
	}
}

func TestWhatAServiceDoesNotKnowIsNoFailure(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"not found": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) },
		"nothing":   func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) },
		"null":      func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"network":null}`) },
		"missing":   func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"other":"x"}`) },
		"empty":     func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"network":"  "}`) },
	} {
		t.Run(name, func(t *testing.T) {
			client := service(t, Config{}, answer)
			if a, err := client.Ask(t.Context(), phone); err != nil || a.Name != "" || a.Until.IsZero() {
				t.Error(a, err)
			}
			if s := client.Stats(); s.Unknown != 1 || s.Failed != 0 {
				t.Errorf("%+v", s)
			}
		})
	}
}

func TestAServiceThatMakesNoSenseIsToldApartAndNoPhoneIsNamed(t *testing.T) {
	for want, answer := range map[string]http.HandlerFunc{
		"it answered 500": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"it answered 429": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) },
		"it answered 302": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
		},
		"not JSON":           func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") },
		"more than":          func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, strings.Repeat(" ", maxBody+1)) },
		"a value at":         func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `"text"`) },
		"no text at network": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"network":{}}`) },
		"a list at":          func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `[1]`) },
		"something of 65": func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, `{"network":%q}`, strings.Repeat("x", 65))
		},
		"context deadline exceeded": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"EOF":                       func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"unexpected EOF": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, `{"net`)
		},
	} {
		t.Run(want, func(t *testing.T) {
			client := service(t, Config{Timeout: 50 * time.Millisecond}, answer)
			_, err := client.Ask(t.Context(), phone)
			if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), phone.Digits()) {
				t.Error(err)
			}
			if s := client.Stats(); s.Failed != 1 {
				t.Errorf("%+v", s)
			}
		})
	}
}

// answers stands for the network, so that time can be virtual.
type answers func(r *http.Request) (*http.Response, error)

func (a answers) RoundTrip(r *http.Request) (*http.Response, error) { return a(r) }

func saying(status int, body string) *http.Response {
	w := httptest.NewRecorder()
	w.WriteHeader(status)
	fmt.Fprint(w, body)
	return w.Result()
}

func TestAServiceThatFailsInARowIsLeftAloneForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked, status atomic.Int64
		status.Store(503)
		client, err := New(Config{URL: "http://h/{phone}", Field: "network", Transport: answers(func(*http.Request) (*http.Response, error) {
			asked.Add(1)
			return saying(int(status.Load()), `{"network":"att"}`), nil
		})})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 3 * tripsAfter {
			if _, err := client.Ask(t.Context(), phone+message.Phone(i)); !errors.Is(err, ErrUnavailable) {
				t.Fatal(err)
			}
		}
		if s := client.Stats(); asked.Load() != tripsAfter || s.Refused != 2*tripsAfter {
			t.Errorf("asked %d times, %+v", asked.Load(), s)
		}
		status.Store(200)
		time.Sleep(openFor + time.Second)
		for i := range 3 {
			if a, err := client.Ask(t.Context(), phone+message.Phone(i)); err != nil || a.Name != "att" {
				t.Fatal(a, err)
			}
		}
	})
}

func TestQuestionsAreSpreadOverTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, err := New(Config{URL: "http://h/{phone}", Field: "network", PerSecond: 50, Transport: answers(func(*http.Request) (*http.Response, error) {
			return saying(200, `{"network":"att"}`), nil
		})})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		for i := range 101 {
			if _, err := client.Ask(t.Context(), phone+message.Phone(i)); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("101 questions at 50 a second took %v", took)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := client.Ask(ctx, phone-1); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

func TestAnswersAreForgottenWhenTheirTimeIsOverOrThereAreTooMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		client, err := New(Config{URL: "http://h/{phone}", Field: "network", TTL: time.Hour, Cached: 10, Transport: answers(func(*http.Request) (*http.Response, error) {
			asked.Add(1)
			return saying(200, `{"network":"att"}`), nil
		})})
		if err != nil {
			t.Fatal(err)
		}
		ask := func(p message.Phone, want int64) {
			t.Helper()
			before := asked.Load()
			if _, err := client.Ask(t.Context(), p); err != nil || asked.Load()-before != want {
				t.Fatalf("phone %d was asked about %d times, want %d; %v", p, asked.Load()-before, want, err)
			}
		}
		ask(phone, 1)
		ask(phone, 0)
		time.Sleep(time.Hour)
		ask(phone, 1)
		for i := range 25 {
			ask(message.Phone(2000000000+i), 1)
		}
		if len(client.cache.answers) != 10 || len(client.cache.order) != 10 {
			t.Errorf("%d answers are kept", len(client.cache.answers))
		}
		ask(2000000024, 0)
		ask(2000000015, 0)
		ask(2000000014, 1)
	})
}
