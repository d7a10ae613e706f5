package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPreviewTellsWhatATextCosts(t *testing.T) {
	var out bytes.Buffer
	if err := runText(t.Context(), []string{"preview", "--json"}, strings.NewReader("Nos vemos aquí 🎉\n"), &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"encoding": "ucs2", "characters": 16.0, "parts": 1.0,
		"part_texts": []any{"Nos vemos aquí 🎉"}, "forced_by": []any{"í", "🎉"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestPreviewSpeaksToPeopleToo(t *testing.T) {
	var out bytes.Buffer
	if err := runText(t.Context(), []string{"preview"}, strings.NewReader(strings.Repeat("a", 161)), &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	if want := "161 characters in gsm7, 2 parts\n1: " + strings.Repeat("a", 153) + "\n2: aaaaaaaa\n"; out.String() != want {
		t.Errorf("got %q", out.String())
	}
}

func TestPreviewOfWhatCannotBeSentIsAnError(t *testing.T) {
	for name, text := range map[string]string{
		"256 parts":         strings.Repeat("a", 255*153+1),
		"more than we read": strings.Repeat("a", maxPreview+1),
	} {
		if err := runText(t.Context(), []string{"preview", "--json"}, strings.NewReader(text), io.Discard, io.Discard); err == nil {
			t.Errorf("%s is previewed", name)
		}
	}
	var usage usageError
	if err := runText(t.Context(), []string{"review"}, strings.NewReader(""), io.Discard, io.Discard); !errors.As(err, &usage) {
		t.Error(err)
	}
}
