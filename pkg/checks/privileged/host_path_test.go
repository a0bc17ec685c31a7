package privileged

import (
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

func TestHostPath(t *testing.T) {
	volume := func(path string) func(*fact.PodSpec) {
		return func(s *fact.PodSpec) {
			s.Volumes = []fact.Volume{{Name: "host", Field: "spec.volumes[0]", Source: "hostPath", HostPath: path}}
		}
	}
	mount := func(readOnly bool, subPath string) fact.Container {
		return fact.Container{Mounts: []fact.VolumeMount{{Volume: "host", Path: "/host", ReadOnly: readOnly, SubPath: subPath}}}
	}
	rw, ro := mount(false, ""), mount(true, "")
	fails := func(severity api.Severity, message, value string) []api.Finding {
		return ft.One(api.Finding{
			Verdict: api.Fail, Severity: severity, Subject: ft.Subject(), Message: message,
			Evidence: ft.Evidence(ft.Field+"volumes[0].hostPath.path", value),
		})
	}
	pass := api.Finding{
		Verdict: api.Pass, Subject: ft.Subject(), Message: "mounts nothing of the node",
		Evidence: ft.Evidence(ft.App+"volumeMounts", "no hostPath"),
	}
	ft.Judge(t, checks.OfSet(judgeHostPath), map[string]row{
		"no volume passes": {ft.Declared(fact.Container{}), ft.One(pass)},
		"an emptyDir passes": {
			ft.Declared(rw, func(s *fact.PodSpec) {
				s.Volumes = []fact.Volume{{Name: "host", Field: "spec.volumes[0]", Source: "emptyDir"}}
			}),
			ft.One(pass),
		},
		"a claim that was not followed is unknown": {
			ft.Declared(rw, func(s *fact.PodSpec) {
				s.Volumes = []fact.Volume{{Name: "host", Field: "spec.volumes[0]", Source: "persistentVolumeClaim", Unread: fact.Forbidden}}
			}),
			ft.One(api.Finding{
				Verdict: api.VerdictUnknown, Reason: fact.Forbidden, Subject: ft.Subject(),
				Message:     "the volumes behind its claims are unknown: a volume can be a directory of the node",
				Remediation: "grant list on persistentvolumes",
				Evidence:    ft.Evidence(ft.Field+"volumes[0].persistentVolumeClaim", "its volume was not read: Forbidden"),
			}),
		},
		"a claim in a manifest is unknown": {
			ft.Declared(rw, func(s *fact.PodSpec) {
				s.Volumes = []fact.Volume{{Name: "host", Field: "spec.volumes[0]", Source: "persistentVolumeClaim", Unread: fact.NotPresent}}
			}),
			ft.One(api.Finding{
				Verdict: api.VerdictUnknown, Reason: fact.NotPresent, Subject: ft.Subject(),
				Message:     "the volumes behind its claims are unknown: a volume can be a directory of the node",
				Remediation: "give the manifests of the claim and its volume too, or check the pods on the cluster",
				Evidence:    ft.Evidence(ft.Field+"volumes[0].persistentVolumeClaim", "its volume was not read: NotPresent"),
			}),
		},
		"a flexVolume is unknown": {
			ft.Declared(rw, func(s *fact.PodSpec) {
				s.Volumes = []fact.Volume{{Name: "host", Field: "spec.volumes[0]", Source: "flexVolume", Unread: fact.Unsupported}}
			}),
			ft.One(api.Finding{
				Verdict: api.VerdictUnknown, Reason: fact.Unsupported, Subject: ft.Subject(),
				Message:     "only its flexVolume's driver knows what is mounted: it can be a directory of the node",
				Remediation: "use a CSI driver: flexVolumes are deprecated",
				Evidence:    ft.Evidence(ft.Field+"volumes[0].flexVolume", "its volume was not read: Unsupported"),
			}),
		},
		"a process of a Windows node has its files": {
			ft.Declared(fact.Container{}, windows, processes(true)),
			ft.One(api.Finding{
				Verdict: api.Fail, Severity: api.High, Subject: ft.Subject(), Message: "reaches every file of its Windows node (hostProcess)",
				Evidence: ft.Evidence(ft.Field+hostProcess, "true"),
			}),
		},
		"a whole disk of Windows is high": {ft.Declared(rw, windows, volume(`C:\`)), fails(api.High, "mounts c: of the node", `C:\ at /host`)},
		"the kubelet's files on Windows are high": {
			ft.Declared(rw, windows, volume(`C:/var/lib/Kubelet/pki`)), fails(api.High, "mounts c:/var/lib/kubelet/pki of the node", "C:/var/lib/Kubelet/pki at /host"),
		},
		"a runtime's pipe is high": {
			ft.Declared(rw, windows, volume(`\\.\pipe\docker_engine`)), fails(api.High, "mounts //./pipe/docker_engine of the node", `\\.\pipe\docker_engine at /host`),
		},
		"/ is high":                       {ft.Declared(rw, volume("/")), fails(api.High, "mounts / of the node", "/ at /host")},
		"/ is high even read-only":        {ft.Declared(ro, volume("/")), fails(api.High, "mounts / of the node", "/ at /host, read-only")},
		"below /etc is high":              {ft.Declared(rw, volume("/etc/kubernetes/")), fails(api.High, "mounts /etc/kubernetes of the node", "/etc/kubernetes/ at /host")},
		"/etc read-only is medium":        {ft.Declared(ro, volume("/etc")), fails(api.Medium, "mounts /etc of the node, read-only", "/etc at /host, read-only")},
		"above /var/lib/kubelet is high":  {ft.Declared(rw, volume("/var/lib")), fails(api.High, "mounts /var/lib of the node", "/var/lib at /host")},
		"/proc is high":                   {ft.Declared(rw, volume("/proc")), fails(api.High, "mounts /proc of the node", "/proc at /host")},
		"a device is high even read-only": {ft.Declared(ro, volume("/dev/sda")), fails(api.High, "mounts /dev/sda of the node", "/dev/sda at /host, read-only")},
		"a runtime's socket is high even read-only": {
			ft.Declared(ro, volume("/var/run/docker.sock")), fails(api.High, "mounts /run/docker.sock of the node", "/var/run/docker.sock at /host, read-only"),
		},
		"a directory that holds sockets is high":  {ft.Declared(rw, volume("/var/run")), fails(api.High, "mounts /run of the node", "/var/run at /host")},
		"another path is medium":                  {ft.Declared(rw, volume("/data")), fails(api.Medium, "mounts /data of the node", "/data at /host")},
		"a name that only begins alike is medium": {ft.Declared(rw, volume("/etcetera")), fails(api.Medium, "mounts /etcetera of the node", "/etcetera at /host")},
		"another path read-only is low":           {ft.Declared(ro, volume("/data")), fails(api.Low, "mounts /data of the node, read-only", "/data at /host, read-only")},
		"dots are resolved":                       {ft.Declared(rw, volume("/data/../etc")), fails(api.High, "mounts /etc of the node", "/data/../etc at /host")},
		"a subPath narrows":                       {ft.Declared(mount(false, "log/web"), volume("/var")), fails(api.Medium, "mounts /var/log/web of the node", "/var, subPath log/web at /host")},
		"a subPath from a variable does not":      {ft.Declared(mount(false, "$(DIR)"), volume("/var")), fails(api.High, "mounts /var of the node", "/var, subPath $(DIR) at /host")},
		"a claim's directory on the node counts": {
			ft.Declared(rw, func(s *fact.PodSpec) {
				s.Volumes = []fact.Volume{{
					Name: "host", Field: "spec.volumes[0]", Source: "persistentVolumeClaim", HostPath: "/data", HostPathFrom: "persistentvolume/pv-1",
				}}
			}),
			ft.One(api.Finding{
				Verdict: api.Fail, Severity: api.Medium, Subject: ft.Subject(), Message: "mounts /data of the node",
				Evidence: ft.Evidence(ft.Field+"volumes[0].persistentVolumeClaim", "/data of persistentvolume/pv-1 at /host"),
			}),
		},
		"a volume that nothing mounts is low": {
			ft.Declared(fact.Container{}, volume("/etc")),
			[]api.Finding{pass, {
				Verdict: api.Fail, Severity: api.Low, Subject: ft.PodSubject(),
				Message:  "declares /etc of the node as a volume that no container mounts",
				Evidence: ft.Evidence(ft.Field+"volumes[0].hostPath.path", "/etc"),
			}},
		},
	})
}

// A declaration is there or it is not: only a gap of the pods makes it unknown,
// which Run tells.
func TestHostPathWithoutPods(t *testing.T) {
	if got := judgeHostPath(checks.NewView(&fact.Set{})); len(got) != 0 {
		t.Errorf("want no findings without pods, got %v", got)
	}
}
