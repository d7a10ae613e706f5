package main

import (
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"
	"text/tabwriter"

	chembedded "fanline/analytics/embedded"
)

// command is one row of what the program can do. A name may be two words; one
// that only the program itself calls has no about and is not shown.
type command struct {
	name  string
	args  string
	about string
	run   func(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error
}

// commands is the table; help prints it in this order.
func commands() []command {
	return []command{
		{"dev", "[--demo [--members N] [--exit] [--json]] [--data DIR]", "run everything in one go, without configuration, on a simulated carrier", runDev},
		{"serve", "--config FILE [--data DIR]", "run on a configuration", runServe},
		{"reload", "[--data DIR] [--json]", "have a running process read its configuration again, without unbinding", runReload},
		{"members import", "FILE [--number N] [--region GB] [--rejects FILE]", "take members in from CSV or NDJSON", runMembersImport},
		{"members show", "MEMBER [--number N] [--json]", "show a member, by id or phone", runMembersShow},
		{"members group", "add|remove|list …", "put members into groups by hand", runMembersGroup},
		{"broadcast create", "--number N --text T --audience A [--json]", "write a text to an audience; nobody is texted yet", runBroadcastCreate},
		{"broadcast dry-run", "ID [--json]", "say whom it would reach, in how many parts and minutes", runBroadcastDryRun},
		{"broadcast start", "ID [--json]", "fix the audience and send", broadcastControl("start")},
		{"broadcast watch", "ID [--json]", "follow one until every message is accounted for", runBroadcastWatch},
		{"broadcast pause", "ID [--json]", "stop sending", broadcastControl("pause")},
		{"broadcast resume", "ID [--json]", "go on", broadcastControl("resume")},
		{"broadcast cancel", "ID [--json]", "stop for good", broadcastControl("cancel")},
		{"broadcast list", "[--json]", "list broadcasts, the newest first", runBroadcastList},
		{"inbox list", "[--number N] [--json]", "list threads, the newest first", runInboxList},
		{"inbox show", "MEMBER [--number N] [--json]", "show what was said", runInboxShow},
		{"inbox reply", "MEMBER TEXT [--number N] [--json]", "answer one member", runInboxReply},
		{"route explain", "PHONE [--number N] [--config FILE] [--json]", "say which carrier reaches a phone, and why", runRouteExplain},
		{"ledger", "[ID] [--compare] [--json]", "account for every message of a broadcast", runLedger},
		{"bench", "[--quick] [--members N] [--json]", "measure whole broadcasts and what each stage costs", runBench},
		{benchRunCommand, "", "", runBenchOnce},
		{"audit", "[--data DIR | --config FILE] [--json]", "read the log with an independent client and recount", runAudit},
		{"check", "--config FILE [--json]", "validate a configuration and probe what it names", runCheck},
		{"carrier list", "[--binds] [--json]", "show the carriers as they stand, and what keeps each from going faster", runCarrierList},
		{"carrier enable", "NAME [--json]", "let a carrier bind and send again", carrierAdmin("enable")},
		{"carrier drain", "NAME [--json]", "give a carrier no more messages; its binds stay for receipts and texts", carrierAdmin("drain")},
		{"carrier disable", "NAME [--json]", "drain a carrier, unbind and stay away, over restarts too", carrierAdmin("disable")},
		{"carrier rebind", "NAME [--json]", "unbind and bind again, one bind after another", carrierAdmin("rebind")},
		{"carrier trace", "[NAME] --number N [--pcap FILE] [--seconds S | --count N] [--all] [--texts] | --read FILE", "show the PDUs of one number as they go, and write them for Wireshark", runCarrierTrace},
		{"carrier certify", "NAME --report FILE [--config FILE] [--to PHONE] [--json]", "carry out an onboarding's test plan and write it up", runCarrierCertify},
		{"carrier probe", "NAME [--config FILE] [--to PHONE] [--json]", "bind with two independent stacks and compare what each saw", runCarrierProbe},
		{independentCommand, "", "", runProbeIndependent},
		{"smsc", "[--listen ADDR] [--accounts FILE] [--scenario FILE] [--log DIR] [--http ADDR]", "run the carrier simulator; without files for anybody's software", runSMSC},
		{"smsc init", "DIR", "write the simulator's example files, one for each fault", runSMSCInit},
		{"smsc log", "PATH [--phone P] [--command C] [--follow] …", "ask the simulator's log", runSMSCLog},
		{"smsc audit", "--log DIR [--json]", "recount the simulator's log: duplicates, receipts, rates", runSMSCAudit},
		{"smsc mo", "--log DIR --from P --to N --text T", "text a number as a phone of the simulator", runSMSCText},
		{"smsc messages", "--log DIR --phone P", "show what a phone of the simulator was sent", runSMSCMessages},
		{"smsc binds", "--log DIR", "list the connections of a running simulator", runSMSCBinds},
		{"smsc drop", "--log DIR [--conn N]", "end connections of a running simulator", runSMSCDrop},
		{"smsc faults", "--log DIR [--on NAME] [--off NAME]", "list or switch the faults of a running simulator", runSMSCFaults},
		{"smsc traffic", "--log DIR [--on NAME] [--off NAME]", "list or switch the texts that its phones send", runSMSCTraffic},
		{"smsc scenario", "--log DIR [--set FILE]", "show or replace what a running simulator does", runSMSCScenario},
		{"pdu", "[encode]", "read PDUs as hex, one a line, and write each as JSON; encode goes back", runPDU},
		{"text", "preview [--json]", "show how a text on stdin is encoded and cut into parts", runText},
		{chembedded.Command, "", "", runClickHouseChild},
		{"version", "[--json]", "print what this program was built from", runVersion},
	}
}

// find matches the longest name at the start of args.
func find(table []command, args []string) (command, []string, bool) {
	for words := min(2, len(args)); words > 0; words-- {
		name := strings.Join(args[:words], " ")
		for _, c := range table {
			if c.name == name {
				return c, args[words:], true
			}
		}
	}
	return command{}, nil, false
}

// help prints the table, or the flags of one command.
func help(ctx context.Context, table []command, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		printHelp(stdout, table, "")
		return exitDone
	}
	if c, _, ok := find(table, args); ok {
		fmt.Fprintf(stdout, "fanline %s %s\n\n%s\n\n", c.name, c.args, c.about)
		return exitCode(c.run(ctx, []string{"-h"}, stdin, stdout, stdout), c.name, stderr)
	}
	fmt.Fprintf(stderr, "fanline: no command %q\n\n", strings.Join(args, " "))
	printHelp(stderr, table, args[0])
	return exitUsage
}

// printHelp lists the commands whose first word is family, or all of them.
func printHelp(w io.Writer, table []command, family string) {
	of := func(c command) bool { return strings.HasPrefix(c.name, family+" ") }
	some := false
	for _, c := range table {
		some = some || of(c)
	}
	fmt.Fprintln(w, "Fanline texts everyone who joined, straight over SMPP.")
	fmt.Fprintln(w)
	columns := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, c := range table {
		if c.about != "" && (!some || of(c)) {
			fmt.Fprintf(columns, "  fanline %s %s\t%s\n", c.name, c.args, c.about)
		}
	}
	columns.Flush()
	fmt.Fprintln(w, "\n`fanline help COMMAND` tells its flags. Exit codes: 0 done, 1 failed, 2 used wrongly, 130 interrupted twice.")
}

// newFlags returns the flags of a command; its help goes to stderr.
func newFlags(name string, stderr io.Writer) *flag.FlagSet {
	flags := flag.NewFlagSet("fanline "+name, flag.ContinueOnError)
	flags.SetOutput(stderr)
	return flags
}

// --json`, and returns the names. Each of wanted names one that must be there.
func parseFlags(flags *flag.FlagSet, args []string, wanted ...string) ([]string, error) {
	var names []string
	for {
		if err := flags.Parse(args); err != nil {
			return nil, usageError{err}
		}
		if flags.NArg() == 0 {
			break
		}
		names = append(names, flags.Arg(0))
		args = flags.Args()[1:]
	}
	switch {
	case len(names) < len(wanted):
		return nil, usagef("%s is missing", strings.Join(wanted[len(names):], " "))
	case len(names) > len(wanted):
		return nil, usagef("%q is one word too many", names[len(wanted)])
	}
	return names, nil
}

// printJSON writes v as the one line of JSON that a --json ends with.
func printJSON(w io.Writer, v any) error { return json.NewEncoder(w).Encode(v) }

// buildInfo is what the program was built from.
type buildInfo struct {
	Version  string `json:"version"`
	Revision string `json:"revision"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func readBuildInfo() buildInfo {
	info := buildInfo{Version: "devel", Revision: "unknown", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	built, ok := debug.ReadBuildInfo()
	if !ok {
		return info
	}
	info.Version = cmp.Or(strings.Trim(built.Main.Version, "()"), info.Version)
	for _, s := range built.Settings {
		switch {
		case s.Key == "vcs.revision":
			info.Revision = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			info.Revision += "+changes"
		}
	}
	return info
}

func runVersion(_ context.Context, args []string, _ io.Reader, stdout, stderr io.Writer) error {
	flags := newFlags("version", stderr)
	asJSON := flags.Bool("json", false, "end with one line of JSON")
	if _, err := parseFlags(flags, args); err != nil {
		return err
	}
	info := readBuildInfo()
	if *asJSON {
		return printJSON(stdout, info)
	}
	_, err := fmt.Fprintf(stdout, "fanline %s (%s), %s, %s\n", info.Version, info.Revision, info.Go, info.Platform)
	return err
}

// runClickHouseChild is this program started again as the embedded ClickHouse.
func runClickHouseChild(_ context.Context, args []string, _ io.Reader, _, _ io.Writer) error {
	return chembedded.Main(args)
}
