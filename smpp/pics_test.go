package smpp

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// docs/pics.md holds tables between comments; each is made of the code that it
// speaks of, so that it cannot say anything else.
func TestThePICSSaysWhatTheCodeDoes(t *testing.T) {
	const file = "../docs/pics.md"
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	doc := string(b)
	for name, table := range map[string]string{
		"lengths": picsLengths(t), "tlvs": picsTLVs(), "statuses": picsStatuses(), "states": picsStates(),
		"receipts": picsReceipts(), "leniencies": picsLeniencies(),
	} {
		begin, end := "<!-- made of the code: "+name+" -->\n", "<!-- end -->"
		head, rest, ok := strings.Cut(doc, begin)
		was, tail, ended := strings.Cut(rest, end)
		if !ok || !ended {
			t.Errorf("%s has no table %q", file, name)
			continue
		}
		if diff := cmp.Diff(was, table); diff != "" && !*update {
			t.Errorf("%s differs from the code (-doc +code); -update writes it anew:\n%s", name, diff)
		}
		doc = head + begin + table + end + tail
	}
	if *update && doc != string(b) {
		if err := os.WriteFile(file, []byte(doc), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func versionWord(v byte) string {
	return map[byte]string{Version33: "3.3", Version34: "3.4", Version50: "5.0"}[v]
}

// picsLengths asks the writer of every operation how long its strings may be.
func picsLengths(t *testing.T) string {
	t.Helper()
	limits := map[string][]string{} // operations by field and limit
	for _, p := range samples() {
		pdu, err := Encoding{Version: Version50}.Append(nil, StatusOK, 1, p)
		if err != nil {
			t.Fatal(err)
		}
		object, err := Trace(pdu)
		if err != nil {
			t.Fatal(err)
		}
		var trace struct {
			Fields map[string]any `json:"fields"`
		}
		if err := json.Unmarshal(object, &trace); err != nil {
			t.Fatal(err)
		}
		for field, v := range trace.Fields {
			if _, text := v.(string); text && field != "short_message" {
				row := fmt.Sprintf("| `%s` | %s |", field, longest(t, p.CommandID(), field))
				limits[row] = append(limits[row], p.CommandID().String())
			}
		}
	}
	var rows []string
	for row, operations := range limits {
		slices.Sort(operations)
		rows = append(rows, row+" "+strings.Join(slices.Compact(operations), ", ")+" |\n")
	}
	slices.Sort(rows)
	return "| field | octets, without NUL | in |\n|---|---|---|\n" + strings.Join(rows, "")
}

// longest tries a field until it is refused.
func longest(t *testing.T, id CommandID, field string) string {
	t.Helper()
	longest, gap := 0, false
	for n := range 300 {
		fields := map[string]any{field: strings.Repeat("1", n)}
		if id == SubmitMultiID {
			fields["dest_address"] = []any{map[string]any{}}
		}
		object, err := json.Marshal(map[string]any{"command": id.String(), "fields": fields})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Untrace(object); err == nil {
			gap = gap || n > longest+1
			longest = n
		}
	}
	if gap {
		return fmt.Sprintf("0 or %d", longest)
	}
	return fmt.Sprint(longest)
}

func picsTLVs() string {
	kinds := [...]string{KindOctets: "octets", KindInteger: "integer", KindText: "C-octet string"}
	out := "| tag | name | since | octets | value |\n|---|---|---|---|---|\n"
	for _, info := range Tags() {
		size := fmt.Sprintf("%d to %d", info.Min, info.Max)
		switch {
		case info.Min == info.Max:
			size = fmt.Sprint(info.Min)
		case info.Max == anyLen:
			size = "any"
		case info.Tag == TagMsValidity:
			size = "1 or 4"
		}
		value := ""
		if parts := info.Tag.Parts(); parts != nil {
			for _, p := range parts {
				value += ", " + p.Name
			}
			value = value[2:]
		} else {
			value = kinds[info.Kind]
		}
		if info.Repeats {
			value += "; may repeat"
		}
		out += fmt.Sprintf("| 0x%04X | %s | %s | %s | %s |\n", uint16(info.Tag), info.Name, versionWord(info.Since), size, value)
	}
	return out + fmt.Sprintf("| 0x%04X to 0x%04X | vendor-specific | 3.4 | any | octets, kept as they are |\n", uint16(TagVendorFirst), uint16(TagVendorLast))
}

func picsStatuses() string {
	out := "| code | name | class | meaning |\n|---|---|---|---|\n"
	for _, info := range Statuses() {
		class := info.Class.String()
		if info.Status.Once() {
			class += ", once"
		}
		out += fmt.Sprintf("| 0x%08X | %s | %s | %s |\n", uint32(info.Status), info.Name, class, info.Meaning)
	}
	vendor, _ := StatusVendorFirst.Lookup()
	reserved, _ := Status(0x200).Lookup()
	out += fmt.Sprintf("| 0x%08X to 0x%08X | as the number | %s | %s |\n", uint32(StatusVendorFirst), uint32(StatusVendorLast), vendor.Class, vendor.Meaning)
	return out + fmt.Sprintf("| any other | as the number | %s | %s |\n", reserved.Class, reserved.Meaning)
}

func picsStates() string {
	out := "| stat | message_state |\n|---|---|\n"
	for _, w := range statWords {
		state := enumName("message_state", uint32(w.state))
		if w.state == 0 {
			state = "the carrier's profile says"
		}
		word := w.word
		if word == "NEVERHEARD" {
			word = "any other word"
		}
		out += fmt.Sprintf("| %s | %s |\n", word, state)
	}
	return out
}

func picsReceipts() string {
	out := ""
	for _, f := range receiptForms() {
		if !strings.HasPrefix(f.name, "stat ") {
			out += "- " + f.name + "\n"
		}
	}
	return out
}

func picsLeniencies() string {
	out := "| what comes | what `fanline pdu` says of it |\n|---|---|\n"
	for _, s := range sins() {
		warning := "nothing: it is allowed"
		if s.warning != "" {
			warning = "…" + s.warning + "…"
		}
		out += fmt.Sprintf("| %s | %s |\n", s.name, warning)
	}
	return out
}
