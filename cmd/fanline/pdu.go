package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"fanline/smpp"
	"fanline/smpp/text"
)

// maxPDULine is the longest line in octets that is read: the longest PDU as
// "0x00, " for each octet, or as JSON. Of a longer one only the error is kept.
const maxPDULine = 8 * smpp.MaxPDU

// runPDU is `fanline pdu [encode]`: PDUs as hexadecimal, one a line, to JSON
// objects, one a line, and back.
func runPDU(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	encode := len(args) > 0 && args[0] == "encode"
	name := "pdu"
	if encode {
		name, args = "pdu encode", args[1:]
	}
	flags := newFlags(name, stderr)
	flags.Bool("json", true, "as always: one line for each line of stdin")
	version, loose := "5.0", false
	if encode {
		flags.StringVar(&version, "version", version, "write what SMPP 3.3, 3.4 or 5.0 allows")
		flags.BoolVar(&loose, "loose", loose, "write what no version allows too, to test other software")
	}
	if _, err := parseFlags(flags, args); err != nil {
		return err
	}
	if !encode {
		return eachLine(ctx, stdin, stdout, func(_ int, line, out []byte) []byte { return tracePDU(line, out) })
	}
	encoding := smpp.Encoding{Loose: loose}
	switch version {
	case "3.3":
		encoding.Version = smpp.Version33
	case "3.4":
		encoding.Version = smpp.Version34
	case "5.0":
		encoding.Version = smpp.Version50
	default:
		return usagef("there is no SMPP %q: --version is 3.3, 3.4 or 5.0", version)
	}
	return encodePDUs(ctx, encoding, stdin, stdout, stderr)
}

// encodePDUs writes a line of hexadecimal for each JSON object. What cannot be
// encoded is told on stderr with its line, leaves an empty line in its place,
// so that lines keep pairing, and makes the command fail at its end.
func encodePDUs(ctx context.Context, encoding smpp.Encoding, stdin io.Reader, stdout, stderr io.Writer) error {
	failed := false
	err := eachLine(ctx, stdin, stdout, func(n int, line, out []byte) []byte {
		pdu, err := encoding.Untrace(line)
		if len(line) > maxPDULine {
			err = errLongLine
		}
		if err != nil {
			failed = true
			fmt.Fprintf(stderr, "line %d: %v\n", n, err)
		}
		return hex.AppendEncode(out, pdu)
	})
	if err == nil && failed {
		return errReported
	}
	return err
}

var errLongLine = fmt.Errorf("the line is longer than %d octets", maxPDULine)

// eachLine answers every line of stdin that is neither blank nor a comment (#)
// with one line of stdout, and lets go of what it wrote whenever it would wait
// for more.
func eachLine(ctx context.Context, stdin io.Reader, stdout io.Writer, answer func(n int, line, out []byte) []byte) error {
	in, out := bufio.NewReaderSize(stdin, 1<<16), bufio.NewWriter(stdout)
	var line, buf []byte
	for n := 1; ctx.Err() == nil; n++ {
		var err error
		line, err = readLine(in, line[:0])
		if text := bytes.TrimSpace(line); len(text) > 0 && text[0] != '#' {
			buf = append(answer(n, text, buf[:0]), '\n')
			if _, err := out.Write(buf); err != nil {
				return err
			}
		}
		if err != nil || in.Buffered() == 0 {
			if err := out.Flush(); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("standard input, line %d: %w", n, err)
		}
	}
	return ctx.Err()
}

// readLine appends the next line to buf. Of one that is longer than maxPDULine
// it keeps just enough to tell.
func readLine(in *bufio.Reader, buf []byte) ([]byte, error) {
	for {
		piece, err := in.ReadSlice('\n')
		if len(buf) <= maxPDULine {
			buf = append(buf, piece...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return buf, err
		}
	}
}

// tracePDU reads hexadecimal as Wireshark, debuggers and source code print it:
// in one piece or in octets, with blanks, colons, commas or dashes between, and
// 0x or \x in front.
func tracePDU(line, out []byte) []byte {
	if len(line) > maxPDULine {
		return appendHexError(out, errLongLine, 0)
	}
	digits := make([]byte, 0, len(line))
	start := true // of a group of digits
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case start && c == '0' && i+1 < len(line) && line[i+1]|0x20 == 'x', c == '\\' && i+1 < len(line) && line[i+1]|0x20 == 'x':
			i++
		case strings.IndexByte(" \t:,;-|\"", c) >= 0:
			start = true
			continue
		default:
			digits = append(digits, c)
		}
		start = false
	}
	pdu := make([]byte, hex.DecodedLen(len(digits)))
	if n, err := hex.Decode(pdu, digits); err != nil {
		return appendHexError(out, err, n)
	}
	object, _ := smpp.Tracing{Text: text.Decode}.Trace(pdu) // The object says what is wrong.
	return append(out, object...)
}

// appendHexError has the form of smpp.Trace's errors.
func appendHexError(out []byte, err error, offset int) []byte {
	object, _ := json.Marshal(struct { // Marshalling a string and a number cannot fail.
		Error  string `json:"error"`
		Offset int    `json:"offset"`
	}{err.Error(), offset})
	return append(out, object...)
}
