package diff

import (
	"testing"

	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

func TestClassify(t *testing.T) {
	for _, c := range []struct {
		was   api.Verdict
		wasAt api.Severity
		is    api.Verdict
		isAt  api.Severity
		want  Class
	}{
		{api.Fail, api.High, api.Pass, api.High, Fixed},
		{api.Accepted, api.High, api.Pass, api.High, Fixed},
		{api.Pass, api.High, api.Fail, api.High, New},
		{api.Pass, api.High, api.Pass, api.Low, Unchanged},
		{api.Fail, api.Low, api.Fail, api.High, Worse},
		{api.Fail, api.High, api.Fail, api.Low, Better},
		{api.Fail, api.High, api.Fail, api.High, Unchanged},
		{api.Fail, api.High, api.Accepted, api.High, Unchanged},
		{api.Accepted, api.High, api.Fail, api.High, Worse},
		{api.Accepted, api.High, api.Fail, api.Low, Worse},
		{api.Fail, api.High, api.VerdictUnknown, api.High, NoLongerMeasured},
		{api.Fail, api.High, api.VerdictUnknown, api.Low, NoLongerMeasured},
		{api.Pass, api.High, api.VerdictUnknown, api.High, NoLongerMeasured},
		{api.VerdictUnknown, api.High, api.Pass, api.High, NewlyMeasured},
		{api.VerdictUnknown, api.High, api.Fail, api.High, NewlyMeasured},
		{api.VerdictUnknown, api.High, api.VerdictUnknown, api.Low, Unchanged},
		{api.Fail, api.High, "other", api.High, NoLongerMeasured},
	} {
		got := Classify(&api.Finding{Verdict: c.was, Severity: c.wasAt}, &api.Finding{Verdict: c.is, Severity: c.isAt})
		if got != c.want {
			t.Errorf("%s %s to %s %s: expected %q, found %q", c.was, c.wasAt, c.is, c.isAt, c.want, got)
		}
	}
}
