package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"fanline/smpp/smsc"
)

// textLineMax bounds a line of --file.
const textLineMax = 1 << 20

// runSMSCText plays phones.
func runSMSCText(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	flags := newFlags("smsc mo", stderr)
	dir := flags.String("log", "", "`directory` of the log of a running simulator")
	var q smsc.TextRequest
	flags.StringVar(&q.From, "from", "", "`phone` that texts; with --count the first of a row")
	flags.StringVar(&q.To, "to", "", "`number` that is texted")
	flags.StringVar(&q.Text, "text", "", "the text; several parts when it is long; {i} is the running number")
	flags.StringVar(&q.Octets, "octets", "", "in place of a text: octets in `hex`")
	flags.StringVar(&q.Parts, "parts", "", "how a long text is cut up: udh8, udh16, sar, payload")
	flags.StringVar(&q.PartOrder, "part-order", "", "ascending, descending or random")
	flags.StringVar(&q.Encoding, "encoding", "", "gsm, latin1, ucs2 or utf8; left out: as it can be")
	flags.StringVar(&q.PhoneForm, "phone-form", "", "how the phone is written: plain, plus, zeros, national")
	flags.Func("data-coding", "what the encoding is said to be, a `number`", func(s string) error {
		n, err := strconv.ParseUint(s, 0, 8)
		coding := int(n)
		q.DataCoding = &coding
		return err
	})
	count := flags.Int("count", 1, "`how many` texts, each from the next phone")
	file := flags.String("file", "", "`file` with a text a line as JSON, as POST /mo takes it; - is standard input; flags say what a line leaves out")
	wait := flags.Duration("wait", 0, "how long to wait for each answer, at most 1m")
	asJSON := flags.Bool("json", false, "one line of JSON; of many texts how many were sent and answered")
	if _, err := parseFlags(flags, args); err != nil {
		return err
	}
	if *dir == "" {
		return usagef("--log is missing")
	}
	if *file == "" && (q.From == "" || q.To == "") {
		return usagef("--from and --to are missing")
	}
	if *wait > 0 {
		q.Wait = wait.String()
	}
	client, err := smsc.Dial(*dir)
	if err != nil {
		return err
	}
	defer client.Close()
	if *file == "" && *count == 1 {
		return sendText(ctx, client, q, stdout, *asJSON)
	}
	texts := countTexts(q, *count)
	if *file != "" {
		input, err := openInput(*file, stdin)
		if err != nil {
			return err
		}
		defer input.Close() //nolint:errcheck // only read
		texts = fileTexts(q, input)
	}
	return sendTexts(ctx, client, texts, stdout, *asJSON)
}

func sendText(ctx context.Context, client *smsc.Client, q smsc.TextRequest, stdout io.Writer, asJSON bool) error {
	result, err := client.Send(ctx, q)
	if err != nil {
		return err
	}
	if asJSON {
		return printJSON(stdout, result)
	}
	state := "queued"
	if result.Answered {
		state = "answered " + result.Status
	}
	_, err = fmt.Fprintf(stdout, "text %s, %d part(s): %s\n", result.ID, result.Parts, state)
	return err
}

// textsSent is what became of many texts.
type textsSent struct {
	Sent     int            `json:"sent"`
	Parts    int            `json:"parts"`
	Answered int            `json:"answered"`
	Statuses map[string]int `json:"statuses"` // of the answers
}

// sendTexts sends what texts yields, one after the other, until it gives io.EOF.
func sendTexts(ctx context.Context, client *smsc.Client, texts func() (smsc.TextRequest, error), stdout io.Writer, asJSON bool) error {
	sum := textsSent{Statuses: map[string]int{}}
	for {
		q, err := texts()
		if errors.Is(err, io.EOF) {
			break
		}
		var result smsc.TextResult
		if err == nil {
			result, err = client.Send(ctx, q)
		}
		if err != nil {
			return fmt.Errorf("text %d: %w", sum.Sent+1, err)
		}
		sum.Sent++
		sum.Parts += result.Parts
		if result.Answered {
			sum.Answered++
			sum.Statuses[result.Status]++
		}
	}
	if asJSON {
		return printJSON(stdout, sum)
	}
	_, err := fmt.Fprintf(stdout, "%d texts in %d parts sent, %d answered\n", sum.Sent, sum.Parts, sum.Answered)
	return err
}

// countTexts yields n texts, each from the phone after the one before.
func countTexts(q smsc.TextRequest, n int) func() (smsc.TextRequest, error) {
	phone := strings.TrimPrefix(q.From, "+")
	first, bad := strconv.ParseUint(phone, 10, 64)
	i := 0
	return func() (smsc.TextRequest, error) {
		if i >= n {
			return q, io.EOF
		}
		if bad != nil {
			return q, fmt.Errorf("--from: %w", bad)
		}
		one := q
		one.From = fmt.Sprintf("%0*d", len(phone), first+uint64(i))
		one.Text = strings.ReplaceAll(q.Text, "{i}", strconv.Itoa(i))
		i++
		return one, nil
	}
}

// fileTexts yields the texts of a file, with what a line leaves out from q.
func fileTexts(q smsc.TextRequest, r io.Reader) func() (smsc.TextRequest, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, textLineMax)
	at := 0
	return func() (smsc.TextRequest, error) {
		for lines.Scan() {
			at++
			line := bytes.TrimSpace(lines.Bytes())
			if len(line) == 0 {
				continue
			}
			var one smsc.TextRequest
			d := json.NewDecoder(bytes.NewReader(line))
			d.DisallowUnknownFields()
			if err := d.Decode(&one); err != nil {
				return one, fmt.Errorf("line %d: %w", at, err)
			}
			one.From, one.To, one.Wait = cmp.Or(one.From, q.From), cmp.Or(one.To, q.To), cmp.Or(one.Wait, q.Wait)
			if one.Octets == "" {
				one.Text = cmp.Or(one.Text, q.Text)
			}
			return one, nil
		}
		return q, cmp.Or(lines.Err(), io.EOF)
	}
}

func openInput(name string, stdin io.Reader) (io.ReadCloser, error) {
	if name == "-" {
		return io.NopCloser(stdin), nil
	}
	return os.Open(name)
}

// runSMSCMessages shows what a phone was sent.
func runSMSCMessages(ctx context.Context, args []string, _ io.Reader, stdout, stderr io.Writer) error {
	flags := newFlags("smsc messages", stderr)
	dir := flags.String("log", "", "`directory` of the log of a running simulator")
	phone := flags.String("phone", "", "`phone` whose messages to show")
	asJSON := flags.Bool("json", false, "one line of JSON")
	if _, err := parseFlags(flags, args); err != nil {
		return err
	}
	if *dir == "" || *phone == "" {
		return usagef("--log and --phone are needed")
	}
	client, err := smsc.Dial(*dir)
	if err != nil {
		return err
	}
	defer client.Close()
	messages, err := client.Messages(ctx, *phone)
	if err != nil {
		return err
	}
	if *asJSON {
		return printJSON(stdout, map[string]any{"messages": messages})
	}
	for _, m := range messages {
		if _, err := fmt.Fprintf(stdout, "%s  %s\n%s\n\n", m.Time.Format(time.RFC3339), m.From, m.Text); err != nil {
			return err
		}
	}
	return nil
}
