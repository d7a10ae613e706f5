package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"fanline/api"
)

// carrierAdmin is `fanline carrier enable|disable|drain|rebind NAME`.
func carrierAdmin(verb string) func(context.Context, []string, io.Reader, io.Writer, io.Writer) error {
	return func(ctx context.Context, args []string, _ io.Reader, stdout, stderr io.Writer) error {
		flags := newClientFlags("carrier "+verb, stderr)
		wait := flags.Duration("wait", time.Minute, "how long to wait for the end of it; it goes on all the same, but for a rebind")
		names, err := parseFlags(flags.FlagSet, args, "NAME")
		if err != nil {
			return err
		}
		var c api.CarrierChange
		path := pathOf("carriers", names[0], verb) + "?wait=" + url.QueryEscape(wait.String())
		if err := flags.ask(ctx, http.MethodPost, path, nil, &c); err != nil {
			return err
		}
		if *flags.asJSON {
			err = printJSON(stdout, c)
		} else {
			_, err = fmt.Fprintln(stdout, toldChange(c))
		}
		if err == nil && !c.Done {
			return errReported
		}
		return err
	}
}

// toldChange says what an operation came to.
func toldChange(c api.CarrierChange) string {
	var done string
	binds := fmt.Sprintf("%d of %d binds are up", c.Bound, c.Binds)
	switch c.Verb {
	case "enable":
		done = "enabled: " + binds
	case "drain":
		done = "drained: it gets no more messages; " + binds + " and take receipts and texts. `fanline carrier enable` ends it"
	case "disable":
		done = "disabled: " + binds + "; it stays so over restarts. `fanline carrier enable` ends it"
	default:
		done = "bound again: " + binds
	}
	if !c.Done {
		done = fmt.Sprintf("%s is not done yet, %s: %s", c.Verb, binds, c.Problem)
	}
	s := fmt.Sprintf("%s %s (%.0f ms)", c.Carrier, done, c.MS)
	if c.Verb == "enable" {
		return s
	}
	s += fmt.Sprintf("\n%d submits were under way; %d answered meanwhile, %d taken back to wait, %d left uncertain", c.InFlight, c.Answered, c.TakenBack, c.Uncertain)
	if c.Uncertain > 0 {
		s += ": they went out and no answer came; receipts may still settle them"
	}
	return s
}
