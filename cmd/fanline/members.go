package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"fanline/api"
	"fanline/community"
)

// imported is what `members import --json` ends with.
type imported struct {
	Number string `json:"number"`
	community.ImportReport
	RejectsFile string  `json:"rejects_file,omitempty"`
	Duration    float64 `json:"duration_s"`
}

// runMembersImport sends a file to the running process, shows how far it is,
// and keeps the rows that were not taken.
func runMembersImport(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	flags := newClientFlags("members import", stderr)
	number := flags.String("number", "", "`NUMBER` that they join; not needed when there is only one")
	rejects := flags.String("rejects", "", "`FILE` for the rows that are not taken, each with its line and the reason; default: beside the file, as NAME.rejects.csv")
	format := flags.String("format", "", "`FORMAT` of the file, csv or ndjson; default: by its name")
	region := flags.String("region", "", "`COUNTRY` (US, GB, …) whose numbers stand there without a country code; default: North America's ten digits")
	names, err := parseFlags(flags.FlagSet, args, "FILE")
	if err != nil {
		return err
	}
	in, err := openImport(names[0], *format, stdin)
	if err != nil {
		return err
	}
	in.region = *region
	defer in.close()
	c, n, err := flags.dialNumber(ctx, *number)
	if err != nil {
		return err
	}
	defer c.close()
	keep := &rejectFile{path: *rejects}
	if keep.path == "" {
		keep.path = in.rejectsPath()
	}
	if same, err := sameFile(keep.path, names[0]); err != nil || same {
		return errors.Join(err, usagef("--rejects would overwrite %s itself", names[0]))
	}
	began := time.Now()
	report, err := importFile(ctx, c, n, in, keep, newImportProgress(stderr, in))
	if kept := keep.finish(report.Rejected); kept != nil {
		err = errors.Join(err, kept)
	}
	done := imported{Number: n, ImportReport: report, Duration: time.Since(began).Seconds()}
	if report.Rejected > 0 {
		done.RejectsFile = keep.path
	}
	if *flags.asJSON {
		return errors.Join(err, printJSON(stdout, done))
	}
	return errors.Join(err, printImported(stdout, done))
}

// importing is a file on its way to the process.
type importing struct {
	io.Reader
	file         *os.File // nil: stdin
	name, format string
	region       string
	size         int64 // 0: unknown
	read         atomic.Int64
	stopped      atomic.Bool
}

func openImport(name, format string, stdin io.Reader) (*importing, error) {
	in := &importing{name: name, format: format, Reader: stdin}
	if format == "" {
		in.format = strings.TrimPrefix(strings.ToLower(filepath.Ext(name)), ".")
		if in.format == "jsonl" {
			in.format = "ndjson"
		}
	}
	if in.format != "csv" && in.format != "ndjson" {
		return nil, usagef("%s: say --format csv or --format ndjson, its name doesn't tell", name)
	}
	if name == "-" {
		in.name = "stdin"
		return in, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, usageError{err}
	}
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		err = usagef("%s is a directory", name)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	in.file, in.Reader, in.size = f, f, info.Size()
	return in, nil
}

// Read counts what was read, and ends once the process has said that it takes
// no more.
func (in *importing) Read(b []byte) (int, error) {
	if in.stopped.Load() {
		return 0, io.EOF
	}
	n, err := in.Reader.Read(b)
	in.read.Add(int64(n))
	return n, err
}

func (in *importing) close() {
	if in.file != nil {
		_ = in.file.Close() // It was only read.
	}
}

func (in *importing) rejectsPath() string {
	if in.file == nil {
		return "rejects." + in.format
	}
	return strings.TrimSuffix(in.name, filepath.Ext(in.name)) + ".rejects." + in.format
}

func sameFile(a, b string) (bool, error) {
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	if errors.Is(errA, os.ErrNotExist) || errors.Is(errB, os.ErrNotExist) {
		return false, nil
	}
	if err := errors.Join(errA, errB); err != nil {
		return false, err
	}
	return os.SameFile(infoA, infoB), nil
}

// importFile sends the file and reads what comes back meanwhile.
func importFile(ctx context.Context, c *client, number string, in *importing, keep *rejectFile, show *importProgress) (report community.ImportReport, err error) {
	query := url.Values{"format": {in.format}, "source": {filepath.Base(in.name)}}
	if in.region != "" {
		query.Set("region", in.region)
	}
	body, err := c.send(ctx, http.MethodPost, pathOf("numbers", number, "members", "import")+"?"+query.Encode(), in, "Content-Type", "application/octet-stream")
	if err != nil {
		return report, err
	}
	defer func() { _ = body.Close() }() // only read
	defer show.end()
	d := json.NewDecoder(body)
	for {
		var line api.ImportLine
		if err := d.Decode(&line); err != nil {
			return report, fmt.Errorf("after %s rows: %w; import the file again, rows are found by their phone", grouped(report.Rows), c.gone(err))
		}
		if len(line.Rejects) > 0 {
			if err := keep.write(line.Rejects); err != nil {
				return report, err
			}
		}
		if line.Progress != nil {
			report = *line.Progress
			show.line(report)
		}
		if line.Report == nil {
			continue
		}
		report = *line.Report
		if line.Error != nil {
			in.stopped.Store(true)
			return report, usageError{line.Error}
		}
		return report, nil
	}
}

// rejectFile keeps rejected rows. It is made when the first octet comes.
type rejectFile struct {
	path string
	file *os.File
}

func (r *rejectFile) write(b []byte) error {
	if r.file == nil {
		f, err := os.OpenFile(r.path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600) // People's data.
		if err != nil {
			return fmt.Errorf("reject file: %w", err)
		}
		r.file = f
	}
	_, err := r.file.Write(b)
	return err
}

// finish closes the file, and takes it away when only a header stands in it.
func (r *rejectFile) finish(rejected int64) error {
	if r.file == nil {
		return nil
	}
	err := r.file.Close()
	if rejected == 0 {
		err = errors.Join(err, os.Remove(r.path))
	}
	return err
}

// importProgress shows how far an import is.
type importProgress struct {
	w        io.Writer
	in       *importing
	terminal bool
	shown    time.Time
}

func newImportProgress(w io.Writer, in *importing) *importProgress {
	return &importProgress{w: w, in: in, terminal: isTerminal(w)}
}

func (p *importProgress) line(r community.ImportReport) {
	every := 2 * time.Second
	if p.terminal {
		every = 100 * time.Millisecond
	}
	if now := time.Now(); now.Sub(p.shown) < every {
		return
	} else {
		p.shown = now
	}
	percent := ""
	if p.in.size > 0 {
		percent = fmt.Sprintf("%3d%% · ", min(100, 100*p.in.read.Load()/p.in.size))
	}
	text := fmt.Sprintf("%s%s rows · %s joined · %s rejected", percent, grouped(r.Rows), grouped(r.Joined), grouped(r.Rejected))
	if p.terminal {
		fmt.Fprintf(p.w, "\r%s\x1b[K", text)
		return
	}
	fmt.Fprintln(p.w, text)
}

func (p *importProgress) end() {
	if p.terminal && !p.shown.IsZero() {
		fmt.Fprintln(p.w)
	}
}

func printImported(w io.Writer, d imported) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "rows\t%s in %s\n", grouped(d.Rows), span(d.Duration))
	for _, row := range []struct {
		name  string
		count int64
	}{
		{"new members", d.Created},
		{"updated", d.Updated},
		{"unchanged", d.Unchanged},
		{"repeated in the file", d.Duplicates},
		{"joined " + d.Number, d.Joined},
		{"had revoked, stay out", d.Revoked},
		{"rejected", d.Rejected},
	} {
		fmt.Fprintf(t, "%s\t%s\n", row.name, grouped(row.count))
	}
	for _, reason := range slices.Sorted(maps.Keys(d.Reasons)) {
		fmt.Fprintf(t, "  %s\t%s\n", shown(reason), grouped(d.Reasons[reason]))
	}
	if len(d.UnknownCarriers) > 0 {
		fmt.Fprintln(t, "taken without a carrier, whose name is not configured")
	}
	for _, name := range slices.Sorted(maps.Keys(d.UnknownCarriers)) {
		fmt.Fprintf(t, "  %s\t%s\n", shown(name), grouped(d.UnknownCarriers[name]))
	}
	if len(d.Ignored) > 0 {
		fmt.Fprintf(t, "columns not read\t%s\n", shown(strings.Join(d.Ignored, ", ")))
	}
	if d.RejectsFile != "" {
		fmt.Fprintf(t, "rejected rows are in\t%s\n", d.RejectsFile)
	}
	return t.Flush()
}

// runMembersGroup lists groups, or puts members in and takes them out.
func runMembersGroup(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	flags := newClientFlags("members group", stderr)
	number := flags.String("number", "", "`NUMBER` of the leader whose groups they are; not needed when there is only one")
	names, err := parseNames(flags.FlagSet, args)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		names = []string{"list"}
	}
	method := ""
	switch {
	case names[0] == "list" && len(names) == 1:
	case names[0] == "add" && len(names) > 2:
		method = http.MethodPost
	case names[0] == "remove" && len(names) > 2:
		method = http.MethodDelete
	default:
		return usagef("want list, add GROUP PHONE…, or remove GROUP PHONE…; - reads phones from stdin, one a line")
	}
	var change api.GroupChange
	if method != "" {
		if change.Phones, err = phoneArguments(names[2:], stdin); err != nil {
			return err
		}
	}
	c, n, err := flags.dialNumber(ctx, *number)
	if err != nil {
		return err
	}
	defer c.close()
	if method == "" {
		return listGroups(ctx, c, n, *flags.asJSON, stdout)
	}
	var done api.GroupChanged
	if err := c.ask(ctx, method, pathOf("numbers", n, "groups", names[1], "members"), change, &done); err != nil {
		return err
	}
	if *flags.asJSON {
		return printJSON(stdout, done)
	}
	verb := map[string]string{http.MethodPost: "put into", http.MethodDelete: "taken out of"}[method]
	fmt.Fprintf(stdout, "%s %s %s\n", grouped(done.Changed), verb, shown(done.Group))
	if len(done.Unknown) > 0 {
		fmt.Fprintf(stdout, "passed over, since they have not joined: %s\n", strings.Join(done.Unknown, ", "))
	}
	return nil
}

func listGroups(ctx context.Context, c *client, number string, asJSON bool, stdout io.Writer) error {
	var all struct {
		Groups []community.Group `json:"groups"`
	}
	if err := c.ask(ctx, http.MethodGet, pathOf("numbers", number, "groups"), nil, &all); err != nil {
		return err
	}
	if asJSON {
		return printJSON(stdout, all)
	}
	t := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "GROUP\tMEMBERS")
	for _, g := range all.Groups {
		fmt.Fprintf(t, "%s\t%s\n", shown(g.Name), grouped(g.Members))
	}
	return t.Flush()
}

// phoneArguments returns the phones that were named; "-" alone reads them from
// stdin, one a line.
func phoneArguments(names []string, stdin io.Reader) ([]string, error) {
	if len(names) != 1 || names[0] != "-" {
		return names, nil
	}
	var phones []string
	lines := bufio.NewScanner(stdin)
	for lines.Scan() {
		if line := strings.TrimSpace(lines.Text()); line != "" {
			phones = append(phones, line)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("standard input: %w", err)
	}
	return phones, nil
}
