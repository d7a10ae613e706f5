package community_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"fanline/community"
	"fanline/engine/message"
)

// A fan fills in the form, the leader writes to everyone in his city.
func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "community")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	store, err := community.Open(ctx, filepath.Join(dir, "fanline.db"), community.Options{Partitions: 12})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer store.Close()

	number, fan := message.Phone(17735550100), message.Phone(12025550123)
	if err := store.SyncNumbers(ctx, []community.Number{{Number: number, Kind: "long_code", Leader: "demo", Carriers: []string{"acme"}}}); err != nil {
		fmt.Println(err)
		return
	}
	err = store.InTx(ctx, func(tx *community.Tx) error {
		joined, err := tx.JoinMember(ctx, number, fan, community.Profile{FirstName: "Ann", City: "Chicago", State: "IL"}, community.Evidence{Method: "form"})
		fmt.Println(joined.Member.FirstName, joined.Consent, joined.New)
		return err
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	draft, err := store.CreateBroadcast(ctx, community.NewBroadcast{Number: number, Text: "Hey {{first_name}}!", Audience: "city=Chicago", Validity: time.Hour})
	if err != nil {
		fmt.Println(err)
		return
	}
	started, err := store.StartBroadcast(ctx, draft.ID)
	fmt.Println(started.State, started.Total, err)
	// Output:
	// Ann joined true
	// sending 1 <nil>
}
