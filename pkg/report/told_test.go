package report

import (
	"slices"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

func TestTold(t *testing.T) {
	node, other := fact.Subject{Kind: "Node", Name: "a"}, fact.Subject{Kind: "Node", Name: "b"}
	gap := fact.Gap{Subject: node, Affects: []string{"hosts/x", "hosts/y"}}
	finding := func(check string, subject fact.Subject, verdict api.Verdict) api.Finding {
		return api.Finding{Check: check, Subject: subject, Verdict: verdict}
	}
	open := finding("hosts/x", node, api.Fail)
	open.Reason = fact.Timeout
	for name, tc := range map[string]struct {
		findings []api.Finding
		left     []string
		all      bool
	}{
		"nothing is found":           {nil, []string{"hosts/x", "hosts/y"}, true},
		"one check is told":          {[]api.Finding{finding("hosts/x", node, api.VerdictUnknown)}, []string{"hosts/y"}, false},
		"a fail with an open reason": {[]api.Finding{open}, []string{"hosts/y"}, false},
		"a strange verdict":          {[]api.Finding{finding("hosts/x", node, "strange")}, []string{"hosts/y"}, false},
		"a pass tells nothing":       {[]api.Finding{finding("hosts/x", node, api.Pass)}, []string{"hosts/x", "hosts/y"}, true},
		"another subject":            {[]api.Finding{finding("hosts/x", other, api.VerdictUnknown)}, []string{"hosts/x", "hosts/y"}, true},
		"all are told":               {[]api.Finding{finding("hosts/x", node, api.VerdictUnknown), finding("hosts/y", node, api.VerdictUnknown)}, nil, false},
	} {
		told := NewTold([]fact.Gap{gap})
		for i := range tc.findings {
			told.See(&tc.findings[i])
		}
		if left, all := told.Left(&gap); !slices.Equal(left, tc.left) || all != tc.all {
			t.Errorf("%s: expected %q, %t, found %q, %t", name, tc.left, tc.all, left, all)
		}
	}
	bare := fact.Gap{Subject: node}
	if left, all := NewTold(nil).Left(&bare); left != nil || !all {
		t.Errorf("a gap that affects no check: found %q, %t", left, all)
	}
}
