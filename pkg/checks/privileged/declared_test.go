package privileged

import (
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

// The parts of findings that the tests of declared fields have in common.

func containerFails(severity api.Severity, message string, evidence ...string) []api.Finding {
	return ft.One(api.Finding{Verdict: api.Fail, Severity: severity, Subject: ft.Subject(), Message: message, Evidence: ft.Evidence(evidence...)})
}

func wholeFails(severity api.Severity, message string, evidence ...string) []api.Finding {
	return ft.One(api.Finding{Verdict: api.Fail, Severity: severity, Subject: ft.PodSubject(), Message: message, Evidence: ft.Evidence(evidence...)})
}

func passes(r fieldRule) []api.Finding {
	return ft.One(api.Finding{Verdict: api.Pass, Subject: ft.PodSubject(), Message: r.passes, Evidence: ft.Evidence(ft.Field+r.fields, r.value)})
}

// noSuchField is what a check of Linux alone says about a pod for Windows (checks.Check.Linux).
func noSuchField() []api.Finding { return nil }

// Facts of an earlier version have none of the fields: one finding says so, and nothing passes.
func TestFieldsOfEarlierFacts(t *testing.T) {
	rules := map[string]fieldRule{
		"apparmor-selinux": appArmorSELinuxRule, "proc-mount": procMountRule, "host-ports": hostPortsRule, "sysctls": sysctlsRule,
		"shared-process-namespace": sharedProcessRule, "mount-propagation": mountPropagationRule, "device-access": deviceAccessRule,
		"service-account-token": serviceAccountTokenRule, "probe-host": probeHostRule,
		"block-devices": blockDevicesRule, "volume-types": volumeTypesRule,
	}
	for name, rule := range rules {
		set := ft.Declared(fact.Container{})
		set.FieldsRead = false
		got := rule.judgeAll(checks.NewView(set))
		if len(got) != 1 {
			t.Fatalf("%s: want one finding, got %v", name, got)
		}
		want := api.VerdictUnknown
		if rule.always {
			want = api.Pass
		}
		if got[0].Verdict != want || want == api.VerdictUnknown && (got[0].Reason != fact.NotRequested || got[0].Subject.Kind != fact.SubjectCluster) {
			t.Errorf("%s: got %+v", name, got[0])
		}
		if got := rule.judgeAll(checks.NewView(&fact.Set{FieldsRead: true})); len(got) != 0 {
			t.Errorf("%s: no pods, no findings: got %v", name, got)
		}
	}
}

// A spec of which containers are missing never passes, and keeps what it shows.
func TestAPartOfAPodNeverPasses(t *testing.T) {
	partial := func(s *fact.PodSpec) { s.Partial = "merged into the operator's own pod" }
	unknown := api.Finding{
		Verdict: api.VerdictUnknown, Reason: fact.Unsupported, Subject: ft.PodSubject(), Message: "only a part of the pod is declared here",
		Evidence: ft.Evidence("pod/shop/web-1 spec", "merged into the operator's own pod"),
	}
	ft.Judge(t, checks.OfSet(procMountRule.judgeAll), map[string]row{
		"nothing set is unknown": {ft.Declared(fact.Container{}, partial), ft.One(unknown)},
		"what is set fails": {
			ft.Declared(fact.Container{ProcMount: "Unmasked"}, partial),
			append(containerFails(api.High, "its /proc is not masked", ft.App+"securityContext.procMount", "Unmasked", ft.Field+"hostUsers", "not set"), unknown),
		},
	})
}

// A pass of a pod with many volumes and containers costs little.
func BenchmarkDeclaredFields(b *testing.B) {
	set := ft.Declared(ft.Restricted(fact.Container{Mounts: []fact.VolumeMount{{Volume: "tmp", Path: "/tmp"}}}), func(s *fact.PodSpec) {
		s.Volumes = []fact.Volume{{Name: "tmp", Field: "spec.volumes[0]", Source: "emptyDir"}}
	})
	v := checks.NewView(set)
	b.ReportAllocs()
	for b.Loop() {
		for _, check := range []checks.Check{
			AppArmorSELinux, ProcMount, HostPorts, Sysctls, SharedProcessNamespace, BlockDevices, MountPropagation, DeviceAccess, VolumeTypes,
			ServiceAccountToken, ProbeHost, HostPath,
		} {
			check.Judge(v)
		}
	}
}
