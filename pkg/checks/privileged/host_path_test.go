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
				Remediation: api.Remediation{Text: "grant list on persistentvolumes"},
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
				Remediation: api.Remediation{Text: "give the manifests of the claim and its volume too, or check the pods on the cluster"},
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
				Remediation: api.Remediation{Text: "use a CSI driver: flexVolumes are deprecated"},
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
		"a whole disk of Windows is critical": {
			ft.Declared(rw, windows, volume(`C:\`)), fails(api.Critical, "mounts c: of the node: it holds everything that the node runs", `C:\ at /host`),
		},
		"the kubelet's files on Windows are critical": {
			ft.Declared(rw, windows, volume(`C:/var/lib/Kubelet/pki`)),
			fails(api.Critical, "mounts c:/var/lib/kubelet/pki of the node: it is below c:/var/lib/kubelet (it holds the kubelet's key and the Secrets of the node's pods)", "C:/var/lib/Kubelet/pki at /host"),
		},
		"a runtime's pipe is high": {
			ft.Declared(rw, windows, volume(`\\.\pipe\docker_engine`)),
			fails(api.High, "mounts //./pipe/docker_engine of the node: anyone who connects to Docker controls the node", `\\.\pipe\docker_engine at /host`),
		},
		"/ is critical": {ft.Declared(rw, volume("/")), fails(api.Critical, "mounts / of the node: it holds everything that the node runs", "/ at /host")},
		"/ is high even read-only": {
			ft.Declared(ro, volume("/")), fails(api.High, "mounts / of the node (read-only): it holds every key and Secret that the node has",
				"/ at /host, read-only (what is mounted below it stays writable)"),
		},
		"/ read-only with all below it": {
			ft.Declared(fact.Container{Mounts: []fact.VolumeMount{{Volume: "host", Path: "/host", ReadOnly: true, RecursiveReadOnly: "Enabled"}}}, volume("/")),
			fails(api.High, "mounts / of the node (read-only): it holds every key and Secret that the node has", "/ at /host, read-only"),
		},
		"below /etc is as its longest place": {
			ft.Declared(rw, volume("/etc/kubernetes/")), fails(api.Critical, "mounts /etc/kubernetes of the node: the kubelet starts any pod that is written to its manifests", "/etc/kubernetes/ at /host"),
		},
		"reading keeps its severity where it is the harm": {
			ft.Declared(ro, volume("/etc/kubernetes/pki")),
			fails(api.Critical, "mounts /etc/kubernetes/pki of the node (read-only): it is below /etc/kubernetes (it holds keys of the cluster's administrator)", "/etc/kubernetes/pki at /host, read-only"),
		},
		"/etc read-only is high": {
			ft.Declared(ro, volume("/etc")), fails(api.High, "mounts /etc of the node (read-only): it holds keys and password hashes", "/etc at /host, read-only"),
		},
		"above /var/lib/kubelet is critical": {
			ft.Declared(rw, volume("/var/lib")),
			fails(api.Critical, "mounts /var/lib of the node: it holds /var/lib/kubelet (it holds the kubelet's key and the Secrets of the node's pods)", "/var/lib at /host"),
		},
		"/proc is critical": {ft.Declared(rw, volume("/proc")), fails(api.Critical, "mounts /proc of the node: core_pattern runs a program as root", "/proc at /host")},
		"a device is critical even read-only": {
			ft.Declared(ro, volume("/dev/sda")),
			fails(api.Critical, "mounts /dev/sda of the node (read-only): it is below /dev (it holds the node's disks, which read-only does not protect)", "/dev/sda at /host, read-only"),
		},
		"a runtime's socket is high even read-only": {
			ft.Declared(ro, volume("/var/run/docker.sock")),
			fails(api.High, "mounts /run/docker.sock of the node (read-only): anyone who connects to Docker controls the node", "/var/run/docker.sock at /host, read-only"),
		},
		"a directory that holds sockets is as its gravest": {
			ft.Declared(rw, volume("/var/run")), fails(api.Critical, "mounts /run of the node: it holds /run/systemd "+
				"(anyone who connects there can start programs as root, and read-only does not prevent that)", "/var/run at /host"),
		},
		"another path is medium":                  {ft.Declared(rw, volume("/data")), fails(api.Medium, "mounts /data of the node", "/data at /host")},
		"a name that only begins alike is medium": {ft.Declared(rw, volume("/etcetera")), fails(api.Medium, "mounts /etcetera of the node", "/etcetera at /host")},
		"another path read-only is low":           {ft.Declared(ro, volume("/data")), fails(api.Low, "mounts /data of the node (read-only)", "/data at /host, read-only")},
		"dots are resolved": {
			ft.Declared(rw, volume("/data/../etc")), fails(api.Critical, "mounts /etc of the node: cron, ld.so.preload and accounts give root", "/data/../etc at /host"),
		},
		"a subPath narrows": {
			ft.Declared(mount(false, "log/web"), volume("/var")),
			fails(api.Medium, "mounts /var/log/web of the node: it is below /var/log (it holds what every program of the node logs)", "/var, subPath log/web at /host"),
		},
		"a subPath from a variable does not": {
			ft.Declared(mount(false, "$(DIR)"), volume("/var")),
			fails(api.Critical, "mounts a part of /var of the node that only the running pod shows (its subPath has a variable): "+
				"it holds /var/lib/kubelet (it holds the kubelet's key and the Secrets of the node's pods)", "/var, subPath $(DIR) at /host"),
		},
		"what the node mounts later is said": {
			ft.Declared(fact.Container{Mounts: []fact.VolumeMount{{Volume: "host", Path: "/host", ReadOnly: true, Propagation: "HostToContainer"}}}, volume("/data")),
			fails(api.Low, "mounts /data of the node (read-only), and what the node mounts there later (mountPropagation HostToContainer)",
				"/data at /host, read-only, mountPropagation HostToContainer"),
		},
		"an empty path is at worst the root": {ft.Declared(rw, volume("")), fails(api.Critical, "mounts / of the node: it holds everything that the node runs", " at /host")},
		"a raw block device has its own check": {
			ft.Declared(fact.Container{Mounts: []fact.VolumeMount{{Volume: "host", Path: "/dev/xvda", Device: true}}}, func(s *fact.PodSpec) {
				s.Volumes = []fact.Volume{{Name: "host", Field: "spec.volumes[0]", Source: "persistentVolumeClaim", HostPath: "/dev/sdb", HostPathFrom: "persistentvolume/pv-1"}}
			}),
			ft.One(pass),
		},
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
