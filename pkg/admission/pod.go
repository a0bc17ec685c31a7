package admission

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// Default sets the fields of a pod that the API server sets before admission, as far as it
// always sets them to the same value.
//
// Source: https://github.com/kubernetes/kubernetes/blob/v1.37.2/pkg/apis/core/v1/defaults.go
func Default(pod *corev1.Pod) {
	spec := &pod.Spec
	if spec.ServiceAccountName == "" {
		spec.ServiceAccountName = spec.DeprecatedServiceAccount
	}
	spec.DeprecatedServiceAccount = spec.ServiceAccountName
	set(&spec.DNSPolicy, corev1.DNSClusterFirst)
	set(&spec.RestartPolicy, corev1.RestartPolicyAlways)
	set(&spec.SchedulerName, corev1.DefaultSchedulerName)
	point(&spec.SecurityContext, corev1.PodSecurityContext{})
	point(&spec.TerminationGracePeriodSeconds, corev1.DefaultTerminationGracePeriodSeconds)
	if *spec.TerminationGracePeriodSeconds < 0 {
		*spec.TerminationGracePeriodSeconds = 1
	}
	point(&spec.EnableServiceLinks, corev1.DefaultEnableServiceLinks)
	for i := range spec.Volumes {
		defaultVolume(&spec.Volumes[i].VolumeSource)
	}
	for _, list := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
		for i := range list {
			c := &list[i]
			if c.Resources.Limits != nil && c.Resources.Requests == nil {
				c.Resources.Requests = corev1.ResourceList{}
			}
			for name, limit := range c.Resources.Limits {
				if _, ok := c.Resources.Requests[name]; !ok {
					c.Resources.Requests[name] = limit.DeepCopy()
				}
			}
			if spec.HostNetwork {
				for j := range c.Ports {
					set(&c.Ports[j].HostPort, c.Ports[j].ContainerPort)
				}
			}
			defaultContainer(c)
		}
	}
	for i := range spec.EphemeralContainers {
		defaultContainer((*corev1.Container)(&spec.EphemeralContainers[i].EphemeralContainerCommon))
	}
}

func set[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func point[T any](field **T, value T) {
	if *field == nil {
		*field = &value
	}
}

func defaultContainer(c *corev1.Container) {
	set(&c.TerminationMessagePath, corev1.TerminationMessagePathDefault)
	set(&c.TerminationMessagePolicy, corev1.TerminationMessageReadFile)
	for i := range c.Ports {
		set(&c.Ports[i].Protocol, corev1.ProtocolTCP)
	}
	for i := range c.Env {
		if from := c.Env[i].ValueFrom; from != nil {
			defaultFieldRef(from.FieldRef)
			if from.FileKeyRef != nil {
				point(&from.FileKeyRef.Optional, false)
			}
		}
	}
	for _, list := range []corev1.ResourceList{c.Resources.Limits, c.Resources.Requests} {
		for name, quantity := range list {
			quantity.RoundUp(-3)
			list[name] = quantity
		}
	}
	for _, p := range []*corev1.Probe{c.LivenessProbe, c.ReadinessProbe, c.StartupProbe} {
		if p == nil {
			continue
		}
		set(&p.TimeoutSeconds, 1)
		set(&p.PeriodSeconds, 10)
		set(&p.SuccessThreshold, 1)
		set(&p.FailureThreshold, 3)
		defaultHTTPGet(p.HTTPGet)
		if p.GRPC != nil {
			point(&p.GRPC.Service, "")
		}
	}
	if l := c.Lifecycle; l != nil {
		for _, handler := range []*corev1.LifecycleHandler{l.PostStart, l.PreStop} {
			if handler != nil {
				defaultHTTPGet(handler.HTTPGet)
			}
		}
	}
}

func defaultHTTPGet(h *corev1.HTTPGetAction) {
	if h != nil {
		set(&h.Path, "/")
		set(&h.Scheme, corev1.URISchemeHTTP)
	}
}

func defaultFieldRef(f *corev1.ObjectFieldSelector) {
	if f != nil {
		set(&f.APIVersion, "v1")
	}
}

func defaultVolume(v *corev1.VolumeSource) {
	if *v == (corev1.VolumeSource{}) {
		v.EmptyDir = &corev1.EmptyDirVolumeSource{}
	}
	if v.HostPath != nil {
		point(&v.HostPath.Type, corev1.HostPathUnset)
	}
	if v.Secret != nil {
		point(&v.Secret.DefaultMode, corev1.SecretVolumeSourceDefaultMode)
	}
	if v.ConfigMap != nil {
		point(&v.ConfigMap.DefaultMode, corev1.ConfigMapVolumeSourceDefaultMode)
	}
	if d := v.DownwardAPI; d != nil {
		point(&d.DefaultMode, corev1.DownwardAPIVolumeSourceDefaultMode)
		for i := range d.Items {
			defaultFieldRef(d.Items[i].FieldRef)
		}
	}
	if p := v.Projected; p != nil {
		point(&p.DefaultMode, corev1.ProjectedVolumeSourceDefaultMode)
		for i := range p.Sources {
			if s := p.Sources[i].ServiceAccountToken; s != nil {
				point(&s.ExpirationSeconds, 3600)
			}
			if d := p.Sources[i].DownwardAPI; d != nil {
				for j := range d.Items {
					defaultFieldRef(d.Items[j].FieldRef)
				}
			}
		}
	}
}

// plainSources are the sources of volumes all of whose defaults are known here. Others have
// defaults that depend on the version or on features.
var plainSources = []string{
	"configMap", "csi", "downwardAPI", "emptyDir", "hostPath", "nfs", "persistentVolumeClaim", "projected", "secret",
}

// inCEL is a pod as the API server shows it to the expressions of a policy when the pod is
// created. Fields that only the server decides are unknown:
//
//   - what it sets for each object: uid, creationTimestamp, managedFields, status;
//   - what its admission plugins may set: the service account with its token's volume, its
//     pull secrets, priority, tolerations, node selectors, limits of a LimitRange, and
//     imagePullPolicy (AlwaysPullImages).
//
// What webhooks and MutatingAdmissionPolicies would change is not considered.
//
// Source: https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/
func inCEL(pod *corev1.Pod, trace *traced) (value *object, metadata map[string]any, err error) {
	pod = pod.DeepCopy()
	Default(pod)
	all, err := runtime.DefaultUnstructuredConverter.ToUnstructured(pod)
	if err != nil {
		return nil, nil, fmt.Errorf("converting the pod: %w", err)
	}
	metadata, _ = all["metadata"].(map[string]any)
	spec, _ := all["spec"].(map[string]any)
	if metadata == nil {
		metadata = map[string]any{}
	}

	annotations := newObject("object.metadata.annotations", mapOf(metadata["annotations"]), trace)
	annotations.more = func(name string) bool { return strings.HasSuffix(name, "kubernetes.io/limit-ranger") }
	delete(metadata, "creationTimestamp")
	if metadata["annotations"] != nil {
		metadata["annotations"] = annotations
	}
	m := newObject("object.metadata", metadata, trace)
	m.namespaced = map[string]bool{"namespace": true}
	m.decide("uid", "creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink")
	if metadata["annotations"] == nil {
		m.decide("annotations")
	}
	if pod.Name == "" {
		m.decide("name")
	}
	if pod.Name == "" && pod.GenerateName == "" {
		m.decide("generateName") // nothing is known of how it is named
	}

	token := pod.Spec.AutomountServiceAccountToken == nil || *pod.Spec.AutomountServiceAccountToken
	for _, list := range []string{"initContainers", "containers", "ephemeralContainers"} {
		items, _ := spec[list].([]any)
		for i := range items {
			items[i] = containerInCEL(fmt.Sprintf("object.spec.%s[%d]", list, i), mapOf(items[i]), token, trace)
		}
	}
	if volumes, ok := spec["volumes"].([]any); ok {
		for i := range volumes {
			volume := mapOf(volumes[i])
			o := newObject(fmt.Sprintf("object.spec.volumes[%d]", i), volume, trace)
			for source := range maps.Keys(volume) {
				if source != "name" && !slices.Contains(plainSources, source) {
					o.decide(source)
				}
			}
			volumes[i] = o
		}
	}
	s := newObject("object.spec", spec, trace)
	s.decide("tolerations", "priority", "preemptionPolicy", "nodeSelector", "overhead")
	if pod.Spec.ServiceAccountName == "" {
		s.decide("serviceAccountName", "serviceAccount")
	}
	if pod.Spec.PriorityClassName == "" {
		s.decide("priorityClassName")
	}
	if len(pod.Spec.ImagePullSecrets) == 0 {
		s.decide("imagePullSecrets")
	}
	if pod.Spec.Resources != nil {
		s.decide("resources")
	}
	if token {
		s.decide("volumes")
	}

	all["apiVersion"], all["kind"], all["metadata"], all["spec"] = "v1", "Pod", m, s
	o := newObject("object", all, trace)
	o.decide("status")
	return o, metadata, nil
}

func containerInCEL(path string, c map[string]any, token bool, trace *traced) *object {
	resources := mapOf(c["resources"])
	var open []string
	for _, list := range []string{"limits", "requests"} {
		if resources[list] == nil {
			open = append(open, list)
			continue
		}
		amounts := newObject(path+".resources."+list, mapOf(resources[list]), trace)
		amounts.more = func(string) bool { return true }
		resources[list] = amounts
	}
	r := newObject(path+".resources", resources, trace)
	r.decide(open...)
	c["resources"] = r
	for _, name := range []string{"livenessProbe", "readinessProbe", "startupProbe"} {
		if probe, ok := c[name].(map[string]any); ok {
			handlerInCEL(path+"."+name, probe, trace)
		}
	}
	for name, handler := range mapOf(c["lifecycle"]) {
		if handler, ok := handler.(map[string]any); ok {
			handlerInCEL(path+".lifecycle."+name, handler, trace)
		}
	}
	o := newObject(path, c, trace)
	if c["imagePullPolicy"] != string(corev1.PullAlways) {
		o.decide("imagePullPolicy")
	}
	if token {
		o.decide("volumeMounts")
	}
	return o
}

// handlerInCEL marks the field of an HTTP request that only newer servers set.
func handlerInCEL(path string, handler map[string]any, trace *traced) {
	get, ok := handler["httpGet"].(map[string]any)
	if !ok || get["protocol"] != nil {
		return
	}
	o := newObject(path+".httpGet", get, trace)
	o.decide("protocol")
	handler["httpGet"] = o
}

func mapOf(value any) map[string]any {
	m, _ := value.(map[string]any)
	if m == nil {
		m = map[string]any{}
	}
	return m
}
