package cluster

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/podspec"
)

// app is the first container.
func app(edit func(*corev1.Container)) func(*corev1.Pod) {
	return func(p *corev1.Pod) { edit(&p.Spec.Containers[0]) }
}

// asAdmitted writes what the API server, the scheduler and the kubelet add to every pod.
func asAdmitted(p *corev1.Pod) {
	p.Spec.NodeName, p.Spec.ServiceAccountName, p.Spec.DeprecatedServiceAccount = "n1", "default", "default"
	p.Spec.RestartPolicy = corev1.RestartPolicyAlways
	p.Spec.Volumes = append(p.Spec.Volumes, corev1.Volume{Name: "kube-api-access-x7k2p", VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{}}})
	for i := range p.Spec.Containers {
		c := &p.Spec.Containers[i]
		c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: "kube-api-access-x7k2p", MountPath: addedTokenPath, ReadOnly: true})
	}
	seconds := int64(300)
	for _, key := range []string{"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"} {
		p.Spec.Tolerations = append(p.Spec.Tolerations, corev1.Toleration{Key: key, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute, TolerationSeconds: &seconds})
	}
	p.Spec.ImagePullSecrets = append(p.Spec.ImagePullSecrets, corev1.LocalObjectReference{Name: "of-the-account"})
	label("pod-template-hash", "abc")(p)
}

const addedTokenPath = "/var/run/secrets/kubernetes.io/serviceaccount"

func TestDiffers(t *testing.T) {
	const apparmor = "container.apparmor.security.beta.kubernetes.io/app"
	annotate := func(key, value string) func(*corev1.Pod) {
		return func(p *corev1.Pod) { p.Annotations = map[string]string{key: value} }
	}
	hostPath := func(path string) func(*corev1.Pod) {
		return func(p *corev1.Pod) {
			p.Spec.Volumes = append(p.Spec.Volumes, corev1.Volume{Name: "v", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: path}}})
		}
	}
	mount := func(m corev1.VolumeMount) func(*corev1.Pod) {
		return app(func(c *corev1.Container) { c.VolumeMounts = append(c.VolumeMounts, m) })
	}
	user := func(uid int64) func(*corev1.Pod) {
		return func(p *corev1.Pod) { p.Spec.SecurityContext = &corev1.PodSecurityContext{RunAsUser: &uid} }
	}
	for name, tc := range map[string]struct {
		template, pod []func(*corev1.Pod)
		want          []string
		uncovered     bool
	}{
		"what is added to every pod is no difference": {},
		"AppArmor's annotation is copied to the field": {
			template: []func(*corev1.Pod){annotate(apparmor, "runtime/default")},
			pod: []func(*corev1.Pod){annotate(apparmor, "runtime/default"), app(func(c *corev1.Container) {
				c.SecurityContext = &corev1.SecurityContext{AppArmorProfile: &corev1.AppArmorProfile{Type: corev1.AppArmorProfileTypeRuntimeDefault}}
			})},
		},
		"AppArmor's annotation has another value": {
			template: []func(*corev1.Pod){annotate(apparmor, "runtime/default")}, pod: []func(*corev1.Pod){annotate(apparmor, "unconfined")},
			want: []string{"metadata.annotations[" + apparmor + "]"}, uncovered: true,
		},
		"a sidecar as an init container, with its volume": {
			pod: []func(*corev1.Pod){func(p *corev1.Pod) {
				always := corev1.ContainerRestartPolicyAlways
				p.Spec.InitContainers = append(p.Spec.InitContainers, corev1.Container{Name: "proxy", RestartPolicy: &always})
			}, hostPath("/run/proxy"), mount(corev1.VolumeMount{Name: "v", MountPath: "/run/proxy"})},
			want: []string{"spec.containers[0].volumeMounts", "spec.initContainers[0]", "spec.volumes[0]"},
		},
		"a debugging container": {
			pod: []func(*corev1.Pod){func(p *corev1.Pod) {
				p.Spec.EphemeralContainers = append(p.Spec.EphemeralContainers, corev1.EphemeralContainer{EphemeralContainerCommon: corev1.EphemeralContainerCommon{Name: "debug"}})
			}},
			want: []string{"spec.ephemeralContainers[0]"},
		},
		"admission sets a user that the template leaves open": {
			pod: []func(*corev1.Pod){user(1000)}, want: []string{"spec.securityContext.runAsUser"},
		},
		"the template's user is another one": {
			template: []func(*corev1.Pod){user(0)}, pod: []func(*corev1.Pod){user(1000)},
			want: []string{"spec.securityContext.runAsUser"}, uncovered: true,
		},
		"a toleration that is not the kubelet's": {
			pod: []func(*corev1.Pod){func(p *corev1.Pod) {
				p.Spec.Tolerations = []corev1.Toleration{{Key: "gpu", Operator: corev1.TolerationOpExists}}
			}},
			want: []string{"spec.tolerations"},
		},
		"another image": {
			template: []func(*corev1.Pod){image("registry.example/app:v2")},
			want:     []string{"spec.containers[0].image"}, uncovered: true,
		},
		"a host path that changed": {
			template: []func(*corev1.Pod){hostPath("/var/log")}, pod: []func(*corev1.Pod){hostPath("/")},
			want: []string{"spec.volumes[0]"}, uncovered: true,
		},
		"a mount that is writable now": {
			template: []func(*corev1.Pod){mount(corev1.VolumeMount{Name: "v", MountPath: "/v", ReadOnly: true})},
			pod:      []func(*corev1.Pod){mount(corev1.VolumeMount{Name: "v", MountPath: "/v"})},
			want:     []string{"spec.containers[0].volumeMounts"}, uncovered: true,
		},
		"a token that the template mounts itself is its own": {
			template: []func(*corev1.Pod){
				func(p *corev1.Pod) {
					p.Spec.Volumes = append(p.Spec.Volumes, corev1.Volume{Name: "token", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "t"}}})
				},
				mount(corev1.VolumeMount{Name: "token", MountPath: addedTokenPath}),
			},
			want: []string{"spec.containers[0].volumeMounts", "spec.volumes[0] (only in the template)"}, uncovered: true,
		},
		"a container that the pods do not have": {
			template: []func(*corev1.Pod){func(p *corev1.Pod) {
				p.Spec.Containers = append(p.Spec.Containers, corev1.Container{Name: "second"})
			}},
			want: []string{"spec.containers[1] (only in the template)"}, uncovered: true,
		},
		"a probe to another host": {
			pod: []func(*corev1.Pod){app(func(c *corev1.Container) {
				c.LivenessProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Host: "10.0.0.1"}}}
			})},
			want: []string{"spec.containers[0].livenessProbe.tcpSocket.host"},
		},
		"a device": {
			pod: []func(*corev1.Pod){app(func(c *corev1.Container) {
				c.Resources.Limits = corev1.ResourceList{"nvidia.com/gpu": resource.MustParse("1")}
			})},
			want: []string{"spec.containers[0].resources"},
		},
		"many differences are cut": {
			pod: []func(*corev1.Pod){func(p *corev1.Pod) {
				for i := range 10 {
					p.Spec.Containers = append(p.Spec.Containers, corev1.Container{Name: fmt.Sprintf("c%d", i)})
				}
			}},
			want: []string{
				"spec.containers[10]", "spec.containers[1]", "spec.containers[2]", "spec.containers[3]", "spec.containers[4]",
				"spec.containers[5]", "spec.containers[6]", "spec.containers[7]", "…",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			spec := func(edits []func(*corev1.Pod), more ...func(*corev1.Pod)) *fact.PodSpec {
				p := pod("shop", "web", "", append(edits, more...)...)
				out := podspec.From("o", "spec", p.Labels, p.Annotations, &p.Spec)
				return &out
			}
			got, covered := differs(spec(tc.template), spec(tc.pod, asAdmitted))
			if diff := cmp.Diff(tc.want, got); diff != "" || covered == tc.uncovered {
				t.Errorf("covered %t, fields (-want +got):\n%s", covered, diff)
			}
		})
	}
}

// The names of fields are those of fields that exist.
func TestDiffersNamesFields(t *testing.T) {
	for _, of := range []struct {
		names map[string]string
		in    reflect.Type
	}{{specFields, reflect.TypeFor[fact.PodSpec]()}, {specDefaults, reflect.TypeFor[fact.PodSpec]()}, {containerFields, reflect.TypeFor[fact.Container]()}} {
		for name := range of.names {
			if _, found := of.in.FieldByName(name); !found {
				t.Errorf("%s has no field %s", of.in, name)
			}
		}
	}
}
