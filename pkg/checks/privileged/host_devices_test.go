package privileged

import (
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

func TestHostDevices(t *testing.T) {
	set := func(fs string, devices ...fact.Device) *fact.Set {
		m := ft.With()
		m.DeviceFS, m.Devices = fs, devices
		return ft.Measured(m, fact.Container{})
	}
	finding := func(verdict api.Verdict, severity api.Severity, message string, evidence ...string) api.Finding {
		f := api.Finding{Verdict: verdict, Severity: severity, Subject: ft.Subject(), Message: message, Evidence: ft.Evidence(evidence...)}
		if verdict == api.VerdictUnknown {
			f.Reason = fact.NotPresent
		}
		return f
	}
	device := func(path, kind string, major, minor uint32) fact.Device {
		return fact.Device{Path: path, Type: kind, Major: major, Minor: minor}
	}
	ft.Judge(t, checks.OfSet(judgeHostDevices), map[string]row{
		"none but the runtime's passes": {
			set("tmpfs"),
			ft.One(finding(api.Pass, "", "holds no device of the node", "node/n1 /proc/100/root/dev", "tmpfs, no device beyond the runtime's default")),
		},
		"a /dev that was not read is unknown": {
			set(""), ft.One(finding(api.VerdictUnknown, "", "its /dev was not read", "node/n1 /proc/100/root/dev", "not read")),
		},
		"the node's own /dev is high": {
			set("devtmpfs", device("/dev/sda", "b", 8, 0)),
			ft.One(finding(api.Fail, api.High, "its /dev is the node's", "node/n1 /proc/100/root/dev", "devtmpfs, the node's own")),
		},
		"disks, memory, the log and others are graded apart": {
			set("tmpfs",
				device("/dev/kmsg", "c", 1, 11), device("/dev/kvm", "c", 10, 232), device("/dev/mem", "c", 1, 1),
				device("/dev/nvidia0", "c", 195, 0), device("/dev/sda", "b", 8, 0), device("/dev/sda1", "b", 8, 1)),
			[]api.Finding{
				finding(api.Fail, api.Medium, "holds the kernel's log: /dev/kmsg", "node/n1 /proc/100/root/dev/kmsg", "c 1:11, the kernel's log"),
				finding(api.Fail, api.Medium, "holds devices of the node: /dev/kvm", "node/n1 /proc/100/root/dev/kvm", "c 10:232, devices of the node"),
				finding(api.Fail, api.High, "holds the kernel's memory or ports: /dev/mem",
					"node/n1 /proc/100/root/dev/mem", "c 1:1, the kernel's memory or ports"),
				finding(api.Fail, api.Low, "holds NVIDIA GPUs: /dev/nvidia0", "node/n1 /proc/100/root/dev/nvidia0", "c 195:0, NVIDIA GPUs"),
				finding(api.Fail, api.High, "holds block devices: /dev/sda, /dev/sda1",
					"node/n1 /proc/100/root/dev/sda", "b 8:0, block devices", "node/n1 /proc/100/root/dev/sda1", "b 8:1, block devices"),
			},
		},
		"a disk under another name is still a disk": {
			set("tmpfs", device("/dev/null2", "b", 8, 0)),
			ft.One(finding(api.Fail, api.High, "holds block devices: /dev/null2", "node/n1 /proc/100/root/dev/null2", "b 8:0, block devices")),
		},
		"declared running but not seen is unknown": {ft.Edit(set("tmpfs"), ft.NoContainers), ft.One(ft.NotSeen())},
	})
}
