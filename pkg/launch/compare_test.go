package launch

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

const digestOf = "@sha256:"

// probePod returns the pod that a run sends, embedded or with a pulled image.
func probePod(t *testing.T, image string) *corev1.Pod {
	t.Helper()
	return podOfLevel(t, image, fact.LevelFull)
}

// podOfLevel returns the pod of a level.
func podOfLevel(t *testing.T, image string, level fact.Level) *corev1.Pod {
	t.Helper()
	opts, err := Options{RunID: "run1", Image: image, Net: true, Kinds: []fact.Kind{fact.Processes, fact.NodeTLS}}.complete()
	if err != nil {
		t.Fatal(err)
	}
	p := podOf{level: level, node: "w1", arch: "amd64", image: image, owner: &metav1.OwnerReference{APIVersion: "batch/v1", Kind: "Job", Name: "checklist-run1", UID: "1"}}
	var configs []*corev1.ConfigMap
	if opts.embedded() {
		p.image = "registry.k8s.io/pause:3.10"
		if configs, err = opts.configMaps(programOf(p.level, p.arch), []byte("a probe"), p.owner); err != nil {
			t.Fatal(err)
		}
	}
	return opts.pod(p, configs)
}

// asReturned returns a pod as an API server returns it if nothing else changes it: with its
// defaults (pkg/apis/core/v1/defaults.go) and what admission plugins of every cluster add.
func asReturned(pod *corev1.Pod) *corev1.Pod {
	pod = pod.DeepCopy()
	pod.UID, pod.ResourceVersion, pod.Generation = "7", "8", 1
	pod.CreationTimestamp = metav1.Unix(1_700_000_000, 0)
	pod.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "kubectl-checklist", Operation: "Update"}}
	pod.Status = corev1.PodStatus{Phase: corev1.PodPending, QOSClass: corev1.PodQOSBurstable}
	pod.Spec.SchedulerName, pod.Spec.ServiceAccountName, pod.Spec.DeprecatedServiceAccount = "default-scheduler", "default", "default"
	pod.Spec.Priority, pod.Spec.PreemptionPolicy = new(int32(0)), new(corev1.PreemptLowerPriority)
	for i := range pod.Spec.Containers {
		c := &pod.Spec.Containers[i]
		c.TerminationMessagePath, c.TerminationMessagePolicy = "/dev/termination-log", "File"
		for j := range c.Env {
			if c.Env[j].ValueFrom != nil && c.Env[j].ValueFrom.FieldRef != nil {
				c.Env[j].ValueFrom.FieldRef.APIVersion = "v1"
			}
		}
	}
	return pod
}

func mustTree(t *testing.T, object any) tree {
	t.Helper()
	made, err := treeOf(object)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// differences compares and gives what was found as text.
func differences(t *testing.T, s *shape, sent, returned any) []string {
	t.Helper()
	var found []string
	for _, d := range compare(s, mustTree(t, sent), mustTree(t, returned)) {
		found = append(found, d.String())
	}
	return found
}

// Each case changes one field, as a webhook, a policy or an admission plugin may change the
// probe's pod.
func TestComparePod(t *testing.T) {
	type container = corev1.Container
	pulled := "registry.example/checklist-probe:v1" + digestOf + strings.Repeat("a", 64)
	first := func(edit func(*container)) func(*corev1.Pod) {
		return func(p *corev1.Pod) { edit(&p.Spec.Containers[0]) }
	}
	security := func(edit func(*corev1.SecurityContext)) func(*corev1.Pod) {
		return first(func(c *container) { edit(c.SecurityContext) })
	}
	podSecurity := func(edit func(*corev1.PodSecurityContext)) func(*corev1.Pod) {
		return func(p *corev1.Pod) { edit(p.Spec.SecurityContext) }
	}
	for name, tc := range map[string]struct {
		image string // default embedded
		edit  func(*corev1.Pod)
		want  []string
	}{
		"nothing but defaults": {edit: func(*corev1.Pod) {}},

		// May differ.
		"labels": {edit: func(p *corev1.Pod) { p.Labels["team"] = "a"; delete(p.Labels, LabelRun) }},
		"annotations": {edit: func(p *corev1.Pod) {
			p.Annotations["openshift.io/scc"] = "privileged"
			delete(p.Annotations, AnnotationNode)
		}},
		"tolerations":               {edit: func(p *corev1.Pod) { p.Spec.Tolerations = append(p.Spec.Tolerations, corev1.Toleration{Key: "x"}) }},
		"priority":                  {edit: func(p *corev1.Pod) { p.Spec.Priority, p.Spec.PriorityClassName = new(int32(9)), "high" }},
		"scheduler":                 {edit: func(p *corev1.Pod) { p.Spec.SchedulerName = "mine" }},
		"DNS":                       {edit: func(p *corev1.Pod) { p.Spec.DNSPolicy, p.Spec.DNSConfig = "ClusterFirst", &corev1.PodDNSConfig{} }},
		"service account":           {edit: func(p *corev1.Pod) { p.Spec.ServiceAccountName, p.Spec.DeprecatedServiceAccount = "other", "other" }},
		"pull secrets":              {edit: func(p *corev1.Pod) { p.Spec.ImagePullSecrets = []corev1.LocalObjectReference{{Name: "registry"}} }},
		"pull policy":               {edit: first(func(c *container) { c.ImagePullPolicy = corev1.PullAlways })},
		"node selector":             {edit: func(p *corev1.Pod) { p.Spec.NodeSelector = map[string]string{"zone": "a"} }},
		"affinity":                  {edit: func(p *corev1.Pod) { p.Spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{}} }},
		"requests":                  {edit: first(func(c *container) { c.Resources.Requests["cpu"] = resource.MustParse("1") })},
		"requests removed":          {edit: first(func(c *container) { c.Resources.Requests = nil })},
		"requests of disk":          {edit: first(func(c *container) { c.Resources.Requests["ephemeral-storage"] = resource.MustParse("1Gi") })},
		"limits raised":             {edit: first(func(c *container) { c.Resources.Limits["memory"] = resource.MustParse("1Gi") })},
		"limits removed":            {edit: first(func(c *container) { c.Resources.Limits = nil })},
		"limit on disk":             {edit: first(func(c *container) { c.Resources.Limits["ephemeral-storage"] = resource.MustParse("1Gi") })},
		"a limit written otherwise": {edit: first(func(c *container) { c.Resources.Limits["cpu"] = resource.MustParse("0.5") })},
		"fsGroup": {edit: podSecurity(func(s *corev1.PodSecurityContext) {
			s.FSGroup, s.FSGroupChangePolicy = new(int64(1000)), new(corev1.FSGroupChangeAlways)
		})},
		"supplemental groups": {edit: podSecurity(func(s *corev1.PodSecurityContext) {
			s.SupplementalGroups, s.SupplementalGroupsPolicy = []int64{1}, new(corev1.SupplementalGroupsPolicyMerge)
		})},
		"an SELinux level":       {edit: podSecurity(func(s *corev1.PodSecurityContext) { s.SELinuxOptions.Level = "s0:c1,c2" })},
		"a shorter deadline":     {edit: func(p *corev1.Pod) { p.Spec.ActiveDeadlineSeconds = new(int64(60)) }},
		"procMount's default":    {edit: security(func(s *corev1.SecurityContext) { s.ProcMount = new(corev1.DefaultProcMount) })},
		"being deleted":          {edit: func(p *corev1.Pod) { p.DeletionTimestamp = new(metav1.Unix(1, 0)) }},
		"the image, of embedded": {edit: first(func(c *container) { c.Image = "mirror.example/pause:1" })},
		"in-place resizing's default": {edit: first(func(c *container) {
			c.ResizePolicy = []corev1.ContainerResizePolicy{{ResourceName: "cpu", RestartPolicy: "NotRequired"}, {ResourceName: "memory", RestartPolicy: "NotRequired"}}
		})},

		// Images that are pulled.
		"a mirror, same digest": {image: pulled, edit: first(func(c *container) { c.Image = "mirror.example/x/y" + digestOf + strings.Repeat("a", 64) })},
		"another digest": {
			image: pulled, edit: first(func(c *container) {
				c.Image = "registry.example/checklist-probe:v1" + digestOf + strings.Repeat("b", 64)
			}),
			want: []string{`spec.containers[probe].image: sent "` + pulled + `", returned "registry.example/checklist-probe:v1@sha256:` + strings.Repeat("b", 64) + `"`},
		},
		"a lost digest": {
			image: pulled, edit: first(func(c *container) { c.Image = "registry.example/checklist-probe:v1" }),
			want: []string{`spec.containers[probe].image: sent "` + pulled + `", returned "registry.example/checklist-probe:v1"`},
		},
		"a tag elsewhere": {
			image: "registry.example/probe:1", edit: first(func(c *container) { c.Image = "mirror.example/probe:1" }),
			want: []string{`spec.containers[probe].image: sent "registry.example/probe:1", returned "mirror.example/probe:1"`},
		},
		"another tag": {
			image: "registry.example/probe:1", edit: first(func(c *container) { c.Image = "registry.example/probe:2" }),
			want: []string{`spec.containers[probe].image: sent "registry.example/probe:1", returned "registry.example/probe:2"`},
		},
		"a tag that somebody resolved": {
			image: "registry.example/probe:1", edit: first(func(c *container) { c.Image += digestOf + strings.Repeat("a", 64) }),
			want: []string{`spec.containers[probe].image: sent "registry.example/probe:1", returned "registry.example/probe:1@sha256:` + strings.Repeat("a", 64) + `"`},
		},
		"a name written in full": {image: "probe", edit: first(func(c *container) { c.Image = "docker.io/library/probe:latest" })},
		"an invalid name": {
			image: "probe:1", edit: first(func(c *container) { c.Image = "NOT\nan image" }),
			want: []string{`spec.containers[probe].image: sent "probe:1", returned "NOT\nan image"`},
		},

		// These must be equal: where the pod runs, and with which other containers.
		"node name": {
			edit: func(p *corev1.Pod) { p.Spec.NodeName = "w2" }, want: []string{`spec.nodeName: sent "w1", returned "w2"`},
		},
		"no node name":  {edit: func(p *corev1.Pod) { p.Spec.NodeName = "" }, want: []string{`spec.nodeName: sent "w1", returned nothing`}},
		"hostPID":       {edit: func(p *corev1.Pod) { p.Spec.HostPID = false }, want: []string{`spec.hostPID: sent true, returned nothing`}},
		"hostNetwork":   {edit: func(p *corev1.Pod) { p.Spec.HostNetwork = true }, want: []string{`spec.hostNetwork: sent nothing, returned true`}},
		"hostIPC":       {edit: func(p *corev1.Pod) { p.Spec.HostIPC = true }, want: []string{`spec.hostIPC: sent nothing, returned true`}},
		"hostUsers":     {edit: func(p *corev1.Pod) { p.Spec.HostUsers = new(false) }, want: []string{`spec.hostUsers: sent nothing, returned false`}},
		"runtime class": {edit: func(p *corev1.Pod) { p.Spec.RuntimeClassName = new("kata") }, want: []string{`spec.runtimeClassName: sent nothing, returned "kata"`}},
		"shared process namespace": {
			edit: func(p *corev1.Pod) { p.Spec.ShareProcessNamespace = new(true) }, want: []string{`spec.shareProcessNamespace: sent nothing, returned true`},
		},
		"OS": {edit: func(p *corev1.Pod) { p.Spec.OS.Name = "windows" }, want: []string{`spec.os.name: sent "linux", returned "windows"`}},
		"a device claim": {
			edit: func(p *corev1.Pod) { p.Spec.ResourceClaims = []corev1.PodResourceClaim{{Name: "gpu"}} },
			want: []string{`spec.resourceClaims[0]: sent nothing, returned one named "gpu"`},
		},

		// Other code.
		"a sidecar, first": {
			edit: func(p *corev1.Pod) {
				p.Spec.Containers = append([]container{{Name: "istio-proxy", Image: "x"}}, p.Spec.Containers...)
			},
			want: []string{`spec.containers[istio-proxy]: sent nothing, returned one named "istio-proxy"`},
		},
		"an init container": {
			edit: func(p *corev1.Pod) { p.Spec.InitContainers = []container{{Name: "init", Image: "x"}} },
			want: []string{`spec.initContainers[init]: sent nothing, returned one named "init"`},
		},
		"an ephemeral container": {
			edit: func(p *corev1.Pod) {
				p.Spec.EphemeralContainers = []corev1.EphemeralContainer{{EphemeralContainerCommon: corev1.EphemeralContainerCommon{Name: "debugger"}}}
			},
			want: []string{`spec.ephemeralContainers[debugger]: sent nothing, returned one named "debugger"`},
		},
		"another container in place of ours": {
			edit: first(func(c *container) { c.Name = "theirs" }),
			want: []string{`spec.containers[probe]: sent one named "probe", returned nothing`, `spec.containers[theirs]: sent nothing, returned one named "theirs"`},
		},
		"ours twice": {
			edit: func(p *corev1.Pod) { p.Spec.Containers = append(p.Spec.Containers, p.Spec.Containers[0]) },
			want: []string{`spec.containers[probe]: sent nothing, returned one named "probe"`},
		},
		"command": {
			edit: first(func(c *container) { c.Command = []string{"/vault/env", "/checklist/loader"} }),
			want: []string{
				`spec.containers[probe].command[0]: sent "/checklist/loader", returned "/vault/env"`,
				`spec.containers[probe].command[1]: sent a value (not shown), returned a value (not shown)`,
			},
		},
		"args": {
			edit: first(func(c *container) { c.Args[0] = "--token=hunter2" }),
			want: []string{`spec.containers[probe].args[0]: sent a value (not shown), returned a value (not shown)`},
		},
		"env": {
			edit: first(func(c *container) { c.Env = append(c.Env, corev1.EnvVar{Name: "LD_PRELOAD", Value: "hunter2"}) }),
			want: []string{`spec.containers[probe].env[1]: sent nothing, returned one named "LD_PRELOAD"`},
		},
		"value of env": {
			edit: first(func(c *container) { c.Env[0].ValueFrom, c.Env[0].Value = nil, "hunter2" }),
			want: []string{
				`spec.containers[probe].env[0].value: sent nothing, returned a value (not shown)`,
				`spec.containers[probe].env[0].valueFrom.fieldRef.fieldPath: sent a value (not shown), returned nothing`,
			},
		},
		"envFrom": {
			edit: first(func(c *container) { c.EnvFrom = []corev1.EnvFromSource{{Prefix: "x"}} }),
			want: []string{`spec.containers[probe].envFrom[0]: sent nothing, returned a value (not shown)`},
		},
		"service links": {edit: func(p *corev1.Pod) { p.Spec.EnableServiceLinks = new(true) }, want: []string{`spec.enableServiceLinks: sent false, returned true`}},
		"working directory": {
			edit: first(func(c *container) { c.WorkingDir = "/tmp" }), want: []string{`spec.containers[probe].workingDir: sent "/", returned "/tmp"`},
		},
		"a hook": {
			edit: first(func(c *container) {
				c.Lifecycle = &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: []string{"x"}}}}
			}),
			want: []string{`spec.containers[probe].lifecycle: sent nothing, returned {"preStop":{"exec":{"command":["x"]}}}`},
		},
		"a probe of the kubelet": {
			edit: first(func(c *container) { c.LivenessProbe = &corev1.Probe{PeriodSeconds: 1} }),
			want: []string{`spec.containers[probe].livenessProbe: sent nothing, returned {"periodSeconds":1}`},
		},
		"stdin": {edit: first(func(c *container) { c.Stdin = true }), want: []string{`spec.containers[probe].stdin: sent nothing, returned true`}},
		"a terminal": {
			edit: first(func(c *container) { c.TTY = true }), want: []string{`spec.containers[probe].tty: sent nothing, returned true`},
		},
		"a port": {
			edit: first(func(c *container) { c.Ports = []corev1.ContainerPort{{ContainerPort: 80}} }),
			want: []string{`spec.containers[probe].ports[0]: sent nothing, returned {"containerPort":80}`},
		},
		"restart policy": {edit: func(p *corev1.Pod) { p.Spec.RestartPolicy = "Always" }, want: []string{`spec.restartPolicy: sent "Never", returned "Always"`}},
		"termination message elsewhere": {
			edit: first(func(c *container) { c.TerminationMessagePath = "/x" }),
			want: []string{`spec.containers[probe].terminationMessagePath: sent nothing, returned "/x"`},
		},
		"termination message from the log": {
			edit: first(func(c *container) { c.TerminationMessagePolicy = "FallbackToLogsOnError" }),
			want: []string{`spec.containers[probe].terminationMessagePolicy: sent nothing, returned "FallbackToLogsOnError"`},
		},

		// Volumes.
		"a volume": {
			edit: func(p *corev1.Pod) {
				p.Spec.Volumes = append(p.Spec.Volumes, corev1.Volume{Name: "token", VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{}}})
			},
			want: []string{`spec.volumes[token]: sent nothing, returned one named "token"`},
		},
		"another ConfigMap": {
			edit: func(p *corev1.Pod) { p.Spec.Volumes[0].Projected.Sources[0].ConfigMap.Name = "theirs" },
			want: []string{`spec.volumes[checklist].projected.sources[0].configMap.name: sent "checklist-run1-amd64-loader", returned "theirs"`},
		},
		"a token among the sources": {
			edit: func(p *corev1.Pod) {
				s := &p.Spec.Volumes[0].Projected.Sources
				*s = append(*s, corev1.VolumeProjection{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{Path: "token"}})
			},
			want: []string{`spec.volumes[checklist].projected.sources[2]: sent nothing, returned {"serviceAccountToken":{"path":"token"}}`},
		},
		"mode of the files": {
			edit: func(p *corev1.Pod) { p.Spec.Volumes[0].Projected.DefaultMode = new(int32(0o777)) },
			want: []string{`spec.volumes[checklist].projected.defaultMode: sent 365, returned 511`},
		},
		"another kind of volume": {
			edit: func(p *corev1.Pod) {
				p.Spec.Volumes[1].VolumeSource = corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/"}}
			},
			want: []string{
				`spec.volumes[work].emptyDir: sent {"sizeLimit":"2Mi"}, returned nothing`,
				`spec.volumes[work].hostPath: sent nothing, returned {"path":"/"}`,
			},
		},
		"size of the work volume": {
			edit: func(p *corev1.Pod) { p.Spec.Volumes[1].EmptyDir.SizeLimit = resource.NewQuantity(1, "") },
			want: []string{`spec.volumes[work].emptyDir.sizeLimit: sent "2Mi", returned "1"`},
		},
		"size of the work volume, written otherwise": {
			edit: func(p *corev1.Pod) { p.Spec.Volumes[1].EmptyDir.SizeLimit = new(resource.MustParse("2097152")) },
		},
		"a mount": {
			edit: first(func(c *container) {
				c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: "work", MountPath: "/x"})
			}),
			want: []string{`spec.containers[probe].volumeMounts[2]: sent nothing, returned one named "work"`},
		},
		"a mount that is writable": {
			edit: first(func(c *container) { c.VolumeMounts[0].ReadOnly = false }),
			want: []string{`spec.containers[probe].volumeMounts[0].readOnly: sent true, returned nothing`},
		},
		"a device": {
			edit: first(func(c *container) { c.VolumeDevices = []corev1.VolumeDevice{{Name: "work", DevicePath: "/dev/x"}} }),
			want: []string{`spec.containers[probe].volumeDevices[0]: sent nothing, returned one named "work"`},
		},
		"the token": {
			edit: func(p *corev1.Pod) { p.Spec.AutomountServiceAccountToken = nil },
			want: []string{`spec.automountServiceAccountToken: sent false, returned nothing`},
		},

		// Rights.
		"privileged": {
			edit: security(func(s *corev1.SecurityContext) { s.Privileged = new(true) }), want: []string{`spec.containers[probe].securityContext.privileged: sent false, returned true`},
		},
		"escalation": {
			edit: security(func(s *corev1.SecurityContext) { s.AllowPrivilegeEscalation = nil }),
			want: []string{`spec.containers[probe].securityContext.allowPrivilegeEscalation: sent false, returned nothing`},
		},
		"a writable root": {
			edit: security(func(s *corev1.SecurityContext) { s.ReadOnlyRootFilesystem = new(false) }),
			want: []string{`spec.containers[probe].securityContext.readOnlyRootFilesystem: sent true, returned false`},
		},
		"another user": {
			edit: security(func(s *corev1.SecurityContext) { s.RunAsUser = new(int64(1000)) }), want: []string{`spec.containers[probe].securityContext.runAsUser: sent 0, returned 1000`},
		},
		"a capability more": {
			edit: security(func(s *corev1.SecurityContext) { s.Capabilities.Add = append(s.Capabilities.Add, "SYS_ADMIN") }),
			want: []string{`spec.containers[probe].securityContext.capabilities.add[2]: sent nothing, returned "SYS_ADMIN"`},
		},
		"a capability less": {
			edit: security(func(s *corev1.SecurityContext) { s.Capabilities.Add = s.Capabilities.Add[:1] }),
			want: []string{`spec.containers[probe].securityContext.capabilities.add[1]: sent "SYS_PTRACE", returned nothing`},
		},
		"no capabilities dropped": {
			edit: security(func(s *corev1.SecurityContext) { s.Capabilities.Drop = nil }),
			want: []string{`spec.containers[probe].securityContext.capabilities.drop[0]: sent "ALL", returned nothing`},
		},
		"procMount": {
			edit: security(func(s *corev1.SecurityContext) { s.ProcMount = new(corev1.UnmaskedProcMount) }),
			want: []string{`spec.containers[probe].securityContext.procMount: sent nothing, returned "Unmasked"`},
		},
		"AppArmor": {
			edit: security(func(s *corev1.SecurityContext) { s.AppArmorProfile.Type = "RuntimeDefault" }),
			want: []string{`spec.containers[probe].securityContext.appArmorProfile.type: sent "Unconfined", returned "RuntimeDefault"`},
		},
		"SELinux of the container": {
			edit: security(func(s *corev1.SecurityContext) { s.SELinuxOptions = &corev1.SELinuxOptions{Level: "s0"} }),
			want: []string{`spec.containers[probe].securityContext.seLinuxOptions: sent nothing, returned {"level":"s0"}`},
		},
		"no security context": {
			edit: first(func(c *container) { c.SecurityContext = nil }),
			want: []string{
				`spec.containers[probe].securityContext.allowPrivilegeEscalation: sent false, returned nothing`,
				`spec.containers[probe].securityContext.appArmorProfile: sent {"type":"Unconfined"}, returned nothing`,
				`spec.containers[probe].securityContext.capabilities: sent {"add":["DAC_READ_SEARCH","SYS_PTRACE"],"drop":["ALL"]}, returned nothing`,
				`spec.containers[probe].securityContext.privileged: sent false, returned nothing`,
				`spec.containers[probe].securityContext.readOnlyRootFilesystem: sent true, returned nothing`,
				`spec.containers[probe].securityContext.runAsGroup: sent 0, returned nothing`,
				`spec.containers[probe].securityContext.runAsNonRoot: sent false, returned nothing`,
				`spec.containers[probe].securityContext.runAsUser: sent 0, returned nothing`,
			},
		},
		"seccomp": {
			edit: podSecurity(func(s *corev1.PodSecurityContext) { s.SeccompProfile.Type = "Unconfined" }),
			want: []string{`spec.securityContext.seccompProfile.type: sent "RuntimeDefault", returned "Unconfined"`},
		},
		"SELinux type": {
			edit: podSecurity(func(s *corev1.PodSecurityContext) { s.SELinuxOptions.Type = "container_t" }),
			want: []string{`spec.securityContext.seLinuxOptions.type: sent "spc_t", returned "container_t"`},
		},
		"a sysctl": {
			edit: podSecurity(func(s *corev1.PodSecurityContext) { s.Sysctls = []corev1.Sysctl{{Name: "kernel.msgmax"}} }),
			want: []string{`spec.securityContext.sysctls[0]: sent nothing, returned one named "kernel.msgmax"`},
		},

		// Limits and ends.
		"a lower limit": {
			edit: first(func(c *container) { c.Resources.Limits["memory"] = resource.MustParse("16Mi") }),
			want: []string{`spec.containers[probe].resources.limits[memory]: sent "160Mi", returned "16Mi"`},
		},
		"a device by its limit": {
			edit: first(func(c *container) { c.Resources.Limits["example.com/gpu"] = resource.MustParse("1") }),
			want: []string{`spec.containers[probe].resources.limits[example.com/gpu]: sent nothing, returned "1"`},
		},
		"a device by its request": {
			edit: first(func(c *container) { c.Resources.Requests["example.com/gpu"] = resource.MustParse("1") }),
			want: []string{`spec.containers[probe].resources.requests[example.com/gpu]: sent nothing, returned "1"`},
		},
		"limits of the pod": {
			edit: func(p *corev1.Pod) {
				p.Spec.Resources = &corev1.ResourceRequirements{Limits: corev1.ResourceList{"memory": resource.MustParse("1Mi")}}
			},
			want: []string{`spec.resources: sent nothing, returned {"limits":{"memory":"1Mi"}}`},
		},
		"a longer deadline": {
			edit: func(p *corev1.Pod) { p.Spec.ActiveDeadlineSeconds = new(int64(9999)) }, want: []string{`spec.activeDeadlineSeconds: sent 120, returned 9999`},
		},
		"no deadline": {
			edit: func(p *corev1.Pod) { p.Spec.ActiveDeadlineSeconds = nil }, want: []string{`spec.activeDeadlineSeconds: sent 120, returned nothing`},
		},
		"a grace period": {
			edit: func(p *corev1.Pod) { p.Spec.TerminationGracePeriodSeconds = new(int64(30)) }, want: []string{`spec.terminationGracePeriodSeconds: sent 0, returned 30`},
		},
		"a finalizer": {
			edit: func(p *corev1.Pod) { p.Finalizers = []string{"x/y"} }, want: []string{`metadata.finalizers[0]: sent nothing, returned "x/y"`},
		},
		"no owner": {
			edit: func(p *corev1.Pod) { p.OwnerReferences = nil }, want: []string{`metadata.ownerReferences[0]: sent one named "checklist-run1", returned nothing`},
		},
		"another owner": {
			edit: func(p *corev1.Pod) { p.OwnerReferences[0].UID = "2" }, want: []string{`metadata.ownerReferences[0].uid: sent "1", returned "2"`},
		},
		"an annotation that CDI obeys": {
			edit: func(p *corev1.Pod) { p.Annotations["cdi.k8s.io/x"] = "vendor.com/device=all" },
			want: []string{`metadata.annotations[cdi.k8s.io/x]: sent nothing, returned "vendor.com/device=all"`},
		},
		"an annotation that makes a mirror pod": {
			edit: func(p *corev1.Pod) { p.Annotations["kubernetes.io/config.mirror"] = "x" },
			want: []string{`metadata.annotations[kubernetes.io/config.mirror]: sent nothing, returned "x"`},
		},
		"a host name": {edit: func(p *corev1.Pod) { p.Spec.Hostname = "x" }, want: []string{`spec.hostname: sent nothing, returned "x"`}},
	} {
		t.Run(name, func(t *testing.T) {
			image := tc.image
			if image == "" {
				image = ImageEmbedded
			}
			sent := probePod(t, image)
			returned := asReturned(sent)
			tc.edit(returned)
			found := differences(t, podShape(tc.image == ""), sent, returned)
			if diff := cmp.Diff(tc.want, found); diff != "" {
				t.Errorf("differences (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLimit(t *testing.T) {
	for name, tc := range map[string]struct {
		key            string
		sent, returned any
		want           bool
	}{
		"equal":                 {"cpu", "500m", "0.5", true},
		"raised":                {"memory", "160Mi", "1Gi", true},
		"removed":               {"memory", "160Mi", nil, true},
		"lowered":               {"memory", "160Mi", "64M", false},
		"one on disk added":     {"ephemeral-storage", nil, "1Gi", true},
		"one on memory added":   {"memory", nil, "1Gi", false},
		"a device":              {"example.com/gpu", nil, "1", false},
		"a device removed":      {"example.com/gpu", "1", nil, false},
		"huge pages":            {"hugepages-2Mi", nil, "4Mi", false},
		"not a quantity":        {"memory", "160Mi", "lots", false},
		"not a text":            {"memory", "160Mi", tree{}, false},
		"a number for quantity": {"cpu", "500m", json.Number("1"), true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := limit(tc.key, tc.sent, tc.returned); got != tc.want {
				t.Errorf("%t, expected %t", got, tc.want)
			}
		})
	}
}

// mayDiffer lists, separately from the code, in which fields a returned pod may differ.
var mayDiffer = []string{
	`status(\..*)?`,
	`metadata\.(labels|annotations)(\.\*)?`,
	`metadata\.(managedFields|deletionTimestamp|deletionGracePeriodSeconds)(\W.*)?`,
	`spec\.(tolerations|affinity|topologySpreadConstraints|imagePullSecrets|dnsConfig)(\W.*)?`,
	`spec\.(priority|priorityClassName|preemptionPolicy|schedulerName|dnsPolicy|serviceAccountName|serviceAccount)`,
	`spec\.nodeSelector(\.\*)?`,
	`spec\.containers\[\]\.imagePullPolicy`,
}

// Every field of a pod is changed alone, also fields that this program does not use. It is
// on the list above, or the pod is refused.
func TestEveryFieldOfAPodIsComparedOrMayDiffer(t *testing.T) {
	t.Parallel()
	var full corev1.Pod
	fill(reflect.ValueOf(&full).Elem())
	full.Spec.Containers[0].Image = "registry.example/probe:1" + digestOf + strings.Repeat("a", 64)
	if found := differences(t, podShape(false), full, full.DeepCopy()); len(found) > 0 {
		t.Fatalf("a pod differs from itself: %s", found)
	}
	listed := regexp.MustCompile(`\A(` + strings.Join(mayDiffer, "|") + `)\z`)
	sent, returned := mustTree(t, full), mustTree(t, full)
	mutations := 0
	mutate(returned, "", func(pattern, change string) {
		mutations++
		found := compare(podShape(false), sent, returned)
		if want := listed.MatchString(pattern); (len(found) == 0) != want {
			t.Errorf("%s, %s: accepted %t, expected %t: %v", pattern, change, !want, want, found)
		}
	})
	t.Logf("%d changes", mutations)
	if mutations < 1500 {
		t.Errorf("%d changes, expected every field of a pod", mutations)
	}
}

// fill sets every field to a value. A list gets one element, a map one key.
func fill(v reflect.Value) {
	switch x := v.Addr().Interface().(type) {
	case *resource.Quantity:
		*x = resource.MustParse("7")
		return
	case *metav1.Time:
		*x = metav1.Unix(1_700_000_000, 0)
		return
	case *metav1.MicroTime:
		*x = metav1.NewMicroTime(time.Unix(1_700_000_000, 0))
		return
	case *intstr.IntOrString:
		*x = intstr.FromInt32(7)
		return
	case *metav1.FieldsV1:
		x.SetRawBytes([]byte(`{"f:spec":{}}`))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fill(v.Field(i))
			}
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key)
		fill(value)
		v.SetMapIndex(key, value)
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(7)
	case reflect.Uint8, reflect.Uint32, reflect.Uint64:
		v.SetUint(7)
	default:
		panic(fmt.Sprintf("no value for %s", v.Type()))
	}
}

// mutate changes one value below v at a time, calls see, and changes it back.
// The key of every map that is not a struct is "x": see fill.
func mutate(v any, pattern string, see func(pattern, change string)) {
	switch v := v.(type) {
	case tree:
		for key, old := range v {
			inner := strings.TrimPrefix(pattern+"."+key, ".")
			if key == "x" {
				inner = pattern + ".*"
				v["other"] = old
				see(inner, "one more")
				delete(v, "other")
			}
			delete(v, key)
			see(inner, "absent")
			switch was := old.(type) {
			case string:
				v[key] = "9" // also another quantity and time
			case json.Number:
				v[key] = json.Number("9")
			case bool:
				v[key] = !was
			case []any:
				v[key] = append(slices.Clone(was), was[0])
			}
			if v[key] != nil {
				see(inner, "another")
			}
			v[key] = old
			mutate(old, inner, see)
		}
	case []any:
		old := v[0]
		switch old.(type) {
		case string:
			v[0] = "9"
			see(pattern+"[]", "another")
		case json.Number:
			v[0] = json.Number("9")
			see(pattern+"[]", "another")
		}
		v[0] = old
		mutate(old, pattern+"[]", see)
	}
}

// A field of a later server: not in any type that this version has.
func TestUnknownFields(t *testing.T) {
	edit := func(path []string, value any) func(tree) {
		return func(at tree) {
			for _, key := range path[:len(path)-1] {
				if list, ok := at[key].([]any); ok {
					at = list[0].(tree)
				} else {
					at = at[key].(tree)
				}
			}
			at[path[len(path)-1]] = value
		}
	}
	for name, tc := range map[string]struct {
		edit  func(tree)
		known learned
		want  string
	}{
		"of the pod":           {edit: edit([]string{"spec", "wasm"}, true), want: `spec.wasm: sent nothing, returned true`},
		"of the container":     {edit: edit([]string{"spec", "containers", "module"}, "x"), want: `spec.containers[probe].module: sent nothing, returned "x"`},
		"beside spec":          {edit: edit([]string{"program"}, tree{"run": "x"}), want: `program: sent nothing, returned {"run":"x"}`},
		"of metadata":          {edit: edit([]string{"metadata", "shard"}, "x")},
		"of status":            {edit: edit([]string{"status", "shard"}, "x")},
		"null":                 {edit: edit([]string{"spec", "wasm"}, nil)},
		"the server's own":     {edit: edit([]string{"spec", "wasm"}, true), known: learned{"spec.wasm": "true"}},
		"with another value":   {edit: edit([]string{"spec", "wasm"}, false), known: learned{"spec.wasm": "true"}, want: `spec.wasm: sent nothing, returned false`},
		"a known one, learned": {edit: edit([]string{"spec", "hostNetwork"}, true), known: learned{"spec.hostNetwork": "true"}, want: `spec.hostNetwork: sent nothing, returned true`},
	} {
		t.Run(name, func(t *testing.T) {
			sent := probePod(t, ImageEmbedded)
			returned := mustTree(t, asReturned(sent))
			tc.edit(returned)
			found := tc.known.without(compare(podShape(true), mustTree(t, sent), returned))
			text := ""
			for _, d := range found {
				text += d.String()
				if !d.unknown && !strings.Contains(d.path, "hostNetwork") || !d.brings() && d.unknown {
					t.Errorf("%+v: expected an unknown field that may bring code", d)
				}
			}
			if text != tc.want {
				t.Errorf("differences %q, expected %q", text, tc.want)
			}
		})
	}
}

func TestCompareJobAndConfigMap(t *testing.T) {
	opts, err := Options{RunID: "run1"}.complete()
	if err != nil {
		t.Fatal(err)
	}
	job := func(edit func(*batchv1.Job)) func(*testing.T) []string {
		return func(t *testing.T) []string {
			sent := opts.job("pause", time.Minute)
			returned := sent.DeepCopy()
			returned.UID, returned.Generation = "1", 1
			returned.Spec.Parallelism, returned.Spec.Suspend, returned.Spec.ManualSelector = new(int32(1)), new(false), new(false)
			returned.Spec.CompletionMode, returned.Spec.PodReplacementPolicy = new(batchv1.NonIndexedCompletion), new(batchv1.TerminatingOrFailed)
			returned.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"batch.kubernetes.io/controller-uid": "1"}}
			returned.Spec.Template.Labels["batch.kubernetes.io/controller-uid"] = "1"
			returned.Spec.Template.Spec.SchedulerName = "default-scheduler"
			edit(returned)
			return differences(t, jobShape(), sent, returned)
		}
	}
	config := func(edit func(*corev1.ConfigMap)) func(*testing.T) []string {
		return func(t *testing.T) []string {
			maps, err := opts.configMaps(program{arch: "amd64"}, []byte("a probe"), &metav1.OwnerReference{Name: "checklist-run1", UID: "1"})
			if err != nil {
				t.Fatal(err)
			}
			returned := maps[1].DeepCopy()
			returned.UID = "2"
			edit(returned)
			return differences(t, configMapShape(), maps[1], returned)
		}
	}
	for name, tc := range map[string]struct {
		found func(*testing.T) []string
		want  []string
	}{
		"a job as it is":     {found: job(func(*batchv1.Job) {})},
		"a job's template":   {found: job(func(j *batchv1.Job) { j.Spec.Template.Spec.Containers[0].Image = "x" })},
		"a job's labels":     {found: job(func(j *batchv1.Job) { j.Labels["x"] = "y" })},
		"a job that runs":    {found: job(func(j *batchv1.Job) { j.Spec.Completions = new(int32(1)) }), want: []string{"spec.completions: sent 0, returned 1"}},
		"a suspended job":    {found: job(func(j *batchv1.Job) { j.Spec.Suspend = new(true) }), want: []string{"spec.suspend: sent nothing, returned true"}},
		"a job of another":   {found: job(func(j *batchv1.Job) { j.Spec.ManagedBy = new("x/y") }), want: []string{`spec.managedBy: sent nothing, returned "x/y"`}},
		"a job that stays":   {found: job(func(j *batchv1.Job) { j.Spec.TTLSecondsAfterFinished = nil }), want: []string{"spec.ttlSecondsAfterFinished: sent 60, returned nothing"}},
		"a job with pods":    {found: job(func(j *batchv1.Job) { j.Spec.ManualSelector = new(true) }), want: []string{"spec.manualSelector: sent nothing, returned true"}},
		"a job's finalizer":  {found: job(func(j *batchv1.Job) { j.Finalizers = []string{"x/y"} }), want: []string{`metadata.finalizers[0]: sent nothing, returned "x/y"`}},
		"a map as it is":     {found: config(func(*corev1.ConfigMap) {})},
		"a map's annotation": {found: config(func(m *corev1.ConfigMap) { m.Annotations = map[string]string{"a": "b"} })},
		"a map's bytes": {
			found: config(func(m *corev1.ConfigMap) { m.BinaryData["part.00"] = []byte("another") }),
			want:  []string{"binaryData[part.00]: sent a value (not shown), returned a value (not shown)"},
		},
		"a map's new key": {
			found: config(func(m *corev1.ConfigMap) { m.Data = map[string]string{"loader": "x"} }),
			want:  []string{"data[loader]: sent nothing, returned a value (not shown)"},
		},
		"a map that can be changed": {
			found: config(func(m *corev1.ConfigMap) { m.Immutable = nil }), want: []string{"immutable: sent true, returned nothing"},
		},
		"a map of another owner": {
			found: config(func(m *corev1.ConfigMap) { m.OwnerReferences = nil }), want: []string{`metadata.ownerReferences[0]: sent one named "checklist-run1", returned nothing`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, tc.found(t)); diff != "" {
				t.Errorf("differences (-want +got):\n%s", diff)
			}
		})
	}
}

// Which failure a difference becomes: what it can bring, and what to do.
func TestChangeHints(t *testing.T) {
	opts := Options{Namespace: "ns"}
	const exempt = "exempt namespace ns from that webhook or policy, use --probe-namespace with an exempt one, or --no-probe"
	sidecar := func(name string) difference {
		return difference{path: "spec.initContainers[" + name + "]", pattern: "spec.initContainers[]", sent: "nothing", returned: "one"}
	}
	image := difference{path: "spec.containers[probe].image", pattern: "spec.containers[].image"}
	limits := difference{path: "spec.containers[probe].resources.limits[cpu]", pattern: "spec.containers[].resources.limits.*"}
	for name, tc := range map[string]struct {
		found []difference
		hint  string
		then  string
	}{
		"istio": {
			[]difference{limits, sidecar("istio-init")},
			"istio adds its sidecar to pods in namespace ns: label it istio-injection=disabled; or use --probe-namespace with a namespace without it",
			`code that is not the probe's may have run on node "w1"`,
		},
		"linkerd": {
			[]difference{sidecar("linkerd-proxy")},
			"linkerd adds its sidecar to pods in namespace ns: annotate it linkerd.io/inject=disabled; or use --probe-namespace with a namespace without it",
			`code that is not the probe's may have run on node "w1"`,
		},
		"another sidecar": {[]difference{sidecar("agent")}, `container "agent" is a sidecar: ` + exempt, `code that is not the probe's may have run on node "w1"`},
		"an image": {
			[]difference{image},
			"use --probe-image with a digest (REPOSITORY@sha256:...), which is the same image in every registry; or " + exempt,
			`code that is not the probe's may have run on node "w1"`,
		},
		"limits":         {[]difference{limits}, exempt, `the probe may have run with that change on node "w1"`},
		"a later server": {[]difference{{path: "spec.x", unknown: true}}, "a newer version of this plugin may know the field; or " + exempt, `code that is not the probe's may have run on node "w1"`},
	} {
		t.Run(name, func(t *testing.T) {
			f := opts.changed("creating", tc.found)
			if f.Hint != tc.hint || f.Reason != fact.AdmissionDenied {
				t.Errorf("%s, hint %q, expected %q", f.Reason, f.Hint, tc.hint)
			}
			if then := consequence(tc.found, "w1"); then != tc.then {
				t.Errorf("then %q, expected %q", then, tc.then)
			}
		})
	}
}

// What a server or webhook returns is not trusted: any JSON is compared, without
// panic, and reported in bounded lines.
func FuzzCompare(f *testing.F) {
	for _, text := range []string{`{}`, `{"spec":[]}`, `{"spec":{"containers":{"a":1}}}`, `{"spec":{"containers":[null,{"name":1},{"name":"probe","image":[]}]}}`, `{"metadata":{"labels":[1]}}`} {
		f.Add([]byte(text))
	}
	opts, err := Options{RunID: "run1"}.complete()
	if err != nil {
		f.Fatal(err)
	}
	pod := opts.pod(podOf{node: "w1", image: "pause"}, nil)
	sent, err := treeOf(pod)
	if err != nil {
		f.Fatal(err)
	}
	seed, err := json.Marshal(asReturned(pod))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Fuzz(func(t *testing.T, data []byte) {
		returned, err := parseTree(data)
		if err != nil {
			return
		}
		found := compare(podShape(false), sent, returned)
		for _, d := range found {
			if text := d.String(); len(text) > maxText+2*maxShown+100 || strings.ContainsAny(text, "\n\r\x1b\x00") {
				t.Errorf("%q", text)
			}
		}
		if len(opts.changed("x", found).Detail) > 4*(maxText+2*maxShown+100) {
			t.Error("a detail without bounds")
		}
		spec := asTree(returned["spec"])
		if len(found) == 0 && (spec["nodeName"] != "w1" || spec["hostPID"] != true) {
			t.Errorf("accepted: %s", data)
		}
		// Whatever comes back equals itself.
		if found := compare(podShape(false), returned, returned); len(found) > 0 && !slices.ContainsFunc(found, func(d difference) bool { return strings.Contains(d.path, "[") }) {
			t.Errorf("differs from itself: %v", found)
		}
	})
}
