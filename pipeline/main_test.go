package pipeline

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"fanline/pipeline/embedded"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait of the tests; nothing is expected to take it.
const patience = 30 * time.Second

func testContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// openBroker starts a broker on a directory of its own and closes it last.
func openBroker(t testing.TB) *embedded.Broker {
	t.Helper()
	broker, err := embedded.Open(context.Background(), embedded.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := broker.Close(); err != nil {
			t.Error(err)
		}
	})
	return broker
}

func configOf(broker *embedded.Broker) Config {
	return Config{Brokers: broker.Addresses(), Dialer: broker.Dialer(), ClientID: "test"}
}

// openTopics starts a broker that holds all topics.
func openTopics(t testing.TB, partitions int32) (*embedded.Broker, *kgo.Client) {
	t.Helper()
	broker := openBroker(t)
	producer, err := NewProducer(configOf(broker), 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(producer.Close)
	if err := EnsureTopics(testContext(t), producer, partitions, 1); err != nil {
		t.Fatal(err)
	}
	return broker, producer
}

// appendAll appends and waits.
func appendAll(t testing.TB, l *Log, entries ...Entry) []int64 {
	t.Helper()
	type answer struct {
		offsets []int64
		err     error
	}
	answers := make(chan answer, 1)
	l.Append(entries, func(offsets []int64, err error) { answers <- answer{offsets, err} })
	select {
	case a := <-answers:
		if a.err != nil {
			t.Fatal(a.err)
		}
		return a.offsets
	case <-time.After(patience):
		t.Fatal("no answer to an append")
		return nil
	}
}
