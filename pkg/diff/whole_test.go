package diff

import (
	"math"
	"strings"
	"testing"

	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

// Findings that somebody took out of a report are not gone.
func TestReportsThatAreNotWhole(t *testing.T) {
	low := of(ofHost, web, api.Fail, api.Low)
	low.Reason = "NotReady"
	covered := of(declares, web, api.Fail, api.High)
	covered.CoveredBy, covered.Remaining = []string{runs}, api.Medium
	all := []api.Finding{fails(runs, web), covered, low, unknown(ofStore, secret), accepted(ofHost, node("b"))}
	answer := api.Answer{
		Question: api.Privileged, Failing: map[api.Severity]int{api.High: 1, api.Medium: 1, api.Low: 1}, Unknowns: 2, Accepted: 1,
	}
	least := func(s api.Severity, hidden int) func(*api.ChecklistReport) {
		return func(r *api.ChecklistReport) { r.Spec.Inputs.Severity, r.Spec.Inputs.Hidden = s, hidden }
	}
	lacks := func(i int) []api.Finding { return append(append([]api.Finding{}, all[:i]...), all[i+1:]...) }
	const begin = "for question privileged, expected 3 failing, 2 unknown and 1 accepted findings, as its answer counts them, found "
	for name, tc := range map[string]struct {
		findings []api.Finding
		change   func(*api.ChecklistReport)
		want     string
	}{
		"all":                                  {all, nil, ""},
		"more than counted":                    {append(lacks(0), all...), nil, ""},
		"none":                                 {nil, nil, begin + "0, 0 and 0 in its list (left out by --severity: 0)"},
		"a fail is gone":                       {lacks(0), nil, begin + "2, 2 and 1"},
		"one that counts for less is gone":     {lacks(1), nil, begin + "2, 2 and 1"},
		"a low one with a reason is gone":      {lacks(2), nil, begin + "2, 1 and 1"},
		"an unknown is gone":                   {lacks(3), nil, begin + "3, 1 and 1"},
		"an accepted one is gone":              {lacks(4), nil, begin + "3, 2 and 0"},
		"another severity":                     {append(lacks(0), low), nil, begin + "3, 3 and 1"},
		"hidden":                               {lacks(2), least(api.Medium, 1), ""},
		"a high one can be hidden by critical": {lacks(0), least(api.Critical, 1), ""},
		"hidden, but not so many":              {lacks(2), least(api.Medium, 0), begin + "2, 1 and 1 in its list (left out by --severity: 0)"},
		"hidden, but not so severe":            {lacks(0), least(api.Medium, 100), begin + "2, 2 and 1 in its list (left out by --severity: 100)"},
		"no severity, but so many hidden":      {lacks(2), least("", 100), begin + "2, 1 and 1"},
		"a severity that is none":              {lacks(2), least("x", 100), begin + "2, 1 and 1"},
		"fewer than none are hidden":           {all, least(api.Medium, -1), ""},
		"no counts":                            {nil, func(r *api.ChecklistReport) { r.Answers = []api.Answer{{Question: api.Privileged}} }, ""},
		"no answers":                           {nil, func(r *api.ChecklistReport) { r.Answers = nil }, ""},
		"counts below zero": {nil, func(r *api.ChecklistReport) {
			r.Answers = []api.Answer{{Failing: map[api.Severity]int{api.Low: math.MinInt}, Unknowns: math.MinInt}}
		}, ""},
		"counts beyond all": {nil, func(r *api.ChecklistReport) {
			most := math.MaxInt
			r.Answers = []api.Answer{{Question: "x\n", Failing: map[api.Severity]int{api.Low: most, api.High: most}, Accepted: most, Unknowns: most}}
		}, "for question x"},
		"the hidden ones explain one question only": {lacks(2), func(r *api.ChecklistReport) {
			least(api.Medium, 1)(r)
			r.Answers = append(r.Answers, api.Answer{Question: api.Hosts, Failing: map[api.Severity]int{api.Low: 1}})
		}, "for question hosts, expected 1 failing, 0 unknown and 0 accepted findings, as its answer counts them, found 0, 0 and 0 in its list (left out by --severity: 0)"},
	} {
		t.Run(name, func(t *testing.T) {
			r := whole(tc.findings...)
			r.Answers = []api.Answer{answer}
			if tc.change != nil {
				tc.change(r)
			}
			good := whole(all...)
			good.Answers = []api.Answer{answer}
			for side, pair := range map[string][2]*api.ChecklistReport{"old": {r, good}, "new": {good, r}} {
				a, err := Of(pair[0], false)
				if err != nil {
					t.Fatal(err)
				}
				b, err := Of(pair[1], false)
				if err != nil {
					t.Fatal(err)
				}
				_, err = Compare(a, b, Options{})
				switch {
				case (err == nil) != (tc.want == ""):
					t.Errorf("%s: want %q, got %v", side, tc.want, err)
				case err != nil && !strings.HasPrefix(err.Error(), "the "+side+" report is not whole: "+tc.want), err != nil && strings.Contains(err.Error(), "\n"):
					t.Errorf("%s: want %q, got %v", side, tc.want, err)
				}
			}
		})
	}
}
