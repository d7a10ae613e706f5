// Command fanline is the whole of Fanline in one program: configuration,
// wiring and the command line. It is the only package that sees every part,
// and hands functions over where two parts may not meet.
//
// It refuses to know how anything is done: what a part does stands in that
// part. A new command is one row of the table in commands.go.
//
//	fanline check --config configs/fanline.yaml
package main
