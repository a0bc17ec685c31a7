// Package podserver is an API server of a cluster of very many pods that does not exist, for
// tests and benchmarks. It makes the pods of a page when the page is asked for, always the
// same, and keeps none. It answers as protobuf and JSON, in pages.
package podserver

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// A namespace has these, in this order. Each of them has a spec of its own.
const (
	Deployments = 70  // of so many replicas each:
	Replicas    = 5   //
	DaemonPods  = 122 // of one DaemonSet
	BarePods    = 29
	// Owners and Pods are those of one namespace.
	Owners = Deployments + 1 + BarePods
	Pods   = Deployments*Replicas + DaemonPods + BarePods
)

// Cluster is a cluster with so many pods. The last namespace has a part of its pods.
type Cluster struct{ Pods int }

// Namespaces is how many namespaces the cluster has.
func (c Cluster) Namespaces() int { return (c.Pods + Pods - 1) / Pods }

// Owners is how many top owners its pods have.
func (c Cluster) Owners() int {
	rest := c.Pods % Pods
	whole := c.Pods / Pods * Owners
	switch deployed := Deployments * Replicas; {
	case rest <= deployed:
		return whole + (rest+Replicas-1)/Replicas
	case rest <= deployed+DaemonPods:
		return whole + Deployments + 1
	default:
		return whole + Deployments + 1 + rest - deployed - DaemonPods
	}
}

// created is when everything was: figures need no clock.
var created = metav1.NewTime(time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC))

// Namespace is the name of a namespace by its number.
func Namespace(i int) string { return fmt.Sprintf("team-%04d", i) }

// uid is a UID that depends on the text alone.
func uid(text string) types.UID {
	h := fnv.New128a()
	_, _ = h.Write([]byte(text))
	sum := h.Sum(nil)
	return types.UID(fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:]))
}

// suffix is like the random end of a name.
func suffix(text string, letters int) string {
	const alphabet = "bcdfghjklmnpqrstvwxz2456789"
	h := fnv.New64a()
	_, _ = h.Write([]byte(text))
	sum, out := h.Sum64(), make([]byte, letters)
	for i := range out {
		out[i] = alphabet[sum%uint64(len(alphabet))]
		sum /= uint64(len(alphabet))
	}
	return string(out)
}

// workload is what a pod's number says of it.
type workload struct {
	namespace  string
	kind, name string // of the top owner
	seed       int    // another for each owner
	replica    int
}

func workloadOf(i int) workload {
	at := i % Pods
	w := workload{namespace: Namespace(i / Pods), seed: i / Pods * Owners}
	switch deployed := Deployments * Replicas; {
	case at < deployed:
		w.kind, w.name, w.replica = "Deployment", deploymentName(at/Replicas), at%Replicas
		w.seed += at / Replicas
	case at < deployed+DaemonPods:
		w.kind, w.name, w.replica = "DaemonSet", "agent", at-deployed
		w.seed += Deployments
	default:
		w.kind, w.name = "Pod", fmt.Sprintf("job-%02d", at-deployed-DaemonPods)
		w.seed += Deployments + 1 + at - deployed - DaemonPods
	}
	return w
}

func deploymentName(i int) string { return fmt.Sprintf("service-%02d", i) }

// hash is the hash of a Deployment's template.
func (w *workload) hash() string { return suffix(w.namespace+"/"+w.name, 10) }

func (w *workload) podName() string {
	switch w.kind {
	case "Deployment":
		return w.name + "-" + w.hash() + "-" + suffix(fmt.Sprintf("%s/%s/%d", w.namespace, w.name, w.replica), 5)
	case "DaemonSet":
		return w.name + "-" + suffix(fmt.Sprintf("%s/%s/%d", w.namespace, w.name, w.replica), 5)
	}
	return w.name
}

func (w *workload) labels() map[string]string {
	return map[string]string{
		"app.kubernetes.io/name": w.name, "app.kubernetes.io/instance": w.namespace + "-" + w.name,
		"app.kubernetes.io/version": fmt.Sprintf("v1.%d.0", w.seed), "team": w.namespace,
	}
}

func (w *workload) annotations() map[string]string {
	return map[string]string{
		"prometheus.io/scrape": "true", "prometheus.io/port": "9090",
		"checksum/config": string(uid("config/" + w.namespace + "/" + w.name)),
	}
}

// spec is the spec of the template. A part of the owners has each of a few weaknesses.
func (w *workload) spec() corev1.PodSpec {
	yes, no, user, grace := true, false, int64(10000+w.seed), int64(30)
	context := &corev1.SecurityContext{
		AllowPrivilegeEscalation: &no, ReadOnlyRootFilesystem: &yes, RunAsNonRoot: &yes, RunAsUser: &user,
		Capabilities:   &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}
	switch w.seed % 20 {
	case 3:
		context.ReadOnlyRootFilesystem = nil
	case 7:
		context = nil
	case 11:
		context.Privileged, context.AllowPrivilegeEscalation = &yes, nil
	case 13:
		context.Capabilities = &corev1.Capabilities{Add: []corev1.Capability{"NET_ADMIN"}}
	}
	registry := fmt.Sprintf("registry.example.com/%s/", w.namespace)
	app := corev1.Container{
		Name: "app", Image: fmt.Sprintf("%s%s:v1.%d.0", registry, w.name, w.seed), ImagePullPolicy: corev1.PullIfNotPresent,
		Args:  []string{"--listen=:8080", "--config=/etc/app/config.yaml", "--log-level=info"},
		Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 8080, Protocol: "TCP"}, {Name: "metrics", ContainerPort: 9090, Protocol: "TCP"}},
		Env: []corev1.EnvVar{
			{Name: "POD_NAME", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: "metadata.name"}}},
			{Name: "POD_NAMESPACE", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: "metadata.namespace"}}},
			{Name: "UPSTREAM_URL", Value: fmt.Sprintf("http://upstream-%d.%s.svc.cluster.local:8080", w.seed, w.namespace)},
			{Name: "CACHE_TTL", Value: "300s"},
		},
		Resources: corev1.ResourceRequirements{
			Requests: corev1.ResourceList{"cpu": resource.MustParse("100m"), "memory": resource.MustParse("128Mi")},
			Limits:   corev1.ResourceList{"memory": resource.MustParse("256Mi")},
		},
		VolumeMounts:             []corev1.VolumeMount{{Name: "config", MountPath: "/etc/app", ReadOnly: true}, {Name: "tmp", MountPath: "/tmp"}},
		LivenessProbe:            probe("/healthz"),
		ReadinessProbe:           probe("/readyz"),
		TerminationMessagePath:   "/dev/termination-log",
		TerminationMessagePolicy: corev1.TerminationMessageReadFile,
		SecurityContext:          context,
	}
	proxy := app
	proxy.Name, proxy.Image = "proxy", "registry.example.com/mesh/proxy:v3.2.1"
	proxy.Args, proxy.Env, proxy.LivenessProbe = []string{"--port=15001"}, app.Env[:2], nil
	proxy.Ports = []corev1.ContainerPort{{Name: "proxy", ContainerPort: 15001, Protocol: "TCP"}}
	proxy.VolumeMounts = app.VolumeMounts[1:]
	mode := int32(0o644)
	spec := corev1.PodSpec{
		Containers: []corev1.Container{app, proxy},
		Volumes: []corev1.Volume{
			{Name: "config", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: w.name}, DefaultMode: &mode}}},
			{Name: "tmp", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
		},
		RestartPolicy: corev1.RestartPolicyAlways, TerminationGracePeriodSeconds: &grace, DNSPolicy: corev1.DNSClusterFirst,
		ServiceAccountName: w.name, DeprecatedServiceAccount: w.name,
		SecurityContext: &corev1.PodSecurityContext{FSGroup: &user}, SchedulerName: "default-scheduler",
	}
	if w.kind == "DaemonSet" {
		spec.HostNetwork = true
		spec.Volumes = append(spec.Volumes, corev1.Volume{Name: "logs", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/var/log"}}})
		spec.Containers[0].VolumeMounts = append(spec.Containers[0].VolumeMounts, corev1.VolumeMount{Name: "logs", MountPath: "/logs", ReadOnly: true})
	}
	return spec
}

func probe(path string) *corev1.Probe {
	return &corev1.Probe{
		ProbeHandler:     corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: path, Port: intstr.FromInt32(8080), Scheme: corev1.URISchemeHTTP}},
		TimeoutSeconds:   1,
		PeriodSeconds:    10,
		SuccessThreshold: 1,
		FailureThreshold: 3,
	}
}

// managed is like the bookkeeping of server-side apply, a quarter of a real object.
func managed(manager, version string, labels map[string]string) []metav1.ManagedFieldsEntry {
	fields := map[string]any{
		"f:metadata": map[string]any{"f:labels": labels},
		"f:spec":     map[string]any{"f:dnsPolicy": struct{}{}, "f:restartPolicy": struct{}{}, "f:schedulerName": struct{}{}, "f:securityContext": struct{}{}},
	}
	raw, err := json.Marshal(fields)
	if err != nil {
		panic(err)
	}
	return []metav1.ManagedFieldsEntry{{
		Manager: manager, Operation: metav1.ManagedFieldsOperationUpdate, APIVersion: version, Time: &created,
		FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(string(raw)),
	}}
}

func controller(version, kind, namespace, name string) []metav1.OwnerReference {
	yes := true
	return []metav1.OwnerReference{{APIVersion: version, Kind: kind, Name: name, UID: uid(kind + "/" + namespace + "/" + name), Controller: &yes, BlockOwnerDeletion: &yes}}
}

// Pod is the pod with a number, from 0.
func Pod(i int) corev1.Pod {
	w := workloadOf(i)
	name, labels := w.podName(), w.labels()
	node := fmt.Sprintf("node-%04d", (i*7919)%1000)
	pod := corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Namespace: w.namespace, UID: uid("Pod/" + w.namespace + "/" + name), ResourceVersion: fmt.Sprint(1_000_000 + i),
			CreationTimestamp: created, Labels: labels, Annotations: w.annotations(), ManagedFields: managed("kube-controller-manager", "v1", labels),
		},
		Spec: w.spec(),
	}
	switch w.kind {
	case "Deployment":
		labels["pod-template-hash"] = w.hash()
		pod.GenerateName = w.name + "-" + w.hash() + "-"
		pod.OwnerReferences = controller("apps/v1", "ReplicaSet", w.namespace, w.name+"-"+w.hash())
	case "DaemonSet":
		labels["controller-revision-hash"] = w.hash()
		pod.GenerateName = w.name + "-"
		pod.OwnerReferences = controller("apps/v1", "DaemonSet", w.namespace, w.name)
	}
	admit(&pod, node)
	run(&pod, i)
	return pod
}

// admit adds what the API server and the scheduler add.
func admit(pod *corev1.Pod, node string) {
	spec := &pod.Spec
	spec.NodeName = node
	mode, expires, seconds, yes := int32(0o644), int64(3607), int64(300), true
	policy, priority := corev1.PreemptLowerPriority, int32(0)
	spec.EnableServiceLinks, spec.PreemptionPolicy, spec.Priority = &yes, &policy, &priority
	token := "kube-api-access-" + suffix(string(pod.UID), 5)
	spec.Volumes = append(spec.Volumes, corev1.Volume{Name: token, VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{
		DefaultMode: &mode,
		Sources: []corev1.VolumeProjection{
			{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{ExpirationSeconds: &expires, Path: "token"}},
			{ConfigMap: &corev1.ConfigMapProjection{LocalObjectReference: corev1.LocalObjectReference{Name: "kube-root-ca.crt"}, Items: []corev1.KeyToPath{{Key: "ca.crt", Path: "ca.crt"}}}},
			{DownwardAPI: &corev1.DownwardAPIProjection{Items: []corev1.DownwardAPIVolumeFile{{Path: "namespace", FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: "metadata.namespace"}}}}},
		},
	}}})
	for i := range spec.Containers {
		c := &spec.Containers[i]
		c.VolumeMounts = append(c.VolumeMounts[:len(c.VolumeMounts):len(c.VolumeMounts)],
			corev1.VolumeMount{Name: token, MountPath: "/var/run/secrets/kubernetes.io/serviceaccount", ReadOnly: true})
	}
	spec.Tolerations = []corev1.Toleration{
		{Key: "node.kubernetes.io/not-ready", Operator: "Exists", Effect: "NoExecute", TolerationSeconds: &seconds},
		{Key: "node.kubernetes.io/unreachable", Operator: "Exists", Effect: "NoExecute", TolerationSeconds: &seconds},
	}
}

// run adds the status of a running pod.
func run(pod *corev1.Pod, i int) {
	host, ip := fmt.Sprintf("10.0.%d.%d", i/250%250, i%250), fmt.Sprintf("10.%d.%d.%d", 1+i/62500, i/250%250, i%250)
	s := &pod.Status
	s.Phase, s.HostIP, s.PodIP, s.StartTime, s.QOSClass = corev1.PodRunning, host, ip, &created, corev1.PodQOSBurstable
	s.HostIPs, s.PodIPs = []corev1.HostIP{{IP: host}}, []corev1.PodIP{{IP: ip}}
	for _, kind := range []corev1.PodConditionType{"PodReadyToStartContainers", corev1.PodInitialized, corev1.PodReady, corev1.ContainersReady, corev1.PodScheduled} {
		s.Conditions = append(s.Conditions, corev1.PodCondition{Type: kind, Status: corev1.ConditionTrue, LastTransitionTime: created})
	}
	yes := true
	for _, c := range pod.Spec.Containers {
		id := uid(string(pod.UID) + c.Name)
		s.ContainerStatuses = append(s.ContainerStatuses, corev1.ContainerStatus{
			Name: c.Name, Image: c.Image, Ready: true, Started: &yes, ImageID: fmt.Sprintf("registry.example.com/images@sha256:%s%s", digits(uid(c.Image)), digits(uid(c.Image+"/"))),
			ContainerID: fmt.Sprintf("containerd://%s%s", digits(id), digits(uid(string(id)))),
			State:       corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: created}},
		})
	}
}

// digits are the 32 hexadecimal digits of a UID.
func digits(id types.UID) string {
	return string(id[:8]) + string(id[9:13]) + string(id[14:18]) + string(id[19:23]) + string(id[24:])
}

func (w *workload) meta(kind, name string) metav1.ObjectMeta {
	labels := w.labels()
	return metav1.ObjectMeta{
		Name: name, Namespace: w.namespace, UID: uid(kind + "/" + w.namespace + "/" + name), ResourceVersion: "1000", Generation: 1,
		CreationTimestamp: created, Labels: labels, Annotations: map[string]string{"deployment.kubernetes.io/revision": "1"},
		ManagedFields: managed("kubectl", "apps/v1", labels),
	}
}

func (w *workload) template() corev1.PodTemplateSpec {
	return corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: w.labels(), Annotations: w.annotations()}, Spec: w.spec()}
}

// deployment is the Deployment with a number, from 0.
func deployment(i int) appsv1.Deployment {
	w, replicas := workloadOf(i/Deployments*Pods+i%Deployments*Replicas), int32(Replicas)
	return appsv1.Deployment{
		ObjectMeta: w.meta("Deployment", w.name),
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: w.labels()}, Template: w.template(),
		},
		Status: appsv1.DeploymentStatus{ObservedGeneration: 1, Replicas: replicas, ReadyReplicas: replicas, AvailableReplicas: replicas, UpdatedReplicas: replicas},
	}
}

// replicaSet is the metadata of the ReplicaSet of a Deployment.
func replicaSet(i int) metav1.PartialObjectMetadata {
	w := workloadOf(i/Deployments*Pods + i%Deployments*Replicas)
	m := metav1.PartialObjectMetadata{
		TypeMeta:   metav1.TypeMeta{APIVersion: "meta.k8s.io/v1", Kind: "PartialObjectMetadata"},
		ObjectMeta: w.meta("ReplicaSet", w.name+"-"+w.hash()),
	}
	m.OwnerReferences = controller("apps/v1", "Deployment", w.namespace, w.name)
	return m
}

// daemonSet is the DaemonSet of a namespace.
func daemonSet(i int) appsv1.DaemonSet {
	w := workloadOf(i*Pods + Deployments*Replicas)
	return appsv1.DaemonSet{
		ObjectMeta: w.meta("DaemonSet", w.name),
		Spec:       appsv1.DaemonSetSpec{Selector: &metav1.LabelSelector{MatchLabels: w.labels()}, Template: w.template()},
	}
}

// namespace is the metadata of a namespace. Every tenth enforces a level.
func namespace(i int) metav1.PartialObjectMetadata {
	m := metav1.PartialObjectMetadata{
		TypeMeta:   metav1.TypeMeta{APIVersion: "meta.k8s.io/v1", Kind: "PartialObjectMetadata"},
		ObjectMeta: metav1.ObjectMeta{Name: Namespace(i), UID: uid(Namespace(i)), CreationTimestamp: created, Labels: map[string]string{"kubernetes.io/metadata.name": Namespace(i)}},
	}
	if i%10 == 0 {
		m.Labels["pod-security.kubernetes.io/enforce"] = "baseline"
	}
	return m
}

// Different is a pod as its author declares it, with a spec that no other number has.
func Different(i int) corev1.Pod {
	w := workload{namespace: Namespace(i / Pods), kind: "Pod", name: fmt.Sprintf("job-%06d", i), seed: i}
	pod := corev1.Pod{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{Name: w.name, Namespace: w.namespace, Labels: w.labels(), Annotations: w.annotations()},
		Spec:       w.spec(),
	}
	admit(&pod, "")
	return pod
}
