package podspec

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
)

// MaxContainers and MaxEntries bound the pod specs that are judged: with one finding of each
// check for each of 1,000 containers, a pod takes about 40 MB to judge. The API has no such
// limit, but stores no object of more than 1.5 MiB, and a node runs no such pod. Entries are
// volumes, and what is listed in containers: mounts, devices, ports and variables.
const (
	MaxContainers = 1000
	MaxEntries    = 100_000
)

// TooLarge says what a spec has too much of; "" if it has not.
func TooLarge(spec *corev1.PodSpec) string {
	containers := len(spec.InitContainers) + len(spec.Containers) + len(spec.EphemeralContainers)
	if containers > MaxContainers {
		return fmt.Sprintf("expected a pod of at most %d containers, found %d: none of them is judged", MaxContainers, containers)
	}
	entries := len(spec.Volumes)
	add := func(c *corev1.EphemeralContainerCommon) {
		entries += len(c.VolumeMounts) + len(c.VolumeDevices) + len(c.Ports) + len(c.Env) + len(c.EnvFrom)
	}
	for _, list := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
		for i := range list {
			add((*corev1.EphemeralContainerCommon)(&list[i]))
		}
	}
	for i := range spec.EphemeralContainers {
		add(&spec.EphemeralContainers[i].EphemeralContainerCommon)
	}
	if entries > MaxEntries {
		return fmt.Sprintf("expected a pod of at most %d volumes, mounts, devices, ports and variables, found %d: none of its containers is judged", MaxEntries, entries)
	}
	return ""
}
