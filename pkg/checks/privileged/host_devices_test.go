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
	const unread = "not read: on cgroup v2 device rules are a BPF program"
	rules := "node/n1 /proc/100/cgroup devices.list"
	// ruled has device rules, and a process that holds a mask.
	ruled := func(set *fact.Set, mask uint64, lines ...string) *fact.Set {
		c := &set.Nodes[0].Measured.Containers[0]
		c.DeviceRules = append([]string{"b *:* m", "c *:* m", "c 1:3 rwm", "c 5:2 rwm", "c 136:* rwm"}, lines...)
		c.Processes[0].CapEff, c.Processes[0].CapPrm = fact.NewCapMask(mask), fact.NewCapMask(mask)
		return set
	}
	const (
		mknod    = 1 << 27
		ordinary = "b *:* m, c *:* m, c 1:3 rwm, c 5:2 rwm, c 136:* rwm"
	)
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
			ft.One(finding(api.Pass, "", "holds no device of the node", "node/n1 /proc/100/root/dev", "tmpfs, no device beyond the runtime's default", rules, unread)),
		},
		"a /dev that was not read is unknown": {
			set(""), ft.One(finding(api.VerdictUnknown, "", "its /dev was not read", "node/n1 /proc/100/root/dev", "not read")),
		},
		"the node's own /dev is high": {
			set("devtmpfs", device("/dev/sda", "b", 8, 0)),
			ft.One(finding(api.Fail, api.High, "its /dev is the node's", "node/n1 /proc/100/root/dev", "devtmpfs, the node's own", rules, unread)),
		},
		"disks, memory, the log and others are graded apart": {
			set("tmpfs",
				device("/dev/kmsg", "c", 1, 11), device("/dev/kvm", "c", 10, 232), device("/dev/mem", "c", 1, 1),
				device("/dev/nvidia0", "c", 195, 0), device("/dev/sda", "b", 8, 0), device("/dev/sda1", "b", 8, 1)),
			[]api.Finding{
				finding(api.Fail, api.Medium, "holds the kernel's log: /dev/kmsg", "node/n1 /proc/100/root/dev/kmsg", "c 1:11, the kernel's log", rules, unread),
				finding(api.Fail, api.Medium, "holds devices of the node: /dev/kvm", "node/n1 /proc/100/root/dev/kvm", "c 10:232, devices of the node", rules, unread),
				finding(api.Fail, api.High, "holds the kernel's memory or ports: /dev/mem",
					"node/n1 /proc/100/root/dev/mem", "c 1:1, the kernel's memory or ports", rules, unread),
				finding(api.Fail, api.Low, "holds NVIDIA GPUs: /dev/nvidia0", "node/n1 /proc/100/root/dev/nvidia0", "c 195:0, NVIDIA GPUs", rules, unread),
				finding(api.Fail, api.High, "holds block devices: /dev/sda, /dev/sda1",
					"node/n1 /proc/100/root/dev/sda", "b 8:0, block devices", "node/n1 /proc/100/root/dev/sda1", "b 8:1, block devices", rules, unread),
			},
		},
		"a disk under another name is still a disk": {
			set("tmpfs", device("/dev/null2", "b", 8, 0)),
			ft.One(finding(api.Fail, api.High, "holds block devices: /dev/null2", "node/n1 /proc/100/root/dev/null2", "b 8:0, block devices", rules, unread)),
		},
		"the runtime's rules pass": {
			ruled(set("tmpfs"), mknod),
			ft.One(finding(api.Pass, "", "holds no device of the node", "node/n1 /proc/100/root/dev", "tmpfs, no device beyond the runtime's default", rules, ordinary)),
		},
		"rules that open everything are high with MKNOD": {
			ruled(set("tmpfs"), mknod, "a *:* rwm"),
			ft.One(finding(api.Fail, api.High, "every device of the node is open to it, and it can make the nodes itself (MKNOD)", rules, ordinary+", a *:* rwm")),
		},
		"without MKNOD they are medium": {
			ruled(set("tmpfs"), 0, "a *:* rwm"),
			ft.One(finding(api.Fail, api.Medium, "every device of the node is open to it", rules, ordinary+", a *:* rwm")),
		},
		"MKNOD in its own user namespace makes no device": {
			ft.Edit(ruled(set("tmpfs"), mknod, "a *:* rwm"), func(s *fact.Set) {
				p := &s.Nodes[0].Measured.Containers[0].Processes[0]
				p.UserNS, p.RootUID = 4026532999, ft.Ptr(int64(65536))
			}),
			ft.One(finding(api.Fail, api.Medium, "every device of the node is open to it", rules, ordinary+", a *:* rwm")),
		},
		"a rule for a disk that it can make a node of is high": {
			ruled(set("tmpfs"), mknod, "b 8:0 r"),
			ft.One(finding(api.Fail, api.High, "its device rules allow b 8:0 r, and it can make the nodes itself (MKNOD)", rules, ordinary+", b 8:0 r")),
		},
		"a rule for a device that it has no node of is low": {
			ruled(set("tmpfs"), 0, "c 10:232 rwm"),
			ft.One(finding(api.Fail, api.Low, "its device rules allow c 10:232 rwm", rules, ordinary+", c 10:232 rwm")),
		},
		"a device that its rules allow": {
			ruled(set("tmpfs", device("/dev/kvm", "c", 10, 232)), mknod, "c 10:232 rwm"),
			ft.One(finding(api.Fail, api.Medium, "holds devices of the node: /dev/kvm",
				"node/n1 /proc/100/root/dev/kvm", "c 10:232, devices of the node", rules, ordinary+", c 10:232 rwm")),
		},
		"a disk that its rules refuse is low": {
			ruled(set("tmpfs", device("/dev/sda", "b", 8, 0)), mknod),
			ft.One(finding(api.Fail, api.Low, "holds block devices: /dev/sda, which its device rules refuse",
				"node/n1 /proc/100/root/dev/sda", "b 8:0, block devices", rules, ordinary)),
		},
		"the node's /dev with open rules is high": {
			ruled(set("devtmpfs"), 0, "a *:* rwm"), []api.Finding{
				finding(api.Fail, api.Medium, "every device of the node is open to it", rules, ordinary+", a *:* rwm"),
				finding(api.Fail, api.High, "its /dev is the node's", "node/n1 /proc/100/root/dev", "devtmpfs, the node's own", rules, ordinary+", a *:* rwm"),
			},
		},
		"the node's /dev with every block device open is high": {
			ruled(set("devtmpfs"), 0, "b *:* rwm"), []api.Finding{
				finding(api.Fail, api.Medium, "every block device of the node is open to it", rules, ordinary+", b *:* rwm"),
				finding(api.Fail, api.High, "its /dev is the node's", "node/n1 /proc/100/root/dev", "devtmpfs, the node's own", rules, ordinary+", b *:* rwm"),
			},
		},
		"every character device, or both kinds apart": {
			ruled(set("tmpfs"), mknod, "c *:* rw"),
			ft.One(finding(api.Fail, api.High, "every character device of the node is open to it, and it can make the nodes itself (MKNOD)", rules, ordinary+", c *:* rw")),
		},
		"both kinds apart are everything": {
			ruled(set("tmpfs"), 0, "b *:* rwm", "c *:* rwm"),
			ft.One(finding(api.Fail, api.Medium, "every device of the node is open to it", rules, ordinary+", b *:* rwm and 1 more")),
		},
		"the node's /dev behind rules is medium": {
			ruled(set("devtmpfs"), 0), ft.One(finding(api.Fail, api.Medium, "its /dev is the node's, but its device rules refuse most devices",
				"node/n1 /proc/100/root/dev", "devtmpfs, the node's own", rules, ordinary)),
		},
		"declared running but not seen is unknown": {ft.Edit(set("tmpfs"), ft.NoContainers), ft.One(ft.NotSeen())},
	})
}
