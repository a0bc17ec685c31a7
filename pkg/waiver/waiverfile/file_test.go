package waiverfile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/waiver"
)

var now = time.Date(2026, 11, 29, 23, 30, 0, 0, time.UTC)

func known(id string) (bool, string) {
	switch id {
	case "privileged/host-path", "privileged/seccomp":
		return true, ""
	case "privileged/undeclared-container":
		return true, "it has no name"
	}
	return false, ""
}

const head = "apiVersion: kubectl-checklist.github.io/v1alpha1\nkind: ChecklistWaivers\nwaivers:\n"

// entry is a waiver that is right, in lines 4 to 11 of a file, with some of its lines replaced.
func entry(replace ...string) string {
	return strings.NewReplacer(replace...).Replace(`- check: privileged/host-path
  subject: {kind: DaemonSet, namespace: kube-system, name: cni, container: agent}
  severity: high
  evidence: [{field: "spec.volumes[].hostPath.path", value: /opt/cni}]
  reason: the plugin writes its binary
  acceptedBy: ann@example.com
  accepted: 2026-11-29
  expires: 2027-11-30
`)
}

func TestRead(t *testing.T) {
	for name, tc := range map[string]struct{ text, problem string }{
		"a waiver that is right":         {head + entry(), ""},
		"the longest":                    {head + entry(), ""},
		"no waivers":                     {head, ""},
		"an empty list":                  {strings.TrimSuffix(head, "\n") + " []\n", ""},
		"a glob of names in a namespace": {head + entry("name: cni", `name: "cni-*"`), ""},
		"a glob of namespaces of a name": {head + entry("namespace: kube-system", `namespace: "*"`), ""},
		"a node":                         {head + entry("namespace: kube-system, name: cni, container: agent", "name: w1", "DaemonSet", "Node"), ""},
		"the cluster":                    {head + entry("namespace: kube-system, name: cni, container: agent", "", "DaemonSet", "Cluster"), ""},
		"two of one check":               {head + entry() + entry("name: cni", "name: other"), ""},
		"nothing":                        {"", "expected a document of kind ChecklistWaivers, found nothing"},
		"a comment":                      {"# nothing", "expected a document of kind ChecklistWaivers, found nothing"},
		"a list":                         {"- a", "line 1: the file: expected fields, found a list"},
		"another kind":                   {"apiVersion: v1\nkind: Pod\nmetadata: {}\n", "line 1: kind: expected ChecklistWaivers, found \"Pod\""},
		"another version":                {strings.Replace(head, "v1alpha1", "v2", 1), `line 1: apiVersion: expected kubectl-checklist.github.io/v1alpha1, found "kubectl-checklist.github.io/v2"`},
		"two documents":                  {head + entry() + "---\n" + head, "line 12: expected one document, found several"},
		"waivers that are no list":       {head + "  a: b\n", "line 4: waivers: expected a list, found fields"},
		"no YAML":                        {head + "- check: [\n", "line 4: not valid YAML: a value is missing"},
		"a tab":                          {head + "-\tcheck: a\n\t  b: c", "line 4: not valid YAML: a character that cannot start a value"},
		"an unknown field":               {head + entry("  reason:", "  because:"), "line 8: a waiver has no field \"because\"; its fields are"},
		"a field twice":                  {head + entry("  severity: high", "  severity: high\n  severity: low"), "line 7: not valid YAML: a key that is there twice"},
		"an unknown check":               {head + entry("privileged/host-path", "privileged/host-paths"), `line 4: check: this version has no check "privileged/host-paths"`},
		"a glob of checks":               {head + entry("privileged/host-path", `"privileged/*"`), `line 4: check: expected the ID of one check, found "privileged/*"`},
		"no check":                       {head + entry("privileged/host-path", ""), "line 4: check: expected the ID of a check, found nothing"},
		"a check that cannot be waived":  {head + entry("privileged/host-path", "privileged/undeclared-container"), "line 4: check: privileged/undeclared-container cannot be waived: it has no name"},
		"only globs":                     {head + entry("namespace: kube-system, name: cni", `namespace: "*", name: "c*"`), "line 5: subject: expected a namespace or a name, found only globs"},
		"a glob of cluster objects":      {head + entry("namespace: kube-system, name: cni, container: agent", `name: "*"`, "DaemonSet", "Node"), "line 5: subject: expected a namespace or a name, found only globs"},
		"a glob of kinds":                {head + entry("DaemonSet", `"*"`), `line 5: subject.kind: expected one kind, found "*"`},
		"no kind":                        {head + entry("kind: DaemonSet, ", ""), "line 5: subject.kind: expected a kind, found nothing"},
		"no name":                        {head + entry(", name: cni", ""), "line 5: subject.name: expected a name or a glob"},
		"a glob of namespaces, whose findings are of many": {head + entry("namespace: kube-system, name: cni, container: agent", `name: "kube-*"`, "DaemonSet", "Namespace"), "line 5: subject: expected the exact name of a Namespace, found a glob: its findings are about many objects"},
		"no subject":                     {head + entry("  subject: {kind: DaemonSet, namespace: kube-system, name: cni, container: agent}\n", ""), "line 4: subject: expected kind and name, found nothing"},
		"a severity that does not exist": {head + entry("severity: high", "severity: awful"), `line 6: severity: expected critical, high, medium or low, found "awful"`},
		"no evidence":                    {head + entry(`[{field: "spec.volumes[].hostPath.path", value: /opt/cni}]`, "[]"), "line 4: evidence: expected the values that were accepted, found nothing"},
		"evidence without a field":       {head + entry(`field: "spec.volumes[].hostPath.path", `, ""), "line 7: evidence.field: expected where the value was read, found nothing"},
		"an empty reason":                {head + entry("the plugin writes its binary", `" "`), "line 8: reason: expected why the risk is accepted, found nothing"},
		"no acceptedBy":                  {head + entry("  acceptedBy: ann@example.com\n", ""), "line 4: acceptedBy: expected who accepted the risk, found nothing"},
		"accepted tomorrow":              {head + entry("2026-11-29", "2026-11-30"), "line 10: accepted: 2026-11-30 is in the future: today is 2026-11-29 (UTC)"},
		"no date":                        {head + entry("2026-11-29", "29.11.2026"), `line 10: accepted: expected a date (2026-11-29), found "29.11.2026"`},
		"a date that does not exist":     {head + entry("2027-11-30", "2027-02-29"), `line 11: expires: expected a date (2026-11-29), found "2027-02-29"`},
		"no expiry":                      {head + entry("  expires: 2027-11-30\n", ""), `line 4: expires: expected a date (2026-11-29), found ""`},
		"367 days":                       {head + entry("2027-11-30", "2027-12-01"), "line 11: expires: expected at most 366 days after accepted (2027-11-30), found 2027-12-01"},
		"expires before accepted":        {head + entry("2027-11-30", "2026-11-28"), "line 11: expires: 2026-11-28 is before accepted (2026-11-29)"},
		"a duplicate":                    {head + entry() + entry("severity: high", "severity: low"), "line 12: a waiver of privileged/host-path for this subject is in line 4 already"},
		"an alias":                       {head + entry("the plugin writes its binary", "&why it must", "ann@example.com", "*why"), "line 8: anchors and aliases are not allowed here: write the value out"},
		"a merge key":                    {head + entry("  severity: high", "  <<: {severity: high}"), `line 6: a waiver has no field "<<"`},
		"binary data":                    {head + entry("the plugin writes its binary", "!!binary aGk="), "line 8: reason: expected a text, found binary data"},
		"a list as a reason":             {head + entry("the plugin writes its binary", "[a]"), "line 8: reason: expected a text, found a list"},
	} {
		t.Run(name, func(t *testing.T) {
			list, err := Read([]byte(tc.text), known, now)
			switch {
			case tc.problem == "" && err != nil:
				t.Fatalf("refused: %v\n%s", err, tc.text)
			case tc.problem == "":
				if want := strings.Count(tc.text, "- check"); list.Len() != want {
					t.Errorf("%d waivers, want %d", list.Len(), want)
				}
			case err == nil:
				t.Fatalf("read\n%s", tc.text)
			case !strings.HasPrefix(err.Error(), tc.problem) && !strings.Contains(err.Error(), "\n"+tc.problem):
				t.Errorf("found: %v\nwant: %s\n%s", err, tc.problem, tc.text)
			}
		})
	}
}

// All mistakes are named at once, but not endlessly.
func TestReadNamesAllMistakes(t *testing.T) {
	_, err := Read([]byte(head+strings.Repeat(entry("high", "h", "ann@example.com", `""`), 15)), known, now)
	var problems *Problems
	if !errors.As(err, &problems) || len(problems.List) != maxErrors || problems.More != 30-maxErrors {
		t.Errorf("found %+v", problems)
	}
}

// What a draft says is refused until it has a reason, and is then read as it was written.
func TestWrite(t *testing.T) {
	drafts := []waiver.Draft{{
		Check: "privileged/host-path", Subject: waiver.Subject{Kind: "Pod", Namespace: "no", Name: "0123", Container: "a: b #c"}, Severity: api.Medium,
		Message: "mounts \"/a\nb\" # and\u2028more", Evidence: []waiver.Item{{Field: "spec.volumes[].hostPath.path", Value: "/a\x7f\"\\\x00 日本: {x} <&>"}},
	}}
	var out strings.Builder
	if err := Write(&out, drafts, "6f1e0c3a-0000-4000-8000-000000000001", now); err != nil {
		t.Fatal(err)
	}
	_, err := Read([]byte(out.String()), known, now)
	if err == nil || !strings.Contains(err.Error(), "reason: expected why") || !strings.Contains(err.Error(), "acceptedBy: expected who") || strings.Count(err.Error(), "\n") != 1 {
		t.Fatalf("an untouched draft: %v\n%s", err, out.String())
	}
	text := strings.NewReplacer(`reason: ""`, "reason: why", `acceptedBy: ""`, "acceptedBy: ann").Replace(out.String())
	list, err := Read([]byte(text), known, now)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	f := api.Finding{
		Check: "privileged/host-path", Verdict: api.Fail, Severity: api.Medium, Subject: fact.Subject{Kind: "Pod", Namespace: "no", Name: "0123", Container: "a: b #c"},
		Evidence: []api.Evidence{{Source: "pod/no/0123 spec.volumes[3].hostPath.path", Value: "/a\x7f\"\\\x00 日本: {x} <&>"}},
	}
	list.Begin("6f1e0c3a-0000-4000-8000-000000000001", now, nil).Apply(&f)
	if f.Verdict != api.Accepted || f.Accepted.Expires != "2027-02-27" {
		t.Errorf("%s: %s\n%s", f.Verdict, f.Message, text)
	}
}

// What is drafted can be read, however much it is.
func TestWriteIsBounded(t *testing.T) {
	draft := waiver.Draft{Check: "privileged/host-path", Subject: waiver.Subject{Kind: "Pod", Namespace: "shop", Name: "a"}, Severity: api.Low}
	for i := range 5000 {
		draft.Evidence = append(draft.Evidence, waiver.Item{Field: "spec.volumes[].hostPath.path", Value: fmt.Sprintf("/%d", i)})
	}
	var out strings.Builder
	if err := Write(&out, []waiver.Draft{draft}, "", now); err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer(`reason: ""`, "reason: why", `acceptedBy: ""`, "acceptedBy: ann").Replace(out.String())
	if list, err := Read([]byte(text), known, now); err != nil || list.Len() != 1 {
		t.Errorf("%v", err)
	}
	many := make([]waiver.Draft, 100)
	for i := range many {
		many[i] = draft
	}
	if err := Write(io.Discard, many, "", now); !errors.Is(err, ErrTooLarge) {
		t.Errorf("%d drafts of %d bytes: %v", len(many), out.Len(), err)
	}
}

// A file gives waivers that keep the rules, or an error in our own words, and never panics.
func FuzzRead(f *testing.F) {
	f.Add([]byte(head + entry()))
	f.Add([]byte(head + entry() + entry("cni", "b")))
	f.Add([]byte("a: &a [*a]"))
	f.Add([]byte(head + "- {check: !!binary x, <<: *b}"))
	f.Add([]byte("\t- \x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := Read(data, known, now)
		if err != nil {
			var problems *Problems
			if !errors.As(err, &problems) || len(problems.List) == 0 || len(problems.List) > maxErrors || list != nil {
				t.Fatalf("%v", err)
			}
			lines := 1 + strings.Count(string(data), "\n") + strings.Count(string(data), "\r") + strings.Count(string(data), "\u0085") + strings.Count(string(data), "\u2028") + strings.Count(string(data), "\u2029")
			for _, p := range problems.List {
				if p.Text == "" || p.Line > lines+1 {
					t.Fatalf("line %d of %d: %q", p.Line, lines, p.Text)
				}
			}
			return
		}
		if list.Len() > MaxWaivers {
			t.Fatalf("%d waivers", list.Len())
		}
		// No waiver that was read covers what is unknown.
		finding := api.Finding{Check: "privileged/host-path", Verdict: api.VerdictUnknown, Subject: fact.Subject{Kind: "DaemonSet", Namespace: "kube-system", Name: "cni", Container: "agent"}}
		use := list.Begin("", now, nil)
		if use.Apply(&finding); finding.Verdict != api.VerdictUnknown {
			t.Fatal("unknown is covered")
		}
	})
}

// The file in the documentation is one.
func TestDocs(t *testing.T) {
	text, err := os.ReadFile("../../../docs/waivers.md")
	if err != nil {
		t.Fatal(err)
	}
	_, block, found := strings.Cut(string(text), "```yaml\n")
	block, _, closed := strings.Cut(block, "```")
	list, err := Read([]byte(block), func(string) (bool, string) { return true, "" }, now)
	if !found || !closed || err != nil || list.Len() != 1 {
		t.Errorf("%v\n%s", err, block)
	}
}
