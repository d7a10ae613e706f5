package conversation

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"fanline/engine/message"
)

const (
	ourNumber = message.Phone(17735550100)
	fanPhone  = message.Phone(13125550187)
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func testLinks(t testing.TB) *Links {
	t.Helper()
	l, err := NewLinks(bytes.Repeat([]byte("k"), 32), "https://fan.example/", 48*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestALinkOpensForTheOneItWasMadeFor(t *testing.T) {
	l := testLinks(t)
	link := l.Join(ourNumber, fanPhone, noon)
	token, ok := strings.CutPrefix(link, "https://fan.example/j/")
	if !ok || len(token) != 41 || !strings.HasSuffix(token, "a") {
		t.Fatalf("link %q", link)
	}
	got, err := l.Open(token, noon.Add(47*time.Hour))
	if err != nil || got.Number != ourNumber || got.Phone != fanPhone || !got.Issued.Equal(noon) {
		t.Fatalf("Open = %+v, %v", got, err)
	}
}

func TestALinkExpiresToTheSecond(t *testing.T) {
	l := testLinks(t)
	token := l.Token(ourNumber, fanPhone, noon)
	if _, err := l.Open(token, noon.Add(48*time.Hour-time.Second)); err != nil {
		t.Errorf("a second before its end: %v", err)
	}
	in, err := l.Open(token, noon.Add(48*time.Hour))
	if !errors.Is(err, ErrExpired) || in.Number != ourNumber {
		t.Errorf("at its end: %+v, %v; want ErrExpired with the number, so that the page can name it", in, err)
	}
}

func TestNoForgedTokenOpens(t *testing.T) {
	l := testLinks(t)
	good := l.Token(ourNumber, fanPhone, noon)
	raw, err := base64.RawURLEncoding.DecodeString(good[:40])
	if err != nil {
		t.Fatal(err)
	}
	for bit := range len(raw) * 8 {
		b := bytes.Clone(raw)
		b[bit/8] ^= 1 << (bit % 8)
		if _, err := l.Open(base64.RawURLEncoding.EncodeToString(b)+tokenEnd, noon); !errors.Is(err, ErrForged) {
			t.Fatalf("bit %d turned: %v", bit, err)
		}
	}
	other, err := NewLinks(bytes.Repeat([]byte("K"), 32), "https://fan.example", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for _, token := range []string{
		"", "x", "a", good[:40], good + "a", good[:40] + "A", good[:39] + "=a", strings.Repeat("a", 41), strings.Repeat("/", 40) + "a",
		other.Token(ourNumber, fanPhone, noon), strings.ToLower(good), "\x00" + good[1:],
	} {
		if _, err := l.Open(token, noon); !errors.Is(err, ErrForged) {
			t.Errorf("Open(%q): %v, want ErrForged", token, err)
		}
	}
}

func TestALinkDoesNotShowThePhone(t *testing.T) {
	l := testLinks(t)
	raw, err := base64.RawURLEncoding.DecodeString(l.Token(ourNumber, fanPhone, noon)[:40])
	if err != nil {
		t.Fatal(err)
	}
	var phone [phoneSize]byte
	putPhone(phone[:], fanPhone)
	if bytes.Contains(raw, phone[2:]) || strings.Contains(l.Join(ourNumber, fanPhone, noon), fanPhone.Digits()) {
		t.Error("the phone can be read in the link")
	}
}

func TestAShortSigningKeyIsRefused(t *testing.T) {
	if _, err := NewLinks([]byte("short"), "http://x", time.Hour); err == nil {
		t.Error("a key of 5 octets was taken")
	}
	if _, err := NewLinks(make([]byte, 32), "http://x", 0); err == nil {
		t.Error("links without a life were taken")
	}
}

func FuzzOpenLink(f *testing.F) {
	l := testLinks(f)
	f.Add(l.Token(ourNumber, fanPhone, noon))
	f.Add("")
	f.Add(strings.Repeat("A", 40))
	f.Fuzz(func(t *testing.T, token string) {
		in, err := l.Open(token, noon)
		if err == nil && l.Token(in.Number, in.Phone, in.Issued) != token {
			t.Fatalf("%q opened as %+v, which signs differently", token, in)
		}
	})
}
