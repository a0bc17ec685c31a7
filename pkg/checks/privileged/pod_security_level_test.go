package privileged

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

// in says which namespaces a set has, and which version its API server.
func in(set *fact.Set, version string, namespaces ...fact.Namespace) *fact.Set {
	set.Cluster.Version = version
	for i := range namespaces {
		namespaces[i].Origin = "namespace/" + namespaces[i].Name
	}
	set.Namespaces = namespaces
	return set
}

// The version that is judged without labels, as evidence.
var ofServer = []string{"/version gitVersion of the API server that answered", "v1.37.2"}

func TestPodSecurityLevel(t *testing.T) {
	const (
		app    = ft.App + "securityContext."
		passes = "nothing that restricted refuses"
		onlyIn = "reaches only privileged (v1.37): baseline refuses "
	)
	own := func(names ...string) []string { return names }
	fail := func(severity api.Severity, message string, coveredBy []string, remaining api.Severity, evidence ...string) []api.Finding {
		return ft.One(api.Finding{
			Verdict: api.Fail, Severity: severity, Subject: ft.PodSubject(), Message: message, CoveredBy: coveredBy, Remaining: remaining,
			Evidence: ft.Evidence(append(evidence, ofServer...)...),
		})
	}
	declared := func(c fact.Container, edits ...func(*fact.PodSpec)) *fact.Set {
		return in(ft.Declared(ft.Restricted(c), edits...), "v1.37.2")
	}
	volume := func(path string, mounts ...fact.VolumeMount) *fact.Set {
		return declared(fact.Container{Mounts: mounts}, func(s *fact.PodSpec) {
			s.Volumes = []fact.Volume{{Name: "v", Field: "spec.volumes[0]", Source: "hostPath", HostPath: path}}
		})
	}
	const drop = "privileged/privilege-escalation"
	ft.Judge(t, checks.OfSet(judgePodSecurityLevel), map[string]row{
		"what restricted demands passes": {
			declared(fact.Container{}),
			ft.One(api.Finding{
				Verdict: api.Pass, Subject: ft.PodSubject(), Message: "reaches restricted (v1.37)",
				Evidence: ft.Evidence(append([]string{"pod/shop/web-1 spec", passes}, ofServer...)...),
			}),
		},
		"a container that declares nothing reaches baseline: low": {
			in(ft.Declared(fact.Container{}), "v1.37.2"),
			fail(
				api.Low, "reaches baseline, not restricted (v1.37): allowPrivilegeEscalation, capabilities_restricted, runAsNonRoot, seccompProfile_restricted",
				own(drop, "privileged/runs-as-root", "privileged/seccomp"), api.Low,
				app+"allowPrivilegeEscalation", "not set", app+"capabilities.drop", "not set", app+"runAsNonRoot", "not set", app+"seccompProfile.type", "not set",
			),
		},
		"explicit root with baseline is low": {
			declared(fact.Container{RunAsUser: ft.Ptr(int64(0))}),
			fail(api.Low, "reaches baseline, not restricted (v1.37): runAsUser", own("privileged/runs-as-root"), "", app+"runAsUser", "0"),
		},
		"privileged is critical, and judged by its own check": {
			declared(fact.Container{Privileged: ft.Ptr(true)}),
			fail(api.Critical, onlyIn+"privileged", own("privileged/privileged-container"), "", app+"privileged", "true"),
		},
		"privileged in a user namespace of its own is medium": {
			declared(fact.Container{Privileged: ft.Ptr(true)}, hostUsers(false)),
			fail(api.Medium, onlyIn+"privileged", own("privileged/privileged-container"), "", app+"privileged", "true"),
		},
		"HostProcess of the pod is critical": {
			declared(fact.Container{}, func(s *fact.PodSpec) { s.HostProcess = ft.Ptr(true) }),
			fail(api.Critical, onlyIn+"windowsHostProcess", own("privileged/privileged-container"), "", ft.Field+"securityContext.windowsOptions.hostProcess", "true"),
		},
		"hostPID is high": {
			declared(fact.Container{}, func(s *fact.PodSpec) { s.HostPID = true }),
			fail(api.High, onlyIn+"hostNamespaces", own("privileged/host-namespaces"), "", ft.Field+"hostPID", "true"),
		},
		"hostNetwork is medium": {
			declared(fact.Container{}, func(s *fact.PodSpec) { s.HostNetwork = true }),
			fail(api.Medium, onlyIn+"hostNamespaces", own("privileged/host-namespaces"), "", ft.Field+"hostNetwork", "true"),
		},
		"hostIPC and the host of a probe are medium": {
			declared(fact.Container{ProbeHosts: []fact.ProbeHost{{Field: "readinessProbe.tcpSocket.host", Host: "10.0.0.1"}}}, func(s *fact.PodSpec) { s.HostIPC = true }),
			fail(
				api.Medium, onlyIn+"hostNamespaces, hostProbesAndHostLifecycle", own("privileged/host-namespaces", "privileged/probe-host"), "",
				ft.Field+"hostIPC", "true", ft.App+"readinessProbe.tcpSocket.host", "10.0.0.1",
			),
		},
		"SYS_ADMIN is high": {
			declared(fact.Container{CapAdd: []string{"SYS_ADMIN", "CHOWN"}}),
			fail(
				api.High, onlyIn+"capabilities_baseline", own("privileged/added-capabilities"), "", app+"capabilities.add", "SYS_ADMIN",
			),
		},
		"SYS_ADMIN in a user namespace of its own is low": {
			declared(fact.Container{CapAdd: []string{"SYS_ADMIN"}}, hostUsers(false)),
			fail(api.Low, onlyIn+"capabilities_baseline", own("privileged/added-capabilities"), "", app+"capabilities.add", "SYS_ADMIN"),
		},
		"ALL is high": {
			declared(fact.Container{CapAdd: []string{"ALL"}}),
			fail(api.High, onlyIn+"capabilities_baseline", own("privileged/added-capabilities"), "", app+"capabilities.add", "ALL"),
		},
		"NET_RAW is medium": {
			declared(fact.Container{CapAdd: []string{"NET_RAW"}}),
			fail(api.Medium, onlyIn+"capabilities_baseline", own("privileged/added-capabilities"), "", app+"capabilities.add", "NET_RAW"),
		},
		"a capability of the default in a spelling that baseline does not know is low": {
			declared(fact.Container{CapAdd: []string{"cap_chown"}}),
			fail(api.Low, onlyIn+"capabilities_baseline", nil, "", app+"capabilities.add", "cap_chown"),
		},
		"spc_t is high": {
			declared(fact.Container{SELinux: &fact.SELinuxOptions{Type: "spc_t"}}),
			fail(api.High, onlyIn+"seLinuxOptions", own("privileged/apparmor-selinux"), "", app+"seLinuxOptions.type", "spc_t"),
		},
		"AppArmor Unconfined is medium": {
			declared(fact.Container{AppArmor: "Unconfined"}),
			fail(api.Medium, onlyIn+"appArmorProfile", own("privileged/apparmor-selinux"), "", app+"appArmorProfile.type", "Unconfined"),
		},
		"an annotation of a template is in the template": {
			ft.Edit(declared(fact.Container{}), func(s *fact.Set) {
				spec := &s.Workloads[0].Spec
				spec.Origin, spec.Path = "deployment/shop/web", "spec.template.spec"
				spec.SecurityAnnotations = map[string]string{"container.apparmor.security.beta.kubernetes.io/app": "unconfined"}
			}),
			fail(
				api.Medium, onlyIn+"appArmorProfile", own("privileged/apparmor-selinux"), "",
				"deployment/shop/web spec.template.metadata.annotations[container.apparmor.security.beta.kubernetes.io/app]", "unconfined",
			),
		},
		"seccomp Unconfined is medium": {
			in(ft.Declared(ft.Restricted(fact.Container{}), func(s *fact.PodSpec) { s.Seccomp = "Unconfined" }), "v1.37.2"),
			fail(api.Medium, onlyIn+"seccompProfile_baseline", own("privileged/seccomp"), "", ft.Field+"securityContext.seccompProfile.type", "Unconfined"),
		},
		"procMount Unmasked is high": {
			declared(fact.Container{ProcMount: "Unmasked"}),
			fail(api.High, onlyIn+"procMount", own("privileged/proc-mount"), "", app+"procMount", "Unmasked"),
		},
		"procMount Unmasked in a user namespace reaches baseline": {
			declared(fact.Container{ProcMount: "Unmasked"}, hostUsers(false)),
			fail(api.Low, "reaches baseline, not restricted (v1.37): procMount_restricted", own("privileged/proc-mount"), "", app+"procMount", "Unmasked"),
		},
		"an unsafe sysctl is medium": {
			declared(fact.Container{}, func(s *fact.PodSpec) { s.Sysctls = []string{"kernel.msgmax"} }),
			fail(api.Medium, onlyIn+"sysctls", own("privileged/sysctls"), "", ft.Field+"securityContext.sysctls[0].name", "kernel.msgmax"),
		},
		"a hostPort is low": {
			declared(fact.Container{HostPorts: []int32{443}, PortFields: []string{"ports[0].hostPort"}}),
			fail(api.Low, onlyIn+"hostPorts", own("privileged/host-ports"), "", ft.App+"ports[0].hostPort", "443"),
		},
		"a hostPath has the severity of its path": {
			volume("/etc", fact.VolumeMount{Volume: "v", Path: "/host"}),
			fail(api.Critical, onlyIn+"hostPathVolumes", own("privileged/host-path"), "", ft.Field+"volumes[0].hostPath.path", "/etc"),
		},
		"a read-only hostPath is less": {
			volume("/var/log", fact.VolumeMount{Volume: "v", Path: "/host", ReadOnly: true}),
			fail(api.Medium, onlyIn+"hostPathVolumes", own("privileged/host-path"), "", ft.Field+"volumes[0].hostPath.path", "/var/log"),
		},
		"hostNetwork without dropping ALL counts with what no other check judges": {
			in(ft.Declared(ft.Restricted(fact.Container{}), func(s *fact.PodSpec) { s.HostNetwork, s.Containers[0].CapDrop = true, nil }), "v1.37.2"),
			fail(
				api.Medium, onlyIn+"hostNamespaces; restricted also capabilities_restricted", own("privileged/host-namespaces"), api.Low,
				ft.Field+"hostNetwork", "true", app+"capabilities.drop", "not set",
			),
		},
		"a hostPath that no container mounts is low": {
			volume("/etc"),
			fail(api.Low, onlyIn+"hostPathVolumes", own("privileged/host-path"), "", ft.Field+"volumes[0].hostPath.path", "/etc"),
		},
		"a volume type that restricted refuses is low": {
			declared(fact.Container{}, func(s *fact.PodSpec) {
				s.Volumes = []fact.Volume{{Name: "v", Field: "spec.volumes[0]", Source: "nfs"}}
			}),
			fail(api.Low, "reaches baseline, not restricted (v1.37): restrictedVolumes", own("privileged/volume-types"), "", ft.Field+"volumes[0].nfs", "a volume of type nfs"),
		},
		"Windows by its node selector alone is judged as Linux, and told so": {
			declared(fact.Container{HostPorts: []int32{443}, PortFields: []string{"ports[0].hostPort"}}, func(s *fact.PodSpec) {
				s.OS, s.OSField = "windows", "nodeSelector[kubernetes.io/os]"
			}),
			ft.One(api.Finding{
				Verdict: api.Fail, Severity: api.Low, Subject: ft.PodSubject(), CoveredBy: own("privileged/host-ports"),
				Message: onlyIn + "hostPorts; admission judges it as Linux, because spec.os.name is not windows",
				Evidence: ft.Evidence(
					ft.App+"ports[0].hostPort", "443", ft.Field+"nodeSelector[kubernetes.io/os]", "windows", ofServer[0], ofServer[1],
				),
			}),
		},
		"a part of a pod without a bad field is unknown": {
			in(ft.Declared(fact.Container{}, func(s *fact.PodSpec) { s.Partial = "merged into the operator's own pod" }), "v1.37.2"),
			ft.One(api.Finding{
				Verdict: api.VerdictUnknown, Reason: fact.NotPresent, Subject: ft.PodSubject(), Message: "the level is unknown: merged into the operator's own pod",
				Evidence: ft.Evidence("pod/shop/web-1 spec", "a part of a pod"),
			}),
		},
		"a bad field in a part of a pod fails all the same": {
			in(ft.Declared(fact.Container{Privileged: ft.Ptr(true)}, func(s *fact.PodSpec) { s.Partial = "merged" }), "v1.37.2"),
			fail(api.Critical, onlyIn+"privileged; the rest is unknown: merged", own("privileged/privileged-container"), "", app+"privileged", "true"),
		},
		"a low field in a part of a pod leaves the rest open": {
			in(ft.Declared(fact.Container{RunAsUser: ft.Ptr(int64(0))}, func(s *fact.PodSpec) { s.Partial = "merged" }), "v1.37.2"),
			ft.One(api.Finding{
				Verdict: api.Fail, Severity: api.Low, Reason: fact.NotPresent, Subject: ft.PodSubject(), CoveredBy: own("privileged/runs-as-root"),
				Message:  "reaches baseline, not restricted (v1.37): runAsUser; the rest is unknown: merged",
				Evidence: ft.Evidence(app+"runAsUser", "0", ofServer[0], ofServer[1]),
			}),
		},
		"without any container nothing is known": {
			ft.Edit(declared(fact.Container{}), func(s *fact.Set) { s.Workloads[0].Spec.Containers = nil }),
			ft.One(api.Finding{
				Verdict: api.VerdictUnknown, Reason: fact.NotPresent, Subject: ft.PodSubject(), Message: "no container of it was read",
				Evidence: ft.Evidence(ft.Field+"containers", "not set"),
			}),
		},
		"facts of an earlier version are unknown": {
			ft.Edit(declared(fact.Container{}), func(s *fact.Set) { s.FieldsRead = false }),
			ft.One(api.Finding{
				Verdict: api.VerdictUnknown, Reason: fact.NotRequested, Subject: fact.Subject{Kind: fact.SubjectCluster},
				Message: "these facts were saved by an earlier version, which did not read it", Evidence: ft.Evidence("facts fieldsRead", "not set"),
			}),
		},
	})
}

// The version is the namespace's, else the API server's, else the newest known.
func TestPodSecurityVersion(t *testing.T) {
	// A user namespace allows root only since v1.35.
	set := func(version string, namespaces ...fact.Namespace) *fact.Set {
		c := ft.Restricted(fact.Container{})
		c.RunAsNonRoot = nil
		return in(ft.Declared(c, hostUsers(false)), version, namespaces...)
	}
	for name, tc := range map[string]struct {
		set      *fact.Set
		message  string
		evidence string
	}{
		"the API server's minor": {set("v1.34.1-eks-1"), "reaches baseline, not restricted (v1.34): runAsNonRoot", "v1.34.1-eks-1"},
		"the API server's minor with a suffix": {
			set("v1.35+"), "reaches restricted (v1.35)", "v1.35+",
		},
		"a newer server than this build knows": {set("v1.99.0"), "reaches restricted (v1.37, the newest that this build knows, for v1.99)", "v1.99.0"},
		"no server":                            {set(""), "reaches restricted (v1.37)", "latest"},
		"the label of the namespace": {
			set("v1.37.2", fact.Namespace{Name: "shop", Enforce: "baseline", EnforceVersion: "v1.30"}),
			"reaches baseline, not restricted (v1.30): runAsNonRoot", "v1.30",
		},
		"a label that is not valid is latest": {
			set("v1.34.0", fact.Namespace{Name: "shop", Enforce: "baseline", EnforceVersion: "1.30"}),
			"reaches restricted (v1.37, because the label enforce-version is not valid and counts as latest)", "1.30",
		},
		"the label of another namespace does not count": {
			set("v1.34.0", fact.Namespace{Name: "other", EnforceVersion: "v1.36"}), "reaches baseline, not restricted (v1.34): runAsNonRoot", "v1.34.0",
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := judgePodSecurityLevel(checks.NewView(tc.set))[0]
			if f.Message != tc.message || f.Evidence[len(f.Evidence)-1].Value != tc.evidence {
				t.Errorf("%q, %v", f.Message, f.Evidence)
			}
		})
	}
}

func TestPodSecurityOfNamespaces(t *testing.T) {
	workload := func(name string, pods int, edit func(*fact.PodSpec)) fact.Workload {
		c := ft.Restricted(fact.Container{Name: "app", Type: fact.RegularContainer, Field: "spec.containers[0]"})
		w := fact.Workload{
			Owner: fact.Subject{Kind: fact.SubjectDeployment, Namespace: "shop", Name: name},
			Spec:  fact.PodSpec{Origin: "deployment/shop/" + name, Path: "spec.template.spec", Containers: []fact.Container{c}},
		}
		for i := range pods {
			w.Pods = append(w.Pods, fact.Pod{Name: fmt.Sprint(name, "-", i)})
		}
		if edit != nil {
			edit(&w.Spec)
		}
		return w
	}
	root := func(s *fact.PodSpec) { s.Containers[0].RunAsNonRoot = nil }
	hostPID := func(s *fact.PodSpec) { s.HostPID = true }
	clean, asRoot, onHost := workload("clean", 1, nil), workload("root", 1, root), workload("host", 1, hostPID)
	idle := workload("idle", 0, hostPID)
	subject := fact.Subject{Kind: fact.SubjectNamespace, Name: "shop"}
	labelled := func(pairs ...string) []api.Evidence {
		var out []api.Evidence
		for i := 0; i < len(pairs); i += 2 {
			out = append(out, api.Evidence{Source: "namespace/shop metadata.labels[pod-security.kubernetes.io/" + pairs[i] + "]", Value: pairs[i+1]})
		}
		return out
	}
	const (
		label  = "Label the namespace pod-security.kubernetes.io/enforce: with the level that its workloads reach."
		starts = "Set the fields that the findings of these workloads name before their pods start again."
	)
	for name, tc := range map[string]struct {
		namespace fact.Namespace
		workloads []fact.Workload
		want      api.Finding
	}{
		"no label is unknown": {
			fact.Namespace{},
			[]fact.Workload{clean},
			api.Finding{
				Verdict: api.VerdictUnknown, Reason: fact.NotPresent, Remediation: api.Remediation{Text: label}, Evidence: labelled("enforce", "not set"),
				Message: "no label enforces a Pod Security level: the API server's admission configuration decides, and it was not read; could enforce restricted today: 0 of 1 workload refused",
			},
		},
		"a namespace without workloads": {
			fact.Namespace{Enforce: "restricted"},
			nil,
			api.Finding{Verdict: api.Pass, Evidence: labelled("enforce", "restricted"), Message: "enforces restricted (v1.37); no workload was read in it"},
		},
		"baseline passes, and says what restricted would refuse": {
			fact.Namespace{Enforce: "baseline", EnforceVersion: "v1.30", Audit: "restricted", AuditVersion: "v1.31", Warn: "restricted", WarnVersion: "latest"},
			[]fact.Workload{clean, asRoot},
			api.Finding{
				Verdict: api.Pass, Message: "enforces baseline (v1.30); could enforce baseline today: 0 of 2 workloads refused; restricted: 1, namely deployment/root",
				Evidence: labelled("enforce", "baseline", "enforce-version", "v1.30", "audit", "restricted", "audit-version", "v1.31", "warn", "restricted", "warn-version", "latest"),
			},
		},
		"running pods that the label would refuse": {
			fact.Namespace{Enforce: "baseline"},
			[]fact.Workload{clean, onHost, idle},
			api.Finding{
				Verdict: api.Fail, Severity: api.Low, Remediation: api.Remediation{Text: starts}, Evidence: labelled("enforce", "baseline"),
				Message: "enforces baseline (v1.37); its label would refuse at their next start 1, namely deployment/host; " +
					"could enforce only privileged today: baseline would refuse 2, namely deployment/host, deployment/idle; restricted: 2 of 3 workloads",
			},
		},
		"privileged is a low fail": {
			fact.Namespace{Enforce: "privileged"},
			[]fact.Workload{onHost},
			api.Finding{
				Verdict: api.Fail, Severity: api.Low, Evidence: labelled("enforce", "privileged"),
				Remediation: api.Remediation{Text: "Label the namespace pod-security.kubernetes.io/enforce: with the strictest level that all its workloads reach."},
				Message:     "enforces privileged, which refuses nothing; could enforce only privileged today: baseline would refuse 1, namely deployment/host; restricted: 1 of 1 workload",
			},
		},
		"a word that is not a level acts as restricted, and as privileged for audit and warn": {
			fact.Namespace{Enforce: "Baseline", Audit: "all", Warn: "none", WarnVersion: "1.2"},
			[]fact.Workload{asRoot},
			api.Finding{
				Verdict: api.Fail, Severity: api.Low, Remediation: api.Remediation{Text: starts},
				Evidence: labelled("enforce", "Baseline", "audit", "all", "warn", "none", "warn-version", "1.2"),
				Message: "the label enforce is not a level, so it acts as restricted (v1.37); its label would refuse at their next start 1, namely deployment/root; " +
					"could enforce baseline today: 0 of 1 workload refused; restricted: 1, namely deployment/root; " +
					"the label audit is not a level, so it acts as privileged; the label warn is not a level, so it acts as privileged; the label warn-version is not valid, so it acts as latest",
			},
		},
		"several specs of one owner are one workload": {
			fact.Namespace{Enforce: "restricted"},
			[]fact.Workload{clean, workload("clean", 0, root), workload("clean", 2, root)},
			api.Finding{
				Verdict: api.Fail, Severity: api.Low, Remediation: api.Remediation{Text: starts}, Evidence: labelled("enforce", "restricted"),
				Message: "enforces restricted (v1.37); its label would refuse at their next start 1, namely deployment/clean; could enforce baseline today: 0 of 1 workload refused; restricted: 1, namely deployment/clean",
			},
		},
		"what is unknown of a workload is told": {
			fact.Namespace{Enforce: "restricted"},
			[]fact.Workload{clean, workload("part", 0, func(s *fact.PodSpec) { s.Partial = "merged" })},
			api.Finding{
				Verdict: api.Pass, Evidence: labelled("enforce", "restricted"),
				Message: "enforces restricted (v1.37); could enforce restricted today, as far as is known: 0 of 2 workloads refused; unknown for 1",
			},
		},
		"a volume that is not listed is unknown": {
			fact.Namespace{Enforce: "restricted"},
			[]fact.Workload{clean, workload("open", 0, func(s *fact.PodSpec) {
				s.Volumes = append(s.Volumes, fact.Volume{Name: "v", Field: "spec.volumes[v]", Source: fact.VolumeUnlisted, Unread: fact.NotPresent})
			})},
			api.Finding{
				Verdict: api.Pass, Evidence: labelled("enforce", "restricted"),
				Message: "enforces restricted (v1.37); could enforce restricted today, as far as is known: 0 of 2 workloads refused; unknown for 1",
			},
		},
		"a part that baseline refuses is enough": {
			fact.Namespace{Enforce: "privileged"},
			[]fact.Workload{clean, workload("part", 0, func(s *fact.PodSpec) { s.Partial, s.HostNetwork = "merged", true })},
			api.Finding{
				Verdict: api.Fail, Severity: api.Low, Evidence: labelled("enforce", "privileged"),
				Remediation: api.Remediation{Text: "Label the namespace pod-security.kubernetes.io/enforce: with the strictest level that all its workloads reach."},
				Message:     "enforces privileged, which refuses nothing; could enforce only privileged today: baseline would refuse 1, namely deployment/part; restricted: 1 of 2 workloads",
			},
		},
		"names are bounded": {
			fact.Namespace{},
			[]fact.Workload{workload("a", 0, root), workload("b", 0, root), workload("c", 0, root), workload("d", 0, root), workload("e", 0, root)},
			api.Finding{
				Verdict: api.VerdictUnknown, Reason: fact.NotPresent, Remediation: api.Remediation{Text: label}, Evidence: labelled("enforce", "not set"),
				Message: "no label enforces a Pod Security level: the API server's admission configuration decides, and it was not read; " +
					"could enforce baseline today: 0 of 5 workloads refused; restricted: 5, namely deployment/a, deployment/b, deployment/c and 2 more",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			tc.namespace.Name, tc.want.Subject = "shop", subject
			set := in(&fact.Set{FieldsRead: true, NamespacesRead: true, PodScope: fact.PodsAll, Workloads: tc.workloads}, "v1.37.2", tc.namespace)
			findings := judgePodSecurityLevel(checks.NewView(set))
			if diff := cmp.Diff(tc.want, findings[len(findings)-1]); diff != "" {
				t.Errorf("finding (-want +got):\n%s", diff)
			}
			if len(findings) != len(tc.workloads)+1 {
				t.Errorf("%d findings", len(findings))
			}
			// Workloads that come one by one, in another order, give the same.
			across := PodSecurityLevel.Across(checks.NewView(set))
			for i := range tc.workloads {
				w := &tc.workloads[len(tc.workloads)-1-i]
				across.Add(w)
			}
			if diff := cmp.Diff([]api.Finding{tc.want}, across.Findings(checks.NewView(set))); diff != "" {
				t.Errorf("finding of a stream (-want +got):\n%s", diff)
			}
		})
	}
}

// BenchmarkPodSecurityLevel judges ordinary pods, as a stream does.
func BenchmarkPodSecurityLevel(b *testing.B) {
	set := in(ft.Declared(fact.Container{}), "v1.37.2", fact.Namespace{Name: "shop", Enforce: "baseline"})
	levels := newPodSecurityLevels(checks.NewView(set))
	b.ReportAllocs()
	for b.Loop() {
		levels.judge(&set.Workloads[0])
	}
}
