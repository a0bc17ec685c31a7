package privileged

import (
	"strconv"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// fieldRule judges fields of a pod's spec that nothing measures. A workload gets the
// findings about it, or one pass for all of its containers.
type fieldRule struct {
	// passes is the message of a pass. It read these fields, below the pod's spec
	// ("containers[*].ports[*].hostPort", which stands for init and ephemeral containers too),
	// and found this value.
	passes, fields, value string
	// linux is true for fields that mean nothing on Windows (checks.Check.Linux).
	linux bool
	// always is true for fields that facts of every version have (fact.Set.FieldsRead).
	always bool
	judge  func(w *fact.Workload) []api.Finding
}

func (r *fieldRule) judgeAll(v *checks.View) []api.Finding {
	if !r.always {
		if unread := v.FieldsUnread(); unread != nil {
			return unread
		}
	}
	findings := make([]api.Finding, 0, len(v.Workloads))
	for i := range v.Workloads {
		w := &v.Workloads[i]
		if r.linux {
			if windows, _ := windowsPod(w); windows {
				continue
			}
		}
		found := r.judge(w)
		findings = append(findings, found...)
		switch {
		case w.Spec.Partial != "":
			findings = append(findings, api.Finding{
				Verdict: api.VerdictUnknown, Reason: fact.Unsupported, Subject: checks.WorkloadSubject(w),
				Message:  checks.PartialPod(w.Spec.Partial),
				Evidence: []api.Evidence{{Source: w.Spec.Origin + " " + w.Spec.Path, Value: w.Spec.Partial}},
			})
		case len(found) == 0:
			findings = append(findings, api.Finding{
				Verdict: api.Pass, Subject: checks.WorkloadSubject(w), Message: r.passes,
				Evidence: []api.Evidence{{Source: checks.PodField(w, r.fields), Value: r.value}},
			})
		}
	}
	return findings
}

// windowsPod reports whether a pod is declared to run on Windows, and where.
func windowsPod(w *fact.Workload) (bool, api.Evidence) {
	if len(w.Spec.Containers) == 0 {
		return checks.Declared{Workload: w, Container: &fact.Container{}}.Windows()
	}
	for i := range w.Spec.Containers {
		if yes, where := (checks.Declared{Workload: w, Container: &w.Spec.Containers[i]}).Windows(); yes {
			return true, where
		}
	}
	return false, api.Evidence{}
}

// ofContainers judges each container of a workload.
func ofContainers(judge func(checks.Declared) []api.Finding) func(*fact.Workload) []api.Finding {
	return func(w *fact.Workload) []api.Finding {
		var findings []api.Finding
		for i := range w.Spec.Containers {
			findings = append(findings, judge(checks.Declared{Workload: w, Container: &w.Spec.Containers[i]})...)
		}
		return findings
	}
}

// eachMount calls f with every volume mount of a container, or with every raw block device,
// and its field.
func eachMount(d checks.Declared, devices bool, f func(m *fact.VolumeMount, field string)) {
	at := 0
	for i := range d.Container.Mounts {
		m := &d.Container.Mounts[i]
		if m.Device != devices {
			continue
		}
		list := "volumeMounts"
		if devices {
			list = "volumeDevices"
		}
		f(m, list+"["+strconv.Itoa(at)+"].")
		at++
	}
}

// fieldFails is a fail of a container by one of its fields.
func fieldFails(d checks.Declared, severity api.Severity, message, field, value string) api.Finding {
	return api.Finding{
		Verdict: api.Fail, Severity: severity, Subject: d.Subject(), Message: message,
		Evidence: []api.Evidence{{Source: d.Field(field), Value: value}},
	}
}

// podFails is a fail of a whole pod by one of its fields.
func podFails(w *fact.Workload, severity api.Severity, message, field, value string) api.Finding {
	return api.Finding{
		Verdict: api.Fail, Severity: severity, Subject: checks.WorkloadSubject(w), Message: message,
		Evidence: []api.Evidence{{Source: checks.PodField(w, field), Value: value}},
	}
}

// below is a volume's field below the pod's spec.
func below(v *fact.Volume) string { return strings.TrimPrefix(v.Field, "spec.") + "." + v.Source }
