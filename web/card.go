package web

import (
	"bytes"
	"encoding/base64"
	"hash/fnv"
	"html/template"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"mime"
	"net/http"
	"strings"
	"unicode/utf8"
)

// card answers with a contact card (.vcf) or its picture (.jpg).
func (s *Site) card(w http.ResponseWriter, r *http.Request) {
	digits, kind, _ := strings.Cut(r.PathValue("file"), ".")
	sender, ok := s.sender(w, r, digits)
	if !ok {
		return
	}
	photo, err := s.portraitOf(sender)
	if err != nil {
		s.failed(w, r, "portrait", err)
		return
	}
	w.Header().Set("Cache-Control", "public, max-age=3600")
	switch kind {
	case "vcf":
		w.Header().Set("Content-Type", "text/vcard; charset=utf-8")
		w.Header().Set("Content-Disposition", mime.FormatMediaType("inline", map[string]string{"filename": fileName(sender.Leader) + ".vcf"}))
		s.write(w, r, vCard(sender, s.config.PublicURL+"/", photo))
	case "jpg":
		w.Header().Set("Content-Type", "image/jpeg")
		s.write(w, r, photo)
	default:
		w.Header().Del("Cache-Control")
		s.notice(w, r, http.StatusNotFound, notice{Title: "There is no such card", Text: "A card's address ends in .vcf."})
	}
}

// fileName makes a leader's name one that any file system takes.
func fileName(leader string) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		case r == ' ', r == '-', r == '_':
			return '-'
		}
		return -1
	}, leader)
	if name = strings.Trim(name, "-"); name == "" {
		return "contact"
	}
	return name
}

func (s *Site) portraitOf(sender Sender) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if photo, ok := s.portraits[sender.Leader]; ok {
		return photo, nil
	}
	photo, err := portrait(sender.Leader)
	if err == nil {
		s.portraits[sender.Leader] = photo
	}
	return photo, err
}

// vcardLine is the longest line of a vCard in octets, without its end; a
// longer one is folded (RFC 2426 §2.6).
const vcardLine = 75

// vCard returns the contact card of a sender in vCard 3.0 (RFC 2426), which
// every telephone reads; the photo is a JPEG.
func vCard(s Sender, page string, photo []byte) []byte {
	var b bytes.Buffer
	line := func(text string) { writeFolded(&b, text) }
	line("BEGIN:VCARD")
	line("VERSION:3.0")
	line("PRODID:-//Fanline//EN")
	line("N:;" + vcardText(s.Leader) + ";;;") // One name as people know it; we don't guess which word is the family's.
	line("FN:" + vcardText(s.Leader))
	if s.Program != "" && s.Program != s.Leader {
		line("ORG:" + vcardText(s.Program))
	}
	line("TEL;TYPE=CELL,PREF:" + s.Number.String())
	if page != "" {
		line("URL:" + page)
	}
	line("UID:urn:fanline:" + s.Number.Digits())
	line("PHOTO;ENCODING=b;TYPE=JPEG:" + base64.StdEncoding.EncodeToString(photo))
	line("END:VCARD")
	return b.Bytes()
}

// vcardText escapes a value (RFC 2426 §4); line ends can't break out of it.
func vcardText(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == '\r' || r == utf8.RuneError {
			return -1
		}
		return r
	}, s)
	return strings.NewReplacer(`\`, `\\`, ",", `\,`, ";", `\;`, "\n", `\n`).Replace(s)
}

// writeFolded writes a line, cut between characters, each further piece behind
// CRLF and a space.
func writeFolded(b *bytes.Buffer, text string) {
	room := vcardLine
	for len(text) > room {
		cut := room
		for !utf8.RuneStart(text[cut]) {
			cut--
		}
		b.WriteString(text[:cut])
		b.WriteString("\r\n ")
		text, room = text[cut:], vcardLine-1
	}
	b.WriteString(text)
	b.WriteString("\r\n")
}

// portraitSize is the side of a portrait in pixels; telephones show square
// pictures of 400 well (product.md section 6).
const portraitSize = 400

// portrait draws the picture of a leader who has given none: a figure on a
// gradient whose colours follow from the name, as a JPEG of some 10 kB.
func portrait(name string) ([]byte, error) {
	h := fnv.New32a()
	h.Write([]byte(name))
	hue := float64(h.Sum32()%360) / 360
	top, bottom := hsl(hue, 0.62, 0.56), hsl(math.Mod(hue+0.11, 1), 0.66, 0.36)
	figure := hsl(hue, 0.7, 0.95)
	img := image.NewRGBA(image.Rect(0, 0, portraitSize, portraitSize))
	const s = portraitSize
	for y := range s {
		for x := range s {
			fx, fy := (float64(x)+0.5)/s, (float64(y)+0.5)/s
			c := mix(top, bottom, math.Min(1, math.Max(0, 0.25*fx+0.85*fy)))
			head := inside(fx, fy, 0.5, 0.385, 0.165, 0.175)
			shoulders := inside(fx, fy, 0.5, 1.02, 0.35, 0.40)
			img.SetRGBA(x, y, mix(c, figure, math.Max(head, shoulders)))
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 88}); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// inside is 1 within an ellipse, 0 outside, and smooth over a pixel between.
func inside(x, y, cx, cy, rx, ry float64) float64 {
	dx, dy := (x-cx)/rx, (y-cy)/ry
	distance := (math.Hypot(dx, dy) - 1) * math.Min(rx, ry) * portraitSize
	return math.Min(1, math.Max(0, 0.5-distance))
}

func mix(a, b color.RGBA, t float64) color.RGBA {
	part := func(x, y uint8) uint8 { return uint8(math.Round(float64(x) + (float64(y)-float64(x))*t)) }
	return color.RGBA{part(a.R, b.R), part(a.G, b.G), part(a.B, b.B), 255}
}

// hsl turns hue, saturation and lightness, each 0 to 1, into a colour.
func hsl(h, s, l float64) color.RGBA {
	channel := func(n float64) uint8 {
		k := math.Mod(n+h*12, 12)
		a := s * math.Min(l, 1-l)
		return uint8(math.Round(255 * (l - a*math.Max(-1, math.Min(math.Min(k-3, 9-k), 1)))))
	}
	return color.RGBA{channel(0), channel(8), channel(4), 255}
}

// smsLink opens the telephone's composer for a number.
func smsLink(s Sender) template.URL {
	return template.URL("sms:" + s.Number.String())
}

// readable shows a North American number as people write it, any other in
// its international form.
func readable(s Sender) string {
	d := s.Number.Digits()
	if len(d) == 11 && d[0] == '1' {
		return "(" + d[1:4] + ") " + d[4:7] + "-" + d[7:]
	}
	return s.Number.String()
}
