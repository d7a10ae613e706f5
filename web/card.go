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
	"strings"
	"unicode/utf8"
)

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
