package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"text/tabwriter"

	"fanline/api"
	"fanline/engine/message"
)

// runLedger accounts for a broadcast, the newest one by default.
func runLedger(ctx context.Context, args []string, _ io.Reader, stdout, stderr io.Writer) error {
	flags := newClientFlags("ledger", stderr)
	compare := flags.Bool("compare", false, "recount from the log, from ClickHouse and from the simulator's log")
	id, err := optionalID(flags, args)
	if err != nil {
		return err
	}
	path := pathOf("broadcasts", id, "ledger")
	if *compare {
		path += "?compare=true"
	}
	var l api.Ledger
	if err := flags.ask(ctx, http.MethodGet, path, nil, &l); err != nil {
		return err
	}
	if *flags.asJSON {
		return printLedgerJSON(stdout, l)
	}
	if err := printLedger(stdout, l); err != nil || l.Compare == nil {
		return err
	}
	return printComparison(stdout, *l.Compare)
}

// printLedgerJSON lifts what the sources say to the top, where contracts.md
// has it beside the ledger.
func printLedgerJSON(w io.Writer, l api.Ledger) error {
	if l.Compare == nil {
		return printJSON(w, l)
	}
	c := *l.Compare
	l.Compare = nil
	return printJSON(w, struct {
		api.Ledger
		api.Comparison
	}{l, c})
}

// ledgerRow is a line of the table: a field, and how far it is indented under
// the sum that it is part of.
type ledgerRow struct {
	name   string
	indent int
	of     func(l *message.Ledger) int64
}

// ledgerRows is the ledger in the order of its two equations.
func ledgerRows() []ledgerRow {
	return []ledgerRow{
		{"accepted", 0, func(l *message.Ledger) int64 { return l.Accepted }},
		{"suppressed", 1, func(l *message.Ledger) int64 { return l.Suppressed }},
		{"rejected", 1, func(l *message.Ledger) int64 { return l.Rejected }},
		{"expired_unsent", 1, func(l *message.Ledger) int64 { return l.ExpiredUnsent }},
		{"cancelled", 1, func(l *message.Ledger) int64 { return l.Cancelled }},
		{"uncertain", 1, func(l *message.Ledger) int64 { return l.Uncertain }},
		{"pending_send", 1, func(l *message.Ledger) int64 { return l.PendingSend }},
		{"submitted", 1, func(l *message.Ledger) int64 { return l.Submitted }},
		{"delivered", 2, func(l *message.Ledger) int64 { return l.Delivered }},
		{"failed", 2, func(l *message.Ledger) int64 { return l.Failed }},
		{"expired", 2, func(l *message.Ledger) int64 { return l.Expired }},
		{"no_receipt", 2, func(l *message.Ledger) int64 { return l.NoReceipt }},
		{"pending_receipt", 2, func(l *message.Ledger) int64 { return l.PendingReceipt }},
	}
}

func printLedger(w io.Writer, l api.Ledger) error {
	fmt.Fprintf(w, "broadcast %d · %s\n", l.Broadcast, l.State)
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\tmessages\tparts\t")
	parts := message.Ledger(l.Parts)
	for _, r := range ledgerRows() {
		fmt.Fprintf(t, "%s\t%s\t%s\t\n", leftName(r), grouped(r.of(&l.Ledger)), grouped(r.of(&parts)))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	balanced := "it balances"
	if !l.Balanced {
		balanced = "IT DOES NOT BALANCE"
	}
	if !l.Complete {
		balanced += "; some partitions have no owner yet and count as pending"
	}
	_, err := fmt.Fprintln(w, balanced)
	return err
}

// leftName pads a name on the right, so that it stands left in a table whose
// columns are aligned right.
func leftName(r ledgerRow) string {
	const width = 20
	name := strings.Repeat("  ", r.indent) + r.name
	return name + strings.Repeat(" ", max(0, width-len(name)))
}

func printComparison(w io.Writer, c api.Comparison) error {
	sources := []*message.Ledger{c.Engine, c.Log, c.ClickHouse, c.Simulator}
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\tengine\tlog\tclickhouse\tsimulator\t")
	for _, r := range ledgerRows() {
		fmt.Fprintf(t, "%s\t", leftName(r))
		for _, s := range sources {
			if s == nil {
				fmt.Fprint(t, "-\t")
				continue
			}
			fmt.Fprintf(t, "%s\t", grouped(r.of(s)))
		}
		fmt.Fprintln(t)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(w, "messages on which they differ: %s\n", grouped(c.DiffKeys))
	if len(c.Examples) > 0 {
		fmt.Fprintf(w, "such as: %s\n", strings.Join(c.Examples, ", "))
	}
	for _, n := range c.Notes {
		fmt.Fprintln(w, "note:", n)
	}
	return nil
}
