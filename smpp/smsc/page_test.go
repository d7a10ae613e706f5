package smsc

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"fanline/smpp"
)

// get asks the page's server.
func get(t *testing.T, address string) (http.Header, string) {
	t.Helper()
	resp, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.Header, string(b)
}

func TestThePageBringsAllThatItNeedsAndItsPolicyAllowsNothingElse(t *testing.T) {
	_, addr := web(t, quick())
	header, page := get(t, "http://"+addr+"/")
	policy := header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "script-src 'sha256-", "style-src 'sha256-", "frame-ancestors 'none'", "connect-src 'self'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("policy %q lacks %s", policy, want)
		}
	}
	if strings.Contains(policy, "unsafe") || strings.Count(page, "<script>") != 1 || strings.Count(page, "<style>") != 1 {
		t.Errorf("more than one script or style, or a policy that allows too much: %s", policy)
	}
	for _, bad := range []string{` style="`, ` onclick=`, `innerHTML`, `eval(`, `<script src`, `<link rel="stylesheet"`} {
		if strings.Contains(page, bad) {
			t.Errorf("the page has %s, which its policy forbids or which lets a text become markup", bad)
		}
	}
	for _, address := range regexp.MustCompile(`https?://[^"' )]+`).FindAllString(page, -1) {
		if address != "http://www.w3.org/2000/svg" { // a name, not a place
			t.Errorf("the page leads to %s", address)
		}
	}
	for _, id := range regexp.MustCompile(`\$\("([a-z-]+)"\)`).FindAllStringSubmatch(page, -1) {
		if !strings.Contains(page, `id="`+id[1]+`"`) {
			t.Errorf("the script looks for #%s, which isn't there", id[1])
		}
	}
	if _, other := get(t, "http://"+addr+"/elsewhere"); strings.Contains(other, "<html") {
		t.Error("every address is the page")
	}
}

func TestThePageShowsTheLastMinute(t *testing.T) {
	r, addr := web(t, scenarioOf(t, "rules: [{to: '*9', statuses: {ESME_RTHROTTLED: 1}}]\n"))
	look := func(only string) (p livePage) {
		t.Helper()
		_, body := get(t, "http://"+addr+"/live?only="+url.QueryEscape(only))
		if err := json.Unmarshal([]byte(body), &p); err != nil {
			t.Fatal(err, body)
		}
		return p
	}
	look("")
	c := r.bind(smpp.BindTransceiverID)
	c.write(smpp.StatusOK, 1, submitTo("13125550001", "Hello there"))
	c.write(smpp.StatusOK, 2, submitTo("13125550009", "too much"))
	c.write(smpp.StatusOK, 3, submitTo("nobody", "lost"))
	for answers, receipts := 0, 0; answers < 3 || receipts < 1; {
		if h, _ := c.receive(); h.ID == smpp.DeliverSMID {
			receipts++
			c.write(smpp.StatusOK, h.Sequence, &smpp.DeliverSMResp{})
		} else {
			answers++
		}
	}
	r.textFrom(testPhone, testNumber, "STOP")
	c.take(1)
	until(t, "all is answered", func() bool { return r.server.pending.Load() == 0 })
	var p livePage
	until(t, "the second is over", func() bool {
		p = look("")
		return len(p.Numbers) == 1 && p.Numbers[0].Texts == 1 && len(p.Messages) == 4 && p.Messages[0].State == "done"
	})
	n := p.Numbers[0]
	if n.Number != testNumber || n.Account != "acme" || n.Accepted != 1 || n.Throttled != 1 || n.Refused != 1 || n.Receipts != 1 {
		t.Errorf("%+v", n)
	}
	if len(p.Statuses) != 3 || len(p.Binds) != 1 || len(p.Seconds) != liveSeconds || p.Stats.Submits != 3 {
		t.Errorf("%+v", p)
	}
	byText := map[string]*liveMessage{}
	for _, m := range p.Messages {
		byText[m.Text] = m
	}
	if m := byText["Hello there"]; m == nil || m.State != "done" || m.Word != "DELIVRD" {
		t.Errorf("%+v", m)
	}
	if m := byText["too much"]; m == nil || m.State != "refused" || m.Word != "ESME_RTHROTTLED" {
		t.Errorf("%+v", m)
	}
	if m := byText["STOP"]; m == nil || !m.In {
		t.Errorf("%+v", m)
	}
	if p := look("hello"); len(p.Messages) != 1 || p.Messages[0].State != "done" {
		t.Errorf("looked for: %+v", p.Messages)
	}
	if p := look("+" + testPhone[:5]); len(p.Messages) != 0 {
		t.Errorf("%+v", p.Messages)
	}
}

func TestThePageShowsAFewOfEachSecondWhenThereAreMany(t *testing.T) {
	r, addr := web(t, quick())
	c := r.bind(smpp.BindTransmitterID)
	for i := range 300 {
		c.write(smpp.StatusOK, uint32(i+1), submitTo("13125550001", "many"))
	}
	for range 300 {
		c.expect(smpp.SubmitSMRespID)
	}
	_, body := get(t, "http://"+addr+"/live")
	var p livePage
	if err := json.Unmarshal([]byte(body), &p); err != nil {
		t.Fatal(err)
	}
	if n := len(p.Messages); n < 1 || n > 60 || p.Stats.Submits != 300 {
		t.Errorf("%d messages are shown of %d", n, p.Stats.Submits)
	}
	for at := time.Duration(0); at < 5*time.Second; at += 50 * time.Millisecond { // the present second isn't shown yet
		if _, body = get(t, "http://"+addr+"/live"); strings.Contains(body, `"accepted":300,"throttled":0,"refused":0,"receipts":`) {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Errorf("300 submits are not all counted: %s", body)
}
