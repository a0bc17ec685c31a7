// Package writableroot judges whether containers can write to their root file
// system. Two questions need it: whether code is added only at build time, and
// whether drift can be prevented.
package writableroot

import (
	"fmt"

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
			if windows, _ := d.Windows(); windows {
				return nil // it has no read-only root file system
			}
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
	d := checks.Declared{Workload: r.Workload, Container: r.Declared}
	f.Evidence = append(f.Evidence, declaredEvidence(d))
	switch asked := readOnly != nil && *readOnly; {
	case asked && !root.ReadOnly:
		f.Message = "its root file system is writable, though it is declared read-only"
	case !asked && root.ReadOnly:
		f.Verdict, f.Basis = api.Fail, api.Declared
		f.Message = "its root file system is mounted read-only now, but this can change because read-only is not declared"
		f.Evidence[0].Basis = api.Measured
	}
	addVolumes(&f, d)
	return f
}

func judgeDeclared(d checks.Declared) api.Finding {
	f := api.Finding{
		Verdict: api.Fail, Basis: api.Declared, Message: "its root file system is declared writable",
		Evidence: []api.Evidence{declaredEvidence(d)},
	}
	readOnly := d.Container.ReadOnlyRootFilesystem
	switch {
	case readOnly != nil && *readOnly:
		f.Verdict, f.Message = api.Pass, "its root file system is declared read-only"
	case readOnly == nil:
		f.Message = "its root file system is writable by default: nothing is declared"
	}
	addVolumes(&f, d)
	return f
}

// mostPaths bounds the paths that a message names.
const mostPaths = 4

// addVolumes adds to a fail the paths that have a writable volume already: what the program is
// known to write. They stay writable on a read-only root, and every other path that it writes
// to needs an emptyDir. Which these are, no declaration says.
func addVolumes(f *api.Finding, d checks.Declared) {
	if f.Verdict != api.Fail {
		return
	}
	readOnly := readOnlyVolumes(d)
	var paths []string
	for i := range d.Container.Mounts {
		m := &d.Container.Mounts[i]
		if m.Device || m.ReadOnly || readOnly(m.Volume) {
			continue
		}
		paths = append(paths, m.Path)
		if len(paths) <= mostPaths {
			f.Evidence = append(f.Evidence, api.Evidence{Source: d.Field(fmt.Sprintf("volumeMounts[%d].mountPath", i)), Value: m.Path, Basis: api.Declared})
		}
	}
	if len(paths) == 0 {
		f.Message += "; no path of it has a writable volume"
		return
	}
	f.Message += "; writable volumes are at " + checks.JoinWords(paths, mostPaths)
}

// fewMounts is up to how many mounts a search of the volumes is faster than a map.
const fewMounts = 8

// readOnlyVolumes reports whether the kubelet always mounts a volume of this name read-only:
// ConfigMaps, Secrets, the downward API, projected and image volumes. Volumes that the spec does
// not have (a claim's template) are writable.
func readOnlyVolumes(d checks.Declared) func(name string) bool {
	is := func(v *fact.Volume) bool {
		switch v.Source {
		case "configMap", "secret", "downwardAPI", "projected", "image":
			return true
		}
		return false
	}
	volumes := d.Workload.Spec.Volumes
	if len(d.Container.Mounts) <= fewMounts {
		return func(name string) bool {
			for i := range volumes {
				if volumes[i].Name == name {
					return is(&volumes[i])
				}
			}
			return false
		}
	}
	byName := make(map[string]bool, len(volumes))
	for i := range volumes {
		byName[volumes[i].Name] = is(&volumes[i])
	}
	return func(name string) bool { return byName[name] }
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
