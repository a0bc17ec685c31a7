package report

import (
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

func TestHides(t *testing.T) {
	for name, tc := range map[string]struct {
		finding api.Finding
		want    bool
	}{
		"a low fail is hidden":               {api.Finding{Verdict: api.Fail, Severity: api.Low}, true},
		"a medium fail is not":               {api.Finding{Verdict: api.Fail, Severity: api.Medium}, false},
		"a low pass is hidden":               {api.Finding{Verdict: api.Pass, Severity: api.Low}, true},
		"a low accepted fail is hidden":      {api.Finding{Verdict: api.Accepted, Severity: api.Low}, true},
		"a low unknown is not":               {api.Finding{Verdict: api.VerdictUnknown, Severity: api.Low}, false},
		"a low fail that is open is not":     {api.Finding{Verdict: api.Fail, Severity: api.Low, Reason: fact.NotReady}, false},
		"an open accepted fail is not":       {api.Finding{Verdict: api.Accepted, Severity: api.Low, Reason: fact.NotReady}, false},
		"a word that is no verdict is not":   {api.Finding{Verdict: "strange", Severity: api.Low}, false},
		"a severity that nobody knows hides": {api.Finding{Verdict: api.Fail, Severity: "strange"}, true},
	} {
		if got := Hides(&tc.finding, api.Medium); got != tc.want {
			t.Errorf("%s: found %t", name, got)
		}
		if Hides(&tc.finding, "") {
			t.Errorf("%s: hidden without a severity", name)
		}
	}
}
