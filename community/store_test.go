package community

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"fanline/engine/message"
	"fanline/pipeline/record"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	ours    = message.Phone(17735550100)
	theirs  = message.Phone(17735550101)
	ann     = message.Phone(12025550123)
	bob     = message.Phone(12025550124)
	carla   = message.Phone(447700900123)
	started = 1_790_000_000_000 // 2026-09-21
)

// fixture is a store whose clock stands still.
type fixture struct {
	*Store
	t   *testing.T
	url string
	at  time.Time
}

// eachDatabase runs a test over SQLite, and over PostgreSQL when there is one:
// the store promises the same on both.
func eachDatabase(t *testing.T, test func(t *testing.T, s *fixture)) {
	t.Run("sqlite", func(t *testing.T) { test(t, newFixture(t, filepath.Join(t.TempDir(), "fan line?.db"))) })
	t.Run("postgres", func(t *testing.T) {
		server := os.Getenv("FANLINE_TEST_POSTGRES")
		if server == "" {
			t.Skip("FANLINE_TEST_POSTGRES names no server (postgres://user:password@host/database)")
		}
		test(t, newFixture(t, ownSchema(t, server)))
	})
}

// ownSchema makes a schema for one test and returns the server's URL with it.
func ownSchema(t *testing.T, server string) string {
	var b [6]byte
	rand.Read(b[:])
	schema := "test_" + hex.EncodeToString(b[:])
	db, err := sql.Open("pgx", server)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("CREATE SCHEMA " + schema); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := db.Exec("DROP SCHEMA " + schema + " CASCADE"); err != nil {
			t.Error(err)
		}
		db.Close()
	})
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("search_path", schema)
	u.RawQuery = q.Encode()
	return u.String()
}

func newFixture(t *testing.T, url string) *fixture {
	f := &fixture{t: t, url: url, at: time.UnixMilli(started).UTC()}
	f.open()
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	f.must(f.SyncNumbers(t.Context(), []Number{
		{Number: ours, Kind: "long_code", Leader: "demo", Carriers: []string{"acme", "bell"}, LimitPerSecond: 10},
		{Number: theirs, Kind: "short_code", Leader: "other"},
	}))
	return f
}

func (f *fixture) open() {
	f.t.Helper()
	s, err := Open(f.t.Context(), f.url, Options{Partitions: 12, Now: func() time.Time { return f.at }})
	f.must(err)
	f.Store = s
}

func (f *fixture) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// in runs one step in a transaction of its own.
func (f *fixture) in(step func(ctx context.Context, tx *Tx) error) {
	f.t.Helper()
	ctx := f.t.Context()
	f.must(f.InTx(ctx, func(tx *Tx) error { return step(ctx, tx) }))
}

// join joins a member to ours.
func (f *fixture) join(phone message.Phone, p Profile) message.MemberID {
	f.t.Helper()
	var j Joining
	f.in(func(ctx context.Context, tx *Tx) (err error) {
		j, err = tx.JoinMember(ctx, ours, phone, p, Evidence{Method: "form"})
		return err
	})
	return j.Member.ID
}

// standing returns how a phone stands with ours.
func (f *fixture) standing(phone message.Phone) Membership {
	f.t.Helper()
	m, err := f.FindMember(f.t.Context(), ours, phone)
	f.must(err)
	return m
}

// outbox takes everything out of the outbox.
func (f *fixture) outbox() []Outgoing {
	f.t.Helper()
	var all []Outgoing
	for {
		rows, err := f.OutboxNext(f.t.Context(), 100)
		f.must(err)
		if len(rows) == 0 {
			return all
		}
		f.must(f.OutboxDone(f.t.Context(), rows))
		all = append(all, rows...)
	}
}

func TestAStoreOpensAgainWithAllThatWasCommitted(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *fixture) {
		s.join(ann, Profile{FirstName: "Ann", City: "Chicago", State: "IL"})
		s.must(s.SetSetting(t.Context(), "greeting", "hello"))
		s.must(s.SetSetting(t.Context(), "greeting", "good day"))
		s.must(s.Close())
		s.open()
		if m := s.standing(ann); m.Member.FirstName != "Ann" || m.Member.State != "IL" || m.Consent != Joined {
			t.Errorf("found %+v", m)
		}
		if v, err := s.Setting(t.Context(), "greeting"); err != nil || v != "good day" {
			t.Errorf("setting %q, %v", v, err)
		}
		if _, err := s.Setting(t.Context(), "none"); !errors.Is(err, ErrNotFound) {
			t.Errorf("a setting that was never set: %v", err)
		}
		select {
		case <-s.Wake():
		default:
			t.Error("what stands in the outbox from before is not signalled")
		}
		s.must(s.Ping(t.Context()))
	})
}

func TestAnotherNumberOfPartitionsIsRefused(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *fixture) {
		other, err := Open(t.Context(), s.url, Options{Partitions: 24})
		if !errors.Is(err, ErrPartitions) {
			t.Errorf("opened with 24 partitions: %v", err)
		}
		if other != nil {
			other.Close()
		}
	})
	if _, err := Open(t.Context(), "x.db", Options{}); !errors.Is(err, ErrPartitions) {
		t.Errorf("opened without partitions: %v", err)
	}
}

func TestAStoreOfANewerProgramIsRefused(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *fixture) {
		s.in(func(ctx context.Context, tx *Tx) error {
			return tx.exec(ctx, `INSERT INTO migrations (number, name, at) VALUES (9999, 'later.sql', 0)`)
		})
		other, err := Open(t.Context(), s.url, Options{Partitions: 12})
		if err == nil || !strings.Contains(err.Error(), "newer") {
			t.Errorf("opened: %v", err)
		}
		if other != nil {
			other.Close()
		}
	})
}

func TestAPasswordStandsInNoError(t *testing.T) {
	_, err := Open(t.Context(), "postgres://fanline:hunter2@127.0.0.1:1/none?sslmode=disable&connect_timeout=1", Options{Partitions: 12})
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("error %v", err)
	}
	_, err = Open(t.Context(), "postgres://fanline:hunter2@127.0.0.1:notaport/none", Options{Partitions: 12})
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("error %v", err)
	}
}

func TestTheFileIsForItsOwnerAlone(t *testing.T) {
	s := newFixture(t, filepath.Join(t.TempDir(), "a.db"))
	s.join(ann, Profile{})
	files, err := filepath.Glob(s.url + "*")
	s.must(err)
	for _, f := range files {
		info, err := os.Stat(f)
		s.must(err)
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", filepath.Base(f), info.Mode())
		}
	}
	if len(files) != 3 {
		t.Errorf("files %v, want the database with its log and index", files)
	}
}

func TestATransactionThatFailsLeavesNothing(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *fixture) {
		failure := errors.New("no")
		err := s.InTx(t.Context(), func(tx *Tx) error {
			if _, err := tx.JoinMember(t.Context(), ours, ann, Profile{FirstName: "Ann"}, Evidence{Method: "form"}); err != nil {
				t.Fatal(err)
			}
			if err := tx.SetConsumed(t.Context(), "inbound", 3, 10); err != nil {
				t.Fatal(err)
			}
			return failure
		})
		if !errors.Is(err, failure) {
			t.Errorf("error %v", err)
		}
		if m := s.standing(ann); m.Consent != Stranger || m.Member.ID != 0 || m.Member.Phone != ann {
			t.Errorf("found %+v", m)
		}
		if next, err := s.Consumed(t.Context(), "inbound", 3); err != nil || next != 0 {
			t.Errorf("consumed %d, %v", next, err)
		}
		if rows := s.outbox(); len(rows) > 0 {
			t.Errorf("outbox %v", rows)
		}
	})
}

func TestAConsumedOffsetNeverGoesBack(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *fixture) {
		for _, next := range []int64{5, 9, 7} {
			s.in(func(ctx context.Context, tx *Tx) error { return tx.SetConsumed(ctx, "inbound", 3, next) })
		}
		s.in(func(ctx context.Context, tx *Tx) error {
			next, err := tx.Consumed(ctx, "inbound", 3)
			if next != 9 {
				t.Errorf("next offset %d, want 9", next)
			}
			return err
		})
	})
}

func TestNumbersFollowTheConfiguration(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *fixture) {
		s.join(ann, Profile{})
		s.must(s.SyncNumbers(t.Context(), []Number{{Number: theirs, Kind: "toll_free", Leader: "demo", Carriers: []string{"bell"}, LimitPerSecond: 3}}))
		all, err := s.Numbers(t.Context())
		s.must(err)
		if len(all) != 1 || all[0].Number != theirs || all[0].Kind != "toll_free" || all[0].Leader != "demo" || len(all[0].Carriers) != 1 || all[0].LimitPerSecond != 3 {
			t.Errorf("numbers %+v", all)
		}
		if m := s.standing(ann); m.Consent != Joined {
			t.Errorf("the members of a number that is no longer configured: %+v", m)
		}
		if _, err := s.CreateBroadcast(t.Context(), NewBroadcast{Number: ours, Text: "hi", Audience: "all", Validity: time.Hour}); !errors.Is(err, ErrNotFound) {
			t.Errorf("a broadcast from a number that is no longer configured: %v", err)
		}
		if err := s.SyncNumbers(t.Context(), []Number{{Number: 5}}); !errors.Is(err, ErrInvalid) {
			t.Errorf("a number without a leader: %v", err)
		}
	})
}

func TestTheOutboxHandsOutInOrderAndDeletesWhatItIsTold(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *fixture) {
		<-s.Wake()
		s.in(func(ctx context.Context, tx *Tx) error {
			for i := range 5 {
				if err := tx.put(ctx, "jobs", int32(i), nil, []byte{byte(i)}); err != nil {
					return err
				}
			}
			return nil
		})
		select {
		case <-s.Wake():
		default:
			t.Error("the commit did not wake the relay")
		}
		rows, err := s.OutboxNext(t.Context(), 3)
		s.must(err)
		if len(rows) != 3 || rows[0].Value[0] != 0 || rows[2].Value[0] != 2 || rows[2].Partition != 2 || rows[2].Topic != "jobs" {
			t.Fatalf("rows %+v", rows)
		}
		s.must(s.OutboxDone(t.Context(), []Outgoing{rows[0], rows[2]}))
		s.must(s.OutboxDone(t.Context(), nil))
		var left []byte
		for _, r := range s.outbox() {
			left = append(left, r.Value[0])
		}
		if string(left) != "\x01\x03\x04" {
			t.Errorf("left are %v, want 1 3 4", left)
		}
	})
}

func TestASingleMessageKnowsItsMember(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *fixture) {
		id := s.join(ann, Profile{Birth: NewDate(2000, 9, 22), Gender: "f", Language: "es", City: "Boise", State: "ID"})
		s.outbox()
		s.in(func(ctx context.Context, tx *Tx) error {
			for _, phone := range []message.Phone{ann, bob} {
				if _, err := tx.Send(ctx, record.Single{Number: ours, Phone: phone, Text: "hi", Class: message.ClassJoining}); err != nil {
					return err
				}
			}
			if _, err := tx.Send(ctx, record.Single{Number: ours, Phone: ann}); !errors.Is(err, ErrInvalid) {
				t.Errorf("a message without text: %v", err)
			}
			return nil
		})
		rows := s.outbox()
		job, err := record.DecodeJob(rows[0].Value)
		s.must(err)
		m := job.Single
		if m.Member != id || m.Attributes.Age != 25 || m.Attributes.Gender != 'f' || string(m.Attributes.Language[:]) != "es" || m.Attributes.City == 0 || m.ID.IsZero() {
			t.Errorf("job %+v", m)
		}
		if rows[0].Partition != ann.Partition(12) || rows[0].Topic != record.TopicJobs {
			t.Errorf("row %+v", rows[0])
		}
		job, err = record.DecodeJob(rows[1].Value)
		s.must(err)
		if job.Single.Member != 0 || job.Single.Phone != bob {
			t.Errorf("a stranger's job %+v", job.Single)
		}
	})
}
