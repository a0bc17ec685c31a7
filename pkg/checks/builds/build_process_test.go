package builds

import (
	"slices"
	"testing"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

func TestBuildProcess(t *testing.T) {
	const (
		exe    = "node/n1 /proc/100/exe"
		name   = "node/n1 /proc/100/status Name"
		status = "node/n1 /proc/100/status Uid, CapEff"
		mask   = "00000000a80425fb"
		none   = "none of its processes is a builder or a container runtime"
	)
	runs := func(path string) func(*fact.Process) {
		return func(p *fact.Process) { p.Exe = &fact.Executable{Path: path, Origin: fact.OriginImage} }
	}
	comm := func(text string) func(*fact.Process) { // as at level proc
		return func(p *fact.Process) { p.Exe, p.Comm = nil, text }
	}
	memfd := func(text string) func(*fact.Process) {
		return func(p *fact.Process) {
			p.Exe, p.Comm = &fact.Executable{Path: "/memfd:x", Origin: fact.OriginMemfd}, text
		}
	}
	uid := func(n int64) func(*fact.Process) {
		return func(p *fact.Process) { p.UID = [4]int64{n, n, n, n} }
	}
	caps := func(bits uint64) func(*fact.Process) {
		return func(p *fact.Process) { p.CapEff = fact.NewCapMask(bits) }
	}
	ownUsers := func(p *fact.Process) { p.UserNS = 4026532999 }
	set := func(edits ...func(*fact.Process)) *fact.Set { return ft.Measured(ft.With(edits...), fact.Container{}) }
	fails := func(severity api.Severity, message string, evidence ...string) []api.Finding {
		return ft.One(api.Finding{Verdict: api.Fail, Severity: severity, Subject: ft.Subject(), Message: message, Evidence: ft.Evidence(evidence...)})
	}
	passes := func(value string) []api.Finding {
		return ft.One(api.Finding{Verdict: api.Pass, Subject: ft.Subject(), Message: none, Evidence: ft.Evidence(exe, value)})
	}
	socket := fact.Container{Mounts: []fact.VolumeMount{{Volume: "host", Path: "/s"}}}

	young := func(p *fact.Process) { p.Started = ft.Time }
	old := func(p *fact.Process) { p.Started = fact.NewTime(ft.Time.Add(-time.Minute)) }
	unread := func(source, value string) []api.Finding {
		return ft.One(api.Finding{
			Verdict: api.VerdictUnknown, Reason: fact.Unreadable, Subject: ft.Subject(),
			Message:  "not every executable that it runs was read; the names that processes give themselves show no builder",
			Evidence: ft.Evidence(source, value), Remediation: api.Remediation{Text: "--probe-level full reads executables"},
		})
	}
	second := func(edits ...func(*fact.Process)) func(*fact.Set) {
		return func(s *fact.Set) {
			p := ft.Process()
			p.PID = 101
			for _, edit := range edits {
				edit(&p)
			}
			c := &s.Nodes[0].Measured.Containers[0]
			c.Processes = append(c.Processes, p)
		}
	}

	sockets := func(edits ...func(*fact.Process)) *fact.Set {
		m := ft.With(edits...)
		m.Sockets = []string{"/run/docker.sock"}
		return ft.Measured(m, fact.Container{})
	}
	below := func(foundBy fact.FoundBy, edits ...func(*fact.Set)) *fact.Set {
		s := set()
		m := &s.Nodes[0].Measured.Containers[0]
		m.ID, m.FoundBy, m.Cgroup = "root-abc", foundBy, "/kubepods/pod1/x"
		s.Workloads[0].Pods[0].Containers = nil
		return ft.Edit(s, edits...)
	}
	pod := ft.PodSubject()
	ofPod := func(f api.Finding) api.Finding {
		f.Subject = pod
		return f
	}

	ft.Judge(t, func(s *fact.Set) []api.Finding { // those of nodes have a test of their own
		return slices.DeleteFunc(checks.OfSet(judgeBuildProcess)(s), func(f api.Finding) bool { return f.Subject.Kind == fact.SubjectNode })
	}, map[string]row{
		"a socket that its mounts show is high, declared or not": {
			sockets(runs("/usr/bin/buildah")), fails(api.High, "runs buildah, with a runtime's socket", exe, "/usr/bin/buildah", status, "0, "+mask),
		},
		"a user namespace does not contain a socket": {
			sockets(runs("/usr/bin/buildah"), ownUsers), fails(api.High, "runs buildah, with a runtime's socket", exe, "/usr/bin/buildah", status, "0, "+mask),
		},
		"every capability is graver than a socket": {
			sockets(runs("/usr/bin/buildah"), caps(ft.AllCaps)),
			fails(api.Critical, "runs buildah, privileged", exe, "/usr/bin/buildah", status, "0, 000001ffffffffff"),
		},
		"a container of no engine below a pod is a nested one": {
			below(fact.FoundByRoot), []api.Finding{ofPod(api.Finding{
				Verdict: api.Fail, Severity: api.Medium,
				Message:  "runs a container of its own, which neither Kubernetes nor an engine of the node has started: a nested runtime, as root",
				Evidence: ft.Evidence("node/n1 /proc/100/root", "a root directory and mounts of its own, in cgroup /kubepods/pod1/x", status, "0, "+mask),
			}), ofPod(passes("/web")[0])},
		},
		"a container of no engine below no pod is not this check's": {
			below(fact.FoundByRoot, func(s *fact.Set) { s.Nodes[0].Measured.Containers[0].PodUID = ""; s.Workloads = nil }),
			ft.One(api.Finding{
				Verdict: api.Pass, Subject: fact.Subject{Kind: fact.SubjectContainer, Name: "root-abc", Node: "n1"}, Message: none, Evidence: ft.Evidence(exe, "/web"),
			}),
		},
		"none passes":                     {set(), passes("/web")},
		"none by name alone is unknown":   {set(comm("web")), unread(name, "web")},
		"a memfd's name alone is unknown": {set(memfd("web")), unread(name, "web")},
		"one executable that was not read is enough for unknown": {
			ft.Edit(set(), second(comm("web"))), unread("node/n1 /proc/101/status Name", "web"),
		},
		"dockerd as root is medium": {
			set(runs("/usr/local/bin/dockerd")), fails(api.Medium, "runs dockerd, as root", exe, "/usr/local/bin/dockerd", status, "0, "+mask),
		},
		"with every capability it is critical": {
			set(runs("/usr/local/bin/dockerd"), caps(ft.AllCaps)),
			fails(api.Critical, "runs dockerd, privileged", exe, "/usr/local/bin/dockerd", status, "0, 000001ffffffffff"),
		},
		"with SYS_ADMIN it is as good as privileged": {
			set(runs("/usr/bin/buildkitd"), caps(1<<21)), fails(api.Critical, "runs buildkitd, privileged", exe, "/usr/bin/buildkitd", status, "0, 0000000000200000"),
		},
		"with a socket it is high": {
			ft.Measured(ft.With(runs("/usr/bin/buildah")), socket, hostPath("/run/docker.sock")),
			fails(api.High, "runs buildah, with a runtime's socket", exe, "/usr/bin/buildah", status, "0, "+mask),
		},
		"as another user it is low": {
			set(runs("/usr/bin/buildkitd"), uid(1000), caps(0)),
			fails(api.Low, "runs buildkitd, without root"+exception, exe, "/usr/bin/buildkitd", status, "1000, 0000000000000000"),
		},
		"in a user namespace it is low": {
			set(runs("/usr/bin/buildkitd"), ownUsers, caps(ft.AllCaps)),
			fails(api.Low, "runs buildkitd, sandboxed"+exception, exe, "/usr/bin/buildkitd", status, "0, 000001ffffffffff"),
		},
		"the kaniko executor": {
			set(runs("/kaniko/executor")), fails(api.Medium, "runs the kaniko executor, as root", exe, "/kaniko/executor", status, "0, "+mask),
		},
		"another executor passes": {set(runs("/app/executor")), passes("/app/executor")},
		"a nested containerd": {
			set(runs("/usr/bin/containerd")), fails(api.Medium, "runs a nested containerd, as root", exe, "/usr/bin/containerd", status, "0, "+mask),
		},
		"a nested runc": {
			set(runs("/usr/sbin/runc")), fails(api.Medium, "runs a nested runtime (runc), as root", exe, "/usr/sbin/runc", status, "0, "+mask),
		},
		"without exe the name tells": {
			set(comm("buildkitd")), fails(api.Medium, "runs buildkitd, as root", name, "buildkitd", status, "0, "+mask),
		},
		"a name that the kernel cut": {
			set(comm("containerd-shim")), fails(api.Medium, "runs a nested containerd, as root", name, "containerd-shim", status, "0, "+mask),
		},
		"a memfd's path tells nothing, its name does": {
			set(memfd("buildah")), fails(api.Medium, "runs buildah, as root", name, "buildah", status, "0, "+mask),
		},
		"a name is only a process's own word: exe decides": {
			set(func(p *fact.Process) { p.Comm = "dockerd" }), passes("/web"),
		},
		"the node's runtime on its way into the container is left out": {
			ft.Edit(set(), second(memfd("runc:[2:INIT]"), young)), passes("/web"),
		},
		"the node's runtime from its own mount is not a nested one": {
			ft.Edit(set(), second(young, func(p *fact.Process) {
				p.Comm, p.Exe = "runc:[2:INIT]", &fact.Executable{Path: "/runc", Origin: fact.OriginForeign}
			})), passes("/web"),
		},
		"a runtime's name does not hide what is of the image": {
			set(young, func(p *fact.Process) {
				p.Comm, p.Exe = "runc:[2:INIT]", &fact.Executable{Path: "/runc", Origin: fact.OriginImage}
			}), fails(api.Medium, "runs a nested runtime (runc), as root", exe, "/runc", status, "0, "+mask),
		},
		"a runtime's name does not hide an old process": {
			ft.Edit(set(), second(memfd("runc:[2:INIT]"), old)), unread("node/n1 /proc/101/status Name", "runc:[2:INIT]"),
		},
		"a runtime's name does not hide a process of unknown age": {
			ft.Edit(set(), second(memfd("runc:[2:INIT]"))), unread("node/n1 /proc/101/status Name", "runc:[2:INIT]"),
		},
		"nothing but the runtime on its way in is unknown": {
			set(memfd("runc:[2:INIT]"), young),
			ft.One(api.Finding{
				Verdict: api.VerdictUnknown, Reason: fact.Changing, Subject: ft.Subject(), Message: "its runtime was still starting it",
				Evidence: ft.Evidence(name, "runc:[2:INIT]"),
			}),
		},
		"a container without a process that was read is unknown": {
			ft.Measured(fact.MeasuredContainer{}, fact.Container{}),
			ft.One(api.Finding{
				Verdict: api.VerdictUnknown, Reason: fact.NotPresent, Subject: ft.Subject(), Message: "none of its processes was read",
				Evidence: ft.Evidence("node/n1 container aaaaaaaaaaaa exe", "no process"),
			}),
		},
		"declared running but not seen is unknown": {ft.Edit(set(), ft.NoContainers), ft.One(ft.NotSeen())},
	})
}

func TestBuildProcessOfNodes(t *testing.T) {
	set := func(builders ...fact.HostProcess) *fact.Set {
		s := ft.Measured(ft.With(), fact.Container{})
		s.Nodes[0].Measured.HostProcesses = 40
		s.Nodes[0].Measured.Host.Builders = builders
		return s
	}
	daemon := func(exe string) fact.HostProcess {
		return fact.HostProcess{PID: 7, Comm: "x", Exe: exe, Unit: "x.service", CapEff: fact.NewCapMask(ft.AllCaps), Why: "same-root"}
	}
	const (
		exe    = "node/n1 /proc/7/exe"
		status = "node/n1 /proc/7/status Uid, CapEff"
		stop   = "Stop the daemon on the node and build images on separate machines."
		root   = "0, 000001ffffffffff"
	)
	fails := func(name string, evidence ...string) api.Finding {
		return api.Finding{
			Verdict: api.Fail, Severity: api.Medium, Subject: ft.NodeSubject(), Remediation: api.Remediation{Text: stop},
			Message: "runs " + name + " on the node itself, in no container: images are built next to production", Evidence: ft.Evidence(evidence...),
		}
	}
	docker := func(s *fact.Set) { s.Nodes[0].ContainerRuntime = "docker://24.0.9" }
	proc := func(s *fact.Set) { s.Nodes[0].Measured.Level = fact.LevelProc }
	ft.Judge(t, func(s *fact.Set) []api.Finding {
		return slices.DeleteFunc(checks.OfSet(judgeBuildProcess)(s), func(f api.Finding) bool { return f.Subject.Kind != fact.SubjectNode })
	}, map[string]row{
		"no builder passes": {set(), ft.One(api.Finding{
			Verdict: api.Pass, Subject: ft.NodeSubject(), Message: "none of its own processes is an image builder",
			Evidence: ft.Evidence("node/n1 /proc/*/exe", "processes of the node itself: 40"),
		})},
		"buildkitd is medium": {
			set(daemon("/usr/bin/buildkitd")), ft.One(fails("buildkitd", exe, "/usr/bin/buildkitd, unit x.service", status, root)),
		},
		"dockerd that is not the kubelet's runtime is medium": {
			set(daemon("/usr/bin/dockerd")), ft.One(fails("dockerd", exe, "/usr/bin/dockerd, unit x.service", status, root)),
		},
		"dockerd that is the kubelet's runtime is low": {
			ft.Edit(set(daemon("/usr/bin/dockerd")), docker), ft.One(api.Finding{
				Verdict: api.Fail, Severity: api.Low, Subject: ft.NodeSubject(),
				Message:     "runs dockerd, which is its container runtime and can build images too",
				Remediation: api.Remediation{Text: "Use a container runtime that builds no images (containerd, CRI-O). Give nobody else dockerd's socket."},
				Evidence: ft.Claimed(2, ft.Evidence(exe, "/usr/bin/dockerd, unit x.service", status, root,
					"node/n1 status.nodeInfo.containerRuntimeVersion", "docker://24.0.9")),
			}),
		},
		"buildkitd next to the kubelet's dockerd is medium": {
			ft.Edit(set(daemon("/usr/bin/buildkitd")), docker), ft.One(fails("buildkitd", exe, "/usr/bin/buildkitd, unit x.service", status, root)),
		},
		"processes of one builder are one finding": {
			set(daemon("/usr/bin/buildah"), daemon("/usr/bin/buildah")), ft.One(fails("buildah", exe, "/usr/bin/buildah, unit x.service", status, root)),
		},
		"two builders are two findings": {
			set(daemon("/usr/bin/buildah"), daemon("/usr/bin/buildkitd (deleted)")), []api.Finding{
				fails("buildah", exe, "/usr/bin/buildah, unit x.service", status, root),
				fails("buildkitd", exe, "/usr/bin/buildkitd (deleted), unit x.service", status, root),
			},
		},
		"by name at level proc": {
			ft.Edit(set(fact.HostProcess{PID: 7, Comm: "buildkitd"}), proc),
			ft.One(fails("buildkitd", "node/n1 /proc/7/status Name", "buildkitd", status, "0, not read")),
		},
		"no name at level proc is unknown": {
			ft.Edit(set(), proc), ft.One(api.Finding{
				Verdict: api.VerdictUnknown, Reason: fact.Unreadable, Subject: ft.NodeSubject(),
				Message:     "the executables of its own processes were not read; the names that they give themselves show no builder",
				Evidence:    ft.Evidence("node/n1 /proc/*/status Name", "processes of the node itself: 40"),
				Remediation: api.Remediation{Text: "--probe-level full reads executables"},
			}),
		},
		"a node that was not measured has no finding": {ft.Declared(fact.Container{}), nil},
		"a run about some pods asks about no node":    {ft.Edit(set(daemon("/usr/bin/buildah")), func(s *fact.Set) { s.PodScope = fact.PodsSome }), nil},
	})
}
