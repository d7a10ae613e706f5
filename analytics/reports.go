package analytics

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"fanline/engine/message"
)

// query runs a report and gives each row to scan; arguments are named, and
// sent beside the text of the query.
func (db *DB) query(ctx context.Context, report, text string, args []driver.NamedValue, scan func(driver.Rows) error) error {
	named := make([]any, len(args))
	for i := range args {
		named[i] = args[i]
	}
	rows, err := db.conn.Query(ctx, text, named...)
	if err != nil {
		return fmt.Errorf("%s: %w", report, err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return fmt.Errorf("%s: %w", report, err)
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("%s: %w", report, err)
	}
	return nil
}

func of(broadcast message.BroadcastID) []driver.NamedValue {
	return []driver.NamedValue{clickhouse.Named("broadcast", uint32(broadcast))}
}

// Tallies counts the messages of a broadcast, and their parts, by where they
// stand: the sum of all moves from one state to another.
func (db *DB) Tallies(ctx context.Context, broadcast message.BroadcastID) (messages, parts message.Tally, err error) {
	const moves = `SELECT toUInt8(from_state), toUInt8(state), toInt64(count()), toInt64(sum(parts))
FROM message_events WHERE broadcast = {broadcast:UInt32} GROUP BY from_state, state`
	const settled = `SELECT toUInt8(state), sum(count) FROM broadcast_counts WHERE broadcast = {broadcast:UInt32} GROUP BY state`
	err = db.query(ctx, "ledger", moves, of(broadcast), func(rows driver.Rows) error {
		var from, state uint8
		var n, p int64
		if err := rows.Scan(&from, &state, &n, &p); err != nil {
			return err
		}
		if from >= message.States || state >= message.States {
			return fmt.Errorf("states %d and %d are unknown to this program", from, state)
		}
		messages[state] += n
		parts[state] += p
		if message.State(from) != message.Open {
			messages[from] -= n
			parts[from] -= p
		}
		return nil
	})
	if err != nil {
		return messages, parts, err
	}
	err = db.query(ctx, "ledger", settled, of(broadcast), func(rows driver.Rows) error {
		var state uint8
		var n int64
		if err := rows.Scan(&state, &n); err != nil {
			return err
		}
		if state >= message.States {
			return fmt.Errorf("state %d is unknown to this program", state)
		}
		messages[state] += n // Their parts were never encoded.
		return nil
	})
	return messages, parts, err
}

// Ledger returns the ledger of a broadcast that accepted that many messages,
// and its twin in parts, which has accepted what was encoded.
func (db *DB) Ledger(ctx context.Context, broadcast message.BroadcastID, accepted int64) (messages, parts message.Ledger, err error) {
	m, p, err := db.Tallies(ctx, broadcast)
	if err != nil {
		return messages, parts, err
	}
	var encoded int64
	for _, n := range p {
		encoded += n
	}
	return m.Ledger(accepted), p.Ledger(encoded), nil
}

// Keys counts the rows of message events of a broadcast and, exactly, the
// messages they are about. Broadcast 0 means all one-to-one messages.
func (db *DB) Keys(ctx context.Context, broadcast message.BroadcastID) (rows, keys uint64, err error) {
	// groupBitmap counts exactly, as uniqExact does, in a fraction of the memory.
	distinct := "toUInt64(groupBitmap(member))"
	if broadcast == 0 {
		distinct = "uniqExact(id)"
	}
	text := "SELECT count(), " + distinct + " FROM message_events WHERE broadcast = {broadcast:UInt32}"
	err = db.query(ctx, "keys", text, of(broadcast), func(r driver.Rows) error { return r.Scan(&rows, &keys) })
	return rows, keys, err
}

// Latency is how long messages took from the first write to the receipt that
// said delivered.
type Latency struct {
	Delivered     uint64 // messages counted
	P50, P90, P99 time.Duration
}

// Latency returns the percentiles of a broadcast; all zero when nothing was
// delivered. They are estimated to well below 1 %.
func (db *DB) Latency(ctx context.Context, broadcast message.BroadcastID) (Latency, error) {
	const text = `SELECT count(), quantilesTDigest(0.5, 0.9, 0.99)(latency_ms)
FROM message_events WHERE broadcast = {broadcast:UInt32} AND state = 'delivered' AND latency_ms >= 0`
	var l Latency
	var q []float32
	err := db.query(ctx, "latency", text, of(broadcast), func(r driver.Rows) error { return r.Scan(&l.Delivered, &q) })
	if err != nil || l.Delivered == 0 {
		return Latency{}, err
	}
	ms := func(i int) time.Duration { return time.Duration(float64(q[i]) * float64(time.Millisecond)) }
	l.P50, l.P90, l.P99 = ms(0), ms(1), ms(2)
	return l, nil
}

// Place counts the messages to members of a city or a region.
type Place struct {
	City      uint32 // 0: a region, or the city is unknown
	Name      string // empty: unknown
	Region    string // state or province
	Messages  int64  // decided, one way or the other
	Delivered int64
}

// places sums up messages by city; the names are looked up afterwards.
const places = `SELECT city, toInt64(countIf(from_state = 'open')) AS messages,
 toInt64(countIf(state = 'delivered')) - toInt64(countIf(from_state = 'delivered')) AS delivered
FROM message_events WHERE broadcast = {broadcast:UInt32} GROUP BY city`

// TopCities returns the cities with the most messages of a broadcast, at most
// that many, in descending order.
func (db *DB) TopCities(ctx context.Context, broadcast message.BroadcastID, most int) ([]Place, error) {
	const text = `SELECT p.city, c.name, toString(c.region), p.messages, p.delivered
FROM (` + places + ` ORDER BY messages DESC, city LIMIT {most:UInt32}) AS p
LEFT JOIN (SELECT city, name, region FROM cities FINAL) AS c ON c.city = p.city
ORDER BY p.messages DESC, p.city`
	return db.places(ctx, text, append(of(broadcast), clickhouse.Named("most", uint32(most))))
}

// ByRegion returns the messages of a broadcast by state or province, those with
// the most first; the unknown one has an empty name.
func (db *DB) ByRegion(ctx context.Context, broadcast message.BroadcastID) ([]Place, error) {
	const text = `SELECT toUInt32(0), '', toString(c.region) AS region, sum(p.messages) AS messages, sum(p.delivered)
FROM (` + places + `) AS p
LEFT JOIN (SELECT city, region FROM cities FINAL) AS c ON c.city = p.city
GROUP BY region ORDER BY messages DESC, region`
	return db.places(ctx, text, of(broadcast))
}

func (db *DB) places(ctx context.Context, text string, args []driver.NamedValue) (all []Place, err error) {
	err = db.query(ctx, "places", text, args, func(r driver.Rows) error {
		var p Place
		err := r.Scan(&p.City, &p.Name, &p.Region, &p.Messages, &p.Delivered)
		all = append(all, p)
		return err
	})
	return all, err
}

// States gives each message of a broadcast, by key, and where it stands: the
// state of its latest row. It goes partition by partition, in ascending order
// of member or id within one, so that neither side holds all of them.
// Broadcast 0 means all one-to-one messages. It stops at the first error of
// yield and returns it.
func (db *DB) States(ctx context.Context, broadcast message.BroadcastID, yield func(message.Key, message.State) error) error {
	var partitions []uint16
	const distinct = `SELECT DISTINCT source_partition FROM message_events WHERE broadcast = {broadcast:UInt32} ORDER BY 1`
	err := db.query(ctx, "states", distinct, of(broadcast), func(r driver.Rows) error {
		var p uint16
		err := r.Scan(&p)
		partitions = append(partitions, p)
		return err
	})
	if err != nil {
		return err
	}
	key := "member"
	if broadcast == 0 {
		key = "id"
	}
	text := `SELECT ` + key + `, toUInt8(argMax(state, (source_offset, source_index))) FROM message_events
WHERE broadcast = {broadcast:UInt32} AND source_partition = {partition:UInt16} GROUP BY ` + key + ` ORDER BY ` + key
	for _, p := range partitions {
		err := db.query(ctx, "states", text, append(of(broadcast), clickhouse.Named("partition", p)), func(r driver.Rows) error {
			k, state, err := scanState(r, broadcast)
			if err != nil {
				return err
			}
			return yield(k, state)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func scanState(r driver.Rows, broadcast message.BroadcastID) (message.Key, message.State, error) {
	var state uint8
	if broadcast == 0 {
		var id message.ID
		err := r.Scan((*[16]byte)(&id), &state)
		return message.Key{ID: id}, message.State(state), err
	}
	var member uint32
	err := r.Scan(&member, &state)
	return message.Key{Broadcast: broadcast, Member: message.MemberID(member)}, message.State(state), err
}
