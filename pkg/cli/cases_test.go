package cli

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/gather"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report"
)

// judged runs the plugin on a facts file of testdata/cases. An earlier version judged
// each of these wrongly, and each is an example of its kind.
func judged(t *testing.T, name string, args ...string) (*api.ChecklistReport, int) {
	t.Helper()
	env, out, errOut := testEnv()
	code := Main(context.Background(), env, append(args, "--facts", filepath.Join("testdata", "cases", name+".json"), "-o", "json"))
	var report api.ChecklistReport
	if err := json.Unmarshal(out.Bytes(), &report); err != nil {
		t.Fatalf("%s %v: exit status %d, %s: %v", name, args, code, errOut, err)
	}
	return &report, code
}

func answerWords(answers []api.Answer, of func(api.Answer) api.AnswerWord) map[api.Question]api.AnswerWord {
	out := map[api.Question]api.AnswerWord{}
	for _, a := range answers {
		out[a.Question] = of(a)
	}
	return out
}

func answerOf(a api.Answer) api.AnswerWord    { return a.Answer }
func workloadsOf(a api.Answer) api.AnswerWord { return a.Workloads }

func mentions(f api.Finding, text string) bool {
	return slices.ContainsFunc(f.Evidence, func(e api.Evidence) bool { return strings.Contains(e.Source+e.Value, text) })
}

// A worker's claim to hold etcd changes nothing about the cluster.
func TestCaseAWorkerDoesNotSpeakForTheCluster(t *testing.T) {
	honest, _ := judged(t, "A0-eks")
	claimed, _ := judged(t, "A-eks-etcd")
	for _, of := range []func(api.Answer) api.AnswerWord{answerOf, workloadsOf} {
		want, got := answerWords(honest.Answers, of), answerWords(claimed.Answers, of)
		for q := range want {
			if want[q] != got[q] {
				t.Errorf("%s: %s, without the claim %s", q, got[q], want[q])
			}
		}
	}
	if got := answerWords(claimed.Answers, answerOf)[api.Secrets]; got != api.Unknown {
		t.Errorf("secrets: %s, want unknown", got)
	}
}

// Without a role label plaintext is shown, but is unknown. The hint names the flag, and
// with the flag the two Secrets fail.
func TestCaseUnlabelledNodes(t *testing.T) {
	report, _ := judged(t, "A4-unlabelled")
	if got := answerWords(report.Answers, answerOf)[api.Secrets]; got != api.Unknown {
		t.Errorf("secrets: %s, want unknown", got)
	}
	i := slices.IndexFunc(report.Findings, func(f api.Finding) bool {
		return f.Verdict == api.VerdictUnknown && f.Subject.Kind == "Node" && f.Subject.Name == "srv" && mentions(f, "identity")
	})
	if i < 0 || !strings.Contains(report.Findings[i].Remediation.Text, "--control-plane-node srv") {
		t.Errorf("the plaintext on srv is not shown with its hint: %+v", report.Findings)
	}
	named, _ := judged(t, "A4-unlabelled", "--control-plane-node", "srv")
	failing := 0
	for _, f := range named.Findings {
		if f.Check == "secrets/encrypted-at-rest" && f.Verdict == api.Fail && f.Subject.Kind == "Secret" {
			failing++
		}
	}
	if got := answerWords(named.Answers, answerOf)[api.Secrets]; got != api.No || failing != 2 {
		t.Errorf("with the node named: secrets %s, %d Secrets fail; want no and 2", got, failing)
	}
	if !slices.Equal(named.Spec.Scope.ControlPlaneNodes, []string{"srv"}) {
		t.Errorf("the scope names %v", named.Spec.Scope.ControlPlaneNodes)
	}
	evil, _ := judged(t, "A4-unlabelled", "--control-plane-node", "evil")
	if got := answerWords(evil.Answers, answerOf)[api.Secrets]; got == api.Yes {
		t.Error("names that match give a yes")
	}
}

// What a node says about another node, a pod or the cluster is refused, and becomes the
// node's own gap.
func TestCaseGapsAboutOthers(t *testing.T) {
	without, _ := judged(t, "P20")
	with, _ := judged(t, "P2")
	want, got := answerWords(without.Answers, workloadsOf), answerWords(with.Answers, workloadsOf)
	for q := range want {
		if got[q] == api.Yes && want[q] != api.Yes {
			t.Errorf("workloads of %s: yes by a hostile gap", q)
		}
	}
	report, _ := judged(t, "C-gaps-about-others")
	refused := 0
	for _, g := range report.Gaps {
		// NotRequested is the plugin's own word for kinds that these facts are too old for.
		if g.Subject.Name == "good" && g.Reason != "NotRequested" {
			t.Errorf("a gap about node good is believed: %+v", g)
		}
		if g.Subject.Name == "evil" && g.Reason == "Refused" {
			refused++
		}
	}
	if refused == 0 {
		t.Errorf("nothing says that evil's statements were refused: %+v", report.Gaps)
	}
	if clean, _ := judged(t, "C0"); answerWords(clean.Answers, answerOf)[api.Builds] != api.Yes {
		t.Error("with every part covered and clean, builds is not yes")
	}
}

// A part that nothing covers never counts as yes.
func TestCasePartsThatNothingCovers(t *testing.T) {
	for name, question := range map[string]api.Question{"q5yes": api.Secrets, "C0": api.Drift} {
		report, _ := judged(t, name)
		if got := answerWords(report.Answers, answerOf)[question]; got != api.Unknown {
			t.Errorf("%s: %s is %s, want unknown", name, question, got)
		}
		for _, a := range report.Answers {
			if a.Answer == api.Unknown && a.Reason == "" {
				t.Errorf("%s: %s is unknown without a reason", name, a.Question)
			}
		}
	}
}

// A run that leaves out checks never says yes where the whole run does not. Its scope
// names what was left out.
func TestCaseNarrowedByChecks(t *testing.T) {
	whole, _ := judged(t, "narrowed")
	want := answerWords(whole.Answers, answerOf)
	for _, args := range [][]string{
		{"nodes"},
		{"pods"},
		{"secrets"},
		{"--skip", "secrets/encrypted-at-rest"},
		{"--question", "secrets", "--skip", "secrets/encrypted-at-rest"},
		{"--skip", "builds/builder-workload,builds/runtime-socket"},
		{"--check", "builds/build-process"},
	} {
		report, _ := judged(t, "narrowed", args...)
		for q, got := range answerWords(report.Answers, answerOf) {
			if got == api.Yes && want[q] != api.Yes {
				t.Errorf("%v: %s is yes, of the whole %s", args, q, want[q])
			}
		}
		if len(report.Spec.Scope.LeftOutChecks) == 0 {
			t.Errorf("%v: the scope names no check that was left out", args)
		}
	}
	if left := whole.Spec.Scope.LeftOutChecks; !slices.Equal(left, []string{"immutable/image-scanned", "immutable/vulnerable-packages", "hosts/known-vulnerabilities"}) { // there is no scanner and no database
		t.Errorf("the whole run left out %v", left)
	}
}

// Exit status 3 is for what checks that ran could not read. It is not for checks that the user
// left out, or whose database nobody gave.
func TestExitStatusOfWhatWasNotRead(t *testing.T) {
	clean := []string{"--fail-on", "critical", "--question", "builds"}
	for name, tc := range map[string]struct {
		facts string
		args  []string
		want  int
	}{
		"all was read":                             {"C0", clean, ExitOK},
		"a database that nobody gave":              {"C0", []string{"--fail-on", "critical", "--question", "privileged,immutable"}, ExitOK},
		"a server that was not asked":              {"C0", []string{"--fail-on", "critical", "--question", "drift"}, ExitPartial},
		"checks left out":                          {"C0", append(slices.Clone(clean), "--skip", "builds/build-process"), ExitOK},
		"a node was not read":                      {"P20", clean, ExitPartial},
		"a node was not read, and that is allowed": {"P20", append(slices.Clone(clean), "--allow-unknown"), ExitOK},
		"checks that did not run":                  {"P20", append(slices.Clone(clean), "--skip", "builds/build-process,builds/runtime-socket"), ExitOK},
		"a pass that is only declared":             {"P20", append(slices.Clone(clean), "--skip", "builds/build-process"), ExitPartial},
	} {
		t.Run(name, func(t *testing.T) {
			report, code := judged(t, tc.facts, tc.args...)
			if code != tc.want {
				t.Errorf("exit status %d, want %d; gaps %+v, answers %+v", code, tc.want, report.Gaps, report.Answers)
			}
		})
	}
}

// A fail of low severity does not hide what is unknown about the same subject.
func TestExitStatusOfAnOpenFail(t *testing.T) {
	r := evaluation{report: reportFlags{failOn: "high"}}
	open := &api.ChecklistReport{Findings: []api.Finding{{Verdict: api.Fail, Severity: api.Low, Reason: "Timeout"}}}
	if code := Code(r.exit(report.Of(open))); code != ExitPartial {
		t.Errorf("exit status %d, want %d", code, ExitPartial)
	}
}

func TestLeftOut(t *testing.T) {
	if got := leftOut(checksOf("secrets", api.ReportSpec{})); slices.ContainsFunc(got, func(id string) bool { return checks.Check{ID: id}.Question() == api.Secrets }) || len(got) == 0 {
		t.Errorf("the secrets command leaves out %v", got)
	}
}

func TestControlPlaneNodeFlag(t *testing.T) {
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"a node that does not exist": {[]string{"--facts", "testdata/cases/C0.json", "--control-plane-node", "nosuch"}, `--control-plane-node: no node is named "nosuch"`},
		"with --local":               {[]string{"--local", "--control-plane-node", "x"}, "--local and --control-plane-node cannot be used together"},
		"secrets with --local":       {[]string{"secrets", "--local", "--control-plane-node", "x"}, "--local and --control-plane-node cannot be used together"},
		"with --snapshot":            {[]string{"secrets", "--snapshot", "x", "--control-plane-node", "x"}, "--snapshot and --control-plane-node cannot be used together"},
	} {
		t.Run(name, func(t *testing.T) {
			env, out, errOut := testEnv()
			if code := Main(context.Background(), env, tc.args); code != ExitFailure || out.Len() > 0 || !strings.Contains(errOut.String(), tc.want) {
				t.Errorf("exit status %d, stdout %q, stderr %q; want %q", code, out, errOut, tc.want)
			}
		})
	}
}

// Facts of some pods that another command judges are still of some pods.
func TestASelectorIsOfTheCommandThatSaved(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("testdata", "cases", "C0.json"))
	if err != nil {
		t.Fatal(err)
	}
	for saved, want := range map[string]string{"checklist": "only pods with labels app=web", "nodes": "only nodes with labels app=web"} {
		var facts api.ChecklistFacts
		if err := json.Unmarshal(data, &facts); err != nil {
			t.Fatal(err)
		}
		facts.Spec.Command, facts.Spec.Scope.Selector = saved, "app=web"
		path := filepath.Join(t.TempDir(), "facts.json")
		err := writeFile(path, func(out io.Writer) error { return gather.WriteFacts(out, "run", facts.Spec, &facts.Facts) })
		if err != nil {
			t.Fatal(err)
		}
		for _, command := range [][]string{nil, {"pods"}, {"nodes"}, {"secrets"}} {
			env, out, errOut := testEnv()
			if code := Main(context.Background(), env, append(command, "--facts", path, "-o", "jsonpath={.spec.scope.narrowed}")); code != 0 {
				t.Fatalf("%v: exit status %d, %s", command, code, errOut)
			}
			if got := out.String(); got != want {
				t.Errorf("saved by %s, judged by %v: want %q, got %q", saved, command, want, got)
			}
		}
	}
}
