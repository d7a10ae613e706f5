package community

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"fanline/engine/message"
	"fanline/pipeline/record"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares with a file of testdata, or writes it.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got; run with -update to accept): %s", path, diff)
	}
}

// dump lists all members with consent and groups.
func (f *fixture) dump() string {
	f.t.Helper()
	var b strings.Builder
	q := f.read()
	f.must(q.each(f.t.Context(), func(r rowScanner) error {
		var m Member
		var consent, groups string
		if err := scanMember(r.Scan, &m, &consent, &groups); err != nil {
			return err
		}
		fmt.Fprintf(&b, "%s|%s|%s|%s|%s|%s|%s|%s|%s|%s|%s\n", m.Phone, consent, m.FirstName, m.LastName, m.City, m.State, m.Birth, m.Gender, m.Email, m.Language, groups)
		return nil
	}, `SELECT `+memberColumns+`, COALESCE(k.state, ''), COALESCE((SELECT MIN(g.folded) || ' ' || COUNT(*) FROM group_members gm JOIN groups g ON g.id = gm.grp WHERE gm.member = m.id), '')
		FROM members m LEFT JOIN cities c ON c.id = m.city LEFT JOIN consent k ON k.member = m.id AND k.number = (SELECT id FROM numbers WHERE number = `+ours.Digits()+`)
		ORDER BY m.phone`))
	return b.String()
}

func TestAnImportTakesTheGoodRowsAndKeepsTheBad(t *testing.T) {
	for _, format := range []Format{CSV, NDJSON} {
		t.Run(string(format), func(t *testing.T) {
			eachDatabase(t, func(t *testing.T, s *fixture) {
				file, err := os.ReadFile(filepath.Join("testdata", "import", "nasty."+string(format)))
				s.must(err)
				var rejects bytes.Buffer
				// A reader that hands out one octet at a time must not matter.
				r, err := s.Import(t.Context(), iotest.OneByteReader(bytes.NewReader(file)), ImportOptions{Number: ours, Format: format, Source: "nasty", Rejects: &rejects})
				s.must(err)
				report, err := json.MarshalIndent(r, "", "  ")
				s.must(err)
				golden(t, "import/nasty."+string(format)+".rejects", rejects.Bytes())
				golden(t, "import/nasty."+string(format)+".report", append(report, '\n'))
				golden(t, "import/nasty."+string(format)+".members", []byte(s.dump()))
				if r.Rows != r.Created+r.Updated+r.Unchanged+r.Duplicates+r.Rejected {
					t.Errorf("the report doesn't add up: %+v", r)
				}
				// Once more: nothing changes, and analytics hears nothing.
				before := s.dump()
				s.outbox()
				again, err := s.Import(t.Context(), bytes.NewReader(file), ImportOptions{Number: ours, Format: format})
				s.must(err)
				if again.Created != 0 || again.Joined != 0 || again.Rejected != r.Rejected || again.Updated != 0 {
					t.Errorf("imported again: %+v", again)
				}
				if diff := cmp.Diff(before, s.dump()); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

func TestARejectFilePutRightCanBeImported(t *testing.T) {
	s := newFixture(t, filepath.Join(t.TempDir(), "a.db"))
	var rejects bytes.Buffer
	r, err := s.Import(t.Context(), strings.NewReader("first_name,phone,shoe\nAnn,+12025550001,7\nBob,oops,8\n"), ImportOptions{Number: ours, Format: CSV, Rejects: &rejects})
	s.must(err)
	if r.Created != 1 || r.Rejected != 1 {
		t.Errorf("report %+v", r)
	}
	right := strings.Replace(rejects.String(), "oops", "+12025550002", 1)
	r, err = s.Import(t.Context(), strings.NewReader(right), ImportOptions{Number: ours, Format: CSV})
	s.must(err)
	if r.Created != 1 || r.Rejected != 0 || cmp.Diff([]string{"shoe"}, r.Ignored) != "" {
		t.Errorf("report %+v of\n%s", r, right)
	}
}

func TestAFileThatIsNoneIsRefusedBeforeAnythingIsStored(t *testing.T) {
	s := newFixture(t, filepath.Join(t.TempDir(), "a.db"))
	for name, c := range map[string]struct{ file, says string }{
		"empty":                  {"", "empty"},
		"only a mark":            {"\xef\xbb\xbf", "empty"},
		"UTF-16":                 {"\xff\xfep\x00h\x00", "UTF-16"},
		"CR line ends":           {"phone,city\r+12025550001,Boise\r", "CR alone"},
		"no header":              {"+12025550001,Ann\n", "must name the columns"},
		"no phone column":        {"name,city\n", "among them phone"},
		"a column twice":         {"phone,city,City\n", "two columns are named city"},
		"a quote in the header":  {"phone,\"city\n", "header: row: the quote"},
		"more columns than read": {"phone" + strings.Repeat(",x", 300) + "\n", "at most 200"},
	} {
		_, err := s.Import(t.Context(), strings.NewReader(c.file), ImportOptions{Number: ours, Format: CSV})
		if !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := s.Import(t.Context(), strings.NewReader("x"), ImportOptions{Number: ours, Format: "xlsx"}); !errors.Is(err, ErrFormat) {
		t.Errorf("a format that we don't know: %v", err)
	}
	if _, err := s.Import(t.Context(), strings.NewReader("phone\n"), ImportOptions{Number: bob, Format: CSV}); !errors.Is(err, ErrNotFound) {
		t.Errorf("a number that is not ours: %v", err)
	}
	if s.dump() != "" {
		t.Errorf("stored %s", s.dump())
	}
}

func TestAnImportNeverBringsBackWhoRevoked(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *fixture) {
		ctx := t.Context()
		s.join(ann, Profile{FirstName: "Ann", City: "Boise", State: "ID"})
		s.join(bob, Profile{FirstName: "Bob"})
		s.in(func(ctx context.Context, tx *Tx) error {
			if _, err := tx.Invite(ctx, ours, carla, Evidence{Method: "text"}); err != nil {
				return err
			}
			_, _, err := tx.RevokeConsent(ctx, ours, ann, Revocation{Logged: true})
			return err
		})
		s.outbox()
		s.at = s.at.Add(1000)
		r, err := s.Import(ctx, strings.NewReader(fmt.Sprintf("phone,last_name\n%s,A\n%s,B\n%s,C\n", ann, bob, carla)), ImportOptions{Number: ours, Format: CSV, Source: "list.csv"})
		s.must(err)
		if r.Revoked != 1 || r.Joined != 1 || r.Updated != 3 || r.Created != 0 {
			t.Errorf("report %+v", r)
		}
		for phone, want := range map[message.Phone]Consent{ann: Stopped, bob: Joined, carla: Joined} {
			if got := s.standing(phone).Consent; got != want {
				t.Errorf("%v: %q, want %q", phone, got, want)
			}
		}
		// What a row leaves open stays as it was.
		if m := s.standing(ann).Member; m.FirstName != "Ann" || m.LastName != "A" || m.City != "Boise" {
			t.Errorf("profile %+v", m)
		}
		kept, err := s.EvidenceOf(ctx, s.standing(carla).Member.ID)
		s.must(err)
		if len(kept) != 2 || kept[1].Method != "import" || kept[1].Source != "list.csv" || kept[1].Kind != Joined {
			t.Errorf("evidence %+v", kept)
		}
		consent, members := s.told()
		if len(consent) != 0 || len(members) != 3 {
			t.Errorf("told %v and %v", consent, members)
		}
	})
}

func TestDuplicatesAreMergedAlsoAcrossBatches(t *testing.T) {
	s := newFixture(t, filepath.Join(t.TempDir(), "a.db"))
	var file strings.Builder
	file.WriteString("phone,first_name,last_name,group\n")
	for i := range 2*batchRows + 500 {
		fmt.Fprintf(&file, "%d,F%d,,\n", 12020000000+uint64(2_000_000+i), i)
	}
	file.WriteString("+12022000000,,L,late\n+12022020400,G,,\n+12022020400,,M,x\n")
	var seen []int64
	r, err := s.Import(t.Context(), strings.NewReader(file.String()), ImportOptions{Number: ours, Format: CSV, Progress: func(r ImportReport) { seen = append(seen, r.Rows) }})
	s.must(err)
	want := ImportReport{Rows: 20_503, Created: 20_500, Joined: 20_500, Duplicates: 3}
	if diff := cmp.Diff(want, r, cmpopts.IgnoreFields(ImportReport{}, "Duration", "Reasons", "Ignored")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]int64{10_000, 20_000, 20_503}, seen); diff != "" {
		t.Errorf("progress %s", diff)
	}
	for phone, want := range map[message.Phone]string{12022000000: "F0 L", 12022020400: "G M"} {
		if m := s.standing(phone).Member; m.FirstName+" "+m.LastName != want {
			t.Errorf("%v is %q, want %q", phone, m.FirstName+" "+m.LastName, want)
		}
	}
	// Analytics hears of them in blocks, each of one partition.
	rows, entries := 0, 0
	for _, row := range s.outbox() {
		m, err := record.DecodeMembers(row.Value)
		s.must(err)
		rows++
		entries += len(m.Entries)
	}
	if entries != 20_501 || rows > 3*12 {
		t.Errorf("%d profiles in %d records", entries, rows)
	}
}

func TestAnImportThatBreaksOffCanBeRunAgain(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *fixture) {
		var file strings.Builder
		file.WriteString("phone,city,state\n")
		for i := range batchRows + 1000 {
			fmt.Fprintf(&file, "%d,Boise,ID\n", 12022000000+i)
		}
		broken := errors.New("the disk is gone")
		half := io.MultiReader(strings.NewReader(file.String()[:file.Len()-1000]), iotest.ErrReader(broken))
		r, err := s.Import(t.Context(), half, ImportOptions{Number: ours, Format: CSV})
		if !errors.Is(err, broken) || r.Created < batchRows {
			t.Errorf("broken off: %v, %+v", err, r)
		}
		r, err = s.Import(t.Context(), strings.NewReader(file.String()), ImportOptions{Number: ours, Format: CSV})
		s.must(err)
		if r.Created == 0 || r.Created+r.Unchanged != batchRows+1000 || r.Joined != r.Created {
			t.Errorf("run again: %+v", r)
		}
		if n, err := s.Count(t.Context(), ours, "city=Boise"); err != nil || n != batchRows+1000 {
			t.Errorf("%d members, %v", n, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := s.Import(ctx, strings.NewReader(file.String()), ImportOptions{Number: ours, Format: CSV}); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
	})
}

func TestARejectFileThatCannotBeWrittenStopsTheImport(t *testing.T) {
	s := newFixture(t, filepath.Join(t.TempDir(), "a.db"))
	full := errors.New("no space left")
	for name, file := range map[string]string{"csv": "phone\n" + strings.Repeat("oops\n", 2000), "ndjson": strings.Repeat("{}\n", 2000)} {
		_, err := s.Import(t.Context(), strings.NewReader(file), ImportOptions{Number: ours, Format: Format(name), Rejects: failingWriter{full}})
		if !errors.Is(err, full) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

func TestPhonesAreReadAsListsHaveThem(t *testing.T) {
	for s, want := range map[string]message.Phone{
		"+12025550001": 12025550001, "12025550001": 12025550001, "2025550001": 12025550001, "(202) 555-0001": 12025550001,
		"+1 202.555.0001": 12025550001, "+447700900123": 447700900123, "+2025550001": 2025550001,
		"": 0, "447700900123": 0, "5550001": 0, "+1025550001": 0, "11235550001": 0, "+12021550001": 0, "202555000x": 0, "020 7946 0000": 0, "1234567890123456": 0,
	} {
		got, problem := importPhone(s)
		if got != want && (want != 0 || problem == "") || want != 0 && problem != "" {
			t.Errorf("%q is %d, %q; want %d", s, got, problem, want)
		}
	}
}

func TestPhonesOfARegionAreReadAsPeopleThereWriteThem(t *testing.T) {
	for code, phones := range map[string]map[string]message.Phone{
		"gb": {"020 7946 0000": 442079460000, "(0)7700 900123": 447700900123, "07700 900123": 447700900123, "+1 202 555 0001": 12025550001, "+44 (0)7700 900123": 447700900123, "123": 0, "": 0, "nonsense": 0},
		"US": {"(202) 555-0001": 12025550001, "011 44 7700 900123": 447700900123, "2025550001 x12": 0, "1025550001": 0, "+447700900123": 447700900123},
		"IT": {"06 1234 5678": 390612345678}, "RU": {"8 912 345-67-89": 79123456789}, "DE": {"0151 23456789": 4915123456789, "0049 151 23456789": 4915123456789},
	} {
		r, err := newRegion(code)
		if err != nil {
			t.Fatal(err)
		}
		for s, want := range phones {
			if got, problem := r.phone(s); got != want || (problem == "") != (want != 0) {
				t.Errorf("%s: %q is %d, %q; want %d", code, s, got, problem, want)
			}
		}
	}
	if _, err := newRegion("XX"); !errors.Is(err, ErrFormat) {
		t.Error(err)
	}
}

func FuzzImportRows(f *testing.F) {
	for _, name := range []string{"nasty.csv", "nasty.ndjson"} {
		b, err := os.ReadFile(filepath.Join("testdata", "import", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b[:min(len(b), 1500)], name == "nasty.csv")
	}
	f.Add([]byte("phone;city\n+12025550001;\"x\n+12025550002;y\n"), true)
	f.Add([]byte("phone\tcity\r\n+12025550001\t\"\"\"\"\r\n"), true)
	f.Add([]byte("{\"phone\":\"+12025550001\"}\n\n{}"), false)
	today := NewDate(2026, 9, 21)
	f.Fuzz(func(t *testing.T, file []byte, asCSV bool) {
		format := NDJSON
		if asCSV {
			format = CSV
		}
		rows, err := newRowReader(bytes.NewReader(file), format, rowRules{today: today})
		if err != nil {
			if !errors.Is(err, ErrFormat) {
				t.Fatal(err)
			}
			return
		}
		rejects, err := newRejectWriter(io.Discard, rows)
		if err != nil {
			t.Fatal(err)
		}
		last := int64(0)
		for n := 0; ; n++ {
			e, problem, err := rows.next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			line, columns := rows.place()
			if line <= last || n > bytes.Count(file, []byte("\n"))+1 {
				t.Fatalf("row %d stands in line %d, the one before in %d", n, line, last)
			}
			last = line
			switch {
			case problem == "" && !e.phone.Valid():
				t.Fatalf("line %d is good with the phone %d", line, e.phone)
			case problem != "" && len(columns) == 0:
				t.Fatalf("line %d is bad and not kept", line)
			case problem != "":
				if err := rejects.write(problem); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}
