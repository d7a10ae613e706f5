package api

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"

	"fanline/community"
	"fanline/engine/message"
)

// ImportLine is one line of what an import answers. One of its fields is set;
// the last line has Report, or Error with the report of what was taken.
type ImportLine struct {
	Progress *community.ImportReport `json:"progress,omitempty"`
	Rejects  []byte                  `json:"rejects,omitempty"` // a piece of the reject file, octet for octet
	Report   *community.ImportReport `json:"report,omitempty"`
	Error    *Error                  `json:"error,omitempty"`
}

// importMembers reads the body as a file of members, and answers with progress
// and the rejected rows while it comes.
func (a *API) importMembers(w http.ResponseWriter, r *http.Request) error {
	n, err := a.numberOf(r)
	if err != nil {
		return err
	}
	format, err := formatOf(r.URL.Query().Get("format"), r.URL.Query().Get("source"))
	if err != nil {
		return err
	}
	// Answers go out while the file still comes in.
	if err := http.NewResponseController(w).EnableFullDuplex(); err != nil {
		return fmt.Errorf("import: %w", err)
	}
	out := newStream(w)
	report, err := a.Store.Import(r.Context(), r.Body, community.ImportOptions{
		Number: n.Number, Format: format, Source: r.URL.Query().Get("source"), Region: r.URL.Query().Get("region"), Rejects: rejectLines{out}, Carrier: a.CarrierName,
		Progress: func(p community.ImportReport) {
			_ = out.line(ImportLine{Progress: &p}) // A client that has left ends the request's context.
		},
	})
	last := ImportLine{Report: &report}
	if err != nil {
		last.Error = toldAs(err)
	}
	if out.line(last) != nil {
		a.Log.Debug("client left", "request", r.Pattern)
	}
	if err != nil {
		// A connection that is closed on a client who still sends may take the
		// answer with it; a client that has read the error stops sending.
		_, _ = io.Copy(io.Discard, r.Body)
	}
	return nil
}

// formatOf takes the format that was named, or that of the file's name.
func formatOf(format, source string) (community.Format, error) {
	if format == "" {
		format = strings.TrimPrefix(strings.ToLower(path.Ext(source)), ".")
	}
	switch format {
	case "csv":
		return community.CSV, nil
	case "ndjson", "jsonl":
		return community.NDJSON, nil
	}
	return "", invalid("format", "%q: want csv or ndjson", format)
}

// rejectLines sends what is written to it as lines of a stream.
type rejectLines struct{ out *stream }

func (l rejectLines) Write(b []byte) (int, error) {
	if err := l.out.line(ImportLine{Rejects: b}); err != nil {
		return 0, err
	}
	return len(b), nil
}

func (a *API) groups(w http.ResponseWriter, r *http.Request) error {
	n, err := a.numberOf(r)
	if err != nil {
		return err
	}
	all, err := a.Store.Groups(r.Context(), n.Number)
	if err != nil {
		return err
	}
	return a.answer(w, r, struct {
		Groups []community.Group `json:"groups"`
	}{orEmpty(all)})
}

// GroupChange names members by phone or by id.
type GroupChange struct {
	Phones  []string           `json:"phones,omitempty"`
	Members []message.MemberID `json:"members,omitempty"`
}

// GroupChanged says what a change did. Unknown are phones of people who have
// never joined the number; they were passed over.
type GroupChanged struct {
	Group   string   `json:"group"`
	Changed int64    `json:"changed"`
	Unknown []string `json:"unknown"`
}

func (a *API) addToGroup(w http.ResponseWriter, r *http.Request) error {
	return a.changeGroup(w, r, a.Store.AddToGroup)
}

func (a *API) removeFromGroup(w http.ResponseWriter, r *http.Request) error {
	return a.changeGroup(w, r, a.Store.RemoveFromGroup)
}

type groupChange func(ctx context.Context, number message.Phone, group string, members []message.MemberID) (int64, error)

// maxGroupChange bounds one request: it is one transaction.
const maxGroupChange = 10_000

func (a *API) changeGroup(w http.ResponseWriter, r *http.Request, change groupChange) error {
	n, err := a.numberOf(r)
	if err != nil {
		return err
	}
	var body GroupChange
	if err := readJSON(w, r, &body); err != nil {
		return err
	}
	switch total := len(body.Phones) + len(body.Members); {
	case total == 0:
		return invalid("phones", "nobody is named")
	case total > maxGroupChange:
		return invalid("phones", "%d members at once, at most %d are taken", total, maxGroupChange)
	}
	done := GroupChanged{Group: r.PathValue("group"), Unknown: []string{}}
	ids := body.Members
	for _, text := range body.Phones {
		phone, err := message.ParsePhone(text)
		if err != nil {
			return invalid("phones", "%q: %v", text, err)
		}
		m, err := a.Store.FindMember(r.Context(), n.Number, phone)
		if err != nil {
			return err
		}
		if m.Joined.IsZero() {
			done.Unknown = append(done.Unknown, text)
			continue
		}
		ids = append(ids, m.Member.ID)
	}
	if done.Changed, err = change(r.Context(), n.Number, done.Group, ids); err != nil {
		return err
	}
	return a.answer(w, r, done)
}
