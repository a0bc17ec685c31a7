package podsecurity_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	psa "k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/podspec"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/podsecurity"
)

// generated is a pod with random values in every field that any check of any version reads,
// in half of the pods few that a level refuses.
type generated struct {
	*rand.Rand
	calm bool
}

func newGenerated(seed uint64) *generated { return &generated{Rand: rand.New(rand.NewPCG(14, seed))} }

func (g *generated) chance(oneIn int) bool {
	if g.calm && oneIn >= 6 {
		oneIn *= 8
	}
	return g.IntN(oneIn) == 0
}

func pick[T any](g *generated, values ...T) T { return values[g.IntN(len(values))] }

// maybe is nil in half of the cases.
func maybe[T any](g *generated, values ...T) *T {
	if g.chance(2) {
		return nil
	}
	v := pick(g, values...)
	return &v
}

func (g *generated) pod() *corev1.Pod {
	g.calm = g.IntN(2) == 0
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "shop", Annotations: map[string]string{"team": "a"}}}
	names := []string{"init", "app", "sidecar", "debug"}
	for _, name := range append(names, "gone") {
		if g.chance(8) {
			pod.Annotations[corev1.DeprecatedAppArmorBetaContainerAnnotationKeyPrefix+name] = pick(g, "", "runtime/default", "localhost/p", "unconfined")
		}
		if g.chance(8) {
			pod.Annotations[corev1.SeccompContainerAnnotationKeyPrefix+name] = pick(g, "", "runtime/default", "docker/default", "localhost/p", "unconfined")
		}
	}
	if g.chance(8) {
		pod.Annotations[corev1.SeccompPodAnnotationKey] = pick(g, "", "runtime/default", "docker/default", "localhost/p", "unconfined")
	}
	spec := &pod.Spec
	spec.HostNetwork, spec.HostPID, spec.HostIPC = g.chance(12), g.chance(12), g.chance(12)
	spec.HostUsers = maybe(g, true, false)
	if g.chance(6) {
		spec.OS = &corev1.PodOS{Name: pick(g, corev1.Linux, corev1.Windows)}
	}
	if g.chance(6) {
		spec.NodeSelector = map[string]string{corev1.LabelOSStable: "windows"}
	}
	if !g.chance(4) {
		sc := &corev1.PodSecurityContext{
			RunAsUser: g.user(), RunAsNonRoot: g.nonRoot(),
			SeccompProfile: g.seccomp(), AppArmorProfile: g.appArmor(), SELinuxOptions: g.seLinux(), WindowsOptions: g.windows(),
		}
		for range g.IntN(3) * g.IntN(2) {
			sc.Sysctls = append(sc.Sysctls, corev1.Sysctl{Name: pick(
				g, "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start", "net.ipv4.ip_local_reserved_ports", "net.ipv4.tcp_keepalive_time",
				"net.ipv4.tcp_rmem", "net.ipv4.tcp_notsent_lowat", "net.ipv4.tcp_slow_start_after_idle", "kernel.msgmax", "net/ipv4/tcp_rmem", "",
			)})
		}
		spec.SecurityContext = sc
	}
	for i := range g.IntN(3) * g.IntN(2) {
		spec.Volumes = append(spec.Volumes, corev1.Volume{Name: fmt.Sprint("v", i), VolumeSource: g.volume()})
	}
	for range g.IntN(2) {
		spec.InitContainers = append(spec.InitContainers, g.container("init"))
	}
	for i := range 1 + g.IntN(2) {
		spec.Containers = append(spec.Containers, g.container(names[1+i]))
	}
	if g.chance(4) {
		spec.EphemeralContainers = []corev1.EphemeralContainer{{EphemeralContainerCommon: corev1.EphemeralContainerCommon(g.container("debug"))}}
	}
	return pod
}

func (g *generated) container(name string) corev1.Container {
	c := corev1.Container{Name: name, Image: "registry.example/app:v1"}
	if !g.chance(6) {
		sc := &corev1.SecurityContext{
			RunAsUser: g.user(), RunAsNonRoot: g.nonRoot(),
			SeccompProfile: g.seccomp(), AppArmorProfile: g.appArmor(), SELinuxOptions: g.seLinux(), WindowsOptions: g.windows(),
		}
		if !g.chance(3) {
			sc.AllowPrivilegeEscalation = pick(g, new(bool), new(bool), new(true))
		}
		if g.chance(10) {
			sc.Privileged = maybe(g, true, false)
		}
		if g.chance(10) {
			sc.ProcMount = maybe(g, corev1.DefaultProcMount, corev1.UnmaskedProcMount, corev1.ProcMountType(""))
		}
		if !g.chance(4) {
			sc.Capabilities = &corev1.Capabilities{}
			if !g.chance(4) {
				sc.Capabilities.Drop = []corev1.Capability{pick(g, corev1.Capability("ALL"), "ALL", "ALL", "all", "NET_RAW")}
			}
			for range g.IntN(3) * g.IntN(2) {
				sc.Capabilities.Add = append(sc.Capabilities.Add, pick(
					g, corev1.Capability("NET_BIND_SERVICE"), "NET_BIND_SERVICE", "CHOWN", "AUDIT_WRITE", "SYS_CHROOT", "SETPCAP", "MKNOD", "NET_RAW", "SYS_ADMIN", "ALL", "cap_chown", "chown",
					"FSETID", "KILL", "SETFCAP", "SETGID", "SETUID", "FOWNER", "DAC_OVERRIDE", "",
				))
			}
		}
		c.SecurityContext = sc
	}
	for range g.IntN(3) * g.IntN(2) {
		c.Ports = append(c.Ports, corev1.ContainerPort{ContainerPort: 8080, HostPort: pick(g, int32(0), 0, 443)})
	}
	if g.chance(8) {
		c.LivenessProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Port: intstr.FromInt32(80), Host: pick(g, "", "10.0.0.1")}}}
	}
	if g.chance(8) {
		c.ReadinessProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Host: pick(g, "", "10.0.0.1")}}}
	}
	if g.chance(8) {
		c.StartupProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{GRPC: &corev1.GRPCAction{Port: 80}}}
	}
	if g.chance(8) {
		c.Lifecycle = &corev1.Lifecycle{
			PostStart: &corev1.LifecycleHandler{HTTPGet: &corev1.HTTPGetAction{Host: pick(g, "", "example.com")}},
			PreStop:   &corev1.LifecycleHandler{TCPSocket: &corev1.TCPSocketAction{Host: pick(g, "", "example.com")}},
		}
	}
	return c
}

func (g *generated) user() *int64 {
	if g.calm {
		return maybe(g, int64(1000))
	}
	return maybe(g, int64(0), int64(1000))
}

func (g *generated) nonRoot() *bool {
	if g.calm {
		return new(true)
	}
	return maybe(g, true, true, true, false)
}

func (g *generated) seccomp() *corev1.SeccompProfile {
	if g.chance(3) {
		return nil
	}
	if g.calm {
		return &corev1.SeccompProfile{Type: pick(g, corev1.SeccompProfileTypeRuntimeDefault, corev1.SeccompProfileTypeLocalhost)}
	}
	kind := pick(g, corev1.SeccompProfileTypeRuntimeDefault, corev1.SeccompProfileTypeRuntimeDefault, corev1.SeccompProfileTypeLocalhost, corev1.SeccompProfileTypeUnconfined, "", "runtime/default")
	return &corev1.SeccompProfile{Type: kind, LocalhostProfile: maybe(g, "p.json")}
}

func (g *generated) appArmor() *corev1.AppArmorProfile {
	if !g.chance(6) {
		return nil
	}
	return &corev1.AppArmorProfile{Type: pick(g, corev1.AppArmorProfileTypeRuntimeDefault, corev1.AppArmorProfileTypeLocalhost, corev1.AppArmorProfileTypeUnconfined, "")}
}

func (g *generated) seLinux() *corev1.SELinuxOptions {
	if !g.chance(6) {
		return nil
	}
	return &corev1.SELinuxOptions{
		Type: pick(g, "", "container_t", "container_init_t", "container_kvm_t", "container_engine_t", "spc_t"),
		User: pick(g, "", "", "", "system_u"), Role: pick(g, "", "", "", "system_r"), Level: pick(g, "", "s0"),
	}
}

func (g *generated) windows() *corev1.WindowsSecurityContextOptions {
	if !g.chance(8) {
		return nil
	}
	return &corev1.WindowsSecurityContextOptions{HostProcess: maybe(g, true, false)}
}

func (g *generated) volume() corev1.VolumeSource {
	return pick(
		g,
		corev1.VolumeSource{},
		corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}},
		corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{}},
		corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{}},
		corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{}},
		corev1.VolumeSource{DownwardAPI: &corev1.DownwardAPIVolumeSource{}},
		corev1.VolumeSource{CSI: &corev1.CSIVolumeSource{}},
		corev1.VolumeSource{Ephemeral: &corev1.EphemeralVolumeSource{}},
		corev1.VolumeSource{Image: &corev1.ImageVolumeSource{}},
		corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{}},
		corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/etc"}},
		corev1.VolumeSource{NFS: &corev1.NFSVolumeSource{}},
		corev1.VolumeSource{ISCSI: &corev1.ISCSIVolumeSource{}},
		corev1.VolumeSource{GitRepo: &corev1.GitRepoVolumeSource{}},
		corev1.VolumeSource{FlexVolume: &corev1.FlexVolumeSource{}},
		corev1.VolumeSource{AWSElasticBlockStore: &corev1.AWSElasticBlockStoreVolumeSource{}},
		corev1.VolumeSource{AzureFile: &corev1.AzureFileVolumeSource{}},
		corev1.VolumeSource{FC: &corev1.FCVolumeSource{}},
		corev1.VolumeSource{StorageOS: &corev1.StorageOSVolumeSource{}},
	)
}

// defaulted is a pod as the API server would give it to the evaluator.
func defaulted(pod *corev1.Pod) *corev1.Pod {
	pod = pod.DeepCopy()
	for i := range pod.Spec.Volumes {
		if pod.Spec.Volumes[i].VolumeSource == (corev1.VolumeSource{}) {
			pod.Spec.Volumes[i].EmptyDir = &corev1.EmptyDirVolumeSource{}
		}
	}
	if pod.Spec.HostNetwork {
		for _, list := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
			for i := range list {
				for j := range list[i].Ports {
					if p := &list[i].Ports[j]; p.HostPort == 0 {
						p.HostPort = p.ContainerPort
					}
				}
			}
		}
	}
	return pod
}

// Our verdicts, made from facts, are those of the official evaluator for the original pod, in
// every version and level; and each check that refuses names a field.
func TestGeneratedPodsAsTheOfficialEvaluator(t *testing.T) {
	const pods, newest = 3000, 38
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	g := newGenerated(2)
	var ours podsecurity.Evaluator
	reached, refusedBy := map[podsecurity.Level]int{}, map[podsecurity.CheckID]int{}
	verdicts := 0
	for range pods {
		pod := g.pod()
		spec := podspec.From("pod/shop/web", "spec", pod.Labels, pod.Annotations, &pod.Spec)
		want := defaulted(pod)
		for minor := range newest + 1 {
			version := podsecurity.Minor(minor)
			result := ours.Evaluate(&spec, version)
			for _, level := range []podsecurity.Level{podsecurity.Privileged, podsecurity.Baseline, podsecurity.Restricted} {
				verdicts++
				official := policy.AggregateCheckResults(evaluator.EvaluatePod(psa.LevelVersion{Level: psa.Level(level), Version: psa.MajorMinorVersion(1, minor)}, &want.ObjectMeta, &want.Spec))
				if result.Allows(level) != official.Allowed {
					text, err := json.Marshal(pod)
					if err != nil {
						t.Fatal(err)
					}
					t.Fatalf("%s:%s allows %v, the evaluator says %v %v: %s", level, version, result.Allows(level), official.Allowed, official.ForbiddenDetail(), text)
				}
			}
			reached[result.Level()]++
			for _, refusal := range result.Refusals() {
				refusedBy[refusal.Check]++
				if len(refusal.Fields) == 0 {
					text, err := json.Marshal(pod)
					if err != nil {
						t.Fatal(err)
					}
					t.Fatalf("%s refuses at %s and names no field: %s", refusal.Check, version, text)
				}
			}
		}
	}
	for _, id := range podsecurity.Checks() {
		if refusedBy[id] < 50 {
			t.Errorf("%s refused only %d times: too few to show anything", id, refusedBy[id])
		}
	}
	for _, level := range []podsecurity.Level{podsecurity.Privileged, podsecurity.Baseline, podsecurity.Restricted} {
		if reached[level] < pods {
			t.Errorf("%s was reached only %d times", level, reached[level])
		}
	}
	t.Logf("%d pods, %d verdicts: reached %v", pods, verdicts, reached)
}

// The fields are of the containers that the evaluator names, and of all of them. Where
// containers set what is refused, the evaluator does not name those that set nothing; we do.
func TestNamedFieldsAreTheEvaluatorsReasons(t *testing.T) {
	checks := map[podsecurity.CheckID]policy.Check{}
	for _, c := range policy.DefaultChecks() {
		checks[podsecurity.CheckID(c.ID)] = c
	}
	g := newGenerated(3)
	var ours podsecurity.Evaluator
	compared := 0
	for range 2000 {
		pod := g.pod()
		spec := podspec.From("pod/shop/web", "spec", pod.Labels, pod.Annotations, &pod.Spec)
		want := defaulted(pod)
		result := ours.Evaluate(&spec, podsecurity.Latest())
		for _, refusal := range result.Refusals() {
			versions := checks[refusal.Check].Versions
			detail := versions[len(versions)-1].CheckPod(&want.ObjectMeta, &want.Spec).ForbiddenDetail
			for _, f := range refusal.Fields {
				if f.Container >= 0 && f.Value != podsecurity.NotSet && !strings.Contains(detail, `"`+spec.Containers[f.Container].Name+`"`) {
					t.Fatalf("%s names %s of container %s, the evaluator says %s", refusal.Check, f.Path, spec.Containers[f.Container].Name, detail)
				}
				compared++
			}
			// Every container that the evaluator names has a field, unless baseline named it.
			for i := range spec.Containers {
				name := spec.Containers[i].Name
				if !strings.Contains(detail, `"`+name+`"`) {
					continue
				}
				found := false
				for _, other := range result.Refusals() {
					for _, f := range other.Fields {
						ofPod := f.Container < 0 && f.Value != podsecurity.NotSet // it inherits what is refused
						found = found || (f.Container == i || ofPod) && (other.Check == refusal.Check || other.Level == podsecurity.Baseline)
					}
				}
				if !found {
					t.Fatalf("%s: the evaluator names container %s (%s), no field does", refusal.Check, name, detail)
				}
			}
		}
	}
	if compared < 5000 {
		t.Errorf("only %d fields compared", compared)
	}
}
