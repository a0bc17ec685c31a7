package privileged

import (
	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/hostpath"
)

// HostPath fails a container that mounts part of the node's file system.
var HostPath = checks.Check{
	ID:       "privileged/host-path",
	Title:    "No container mounts the node's file system",
	Severity: api.High,
	Basis:    api.Declared,
	Needs:    []fact.Kind{fact.Pods},
	Scope:    checks.ScopeWorkload,
	Why: "A mounted directory of the node ties the container to that node. A directory that the node itself runs from " +
		"gives control of the node: configuration in /etc, devices in /dev, other pods' volumes and tokens in /var/lib/kubelet.",
	Remediation: "Use a volume made for the purpose (emptyDir, persistentVolumeClaim, configMap). If the node's files are really " +
		"needed, mount only the file that is needed, read-only.",
	References: []string{
		"https://kubernetes.io/docs/concepts/storage/volumes/#hostpath",
		"https://kubernetes.io/docs/concepts/security/pod-security-standards/",
	},
	Judge: judgeHostPath,
}

// sensitive are the paths that give control of the node or of other pods. A
// mount that covers one of them, or lies below one, is graded high.
var sensitive = []string{
	"/etc", "/proc", "/sys", "/dev", "/boot", "/root", "/usr", "/bin", "/sbin", "/lib", "/lib64",
	"/var/lib/kubelet", "/var/lib/etcd", "/var/lib/containerd", "/var/lib/docker", "/var/lib/containers", "/var/lib/rancher",
	"c:/windows", "c:/program files", "c:/programdata", "c:/users", "c:/etc", "c:/var/lib/kubelet", "c:/k",
}

func judgeHostPath(v *checks.View) []api.Finding {
	findings := make([]api.Finding, 0, len(v.Workloads))
	for i := range v.Workloads {
		w := &v.Workloads[i]
		mounted := map[string]bool{}
		for j := range w.Spec.Containers {
			d := checks.Declared{Workload: w, Container: &w.Spec.Containers[j]}
			mounts := hostpath.Of(w, d.Container)
			hostProcess, process := d.HostProcess()
			if hostProcess {
				findings = append(findings, api.Finding{
					Verdict: api.Fail, Severity: api.High, Subject: d.Subject(),
					Message: "reaches every file of its Windows node (hostProcess)", Evidence: []api.Evidence{process},
				})
			}
			for _, m := range mounts {
				mounted[m.Volume.Name] = true
				severity, what := gradeHostPath(m)
				findings = append(findings, api.Finding{
					Verdict: api.Fail, Severity: severity, Subject: d.Subject(),
					Message:  "mounts " + m.Path + " of the node" + what,
					Evidence: []api.Evidence{{Source: m.Field(w), Value: m.Value()}},
				})
			}
			if unread := hostpath.Unread(w, d.Container); len(unread) > 0 {
				findings = append(findings, hostpath.UnknownBehind(d, unread))
			} else if len(mounts) == 0 && !hostProcess {
				findings = append(findings, api.Finding{
					Verdict: api.Pass, Subject: d.Subject(), Message: "mounts nothing of the node",
					Evidence: []api.Evidence{{Source: d.Field("volumeMounts"), Value: "no hostPath"}},
				})
			}
		}
		for j := range w.Spec.Volumes {
			v := &w.Spec.Volumes[j]
			if v.HostPath != "" && !mounted[v.Name] {
				m := hostpath.Mount{Volume: v, Mount: &fact.VolumeMount{}}
				findings = append(findings, api.Finding{
					Verdict: api.Fail, Severity: api.Low, Subject: checks.WorkloadSubject(w),
					Message:  "declares " + hostpath.Clean(v.HostPath) + " of the node as a volume that no container mounts",
					Evidence: []api.Evidence{{Source: m.Field(w), Value: v.HostPath}},
				})
			}
		}
	}
	return findings
}

// gradeHostPath grades a mount and says what lowers the grade. Read-only lowers
// it one step, except where a read-only mount does not protect: sockets can
// still be connected to, devices can still be opened, and mounts below the
// directory (as below /) stay as they are.
func gradeHostPath(m hostpath.Mount) (api.Severity, string) {
	_, _, socket := hostpath.Socket(m.Path)
	device := m.Mount.Device || hostpath.Covers("/dev", m.Path)
	if socket || device { // "/" holds sockets
		return api.High, ""
	}
	severity := api.Medium
	for _, s := range sensitive {
		if hostpath.Covers(m.Path, s) || hostpath.Covers(s, m.Path) {
			severity = api.High
		}
	}
	switch {
	case !m.Mount.ReadOnly:
		return severity, ""
	case severity == api.High:
		return api.Medium, ", read-only"
	}
	return api.Low, ", read-only"
}
