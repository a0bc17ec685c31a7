package podsecurity_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/podsecurity"
)

// restricted is a container that restricted allows.
func restricted(edits ...func(*fact.Container)) fact.Container {
	c := fact.Container{
		Name: "app", Type: fact.RegularContainer, Field: "spec.containers[0]",
		RunAsNonRoot: new(true), AllowPrivilegeEscalation: new(bool), Seccomp: "RuntimeDefault", CapDrop: []string{"ALL"},
	}
	for _, edit := range edits {
		edit(&c)
	}
	return c
}

func pod(c fact.Container, edits ...func(*fact.PodSpec)) *fact.PodSpec {
	spec := &fact.PodSpec{Containers: []fact.Container{c}}
	for _, edit := range edits {
		edit(spec)
	}
	return spec
}

func TestRefusals(t *testing.T) {
	field := func(path, value string) podsecurity.Field {
		container := -1
		if strings.HasPrefix(path, "spec.containers[0].") {
			container = 0
		}
		return podsecurity.Field{Path: path, Value: value, Container: container}
	}
	refusal := func(check podsecurity.CheckID, level podsecurity.Level, fields ...podsecurity.Field) podsecurity.Refusal {
		return podsecurity.Refusal{Check: check, Level: level, Fields: fields}
	}
	const sc = "spec.containers[0].securityContext."
	for name, tc := range map[string]struct {
		spec  *fact.PodSpec
		minor int
		level podsecurity.Level
		want  []podsecurity.Refusal
	}{
		"what restricted demands": {pod(restricted()), 37, podsecurity.Restricted, nil},
		"a pod that says nothing reaches baseline": {
			pod(fact.Container{Name: "app", Field: "spec.containers[0]"}), 37, podsecurity.Baseline,
			[]podsecurity.Refusal{
				refusal(podsecurity.AllowPrivilegeEscalation, podsecurity.Restricted, field(sc+"allowPrivilegeEscalation", "not set")),
				refusal(podsecurity.CapabilitiesRestricted, podsecurity.Restricted, field(sc+"capabilities.drop", "not set")),
				refusal(podsecurity.RunAsNonRoot, podsecurity.Restricted, field(sc+"runAsNonRoot", "not set")),
				refusal(podsecurity.SeccompRestricted, podsecurity.Restricted, field(sc+"seccompProfile.type", "not set")),
			},
		},
		"privileged": {
			pod(restricted(func(c *fact.Container) { c.Privileged = new(true) })), 37, podsecurity.Privileged,
			[]podsecurity.Refusal{refusal(podsecurity.PrivilegedContainers, podsecurity.Baseline, field(sc+"privileged", "true"))},
		},
		"a hostPath is named once": {
			pod(restricted(), func(s *fact.PodSpec) {
				s.Volumes = []fact.Volume{{Name: "a", Field: "spec.volumes[0]", Source: "hostPath", HostPath: "/etc"}, {Name: "b", Field: "spec.volumes[1]", Source: "nfs"}}
			}), 37, podsecurity.Privileged,
			[]podsecurity.Refusal{
				refusal(podsecurity.HostPathVolumes, podsecurity.Baseline, field("spec.volumes[0].hostPath.path", "/etc")),
				refusal(podsecurity.RestrictedVolumes, podsecurity.Restricted, field("spec.volumes[1].nfs", "a volume of type nfs")),
			},
		},
		"a capability that baseline refuses is named once": {
			pod(restricted(func(c *fact.Container) { c.CapAdd = []string{"SYS_ADMIN", "NET_BIND_SERVICE"} })), 37, podsecurity.Privileged,
			[]podsecurity.Refusal{refusal(podsecurity.CapabilitiesBaseline, podsecurity.Baseline, field(sc+"capabilities.add", "SYS_ADMIN"))},
		},
		"a capability that only restricted refuses": {
			pod(restricted(func(c *fact.Container) { c.CapAdd = []string{"CHOWN"} })), 37, podsecurity.Baseline,
			[]podsecurity.Refusal{refusal(podsecurity.CapabilitiesRestricted, podsecurity.Restricted, field(sc+"capabilities.add", "CHOWN"))},
		},
		"before v1.22 no capability had to be dropped": {pod(restricted(func(c *fact.Container) { c.CapDrop = nil })), 21, podsecurity.Restricted, nil},
		"a user namespace allows root since v1.35": {
			pod(restricted(func(c *fact.Container) { c.RunAsNonRoot = nil }), func(s *fact.PodSpec) { s.HostUsers = new(bool) }), 35, podsecurity.Restricted, nil,
		},
		"a user namespace did not allow root in v1.34": {
			pod(restricted(func(c *fact.Container) { c.RunAsNonRoot = nil }), func(s *fact.PodSpec) { s.HostUsers = new(bool) }), 34, podsecurity.Baseline,
			[]podsecurity.Refusal{refusal(podsecurity.RunAsNonRoot, podsecurity.Restricted, field(sc+"runAsNonRoot", "not set"))},
		},
		"Windows by os.name needs no Linux field": {
			pod(fact.Container{Name: "app", Field: "spec.containers[0]", RunAsNonRoot: new(true)}, func(s *fact.PodSpec) { s.OS = "windows" }), 37, podsecurity.Restricted, nil,
		},
		"Windows by a node selector alone is judged as Linux": {
			pod(restricted(func(c *fact.Container) { c.CapDrop = nil }), func(s *fact.PodSpec) { s.OS, s.OSField = "windows", "nodeSelector[kubernetes.io/os]" }), 37, podsecurity.Baseline,
			[]podsecurity.Refusal{refusal(podsecurity.CapabilitiesRestricted, podsecurity.Restricted, field(sc+"capabilities.drop", "not set"))},
		},
		"HostProcess of the pod": {
			pod(restricted(), func(s *fact.PodSpec) { s.HostProcess = new(true) }), 37, podsecurity.Privileged,
			[]podsecurity.Refusal{refusal(podsecurity.WindowsHostProcess, podsecurity.Baseline, field("spec.securityContext.windowsOptions.hostProcess", "true"))},
		},
		"an AppArmor annotation": {
			pod(restricted(), func(s *fact.PodSpec) {
				s.SecurityAnnotations = map[string]string{"container.apparmor.security.beta.kubernetes.io/app": "unconfined"}
			}), 37, podsecurity.Privileged,
			[]podsecurity.Refusal{refusal(podsecurity.AppArmorProfile, podsecurity.Baseline,
				field("metadata.annotations[container.apparmor.security.beta.kubernetes.io/app]", "unconfined"))},
		},
		"before v1.19 a seccomp annotation counts, of a container that exists": {
			pod(restricted(), func(s *fact.PodSpec) {
				s.SecurityAnnotations = map[string]string{
					"container.seccomp.security.alpha.kubernetes.io/app": "unconfined", "container.seccomp.security.alpha.kubernetes.io/gone": "unconfined",
				}
			}), 18, podsecurity.Privileged,
			[]podsecurity.Refusal{refusal(podsecurity.SeccompBaseline, podsecurity.Baseline,
				field("metadata.annotations[container.seccomp.security.alpha.kubernetes.io/app]", "unconfined"))},
		},
		"a sysctl that is safe only since v1.29": {
			pod(restricted(), func(s *fact.PodSpec) {
				s.Sysctls = []string{"net.ipv4.ip_local_port_range", "net.ipv4.tcp_keepalive_time"}
			}), 28, podsecurity.Privileged,
			[]podsecurity.Refusal{refusal(podsecurity.Sysctls, podsecurity.Baseline, field("spec.securityContext.sysctls[1].name", "net.ipv4.tcp_keepalive_time"))},
		},
		"a profile without a type": {
			pod(restricted(func(c *fact.Container) { c.Seccomp, c.Untyped = "", []string{fact.UntypedSeccomp} })), 37, podsecurity.Privileged,
			[]podsecurity.Refusal{refusal(podsecurity.SeccompBaseline, podsecurity.Baseline, field(sc+"seccompProfile.type", "empty"))},
		},
		"several namespaces of the host are one refusal": {
			pod(restricted(), func(s *fact.PodSpec) { s.HostPID, s.HostIPC = true, true }), 37, podsecurity.Privileged,
			[]podsecurity.Refusal{refusal(podsecurity.HostNamespaces, podsecurity.Baseline, field("spec.hostPID", "true"), field("spec.hostIPC", "true"))},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var e podsecurity.Evaluator
			result := e.Evaluate(tc.spec, podsecurity.Minor(tc.minor))
			if got := result.Level(); got != tc.level {
				t.Errorf("level %s, want %s", got, tc.level)
			}
			if diff := cmp.Diff(tc.want, result.Refusals()); diff != "" {
				t.Errorf("refusals (-want +got):\n%s", diff)
			}
		})
	}
}

func TestVersions(t *testing.T) {
	for text, want := range map[string]struct {
		version podsecurity.Version
		valid   bool
		known   string
		clamped bool
	}{
		"latest": {podsecurity.Latest(), true, "v1.37", false},
		"v1.25":  {podsecurity.Minor(25), true, "v1.25", false},
		"v1.99":  {podsecurity.Minor(99), true, "v1.37", true},
		"v1.0":   {podsecurity.Minor(0), true, "v1.0", false},
		"1.25":   {podsecurity.Latest(), false, "v1.37", false},
		"v2.1":   {podsecurity.Latest(), false, "v1.37", false},
		"":       {podsecurity.Latest(), false, "v1.37", false},
	} {
		version, valid := podsecurity.ParseVersion(text)
		if version != want.version || valid != want.valid {
			t.Errorf("%q is %s, %v", text, version, valid)
		}
		if known, clamped := version.Known(); known.String() != want.known || clamped != want.clamped {
			t.Errorf("%q is judged as %s, %v", text, known, clamped)
		}
	}
	for text, want := range map[string]podsecurity.Level{"baseline": podsecurity.Baseline, "privileged": podsecurity.Privileged, "restricted": podsecurity.Restricted} {
		if level, valid := podsecurity.ParseLevel(text); level != want || !valid {
			t.Errorf("%q is %s, %v", text, level, valid)
		}
	}
	if level, valid := podsecurity.ParseLevel("Baseline"); level != podsecurity.Restricted || valid {
		t.Errorf("a misspelled level is %s, %v", level, valid)
	}
}

// The memory is bounded, and what is forgotten is judged again.
func TestManyDifferentPods(t *testing.T) {
	var e podsecurity.Evaluator
	for range 2 {
		for i := range 10_000 {
			spec := pod(restricted(), func(s *fact.PodSpec) { s.Sysctls = []string{fmt.Sprint("kernel.", i)} })
			if result := e.Evaluate(spec, podsecurity.Latest()); result.Level() != podsecurity.Privileged {
				t.Fatalf("pod %d reaches %s", i, result.Level())
			}
		}
	}
	if result := e.Evaluate(pod(restricted()), podsecurity.Latest()); result.Level() != podsecurity.Restricted {
		t.Errorf("the restricted pod reaches %s", result.Level())
	}
}

// A value is shown up to a bound.
func TestValuesAreBounded(t *testing.T) {
	var e podsecurity.Evaluator
	result := e.Evaluate(pod(restricted(func(c *fact.Container) { c.ProcMount = strings.Repeat("é", 10_000) })), podsecurity.Latest())
	refusals := result.Refusals()
	if len(refusals) != 1 || len(refusals[0].Fields) != 1 || len(refusals[0].Fields[0].Value) > 140 {
		t.Errorf("%v", refusals)
	}
}

func BenchmarkEvaluate(b *testing.B) {
	plain := pod(fact.Container{Name: "app", Field: "spec.containers[0]"}, func(s *fact.PodSpec) {
		s.Volumes = []fact.Volume{{Name: "token", Field: "spec.volumes[0]", Source: "projected"}, {Name: "config", Field: "spec.volumes[1]", Source: "configMap"}}
	})
	b.Run("ordinary pod, remembered", func(b *testing.B) {
		var e podsecurity.Evaluator
		b.ReportAllocs()
		for b.Loop() {
			result := e.Evaluate(plain, podsecurity.Latest())
			result.Refusals()
		}
	})
	b.Run("ordinary pod, asked", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var e podsecurity.Evaluator
			result := e.Evaluate(plain, podsecurity.Latest())
			result.Refusals()
		}
	})
	b.Run("restricted pod, remembered", func(b *testing.B) {
		var e podsecurity.Evaluator
		spec := pod(restricted())
		b.ReportAllocs()
		for b.Loop() {
			result := e.Evaluate(spec, podsecurity.Latest())
			result.Refusals()
		}
	})
}

// Pods that differ in one field that the evaluator reads are not taken for each other.
func TestVerdictsAreRememberedByEveryField(t *testing.T) {
	container := func(edit func(*fact.Container)) func(*fact.PodSpec) {
		return func(s *fact.PodSpec) { edit(&s.Containers[0]) }
	}
	edits := map[string]func(*fact.PodSpec){
		"hostNetwork": func(s *fact.PodSpec) { s.HostNetwork = true },
		"hostPID":     func(s *fact.PodSpec) { s.HostPID = true },
		"hostIPC":     func(s *fact.PodSpec) { s.HostIPC = true },
		"hostUsers":   func(s *fact.PodSpec) { s.HostUsers = new(bool) },
		"os":          func(s *fact.PodSpec) { s.OS = "windows" },
		"annotation": func(s *fact.PodSpec) {
			s.SecurityAnnotations = map[string]string{"container.apparmor.security.beta.kubernetes.io/app": "unconfined"}
		},
		"annotation of a container": func(s *fact.PodSpec) {
			s.SecurityAnnotations = map[string]string{"container.seccomp.security.alpha.kubernetes.io/app": "unconfined"}
		},
		"annotation of another": func(s *fact.PodSpec) {
			s.SecurityAnnotations = map[string]string{"container.seccomp.security.alpha.kubernetes.io/app": "unconfined"}
			s.Containers[0].Name = "web"
		},
		"pod hostProcess":      func(s *fact.PodSpec) { s.HostProcess = new(true) },
		"pod runAsNonRoot":     func(s *fact.PodSpec) { s.RunAsNonRoot = new(bool) },
		"pod runAsUser":        func(s *fact.PodSpec) { s.RunAsUser = new(int64) },
		"pod runAsUser 1":      func(s *fact.PodSpec) { s.RunAsUser = new(int64(1)) },
		"pod seccomp":          func(s *fact.PodSpec) { s.Seccomp = "Unconfined" },
		"pod AppArmor":         func(s *fact.PodSpec) { s.AppArmor = "Unconfined" },
		"pod SELinux":          func(s *fact.PodSpec) { s.SELinux = &fact.SELinuxOptions{Type: "spc_t"} },
		"pod SELinux user":     func(s *fact.PodSpec) { s.SELinux = &fact.SELinuxOptions{User: "u"} },
		"pod SELinux role":     func(s *fact.PodSpec) { s.SELinux = &fact.SELinuxOptions{Role: "r"} },
		"pod SELinux level":    func(s *fact.PodSpec) { s.SELinux = &fact.SELinuxOptions{Level: "s0"} },
		"pod untyped":          func(s *fact.PodSpec) { s.Untyped = []string{fact.UntypedAppArmor} },
		"sysctl":               func(s *fact.PodSpec) { s.Sysctls = []string{"kernel.msgmax"} },
		"hostPath":             func(s *fact.PodSpec) { s.Volumes = []fact.Volume{{Source: "hostPath"}} },
		"nfs":                  func(s *fact.PodSpec) { s.Volumes = []fact.Volume{{Source: "nfs"}} },
		"privileged":           container(func(c *fact.Container) { c.Privileged = new(true) }),
		"escalation":           container(func(c *fact.Container) { c.AllowPrivilegeEscalation = nil }),
		"hostProcess":          container(func(c *fact.Container) { c.HostProcess = new(true) }),
		"runAsNonRoot":         container(func(c *fact.Container) { c.RunAsNonRoot = nil }),
		"runAsNonRoot false":   container(func(c *fact.Container) { c.RunAsNonRoot = new(bool) }),
		"runAsUser":            container(func(c *fact.Container) { c.RunAsUser = new(int64) }),
		"seccomp":              container(func(c *fact.Container) { c.Seccomp = "" }),
		"seccomp without type": container(func(c *fact.Container) { c.Seccomp, c.Untyped = "", []string{fact.UntypedSeccomp} }),
		"AppArmor":             container(func(c *fact.Container) { c.AppArmor = "Unconfined" }),
		"SELinux":              container(func(c *fact.Container) { c.SELinux = &fact.SELinuxOptions{Type: "container_engine_t"} }),
		"procMount":            container(func(c *fact.Container) { c.ProcMount = "Unmasked" }),
		"procMount Default":    container(func(c *fact.Container) { c.ProcMount = "Default" }),
		"add":                  container(func(c *fact.Container) { c.CapAdd = []string{"SYS_ADMIN"} }),
		"drop":                 container(func(c *fact.Container) { c.CapDrop = []string{"all"} }),
		"drop two":             container(func(c *fact.Container) { c.CapDrop, c.CapAdd = nil, []string{"ALL"} }),
		"hostPort":             container(func(c *fact.Container) { c.HostPorts = []int32{80} }),
		"probe":                container(func(c *fact.Container) { c.ProbeHosts = []fact.ProbeHost{{Host: "h"}} }),
		"two containers": func(s *fact.PodSpec) {
			s.Containers = append(s.Containers, fact.Container{Field: "spec.containers[1]"})
		},
		"nothing": func(*fact.PodSpec) {},
	}
	bases := map[string]func(*fact.PodSpec){
		"restricted": func(*fact.PodSpec) {},
		"as root":    func(s *fact.PodSpec) { s.Containers[0].RunAsNonRoot = nil },
		"unmasked":   func(s *fact.PodSpec) { s.Containers[0].ProcMount = "Unmasked" },
		"undropped":  func(s *fact.PodSpec) { s.Containers[0].CapDrop = nil },
	}
	var shared podsecurity.Evaluator
	for base, start := range bases {
		for name, edit := range edits {
			for _, minor := range []int{0, 18, 20, 24, 30, 34, 37} {
				spec := pod(restricted(), start, edit)
				var fresh podsecurity.Evaluator
				got, want := shared.Evaluate(spec, podsecurity.Minor(minor)), fresh.Evaluate(spec, podsecurity.Minor(minor))
				if diff := cmp.Diff(want.Refusals(), got.Refusals()); diff != "" || got.Level() != want.Level() {
					t.Errorf("%s, %s at v1.%d (-alone +after others):\n%s", base, name, minor, diff)
				}
			}
		}
	}
}
