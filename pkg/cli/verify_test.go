package cli

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// runsTo runs a command line and returns what it printed.
func runsTo(t *testing.T, want int, args ...string) (stdout, stderr string) {
	t.Helper()
	env, out, errOut := testEnv()
	if code := Main(context.Background(), env, args); code != want {
		t.Fatalf("%q: exit status %d, want %d; stderr %q", args, code, want, errOut)
	}
	return out.String(), errOut.String()
}

// verified are facts and reports that were made from them, by command line.
func verified(t *testing.T, facts string, args ...string) (report string) {
	t.Helper()
	text, _ := runsTo(t, ExitOK, append(args, "--facts", facts)...)
	report = filepath.Join(t.TempDir(), "report")
	if err := os.WriteFile(report, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return report
}

const verifyFacts = "testdata/cases/C0.json"

// A report follows from the facts it was made from, whatever was asked.
func TestVerify(t *testing.T) {
	for _, args := range [][]string{
		{"-o", "json"},
		{"-o", "yaml"},
		{"pods", "-o", "json"},
		{"pods", "--measure", "-o", "yaml"},
		{"nodes", "-o", "json"},
		{"secrets", "-o", "json"},
		{"-o", "json", "--question", "privileged"},
		{"-o", "yaml", "--severity", "high"},
		{"-o", "json", "--skip", "drift/*", "--severity", "medium"},
		{"-o", "json", "--context", "other"},
	} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			report := verified(t, verifyFacts, args...)
			if out, _ := runsTo(t, ExitOK, "verify", verifyFacts, report); !strings.Contains(out, "follows from the facts") {
				t.Errorf("printed %q", out)
			}
		})
	}
}

// What a report was made with has to be given, and has to be the same.
func TestVerifyWithWaivers(t *testing.T) {
	dir := t.TempDir()
	drafts, waivers := filepath.Join(dir, "drafts.yaml"), filepath.Join(dir, "waivers.yaml")
	runsTo(t, ExitOK, "--facts", verifyFacts, "--write-waivers", drafts)
	text, err := os.ReadFile(drafts)
	if err != nil {
		t.Fatal(err)
	}
	filled := strings.NewReplacer(`reason: ""`, "reason: known", `acceptedBy: ""`, "acceptedBy: me").Replace(string(text))
	if err := os.WriteFile(waivers, []byte(filled), 0o600); err != nil {
		t.Fatal(err)
	}
	report := verified(t, verifyFacts, "-o", "json", "--waivers", waivers, "--platform-namespaces", "infra-*")
	data, err := os.ReadFile(report)
	if err != nil || !strings.Contains(string(data), `"accepted": {`) {
		t.Fatalf("no finding is accepted, %v", err)
	}
	runsTo(t, ExitOK, "verify", verifyFacts, report, "--waivers", waivers)
	if _, errOut := runsTo(t, ExitPartial, "verify", verifyFacts, report); !strings.Contains(errOut, "give them with --waivers") {
		t.Error(errOut)
	}
	if _, errOut := runsTo(t, ExitFindings, "verify", verifyFacts, report, "--waivers", drafts); !strings.Contains(errOut, "its waivers have sha256:") {
		t.Error(errOut)
	}
	runsTo(t, ExitFindings, "verify", verifyFacts, verified(t, verifyFacts, "-o", "json"), "--waivers", waivers)

	// No run judges facts before they are collected: a waiver could cover that ended since.
	earlier := regexp.MustCompile(`accepted: 20[0-9-]+\n  expires: 20[0-9-]+`).ReplaceAllString(filled, "accepted: 2026-11-01\n  expires: 2027-10-01")
	if err := os.WriteFile(waivers, []byte(earlier), 0o600); err != nil {
		t.Fatal(err)
	}
	report = verified(t, verifyFacts, "-o", "json", "--waivers", waivers)
	if data, err = os.ReadFile(report); err != nil {
		t.Fatal(err)
	}
	runsTo(t, ExitOK, "verify", verifyFacts, report, "--waivers", waivers)
	data = regexp.MustCompile(`"judgedAt": "[^"]*"`).ReplaceAll(data, []byte(`"judgedAt": "2026-11-10T00:00:00Z"`))
	if err := os.WriteFile(report, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, errOut := runsTo(t, ExitFindings, "verify", verifyFacts, report, "--waivers", waivers); !strings.Contains(errOut, "before the facts were collected") {
		t.Error(errOut)
	}
}

// No byte of a report can change.
func TestVerifyFindsEveryChange(t *testing.T) {
	for _, format := range []string{"json", "yaml"} {
		report := verified(t, verifyFacts, "pods", "-o", format)
		data, err := os.ReadFile(report)
		if err != nil {
			t.Fatal(err)
		}
		// A prime step visits all kinds of lines; the last third of a YAML report is its spec.
		step := 1 + len(data)/150
		changes := 0
		for i := 0; i < len(data); i += step {
			changed := bytes.Clone(data)
			if changed[i]++; changed[i] == data[i] {
				continue
			}
			path := filepath.Join(t.TempDir(), "changed")
			if err := os.WriteFile(path, changed, 0o600); err != nil {
				t.Fatal(err)
			}
			env, _, errOut := testEnv()
			if code := Main(context.Background(), env, []string{"verify", verifyFacts, path}); code == ExitOK {
				t.Errorf("%s: byte %d was changed and nothing was found: %q", format, i, lineAt(data, i))
			} else if errOut.Len() == 0 {
				t.Errorf("%s: byte %d: exit status %d without a word", format, i, code)
			}
			changes++
		}
		if changes < 100 {
			t.Errorf("%s: only %d changes were tried", format, changes)
		}
	}
}

func lineAt(data []byte, i int) string {
	start := bytes.LastIndexByte(data[:i], '\n') + 1
	line, _, _ := bytes.Cut(data[start:], []byte("\n"))
	return string(line)
}

// What else can be wrong has its own exit status and a message that says where.
func TestVerifyFails(t *testing.T) {
	report := verified(t, verifyFacts, "-o", "json")
	data, err := os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	edited := func(old, replacement string) string {
		text := strings.Replace(string(data), old, replacement, 1)
		if text == string(data) && old != "" {
			t.Fatalf("%q is not in the report", old)
		}
		path := filepath.Join(t.TempDir(), "edited")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	file := func(text string) string {
		path := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const catalogueLine = `"catalogueVersion": `
	for name, tc := range map[string]struct {
		facts, report string
		code          int
		want          string
	}{
		"another verdict":       {verifyFacts, edited(`"verdict": "fail"`, `"verdict": "pass"`), ExitFindings, `expected "\"verdict\": \"fail\",", found "\"verdict\": \"pass\","`},
		"an answer":             {verifyFacts, edited(`"answer": "unknown"`, `"answer": "yes"`), ExitFindings, "line "},
		"another time":          {verifyFacts, edited(`"judgedAt": "2026`, `"judgedAt": "2020`), ExitFindings, `found "\"judgedAt\": \"2020`},
		"other facts":           {"testdata/cases/A-eks-etcd.json", report, ExitFindings, "it was made from facts with sha256:"},
		"another catalogue":     {verifyFacts, edited(catalogueLine+`"20`, catalogueLine+`"19`), ExitPartial, "cannot tell: the report was judged by catalogue 19"},
		"another version":       {verifyFacts, edited(`"version": "`, `"version": "x`), ExitPartial, "cannot tell: the report was made by version x"},
		"another API version":   {verifyFacts, edited("/v1alpha1", "/v1beta9"), ExitPartial, "cannot tell: the report is of another version"},
		"no facts named":        {verifyFacts, edited(`"facts": "sha256:`, `"factz": "sha256:`), ExitPartial, "does not say from which facts"},
		"hostile version":       {verifyFacts, edited(catalogueLine+`"`, catalogueLine+`"\u001b]0;x`), ExitPartial, "another value"},
		"facts twice":           {verifyFacts, verifyFacts, ExitFailure, "expected a report, found facts"},
		"a table":               {verifyFacts, file("QUESTION  ANSWER\n"), ExitFailure, "expected a report that -o json or -o yaml printed"},
		"a Secret":              {verifyFacts, file("kind: Secret\ndata: {a: CANARY}\n"), ExitFailure, "expected a report that -o json or -o yaml printed"},
		"broken YAML":           {verifyFacts, file("a: CANARY: b\n\t- x"), ExitFailure, "expected a report that -o json or -o yaml printed"},
		"nothing":               {verifyFacts, file(""), ExitFailure, "expected a report"},
		"no such report":        {verifyFacts, "nosuch", ExitFailure, `reading the report "nosuch": no such file`},
		"no such facts":         {"nosuch", report, ExitFailure, `reading facts "nosuch": no such file`},
		"a check that is none":  {verifyFacts, edited(`"scope": {`, `"scope": {"checks": ["no/such"],`), ExitFindings, "is not what a run can be asked"},
		"a command that is not": {verifyFacts, edited(`"command": "checklist"`, `"command": "sudo"`), ExitFindings, "the checks that it names"},
	} {
		t.Run(name, func(t *testing.T) {
			_, errOut := runsTo(t, tc.code, "verify", tc.facts, tc.report)
			if !strings.Contains(errOut, tc.want) || strings.Contains(errOut, "CANARY") || strings.Contains(errOut, "\x1b") {
				t.Errorf("stderr %q, want %q", errOut, tc.want)
			}
		})
	}
	runsTo(t, ExitFindings, "verify", verifyFacts, file(string(data)+"\n"))
	runsTo(t, ExitFindings, "verify", verifyFacts, file(string(data[:len(data)-1])))
	runsTo(t, ExitFailure, "verify", verifyFacts)

	// These are read twice.
	for _, args := range [][]string{{os.DevNull, report}, {verifyFacts, report, "--waivers", os.DevNull}, {t.TempDir(), report}, {verifyFacts, report, "--waivers", t.TempDir()}} {
		path := args[len(args)-1]
		if len(args) == 2 {
			path = args[0]
		}
		if args[len(args)-1] != report { // with waivers
			args[1] = verified(t, verifyFacts, "-o", "json", "--waivers", noWaivers(t))
		}
		if _, errOut := runsTo(t, ExitFailure, append([]string{"verify"}, args...)...); !strings.Contains(errOut, path) || !strings.Contains(errOut, "director") && !strings.Contains(errOut, "pipe or device") {
			t.Errorf("%q: %s", args, errOut)
		}
	}
}

// noWaivers is a file of waivers that has none.
func noWaivers(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "waivers")
	if err := os.WriteFile(path, []byte("apiVersion: kubectl-checklist.github.io/v1alpha1\nkind: ChecklistWaivers\nwaivers: []\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
