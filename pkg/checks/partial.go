package checks

import (
	"cmp"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

// partialOwner is an owner of which a pod spec is not whole (fact.PodSpec.Partial).
type partialOwner struct {
	reason string
	// whole are the places of its pod specs that are whole, as evidence names them.
	whole []string
}

// partialOwners finds the owners; nil if all pod specs are whole.
func partialOwners(workloads []fact.Workload) map[fact.SubjectKey]*partialOwner {
	var out map[fact.SubjectKey]*partialOwner
	for i := range workloads {
		w := &workloads[i]
		if w.Spec.Partial == "" {
			continue
		}
		if out == nil {
			out = map[fact.SubjectKey]*partialOwner{}
		}
		if key := ownerKey(w.Owner); out[key] == nil {
			out[key] = &partialOwner{reason: w.Spec.Partial}
		}
	}
	if out == nil {
		return nil
	}
	for i := range workloads {
		if w := &workloads[i]; w.Spec.Partial == "" {
			if o := out[ownerKey(w.Owner)]; o != nil {
				place := strings.TrimSuffix(w.Spec.Path, "spec") // its metadata is beside the spec
				o.whole = append(o.whole, w.Spec.Origin+" "+cmp.Or(place, "spec."))
			}
		}
	}
	return out
}

// NotSet is the value of evidence that a field is absent.
const NotSet = "not set"

// withholdPartial makes a declared verdict unknown that rests on what is absent from a pod spec
// that is not whole: a field or a container that is not there says nothing about the pod that runs.
// That is every pass, and a fail all of whose evidence, but for mounts, has the value NotSet. What is all in other
// pod specs of the owner, which are whole, stays.
func (v *View) withholdPartial(f *api.Finding) {
	if v.partial == nil || f.Verdict != api.Pass && f.Verdict != api.Fail {
		return
	}
	o := v.partial[ownerKey(f.Subject)]
	if o == nil {
		return
	}
	// The mounts beside it say what an absent field leaves open.
	present := func(e api.Evidence) bool { return e.Value != NotSet && !strings.Contains(e.Source, ".volumeMounts[") }
	if f.Verdict == api.Fail && (len(f.Evidence) == 0 || slices.ContainsFunc(f.Evidence, present)) {
		return
	}
	elsewhere := !slices.ContainsFunc(f.Evidence, func(e api.Evidence) bool {
		return !slices.ContainsFunc(o.whole, func(place string) bool { return strings.HasPrefix(e.Source, place) })
	})
	if elsewhere {
		return
	}
	f.Verdict, f.Reason, f.Remediation.Text = api.VerdictUnknown, fact.NotPresent, ""
	// One message for all checks, so that a table has one row for them.
	f.Message = PartialPod(o.reason) + ": " + o.reason
}

// PartialPod says why nothing follows from what a pod spec with this Partial does not say.
func PartialPod(partial string) string {
	if strings.Contains(partial, fact.NoSuchField) {
		return "a field is misspelt, and what the pod is meant to be is unknown"
	}
	return "only a part of the pod is declared here"
}
