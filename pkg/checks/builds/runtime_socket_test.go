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
			Verdict: api.Fail, Severity: severity, Subject: ft.Subject(), Message: message, Evidence: ft.Evidence(field, value),
		})
	}
	passes := func(evidence ...string) []api.Finding {
		return ft.One(api.Finding{
			Verdict: api.Pass, Subject: ft.Subject(), Message: "mounts nothing of the node that holds a runtime's socket",
			Evidence: ft.Evidence(evidence...),
		})
	}
	ft.Judge(t, checks.OfSet(judgeRuntimeSocket), map[string]row{
		"no hostPath passes":                  {ft.Declared(fact.Container{}), passes(ft.App+"volumeMounts", "no hostPath")},
		"another hostPath passes":             {ft.Declared(mounts, hostPath("/data")), passes(field, "/data at /host")},
		"a socket that nothing mounts passes": {ft.Declared(fact.Container{}, hostPath("/run/docker.sock")), passes(ft.App+"volumeMounts", "no hostPath")},
		"a claim that was not followed is unknown": {
			ft.Declared(mounts, func(s *fact.PodSpec) {
				s.Volumes = []fact.Volume{{Name: "host", Field: "spec.volumes[0]", Source: "persistentVolumeClaim", Unread: fact.Forbidden}}
			}),
			ft.One(api.Finding{
				Verdict: api.VerdictUnknown, Reason: fact.Forbidden, Subject: ft.Subject(),
				Message:     "the volumes behind its claims are unknown: a volume can be a directory of the node",
				Remediation: "grant list on persistentvolumes",
				Evidence:    ft.Evidence(ft.Field+"volumes[0].persistentVolumeClaim", "its volume was not read: Forbidden"),
			}),
		},
		"a process of a Windows node reaches every pipe": {
			ft.Declared(fact.Container{HostProcess: ft.Ptr(true)}),
			ft.One(api.Finding{
				Verdict: api.Fail, Severity: api.High, Subject: ft.Subject(), Message: "reaches every pipe of its Windows node, including a runtime's (hostProcess)",
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
				Verdict: api.Fail, Severity: api.High, Subject: ft.Subject(), Message: "mounts /run/docker.sock of the node",
				Evidence: ft.Evidence(ft.Field+"volumes[0].persistentVolumeClaim", "/run/docker.sock of persistentvolume/docker at /host"),
			}),
		},
		"no pods, no findings: a gap of the pods makes it unknown": {&fact.Set{}, nil},
	})
}
