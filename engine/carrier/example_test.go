package carrier_test

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"fanline/engine"
	"fanline/engine/carrier"
	"fanline/engine/journal"
	"fanline/engine/message"
)

// The two halves of a carrier: what it delivers, and the binds to it. Inbound
// outlives the pool, whose sessions wait for their answers.
func Example() {
	run := func(ctx context.Context, e *engine.Engine, log journal.Log, revokes func(string, []byte) (string, bool)) error {
		profile, err := carrier.NewProfile(carrier.Settings{
			Name: "default", Source: carrier.Address{TON: 1, NPI: 1}, Destination: carrier.Address{TON: 1, NPI: 1},
		})
		if err != nil {
			return err
		}
		inbound, err := carrier.NewInbound(carrier.InboundConfig{Partitions: 12, Log: log, Revokes: revokes, Stop: e.Stop})
		if err != nil {
			return err
		}
		pool, err := carrier.NewPool(carrier.PoolConfig{
			Accounts: []carrier.Account{{Name: "acme", Profile: profile, Hosts: []string{"127.0.0.1:2775"}, Binds: 4, SystemID: "fanline", Window: 1000}},
			Attach: func(name string, bind uint32, window int, conn engine.Bind) carrier.Port {
				return e.Attach(name, bind, window, conn)
			},
			Inbound: inbound,
		})
		if err != nil {
			return err
		}
		intake, end := context.WithCancel(context.WithoutCancel(ctx))
		defer end()
		var g errgroup.Group
		g.Go(func() error { return inbound.Run(intake) })
		g.Go(func() error {
			defer end()
			return pool.Run(ctx)
		})
		return g.Wait()
	}
	_ = run
}

func ExampleEncoder() {
	profile, err := carrier.NewProfile(carrier.Settings{Source: carrier.Address{TON: 1, NPI: 1}, Destination: carrier.Address{TON: 1, NPI: 1}})
	if err != nil {
		fmt.Println(err)
		return
	}
	var parts engine.Parts
	err = carrier.NewEncoder(profile).Encode(&parts, &engine.Text{
		Number: 17735550100, Phone: 13125550199, Key: message.Key{Broadcast: 7, Member: 12}, Body: []byte("Hey Ana"), Validity: 4 * time.Hour,
	})
	fmt.Println(len(parts.Ends), "part of", len(parts.Buf), "octets", err)
	// Output: 1 part of 78 octets <nil>
}
