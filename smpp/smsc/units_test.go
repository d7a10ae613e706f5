package smsc

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fanline/smpp"
)

func TestNothingLeavesAWheelEarlyOrIsLost(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, start := range []uint32{0, 12345, 1<<32 - 3000} { // the last one wraps on its way
		w := newReceiptWheel(start, &chunks[delivery]{})
		due := map[uint64]uint32{}
		now, next := start, uint64(0)
		latest := uint32(0)
		for range 30_000 {
			for range rng.IntN(3) {
				next++
				d := delivery{id: next, due: now + uint32(rng.IntN(7000))}
				if rng.IntN(1000) == 0 {
					d.due = now + 300_000 // more than a turn of the coarse wheel
				}
				due[d.id] = d.due
				w.add(&d, now)
			}
			now += uint32(rng.IntN(5))
			w.turn(now, func(batch []delivery) {
				for _, d := range batch {
					want, ok := due[d.id]
					if !ok {
						t.Fatalf("%d left twice", d.id)
					}
					if int32(want-now) > 0 {
						t.Fatalf("%d left %d ms early", d.id, int32(want-now))
					}
					latest = max(latest, now-want)
					delete(due, d.id)
				}
			})
		}
		if latest > 2*fineSlotMs+5 {
			t.Errorf("one left %d ms late", latest)
		}
		for range 320_000 / 4 {
			now += 4
			w.turn(now, func(batch []delivery) {
				for _, d := range batch {
					delete(due, d.id)
				}
			})
		}
		if len(due) != 0 || w.len() != 0 {
			t.Errorf("%d never left, the wheel counts %d", len(due), w.len())
		}
	}
}

func TestDrainingAWheelGivesBackEverything(t *testing.T) {
	w := newReceiptWheel(0, &chunks[delivery]{})
	for i := range 1000 {
		w.add(&delivery{id: uint64(i), due: uint32(i * 37)}, 0)
	}
	seen := map[uint64]bool{}
	w.drain(func(batch []delivery) {
		for _, d := range batch {
			seen[d.id] = true
		}
	})
	if len(seen) != 1000 || w.len() != 0 {
		t.Errorf("%d given back, %d left", len(seen), w.len())
	}
}

func TestAQueueKeepsItsOrder(t *testing.T) {
	var q queue[int]
	var c chunks[int]
	next, want := 0, 0
	for round := range 200 {
		for range round % 50 {
			q.push(&c, next)
			next++
		}
		for range (round * 7) % 45 {
			v, ok := q.pop(&c)
			if ok != (want < next) {
				t.Fatalf("pop says %v with %d in line", ok, next-want)
			}
			if ok && v != want {
				t.Fatalf("got %d, want %d", v, want)
			}
			if ok {
				want++
			}
		}
		if q.n != next-want {
			t.Fatalf("counts %d, holds %d", q.n, next-want)
		}
	}
}

func TestALimitIsKeptAndUsed(t *testing.T) {
	for _, tt := range []struct {
		perSecond int
		burst     time.Duration
		step      time.Duration // between attempts
	}{
		{1000, 100 * time.Millisecond, 100 * time.Microsecond},
		{100_000, 10 * time.Millisecond, time.Microsecond},
		{3, time.Second, 10 * time.Millisecond},
		{1, 0, 50 * time.Millisecond},
	} {
		t.Run(fmt.Sprint(tt.perSecond), func(t *testing.T) {
			var l limit
			l.set(tt.perSecond, tt.burst)
			const span = 5 * time.Second
			var taken []int64
			for now := int64(0); now < int64(span); now += int64(tt.step) {
				if l.take(moment{ns: now}) {
					taken = append(taken, now)
				}
			}
			bucket := max(1, int(tt.burst.Seconds()*float64(tt.perSecond)))
			var c slidingCount
			for _, at := range taken {
				c.add(at / 1000)
			}
			if most := c.finish(); most > int64(tt.perSecond+bucket) {
				t.Errorf("%d in a second, limit %d and a bucket of %d", most, tt.perSecond, bucket)
			}
			if least := tt.perSecond * 5 * 98 / 100; len(taken) < least {
				t.Errorf("%d in 5 s, want at least %d", len(taken), least)
			}
		})
	}
}

func TestAPartGivenBackCanBeTakenAgain(t *testing.T) {
	var l limit
	l.set(1, 0)
	if !l.take(moment{}) || l.take(moment{ns: 1}) {
		t.Fatal("the bucket holds one")
	}
	l.giveBack()
	if !l.take(moment{ns: 2}) {
		t.Error("the part that was given back is gone")
	}
	var none limit
	none.giveBack()
	if first := none.take(moment{}); !first || !none.take(moment{}) {
		t.Error("no limit refuses")
	}
}

func TestIDsAreReadBackAndDiffer(t *testing.T) {
	for form := IDDecimal; form <= IDUUID; form++ {
		seen := map[string]bool{}
		for _, id := range []uint64{1, 10, 255, 1 << 40, 1_776_000_000_000_001, 1<<63 + 5} {
			s := string(form.Append(nil, id))
			if back, ok := form.Parse(s); !ok || back != id {
				t.Errorf("%s: %d is written %q and read %d", form, id, s, back)
			}
			if seen[s] || len(s) > 36 {
				t.Errorf("%s: %q", form, s)
			}
			seen[s] = true
		}
		if back, err := ParseIDForm(form.String()); err != nil || back != form {
			t.Errorf("%s is read as %s, %v", form, back, err)
		}
	}
	if got := string(IDUUID.Append(nil, 7)); len(got) != 36 || strings.Count(got, "-") != 4 {
		t.Errorf("uuid %q", got)
	}
}

func TestIDsWrittenInARowAreThoseWrittenAlone(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for form := IDDecimal; form <= IDUUID; form++ {
		w := idWriter{form: form}
		for range 5000 {
			id := rng.Uint64() >> rng.IntN(64)
			for _, id := range []uint64{id, id + 1, id + idTailUnit, id / idTailUnit * idTailUnit} {
				if got, want := string(w.append([]byte("x"), id)), "x"+string(form.Append(nil, id)); got != want {
					t.Fatalf("%s: %d is written %q, want %q", form, id, got, want)
				}
			}
		}
	}
}

func TestPhonesSurvivePacking(t *testing.T) {
	for _, s := range []string{"0", "00", "7", "13125550001", "0049301234567", "9999999999999999"} {
		if got := parsePhone([]byte(s)).String(); got != s {
			t.Errorf("%q becomes %q", s, got)
		}
	}
	for _, s := range []string{"", "+1", "1 2", "12345678901234567", "abc", "1a"} {
		if p := parsePhone([]byte(s)); p != 0 {
			t.Errorf("%q is taken for a phone", s)
		}
	}
}

func TestKeysOfBroadcastsHaveOneForm(t *testing.T) {
	for s, want := range map[string]bool{
		"b1.2": true, "b4294967295.4294967295": true, "b0.0": true, "b01.2": false, "b1.02": false, "b1": false, "b1.": false,
		"b.1": false, "b4294967296.1": false, "b1.2x": false, "c1.2": false, "": false,
	} {
		broadcast, member, ok := parseBroadcastKey([]byte(s))
		if ok != want {
			t.Errorf("%q: %v", s, ok)
		}
		if ok && string(appendBroadcastKey(nil, broadcast, member)) != s {
			t.Errorf("%q is written back as %q", s, appendBroadcastKey(nil, broadcast, member))
		}
	}
}

func TestADistributionHasItsQuantiles(t *testing.T) {
	p50, p90 := Duration(10*time.Millisecond), Duration(40*time.Millisecond)
	s, err := compileDistribution(&Distribution{P50: &p50, P90: &p90, Max: Duration(100 * time.Millisecond)})
	if err != nil {
		t.Fatal(err)
	}
	for q, want := range map[int]uint32{256: 5000, 512: 10000, 922: 40000, 1023: 100000} {
		if got := s.micros[q]; got < want*97/100 || got > want*103/100 {
			t.Errorf("quantile %d/1024 is %d µs, want about %d", q, got, want)
		}
	}
	late := Duration(time.Second)
	if _, err := compileDistribution(&Distribution{P50: &late, Max: Duration(time.Millisecond)}); err == nil {
		t.Error("falling quantiles are accepted")
	}
}

func TestPatterns(t *testing.T) {
	for _, tt := range []struct {
		pattern, s string
		want       bool
	}{
		{"", "x", true},
		{"*", "", true},
		{"1312", "1312", true},
		{"1312", "13125", false},
		{"1312*", "13125", true},
		{"*13", "13", true},
		{"*13", "131", false},
		{"1*1", "1", false},
		{"1*1", "11", true},
		{"1*22*3", "1224223", true},
		{"1*22*3", "12x23", false},
		{"+1312*", "13125", true},
	} {
		p := compilePattern(tt.pattern)
		if got := p.match(tt.s); got != tt.want {
			t.Errorf("%q matches %q: %v", tt.pattern, tt.s, got)
		}
	}
}

func TestPatchedReceiptsAreThoseOfTheEncoder(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for _, tlvs := range []bool{true, false} {
		for ids := IDDecimal; ids <= IDShort; ids++ {
			form := standardForm(ids, tlvs)
			if !form.patched {
				t.Fatal("the usual form isn't patched")
			}
			w := &receiptWriter{}
			numbers := []*number{{addr: testNumber}, {addr: "77355"}}
			for range 300 {
				micros := int64(1_776_000_000_000_000) + rng.Int64N(1e12)
				d := delivery{
					id: rng.Uint64() >> rng.IntN(60), from: parsePhone([]byte(fmt.Sprintf("%016d", rng.Uint64()>>12)[:3+rng.IntN(13)])),
					submitted: uint32(micros/1e6) - uint32(rng.IntN(1e6)), fromType: byte(rng.UintN(256)), toType: byte(rng.UintN(256)),
					stat: Stat(1 + rng.IntN(len(statTable)-1)),
				}
				n := numbers[rng.IntN(2)]
				w.begin([]*receiptForm{&form}, smpp.Version34, micros)
				seq := rng.Uint32()
				got := w.append([]byte("before"), seq, &d, n)
				want, err := smpp.Append([]byte("before"), 0, seq, form.pdu(&d, d.stat, false, false, n, micros/1e6))
				if err != nil {
					t.Fatal(err)
				}
				if string(got) != string(want) {
					t.Fatalf("%s, tlvs %v:\ngot  %q\nwant %q", ids, tlvs, got, want)
				}
			}
		}
	}
}

func TestAnswersAreThoseOfTheEncoder(t *testing.T) {
	for _, version := range []byte{smpp.Version33, smpp.Version34, smpp.Version50} {
		for _, r := range []response{
			{id: 77, seq: 5},
			{seq: 6, status: 0x58},
			{id: 78, seq: 7, kind: kindData},
			{seq: 8, status: 8, kind: kindData},
			{id: 79, seq: 9, shape: shapeErrorBody},
			{id: 79, seq: 9, shape: shapeEmptyID},
		} {
			w := &writer{ids: idWriter{form: IDHex}, c: &conn{version: version, s: &server{}}}
			w.c.s.live.Store(&plan{})
			w.c.congestion.Store(42)
			w.answer(&r)
			id := ""
			if r.id != 0 && r.shape != shapeEmptyID {
				id = string(IDHex.Append(nil, r.id))
			}
			var o smpp.Options
			if version == smpp.Version50 {
				o = o.Append(smpp.TagCongestionState, []byte{42})
			}
			var p smpp.PDU = &smpp.SubmitSMResp{MessageID: id, Options: o}
			if r.kind == kindData {
				p = &smpp.DataSMResp{MessageID: id, Options: o}
			}
			want, err := smpp.Encoding{Version: version, Loose: true}.Append(nil, smpp.Status(r.status), r.seq, p)
			if err != nil {
				t.Fatal(err)
			}
			if string(w.out) != string(want) {
				t.Errorf("%#x, %+v: got %x, want %x", version, r, w.out, want)
			}
		}
	}
}

func TestTheExamplesLoad(t *testing.T) {
	dir := filepath.Join("..", "..", "configs", "simulator")
	accounts, err := LoadAccounts(filepath.Join(dir, "accounts.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	scenario, err := LoadScenario(filepath.Join(dir, "scenario.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	r := startSMSC(t, t.TempDir(), accounts, &scenario)
	if got := r.dial().bind(smpp.BindTransceiverID, "fanline", "secret"); got != smpp.StatusOK {
		t.Error(got)
	}
}

func TestTheExampleScenarioShowsEveryKey(t *testing.T) {
	shown := ""
	for _, name := range []string{"scenario.yaml", "accounts.yaml", "traffic.yaml"} {
		b, err := os.ReadFile(filepath.Join("..", "..", "configs", "simulator", name))
		if err != nil {
			t.Fatal(err)
		}
		shown += string(b)
	}
	for _, key := range append(yamlKeys(Scenario{}), yamlKeys(Account{})...) {
		if !strings.Contains(shown, key+":") {
			t.Errorf("no example shows %s", key)
		}
	}
}

func TestAWrongFileIsRefusedWithItsLine(t *testing.T) {
	const good = "accounts:\n  - system_id: a\n    password: p\n    numbers: [{number: \"1\"}]\n"
	for _, tt := range []struct{ name, content, want string }{
		{"empty", " \n", "empty"},
		{"an unknown key", strings.Replace(good, "password", "pasword", 1), "[3:"},
		{"a wrong type", strings.Replace(good, "password: p", "password: p\n    max_binds: many", 1), "[4:"},
		{"no numbers", "accounts:\n  - {system_id: a, password: p}\n", "numbers"},
		{"a wrong bind", good + "    binds: [both]\n", "both"},
		{"two of one name", good + strings.TrimPrefix(good, "accounts:\n"), "twice"},
		{"a number twice", "accounts:\n  - {system_id: a, numbers: [{number: \"1\"}, {number: \"+1\"}]}\n", "twice"},
		{"a bad duration", good + "    burst: 3 parsecs\n", "[5:"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "accounts.yaml")
			if err := os.WriteFile(path, []byte(tt.content), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := LoadAccounts(path)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("got %v, want the path and %q", err, tt.want)
			}
		})
	}
	for _, tt := range []struct{ name, content, want string }{
		{"an unknown key", "seed: 1\nlatencies: {}\n", "[2:"},
		{"an unknown key in a rule", "rules:\n  - {to: \"1*\", latncy: {}}\n", "[2:"},
		{"an unknown status", "statuses: {ESME_ROFL: 0.5}\n", "ESME_ROFL"},
		{"shares above one", "statuses: {ESME_RSYSERR: 0.6, ESME_RMSGQFUL: 0.6}\n", "1.2"},
		{"an unknown state", "receipts: {states: {DONE: 1}}\n", "DONE"},
		{"an unknown id form", "ids: {form: octal}\n", "octal"},
		{"an unknown fault", "faults: [{kind: fire}]\n", "fire"},
		{"a rule for all", "rules: [{latency: {max: 1s}}]\n", "neither"},
		{"a window of none", "receipt_window: 0\n", "receipt_window"},
		{"a negative duration", "resend_after: -1s\n", "[1:"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "scenario.yaml")
			if err := os.WriteFile(path, []byte(tt.content), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := LoadScenario(path)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("got %v, want the path and %q", err, tt.want)
			}
		})
	}
}

func TestSecretsComeFromElsewhere(t *testing.T) {
	t.Setenv("SMSC_TEST_SECRET", "s1")
	path := filepath.Join(t.TempDir(), "s")
	if err := os.WriteFile(path, []byte("s2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for in, want := range map[string]string{"plain": "plain", "env:SMSC_TEST_SECRET": "s1", "file:" + path: "s2"} {
		if got, err := secret(in); err != nil || got != want {
			t.Errorf("%s: %q, %v", in, got, err)
		}
	}
	if _, err := secret("env:SMSC_TEST_NOT_SET"); err == nil {
		t.Error("a variable that is not set is no error")
	}
}
