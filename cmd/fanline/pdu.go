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

	"fanline/smpp"
)

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
	if _, err := parseFlags(flags, args); err != nil {
		return err
	}
	if encode {
		return encodePDUs(ctx, stdin, stdout, stderr)
	}
	return eachLine(ctx, stdin, stdout, func(_ int, line, out []byte) []byte { return tracePDU(line, out) })
}

// encodePDUs writes a line of hexadecimal for each JSON object. What cannot be
// encoded is told on stderr with its line, leaves an empty line in its place,
// so that lines keep pairing, and makes the command fail at its end.
func encodePDUs(ctx context.Context, stdin io.Reader, stdout, stderr io.Writer) error {
	failed := false
	err := eachLine(ctx, stdin, stdout, func(n int, line, out []byte) []byte {
		pdu, err := smpp.Untrace(line)
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

// eachLine answers every line of stdin that is not blank with one line of
// stdout, and lets go of what it wrote whenever it would wait for more.
func eachLine(ctx context.Context, stdin io.Reader, stdout io.Writer, answer func(n int, line, out []byte) []byte) error {
	in, out := bufio.NewReader(stdin), bufio.NewWriter(stdout)
	var buf []byte
	for n := 1; ctx.Err() == nil; n++ {
		line, err := in.ReadBytes('\n')
		if text := bytes.TrimSpace(line); len(text) > 0 {
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

// tracePDU reads hexadecimal, in which blanks and colons may stand, as
// Wireshark and others print it.
func tracePDU(line, out []byte) []byte {
	digits := make([]byte, 0, len(line))
	for _, c := range bytes.TrimPrefix(line, []byte("0x")) {
		if c != ' ' && c != '\t' && c != ':' {
			digits = append(digits, c)
		}
	}
	pdu := make([]byte, hex.DecodedLen(len(digits)))
	if n, err := hex.Decode(pdu, digits); err != nil {
		return appendHexError(out, err, n)
	}
	object, _ := smpp.Trace(pdu) // The object says what is wrong.
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
