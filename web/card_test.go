package web

import (
	"bytes"
	"encoding/base64"
	"flag"
	"image/jpeg"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestTheContactCardStaysAsItIs(t *testing.T) {
	s := Sender{Number: ourNumber, Leader: "Maya Torres; the \"real, true\" one \\ Ñandú", Program: "Maya Live", Help: "help@maya.example"}
	got := vCard(s, "https://fan.example/", []byte(strings.Repeat("JPEG", 30)))
	golden := filepath.Join("testdata", "card.golden.vcf")
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Error(diff)
	}
}

func TestTheServedCardHasNameNumberAndPicture(t *testing.T) {
	h := newHouse(t)
	w := h.get("/card/17735550100.vcf")
	wantStatus(t, w, http.StatusOK)
	if got := w.Header().Get("Content-Type"); got != "text/vcard; charset=utf-8" {
		t.Errorf("content type %q", got)
	}
	if got := w.Header().Get("Content-Disposition"); got != "inline; filename=Maya-Torres.vcf" {
		t.Errorf("disposition %q", got)
	}
	for _, line := range strings.Split(strings.TrimSuffix(w.Body.String(), "\r\n"), "\r\n") {
		if len(line) > vcardLine {
			t.Fatalf("a line of %d octets", len(line))
		}
	}
	unfolded := strings.ReplaceAll(w.Body.String(), "\r\n ", "")
	lines := map[string]string{}
	for _, line := range strings.Split(unfolded, "\r\n") {
		name, value, _ := strings.Cut(line, ":")
		lines[name] = value
	}
	if lines["VERSION"] != "3.0" || lines["FN"] != "Maya Torres" || lines["TEL;TYPE=CELL,PREF"] != "+17735550100" || lines["BEGIN"] != "VCARD" || lines["END"] != "VCARD" {
		t.Errorf("card %.300s", unfolded)
	}
	photo, err := base64.StdEncoding.DecodeString(lines["PHOTO;ENCODING=b;TYPE=JPEG"])
	if err != nil {
		t.Fatal(err)
	}
	picture, err := jpeg.Decode(bytes.NewReader(photo))
	if err != nil {
		t.Fatal(err)
	}
	if b := picture.Bounds(); b.Dx() < 400 || b.Dx() != b.Dy() || len(photo) > 200_000 {
		t.Errorf("picture %v of %d octets, want a square of at least 400 and at most 200 kB", b, len(photo))
	}
}

func TestALeadersNameCannotAddLinesToTheCard(t *testing.T) {
	s := Sender{Number: ourNumber, Leader: "Eve\r\nTEL:+19005550000\nEND:VCARD"}
	card := string(vCard(s, "", []byte("x")))
	if strings.Count(card, "\r\nTEL") != 1 || strings.Contains(card, "\nTEL:+1900") || strings.Count(card, "\r\nEND:VCARD\r\n") != 1 {
		t.Errorf("card:\n%s", card)
	}
	if strings.Contains(strings.ReplaceAll(card, "\r\n", ""), "\r") || strings.Contains(strings.ReplaceAll(card, "\r\n", ""), "\n") {
		t.Error("a bare line end is left")
	}
}

func TestFileNamesOfCardsAreHarmless(t *testing.T) {
	for leader, want := range map[string]string{
		"Maya Torres": "Maya-Torres", "../../etc/passwd": "etcpasswd", "\"; x=y": "xy", "Ñ": "contact", "": "contact", "- -": "contact",
	} {
		if got := fileName(leader); strings.Trim(got, "-") != want {
			t.Errorf("%q: %q, want %q", leader, got, want)
		}
	}
}
