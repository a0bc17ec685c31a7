package sarif

import (
	"slices"
	"testing"

	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

// A rule has the tags of the newest benchmark only: numbers count, not letters.
func TestNewest(t *testing.T) {
	pss := api.Control{Mapping: "pss", ID: "a"}
	for name, versions := range map[string][]string{
		"up":   {"1.9", "1.10", "1.12", "2.0"},
		"down": {"2.0", "1.12", "1.10", "1.9"},
	} {
		controls := []api.Control{pss}
		for _, v := range versions {
			controls = append(controls, api.Control{Mapping: "cis", Version: v, ID: "5.2.2"})
		}
		want := []api.Control{pss, {Mapping: "cis", Version: "2.0", ID: "5.2.2"}}
		if got := newest(controls); !slices.Equal(got, want) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
