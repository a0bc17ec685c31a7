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

	const mapsFile = "node/n1 /proc/100/maps"
	maps := func(program string, files ...fact.Executable) *fact.Set {
		return ft.Measured(ft.With(func(p *fact.Process) {
			p.Exe = &fact.Executable{Path: program, Origin: fact.OriginImage}
			p.Mapped = &fact.Mapped{Count: 9, FileCount: len(files), Files: files}
		}), fact.Container{})
	}
	withPass := func(program string, f api.Finding) []api.Finding {
		return append(passes(program+", origin image"), f)
	}
	const find = "/bin/find, origin metadata, mount / (overlay), gained set-user-ID"
	gained := func(edit func(*fact.MeasuredContainer)) *fact.Set {
		m := ft.With(func(p *fact.Process) {
			p.Exe = &fact.Executable{Path: "/bin/find", Origin: fact.OriginMetadata, Mount: "/", FSType: "overlay", Gained: "set-user-ID"}
		})
		if edit != nil {
			edit(&m)
		}
		return ft.Measured(m, fact.Container{})
	}

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
		"a library that was added is medium": {
			maps("/web", of("/tmp/x.so", fact.OriginAdded)), withPass("/web",
				finding(api.Fail, api.Medium, "has /tmp/x.so mapped as code, which was added to the container", mapsFile, "/tmp/x.so, origin added")),
		},
		"a library in memory is medium": {
			maps("/web", of("/memfd:x", fact.OriginMemfd)), withPass("/web",
				finding(api.Fail, api.Medium, "has /memfd:x mapped as code, which exists only in memory (memfd)", mapsFile, "/memfd:x, origin memfd")),
		},
		"a library on a ConfigMap passes": {
			maps("/web", readOnly("configMap/cm", "ext4")), withPass("/web",
				finding(api.Pass, "", fine, mapsFile, "/scratch/x, origin readonly, volume configMap/cm, mount /scratch (ext4)")),
		},
		"a program that ld.so runs is high, whatever its mode": {
			maps("/lib64/ld-linux-x86-64.so.2", of("/tmp/x", fact.OriginAdded)), withPass("/lib64/ld-linux-x86-64.so.2",
				finding(api.Fail, api.High, "runs /tmp/x through a loader or an interpreter, which was added to the container", mapsFile, "/tmp/x, origin added")),
		},
		"a program that ld.so runs is high, whatever its name": {
			maps("/lib/ld-musl-x86_64.so.1", of("/tmp/x.so", fact.OriginAdded)), withPass("/lib/ld-musl-x86_64.so.1",
				finding(api.Fail, api.High, "runs /tmp/x.so through a loader or an interpreter, which was added to the container", mapsFile, "/tmp/x.so, origin added")),
		},
		"a file that an interpreter maps is high": {
			maps("/usr/bin/python3.11", of("/tmp/x", fact.OriginAdded)), withPass("/usr/bin/python3.11",
				finding(api.Fail, api.High, "runs /tmp/x through a loader or an interpreter, which was added to the container", mapsFile, "/tmp/x, origin added")),
		},
		"a module that an interpreter maps is medium": {
			maps("/usr/bin/python3.11", of("/tmp/x.cpython-311.so", fact.OriginAdded)), withPass("/usr/bin/python3.11",
				finding(api.Fail, api.Medium, "has /tmp/x.cpython-311.so mapped as code, which was added to the container", mapsFile, "/tmp/x.cpython-311.so, origin added")),
		},
		"a mapped file of unknown origin is unknown": {
			maps("/web", of("/x.so", fact.OriginUnknown)), withPass("/web",
				finding(api.VerdictUnknown, "", "has /x.so mapped as code, whose origin is unknown", mapsFile, "/x.so, origin unknown")),
		},
		"mappings that were not read are unknown": {
			ft.Measured(ft.With(func(p *fact.Process) { p.Mapped = nil }), fact.Container{}), []api.Finding{
				finding(api.Pass, "", fine, exe, "/web, origin image, mount / (overlay)"),
				{
					Verdict: api.VerdictUnknown, Reason: fact.NotPresent, Subject: ft.Subject(),
					Message: "the other files that a process has mapped as code were not read", Evidence: ft.Evidence(mapsFile, "not read"),
				},
			},
		},
		"mappings beyond the list are unknown": {
			ft.Measured(ft.With(func(p *fact.Process) { p.Mapped = &fact.Mapped{Count: 99, FileCount: 40} }), fact.Container{}), []api.Finding{
				finding(api.Pass, "", fine, exe, "/web, origin image, mount / (overlay)"),
				{
					Verdict: api.VerdictUnknown, Reason: fact.Truncated, Subject: ft.Subject(),
					Message: "not all files that a process has mapped as code are in the facts", Evidence: ft.Evidence(mapsFile, "not read"),
				},
			},
		},
		"a program of the image that became set-user-ID is high": {
			gained(nil), fails(api.High, "runs /bin/find, which is of the image and got more rights in the container (set-user-ID)", find),
		},
		"with no_new_privs it is medium": {
			gained(func(m *fact.MeasuredContainer) { m.Processes[0].NoNewPrivs = ft.Ptr(true) }),
			fails(api.Medium, "runs /bin/find, which is of the image and got more rights in the container (set-user-ID)", find),
		},
		"on a root with nosuid it is medium": {
			gained(func(m *fact.MeasuredContainer) { m.Root = &fact.Mount{Path: "/", NoSuid: true} }),
			fails(api.Medium, "runs /bin/find, which is of the image and got more rights in the container (set-user-ID)", find),
		},
		"one process that can gain rights is enough for high": {
			gained(func(m *fact.MeasuredContainer) {
				m.Processes[0].NoNewPrivs = ft.Ptr(true)
				other := m.Processes[0]
				other.PID, other.NoNewPrivs = 101, ft.Ptr(false)
				m.Processes = append(m.Processes, other)
			}),
			fails(api.High, "runs /bin/find, which is of the image and got more rights in the container (set-user-ID)", find),
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
				worker.PID, worker.Exe = 101, &fact.Executable{Path: "/web", Origin: fact.OriginImage, Owner: &fact.FileOwner{}}
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
