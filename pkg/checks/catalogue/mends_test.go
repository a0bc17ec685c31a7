package catalogue

import (
	"slices"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/remedy/mend"
)

// Each fault of the table is answered in the way that the table of mends says: by a mend or a
// note that says why there is none, by a text, or by commands.
func TestEachFaultIsAnswered(t *testing.T) {
	for check, fault := range faults {
		t.Run(check, func(t *testing.T) {
			set := clean()
			fault.plant(set)
			findings := checks.JudgeSet(built(), set).Findings
			findings = slices.DeleteFunc(findings, func(f api.Finding) bool { return f.Check != check || f.Verdict != api.Fail })
			if len(findings) == 0 {
				t.Fatal("the fault is not found")
			}
			entry, ok := mend.Lookup(check)
			if !ok {
				t.Fatal("nothing answers the check")
			}
			maker := mend.New(set)
			if entry.Kind == mend.Commands {
				book, some := maker.Cluster(findings)
				for i := range findings {
					if node := onNode(findings[i].Subject); node != "" && !some {
						book, some = maker.Node(node, findings)
					}
				}
				if !some || len(book.Steps) == 0 {
					t.Fatalf("no commands for %v", findings[0].Subject)
				}
				return
			}
			if text := mend.Text(check); (text != "") != (entry.Kind == mend.Manual) {
				t.Errorf("a check of kind %s has the text %q", entry.Kind, text)
			}
			if findings[0].Subject.Kind != fact.SubjectDeployment {
				return // not about a workload: the text is all
			}
			mends, notes := maker.For(&set.Workloads[0], findings)
			if len(mends)+len(notes) == 0 {
				t.Error("neither a mend nor a note")
			}
			if entry.Kind == mend.Manual && len(mends) > 0 {
				t.Errorf("mends for a check that has none: %v", mends)
			}
			for _, m := range mends {
				if !slices.Equal(m.Checks, []string{check}) {
					t.Errorf("a mend for %v", m.Checks)
				}
			}
		})
	}
}

// onNode is the node that a subject is on, "" if it names none.
func onNode(s fact.Subject) string {
	if s.Kind == fact.SubjectNode {
		return s.Name
	}
	return s.Node
}
