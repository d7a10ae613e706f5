package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"fanline/smpp/text"
)

// maxPreview bounds what `fanline text preview` reads; 255 parts hold 39,015
// characters at most.
const maxPreview = 1 << 20

// runText is `fanline text preview [--json]`: what a text on stdin costs as SMS.
// One line end at the end of stdin is not part of the text.
func runText(_ context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	flags := newFlags("text preview", stderr)
	asJSON := flags.Bool("json", false, "end with one line of JSON")
	if len(args) > 0 && args[0] == "preview" {
		args = args[1:]
	}
	if _, err := parseFlags(flags, args); err != nil {
		return err
	}
	in, err := io.ReadAll(io.LimitReader(stdin, maxPreview+1))
	if err != nil {
		return fmt.Errorf("standard input: %w", err)
	}
	if len(in) > maxPreview {
		return fmt.Errorf("the text is longer than %d octets", maxPreview)
	}
	sum, err := text.Preview(strings.TrimSuffix(strings.TrimSuffix(string(in), "\n"), "\r"))
	if err != nil {
		return err
	}
	if *asJSON {
		return printJSON(stdout, sum)
	}
	return printPreview(stdout, sum)
}

func printPreview(w io.Writer, sum text.Summary) error {
	fmt.Fprintf(w, "%d characters in %s, %d parts\n", sum.Characters, sum.Encoding, sum.Parts)
	if len(sum.ForcedBy) > 0 {
		fmt.Fprintf(w, "ucs2 because of: %s\n", strings.Join(sum.ForcedBy, " "))
	}
	for i, part := range sum.PartTexts {
		if _, err := fmt.Fprintf(w, "%d: %s\n", i+1, part); err != nil {
			return err
		}
	}
	return nil
}
