package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"unicode"

	"github.com/goccy/go-yaml"
	"golang.org/x/term"

	"fanline/api"
	"fanline/community"
	"fanline/engine/message"
)

// clientFlags are the flags of every command that asks a running process.
type clientFlags struct {
	*flag.FlagSet
	data, config *string
	asJSON       *bool
}

func newClientFlags(name string, stderr io.Writer) clientFlags {
	flags := newFlags(name, stderr)
	return clientFlags{
		FlagSet: flags,
		data:    flags.String("data", "", "data `DIR` of the running process, instead of the configured one"),
		config:  flags.String("config", "", "configuration `FILE` that says where the data directory is"),
		asJSON:  flags.Bool("json", false, "end with one line of JSON"),
	}
}

// dial connects to the process that holds the data directory.
func (f clientFlags) dial(ctx context.Context) (*client, error) {
	dir, err := clientDataDir(*f.data, *f.config, os.LookupEnv)
	if err != nil {
		return nil, err
	}
	c, err := dialControl(ctx, dir)
	if err != nil {
		return nil, err
	}
	return &client{http: c, dir: dir}, nil
}

// dialNumber is dial for what concerns one of our numbers: the one that was
// named, or the only one there is.
func (f clientFlags) dialNumber(ctx context.Context, named string) (c *client, number string, err error) {
	if c, err = f.dial(ctx); err != nil {
		return nil, "", err
	}
	if number, err = c.number(ctx, named); err != nil {
		c.close()
		return nil, "", err
	}
	return c, number, nil
}

// ask connects for one question.
func (f clientFlags) ask(ctx context.Context, method, path string, in, out any) error {
	c, err := f.dial(ctx)
	if err != nil {
		return err
	}
	defer c.close()
	return c.ask(ctx, method, path, in, out)
}

// clientDataDir finds the data directory as loadConfig does, but reads nothing
// else of the configuration: whoever asks a process need not have its secrets.
func clientDataDir(data, config string, env lookup) (string, error) {
	if data != "" {
		return data, nil
	}
	if data, ok := env("FANLINE_DATA"); ok && data != "" {
		return data, nil
	}
	if config == "" {
		return defaultConfig().Data, nil
	}
	raw, err := os.ReadFile(config)
	if err != nil {
		return "", usageError{err}
	}
	var found struct {
		Data string `yaml:"data"`
	}
	if err := yaml.Unmarshal(raw, &found); err != nil {
		return "", usagef("%s: %w", config, err)
	}
	if found.Data == "" {
		return defaultConfig().Data, nil
	}
	return found.Data, nil
}

// client asks a running process.
type client struct {
	http *http.Client
	dir  string
}

func (c *client) close() { c.http.CloseIdleConnections() }

// request sends in as JSON, when there is one, and returns the answer's body
// after a status below 300.
func (c *client) request(ctx context.Context, method, path string, in any, headers ...string) (io.ReadCloser, error) {
	var body io.Reader
	if in != nil {
		raw, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(raw)
		headers = append(headers, "Content-Type", "application/json")
	}
	return c.send(ctx, method, path, body, headers...)
}

func (c *client) send(ctx context.Context, method, path string, body io.Reader, headers ...string) (io.ReadCloser, error) {
	r, err := http.NewRequestWithContext(ctx, method, controlURL+path, body)
	if err != nil {
		return nil, err
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return nil, c.gone(err)
	}
	if resp.StatusCode >= 300 {
		return nil, refusal(resp)
	}
	return resp.Body, nil
}

// gone says what to do when the process left while it was asked.
func (c *client) gone(err error) error {
	if errors.Is(err, context.Canceled) {
		return context.Canceled
	}
	return fmt.Errorf("the process on %s stopped answering (%w); start it again with the same --data and ask again", c.dir, err)
}

// refusal reads the error of an answer.
func refusal(resp *http.Response) error {
	var told api.Error
	err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&told)
	if err = errors.Join(err, resp.Body.Close()); err != nil || told.Problem == "" {
		return fmt.Errorf("the process answered %s", resp.Status)
	}
	if resp.StatusCode == http.StatusBadRequest || resp.StatusCode == http.StatusNotFound {
		return usageError{&told}
	}
	return &told
}

// ask sends a request and reads the one JSON object of its answer into out.
func (c *client) ask(ctx context.Context, method, path string, in, out any, headers ...string) error {
	body, err := c.request(ctx, method, path, in, headers...)
	if err != nil {
		return err
	}
	err = json.NewDecoder(body).Decode(out)
	if err = errors.Join(err, body.Close()); err != nil {
		return c.gone(err)
	}
	return nil
}

// number returns the number that was named, or the only one there is.
func (c *client) number(ctx context.Context, named string) (string, error) {
	if named != "" {
		phone, err := message.ParseSender(named)
		if err != nil {
			return "", usagef("--number %s: %w", named, err)
		}
		return phone.String(), nil
	}
	var all struct {
		Numbers []community.Number `json:"numbers"`
	}
	if err := c.ask(ctx, http.MethodGet, "/v1/numbers", nil, &all); err != nil {
		return "", err
	}
	if len(all.Numbers) == 1 {
		return all.Numbers[0].Number.String(), nil
	}
	if len(all.Numbers) == 0 {
		return "", errors.New("no number is configured; add one under numbers: in the configuration")
	}
	names := make([]string, len(all.Numbers))
	for i, n := range all.Numbers {
		names[i] = fmt.Sprintf("%s (%s)", n.Number, n.Leader)
	}
	return "", usagef("there are several numbers; say which with --number: %s", strings.Join(names, ", "))
}

// parseNames reads flags and any number of names, in any order.
func parseNames(flags *flag.FlagSet, args []string) ([]string, error) {
	var names []string
	for {
		if err := flags.Parse(args); err != nil {
			return nil, usageError{err}
		}
		if flags.NArg() == 0 {
			return names, nil
		}
		names = append(names, flags.Arg(0))
		args = flags.Args()[1:]
	}
}

// pathOf joins escaped elements to a path below /v1.
func pathOf(elements ...string) string {
	for i, e := range elements {
		elements[i] = url.PathEscape(e)
	}
	return "/v1/" + strings.Join(elements, "/")
}

// textArgument returns a text from the command line; "-" reads it from stdin,
// without the line end that echo adds.
func textArgument(arg string, stdin io.Reader) (string, error) {
	if arg != "-" {
		return arg, nil
	}
	raw, err := io.ReadAll(io.LimitReader(stdin, maxPreview+1))
	if err != nil {
		return "", fmt.Errorf("standard input: %w", err)
	}
	if len(raw) > maxPreview {
		return "", usagef("standard input has more than %d octets", maxPreview)
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(raw), "\n"), "\r"), nil
}

// isTerminal tells whether somebody watches w, on which lines can be drawn over.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// shown makes a text that people sent harmless for a terminal: control
// characters could move its cursor, retitle it, or worse.
func shown(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case unicode.IsControl(r), unicode.In(r, unicode.Bidi_Control), r == '\u2028', r == '\u2029':
			return '\uFFFD'
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

// grouped writes a count with commas between thousands.
func grouped(n int64) string {
	s := fmt.Sprint(n)
	sign := ""
	if n < 0 {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}
