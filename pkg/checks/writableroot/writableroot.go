// Package writableroot judges whether containers can write to their root file
// system. Two questions need it: whether code is added only at build time, and
// whether drift can be prevented.
package writableroot

import (
	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// Judge returns one finding for each measured container, by the mount at its
// root, and one for what the pods declare in which it was not measured. Where
// both are known the worse counts, and a contradiction is reported. A process
// can change the mount at its root (pivot_root(2)) and change it back, so
// read-only holds only if it is declared.
func Judge(v *checks.View) []api.Finding {
	return checks.MeasuredElseDeclared(v, fact.Mounts,
		func(r checks.Running) ([]api.Finding, bool) {
			switch {
			case r.Measured.Root != nil:
				return []api.Finding{judgeMeasured(r)}, r.Declared != nil
			case r.Declared != nil:
				return nil, false
			}
			return []api.Finding{{
				Verdict: api.VerdictUnknown, Reason: fact.NotPresent, Basis: api.Measured, Subject: r.Subject(),
				Message:  "the mount at its root was not read",
				Evidence: []api.Evidence{{Source: r.Source("mountinfo"), Value: "no mount at /"}},
			}}, false
		},
		func(d checks.Declared, pods []*fact.Pod) []api.Finding {
			f := judgeDeclared(d)
			f.Subject = checks.PodsSubject(d.Workload, pods)
			f.Subject.Container = d.Container.Name
			return []api.Finding{f}
		})
}

func judgeMeasured(r checks.Running) api.Finding {
	root := r.Measured.Root
	f := api.Finding{
		Verdict: api.Fail, Basis: api.Measured, Subject: r.Subject(), Message: "its root file system is writable",
		Evidence: []api.Evidence{{Source: r.Source("mountinfo /"), Value: root.FSType + " " + mode(root.ReadOnly)}},
	}
	if root.ReadOnly {
		f.Verdict, f.Message = api.Pass, "its root file system is read-only"
	}
	if r.Declared == nil {
		return f
	}
	readOnly := r.Declared.ReadOnlyRootFilesystem
	f.Evidence = append(f.Evidence, declaredEvidence(checks.Declared{Workload: r.Workload, Container: r.Declared}))
	switch asked := readOnly != nil && *readOnly; {
	case asked && !root.ReadOnly:
		f.Message = "its root file system is writable, though it is declared read-only"
	case !asked && root.ReadOnly:
		f.Verdict, f.Basis = api.Fail, api.Declared
		f.Message = "its root file system is mounted read-only now, but this can change because read-only is not declared"
		f.Evidence[0].Basis = api.Measured
	}
	return f
}

func judgeDeclared(d checks.Declared) api.Finding {
	f := api.Finding{
		Verdict: api.Fail, Basis: api.Declared, Message: "its root file system is declared writable",
		Evidence: []api.Evidence{declaredEvidence(d)},
	}
	readOnly := d.Container.ReadOnlyRootFilesystem
	windows, system := d.Windows()
	switch {
	case windows:
		system.Basis = api.Declared
		f.Evidence = append(f.Evidence, system)
		f.Verdict, f.Reason, f.Message = api.VerdictUnknown, fact.Unsupported, "Windows has no read-only root file system"
	case readOnly != nil && *readOnly:
		f.Verdict, f.Message = api.Pass, "its root file system is declared read-only"
	case readOnly == nil:
		f.Message = "its root file system is writable by default: nothing is declared"
	}
	return f
}

func declaredEvidence(d checks.Declared) api.Evidence {
	value := "not set"
	if readOnly := d.Container.ReadOnlyRootFilesystem; readOnly != nil {
		value = map[bool]string{true: "true", false: "false"}[*readOnly]
	}
	return api.Evidence{Source: d.Field("securityContext.readOnlyRootFilesystem"), Value: value, Basis: api.Declared}
}

func mode(readOnly bool) string {
	if readOnly {
		return "ro"
	}
	return "rw"
}
