package podspec

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestTooLarge(t *testing.T) {
	ephemeral := func(n int) []corev1.EphemeralContainer { return make([]corev1.EphemeralContainer, n) }
	mounts := func(n int) []corev1.VolumeMount { return make([]corev1.VolumeMount, n) }
	containers := "expected a pod of at most 1000 containers, found 1001: none of them is judged"
	entries := "expected a pod of at most 100000 volumes, mounts, devices, ports and variables, found 100001: none of its containers is judged"
	for name, tc := range map[string]struct {
		spec corev1.PodSpec
		want string
	}{
		"an empty spec":       {corev1.PodSpec{}, ""},
		"as many as may be":   {corev1.PodSpec{InitContainers: make([]corev1.Container, 1), Containers: make([]corev1.Container, 998), EphemeralContainers: ephemeral(1)}, ""},
		"init containers":     {corev1.PodSpec{InitContainers: make([]corev1.Container, 1001)}, containers},
		"containers of kinds": {corev1.PodSpec{InitContainers: make([]corev1.Container, 1), Containers: make([]corev1.Container, 999), EphemeralContainers: ephemeral(1)}, containers},
		"mounts":              {corev1.PodSpec{Containers: []corev1.Container{{VolumeMounts: mounts(60_000)}, {VolumeMounts: mounts(40_000)}}}, ""},
		"a mount too many":    {corev1.PodSpec{Containers: []corev1.Container{{VolumeMounts: mounts(60_000)}, {VolumeMounts: mounts(40_001)}}}, entries},
		"entries of each kind": {corev1.PodSpec{
			Volumes:        make([]corev1.Volume, 50_000),
			InitContainers: []corev1.Container{{Env: make([]corev1.EnvVar, 20_000), Ports: make([]corev1.ContainerPort, 10_000)}},
			EphemeralContainers: []corev1.EphemeralContainer{{EphemeralContainerCommon: corev1.EphemeralContainerCommon{
				EnvFrom: make([]corev1.EnvFromSource, 20_000), VolumeDevices: make([]corev1.VolumeDevice, 1),
			}}},
		}, entries},
	} {
		t.Run(name, func(t *testing.T) {
			if got := TooLarge(&tc.spec); got != tc.want {
				t.Errorf("want %q, got %q", tc.want, got)
			}
		})
	}
}
