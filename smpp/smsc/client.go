package smsc

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Client speaks to the control interface of the simulator that writes a log.
type Client struct{ http http.Client }

// Dial finds the control interface of the simulator that runs on the log in dir. It doesn't connect yet.
func Dial(dir string) (*Client, error) {
	b, err := os.ReadFile(filepath.Join(dir, controlFile))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNotRunning, err)
	}
	path := strings.TrimSpace(string(b))
	return &Client{http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", path)
		},
	}}}, nil
}

// Text sends a text from a phone to a number; wait is for its answer, at most a minute.
func (c *Client) Text(ctx context.Context, from, to, body string, wait time.Duration) (r TextResult, err error) {
	return c.Send(ctx, TextRequest{From: from, To: to, Text: body, Wait: wait.String()})
}

// Send is Text with everything that a text may say about how it comes.
func (c *Client) Send(ctx context.Context, q TextRequest) (r TextResult, err error) {
	return r, c.post(ctx, "/mo", q, &r)
}

// Messages lists what a phone was sent, oldest first.
func (c *Client) Messages(ctx context.Context, phone string) ([]Sent, error) {
	var r struct {
		Messages []Sent `json:"messages"`
	}
	err := c.do(ctx, http.MethodGet, "/messages?phone="+url.QueryEscape(phone), nil, &r)
	return r.Messages, err
}

// Stats asks for the counts.
func (c *Client) Stats(ctx context.Context) (r Stats, err error) {
	return r, c.do(ctx, http.MethodGet, "/stats", nil, &r)
}

// Binds lists the connections.
func (c *Client) Binds(ctx context.Context) ([]Bind, error) {
	var r struct {
		Binds []Bind `json:"binds"`
	}
	err := c.do(ctx, http.MethodGet, "/binds", nil, &r)
	return r.Binds, err
}

// Drop ends connections.
func (c *Client) Drop(ctx context.Context, q DropRequest) error {
	var r map[string]int
	return c.post(ctx, "/drop", q, &r)
}

// Faults lists the faults of the scenario.
func (c *Client) Faults(ctx context.Context) ([]FaultState, error) {
	var r struct {
		Faults []FaultState `json:"faults"`
	}
	err := c.do(ctx, http.MethodGet, "/faults", nil, &r)
	return r.Faults, err
}

// SwitchFault switches one on or off.
func (c *Client) SwitchFault(ctx context.Context, q FaultSwitch) error {
	var r map[string]any
	return c.post(ctx, "/faults", q, &r)
}

// Traffic lists the traffic of the scenario.
func (c *Client) Traffic(ctx context.Context) ([]TrafficState, error) {
	var r struct {
		Traffic []TrafficState `json:"traffic"`
	}
	err := c.do(ctx, http.MethodGet, "/traffic", nil, &r)
	return r.Traffic, err
}

// SwitchTraffic lets some go on, or holds it.
func (c *Client) SwitchTraffic(ctx context.Context, q TrafficSwitch) error {
	var r map[string]any
	return c.post(ctx, "/traffic", q, &r)
}

// Receipt sends a receipt made by hand.
func (c *Client) Receipt(ctx context.Context, q ReceiptRequest) (r ByHand, err error) {
	return r, c.post(ctx, "/receipt", q, &r)
}

// PDU sends octets as they are.
func (c *Client) PDU(ctx context.Context, q PDURequest) (r ByHand, err error) {
	return r, c.post(ctx, "/pdu", q, &r)
}

// Scenario gives the scenario in force, as YAML.
func (c *Client) Scenario(ctx context.Context) (string, error) {
	resp, err := c.send(ctx, http.MethodGet, "/scenario", nil)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close() //nolint:errcheck // only read
	b, err := io.ReadAll(resp.Body)
	return string(b), err
}

// SetScenario puts another scenario, YAML, in force.
func (c *Client) SetScenario(ctx context.Context, yaml string) error {
	var r map[string]bool
	return c.do(ctx, http.MethodPut, "/scenario", strings.NewReader(yaml), &r)
}

// Count says how many entries of the log a query picks. With atLeast it waits until there are so many, for a time of at
// most a minute.
func (c *Client) Count(ctx context.Context, query url.Values, atLeast int, wait time.Duration) (int, error) {
	v := url.Values{"count": {"true"}}
	maps.Copy(v, query)
	if atLeast > 0 {
		v.Set("at_least", strconv.Itoa(atLeast))
		v.Set("wait", wait.String())
	}
	var r struct {
		Count int `json:"count"`
	}
	err := c.do(ctx, http.MethodGet, "/log?"+v.Encode(), nil, &r)
	return r.Count, err
}

// Log copies the lines that a query picks to w, as NDJSON.
func (c *Client) Log(ctx context.Context, w io.Writer, query url.Values) error {
	resp, err := c.send(ctx, http.MethodGet, "/log?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // only read
	_, err = io.Copy(w, resp.Body)
	return err
}

// Close gives up idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

func (c *Client) post(ctx context.Context, path string, body, into any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return err
	}
	return c.do(ctx, http.MethodPost, path, bytes.NewReader(b), into)
}

func (c *Client) do(ctx context.Context, method, path string, body io.Reader, into any) error {
	resp, err := c.send(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // only read
	return json.NewDecoder(resp.Body).Decode(into)
}

// send makes an error of every status but 200.
func (c *Client) send(ctx context.Context, method, path string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://simulator"+path, body)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("simulator: %w", err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close() //nolint:errcheck // only read
	var e struct {
		Error string `json:"error"`
	}
	_ = json.NewDecoder(io.LimitReader(resp.Body, 1<<16)).Decode(&e) // The status says it too.
	return nil, fmt.Errorf("simulator: %s: %s", resp.Status, e.Error)
}
