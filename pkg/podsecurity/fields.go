package podsecurity

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// The evaluator's checks (k8s.io/pod-security-admission v0.37).
const (
	AppArmorProfile            CheckID = "appArmorProfile"
	CapabilitiesBaseline       CheckID = "capabilities_baseline"
	HostNamespaces             CheckID = "hostNamespaces"
	HostPathVolumes            CheckID = "hostPathVolumes"
	HostPorts                  CheckID = "hostPorts"
	HostProbesAndHostLifecycle CheckID = "hostProbesAndHostLifecycle"
	PrivilegedContainers       CheckID = "privileged"
	ProcMount                  CheckID = "procMount"
	SELinuxOptions             CheckID = "seLinuxOptions"
	SeccompBaseline            CheckID = "seccompProfile_baseline"
	Sysctls                    CheckID = "sysctls"
	WindowsHostProcess         CheckID = "windowsHostProcess"

	AllowPrivilegeEscalation CheckID = "allowPrivilegeEscalation"
	CapabilitiesRestricted   CheckID = "capabilities_restricted"
	ProcMountRestricted      CheckID = "procMount_restricted"
	RestrictedVolumes        CheckID = "restrictedVolumes"
	RunAsNonRoot             CheckID = "runAsNonRoot"
	RunAsUser                CheckID = "runAsUser"
	SeccompRestricted        CheckID = "seccompProfile_restricted"
)

// The version from which seccomp is judged by the field and no longer by annotations.
const seccompFieldMinor = 19

// fieldsOf finds the fields for which a check refuses a pod, in the order of the spec. It is
// asked only about checks that refuse the pod. A check of a newer evaluator that is not known
// here has no field: it refuses all the same.
func fieldsOf(spec *fact.PodSpec, check CheckID, minor int) []Field {
	finder := find{spec: spec, minor: minor}
	switch check {
	case PrivilegedContainers:
		finder.each("securityContext.privileged", func(c *fact.Container) (string, bool) { return "true", isTrue(c.Privileged) })
	case WindowsHostProcess:
		if isTrue(spec.HostProcess) {
			finder.pod("securityContext.windowsOptions.hostProcess", "true")
		}
		finder.each("securityContext.windowsOptions.hostProcess", func(c *fact.Container) (string, bool) { return "true", isTrue(c.HostProcess) })
	case HostNamespaces:
		for _, ns := range []struct {
			name string
			on   bool
		}{{"hostNetwork", spec.HostNetwork}, {"hostPID", spec.HostPID}, {"hostIPC", spec.HostIPC}} {
			if ns.on {
				finder.pod(ns.name, "true")
			}
		}
	case CapabilitiesBaseline:
		finder.each("securityContext.capabilities.add", func(c *fact.Container) (string, bool) {
			return refusedNames(c.CapAdd, baselineCapability)
		})
	case CapabilitiesRestricted:
		finder.each("securityContext.capabilities.add", func(c *fact.Container) (string, bool) {
			// What baseline refuses is named there, with these words.
			if value, refused := refusedNames(c.CapAdd, baselineCapability); refused {
				return value, true
			}
			return refusedNames(c.CapAdd, func(name string) bool { return name == "NET_BIND_SERVICE" })
		})
		finder.each("securityContext.capabilities.drop", func(c *fact.Container) (string, bool) {
			value := NotSet
			if len(c.CapDrop) > 0 {
				value = quoted(c.CapDrop)
			}
			return value, !slices.Contains(c.CapDrop, "ALL")
		})
	case HostPathVolumes:
		finder.volumes(func(v *fact.Volume) (field, value string, refused bool) {
			return "hostPath.path", v.HostPath, v.Source == "hostPath"
		})
	case RestrictedVolumes:
		finder.volumes(func(v *fact.Volume) (field, value string, refused bool) {
			if v.Source == "hostPath" {
				return "hostPath.path", v.HostPath, true
			}
			return v.Source, "a volume of type " + v.Source, !slices.Contains(restrictedVolumes, v.Source)
		})
	case HostPorts:
		for i := range spec.Containers {
			c := &spec.Containers[i]
			for j, port := range c.HostPorts {
				field := "ports"
				if j < len(c.PortFields) {
					field = c.PortFields[j]
				}
				finder.container(i, field, number(port))
			}
		}
	case HostProbesAndHostLifecycle:
		for i := range spec.Containers {
			for _, h := range spec.Containers[i].ProbeHosts {
				finder.container(i, h.Field, h.Host)
			}
		}
	case ProcMount, ProcMountRestricted:
		finder.each("securityContext.procMount", func(c *fact.Container) (string, bool) {
			untyped := slices.Contains(c.Untyped, fact.UntypedProcMount)
			return orEmpty(c.ProcMount), c.ProcMount != "" && c.ProcMount != string(corev1.DefaultProcMount) || untyped
		})
	case AppArmorProfile:
		finder.appArmor()
	case SELinuxOptions:
		finder.seLinux()
	case SeccompBaseline:
		if minor < seccompFieldMinor {
			finder.seccompAnnotations()
		} else {
			finder.badSeccomp()
		}
	case SeccompRestricted:
		finder.badSeccomp()
		// Containers that set nothing inherit the pod's, which is named if it is refused.
		if spec.Seccomp == "" && !slices.Contains(spec.Untyped, fact.UntypedSeccomp) {
			finder.each("securityContext.seccompProfile.type", func(c *fact.Container) (string, bool) {
				return NotSet, c.Seccomp == "" && !slices.Contains(c.Untyped, fact.UntypedSeccomp)
			})
		}
	case Sysctls:
		for i, name := range spec.Sysctls {
			if !safeSysctl(name, minor) {
				finder.pod("securityContext.sysctls["+number(int64(i))+"].name", name)
			}
		}
	case AllowPrivilegeEscalation:
		finder.each("securityContext.allowPrivilegeEscalation", func(c *fact.Container) (string, bool) {
			if c.AllowPrivilegeEscalation == nil {
				return NotSet, true
			}
			return "true", *c.AllowPrivilegeEscalation
		})
	case RunAsNonRoot:
		if isFalse(spec.RunAsNonRoot) {
			finder.pod("securityContext.runAsNonRoot", "false")
		}
		finder.each("securityContext.runAsNonRoot", func(c *fact.Container) (string, bool) {
			if c.RunAsNonRoot == nil {
				return NotSet, spec.RunAsNonRoot == nil
			}
			return "false", !*c.RunAsNonRoot
		})
	case RunAsUser:
		if spec.RunAsUser != nil && *spec.RunAsUser == 0 {
			finder.pod("securityContext.runAsUser", "0")
		}
		finder.each("securityContext.runAsUser", func(c *fact.Container) (string, bool) {
			return "0", c.RunAsUser != nil && *c.RunAsUser == 0
		})
	}
	return finder.fields
}

// find collects fields.
type find struct {
	spec   *fact.PodSpec
	minor  int
	fields []Field
}

func (f *find) pod(field, value string) {
	f.fields = append(f.fields, Field{Path: "spec." + field, Value: short(value), Container: -1})
}

func (f *find) container(i int, field, value string) {
	f.fields = append(f.fields, Field{Path: f.spec.Containers[i].Field + "." + field, Value: short(value), Container: i})
}

// each adds a field of the containers that refused says.
func (f *find) each(field string, refused func(*fact.Container) (value string, is bool)) {
	for i := range f.spec.Containers {
		if value, is := refused(&f.spec.Containers[i]); is {
			f.container(i, field, value)
		}
	}
}

func (f *find) volumes(refused func(*fact.Volume) (field, value string, is bool)) {
	for i := range f.spec.Volumes {
		v := &f.spec.Volumes[i]
		if v.Source == fact.VolumeUnlisted {
			continue
		}
		if field, value, is := refused(v); is {
			f.fields = append(f.fields, Field{Path: v.Field + "." + field, Value: short(value), Container: -1})
		}
	}
}

func (f *find) annotation(key, value string) {
	f.fields = append(f.fields, Field{Path: "metadata.annotations[" + key + "]", Value: short(value), Container: -1})
}

// badSeccomp adds the profiles that are set and not allowed.
func (f *find) badSeccomp() {
	const field = "securityContext.seccompProfile.type"
	bad := func(kind string, untyped []string) bool {
		return kind != "" && !allowedProfile(kind) || slices.Contains(untyped, fact.UntypedSeccomp)
	}
	if bad(f.spec.Seccomp, f.spec.Untyped) {
		f.pod(field, orEmpty(f.spec.Seccomp))
	}
	f.each(field, func(c *fact.Container) (string, bool) { return orEmpty(c.Seccomp), bad(c.Seccomp, c.Untyped) })
}

func (f *find) appArmor() {
	const field = "securityContext.appArmorProfile.type"
	bad := func(kind string, untyped []string) bool {
		return kind != "" && !allowedProfile(kind) || slices.Contains(untyped, fact.UntypedAppArmor)
	}
	if bad(f.spec.AppArmor, f.spec.Untyped) {
		f.pod(field, orEmpty(f.spec.AppArmor))
	}
	f.each(field, func(c *fact.Container) (string, bool) { return orEmpty(c.AppArmor), bad(c.AppArmor, c.Untyped) })
	for _, key := range sortedKeys(f.spec.SecurityAnnotations) {
		value := f.spec.SecurityAnnotations[key]
		if strings.HasPrefix(key, corev1.DeprecatedAppArmorBetaContainerAnnotationKeyPrefix) && value != "" &&
			value != corev1.DeprecatedAppArmorBetaProfileRuntimeDefault && !strings.HasPrefix(value, corev1.DeprecatedAppArmorBetaProfileNamePrefix) {
			f.annotation(key, value)
		}
	}
}

func (f *find) seccompAnnotations() {
	named := map[string]bool{corev1.SeccompPodAnnotationKey: true}
	for i := range f.spec.Containers {
		named[corev1.SeccompContainerAnnotationKeyPrefix+f.spec.Containers[i].Name] = true
	}
	for _, key := range sortedKeys(f.spec.SecurityAnnotations) {
		value := f.spec.SecurityAnnotations[key]
		allowed := value == corev1.SeccompProfileRuntimeDefault || value == corev1.DeprecatedSeccompProfileDockerDefault ||
			strings.HasPrefix(value, corev1.SeccompLocalhostProfileNamePrefix)
		if named[key] && !allowed {
			f.annotation(key, orEmpty(value))
		}
	}
}

func (f *find) seLinux() {
	options := func(add func(field, value string), o *fact.SELinuxOptions) {
		if o == nil {
			return
		}
		if !f.allowedSELinuxType(o.Type) {
			add("securityContext.seLinuxOptions.type", o.Type)
		}
		if o.User != "" {
			add("securityContext.seLinuxOptions.user", o.User)
		}
		if o.Role != "" {
			add("securityContext.seLinuxOptions.role", o.Role)
		}
	}
	options(f.pod, f.spec.SELinux)
	for i := range f.spec.Containers {
		options(func(field, value string) { f.container(i, field, value) }, f.spec.Containers[i].SELinux)
	}
}

// allowedSELinuxType follows the evaluator: container_engine_t since v1.31.
func (f *find) allowedSELinuxType(name string) bool {
	switch name {
	case "", "container_t", "container_init_t", "container_kvm_t":
		return true
	case "container_engine_t":
		return f.minor >= 31
	}
	return false
}

// allowedProfile reports whether a seccomp or AppArmor profile type is allowed.
func allowedProfile(kind string) bool { return kind == "RuntimeDefault" || kind == "Localhost" }

// baselineCapability reports whether baseline allows to add a capability, by the field's exact
// spelling.
func baselineCapability(name string) bool {
	switch name {
	case "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE",
		"SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT":
		return true
	}
	return false
}

// restrictedVolumes are the sources that restricted allows.
var restrictedVolumes = []string{
	"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim", "projected", "secret",
}

// sysctlSince has the minor version from which baseline allows a sysctl.
var sysctlSince = map[string]int{
	"kernel.shm_rmid_forced":              0,
	"net.ipv4.ip_local_port_range":        0,
	"net.ipv4.tcp_syncookies":             0,
	"net.ipv4.ping_group_range":           0,
	"net.ipv4.ip_unprivileged_port_start": 0,
	"net.ipv4.ip_local_reserved_ports":    27,
	"net.ipv4.tcp_keepalive_time":         29,
	"net.ipv4.tcp_fin_timeout":            29,
	"net.ipv4.tcp_keepalive_intvl":        29,
	"net.ipv4.tcp_keepalive_probes":       29,
	"net.ipv4.tcp_rmem":                   32,
	"net.ipv4.tcp_wmem":                   32,
	"net.ipv4.tcp_slow_start_after_idle":  37,
	"net.ipv4.tcp_notsent_lowat":          37,
}

func safeSysctl(name string, minor int) bool {
	since, known := sysctlSince[name]
	return known && minor >= since
}

// refusedNames joins the names that are not allowed.
func refusedNames(names []string, allowed func(string) bool) (string, bool) {
	var refused []string
	for _, name := range names {
		if !allowed(name) {
			refused = append(refused, name)
		}
	}
	return quoted(refused), len(refused) > 0
}

func sortedKeys(m map[string]string) []string {
	out := make([]string, 0, len(m))
	for key := range m {
		out = append(out, key)
	}
	slices.Sort(out)
	return out
}

func orEmpty(value string) string {
	if value == "" {
		return "empty"
	}
	return value
}

func isTrue(b *bool) bool  { return b != nil && *b }
func isFalse(b *bool) bool { return b != nil && !*b }
