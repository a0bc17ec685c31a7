package vaporacle

import (
	"fmt"
	"math/rand/v2"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// podOf is a pod that an API server takes, with what policies ask about drawn by chance.
func podOf(i int) *corev1.Pod {
	r := rand.New(rand.NewPCG(15, uint64(i)))
	some := func() bool { return r.IntN(2) == 0 }
	few := func() bool { return r.IntN(4) == 0 }
	pod := &corev1.Pod{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}}
	if pod.Name = fmt.Sprintf("pod-%d", i); few() {
		pod.Name, pod.GenerateName = "", "pod-"
	}
	if !few() {
		pod.Labels = map[string]string{"app": pick(r, "web", "web-2", "db", "cache")}
	} else if some() {
		pod.Labels = map[string]string{"tier": "front"}
	}
	if few() {
		pod.Annotations = map[string]string{"example/note": "x"}
	}
	spec := &pod.Spec
	if !few() {
		spec.AutomountServiceAccountToken = new(bool)
	}
	spec.HostNetwork, spec.HostPID = few() && few(), few()
	if few() {
		spec.RestartPolicy = corev1.RestartPolicyNever
	}
	if few() {
		spec.ServiceAccountName = "robot"
	}
	if few() {
		spec.Tolerations = []corev1.Toleration{{Key: "spot", Operator: corev1.TolerationOpExists}}
	}
	if few() {
		spec.TerminationGracePeriodSeconds = ptr(int64(5))
	}
	if some() {
		spec.SecurityContext = &corev1.PodSecurityContext{}
		if some() {
			spec.SecurityContext.RunAsNonRoot = ptr(true)
		}
		if some() {
			spec.SecurityContext.SeccompProfile = &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}
		}
	}
	var mounts []corev1.VolumeMount
	if some() {
		for v, source := range []corev1.VolumeSource{
			{},
			{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: "c"}}},
			{Secret: &corev1.SecretVolumeSource{SecretName: "s"}},
			{HostPath: &corev1.HostPathVolumeSource{Path: "/var/log"}},
			{EmptyDir: &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumMemory}},
			{DownwardAPI: &corev1.DownwardAPIVolumeSource{Items: []corev1.DownwardAPIVolumeFile{{Path: "x", FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.name"}}}}},
			{Projected: &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{Path: "t"}}}}},
			{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "c"}},
			{CSI: &corev1.CSIVolumeSource{Driver: "d.example"}},
			{NFS: &corev1.NFSVolumeSource{Server: "n", Path: "/x"}},
		} {
			if !few() {
				continue
			}
			name := fmt.Sprintf("v%d", v)
			spec.Volumes = append(spec.Volumes, corev1.Volume{Name: name, VolumeSource: source})
			mounts = append(mounts, corev1.VolumeMount{Name: name, MountPath: "/" + name})
		}
	}
	container := func(name string) corev1.Container {
		c := corev1.Container{
			Name: name, VolumeMounts: mounts,
			Image: pick(r, "registry.example/web:1.2", "registry.example/web:latest", "web", "docker.io/library/web@sha256:"+fmt.Sprintf("%064d", 7)),
		}
		if few() {
			c.ImagePullPolicy = pick(r, corev1.PullAlways, corev1.PullNever)
		}
		if some() {
			s := &corev1.SecurityContext{}
			c.SecurityContext = s
			if some() {
				s.ReadOnlyRootFilesystem = ptr(some() || some())
			}
			if few() {
				s.Privileged = ptr(some())
			}
			if some() {
				s.RunAsNonRoot = ptr(some())
			}
			if some() {
				s.RunAsUser = ptr(int64(r.IntN(3) * 900))
			}
			if some() {
				s.Capabilities = &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}
				if some() {
					s.Capabilities.Add = []corev1.Capability{pick(r, corev1.Capability("NET_BIND_SERVICE"), "SYS_ADMIN")}
				}
			}
		}
		if some() {
			c.Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(pick(r, "64Mi", "2Gi", "1.5Gi"))}
			if some() {
				c.Resources.Limits[corev1.ResourceCPU] = resource.MustParse("500m")
			}
		}
		if few() {
			c.Ports = []corev1.ContainerPort{{ContainerPort: pick(r, int32(80), 8080)}}
		}
		if some() {
			c.LivenessProbe = &corev1.Probe{PeriodSeconds: pick(r, int32(0), 5, 60)}
			c.LivenessProbe.HTTPGet = &corev1.HTTPGetAction{Path: pick(r, "", "/healthz")}
			c.LivenessProbe.HTTPGet.Port.IntVal = 8080
		}
		if few() {
			c.Env = []corev1.EnvVar{{Name: "A", Value: "b"}, {Name: "N", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.name"}}}}
		}
		return c
	}
	for c := range 1 + r.IntN(3) {
		spec.Containers = append(spec.Containers, container(fmt.Sprintf("c%d", c)))
	}
	if few() {
		spec.InitContainers = []corev1.Container{container("i0")}
		spec.InitContainers[0].LivenessProbe = nil
	}
	if spec.HostNetwork { // each port once
		for c := range spec.Containers[1:] {
			spec.Containers[c+1].Ports = nil
		}
	}
	return pod
}

func ptr[T any](v T) *T { return &v }

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }
