package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fanline/smpp/certify"
	"fanline/smpp/smsc"
)

// certifyWith runs the command and returns its report.
func certifyWith(t *testing.T, host, keys string, args ...string) (code int, report certify.Report, complaints string) {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("CERTIFY_PASSWORD", "pw")
	file := filepath.Join(dir, "c.yaml")
	text := "data: " + filepath.Join(dir, "data") + `
carriers: [{name: acme, hosts: ["` + host + `"], ` + keys + ` system_id: me, password: env:CERTIFY_PASSWORD, limit_per_second: 50, response_timeout: 2s}]
numbers: [{number: "+17735550100", leader: demo, carriers: [acme], limit_per_second: 1}]`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, complaints := fanline(t, append([]string{"carrier", "certify", "acme", "--config", file, "--json"}, args...)...)
	if out != "" {
		if err := json.Unmarshal([]byte(out), &report); err != nil {
			t.Fatalf("%v in %s", err, out)
		}
	}
	return code, report, complaints
}

func TestCertifyWritesAReportThatOneCanSend(t *testing.T) {
	s := simulate(t, smsc.Account{}, "receipts: {delay: {min: 50ms, max: 80ms}}")
	tls := "tls: {enabled: true, ca: " + s.ca + ", server_name: localhost}, "
	for _, test := range []struct{ name, host, keys, file, begins string }{
		{"Markdown", s.plain, "", "report.md", "# SMPP certification of acme"},
		{"HTML over TLS", s.secure, tls, "report.html", "<!doctype html>"},
	} {
		t.Run(test.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), test.file)
			code, report, complaints := certifyWith(t, test.host, test.keys, "--report", file, "--to", "+13125550199", "--only", "C,B-03,L-01,S-01,S-06,R-01")
			if code != exitDone || report.Verdict != certify.Pass || report.Failed != 0 {
				t.Errorf("exit %d, %s\n%s", code, report.Summary(), complaints)
			}
			if !strings.Contains(complaints, "pass           S-06 A long text by user data header") {
				t.Errorf("progress: %s", complaints)
			}
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			page := string(raw)
			if !strings.HasPrefix(page, test.begins) || !strings.Contains(page, "submit_sm") || !strings.Contains(page, "Signatures") || strings.Contains(page, "me\x00pw") {
				t.Errorf("the report:\n%s", page)
			}
			if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%v, %v: a phone's texts are in it", info.Mode(), err)
			}
			if secure := report.SMSC.TLS != "none"; secure != (test.keys != "") {
				t.Errorf("TLS: %s", report.SMSC.TLS)
			}
		})
	}
}

func TestCertifyFailsWhenTheCarrierDoes(t *testing.T) {
	s := simulate(t, smsc.Account{}, "statuses: {ESME_RSYSERR: 1}")
	code, report, complaints := certifyWith(t, s.plain, "", "--to", "+13125550199", "--only", "S-01")
	if code != exitFailed || report.Verdict != certify.Fail || !strings.Contains(complaints, "ESME_RSYSERR") {
		t.Errorf("exit %d, %+v, %s", code, report, complaints)
	}
}

// TestCertifyLeavesBindsToTheProcessThatRuns has an account of two binds, one
// of which a process holds.
func TestCertifyLeavesBindsToTheProcessThatRuns(t *testing.T) {
	s := simulate(t, smsc.Account{MaxBinds: 2}, "")
	dir := shortTempDir(t)
	newCarrierRig(t, dir, s.plain, "").bound(1)
	t.Setenv("FANLINE_DATA", dir)
	code, report, complaints := certifyWith(t, s.plain, "binds: 2,", "--only", "B-04")
	if code != exitDone || report.Passed != 1 || !strings.Contains(complaints, "holds 1 binds of this account") {
		t.Errorf("exit %d, %+v, %s", code, report.Results, complaints)
	}
}

func TestCertifyChecksItsArguments(t *testing.T) {
	for args, want := range map[string]string{
		"--only S-99": `no case is named "S-99"`, "--to 12": "--to: not an E.164 number", "--flood x": "--flood: not an E.164 number",
	} {
		if code, _, complaints := certifyWith(t, "127.0.0.1:1", "", strings.Fields(args)...); code != exitUsage || !strings.Contains(complaints, want) {
			t.Errorf("%s: exit %d, %s", args, code, complaints)
		}
	}
}
