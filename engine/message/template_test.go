package message

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestATextIsCutAtItsMergeFields(t *testing.T) {
	for text, want := range map[string]Template{
		"":                             {Literals: []string{""}},
		"Hey all":                      {Literals: []string{"Hey all"}},
		"Hey {{first_name}}, hi":       {Literals: []string{"Hey ", ", hi"}, Fields: []string{"first_name"}},
		"{{city}}":                     {Literals: []string{"", ""}, Fields: []string{"city"}},
		"{{first_name}}{{ last_name}}": {Literals: []string{"", "", ""}, Fields: []string{"first_name", "last_name"}},
		"{{\tstate \n}} and {{state}}": {Literals: []string{"", " and ", ""}, Fields: []string{"state", "state"}},
		"{ {{city}} } }}":              {Literals: []string{"{ ", " } }}"}, Fields: []string{"city"}},
		"Chào {{city}} 👋":              {Literals: []string{"Chào ", " 👋"}, Fields: []string{"city"}},
	} {
		got, err := ParseTemplate(text)
		if d := cmp.Diff(want, got); err != nil || d != "" {
			t.Errorf("%q: %v %s", text, err, d)
		}
	}
}

func TestAWrongMergeFieldIsRefusedAtItsPlace(t *testing.T) {
	for text, want := range map[string]string{
		"Hey {{first_name":         "at byte 4 is not closed",
		"{{city}} {{city} }":       "at byte 9 is not closed",
		"Hey {{nickname}}":         `unknown merge field "nickname" at byte 4: want one of first_name, last_name, city, state`,
		"{{city}}, {{}}":           `unknown merge field "" at byte 10`,
		"{{{city}}}":               `unknown merge field "{city" at byte 0`,
		"{{City}}":                 `unknown merge field "City"`,
		"à {{first_name}} {{zip}}": `unknown merge field "zip" at byte 18`,
	} {
		got, err := ParseTemplate(text)
		if err == nil || !strings.Contains(err.Error(), want) || got.Literals != nil || got.Fields != nil {
			t.Errorf("%q: got %+v, %v; want an error with %q", text, got, err, want)
		}
	}
}

func TestFillPutsTheValuesInPlaceOfTheFields(t *testing.T) {
	tmpl, err := ParseTemplate("Hey {{first_name}}, {{city}} calls")
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		values []string
		want   string
	}{
		{[]string{"Ana", "Chicago"}, "> Hey Ana, Chicago calls"},
		{[]string{"{{city}}", ""}, "> Hey {{city}},  calls"}, // A value is never read as a template.
		{[]string{"Ana"}, "> Hey Ana,  calls"},
		{nil, "> Hey ,  calls"},
		{[]string{"Ana", "Chicago", "more"}, "> Hey Ana, Chicago calls"},
	} {
		if got := string(tmpl.Fill([]byte("> "), tc.values)); got != tc.want {
			t.Errorf("%q: got %q, want %q", tc.values, got, tc.want)
		}
	}
}

func TestTheListOfMergeFieldsIsTheCallersOwn(t *testing.T) {
	MergeFields()[0] = "changed"
	if got := MergeFields()[0]; got != "first_name" {
		t.Errorf("a caller changed it to %s", got)
	}
}

func FuzzParseTemplate(f *testing.F) {
	f.Add("Hey {{first_name}}, {{ city }} calls")
	f.Fuzz(func(t *testing.T, text string) {
		tmpl, err := ParseTemplate(text)
		if err != nil {
			return
		}
		if len(tmpl.Literals) != len(tmpl.Fields)+1 {
			t.Fatalf("%q: %d literals, %d fields", text, len(tmpl.Literals), len(tmpl.Fields))
		}
		if len(tmpl.Fields) == 0 && tmpl.Literals[0] != text {
			t.Fatalf("%q became %q", text, tmpl.Literals[0])
		}
		braced := make([]string, len(tmpl.Fields))
		for i, field := range tmpl.Fields {
			braced[i] = "{{" + field + "}}"
		}
		whole := string(tmpl.Fill(nil, braced))
		again, err := ParseTemplate(whole)
		if d := cmp.Diff(tmpl, again); err != nil || d != "" {
			t.Fatalf("%q became %q, which reads otherwise: %v %s", text, whole, err, d)
		}
	})
}
