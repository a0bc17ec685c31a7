package catalogue

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/pod-security-admission/policy"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/podspec"
)

// official are the checks of single fields that the official evaluator has too, each with those
// of its checks that refuse the same. It is the second implementation.
var official = map[string][]policy.CheckID{
	"privileged/privileged-container": {"privileged", "windowsHostProcess"},
	"privileged/added-capabilities":   {"capabilities_baseline"},
	"privileged/host-namespaces":      {"hostNamespaces"},
	"privileged/host-path":            {"hostPathVolumes"},
	"privileged/host-ports":           {"hostPorts"},
	"privileged/probe-host":           {"hostProbesAndHostLifecycle"},
	"privileged/privilege-escalation": {"allowPrivilegeEscalation"},
	"privileged/apparmor-selinux":     {"appArmorProfile", "seLinuxOptions"},
	"privileged/proc-mount":           {"procMount"},
	"privileged/sysctls":              {"sysctls"},
	"privileged/volume-types":         {"restrictedVolumes"},
}

// Of 3,000 generated pods each check refuses the same as the official evaluator at its latest
// version. The generator leaves out where they differ on purpose: an AppArmor or SELinux field
// of the pod that each container overrides, user namespaces, and names of sysctls with slashes.
func TestTheOfficialEvaluatorAgrees(t *testing.T) {
	latest := map[policy.CheckID]policy.CheckPodFn{}
	for _, c := range policy.DefaultChecks() {
		newest := c.Versions[0]
		for _, v := range c.Versions {
			if newest.MinimumVersion.Older(v.MinimumVersion) {
				newest = v
			}
		}
		latest[c.ID] = newest.CheckPod
	}
	var selected []checks.Check
	for _, c := range All() {
		if official[c.ID] != nil {
			selected = append(selected, c)
		}
	}
	r := rand.New(rand.NewPCG(14, 28))
	refused, allowed := map[string]int{}, map[string]int{}
	for i := range 3000 {
		pod := randomPod(r)
		set := &fact.Set{FieldsRead: true, InjectionRead: true, TemplatesRead: true, NamespacesRead: true, PodScope: fact.PodsSome, Workloads: []fact.Workload{{
			Owner: fact.Subject{Kind: "Pod", Namespace: "shop", Name: "web"},
			Spec:  podspec.From("pod/shop/web", "spec", pod.Labels, pod.Annotations, &pod.Spec),
		}}}
		fails := map[string]bool{}
		for _, f := range checks.JudgeSet(Plan(selected, ""), set).Findings {
			// A capability of the runtime's default set that the baseline allows is no finding.
			fails[f.Check] = fails[f.Check] || f.Verdict == api.Fail
		}
		for id, theirs := range official {
			want := slices.ContainsFunc(theirs, func(c policy.CheckID) bool { return !latest[c](&pod.ObjectMeta, &pod.Spec).Allowed })
			switch id {
			case "privileged/volume-types": // hostPath has a check of its own
				without := pod.DeepCopy()
				without.Spec.Volumes = slices.DeleteFunc(without.Spec.Volumes, func(v corev1.Volume) bool { return v.HostPath != nil })
				want = !latest["restrictedVolumes"](&without.ObjectMeta, &without.Spec).Allowed
			case "privileged/host-ports": // here every port of a pod in the node's network is one
				want = want || pod.Spec.HostNetwork
			}
			if want {
				refused[id]++
			} else {
				allowed[id]++
			}
			if fails[id] != want {
				t.Fatalf("pod %d: %s fails: %v, the official evaluator refuses: %v\n%+v", i, id, fails[id], want, pod)
			}
		}
	}
	for id := range official {
		if refused[id] < 100 || allowed[id] < 100 {
			t.Errorf("%s: the generated pods show little: %d refused, %d allowed", id, refused[id], allowed[id])
		}
	}
}

func randomPod(r *rand.Rand) *corev1.Pod {
	one := func(n int) bool { return r.IntN(n) == 0 }
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", Annotations: map[string]string{}}}
	spec := &pod.Spec
	spec.HostPID, spec.HostNetwork, spec.HostIPC = one(6), one(6), one(6)
	spec.SecurityContext = &corev1.PodSecurityContext{}
	for range r.IntN(3) {
		spec.SecurityContext.Sysctls = append(spec.SecurityContext.Sysctls, corev1.Sysctl{Name: anyOf(r,
			"kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range", "net.ipv4.ip_unprivileged_port_start",
			"net.ipv4.ip_local_reserved_ports", "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl",
			"net.ipv4.tcp_keepalive_probes", "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem", "net.ipv4.tcp_slow_start_after_idle", "net.ipv4.tcp_notsent_lowat",
			"kernel.msgmax", "net.core.somaxconn", "net.ipv4.ip_forward")})
	}
	profile := func() *corev1.AppArmorProfile {
		return &corev1.AppArmorProfile{Type: anyOf(r, corev1.AppArmorProfileTypeRuntimeDefault, corev1.AppArmorProfileTypeLocalhost, corev1.AppArmorProfileTypeUnconfined)}
	}
	context := func() *corev1.SELinuxOptions {
		o := &corev1.SELinuxOptions{Level: anyOf(r, "", "s0:c1,c2")}
		o.Type = anyOf(r, "", "container_t", "container_init_t", "container_kvm_t", "container_engine_t", "spc_t", "my_t")
		if one(5) {
			o.User = "system_u"
		}
		if one(5) {
			o.Role = "system_r"
		}
		return o
	}
	ofPod := one(4) // then no container overrides it
	if ofPod {
		spec.SecurityContext.AppArmorProfile, spec.SecurityContext.SELinuxOptions = profile(), context()
	}
	host := func() *corev1.Probe {
		p := &corev1.Probe{}
		if one(2) {
			p.HTTPGet = &corev1.HTTPGetAction{Host: anyOf(r, "", "", "", "127.0.0.1", "other.example")}
		} else {
			p.TCPSocket = &corev1.TCPSocketAction{Host: anyOf(r, "", "", "", "10.0.0.1")}
		}
		return p
	}
	sources := []func(*corev1.VolumeSource){
		func(s *corev1.VolumeSource) { s.EmptyDir = &corev1.EmptyDirVolumeSource{} },
		func(s *corev1.VolumeSource) { s.Secret = &corev1.SecretVolumeSource{SecretName: "s"} },
		func(s *corev1.VolumeSource) { s.Projected = &corev1.ProjectedVolumeSource{} },
		func(s *corev1.VolumeSource) { s.Image = &corev1.ImageVolumeSource{Reference: "a"} },
		func(s *corev1.VolumeSource) { s.Ephemeral = &corev1.EphemeralVolumeSource{} },
		func(s *corev1.VolumeSource) {
			s.HostPath = &corev1.HostPathVolumeSource{Path: anyOf(r, "/", "/data", "/run/docker.sock")}
		},
		func(s *corev1.VolumeSource) { s.NFS = &corev1.NFSVolumeSource{Server: "n"} },
		func(s *corev1.VolumeSource) { s.GitRepo = &corev1.GitRepoVolumeSource{} }, //nolint:staticcheck // it is judged because it is deprecated
		func(s *corev1.VolumeSource) { s.CSI = &corev1.CSIVolumeSource{Driver: "d"} },
	}
	for i := range r.IntN(4) {
		v := corev1.Volume{Name: fmt.Sprint("v", i)}
		sources[r.IntN(len(sources))](&v.VolumeSource)
		spec.Volumes = append(spec.Volumes, v)
	}
	for i := range 1 + r.IntN(3) {
		c := corev1.Container{Name: fmt.Sprint("c", i), Image: "a:1", SecurityContext: &corev1.SecurityContext{}}
		sc := c.SecurityContext
		for j := range spec.Volumes {
			if one(2) {
				c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: spec.Volumes[j].Name, MountPath: fmt.Sprint("/m", j), ReadOnly: one(2)})
			}
		}
		if one(6) {
			sc.Privileged = anyOf(r, new(true), new(false))
		}
		if !one(8) {
			sc.AllowPrivilegeEscalation = anyOf(r, new(true), new(false), new(false), new(false), new(false))
		}
		if one(3) {
			sc.ProcMount = anyOf(r, new(corev1.DefaultProcMount), new(corev1.UnmaskedProcMount))
		}
		if !ofPod && one(2) {
			sc.AppArmorProfile = profile()
		} else if !ofPod && one(4) {
			pod.Annotations["container.apparmor.security.beta.kubernetes.io/"+c.Name] = anyOf(r, "runtime/default", "localhost/x", "unconfined")
		}
		if !ofPod && one(4) {
			sc.SELinuxOptions = context()
		}
		if one(3) {
			sc.Capabilities = &corev1.Capabilities{}
			for range 1 + r.IntN(2) {
				sc.Capabilities.Add = append(sc.Capabilities.Add, anyOf[corev1.Capability](r,
					"AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
					"NET_RAW", "NET_ADMIN", "SYS_ADMIN", "ALL", "SYS_TIME"))
			}
		}
		if one(3) {
			c.Ports = []corev1.ContainerPort{{ContainerPort: 80, HostPort: anyOf[int32](r, 0, 80)}}
		}
		if one(3) {
			c.LivenessProbe = host()
		}
		if one(4) {
			c.Lifecycle = &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{HTTPGet: &corev1.HTTPGetAction{Host: anyOf(r, "", "10.0.0.1")}}}
		}
		c.Resources.Limits = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1")}
		if i > 0 && one(3) {
			spec.InitContainers = append(spec.InitContainers, c)
		} else {
			spec.Containers = append(spec.Containers, c)
		}
	}
	return pod
}

func anyOf[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }
