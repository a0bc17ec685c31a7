// Package podspec takes from a pod's spec only the fields that checks read,
// because an argument or an environment variable may hold a password. Both the
// API collector and the manifest collector use it.
package podspec

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/credential"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/secretstore"
)

// From returns the declared fields. Origin and path say where the spec was
// read: "pod/NS/NAME" and "spec", or "deployment/NS/NAME" and "spec.template.spec".
// Labels and annotations are those of the pod or of the template.
func From(origin, path string, labels, annotations map[string]string, spec *corev1.PodSpec) fact.PodSpec {
	out := fact.PodSpec{
		Origin:      origin,
		Path:        path,
		Labels:      labels,
		HostNetwork: spec.HostNetwork,
		HostPID:     spec.HostPID,
		HostIPC:     spec.HostIPC,
		HostUsers:   spec.HostUsers,

		RestartPolicy: string(spec.RestartPolicy),
	}
	for key := range annotations {
		out.Annotations = append(out.Annotations, key)
	}
	slices.Sort(out.Annotations)
	out.Injectors = secretstore.Injectors(annotations)
	for _, secret := range spec.ImagePullSecrets {
		if secret.Name != "" {
			out.PullSecrets = append(out.PullSecrets, credential.KeptName(secret.Name))
		}
	}
	if spec.RuntimeClassName != nil {
		out.RuntimeClass = *spec.RuntimeClassName
	}
	if spec.OS != nil {
		out.OS = string(spec.OS.Name)
	}
	for _, label := range []string{corev1.LabelOSStable, "beta.kubernetes.io/os"} {
		if out.OS == "" && spec.NodeSelector[label] == string(corev1.Windows) {
			out.OS, out.OSField = string(corev1.Windows), "nodeSelector["+label+"]"
		}
	}
	if sc := spec.SecurityContext; sc != nil {
		out.RunAsUser, out.RunAsNonRoot = sc.RunAsUser, sc.RunAsNonRoot
		out.Seccomp = seccompType(sc.SeccompProfile)
		out.HostProcess = hostProcess(sc.WindowsOptions)
	}
	for i := range spec.Volumes {
		out.Volumes = append(out.Volumes, volume(i, &spec.Volumes[i]))
	}
	for i := range spec.InitContainers {
		out.Containers = append(out.Containers, container(fact.InitContainer, fmt.Sprintf("spec.initContainers[%d]", i), &spec.InitContainers[i]))
	}
	for i := range spec.Containers {
		out.Containers = append(out.Containers, container(fact.RegularContainer, fmt.Sprintf("spec.containers[%d]", i), &spec.Containers[i]))
	}
	for i := range spec.EphemeralContainers {
		common := corev1.Container(spec.EphemeralContainers[i].EphemeralContainerCommon)
		out.Containers = append(out.Containers, container(fact.EphemeralContainer, fmt.Sprintf("spec.ephemeralContainers[%d]", i), &common))
	}
	return out
}

func volume(i int, v *corev1.Volume) fact.Volume {
	out := fact.Volume{Name: v.Name, Field: fmt.Sprintf("spec.volumes[%d]", i), Source: sourceName(&v.VolumeSource)}
	if v.HostPath != nil {
		out.HostPath = v.HostPath.Path
	}
	if v.Image != nil {
		out.Image = v.Image.Reference
	}
	if v.CSI != nil {
		out.Driver, out.Class = credential.KeptName(v.CSI.Driver), credential.KeptName(v.CSI.VolumeAttributes["secretProviderClass"])
	}
	if v.FlexVolume != nil {
		out.Unread = fact.Unsupported // only its driver knows what it mounts
	}
	return out
}

// sourceName is the JSON name of the source that is set. A volume without one
// is an emptyDir (the API's default).
func sourceName(source *corev1.VolumeSource) string {
	value := reflect.ValueOf(source).Elem()
	for i := range value.NumField() {
		if !value.Field(i).IsNil() {
			name, _, _ := strings.Cut(value.Type().Field(i).Tag.Get("json"), ",")
			return name
		}
	}
	return "emptyDir"
}

func container(kind fact.ContainerType, field string, c *corev1.Container) fact.Container {
	out := fact.Container{Name: c.Name, Type: kind, Field: field, Image: c.Image}
	if c.RestartPolicy != nil {
		out.RestartPolicy = string(*c.RestartPolicy)
	}
	if len(c.Command) > 0 {
		// If somebody wrote a whole command line in one word, the rest is
		// arguments.
		out.Program, _, _ = strings.Cut(strings.TrimSpace(c.Command[0]), " ")
		if i := strings.IndexAny(out.Program, "\t\n="); i >= 0 {
			out.Program = out.Program[:i]
		}
	}
	evaluate(&out, c)
	out.Variables, out.VariableTotal = variables(c)
	if sc := c.SecurityContext; sc != nil {
		out.Privileged = sc.Privileged
		out.HostProcess = hostProcess(sc.WindowsOptions)
		out.AllowPrivilegeEscalation = sc.AllowPrivilegeEscalation
		out.ReadOnlyRootFilesystem = sc.ReadOnlyRootFilesystem
		out.RunAsUser, out.RunAsNonRoot = sc.RunAsUser, sc.RunAsNonRoot
		out.Seccomp = seccompType(sc.SeccompProfile)
		if sc.Capabilities != nil {
			for _, c := range sc.Capabilities.Add {
				out.CapAdd = append(out.CapAdd, string(c))
			}
			for _, c := range sc.Capabilities.Drop {
				out.CapDrop = append(out.CapDrop, string(c))
			}
		}
	}
	for _, port := range c.Ports {
		if port.HostPort != 0 {
			out.HostPorts = append(out.HostPorts, port.HostPort)
		}
	}
	for _, m := range c.VolumeMounts {
		subPath := m.SubPath
		if subPath == "" {
			subPath = m.SubPathExpr
		}
		out.Mounts = append(out.Mounts, fact.VolumeMount{Volume: m.Name, Path: m.MountPath, SubPath: subPath, ReadOnly: m.ReadOnly})
	}
	for _, d := range c.VolumeDevices {
		out.Mounts = append(out.Mounts, fact.VolumeMount{Volume: d.Name, Path: d.DevicePath, Device: true})
	}
	return out
}

func hostProcess(options *corev1.WindowsSecurityContextOptions) *bool {
	if options == nil {
		return nil
	}
	return options.HostProcess
}

func seccompType(profile *corev1.SeccompProfile) string {
	if profile == nil {
		return ""
	}
	return string(profile.Type)
}
