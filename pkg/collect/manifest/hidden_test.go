package manifest

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// gapsOf reads a text, which must hold one pod that is read, and returns its gaps.
func gapsOf(t *testing.T, text string) []string {
	t.Helper()
	got, err := Read(t.Context(), Files{Filenames: []string{"-"}}, "", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Workloads) != 1 || got.Workloads[0].Owner.Name != "a" {
		t.Errorf("expected the pod a, found %+v", got.Workloads)
	}
	var details []string
	for i := range got.Gaps {
		details = append(details, got.Gaps[i].Detail)
	}
	return details
}

// What the library takes for another document is not passed over in silence.
func TestHiddenDocument(t *testing.T) {
	const (
		one = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: c}]}\n"
		two = "apiVersion: v1\nkind: Pod\nmetadata: {name: b}\nspec: {hostPID: true, containers: [{name: c}]}\n"
	)
	const problem = ": a separator behind a line break that is no line feed: what follows it is not read"
	for _, br := range []string{"\r", "\u0085", "\u2028", "\u2029"} {
		for text, line := range map[string]int{
			strings.ReplaceAll(one+"---\n"+two, "\n", br): 1,
			one + "# x" + br + "---\n" + two:              5,
			one + "# x" + br + "... # y\n" + two:          5,
			one + "# x" + br + "---":                      0,
			one + "# x" + br + "---\n# y\n":               0,
			"# x" + br + "--- \n" + one:                   0,
			one + "# x" + br + "# ---\n":                  0,
			one + "# x" + br + "\n":                       0,
			strings.ReplaceAll(one, "\n", "\r\n"):         0,
		} {
			var want string
			if line > 0 {
				want = fmt.Sprintf("line %d%s", line, problem)
			}
			if got := strings.Join(gapsOf(t, text), "; "); got != want {
				t.Errorf("%q: expected %q, found %q", text, want, got)
			}
		}
	}
}

// A List that has its items twice is not read half in silence.
func TestListWithAFieldTwice(t *testing.T) {
	const pod = `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"%s"},"spec":{"containers":[{"name":"c"}]}}`
	a, b := fmt.Sprintf(pod, "a"), fmt.Sprintf(pod, "b")
	const problem = ": a List with a field that is there twice: the second one is not judged"
	for text, want := range map[string]string{
		`{"kind":"List","apiVersion":"v1","items":[` + a + `],` + "\n" + `"items":[` + b + `]}`:      "line 2" + problem,
		`{"kind":"List","apiVersion":"v1","items":[` + a + `],"ite\u006ds":[` + b + `]}`:             "line 1" + problem,
		`{"kind":"List","apiVersion":"v1",` + "\n" + `"kind":"Pod","items":[` + a + `]}`:             "line 2" + problem,
		`{"kind":"List","apiVersion":"v1","items":[` + a + `],"metadata":{"items":[],"kind":"Pod"}}`: "",
	} {
		if got := strings.Join(gapsOf(t, text), "; "); got != want {
			t.Errorf("%s: expected %q, found %q", text, want, got)
		}
	}
}

// Few aliases of a long text are a large document.
func TestAliasesOfALongText(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	document := func(aliases int) []byte {
		var b bytes.Buffer
		b.WriteString("x: &a " + long + "\n")
		for i := range aliases {
			fmt.Fprintf(&b, "y%d: *a\n", i)
		}
		return b.Bytes()
	}
	for aliases, want := range map[int]fact.Reason{2: "", 70: fact.Truncated} {
		d := document0(document(aliases))
		_, err := d.decode()
		var reason fact.Reason
		if p, is := err.(Problem); is { //nolint:errorlint // it is not wrapped
			reason = p.Reason
		}
		if reason != want {
			t.Errorf("%d aliases: expected %q, found %v", aliases, want, err)
		}
	}
}

func document0(text []byte) document { return document{source: "x", number: 1, text: text, first: 1} }

// A remote kustomization is not looked for on the disk.
func TestExplainRemote(t *testing.T) {
	const want = "kustomize cannot fetch it, or cannot build it"
	if got := (Files{Kustomize: "https://host.example/repository"}).explain(); len(got) != 1 || got[0].Error() != want {
		t.Errorf("expected %q, found %v", want, got)
	}
}
