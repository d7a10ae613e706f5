package analytics

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/go-cmp/cmp"

	"fanline/analytics/embedded/embeddedtest"
	"fanline/engine/message"
	"fanline/pipeline/record"
)

// day counts days since 1970-01-01.
func day(year int, month time.Month, d int) int32 {
	return int32(time.Date(year, month, d, 0, 0, 0, 0, time.UTC).Unix() / 86400)
}

func TestReportsOfABroadcast(t *testing.T) {
	db, l := migrated(t, embeddedtest.Start(t)), newLog(t)
	l.append(record.TopicMembers, 0, record.AppendMembers(nil, &record.Members{Entries: []record.Member{
		{Member: 1, City: 1, CityName: "Chicago", Region: "IL", At: someTime}, {Member: 2, City: 2, CityName: "Evanston", Region: "IL", At: someTime},
	}}))
	j := record.Journal{}
	for m := 1; m <= 100; m++ { // Cities 0, 1, 2 by turns; members 1-10 fail, the others take m*10 ms.
		j.Outcomes = append(j.Outcomes, submitted(msg(m)))
		f := delivered(msg(m))
		f.At = someTime + int64(m)*10
		if m <= 10 {
			f.State = message.Failed
		}
		j.Finals = append(j.Finals, f)
	}
	other := submitted(msg(1000))
	other.Message.Broadcast = 8
	j.Outcomes = append(j.Outcomes, other)
	l.journal(0, j)
	runSink(t, db, l).caughtUp(t, l)

	latency, err := db.Latency(t.Context(), 7)
	near := func(got, want time.Duration) bool { return (got - want).Abs() <= 20*time.Millisecond }
	if err != nil || latency.Delivered != 90 || !near(latency.P50, 555*time.Millisecond) || !near(latency.P90, 915*time.Millisecond) || !near(latency.P99, 995*time.Millisecond) {
		t.Errorf("latency %+v, %v", latency, err)
	}
	if none, err := db.Latency(t.Context(), 99); err != nil || none != (Latency{}) {
		t.Errorf("latency of a broadcast without messages: %+v, %v", none, err)
	}
	top, err := db.TopCities(t.Context(), 7, 2)
	want := []Place{{City: 1, Name: "Chicago", Region: "IL", Messages: 34, Delivered: 30}, {City: 0, Messages: 33, Delivered: 30}}
	if diff := cmp.Diff(want, top); diff != "" || err != nil {
		t.Errorf("cities %v (-want +got):\n%s", err, diff)
	}
	regions, err := db.ByRegion(t.Context(), 7)
	want = []Place{{Region: "IL", Messages: 67, Delivered: 60}, {Messages: 33, Delivered: 30}}
	if diff := cmp.Diff(want, regions); diff != "" || err != nil {
		t.Errorf("regions %v (-want +got):\n%s", err, diff)
	}
}

func TestStatesGivesEachMessageItsLatestState(t *testing.T) {
	db, l := migrated(t, embeddedtest.Start(t)), newLog(t)
	l.journal(2, sent(0, 1, 2))
	l.journal(1, record.Journal{Outcomes: []record.Outcome{submitted(msg(3))}})
	l.journal(1, record.Journal{Outcomes: []record.Outcome{submitted(msg(4))}})
	l.journal(1, record.Journal{Finals: []record.Final{{Message: msg(4), From: message.Submitted, State: message.Failed, At: 1}}}) // An earlier clock.
	single := msg(5)
	single.Broadcast, single.Rank, single.ID = 0, 0, message.NewID()
	l.journal(0, record.Journal{Outcomes: []record.Outcome{submitted(single)}})
	runSink(t, db, l).caughtUp(t, l)

	got := map[string]string{}
	collect := func(k message.Key, s message.State) error {
		if _, twice := got[k.String()]; twice {
			return fmt.Errorf("%v came twice", k)
		}
		got[k.String()] = s.String()
		return nil
	}
	for _, b := range []message.BroadcastID{7, 0} {
		if err := db.States(t.Context(), b, collect); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]string{"b7.1": "delivered", "b7.2": "delivered", "b7.3": "submitted", "b7.4": "failed", single.ID.String(): "submitted"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	enough := errors.New("enough")
	if err := db.States(t.Context(), 7, func(message.Key, message.State) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("States went on after an error: %v", err)
	}
	if rows, keys, err := db.Keys(t.Context(), 0); rows != 1 || keys != 1 || err != nil {
		t.Errorf("one-to-one: %d rows about %d messages, %v; want 1 about 1", rows, keys, err)
	}
}

func TestAnAudienceIsCountedOverTheLatestProfiles(t *testing.T) {
	db, l := migrated(t, embeddedtest.Start(t)), newLog(t)
	en := [2]byte{'e', 'n'}
	l.append(record.TopicMembers, 0, record.AppendMembers(nil, &record.Members{Entries: []record.Member{
		{Member: 1, City: 1, CityName: "Chicago", Region: "IL", Birth: day(2000, 3, 1), Gender: 'f', Language: en, At: someTime},
		{Member: 2, City: 1, CityName: "Chicago", Region: "IL", Birth: day(1960, 1, 1), Gender: 'm', Language: en, At: someTime},
		{Member: 3, City: 2, CityName: "São Paulo", Region: "SP", Language: [2]byte{'p', 't'}, At: someTime},
		{Member: 4, City: 2, CityName: "São Paulo", Region: "SP", Gender: '?', At: someTime},
	}}))
	l.append(record.TopicMembers, 0, record.AppendMembers(nil, &record.Members{Entries: []record.Member{
		{Member: 2, City: 2, CityName: "São Paulo", Region: "SP", Birth: day(1960, 1, 1), Gender: 'm', At: someTime + 5}, // Moved.
		{Member: 4, Deleted: true, At: someTime + 5},
	}}))
	runSink(t, db, l).caughtUp(t, l)
	for name, c := range map[string]struct {
		a    Audience
		want uint64
	}{
		"all":                   {Audience{}, 3},
		"city in any case":      {Audience{Cities: []string{"são PAULO"}}, 2},
		"two cities":            {Audience{Cities: []string{"Chicago", "São Paulo"}}, 3},
		"region":                {Audience{Regions: []string{"il"}}, 1},
		"age today is birthday": {Audience{AgeMin: 26}, 2},
		"age range":             {Audience{AgeMin: 18, AgeMax: 26}, 1},
		"age at most":           {Audience{AgeMax: 70}, 2},
		"gender":                {Audience{Genders: []string{"M"}}, 1},
		"language":              {Audience{Languages: []string{"pt", "en"}}, 2},
		"all of it at once":     {Audience{Cities: []string{"São Paulo"}, Genders: []string{"m"}, AgeMin: 60}, 1},
		"hostile":               {Audience{Cities: []string{"x'] OR true --"}}, 0},
	} {
		got, err := db.CountAudience(t.Context(), c.a, time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
		if err != nil || got.Members != c.want {
			t.Errorf("%s: %d members, %v; want %d", name, got.Members, err, c.want)
		}
		if name == "all" && got.AsOf.UnixMilli() != someTime+5 {
			t.Errorf("as of %v, want the latest profile's time", got.AsOf)
		}
	}
}

func TestOfATextOnlyNumberSlotAndTimeAreKept(t *testing.T) {
	db, l := migrated(t, embeddedtest.Start(t)), newLog(t)
	const sender = message.Phone(12025550123)
	in := record.Inbound{Number: 17735550100, Phone: sender, Carrier: "acme", At: someTime, PDU: []byte("something private")}
	l.append(record.TopicInbound, sender.Partition(testPartitions), record.AppendInbound(nil, &in))
	runSink(t, db, l).caughtUp(t, l)
	var number uint64
	var slot uint16
	var carrier string
	var at time.Time
	if err := db.conn.QueryRow(t.Context(), "SELECT number, slot, carrier, at FROM inbound_texts").Scan(&number, &slot, &carrier, &at); err != nil {
		t.Fatal(err)
	}
	if number != 17735550100 || int(slot) != sender.Slot() || carrier != "acme" || at.UnixMilli() != someTime {
		t.Error(number, slot, carrier, at)
	}
	var columns []string
	rows, err := db.conn.Query(t.Context(), "SELECT name FROM system.columns WHERE database = currentDatabase() AND table = 'inbound_texts' ORDER BY position")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		columns = append(columns, name)
	}
	if diff := cmp.Diff([]string{"number", "slot", "carrier", "at", "source_partition", "source_offset"}, columns); diff != "" {
		t.Errorf("columns (-want +got):\n%s", diff)
	}
}

func TestAMessageKeepsWhatReportsNeedOfIt(t *testing.T) {
	db, l := migrated(t, embeddedtest.Start(t)), newLog(t)
	refused := record.Outcome{
		Message: msg(1), Part: 1, Code: message.Refused, Status: 0x45, Written: someTime, At: someTime + 20,
		State: message.Rejected, Reason: message.ReasonCode,
	}
	unknown := submitted(msg(2))
	unknown.At, unknown.Message.Attributes.Gender, unknown.Reason = 0, 'q', 200 // A later version's words, and no time.
	never := record.Final{Message: msg(3), State: message.ExpiredUnsent, Err: "a text of a carrier's own", At: someTime}
	l.journal(1, record.Journal{Outcomes: []record.Outcome{refused, unknown}, Finals: []record.Final{never}})
	runSink(t, db, l).caughtUp(t, l)
	const query = `SELECT concat_ws('|', event, member, carrier, class, from_state, state, reason, status, err, parts, city, age, gender, language,
 toUnixTimestamp64Milli(at) > 1700000000000, latency_ms, ifNull(toString(toUnixTimestamp64Milli(written_at)), ''), source_partition, source_offset, source_index)
FROM message_events ORDER BY source_index`
	var got []string
	if err := db.query(t.Context(), "test", query, nil, func(r driver.Rows) error {
		var s string
		err := r.Scan(&s)
		got = append(got, s)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"outcome|1|acme|broadcast|open|rejected|refused|69||1|1|30|f|en|1|20|1790000000000|1|0|0",
		"outcome|2|acme|broadcast|open|submitted|other|0||1|2|30||en|1|",
		"final|3|acme|broadcast|open|expired_unsent||0|a text of a carr|1|0|30|f|en|1|-1||1|0|2",
	}
	if len(got) == 3 {
		got[1] = got[1][:min(len(got[1]), len(want[1]))]
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAFinalKeepsWhatTheReceiptsOfEachPartSaid(t *testing.T) {
	db, l := migrated(t, embeddedtest.Start(t)), newLog(t)
	three, two := delivered(msg(1)), delivered(msg(2))
	three.Message.Parts, three.State, three.Err = 3, message.Failed, "21b"
	three.Parts = []record.Part{
		{State: message.Delivered, Err: "000", At: someTime}, {State: message.Failed, Err: "21b", At: someTime}, {},
	}
	two.Message.Parts = 2 // From before finals told of parts.
	l.journal(0, record.Journal{Outcomes: []record.Outcome{submitted(msg(1))}, Finals: []record.Final{three, two, delivered(msg(3))}})
	l.journal(1, record.Journal{Finals: []record.Final{delivered(msg(4))}})
	runSink(t, db, l).caughtUp(t, l)
	var got []string
	const query = `SELECT concat_ws('|', event, member, state, err, arrayStringConcat(part_states, ','), arrayStringConcat(part_errors, ','))
FROM message_events ORDER BY member, event`
	if err := db.query(t.Context(), "test", query, nil, func(r driver.Rows) error {
		var s string
		err := r.Scan(&s)
		got = append(got, s)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"outcome|1|submitted|||", "final|1|failed|21b|delivered,failed,open|000,21b,",
		"final|2|delivered|000||", "final|3|delivered|000||", "final|4|delivered|000||",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
