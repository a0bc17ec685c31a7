package privileged

import (
	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/hostpath"
)

// HostPath fails a container that mounts part of the node's file system. How grave that is
// depends on the path, and on whether the mount is read-only (hostpath.Severity). Raw block
// devices are judged by privileged/block-devices.
var HostPath = checks.Check{
	ID:       "privileged/host-path",
	Title:    "No container mounts the node's file system",
	Severity: api.Critical,
	Basis:    api.Declared,
	Needs:    []fact.Kind{fact.Pods},
	Scope:    checks.ScopeWorkload,
	Evidence: 64, // a patch needs each field
	Why: "A mounted directory of the node ties the container to that node. A directory that the node itself runs from " +
		"gives control of the node: configuration in /etc, devices in /dev, other pods' volumes and tokens in /var/lib/kubelet.",
	Remediation: "Use a volume made for the purpose (emptyDir, persistentVolumeClaim, configMap). If the node's files are really " +
		"needed, mount only the file that is needed, read-only. Set recursiveReadOnly too: without it, what the node has mounted below the directory stays writable.",
	References: []string{
		"https://kubernetes.io/docs/concepts/storage/volumes/#hostpath",
		"https://kubernetes.io/docs/concepts/storage/volumes/#recursive-read-only-mounts",
		"https://kubernetes.io/docs/concepts/security/pod-security-standards/",
	},
	Judge: judgeHostPath,
}

func judgeHostPath(v *checks.View) []api.Finding {
	findings := make([]api.Finding, 0, len(v.Workloads))
	for i := range v.Workloads {
		w := &v.Workloads[i]
		mounted := map[string]bool{}
		for j := range w.Spec.Containers {
			d := checks.Declared{Workload: w, Container: &w.Spec.Containers[j]}
			mounts, devices := hostpath.Of(w, d.Container), 0
			hostProcess, process := d.HostProcess()
			if hostProcess {
				findings = append(findings, api.Finding{
					Verdict: api.Fail, Severity: api.High, Subject: d.Subject(),
					Message: "reaches every file of its Windows node (hostProcess)", Evidence: []api.Evidence{process},
				})
			}
			for _, m := range mounts {
				mounted[m.Volume.Name] = true
				if m.Mount.Device {
					devices++
					continue
				}
				severity, why := m.Severity()
				findings = append(findings, api.Finding{
					Verdict: api.Fail, Severity: severity, Subject: d.Subject(), Message: sayHostPath(m, why),
					Evidence: []api.Evidence{{Source: m.Field(w), Value: m.Value()}},
				})
			}
			if unread := hostpath.Unread(w, d.Container); len(unread) > 0 {
				findings = append(findings, hostpath.UnknownBehind(d, unread))
			} else if len(mounts) == devices && !hostProcess {
				findings = append(findings, api.Finding{
					Verdict: api.Pass, Subject: d.Subject(), Message: "mounts nothing of the node",
					Evidence: []api.Evidence{{Source: d.Field("volumeMounts"), Value: "no hostPath"}},
				})
			}
		}
		for j := range w.Spec.Volumes {
			v := &w.Spec.Volumes[j]
			if (v.HostPath != "" || v.Source == "hostPath") && !mounted[v.Name] {
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

// sayHostPath says what is mounted, how, and what that gives.
func sayHostPath(m hostpath.Mount, why string) string {
	text := "mounts " + m.Path + " of the node"
	if m.Some {
		text = "mounts a part of " + m.Path + " of the node that only the running pod shows (its subPath has a variable)"
	}
	if m.Mount.ReadOnly {
		text += " (read-only)"
	}
	text += m.Later()
	if why != "" {
		text += ": " + why
	}
	return text
}
