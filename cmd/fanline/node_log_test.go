package main

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"fanline/pipeline"
	"fanline/pipeline/record"
)

func TestBrokersThatDoNotAnswerDoNotHoldUpTheEnd(t *testing.T) {
	broker, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	producer, err := pipeline.NewProducer(pipeline.Config{Brokers: broker.ListenAddrs()}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := pipeline.EnsureTopics(t.Context(), producer, 1, 1); err != nil {
		t.Fatal(err)
	}
	log := pipeline.NewLog(producer, nil)
	broker.Close()
	failed := make(chan error, 1)
	log.Append([]pipeline.Entry{{Topic: record.TopicJobs, Value: []byte("x")}}, func(_ []int64, err error) { failed <- err })
	closed := make(chan struct{})
	go func() { closeProducer(log, producer, 10*time.Millisecond); close(closed) }()
	select {
	case <-closed:
	case <-time.After(30 * time.Second):
		t.Fatal("it waits for the brokers")
	}
	if err := <-failed; err == nil {
		t.Error("what no broker has acknowledged did not fail")
	}
}
