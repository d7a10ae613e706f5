package embedded_test

import (
	"context"
	"fmt"
	"os"

	"golang.org/x/sync/errgroup"

	"fanline/analytics/embedded"
)

// A program becomes its own ClickHouse when it is started with Command.
func Example() {
	if len(os.Args) > 1 && os.Args[1] == embedded.Command {
		fmt.Println(embedded.Main(os.Args[2:]))
		return
	}
	server, err := embedded.New(embedded.Options{Dir: "data/clickhouse"})
	if err != nil {
		fmt.Println(err) // Says how to get the library.
		return
	}
	group, ctx := errgroup.WithContext(context.Background())
	group.Go(func() error { return server.Run(ctx) })
	if server.Ready(ctx) == nil {
		fmt.Println("connect to", server.Address(), "as", server.User())
	}
}
