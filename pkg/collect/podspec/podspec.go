// Package podspec takes from a pod's spec only the fields that checks read,
// because an argument or an environment variable may hold a password. Both the
// API collector and the manifest collector use it.
package podspec

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/builder"
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

		ShareProcessNamespace: spec.ShareProcessNamespace,
		ServiceAccount:        credential.KeptName(cmp.Or(spec.ServiceAccountName, spec.DeprecatedServiceAccount)),
		AutomountToken:        spec.AutomountServiceAccountToken,
		NodeSelector:          spec.NodeSelector,
		SecurityAnnotations:   securityAnnotations(annotations),
	}
	out.Tolerations = sized[string](len(spec.Tolerations))
	for i := range spec.Tolerations {
		out.Tolerations = append(out.Tolerations, toleration(&spec.Tolerations[i]))
	}
	for i := range spec.ResourceClaims {
		out.ResourceClaims = append(out.ResourceClaims, spec.ResourceClaims[i].Name)
	}
	out.Annotations = sized[string](len(annotations))
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
		out.HostProcess, out.WindowsUser = hostProcess(sc.WindowsOptions), windowsUser(sc.WindowsOptions)
		out.AppArmor, out.SELinux = appArmorType(sc.AppArmorProfile), seLinux(sc.SELinuxOptions)
		out.Untyped = untyped(sc.AppArmorProfile, nil, sc.SeccompProfile)
		for _, s := range sc.Sysctls {
			out.Sysctls = append(out.Sysctls, credential.KeptName(s.Name))
		}
	}
	out.Volumes = sized[fact.Volume](len(spec.Volumes))
	out.Containers = sized[fact.Container](len(spec.InitContainers) + len(spec.Containers) + len(spec.EphemeralContainers))
	for i := range spec.Volumes {
		out.Volumes = append(out.Volumes, volume(i, &spec.Volumes[i]))
	}
	for i := range spec.InitContainers {
		out.Containers = append(out.Containers, container(fact.InitContainer, at("spec.initContainers", i), &spec.InitContainers[i], spec.Volumes))
	}
	for i := range spec.Containers {
		out.Containers = append(out.Containers, container(fact.RegularContainer, at("spec.containers", i), &spec.Containers[i], spec.Volumes))
	}
	for i := range spec.EphemeralContainers {
		common := corev1.Container(spec.EphemeralContainers[i].EphemeralContainerCommon)
		out.Containers = append(out.Containers, container(fact.EphemeralContainer, at("spec.ephemeralContainers", i), &common, spec.Volumes))
	}
	sharedCode(&out, spec)
	if spec.HostNetwork {
		hostNetworkPorts(&out, spec)
	}
	return out
}

// sized is an empty list with room for so many entries, nil for none.
func sized[T any](n int) []T {
	if n == 0 {
		return nil
	}
	return make([]T, 0, n)
}

// at names an entry of a list: "spec.containers[0]".
func at(list string, i int) string { return list + "[" + strconv.Itoa(i) + "]" }

func volume(i int, v *corev1.Volume) fact.Volume {
	out := fact.Volume{Name: v.Name, Field: at("spec.volumes", i), Source: sourceName(&v.VolumeSource)}
	if v.HostPath != nil {
		out.HostPath = v.HostPath.Path
	}
	if v.Image != nil {
		out.Image = imageOf(v.Image.Reference)
	}
	if v.CSI != nil {
		out.Driver, out.Class = credential.KeptName(v.CSI.Driver), credential.KeptName(v.CSI.VolumeAttributes["secretProviderClass"])
	}
	if v.FlexVolume != nil {
		out.Unread = fact.Unsupported // only its driver knows what it mounts
	}
	out.Object, out.Executable = objectOf(v)
	return out
}

// objectOf returns the name of the object behind a volume, "" for other volumes, and whether
// its files have an execute bit.
func objectOf(v *corev1.Volume) (name string, executable bool) {
	executes := func(mode *int32) bool { return mode != nil && *mode&0o111 != 0 }
	items := func(list []corev1.KeyToPath) bool {
		return slices.ContainsFunc(list, func(i corev1.KeyToPath) bool { return executes(i.Mode) })
	}
	switch {
	case v.ConfigMap != nil:
		return v.ConfigMap.Name, executes(v.ConfigMap.DefaultMode) || items(v.ConfigMap.Items)
	case v.Secret != nil:
		return credential.KeptName(v.Secret.SecretName), executes(v.Secret.DefaultMode) || items(v.Secret.Items)
	case v.DownwardAPI != nil:
		return "", executes(v.DownwardAPI.DefaultMode)
	case v.Projected != nil:
		executable = executes(v.Projected.DefaultMode)
		for _, s := range v.Projected.Sources {
			executable = executable || s.ConfigMap != nil && items(s.ConfigMap.Items) || s.Secret != nil && items(s.Secret.Items)
		}
	}
	return "", executable
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

func container(kind fact.ContainerType, field string, c *corev1.Container, volumes []corev1.Volume) fact.Container {
	out := fact.Container{Name: c.Name, Type: kind, Field: field, Image: imageOf(c.Image)}
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
	evaluate(&out, c, volumes)
	out.Code = append(out.Code, loadedCode(c)...)
	out.Args, out.BuilderVariables = argsOf(c), builderVariables(c)
	out.Variables, out.VariableTotal = variables(c)
	if sc := c.SecurityContext; sc != nil {
		out.Privileged = sc.Privileged
		out.HostProcess, out.WindowsUser = hostProcess(sc.WindowsOptions), windowsUser(sc.WindowsOptions)
		out.AllowPrivilegeEscalation = sc.AllowPrivilegeEscalation
		out.ReadOnlyRootFilesystem = sc.ReadOnlyRootFilesystem
		out.RunAsUser, out.RunAsNonRoot = sc.RunAsUser, sc.RunAsNonRoot
		out.Seccomp = seccompType(sc.SeccompProfile)
		out.AppArmor, out.SELinux = appArmorType(sc.AppArmorProfile), seLinux(sc.SELinuxOptions)
		out.Untyped = untyped(sc.AppArmorProfile, sc.ProcMount, sc.SeccompProfile)
		if sc.ProcMount != nil {
			out.ProcMount = string(*sc.ProcMount)
		}
		if sc.Capabilities != nil {
			for _, c := range sc.Capabilities.Add {
				out.CapAdd = append(out.CapAdd, string(c))
			}
			for _, c := range sc.Capabilities.Drop {
				out.CapDrop = append(out.CapDrop, string(c))
			}
		}
	}
	for i, port := range c.Ports {
		if port.HostPort != 0 {
			out.HostPorts = append(out.HostPorts, port.HostPort)
			out.PortFields = append(out.PortFields, fmt.Sprintf("ports[%d].hostPort", i))
		}
	}
	out.ProbeHosts = probeHosts(c)
	out.Devices, out.Claims = devices(&c.Resources)
	out.Mounts = sized[fact.VolumeMount](len(c.VolumeMounts) + len(c.VolumeDevices))
	for _, m := range c.VolumeMounts {
		subPath := m.SubPath
		if subPath == "" {
			subPath = m.SubPathExpr
		}
		mount := fact.VolumeMount{Volume: m.Name, Path: m.MountPath, SubPath: subPath, ReadOnly: m.ReadOnly}
		if p := m.MountPropagation; p != nil && *p != corev1.MountPropagationNone {
			mount.Propagation = string(*p)
		}
		if r := m.RecursiveReadOnly; r != nil && *r != corev1.RecursiveReadOnlyDisabled {
			mount.RecursiveReadOnly = string(*r)
		}
		out.Mounts = append(out.Mounts, mount)
	}
	for _, d := range c.VolumeDevices {
		out.Mounts = append(out.Mounts, fact.VolumeMount{Volume: d.Name, Path: d.DevicePath, Device: true})
	}
	return out
}

// hostNetworkPorts gives ports their default in a pod with hostNetwork, as the API server does
// when it is created: a hostPort equal to the containerPort. The field is then the
// containerPort's. Source: SetDefaults_PodSpec in kubernetes pkg/apis/core/v1/defaults.go,
// which leaves ephemeral containers out.
func hostNetworkPorts(out *fact.PodSpec, spec *corev1.PodSpec) {
	containers := slices.Concat(spec.InitContainers, spec.Containers)
	for i := range containers {
		c := &out.Containers[i]
		c.HostPorts, c.PortFields = nil, nil
		for j, port := range containers[i].Ports {
			field, value := "hostPort", port.HostPort
			if value == 0 {
				field, value = "containerPort", port.ContainerPort
			}
			if value != 0 {
				c.HostPorts = append(c.HostPorts, value)
				c.PortFields = append(c.PortFields, fmt.Sprintf("ports[%d].%s", j, field))
			}
		}
	}
}

func hostProcess(options *corev1.WindowsSecurityContextOptions) *bool {
	if options == nil {
		return nil
	}
	return options.HostProcess
}

// windowsUser is the name of a user that every Windows has; see fact.PodSpec.WindowsUser.
func windowsUser(options *corev1.WindowsSecurityContextOptions) string {
	if options == nil || options.RunAsUserName == nil || *options.RunAsUserName == "" {
		return ""
	}
	// The domain: "NT AUTHORITY", "BUILTIN", "User Manager", the name of a machine.
	name := *options.RunAsUserName
	if i := strings.LastIndexByte(name, '\\'); i >= 0 {
		name = name[i+1:]
	}
	name = strings.ToLower(name)
	if _, known := fact.WindowsUsers[name]; known {
		return name
	}
	return fact.AnotherUser
}

func seccompType(profile *corev1.SeccompProfile) string {
	if profile == nil {
		return ""
	}
	return string(profile.Type)
}

func appArmorType(profile *corev1.AppArmorProfile) string {
	if profile == nil {
		return ""
	}
	return string(profile.Type)
}

// untyped lists the fields that are set without a type, which is not the same as not set.
func untyped(appArmor *corev1.AppArmorProfile, procMount *corev1.ProcMountType, seccomp *corev1.SeccompProfile) []string {
	var out []string
	if appArmor != nil && appArmor.Type == "" {
		out = append(out, fact.UntypedAppArmor)
	}
	if procMount != nil && *procMount == "" {
		out = append(out, fact.UntypedProcMount)
	}
	if seccomp != nil && seccomp.Type == "" {
		out = append(out, fact.UntypedSeccomp)
	}
	return out
}

func seLinux(options *corev1.SELinuxOptions) *fact.SELinuxOptions {
	if options == nil {
		return nil
	}
	return &fact.SELinuxOptions{User: options.User, Role: options.Role, Type: options.Type, Level: options.Level}
}

// securityAnnotations keeps the annotations that set a profile, of any container: whether
// the container exists is for the one who judges.
func securityAnnotations(annotations map[string]string) map[string]string {
	var out map[string]string
	for key, value := range annotations {
		if strings.HasPrefix(key, corev1.DeprecatedAppArmorBetaContainerAnnotationKeyPrefix) ||
			key == corev1.SeccompPodAnnotationKey || strings.HasPrefix(key, corev1.SeccompContainerAnnotationKeyPrefix) {
			if out == nil {
				out = map[string]string{}
			}
			out[key] = value
		}
	}
	return out
}

// toleration writes a toleration as a taint.
func toleration(t *corev1.Toleration) string {
	text := t.Key
	if t.Key == "" {
		text = "*"
	}
	if t.Value != "" && t.Operator != corev1.TolerationOpExists {
		text += "=" + t.Value
	}
	if t.Effect != "" {
		text += ":" + string(t.Effect)
	}
	return text
}

// probeHosts lists the probes and hooks that name a host.
func probeHosts(c *corev1.Container) []fact.ProbeHost {
	var out []fact.ProbeHost
	add := func(field string, get *corev1.HTTPGetAction, tcp *corev1.TCPSocketAction) {
		if get != nil && get.Host != "" {
			out = append(out, fact.ProbeHost{Field: field + ".httpGet.host", Host: credential.KeptName(get.Host)})
		}
		if tcp != nil && tcp.Host != "" {
			out = append(out, fact.ProbeHost{Field: field + ".tcpSocket.host", Host: credential.KeptName(tcp.Host)})
		}
	}
	for _, p := range []struct {
		field string
		probe *corev1.Probe
	}{{"livenessProbe", c.LivenessProbe}, {"readinessProbe", c.ReadinessProbe}, {"startupProbe", c.StartupProbe}} {
		if p.probe != nil {
			add(p.field, p.probe.HTTPGet, p.probe.TCPSocket)
		}
	}
	if hooks := c.Lifecycle; hooks != nil {
		if h := hooks.PostStart; h != nil {
			add("lifecycle.postStart", h.HTTPGet, h.TCPSocket)
		}
		if h := hooks.PreStop; h != nil {
			add("lifecycle.preStop", h.HTTPGet, h.TCPSocket)
		}
	}
	return out
}

// devices lists extended resources and resource claims. A resource is extended if its name
// has a domain other than kubernetes.io (the API's rule).
func devices(r *corev1.ResourceRequirements) (devices, claims []string) {
	names := map[string]bool{}
	for _, list := range []corev1.ResourceList{r.Limits, r.Requests} {
		for name, quantity := range list {
			domain, _, found := strings.Cut(string(name), "/")
			if found && domain != "kubernetes.io" && !strings.HasSuffix(domain, ".kubernetes.io") && !quantity.IsZero() {
				names[string(name)] = true
			}
		}
	}
	for i := range r.Claims {
		claims = append(claims, r.Claims[i].Name)
	}
	slices.Sort(claims)
	return slices.Sorted(maps.Keys(names)), claims
}

// argsOf says what args hold. Their words are not kept.
func argsOf(c *corev1.Container) string {
	switch {
	case len(c.Args) == 0:
		return ""
	case strings.HasPrefix(c.Args[0], "-"):
		return fact.ArgsOptions
	}
	return fact.ArgsCommand
}

// builderVariables lists the variables whose names package builder knows.
func builderVariables(c *corev1.Container) []fact.NamedField {
	var out []fact.NamedField
	for i := range c.Env {
		if _, ok := builder.OfVariable(c.Env[i].Name); ok && len(out) < fact.MaxBuilderVariables {
			out = append(out, fact.NamedField{Name: c.Env[i].Name, Field: fmt.Sprintf("env[%d].name", i)})
		}
	}
	return out
}

// imageOf is an image's reference as it is declared. What stands before an @ that begins no
// digest is left out: no reference has it, and people write "user:password@registry/name".
func imageOf(reference string) string {
	at := strings.LastIndexByte(reference, '@')
	if at < 0 {
		return reference
	}
	if strings.HasPrefix(reference[at:], "@sha") && !strings.Contains(reference[at:], "/") && !strings.Contains(reference[:at], "@") {
		return reference
	}
	return "…" + reference[at:]
}
