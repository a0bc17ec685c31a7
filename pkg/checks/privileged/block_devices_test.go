package privileged

import (
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

func TestBlockDevices(t *testing.T) {
	claim := func(path string) func(*fact.PodSpec) {
		return func(s *fact.PodSpec) {
			v := fact.Volume{Name: "raw", Field: "spec.volumes[0]", Source: "persistentVolumeClaim"}
			if path != "" {
				v.HostPath, v.HostPathFrom = path, "persistentvolume/pv-1"
			}
			s.Volumes = []fact.Volume{v}
		}
	}
	device := fact.VolumeMount{Volume: "raw", Path: "/dev/xvda", Device: true}
	ft.Judge(t, checks.OfSet(BlockDevices.Judge), map[string]row{
		"none passes":          {ft.Declared(fact.Container{}), passes(blockDevicesRule)},
		"a file system passes": {ft.Declared(fact.Container{Mounts: []fact.VolumeMount{{Volume: "raw", Path: "/data"}}}, claim("")), passes(blockDevicesRule)},
		"a raw device is high": {ft.Declared(fact.Container{Mounts: []fact.VolumeMount{device}}, claim("")), containerFails(api.High, "gets a raw block device", ft.App+"volumeDevices[0].devicePath", "/dev/xvda")},
		"its place is its own": {
			ft.Declared(fact.Container{Mounts: []fact.VolumeMount{{Volume: "tmp", Path: "/tmp"}, device, {Volume: "x", Path: "/x"}, {Volume: "raw2", Path: "/dev/b", Device: true}}}, claim("")),
			append(containerFails(api.High, "gets a raw block device", ft.App+"volumeDevices[0].devicePath", "/dev/xvda"),
				containerFails(api.High, "gets a raw block device", ft.App+"volumeDevices[1].devicePath", "/dev/b")...),
		},
		"a disk of the node is named": {
			ft.Declared(fact.Container{Mounts: []fact.VolumeMount{device}}, claim("/dev/sdb")),
			containerFails(api.High, "gets a raw block device of the node, /dev/sdb", ft.App+"volumeDevices[0].devicePath", "/dev/xvda",
				ft.Field+"volumes[0].persistentVolumeClaim", "/dev/sdb of persistentvolume/pv-1 at /dev/xvda"),
		},
	})
}
