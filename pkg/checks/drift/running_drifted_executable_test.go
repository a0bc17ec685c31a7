package drift

import (
	"testing"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

func TestRunningDriftedExecutable(t *testing.T) {
	const exe = "node/n1 /proc/100/exe"
	runs := func(e fact.Executable) *fact.Set {
		return ft.Measured(ft.With(func(p *fact.Process) { p.Exe = &e }), fact.Container{})
	}
	of := func(path string, origin fact.Origin) fact.Executable {
		return fact.Executable{Path: path, Origin: origin}
	}
	finding := func(verdict api.Verdict, severity api.Severity, message, source, value string) api.Finding {
		f := api.Finding{Verdict: verdict, Severity: severity, Subject: ft.Subject(), Message: message, Evidence: ft.Evidence(source, value)}
		if verdict == api.VerdictUnknown {
			f.Reason = fact.Unsupported
		}
		return f
	}
	fails := func(severity api.Severity, message, value string) []api.Finding {
		return ft.One(finding(api.Fail, severity, message, exe, value))
	}
	const fine = "what runs is from its image or on a read-only mount"
	passes := func(value string) []api.Finding { return ft.One(finding(api.Pass, "", fine, exe, value)) }
	volume := func(name, fsType string) fact.Executable {
		return fact.Executable{Path: "/scratch/x", Origin: fact.OriginVolume, Volume: name, FSType: fsType, Mount: "/scratch"}
	}
	readOnly := func(name, fsType string) fact.Executable {
		e := volume(name, fsType)
		e.Origin = fact.OriginReadOnly
		return e
	}
	declares := func(source string) func(*fact.Set) { // a volume at /scratch
		return func(s *fact.Set) {
			spec := &s.Workloads[0].Spec
			spec.Volumes = []fact.Volume{{Name: "v", Source: source}}
			spec.Containers[0].Mounts = []fact.VolumeMount{{Volume: "v", Path: "/scratch/"}}
		}
	}
	full := fact.Executable{
		Path: "/tmp/x", Origin: fact.OriginChanged, FSType: "overlay", Mount: "/", HostPath: "/var/lib/containerd/u/tmp/x",
		SHA256: "abcd", Stale: true, Detail: "copied up",
	}
	script := fact.Executable{Path: "/tmp/x.sh", Origin: fact.OriginAdded, Script: true}

	ft.Judge(t, checks.OfSet(judgeRunningDriftedExecutable), map[string]row{
		"of the image passes":             {runs(of("/web", fact.OriginImage)), passes("/web, origin image")},
		"only touched passes":             {runs(of("/web", fact.OriginMetadata)), passes("/web, origin metadata")},
		"of the image and removed passes": {runs(of("/web", fact.OriginDeletedImage)), passes("/web, origin deleted-image")},
		"added fails":                     {runs(of("/tmp/x", fact.OriginAdded)), fails(api.High, "runs /tmp/x, which was added to the container", "/tmp/x, origin added")},
		"changed fails": {
			runs(full), fails(api.High, "runs /tmp/x, which was changed in the container",
				"/tmp/x, origin changed, mount / (overlay), on the node /var/lib/containerd/u/tmp/x, sha256:abcd, changed since it was started, copied up"),
		},
		"added and deleted fails": {
			runs(of("/tmp/x", fact.OriginDeletedAdded)),
			fails(api.High, "runs /tmp/x, which was added to the container and deleted while it runs", "/tmp/x, origin deleted-added"),
		},
		"in memory fails": {
			runs(of("/memfd:x", fact.OriginMemfd)), fails(api.High, "runs /memfd:x, which exists only in memory (memfd)", "/memfd:x, origin memfd"),
		},
		"in an emptyDir is high": {
			runs(volume("emptyDir/scratch", "ext4")),
			fails(api.High, "runs /scratch/x, which is in a writable emptyDir", "/scratch/x, origin volume, volume emptyDir/scratch, mount /scratch (ext4)"),
		},
		"on another tmpfs is high": {
			runs(volume("", "tmpfs")),
			fails(api.High, "runs /scratch/x, which is in a writable memory file system", "/scratch/x, origin volume, mount /scratch (tmpfs)"),
		},
		"on a volume from elsewhere is medium": {
			runs(volume("persistentVolumeClaim/data", "ext4")),
			fails(api.Medium, "runs /scratch/x, which is on a writable volume (persistentVolumeClaim)",
				"/scratch/x, origin volume, volume persistentVolumeClaim/data, mount /scratch (ext4)"),
		},
		"on a mount that no volume explains is medium": {
			runs(volume("", "ext4")), fails(api.Medium, "runs /scratch/x, which is on a writable mount", "/scratch/x, origin volume, mount /scratch (ext4)"),
		},
		"foreign is medium": {
			runs(of("/x", fact.OriginForeign)), fails(api.Medium, "runs /x, which is on a mount that is not the container's", "/x, origin foreign"),
		},
		"on a read-only ConfigMap passes": {
			runs(readOnly("configMap/cm", "ext4")), passes("/scratch/x, origin readonly, volume configMap/cm, mount /scratch (ext4)"),
		},
		"on a read-only emptyDir is medium: the container next door may write it": {
			runs(readOnly("emptyDir/scratch", "ext4")),
			fails(api.Medium, "runs /scratch/x, which is in an emptyDir that is read-only here but may be writable elsewhere",
				"/scratch/x, origin readonly, volume emptyDir/scratch, mount /scratch (ext4)"),
		},
		"on a read-only claim is low": {
			runs(readOnly("csi/pv", "ext4")),
			fails(api.Low, "runs /scratch/x, which is on a volume (csi) that is read-only here but may be writable elsewhere",
				"/scratch/x, origin readonly, volume csi/pv, mount /scratch (ext4)"),
		},
		"on a read-only mount that no volume explains is low": {
			runs(readOnly("", "ext4")),
			fails(api.Low, "runs /scratch/x, which is on a mount that is read-only here but may be writable elsewhere",
				"/scratch/x, origin readonly, mount /scratch (ext4)"),
		},
		"on an image volume passes, by the spec": {
			ft.Edit(runs(readOnly("", "overlay")), declares("image")), passes("/scratch/x, origin readonly, mount /scratch (overlay)"),
		},
		"on a read-only hostPath is low, by the spec": {
			ft.Edit(runs(readOnly("", "ext4")), declares("hostPath")),
			fails(api.Low, "runs /scratch/x, which is on a volume (hostPath) that is read-only here but may be writable elsewhere",
				"/scratch/x, origin readonly, mount /scratch (ext4)"),
		},
		"on a subPath, by the volume's kind in the spec": {
			ft.Edit(runs(readOnly("subPath/v", "ext4")), declares("emptyDir")),
			fails(api.Medium, "runs /scratch/x, which is in an emptyDir that is read-only here but may be writable elsewhere",
				"/scratch/x, origin readonly, volume subPath/v, mount /scratch (ext4)"),
		},
		"an unknown origin is unknown": {
			runs(fact.Executable{Path: "/x", Origin: fact.OriginUnknown, Detail: "no upperdir"}),
			ft.One(finding(api.VerdictUnknown, "", "runs /x, whose origin is unknown", exe, "/x, origin unknown, no upperdir")),
		},
		"an origin of a newer facts file is unknown": {
			runs(of("/x", "teleported")), ft.One(finding(api.VerdictUnknown, "", "runs /x, whose origin is unknown", exe, "/x, origin teleported")),
		},
		"a script that the image's interpreter runs fails": {
			ft.Measured(ft.With(func(p *fact.Process) { p.Scripts = []fact.Executable{script} }), fact.Container{}),
			[]api.Finding{
				finding(api.Pass, "", fine, exe, "/web, origin image, mount / (overlay)"),
				finding(api.Fail, api.High, "runs the script /tmp/x.sh, which was added to the container",
					"node/n1 /proc/100/cmdline", "/tmp/x.sh, origin added, script"),
			},
		},
		"a process without an executable is the runtime's, on its way in": {
			ft.Edit(runs(of("/web", fact.OriginImage)), func(s *fact.Set) {
				c := &s.Nodes[0].Measured.Containers[0]
				c.Processes = append(c.Processes, fact.Process{PID: 101, Started: ft.Time})
			}),
			passes("/web, origin image"),
		},
		"unless it is old: then it is unknown": {
			ft.Edit(runs(of("/web", fact.OriginImage)), func(s *fact.Set) {
				c := &s.Nodes[0].Measured.Containers[0]
				c.Processes = append(c.Processes, fact.Process{PID: 101, Started: fact.NewTime(ft.Time.Add(-time.Minute))})
			}),
			append(passes("/web, origin image"), api.Finding{
				Verdict: api.VerdictUnknown, Reason: fact.Changing, Subject: ft.Subject(), Message: "the executable of a process was not read",
				Evidence: ft.Evidence("node/n1 /proc/101/exe", "not read"),
			}),
		},
		"workers of one program are one finding": {
			ft.Edit(runs(of("/web", fact.OriginImage)), func(s *fact.Set) {
				c := &s.Nodes[0].Measured.Containers[0]
				worker := c.Processes[0]
				worker.PID, worker.Exe = 101, &fact.Executable{Path: "/web", Origin: fact.OriginImage}
				c.Processes = append(c.Processes, worker)
			}),
			passes("/web, origin image"),
		},
		"no executable at all is unknown": {
			ft.Measured(ft.With(func(p *fact.Process) { p.Exe = nil }), fact.Container{}),
			ft.One(api.Finding{
				Verdict: api.VerdictUnknown, Reason: fact.NotPresent, Subject: ft.Subject(), Message: "none of its executables was read",
				Evidence: ft.Evidence(exe, "not read"),
			}),
		},
		"declared running but not seen is unknown": {ft.Edit(runs(full), ft.NoContainers), ft.One(ft.NotSeen())},
	})
}
