package builds

import (
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

// hostPath is an edit that declares a volume "host" of that path of the node.
func hostPath(path string) func(*fact.PodSpec) {
	return func(s *fact.PodSpec) {
		s.Volumes = []fact.Volume{{Name: "host", Field: "spec.volumes[0]", Source: "hostPath", HostPath: path}}
	}
}

func TestRuntimeSocket(t *testing.T) {
	mounts := fact.Container{Mounts: []fact.VolumeMount{{Volume: "host", Path: "/host"}}}
	readOnly := fact.Container{Mounts: []fact.VolumeMount{{Volume: "host", Path: "/host", ReadOnly: true}}}
	const field = ft.Field + "volumes[0].hostPath.path"
	fails := func(severity api.Severity, message, value string) []api.Finding {
		return ft.One(api.Finding{
			Verdict: api.Fail, Severity: severity, Basis: api.Declared, Subject: ft.Subject(), Message: message, Evidence: ft.Evidence(field, value),
		})
	}
	passes := func(evidence ...string) []api.Finding {
		return ft.One(api.Finding{
			Verdict: api.Pass, Basis: api.Declared, Subject: ft.Subject(), Message: "mounts nothing of the node that holds a runtime's socket",
			Evidence: ft.Evidence(evidence...),
		})
	}
	const table = "node/n1 /proc/100/mountinfo"
	measured := func(c fact.Container, sockets []string, edits ...func(*fact.PodSpec)) *fact.Set {
		m := ft.With()
		m.Root, m.Sockets = &fact.Mount{Path: "/", FSType: "overlay"}, sockets
		return ft.Measured(m, c, edits...)
	}
	docker := []string{"/run/docker.sock"}
	found := func(verdict api.Verdict, severity api.Severity, message string, evidence []api.Evidence) []api.Finding {
		return ft.One(api.Finding{Verdict: verdict, Severity: severity, Basis: api.Measured, Subject: ft.Subject(), Message: message, Evidence: evidence})
	}
	// both is a declared finding with what was measured.
	both := func(severity api.Severity, message, value, shown string) []api.Finding {
		f := fails(severity, message, value)
		f[0].Evidence[0].Basis = api.Declared
		f[0].Evidence = append(f[0].Evidence, api.Evidence{Source: table, Value: shown, Basis: api.Measured})
		return f
	}
	shows := func(value string, declared ...string) []api.Evidence {
		return append([]api.Evidence{{Source: table, Value: value, Basis: api.Measured}}, ft.Claimed(0, ft.Evidence(declared...))...)
	}
	const (
		none       = "mounts nothing of the node that holds a runtime's socket"
		showsNone  = "shows no socket of a container runtime"
		undeclared = "has /run/docker.sock of the node in its mount table, which it does not declare"
	)
	claim := func(s *fact.PodSpec) {
		s.Volumes = []fact.Volume{{Name: "host", Field: "spec.volumes[0]", Source: "persistentVolumeClaim", Unread: fact.Forbidden}}
	}
	gap := func(what fact.Kind) func(*fact.Set) {
		return func(s *fact.Set) {
			s.Nodes[0].Measured.Gaps = []fact.NodeGap{{What: what, Reason: fact.Unreadable, Detail: "the node's own mount table was not read"}}
		}
	}
	unknownEngine := func(s *fact.Set) {
		s.Workloads = nil
		s.Nodes[0].Measured.Containers[0].PodUID = ""
	}
	ofEngine := func(verdict api.Verdict, severity api.Severity, message, value string) []api.Finding {
		f := found(verdict, severity, message, shows(value))
		f[0].Subject = fact.Subject{Kind: fact.SubjectContainer, Name: ft.ID[:12], Node: "n1"}
		return f
	}
	ft.Judge(t, checks.OfSet(judgeRuntimeSocket), map[string]row{
		"none declared and none mounted passes": {
			measured(fact.Container{}, nil), found(api.Pass, "", none, shows(showsNone, ft.App+"volumeMounts", "no hostPath")),
		},
		"declared and mounted is both": {
			measured(mounts, docker, hostPath("/var/run/docker.sock")),
			both(api.High, "mounts /run/docker.sock of the node", "/var/run/docker.sock at /host", "shows /run/docker.sock"),
		},
		"declared and not mounted fails": {
			measured(mounts, nil, hostPath("/run/docker.sock")),
			both(api.High, "mounts /run/docker.sock of the node", "/run/docker.sock at /host", showsNone),
		},
		"a directory above that shows a socket is declared": {
			measured(mounts, docker, hostPath("/")),
			both(api.Medium, "mounts / of the node, a directory that can hold /run/docker.sock", "/ at /host", "shows /run/docker.sock"),
		},
		"a directory up to another distribution's own passes where the table shows none": {
			measured(mounts, nil, hostPath("/var")), found(api.Pass, "", none, shows(showsNone, field, "/var at /host")),
		},
		"mounted and not declared fails": {
			measured(fact.Container{}, docker), found(api.Fail, api.High, undeclared, shows("shows /run/docker.sock", ft.App+"volumeMounts", "no hostPath")),
		},
		"another directory is declared than what is mounted": {
			measured(mounts, docker, hostPath("/data")), found(api.Fail, api.High, undeclared, shows("shows /run/docker.sock", field, "/data at /host")),
		},
		"a claim that was not followed is what the mount table shows": {
			measured(mounts, nil, claim), found(api.Pass, "", none, shows(showsNone, ft.App+"volumeMounts", "no hostPath")),
		},
		"a socket behind a claim that was not followed": {
			measured(mounts, docker, claim), found(api.Fail, api.High, undeclared, shows("shows /run/docker.sock", ft.App+"volumeMounts", "no hostPath")),
		},
		"where the node's mounts were not read the declaration counts": {
			ft.Edit(measured(fact.Container{}, nil), gap(fact.Mounts)), passes(ft.App+"volumeMounts", "no hostPath"),
		},
		"a gap of another kind changes nothing": {
			ft.Edit(measured(fact.Container{}, nil), gap(fact.Devices)), found(api.Pass, "", none, shows(showsNone, ft.App+"volumeMounts", "no hostPath")),
		},
		"a container of another engine passes": {ft.Edit(measured(fact.Container{}, nil), unknownEngine), ofEngine(api.Pass, "", none, showsNone)},
		"a container of another engine with a socket fails": {
			ft.Edit(measured(fact.Container{}, docker), unknownEngine), ofEngine(api.Fail, api.High, undeclared, "shows /run/docker.sock"),
		},
		"a container of another engine whose mounts were not read is unknown": {
			ft.Edit(measured(fact.Container{}, nil), unknownEngine, gap(fact.Mounts)), ft.One(api.Finding{
				Verdict: api.VerdictUnknown, Reason: fact.NotPresent, Basis: api.Measured,
				Subject:  fact.Subject{Kind: fact.SubjectContainer, Name: ft.ID[:12], Node: "n1"},
				Message:  "its mounts, or those of its node, were not read",
				Evidence: ft.Evidence(table, "not read"),
			}),
		},
		"no hostPath passes":                  {ft.Declared(fact.Container{}), passes(ft.App+"volumeMounts", "no hostPath")},
		"another hostPath passes":             {ft.Declared(mounts, hostPath("/data")), passes(field, "/data at /host")},
		"a socket that nothing mounts passes": {ft.Declared(fact.Container{}, hostPath("/run/docker.sock")), passes(ft.App+"volumeMounts", "no hostPath")},
		"a claim that was not followed is unknown": {
			ft.Declared(mounts, func(s *fact.PodSpec) {
				s.Volumes = []fact.Volume{{Name: "host", Field: "spec.volumes[0]", Source: "persistentVolumeClaim", Unread: fact.Forbidden}}
			}),
			ft.One(api.Finding{
				Verdict: api.VerdictUnknown, Reason: fact.Forbidden, Basis: api.Declared, Subject: ft.Subject(),
				Message:     "the volumes behind its claims are unknown: a volume can be a directory of the node",
				Remediation: api.Remediation{Text: "grant list on persistentvolumes"},
				Evidence:    ft.Evidence(ft.Field+"volumes[0].persistentVolumeClaim", "its volume was not read: Forbidden"),
			}),
		},
		"a process of a Windows node reaches every pipe": {
			ft.Declared(fact.Container{HostProcess: ft.Ptr(true)}),
			ft.One(api.Finding{
				Verdict: api.Fail, Severity: api.High, Basis: api.Declared, Subject: ft.Subject(), Message: "reaches every pipe of its Windows node, including a runtime's (hostProcess)",
				Evidence: ft.Evidence(ft.App+"securityContext.windowsOptions.hostProcess", "true"),
			}),
		},
		"Docker's pipe on Windows is high": {
			ft.Declared(mounts, hostPath(`\\.\pipe\docker_engine`)), fails(api.High, "mounts //./pipe/docker_engine of the node", `\\.\pipe\docker_engine at /host`),
		},
		"the socket is high": {
			ft.Declared(mounts, hostPath("/var/run/docker.sock")), fails(api.High, "mounts /run/docker.sock of the node", "/var/run/docker.sock at /host"),
		},
		"read-only changes nothing": {
			ft.Declared(readOnly, hostPath("/run/docker.sock")), fails(api.High, "mounts /run/docker.sock of the node", "/run/docker.sock at /host, read-only"),
		},
		"its own directory is high": {
			ft.Declared(mounts, hostPath("/run/containerd")),
			fails(api.High, "mounts /run/containerd of the node, which is or holds /run/containerd/containerd.sock", "/run/containerd at /host"),
		},
		"a directory further up is medium": {
			ft.Declared(mounts, hostPath("/")), fails(api.Medium, "mounts / of the node, a directory that can hold /run/docker.sock", "/ at /host"),
		},
		"a directory up to a distribution's own is low": {
			ft.Declared(mounts, hostPath("/var")),
			fails(api.Low, "mounts /var of the node, a directory that holds /var/snap/microk8s/common/run/containerd.sock if the node runs MicroK8s", "/var at /host"),
		},
		"MicroK8s' own socket is high": {
			ft.Declared(mounts, hostPath("/var/snap/microk8s/common/run/containerd.sock")),
			fails(api.High, "mounts /var/snap/microk8s/common/run/containerd.sock of the node", "/var/snap/microk8s/common/run/containerd.sock at /host"),
		},
		"a socket for events is medium": {
			ft.Declared(mounts, hostPath("/run/containerd/containerd.sock.ttrpc")),
			fails(api.Medium, "mounts /run/containerd/containerd.sock.ttrpc of the node, a socket of containerd, for events of its shims", "/run/containerd/containerd.sock.ttrpc at /host"),
		},
		"a subPath that a variable makes can be the socket": {
			ft.Declared(fact.Container{Mounts: []fact.VolumeMount{{Volume: "host", Path: "/host", SubPath: "$(NAME)"}}}, hostPath("/run/containerd")),
			fails(api.Medium, "mounts a part of /run/containerd of the node that only the running pod shows (its subPath has a variable): "+
				"it can hold /run/containerd/containerd.sock", "/run/containerd, subPath $(NAME) at /host"),
		},
		"what the node mounts later is said": {
			ft.Declared(fact.Container{Mounts: []fact.VolumeMount{{Volume: "host", Path: "/host", Propagation: "HostToContainer"}}}, hostPath("/run")),
			fails(api.Medium, "mounts /run of the node, a directory that can hold /run/docker.sock, and what the node mounts there later "+
				"(mountPropagation HostToContainer)", "/run at /host, mountPropagation HostToContainer"),
		},
		"a socket of a sidecar in a volume of the pod passes": {
			ft.Declared(fact.Container{Mounts: []fact.VolumeMount{{Volume: "run", Path: "/var/run"}}}, func(s *fact.PodSpec) {
				s.Volumes = []fact.Volume{{Name: "run", Field: "spec.volumes[0]", Source: "emptyDir"}}
			}),
			passes(ft.App+"volumeMounts", "no hostPath"),
		},
		"a subPath narrows": {
			ft.Declared(fact.Container{Mounts: []fact.VolumeMount{{Volume: "host", Path: "/host", SubPath: "lock"}}}, hostPath("/run")),
			passes(field, "/run, subPath lock at /host"),
		},
		"a claim's volume counts": {
			ft.Declared(mounts, func(s *fact.PodSpec) {
				s.Volumes = []fact.Volume{{
					Name: "host", Field: "spec.volumes[0]", Source: "persistentVolumeClaim", HostPath: "/run/docker.sock", HostPathFrom: "persistentvolume/docker",
				}}
			}),
			ft.One(api.Finding{
				Verdict: api.Fail, Severity: api.High, Basis: api.Declared, Subject: ft.Subject(), Message: "mounts /run/docker.sock of the node",
				Evidence: ft.Evidence(ft.Field+"volumes[0].persistentVolumeClaim", "/run/docker.sock of persistentvolume/docker at /host"),
			}),
		},
		"no pods, no findings: a gap of the pods makes it unknown": {&fact.Set{}, nil},
	})
}
