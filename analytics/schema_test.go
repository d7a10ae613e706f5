package analytics

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"fanline/analytics/embedded/embeddedtest"
	"fanline/engine/message"
)

func TestMigrationsCanBeAppliedAgain(t *testing.T) {
	db := migrated(t, embeddedtest.Start(t))
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	// As after a crash between a file's last statement and its entry.
	if err := db.conn.Exec(t.Context(), "TRUNCATE TABLE schema_migrations"); err != nil {
		t.Fatal(err)
	}
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	all, err := loadMigrations(migrationFiles)
	if n := count(t, db, "schema_migrations FINAL"); err != nil || n != uint64(len(all)) {
		t.Errorf("%d migrations noted, want %d (%v)", n, len(all), err)
	}
}

func TestASchemaThatIsNotOursIsRefused(t *testing.T) {
	for name, change := range map[string]string{
		"changed file": "INSERT INTO schema_migrations (version, name, hash) VALUES (1, '0001_sink_cuts', 'another')",
		"newer":        "INSERT INTO schema_migrations (version, name, hash) VALUES (9999, '9999_future', 'x')",
	} {
		t.Run(name, func(t *testing.T) {
			db := migrated(t, embeddedtest.Start(t))
			if err := db.conn.Exec(t.Context(), "ALTER TABLE schema_migrations DELETE WHERE version = 1 SETTINGS mutations_sync = 1"); err != nil {
				t.Fatal(err)
			}
			if err := db.conn.Exec(t.Context(), change); err != nil {
				t.Fatal(err)
			}
			if err := db.Migrate(t.Context()); !errors.Is(err, ErrSchema) {
				t.Errorf("Migrate: %v, want %v", err, ErrSchema)
			}
			sink := runSink(t, db, newLog(t))
			if err := <-sink.ended; !errors.Is(err, ErrSchema) {
				t.Errorf("the sink ended with %v, want %v", err, ErrSchema)
			}
			sink.ended <- nil
		})
	}
}

func TestMigrationsAreNumberedWithoutGaps(t *testing.T) {
	for name, files := range map[string][]string{
		"gap": {"0001_a", "0003_b"}, "twice": {"0001_a", "0001_b"}, "no number": {"a_b"},
	} {
		fs := fstest.MapFS{}
		for _, f := range files {
			fs["migrations/"+f+".sql"] = &fstest.MapFile{Data: []byte("SELECT 1;\n")}
		}
		if _, err := loadMigrations(fs); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestStatementsEndAtSemicolonsAtTheEndOfALine(t *testing.T) {
	got := statements("-- a; comment\nSELECT 1;\n\n  -- another;\nSELECT ';', 2\nFROM t;\n")
	if len(got) != 2 || got[0] != "SELECT 1" || got[1] != "SELECT ';', 2\nFROM t" {
		t.Errorf("%q", got)
	}
}

func TestTheSchemaNamesEveryWordOfTheVocabulary(t *testing.T) {
	db := migrated(t, embeddedtest.Start(t))
	enum := func(table, column string) string {
		var e string
		const query = "SELECT type FROM system.columns WHERE database = currentDatabase() AND table = ? AND name = ?"
		if err := db.conn.QueryRow(t.Context(), query, table, column).Scan(&e); err != nil {
			t.Fatal(err)
		}
		return e
	}
	want := func(table, column string, n int, word fmt.Stringer) {
		if e := enum(table, column); !strings.Contains(e, fmt.Sprintf("'%s' = %d", word, n)) {
			t.Errorf("%s.%s is %s: %q = %d is missing", table, column, e, word, n)
		}
	}
	for s := range message.State(message.States) {
		want("message_events", "state", int(s), s)
		want("message_events", "from_state", int(s), s)
		want("broadcast_counts", "state", int(s), s)
	}
	for c := range message.Class(message.Classes) {
		want("message_events", "class", int(c), c)
	}
	for r := range message.Reason(255) {
		if r.String() == fmt.Sprint(uint8(r)) {
			if r <= message.ReasonRoute {
				t.Errorf("reason %d has no name", r)
			}
			break // No further ones have a name.
		}
		want("message_events", "reason", int(reasonOf(r)), r)
	}
}
