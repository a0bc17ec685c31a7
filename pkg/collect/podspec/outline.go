package podspec

import (
	"reflect"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/credential"
)

// outlined are the fields of a pod's spec and of a container that a patch may change. Only
// that they are there is kept, not what they hold. Environment and command lines are not in it.
var (
	outlinedPod = []string{
		"hostNetwork", "hostPID", "hostIPC", "hostUsers", "shareProcessNamespace", "automountServiceAccountToken", "runtimeClassName",
		"securityContext",
	}
	outlinedContainer = []string{"image", "imagePullPolicy", "securityContext"}
)

// Outline fills in which fields a template has, and where its containers and volumes are: Has,
// Items, and Containers with fields below the spec. It returns false, and fills in nothing, if
// there are more than fact.MaxObjectFields.
func Outline(object *fact.Object, annotations map[string]string, spec *corev1.PodSpec) bool {
	var o outline
	o.fields("", reflect.ValueOf(spec).Elem(), outlinedPod)
	if sc := spec.SecurityContext; sc != nil {
		for i := range sc.Sysctls {
			o.items = append(o.items, fact.NamedField{Name: credential.KeptName(sc.Sysctls[i].Name), Field: at("securityContext.sysctls", i)})
		}
	}
	if annotations != nil {
		o.has = append(o.has, "metadata", "metadata.annotations")
		for key := range securityAnnotations(annotations) {
			o.has = append(o.has, "metadata.annotations["+key+"]")
		}
		slices.Sort(o.has[len(o.has)-len(securityAnnotations(annotations)):])
	}
	if spec.Volumes != nil {
		o.has = append(o.has, "volumes")
	}
	for i := range spec.Volumes {
		field := at("volumes", i)
		o.item(spec.Volumes[i].Name, field)
		if source := sourceName(&spec.Volumes[i].VolumeSource); source != "" {
			o.has = append(o.has, field+"."+source)
		}
	}
	if spec.InitContainers != nil {
		o.has = append(o.has, "initContainers")
	}
	if spec.Containers != nil {
		o.has = append(o.has, "containers")
	}
	for i := range spec.InitContainers {
		o.container(at("initContainers", i), &spec.InitContainers[i])
	}
	for i := range spec.Containers {
		o.container(at("containers", i), &spec.Containers[i])
	}
	if len(o.has)+len(o.items)+len(o.containers) > fact.MaxObjectFields {
		return false
	}
	object.Has, object.Items, object.Containers = o.has, o.items, o.containers
	return true
}

type outline struct {
	has               []string
	items, containers []fact.NamedField
}

func (o *outline) item(name, field string) {
	if len(o.items) <= fact.MaxObjectFields {
		o.items = append(o.items, fact.NamedField{Name: name, Field: field})
		o.has = append(o.has, field)
	}
}

func (o *outline) container(field string, c *corev1.Container) {
	if len(o.has) > fact.MaxObjectFields {
		return
	}
	o.containers = append(o.containers, fact.NamedField{Name: c.Name, Field: field})
	o.has = append(o.has, field)
	o.fields(field+".", reflect.ValueOf(c).Elem(), outlinedContainer)
	if c.VolumeMounts != nil {
		o.has = append(o.has, field+".volumeMounts")
	}
	for i := range c.VolumeMounts {
		mount := at(field+".volumeMounts", i)
		o.item(c.VolumeMounts[i].MountPath, mount)
		o.fields(mount+".", reflect.ValueOf(&c.VolumeMounts[i]).Elem(), []string{"readOnly", "recursiveReadOnly", "subPath", "mountPropagation"})
	}
	if c.VolumeDevices != nil {
		o.has = append(o.has, field+".volumeDevices")
	}
	for i := range c.VolumeDevices {
		o.item(c.VolumeDevices[i].DevicePath, at(field+".volumeDevices", i))
	}
	if c.Ports != nil {
		o.has = append(o.has, field+".ports")
	}
	for i := range c.Ports {
		port := at(field+".ports", i)
		o.has = append(o.has, port)
		o.fields(port+".", reflect.ValueOf(&c.Ports[i]).Elem(), []string{"hostPort", "hostIP"})
	}
	for name, probe := range map[string]*corev1.Probe{"livenessProbe": c.LivenessProbe, "readinessProbe": c.ReadinessProbe, "startupProbe": c.StartupProbe} {
		if probe != nil {
			o.handler(field+"."+name, probe.HTTPGet, probe.TCPSocket)
		}
	}
	if c.Lifecycle != nil {
		o.has = append(o.has, field+".lifecycle")
		for name, h := range map[string]*corev1.LifecycleHandler{"postStart": c.Lifecycle.PostStart, "preStop": c.Lifecycle.PreStop} {
			if h != nil {
				o.handler(field+".lifecycle."+name, h.HTTPGet, h.TCPSocket)
			}
		}
	}
	from := slices.Index(o.has, field)
	slices.Sort(o.has[from+1:]) // the order of a map is none
}

// handler notes the host of a probe or a hook.
func (o *outline) handler(field string, get *corev1.HTTPGetAction, socket *corev1.TCPSocketAction) {
	o.has = append(o.has, field)
	if get != nil {
		o.has = append(o.has, field+".httpGet")
		if get.Host != "" {
			o.has = append(o.has, field+".httpGet.host")
		}
	}
	if socket != nil {
		o.has = append(o.has, field+".tcpSocket")
		if socket.Host != "" {
			o.has = append(o.has, field+".tcpSocket.host")
		}
	}
}

// fields notes which of some fields of a struct of the API are set; nil for some means all. It
// looks into objects and at the entries of lists, whose order is all that it keeps.
func (o *outline) fields(prefix string, v reflect.Value, some []string) {
	for i := range v.NumField() {
		name, options, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		if name == "" || name == "-" || some != nil && !slices.Contains(some, name) || len(o.has) > fact.MaxObjectFields {
			continue
		}
		value := v.Field(i)
		switch value.Kind() {
		case reflect.Pointer:
			if value.IsNil() {
				continue
			}
			o.has = append(o.has, prefix+name)
			if value.Elem().Kind() == reflect.Struct {
				o.fields(prefix+name+".", value.Elem(), nil)
			}
		case reflect.Slice:
			if value.IsNil() {
				continue
			}
			o.has = append(o.has, prefix+name)
			for j := range min(value.Len(), fact.MaxObjectFields) {
				o.has = append(o.has, at(prefix+name, j))
			}
		default:
			if !value.IsZero() || !strings.Contains(options, "omitempty") {
				o.has = append(o.has, prefix+name)
			}
		}
	}
}
