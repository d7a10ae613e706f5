// Package embedded runs ClickHouse on this machine without installing it: a
// child process, our own executable started again, loads libchdb.so and turns
// it into a server that speaks the native protocol on loopback. The package
// knows how to start, watch, restart and end that child, and nothing of
// tables, queries or Kafka.
//
// Whoever builds a program with it hands the child's arguments on:
//
//	if len(os.Args) > 1 && os.Args[1] == embedded.Command {
//		return embedded.Main(os.Args[2:])
//	}
//	server, err := embedded.New(embedded.Options{Dir: "data/clickhouse"})
//	…
//	go server.Run(ctx)
//	err = server.Ready(ctx) // then connect to server.Address() as server.User()
package embedded
