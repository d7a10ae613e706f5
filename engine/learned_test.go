package engine

import (
	"fmt"
	"testing"

	"fanline/engine/message"
	"fanline/engine/route"
	"fanline/pipeline/record"
)

func TestWhatDeliveriesShowedCanBeAskedFor(t *testing.T) {
	x := newCrossing(t, 4, both(), "acme", "beta")
	table, err := route.New(route.Config{
		Carriers: []string{"beta", "acme"}, Numbers: []route.Number{{Phone: oneNumber, Carriers: []string{"acme", "beta"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	x.e.SetRoutes(table)
	ask := func(phone message.Phone) string {
		told := make(chan string, 1)
		go func() {
			name, err := x.e.Learned(t.Context(), phone)
			if err != nil {
				name = err.Error()
			}
			told <- name
		}()
		for {
			select {
			case name := <-told:
				return name
			default:
				x.turns(1)
			}
		}
	}
	if got := ask(12025550003); got != "" {
		t.Errorf("nothing was learned yet: %q", got)
	}
	acme, beta := x.carriers["acme"], x.carriers["beta"]
	x.single(12025550003, "fails", retrying(record.RetryFailed))
	x.turns(3)
	x.receipt("acme", fmt.Sprint("acme", acme.ids), 12025550003, message.Failed)
	x.turns(5)
	x.receipt("beta", fmt.Sprint("beta", beta.ids), 12025550003, message.Delivered)
	x.turns(5)
	if got := ask(12025550003); got != "beta" {
		t.Errorf("acme failed, beta delivered: %q", got)
	}
}
