package podspec

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// maxCompared bounds how many files that run are compared with files that were fetched, for one
// pod.
const maxCompared = 100_000

// sharedFetch is a file that a container fetches into a volume, or a directory.
type sharedFetch struct {
	container int
	path      string // in the volume
	by, field string
	dir       bool
}

// sharedCode finds what one container fetches into a volume and another one runs from there: an
// init container downloads an agent, for example. The container that fetches gets the install.
// Few pods run code of a volume, so the command lines of these are evaluated once more, for the
// paths that facts do not have.
func sharedCode(out *fact.PodSpec, spec *corev1.PodSpec) {
	runs := func(c fact.Container) bool {
		return slices.ContainsFunc(c.Code, func(code fact.MountedCode) bool { return code.ConfigMap == "" })
	}
	if len(out.Containers) < 2 || !slices.ContainsFunc(out.Containers, runs) {
		return
	}
	containers := make([]*corev1.Container, 0, len(out.Containers))
	for i := range spec.InitContainers {
		containers = append(containers, &spec.InitContainers[i])
	}
	for i := range spec.Containers {
		containers = append(containers, &spec.Containers[i])
	}
	for i := range spec.EphemeralContainers {
		common := corev1.Container(spec.EphemeralContainers[i].EphemeralContainerCommon)
		containers = append(containers, &common)
	}
	fetched := map[string][]sharedFetch{} // by volume
	for i, c := range containers {
		if len(c.VolumeMounts) == 0 || isPlain(c) {
			continue
		}
		for _, f := range evaluation(c).Fetches() {
			if m, inVolume := mountOf(f.Path, c.VolumeMounts); m != nil && m.SubPathExpr == "" {
				fetched[m.Name] = append(fetched[m.Name], sharedFetch{i, inVolume, f.By, f.Field, f.Dir})
			}
		}
	}
	if len(fetched) == 0 {
		return
	}
	compared := 0
	for i, c := range containers {
		if !runs(out.Containers[i]) {
			continue
		}
		for _, run := range evaluation(c).Result.Runs {
			m, inVolume := mountOf(run.Path, c.VolumeMounts)
			if m == nil || m.SubPathExpr != "" {
				continue
			}
			if compared += len(fetched[m.Name]); compared > maxCompared {
				out.Containers[i].CommandUnread = fact.Truncated
				return
			}
			for _, f := range fetched[m.Name] {
				if f.container != i && f.has(inVolume) {
					addInstall(&out.Containers[f.container], fact.Install{Class: fact.FetchExecutable, What: f.by + ", then run by another container", Field: f.field})
				}
			}
		}
	}
}

// has reports whether a file of the volume is the one that was fetched, or is in the directory.
func (f sharedFetch) has(file string) bool {
	return f.path == file || f.dir && (f.path == "" || f.path == "." || strings.HasPrefix(file, f.path+"/"))
}

func addInstall(c *fact.Container, i fact.Install) {
	if slices.Contains(c.Installs, i) {
		return
	}
	if c.InstallTotal++; len(c.Installs) < fact.MaxInstalls {
		c.Installs = append(c.Installs, i)
	}
}
