package community

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/RoaringBitmap/roaring/v2/roaring64"
	"golang.org/x/sync/errgroup"

	"fanline/engine/message"
)

// Format is how the rows of a file are written.
type Format string

// CSV has a header row that names its columns; NDJSON has one JSON object a
// line. Both know the columns phone, group, carrier and those of ProfileFields.
const (
	CSV    Format = "csv"
	NDJSON Format = "ndjson"
)

// ImportOptions say where members go and who hears about it.
type ImportOptions struct {
	Number message.Phone // whose members they become
	Format Format        //
	Source string        // name of the file, kept as evidence
	// Region is the country (ISO 3166, as GB) whose numbers stand in the file as
	// people there write them; empty: North America's ten digits, and E.164.
	Region   string
	Rejects  io.Writer          // rows that were not taken, with line and reason; may be nil
	Progress func(ImportReport) // after every batch; may be nil
	// Carrier returns the one form of a name in the column carrier, and whether
	// the program knows it as a carrier or a network; nil: all names are known.
	Carrier func(name string) (string, bool)
}

// ImportReport counts what became of the rows so far.
// Rows = Created + Updated + Unchanged + Duplicates + Rejected at the end.
type ImportReport struct {
	Rows       int64            `json:"rows"`
	Created    int64            `json:"created"`    // members that are new to the store
	Updated    int64            `json:"updated"`    // whose profile changed
	Unchanged  int64            `json:"unchanged"`  //
	Duplicates int64            `json:"duplicates"` // rows with the phone of an earlier row; they were merged
	Rejected   int64            `json:"rejected"`   //
	Joined     int64            `json:"joined"`     // members who had not joined the number before
	Revoked    int64            `json:"revoked"`    // who had revoked, and stay so
	Reasons    map[string]int64 `json:"reasons,omitempty"`
	// UnknownCarriers counts rows by names in the column carrier that are neither
	// a carrier nor a network; the members were taken without.
	UnknownCarriers map[string]int64 `json:"unknown_carriers,omitempty"`
	Ignored         []string         `json:"ignored_columns,omitempty"`
	Duration        time.Duration    `json:"-"`
}

// batchRows is how many rows one transaction holds.
const batchRows = 10_000

// entry is one row that is good as far as the file can tell.
type entry struct {
	phone  message.Phone
	groups []string
	again  bool   // an earlier row of the file had the phone, in another batch
	way    string // column carrier
	Profile
}

// batch is what goes into the store at once; phones in it are distinct.
type batch struct {
	entries []entry
	index   map[message.Phone]int
	read    ImportReport // Rows, Duplicates, Rejected, Reasons, Ignored up to here
}

// Import reads members from r and joins them to a number. Bad rows are counted
// and written to Rejects, good ones are stored in batches, so an import that is
// cut off may simply be run again: rows are found by phone, an empty field
// leaves what the store has, and who has revoked stays revoked. The report is
// good also beside an error.
func (s *Store) Import(ctx context.Context, r io.Reader, o ImportOptions) (ImportReport, error) {
	region, err := newRegion(o.Region)
	if err != nil {
		return ImportReport{}, fmt.Errorf("import: %w", err)
	}
	rows, err := newRowReader(r, o.Format, rowRules{today: DateOf(s.now()), region: region})
	if err != nil {
		return ImportReport{}, fmt.Errorf("import: %w", err)
	}
	rejects, err := newRejectWriter(o.Rejects, rows)
	if err != nil {
		return ImportReport{}, fmt.Errorf("import: %w", err)
	}
	in := fileRows{rows: rows, rejects: rejects, seen: roaring64.New(), options: &o, ways: map[string]string{}}
	in.count.Reasons = map[string]int64{}
	return s.insert(ctx, o.Number, Evidence{Method: "import", Source: o.Source}, o.Progress, in.fill)
}

// insert stores the batches that fill makes. Making and storing go on at the
// same time; three batches go round, so no more than that is ever held.
func (s *Store) insert(ctx context.Context, number message.Phone, e Evidence, progress func(ImportReport), fill func(*batch) (more bool, err error)) (ImportReport, error) {
	started := time.Now()
	w, err := s.newBulk(ctx, number, e)
	if err != nil {
		return ImportReport{}, fmt.Errorf("import: %w", err)
	}
	const batches = 3
	full, free := make(chan *batch, batches), make(chan *batch, batches)
	for range batches {
		free <- &batch{entries: make([]entry, 0, batchRows), index: make(map[message.Phone]int, batchRows)}
	}
	var ended error // of fill; what it had read by then is stored all the same
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(full)
		for {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case b := <-free:
				b.entries = b.entries[:0]
				clear(b.index)
				more, err := fill(b)
				full <- b // There is room for all batches.
				if err != nil || !more {
					ended = err
					return nil
				}
			}
		}
	})
	group.Go(func() error {
		for b := range full {
			if err := w.store(ctx, b); err != nil {
				return err
			}
			w.report.Duration = time.Since(started)
			if progress != nil {
				progress(w.report)
			}
			free <- b
		}
		return nil
	})
	if err := cmp.Or(group.Wait(), ended); err != nil {
		return w.report, fmt.Errorf("import, after %d rows: %w", w.report.Rows, err)
	}
	return w.report, nil
}

// fileRows fills batches from a file.
type fileRows struct {
	rows    rowReader
	rejects *rejectWriter
	seen    *roaring64.Bitmap // phones; about two octets each
	options *ImportOptions
	ways    map[string]string // names in the column carrier as they are stored, at most maxWays
	count   ImportReport
}

// fill reads rows until the batch is full or the file ends.
func (f *fileRows) fill(b *batch) (more bool, err error) {
	defer func() {
		f.count.Ignored = f.rows.ignored()
		b.read = f.count.copy()
	}()
	// Where most rows are bad, the batch ends before it is full, for progress.
	for rows := 0; rows < 4*batchRows && len(b.entries) < cap(b.entries); rows++ {
		e, problem, err := f.rows.next()
		if errors.Is(err, io.EOF) {
			return false, f.rejects.flush()
		}
		if err != nil {
			return false, err
		}
		f.count.Rows++
		switch {
		case problem != "":
			f.count.Rejected++
			f.count.reason(problem)
			if err := f.rejects.write(problem); err != nil {
				return false, err
			}
		default:
			e.way = f.way(e.way)
			f.add(b, e)
		}
	}
	return true, nil
}

// maxWays is how many spellings of carriers are remembered.
const maxWays = 1000

// way returns the form of a carrier's name that is stored; "" for one that is
// not known, which is counted.
func (f *fileRows) way(value string) string {
	if value == "" {
		return ""
	}
	name, had := f.ways[value]
	if !had {
		var known bool
		if name, known = f.options.carrierName(value); !known {
			name = ""
		}
		name = strings.Clone(name) // Not the whole row with it.
		if len(f.ways) < maxWays {
			f.ways[strings.Clone(value)] = name
		}
	}
	if name == "" {
		f.count.unknownCarrier(value)
	}
	return name
}

// add puts a good row into the batch. A second row of one phone is laid over
// the first.
func (f *fileRows) add(b *batch, e entry) {
	if !f.seen.CheckedAdd(uint64(e.phone)) {
		f.count.Duplicates++
		if i, here := b.index[e.phone]; here {
			old := &b.entries[i]
			e.fillFrom(&old.Profile)
			e.groups, e.again, e.way = append(e.groups, old.groups...), old.again, cmp.Or(e.way, old.way)
			*old = e
			return
		}
		e.again = true
	}
	b.index[e.phone] = len(b.entries)
	b.entries = append(b.entries, e)
}

// fillFrom takes the fields that p lacks from an older profile. City, state and
// country are one thing: a new city with the old state would be another place.
func (p *Profile) fillFrom(old *Profile) {
	for _, f := range []struct{ mine, olds *string }{
		{&p.FirstName, &old.FirstName},
		{&p.LastName, &old.LastName},
		{&p.Gender, &old.Gender},
		{&p.Email, &old.Email},
		{&p.Language, &old.Language},
	} {
		if *f.mine == "" {
			*f.mine = *f.olds
		}
	}
	if p.City == "" && p.State == "" {
		p.City, p.State, p.Country = old.City, old.State, old.Country
	}
	if p.Birth == 0 {
		p.Birth = old.Birth
	}
}

// reason counts a problem; beyond a hundred kinds they are counted together.
func (r *ImportReport) reason(problem string) {
	if _, known := r.Reasons[problem]; !known && len(r.Reasons) >= 100 {
		problem = "other"
	}
	r.Reasons[problem]++
}

// unknownCarrier counts a name; beyond twenty they are counted together.
func (r *ImportReport) unknownCarrier(value string) {
	if r.UnknownCarriers == nil {
		r.UnknownCarriers = map[string]int64{}
	}
	name := shownCarrier(value)
	if _, counted := r.UnknownCarriers[name]; !counted && len(r.UnknownCarriers) >= 20 {
		name = "other"
	}
	r.UnknownCarriers[strings.Clone(name)]++
}

// copy is for another goroutine.
func (r ImportReport) copy() ImportReport {
	r.Reasons, r.Ignored, r.UnknownCarriers = maps.Clone(r.Reasons), slices.Clone(r.Ignored), maps.Clone(r.UnknownCarriers)
	return r
}
