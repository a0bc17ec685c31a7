package fact

import "testing"

func TestWeight(t *testing.T) {
	for name, tc := range map[string]struct {
		spec PodSpec
		want int
	}{
		"nothing":        {PodSpec{}, 1},
		"two containers": {PodSpec{Containers: make([]Container, 2)}, 33},
		"entries": {PodSpec{
			Volumes:    make([]Volume, 2),
			Containers: []Container{{Mounts: make([]VolumeMount, 3), Variables: make([]Variable, 4), HostPorts: make([]int32, 5), Installs: make([]Install, 6)}},
		}, 1 + 2 + 16 + 18},
	} {
		if got := tc.spec.Weight(); got != tc.want {
			t.Errorf("%s: want %d, got %d", name, tc.want, got)
		}
	}
}
