package mend

import (
	"cmp"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// Apply returns a spec as it is after the mends: the facts that would be read of it. Facts of
// command lines and variables stay as they are.
func Apply(spec *fact.PodSpec, mends []Mend) fact.PodSpec {
	out := *spec.DeepCopy()
	for i := range mends {
		m := &mends[i]
		if m.Container == "" {
			applyPod(&out, m)
			continue
		}
		for j := range out.Containers {
			if c := &out.Containers[j]; c.Name == m.Container {
				applyContainer(&out, c, m)
			}
		}
	}
	return out
}

// name is the names of a path, without its items: "volumes", "securityContext.sysctls".
func (p Path) name() string {
	names := make([]string, len(p))
	for i, s := range p {
		names[i] = s.Name
	}
	return strings.Join(names, ".")
}

// item is the first item in a path.
func (p Path) item() Item {
	for _, s := range p {
		if s.Item != nil {
			return *s.Item
		}
	}
	return Item{}
}

func boolOf(v any) *bool {
	if b, ok := v.(bool); ok {
		return &b
	}
	return nil
}

func typeOf(v any) string {
	m, _ := v.(map[string]any)
	text, _ := m["type"].(string)
	return text
}

func applyPod(s *fact.PodSpec, m *Mend) {
	name := m.Path.name()
	if key, ok := strings.CutPrefix(name, "metadata.annotations."); ok {
		delete(s.SecurityAnnotations, key)
		s.Annotations = slices.DeleteFunc(s.Annotations, func(a string) bool { return a == key })
		return
	}
	on := m.Op == Set && m.Value == true
	switch name {
	case "hostPID":
		s.HostPID = on
	case "hostIPC":
		s.HostIPC = on
	case "hostNetwork":
		s.HostNetwork = on
		if !on { // its other ports are no longer the node's
			for i := range s.Containers {
				applyPorts(&s.Containers[i], func(field string) bool { return strings.HasSuffix(field, ".containerPort") })
			}
		}
	case "os":
		s.OS, s.OSField = "windows", ""
	case "hostUsers":
		s.HostUsers = boolOf(m.Value)
	case "shareProcessNamespace":
		s.ShareProcessNamespace = boolOf(m.Value)
	case "automountServiceAccountToken":
		s.AutomountToken = boolOf(m.Value)
	case "securityContext.runAsUser":
		s.RunAsUser = nil
	case "securityContext.seccompProfile":
		s.Seccomp = typeOf(m.Value)
		s.Untyped = without(s.Untyped, fact.UntypedSeccomp)
	case "securityContext.appArmorProfile":
		s.AppArmor = ""
		s.Untyped = without(s.Untyped, fact.UntypedAppArmor)
	case "securityContext.seLinuxOptions.type", "securityContext.seLinuxOptions.user", "securityContext.seLinuxOptions.role":
		s.SELinux = unset(s.SELinux, m.Path[2].Name)
	case "securityContext.sysctls":
		s.Sysctls = without(s.Sysctls, m.Path.item().Value)
	case "securityContext.windowsOptions.hostProcess":
		s.HostProcess = boolOf(m.Value)
	case "volumes":
		applyVolume(s, m)
	}
}

func applyVolume(s *fact.PodSpec, m *Mend) {
	is := func(v fact.Volume) bool { return v.Name == m.Path.item().Value }
	switch m.Op {
	case Append:
		value, _ := m.Value.(map[string]any)
		name, _ := value["name"].(string)
		s.Volumes = append(s.Volumes, fact.Volume{Name: name, Field: "spec.volumes[" + number(len(s.Volumes)) + "]", Source: "emptyDir"})
	case Remove:
		s.Volumes = slices.DeleteFunc(s.Volumes, is)
	case Set:
		if i := slices.IndexFunc(s.Volumes, is); i >= 0 {
			s.Volumes[i] = fact.Volume{Name: s.Volumes[i].Name, Field: s.Volumes[i].Field, Source: "emptyDir"}
		}
	}
}

func applyContainer(s *fact.PodSpec, c *fact.Container, m *Mend) {
	name := m.Path.name()
	switch name {
	case "image":
		c.Image, _ = m.Value.(string)
	case "securityContext.privileged":
		c.Privileged = boolOf(m.Value)
	case "securityContext.allowPrivilegeEscalation":
		c.AllowPrivilegeEscalation = boolOf(m.Value)
	case "securityContext.readOnlyRootFilesystem":
		c.ReadOnlyRootFilesystem = boolOf(m.Value)
	case "securityContext.runAsNonRoot":
		c.RunAsNonRoot = boolOf(m.Value)
	case "securityContext.runAsUser":
		c.RunAsUser = nil
		if user, ok := m.Value.(int64); ok {
			c.RunAsUser = &user
		}
	case "securityContext.capabilities.add":
		c.CapAdd = texts(m.Value)
	case "securityContext.capabilities.drop":
		c.CapDrop = texts(m.Value)
	case "securityContext.seccompProfile":
		c.Seccomp = typeOf(m.Value)
		c.Untyped = without(c.Untyped, fact.UntypedSeccomp)
	case "securityContext.appArmorProfile":
		c.AppArmor = ""
		c.Untyped = without(c.Untyped, fact.UntypedAppArmor)
	case "securityContext.seLinuxOptions.type", "securityContext.seLinuxOptions.user", "securityContext.seLinuxOptions.role":
		c.SELinux = unset(c.SELinux, m.Path[2].Name)
	case "securityContext.procMount":
		c.ProcMount, _ = m.Value.(string)
		c.Untyped = without(c.Untyped, fact.UntypedProcMount)
	case "securityContext.windowsOptions.hostProcess":
		c.HostProcess = boolOf(m.Value)
	case "volumeMounts":
		applyMount(c, m)
	case "volumeMounts.mountPropagation":
		for i := range c.Mounts {
			if mount := &c.Mounts[i]; !mount.Device && mount.Path == m.Path.item().Value {
				mount.Propagation = ""
			}
		}
	case "ports.hostPort":
		port := "ports[" + number(m.Path.item().Index) + "]"
		if i := slices.Index(c.PortFields, port+".hostPort"); i >= 0 && s.HostNetwork {
			c.PortFields[i] = port + ".containerPort" // it is the node's all the same
			return
		}
		applyPorts(c, func(field string) bool { return field == port+".hostPort" })
	default: // a probe's or hook's host
		c.ProbeHosts = slices.DeleteFunc(c.ProbeHosts, func(p fact.ProbeHost) bool { return p.Field == name })
	}
}

func applyMount(c *fact.Container, m *Mend) {
	if m.Op == Append {
		value, _ := m.Value.(map[string]any)
		volume, _ := value["name"].(string)
		path, _ := value["mountPath"].(string)
		c.Mounts = append(c.Mounts, fact.VolumeMount{Volume: volume, Path: path})
		return
	}
	c.Mounts = slices.DeleteFunc(c.Mounts, func(v fact.VolumeMount) bool { return !v.Device && v.Path == m.Path.item().Value })
}

// applyPorts takes away the ports whose fields are gone.
func applyPorts(c *fact.Container, gone func(field string) bool) {
	for i := min(len(c.PortFields), len(c.HostPorts)) - 1; i >= 0; i-- {
		if gone(c.PortFields[i]) {
			c.HostPorts, c.PortFields = slices.Delete(c.HostPorts, i, i+1), slices.Delete(c.PortFields, i, i+1)
		}
	}
}

func without(list []string, text string) []string {
	return slices.DeleteFunc(list, func(t string) bool { return t == text })
}

func unset(o *fact.SELinuxOptions, field string) *fact.SELinuxOptions {
	if o == nil {
		return nil
	}
	switch field {
	case "type":
		o.Type = ""
	case "user":
		o.User = ""
	case "role":
		o.Role = ""
	}
	return o
}

func texts(v any) []string {
	list, _ := v.([]any)
	var out []string
	for _, one := range list {
		if text, ok := one.(string); ok {
			out = append(out, text)
		}
	}
	return out
}

// dropped is a mend that was taken away, and why: the rest of a sentence.
type dropped struct {
	mend Mend
	why  string
}

// settle takes away those mends that the API server would refuse after all of them. Source:
// ValidatePodSpec and ValidateSecurityContext of k8s.io/kubernetes/pkg/apis/core/validation v1.37.
func settle(spec *fact.PodSpec, mends []Mend) (kept []Mend, out []dropped) {
	kept = slices.Clone(mends)
	for len(kept) > 0 {
		after := Apply(spec, kept)
		at, why := -1, ""
		for i := range kept {
			if why = refused(&after, &kept[i]); why != "" {
				at = i
				break
			}
		}
		if at < 0 {
			break
		}
		out = append(out, dropped{kept[at], why})
		kept = slices.Delete(kept, at, at+1)
	}
	return kept, out
}

// refused says why the API server refuses a mend in a spec to which all were applied; "" if it
// does not.
func refused(after *fact.PodSpec, m *Mend) string {
	var c *fact.Container
	for i := range after.Containers {
		if after.Containers[i].Name == m.Container && m.Container != "" {
			c = &after.Containers[i]
		}
	}
	switch name := m.Path.name(); {
	case c != nil && name == "securityContext.allowPrivilegeEscalation":
		switch {
		case isTrue(c.Privileged):
			return "the API server refuses it beside privileged, which stays true."
		case slices.Contains(c.CapAdd, "CAP_SYS_ADMIN"):
			return "the API server refuses it beside the capability CAP_SYS_ADMIN, which stays."
		}
	case c != nil && name == "securityContext.privileged":
		for _, mount := range c.Mounts {
			if mount.Propagation == "Bidirectional" {
				return "only privileged containers may have mountPropagation Bidirectional, which stays at " + Path{item("volumeMounts", "mountPath", mount.Path)}.String() + "."
			}
		}
	case strings.HasSuffix(name, "securityContext.appArmorProfile"), strings.HasPrefix(name, "metadata.annotations."+appArmorAnnotation):
		for i := range after.Containers {
			if !appArmorAgrees(after, &after.Containers[i]) {
				return "the API server refuses an annotation and a field of AppArmor that differ, and one of them stays."
			}
		}
	case name == "hostUsers":
		if after.HostPID || after.HostIPC || after.HostNetwork {
			return "the API server refuses it beside hostPID, hostIPC or hostNetwork, which stays."
		}
	case name == "volumes" && m.Op == Remove, name == "volumes" && m.Op == Set:
		for i := range after.Containers {
			for _, mount := range after.Containers[i].Mounts {
				if mount.Volume == m.Path.item().Value && (m.Op == Remove || mount.Device) {
					return "a container still mounts the volume."
				}
			}
		}
	case c != nil && name == "volumeMounts" && m.Op == Append:
		value, _ := m.Value.(map[string]any)
		if !slices.ContainsFunc(after.Volumes, func(v fact.Volume) bool { return v.Name == value["name"] }) {
			return "its volume is not there."
		}
		count := 0
		for _, mount := range c.Mounts {
			if mount.Path == value["mountPath"] {
				count++
			}
		}
		if count > 1 {
			return "something else is mounted there."
		}
	case name == "volumes" && m.Op == Append:
		value, _ := m.Value.(map[string]any)
		for i := range after.Containers {
			if slices.ContainsFunc(after.Containers[i].Mounts, func(v fact.VolumeMount) bool { return v.Volume == value["name"] }) {
				return ""
			}
		}
		return "nothing mounts it."
	case name == "os":
		if field := linuxField(after); field != "" {
			return "the API server refuses " + field + " on Windows."
		}
	case strings.HasPrefix(name, "securityContext.windowsOptions"):
		if on, off := hostProcesses(after); on && off {
			return "all containers of a pod are hostProcess, or none is."
		}
	case name == "hostNetwork":
		if on, _ := hostProcesses(after); on {
			return "a hostProcess pod must have hostNetwork."
		}
	}
	return ""
}

// appArmorAgrees reports whether a container's annotation of AppArmor says what its field does, or
// the pod's. If one of them is not set, they agree.
func appArmorAgrees(s *fact.PodSpec, c *fact.Container) bool {
	annotation, field := s.SecurityAnnotations[appArmorAnnotation+c.Name], cmp.Or(c.AppArmor, s.AppArmor)
	if annotation == "" || field == "" {
		return true
	}
	is := "Unconfined"
	switch {
	case annotation == "runtime/default":
		is = "RuntimeDefault"
	case strings.HasPrefix(annotation, "localhost/"):
		is = "Localhost"
	}
	return field == is
}

// hostProcesses reports whether some containers are hostProcess, and whether some are not.
func hostProcesses(s *fact.PodSpec) (on, off bool) {
	for i := range s.Containers {
		is := isTrue(s.HostProcess)
		if own := s.Containers[i].HostProcess; own != nil {
			is = *own
		}
		on, off = on || is, off || !is
	}
	return on, off
}

// linuxField is a field that the API server refuses beside os.name windows, as far as facts show
// them; "" if none is set.
func linuxField(s *fact.PodSpec) string {
	switch {
	case s.HostPID:
		return "hostPID"
	case s.HostIPC:
		return "hostIPC"
	case s.HostUsers != nil:
		return "hostUsers"
	case isTrue(s.ShareProcessNamespace):
		return "shareProcessNamespace"
	case s.RunAsUser != nil, s.Seccomp != "", s.AppArmor != "", s.SELinux != nil, len(s.Sysctls) > 0, len(s.Untyped) > 0:
		return "the pod's securityContext"
	}
	for i := range s.Containers {
		c := &s.Containers[i]
		if c.RunAsUser != nil || c.Seccomp != "" || c.AppArmor != "" || c.SELinux != nil || c.ProcMount != "" || len(c.Untyped) > 0 ||
			c.Privileged != nil || c.AllowPrivilegeEscalation != nil || c.ReadOnlyRootFilesystem != nil || len(c.CapAdd)+len(c.CapDrop) > 0 {
			return "the securityContext of " + c.Name
		}
	}
	return ""
}

func isTrue(b *bool) bool  { return b != nil && *b }
func isFalse(b *bool) bool { return b != nil && !*b }
