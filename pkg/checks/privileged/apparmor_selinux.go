package privileged

import (
	"slices"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// AppArmorSELinux fails a container that is declared to leave the runtime's AppArmor profile
// or SELinux type. Source: appArmorProfile, its annotation of before 1.30, and seLinuxOptions.
//
// It judges what a spec asks for, on any node and before anything runs.
// privileged/mandatory-access-control judges what a process of a measured node has: also what
// nobody asked for (a privileged container, a node without a profile), and not what the node
// does not have (AppArmor on a node with SELinux). Privileged containers get no profile
// either; privileged/privileged-container reports them.
var AppArmorSELinux = checks.Check{
	ID:       "privileged/apparmor-selinux",
	Title:    "No container is declared outside the runtime's AppArmor or SELinux confinement",
	Severity: api.High,
	Basis:    api.Declared,
	Needs:    []fact.Kind{fact.Pods},
	Scope:    checks.ScopeWorkload,
	Linux:    true,
	Why: "The runtime confines each container by AppArmor or SELinux without any work. A spec that asks for Unconfined, for the SELinux type spc_t, " +
		"or for another user or role gives that up: root in the container may then write where only the node should.",
	Remediation: "Remove appArmorProfile Unconfined, and user, role and type from seLinuxOptions. If a program needs more, write a profile for it " +
		"(appArmorProfile Localhost), or a type with udica.",
	References: []string{
		"https://kubernetes.io/docs/tutorials/security/apparmor/",
		"https://kubernetes.io/docs/tasks/configure-pod-container/security-context/#assign-selinux-labels-to-a-container",
		"https://kubernetes.io/docs/concepts/security/pod-security-standards/",
	},
	Judge: appArmorSELinuxRule.judgeAll,
}

var appArmorSELinuxRule = fieldRule{
	passes: "asks for no weaker AppArmor profile or SELinux type", linux: true,
	fields: "{securityContext,containers[*].securityContext}.{appArmorProfile,seLinuxOptions}", value: "not set, or a profile or type for containers",
	judge: ofContainers(func(d checks.Declared) []api.Finding {
		return append(judgeAppArmor(d), judgeSELinux(d)...)
	}),
}

// appArmorAnnotation is the prefix of the annotation, before the container's name
// (corev1.DeprecatedAppArmorBetaContainerAnnotationKeyPrefix).
const appArmorAnnotation = "container.apparmor.security.beta.kubernetes.io/"

// judgeAppArmor follows the kubelet: the container's field, the pod's, the annotation.
func judgeAppArmor(d checks.Declared) []api.Finding {
	if d.Container.AppArmor == "" && d.Workload.Spec.AppArmor == "" && len(d.Workload.Spec.SecurityAnnotations) == 0 {
		return nil
	}
	const unconfined = "is declared without an AppArmor profile"
	profile := declaredSetting(d, "appArmorProfile.type", d.Container.AppArmor, d.Workload.Spec.AppArmor)
	if profile.value != "" {
		if profile.value != "Unconfined" {
			return nil
		}
		return []api.Finding{{
			Verdict: api.Fail, Severity: api.Medium, Subject: d.Subject(), Message: unconfined,
			Evidence: []api.Evidence{{Source: profile.source, Value: profile.value}},
		}}
	}
	key := appArmorAnnotation + d.Container.Name
	if d.Workload.Spec.SecurityAnnotations[key] != "unconfined" {
		return nil
	}
	return []api.Finding{{
		Verdict: api.Fail, Severity: api.Medium, Subject: d.Subject(), Message: unconfined,
		Evidence: []api.Evidence{{Source: checks.MetadataField(d.Workload, "annotations["+key+"]"), Value: "unconfined"}},
	}}
}

// confinedTypes are the SELinux types that the baseline of the Pod Security Standards
// allows, as of 1.37.
var confinedTypes = []string{"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}

// judgeSELinux takes the container's options, which replace the pod's as a whole.
func judgeSELinux(d checks.Declared) []api.Finding {
	const path = "securityContext.seLinuxOptions."
	var options *fact.SELinuxOptions
	var field string
	switch {
	case d.Container.SELinux != nil:
		options, field = d.Container.SELinux, d.Field(path)
	case d.Workload.Spec.SELinux != nil:
		options, field = d.Workload.Spec.SELinux, checks.PodField(d.Workload, path)
	default:
		return nil
	}
	var findings []api.Finding
	fails := func(severity api.Severity, message, name, value string) {
		findings = append(findings, api.Finding{
			Verdict: api.Fail, Severity: severity, Subject: d.Subject(), Message: message,
			Evidence: []api.Evidence{{Source: field + name, Value: value}},
		})
	}
	switch {
	case slices.Contains(confinedTypes, options.Type):
	case slices.Contains(freeTypes, options.Type):
		fails(api.High, "asks for the SELinux type "+options.Type+", which confines nothing", "type", options.Type)
	default:
		fails(api.Medium, "asks for a SELinux type that is none of those for containers", "type", options.Type)
	}
	if options.User != "" {
		fails(api.Medium, "asks for a SELinux user", "user", options.User)
	}
	if options.Role != "" {
		fails(api.Medium, "asks for a SELinux role", "role", options.Role)
	}
	return findings
}
