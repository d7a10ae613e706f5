package embedded

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
)

func TestADirectoryServesOneBrokerAtATime(t *testing.T) {
	dir := t.TempDir()
	b := open(t, Config{Dir: dir})
	if _, err := Open(context.Background(), Config{Dir: dir}); !errors.Is(err, ErrInUse) {
		t.Errorf("a second broker: %v", err)
	}
	c := client(t, b)
	if err := c.Ping(testContext(t)); err != nil {
		t.Errorf("the first one suffered: %v", err)
	}
	c.Close()
	closeBroker(t, b)
	open(t, Config{Dir: dir})
}

func TestTheSocketIsOursAloneAndGoesWithTheBroker(t *testing.T) {
	dir := t.TempDir()
	b := open(t, Config{Dir: dir})
	dial, addresses, err := DialerOf(dir)
	if err != nil || !slices.Equal(addresses, b.Addresses()) {
		t.Fatal(addresses, err)
	}
	conn, err := dial(testContext(t), "tcp", "anything:1")
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	for path, want := range map[string]os.FileMode{
		b.listener.path: 0o600, b.listener.dir: 0o700, AddressFile(dir): 0o600, b.dir: 0o700,
	} {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: mode %v, want %v, %v", path, info.Mode().Perm(), want, err)
		}
	}
	closeBroker(t, b)
	for _, path := range []string{b.listener.path, b.listener.dir, AddressFile(dir)} {
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there", path)
		}
	}
	if _, _, err := DialerOf(dir); err == nil || !strings.Contains(err.Error(), "no embedded broker runs") {
		t.Errorf("dialing a broker that is gone: %v", err)
	}
}

func TestTheSocketsPathFitsWhereTheTemporaryDirectoryIsDeep(t *testing.T) {
	deep := filepath.Join(t.TempDir(), strings.Repeat("d", 100))
	if err := os.Mkdir(deep, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", deep)
	b := open(t, Config{Dir: t.TempDir()})
	if err := client(t, b).Ping(testContext(t)); err != nil {
		t.Error(err)
	}
}

func TestAStrangerOnTheSocketIsCutOffAndTheBrokerLives(t *testing.T) {
	b := open(t, Config{Dir: t.TempDir()})
	request := func(size uint32, key uint16) string {
		h := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint32(nil, size), key)
		return string(append(h, make([]byte, 64)...))
	}
	for name, sent := range map[string]string{
		"unknown request":    request(20, 9999),
		"request of 4 GiB":   request(0xffffffff, 3),
		"too short":          request(3, 3),
		"HTTP":               "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"after a whole one":  request(66, 18) + request(20, 9999),
		"known but unparsed": request(66, 0),
	} {
		conn, err := b.Dialer()(testContext(t), "", "")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, sent); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, err := io.Copy(io.Discard, conn); err != nil && !strings.Contains(err.Error(), "reset") {
			t.Errorf("%s: %v", name, err)
		}
		conn.Close()
	}
	if err := client(t, b).Ping(testContext(t)); err != nil {
		t.Error(err)
	}
}

func TestTrimFreesWholeSegmentsButNeverTheNewest(t *testing.T) {
	const segment = 8 << 10
	b := open(t, Config{Dir: t.TempDir(), SegmentBytes: segment})
	c := client(t, b)
	createTopic(t, c, "t", 2, nil)
	end := produce(t, c, "t", 0, repeat(120, strings.Repeat("v", 1000))...) + 1
	bases, err := segments(filepath.Join(b.syncer.root, "t-0"))
	if err != nil || len(bases) < 10 || bases[1] > 10 || bases[len(bases)-1] < 100 {
		t.Fatalf("segments %v, %v: want names of one to three digits", bases, err)
	}
	ctx := testContext(t)
	for _, step := range []struct{ before, want int64 }{
		{0, 0}, {bases[1] - 1, 0}, {bases[3] + 1, bases[3]}, {bases[2], bases[3]}, {end, bases[len(bases)-1]}, {end + 1000, bases[len(bases)-1]},
	} {
		got, err := b.Trim(ctx, "t", 0, step.before)
		if err != nil || got != step.want {
			t.Errorf("trim before %d: begins at %d, want %d, %v", step.before, got, step.want, err)
		}
	}
	if start, high := offsets(t, b, "t", 0); start != bases[len(bases)-1] || high != end {
		t.Errorf("offsets %d to %d", start, high)
	}
	sizes, err := b.Sizes()
	if err != nil || len(sizes) != 1 || sizes[0].Segments != 1 || sizes[0].Bytes > 2*segment {
		t.Errorf("sizes %+v, %v", sizes, err)
	}
	if got, err := b.Trim(ctx, "t", 1, 5); err != nil || got != 0 {
		t.Errorf("an empty partition: %d, %v", got, err)
	}

	after := open(t, Config{Dir: crashed(t, b), SegmentBytes: segment})
	if start, high := offsets(t, after, "t", 0); start != bases[len(bases)-1] || high != end {
		t.Errorf("after a crash: offsets %d to %d, want %d to %d", start, high, bases[len(bases)-1], end)
	}
	if next := produce(t, client(t, after), "t", 0, "=x"); next != end {
		t.Errorf("after a crash the next record has offset %d, want %d", next, end)
	}
}

func TestSyncFlushesWhatIsWrittenAcrossSegments(t *testing.T) {
	b := open(t, Config{Dir: t.TempDir(), SegmentBytes: 4 << 10, SyncEvery: 1 << 40})
	c := client(t, b)
	createTopic(t, c, "t", 2, nil)
	for round := range 5 {
		produce(t, c, "t", 0, repeat(11, strings.Repeat("v", 1000))...)
		produce(t, c, "t", 1, "=v")
		if err := b.Sync(testContext(t), "t", []int32{0, 1}); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"t-0", "t-1"} {
			tail := b.syncer.at(name)
			bases, err := segments(tail.dir)
			if err != nil {
				t.Fatal(err)
			}
			info, err := os.Stat(filepath.Join(tail.dir, segmentName(bases[len(bases)-1])))
			if err != nil {
				t.Fatal(err)
			}
			if tail.base != bases[len(bases)-1] || tail.synced != info.Size() {
				t.Errorf("round %d, %s: flushed %d octets of segment %d, written are %d of %d", round, name, tail.synced, tail.base, info.Size(), bases[len(bases)-1])
			}
		}
	}
	bases, err := segments(filepath.Join(b.syncer.root, "t-0"))
	if err != nil {
		t.Fatal(err)
	}
	if n := b.Stats().Syncs; n < int64(len(bases)) {
		t.Errorf("%d flushes for %d segments", n, len(bases))
	}
	if err := b.Sync(testContext(t), "t", []int32{7}); err != nil {
		t.Errorf("a partition that holds nothing: %v", err)
	}
}

func TestSyncOfManyPartitionsIsOneFlushUnlessTheFileSystemIsSlow(t *testing.T) {
	b := open(t, Config{Dir: t.TempDir(), SyncEvery: 1 << 40})
	c := client(t, b)
	createTopic(t, c, "t", 3, nil)
	for p := range int32(3) {
		produce(t, c, "t", p, "=v")
	}
	flushes := func() int64 {
		t.Helper()
		before := b.Stats().Syncs
		if err := b.Sync(testContext(t), "t", []int32{0, 1, 2}); err != nil {
			t.Fatal(err)
		}
		return b.Stats().Syncs - before
	}
	if n := flushes(); n != 1 {
		t.Errorf("%d flushes", n)
	}
	b.syncer.whole.avoid.Store(time.Now().Add(time.Hour).UnixNano())
	if n := flushes(); n != 3 {
		t.Errorf("%d flushes where one of the whole file system is slow", n)
	}
	b.syncer.whole.avoid.Store(0)
	good := b.syncer.whole.dir
	bad, err := os.Open(b.dir)
	if err != nil {
		t.Fatal(err)
	}
	bad.Close()
	b.syncer.whole.dir = bad
	if err := b.Sync(testContext(t), "t", []int32{0, 1, 2}); err == nil || !b.Stats().Failed {
		t.Errorf("a failed flush: %v", err)
	}
	b.syncer.whole.dir = good
	b.syncer.failed.Store(nil) // so that the broker closes
}

func TestCallersThatWaitShareTheNextFlush(t *testing.T) {
	b := open(t, Config{Dir: t.TempDir(), SyncEvery: 1 << 40})
	c := client(t, b)
	createTopic(t, c, "t", 3, nil)
	for p := range int32(3) {
		produce(t, c, "t", p, "=v")
	}
	for _, partitions := range [][]int32{{0, 1, 2}, {0}} {
		before := b.Stats().Syncs
		tail := b.syncer.at("t-0")
		b.syncer.whole.mu.Lock() // one is under way
		tail.mu.Lock()
		const callers = 20
		waiting := b.syncer.whole.asked.Load() + tail.asked.Load() + callers
		results := make(chan error, callers)
		for range callers {
			go func() { results <- b.Sync(testContext(t), "t", partitions) }()
		}
		for b.syncer.whole.asked.Load()+tail.asked.Load() < waiting {
			runtime.Gosched()
		}
		tail.mu.Unlock()
		b.syncer.whole.mu.Unlock()
		for range callers {
			if err := <-results; err != nil {
				t.Error(err)
			}
		}
		if n := b.Stats().Syncs - before; n != 1 {
			t.Errorf("%d flushes for %d callers about %v", n, callers, partitions)
		}
	}
}

func TestWhatChangedIsFlushedWithoutBeingAsked(t *testing.T) {
	b := open(t, Config{Dir: t.TempDir()})
	c := client(t, b)
	createTopic(t, c, "t", 1, nil)
	produce(t, c, "t", 0, "=a", "=b")
	tail := b.syncer.at("t-0")
	info, err := os.Stat(filepath.Join(tail.dir, segmentName(0)))
	if err != nil {
		t.Fatal(err)
	}
	synced := func() int64 {
		tail.mu.Lock()
		defer tail.mu.Unlock()
		return tail.synced
	}
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for ctx := testContext(t); synced() != info.Size(); {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			t.Fatalf("%d of %d octets were flushed", synced(), info.Size())
		}
	}
}

func TestAFailedFlushIsNeverForgotten(t *testing.T) {
	b := open(t, Config{Dir: t.TempDir(), SyncEvery: 1 << 40})
	c := client(t, b)
	createTopic(t, c, "t", 1, nil)
	produce(t, c, "t", 0, "=a")
	ctx := testContext(t)
	if err := b.Sync(ctx, "t", []int32{0}); err != nil {
		t.Fatal(err)
	}
	tail := b.syncer.at("t-0")
	good := tail.file
	bad, err := os.Open(good.Name())
	if err != nil {
		t.Fatal(err)
	}
	bad.Close()
	tail.file = bad
	if err := b.Sync(ctx, "t", []int32{0}); err == nil {
		t.Error("a flush of a closed file succeeded")
	}
	tail.file = good
	if err := b.Sync(ctx, "t", []int32{0}); err == nil || !b.Stats().Failed {
		t.Errorf("the failure was forgotten: %v", err)
	}
	c.Close()
	b.syncer.failed.Store(nil) // so that the broker closes
}

func TestMethodsOfAClosedBrokerSaySo(t *testing.T) {
	b := open(t, Config{Dir: t.TempDir()})
	closeBroker(t, b)
	closeBroker(t, b)
	if err := b.Sync(testContext(t), "t", []int32{0}); !errors.Is(err, ErrClosed) {
		t.Errorf("Sync: %v", err)
	}
	if _, err := b.Trim(testContext(t), "t", 0, 1); !errors.Is(err, ErrClosed) {
		t.Errorf("Trim: %v", err)
	}
}

// fillCompacted writes keys 0 to 9 twenty times over and returns what must
// survive.
func fillCompacted(t *testing.T, b *Broker) map[string]string {
	t.Helper()
	c := client(t, b)
	createTopic(t, c, "c", 1, map[string]*string{"cleanup.policy": kadm.StringPtr("compact")})
	createTopic(t, c, "t", 1, nil)
	want := map[string]string{}
	for round := range 20 {
		for key := range 10 {
			k, v := string(rune('0'+key)), strings.Repeat(string(rune('a'+round)), 100)
			produce(t, c, "c", 0, k+"="+v)
			want[k] = v
		}
	}
	produce(t, c, "t", 0, repeat(5, "v")...)
	c.Close()
	return want
}

func latest(t *testing.T, b *Broker) (map[string]string, int) {
	t.Helper()
	got := map[string]string{}
	records := readAll(t, b, "c", 0)
	for _, r := range records {
		got[string(r.Key)] = string(r.Value)
	}
	return got, len(records)
}

func TestCompactionAtTheStartKeepsTheLastOfEachKey(t *testing.T) {
	config := Config{Dir: t.TempDir(), SegmentBytes: 4 << 10, CompactBytes: 10 << 10}
	b := open(t, config)
	want := fillCompacted(t, b)
	_, end := offsets(t, b, "c", 0)
	closeBroker(t, b)
	for run := range 2 {
		b = open(t, config)
		got, n := latest(t, b)
		if diff := cmp.Diff(want, got); diff != "" || n > 20 {
			t.Errorf("run %d: %d records, %s", run, n, diff)
		}
		if _, high := offsets(t, b, "c", 0); high != end {
			t.Errorf("run %d: ends at %d, want %d", run, high, end)
		}
		if n := len(readAll(t, b, "t", 0)); n != 5 {
			t.Errorf("run %d: another topic holds %d records of 5", run, n)
		}
		if _, err := os.Stat(filepath.Join(b.dir, backupDir)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("run %d: the backup is still there", run)
		}
		closeBroker(t, b)
	}
}

func TestACompactionThatACrashInterruptedIsUndone(t *testing.T) {
	b := open(t, Config{Dir: t.TempDir(), SegmentBytes: 4 << 10})
	want := fillCompacted(t, b)
	if err := b.backUp([]string{"c-0"}); err != nil {
		t.Fatal(err)
	}
	// As kfake does it: all segments go before the first new one comes.
	dir := filepath.Join(b.syncer.root, "c-0")
	bases, err := segments(dir)
	if err != nil || len(bases) < 3 {
		t.Fatal(bases, err)
	}
	for _, base := range bases {
		if err := os.Remove(filepath.Join(dir, segmentName(base))); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, segmentName(0)), []byte("half a batch"), 0o600); err != nil {
		t.Fatal(err)
	}
	after := open(t, Config{Dir: crashed(t, b), SegmentBytes: 4 << 10})
	got, n := latest(t, after)
	if diff := cmp.Diff(want, got); diff != "" || n != 200 {
		t.Errorf("%d records of 200, %s", n, diff)
	}
}

func TestACompactionThatCannotBeUndoneIsLeftOut(t *testing.T) {
	config := Config{Dir: t.TempDir(), SegmentBytes: 4 << 10}
	b := open(t, config)
	want := fillCompacted(t, b)
	closeBroker(t, b)
	// A directory can't be linked, so the old segments can't be set aside.
	if err := os.Mkdir(filepath.Join(b.syncer.root, "c-0", "x.dat"), 0o700); err != nil {
		t.Fatal(err)
	}
	config.CompactBytes = 10 << 10
	b = open(t, config)
	got, n := latest(t, b)
	if diff := cmp.Diff(want, got); diff != "" || n != 200 {
		t.Errorf("%d records of 200, %s", n, diff)
	}
}
