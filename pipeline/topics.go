package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"fanline/pipeline/record"
)

// ErrTopics is wrapped when the log's topics are not as this configuration
// needs them.
var ErrTopics = errors.New("the log's topics don't fit")

// visibleWait bounds the wait for topics that were created to be seen; a
// cluster takes up to 0.2 s.
const visibleWait = 10 * time.Second

// Replication is how many copies a cluster keeps of each record: three, or as
// many as it has brokers. It asks the cluster, because one of its brokers is
// enough to reach it and thus to be named.
func Replication(ctx context.Context, client *kgo.Client) (int16, error) {
	brokers, err := kadm.NewClient(client).ListBrokers(ctx)
	if err != nil {
		return 0, fmt.Errorf("listing brokers: %w", err)
	}
	return int16(min(3, max(1, len(brokers)))), nil
}

// EnsureTopics creates what is missing of the topics in contracts.md: control
// with one partition, all others with the given number. Partitions can never
// change afterwards, because they decide where a member's records are: topics
// that have another number are refused. replication is 1 for the embedded
// broker, that of Replication in a cluster.
func EnsureTopics(ctx context.Context, client *kgo.Client, partitions int32, replication int16) error {
	admin := kadm.NewClient(client)
	found, err := FindTopics(ctx, client, partitions)
	if err != nil {
		return err
	}
	missing := found.Missing
	for _, topic := range missing {
		n := partitions
		if topic == record.TopicControl {
			n = 1
		}
		_, err := admin.CreateTopic(ctx, n, replication, topicConfigs(topic, replication), topic)
		if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
			return fmt.Errorf("creating topic %s: %w", topic, err)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, visibleWait)
	defer cancel()
	for len(missing) > 0 {
		if found, err = FindTopics(ctx, client, partitions); err != nil {
			return err
		}
		if missing = found.Missing; len(missing) > 0 {
			select {
			case <-ctx.Done():
				return fmt.Errorf("%w: %v were created but don't appear: %w", ErrTopics, missing, ctx.Err())
			case <-time.After(20 * time.Millisecond):
			}
		}
	}
	return nil
}

// Found is what there is of our topics.
type Found struct {
	Missing  []string // in order
	Replicas int      // of the partition that has fewest; 0: there is none
}

// FindTopics looks for our topics, and refuses those that have another number
// of partitions with ErrTopics.
func FindTopics(ctx context.Context, client *kgo.Client, partitions int32) (Found, error) {
	want := append(record.Partitioned(), record.TopicControl)
	details, err := kadm.NewClient(client).ListTopics(ctx, want...)
	if err != nil {
		return Found{}, fmt.Errorf("listing topics: %w", err)
	}
	var f Found
	for _, topic := range want {
		d, ok := details[topic]
		switch {
		case !ok || errors.Is(d.Err, kerr.UnknownTopicOrPartition):
			f.Missing = append(f.Missing, topic)
			continue
		case d.Err != nil:
			return Found{}, fmt.Errorf("topic %s: %w", topic, d.Err)
		case topic != record.TopicControl && len(d.Partitions) != int(partitions):
			return Found{}, fmt.Errorf("%w: %s has %d partitions, the configuration wants %d; members would be looked for where they are not",
				ErrTopics, topic, len(d.Partitions), partitions)
		}
		for _, p := range d.Partitions {
			if n := len(p.Replicas); f.Replicas == 0 || n < f.Replicas {
				f.Replicas = n
			}
		}
	}
	slices.Sort(f.Missing)
	return f, nil
}

// topicConfigs are a topic's settings. Records leave by DeleteRecords, when all
// who need them have read them (Retainer), and never by age.
func topicConfigs(topic string, replication int16) map[string]*string {
	configs := map[string]*string{"retention.ms": kadm.StringPtr("-1")}
	if topic == record.TopicConsent {
		configs["cleanup.policy"] = kadm.StringPtr("compact")
	}
	if replication >= 3 {
		configs["min.insync.replicas"] = kadm.StringPtr("2")
	}
	return configs
}

// StartOffsets returns the first retained offset of each partition of a topic.
func StartOffsets(ctx context.Context, client *kgo.Client, topic string) ([]int64, error) {
	listed, err := kadm.NewClient(client).ListStartOffsets(ctx, topic)
	return offsetsOf(topic, listed, err)
}

// EndOffsets returns, for each partition of a topic, the offset that the next
// record will have: who has read up to it has read all there is as of now.
func EndOffsets(ctx context.Context, client *kgo.Client, topic string) ([]int64, error) {
	listed, err := kadm.NewClient(client).ListEndOffsets(ctx, topic)
	return offsetsOf(topic, listed, err)
}

func offsetsOf(topic string, listed kadm.ListedOffsets, err error) ([]int64, error) {
	if err == nil {
		err = listed.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("offsets of %s: %w", topic, err)
	}
	offsets := make([]int64, len(listed[topic]))
	for p, o := range listed[topic] {
		if int(p) >= len(offsets) {
			return nil, fmt.Errorf("offsets of %s: partition %d of %d", topic, p, len(offsets))
		}
		offsets[p] = o.Offset
	}
	return offsets, nil
}

// CommittedOffsets returns what a group has committed for a topic, by
// partition; those without a commit are absent.
func CommittedOffsets(ctx context.Context, client *kgo.Client, group, topic string) (map[int32]int64, error) {
	all, err := committed(ctx, client, group)
	return all[topic], err
}

// committed returns all commits of a group; none for a group that never was.
func committed(ctx context.Context, client *kgo.Client, group string) (map[string]map[int32]int64, error) {
	responses, err := kadm.NewClient(client).FetchOffsets(ctx, group)
	if errors.Is(err, kerr.GroupIDNotFound) { // kfake; Apache Kafka answers with nothing
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("offsets of group %s: %w", group, err)
	}
	offsets := map[string]map[int32]int64{}
	for topic, partitions := range responses {
		for p, r := range partitions {
			if r.Err != nil {
				return nil, fmt.Errorf("offsets of group %s, %s/%d: %w", group, topic, p, r.Err)
			}
			if r.At < 0 {
				continue
			}
			if offsets[topic] == nil {
				offsets[topic] = map[int32]int64{}
			}
			offsets[topic][p] = r.At
		}
	}
	return offsets, nil
}
