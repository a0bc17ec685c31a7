package mend

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/capability"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/hostpath"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/podsecurity"
)

func number[T int | int32 | int64](n T) string { return strconv.FormatInt(int64(n), 10) }

// A mender makes the mends of one check for one container, or for the whole pod if c is nil. It
// reports whether it made any: if it did not, it has said why in a note, or the text of its check
// says it.
type mender func(x *work, c *fact.Container) bool

// each makes the mends of a pod's finding for all containers that an owner can change.
func each(f mender) mender {
	return func(x *work, c *fact.Container) bool {
		if c != nil {
			return f(x, c)
		}
		done := false
		for i := range x.spec.Containers {
			if c := &x.spec.Containers[i]; c.Type != fact.EphemeralContainer {
				done = f(x, c) || done
			}
		}
		return done
	}
}

// windows reports whether a container runs on Windows, where the API server refuses Linux fields.
func (x *work) windows(c *fact.Container) bool {
	yes, _ := checks.Declared{Workload: x.w, Container: c}.Windows()
	return yes
}

// linux makes no mend of a container that runs on Windows.
func linux(f mender) mender {
	return func(x *work, c *fact.Container) bool {
		if c != nil && x.windows(c) || c == nil && x.spec.OS == "windows" {
			x.note(c, "It runs on Windows, where the API server refuses the field.")
			return false
		}
		return f(x, c)
	}
}

func set(value any, names ...string) Mend { return Mend{Path: fields(names...), Op: Set, Value: value} }

// safe marks a mend as safe, if there is a measurement, or else says what may break.
func (m Mend) safe(because, breaks string) Mend {
	if because != "" {
		m.Safe, m.Because = true, because
		return m
	}
	m.Breaks = breaks
	return m
}

func privileged(x *work, c *fact.Container) bool {
	if x.waived("privileged/privileged-container", c) {
		return false
	}
	if on, _ := (checks.Declared{Workload: x.w, Container: c}).HostProcess(); on {
		return hostProcess(x, c)
	}
	if !isTrue(c.Privileged) {
		return false
	}
	x.add(c, set(false, "securityContext", "privileged").safe("",
		"A program that opens devices of the node, mounts file systems or changes the kernel's settings fails."))
	// What only a privileged container may have.
	propagation(x, c)
	return true
}

func hostProcess(x *work, _ *fact.Container) bool {
	const breaks = "A program that manages its Windows node from a hostProcess container fails."
	done := false
	if x.spec.OS != "windows" {
		// Nothing else says that it is a pod for Windows, and not for Linux.
		x.add(nil, set(map[string]any{"name": "windows"}, "os").safe("", breaks))
	}
	if isTrue(x.spec.HostProcess) {
		x.add(nil, set(false, "securityContext", "windowsOptions", "hostProcess").safe("", breaks))
		done = true
	}
	for i := range x.spec.Containers {
		if c := &x.spec.Containers[i]; isTrue(c.HostProcess) && c.Type != fact.EphemeralContainer {
			x.add(c, set(false, "securityContext", "windowsOptions", "hostProcess").safe("", breaks))
			done = true
		}
	}
	return done
}

func propagation(x *work, c *fact.Container) bool {
	if x.waived("privileged/mount-propagation", c) {
		return false
	}
	done := false
	for i := range c.Mounts {
		if m := &c.Mounts[i]; !m.Device && m.Propagation == "Bidirectional" {
			x.add(c, Mend{Path: Path{item("volumeMounts", "mountPath", m.Path), {Name: "mountPropagation"}}, Op: Remove}.safe("",
				"What the container mounts there no longer appears on the node or in other containers, which a CSI driver needs."))
			done = true
		}
	}
	return done
}

func escalation(x *work, c *fact.Container) bool {
	if x.waived("privileged/privilege-escalation", c) {
		return false
	}
	if isFalse(c.AllowPrivilegeEscalation) {
		return false
	}
	// That all threads have NoNewPrivs by now does not make it safe: a program can have set that
	// itself, after it had used such a program.
	x.add(c, set(false, "securityContext", "allowPrivilegeEscalation").safe("",
		"A set-user-ID program such as sudo or su, or one with file capabilities, no longer gives its caller more rights."))
	// The API server refuses it beside these.
	if isTrue(c.Privileged) {
		privileged(x, c)
	}
	if slices.Contains(c.CapAdd, "CAP_SYS_ADMIN") {
		addedCapabilities(x, c)
	}
	return true
}

// addedCapabilities takes away what goes beyond the runtime's default, and NET_RAW. What stays was
// added for a reason, and costs no level but restricted.
func addedCapabilities(x *work, c *fact.Container) bool {
	if x.waived("privileged/added-capabilities", c) {
		return false
	}
	var keep []any
	var lost []string
	for _, name := range c.CapAdd {
		n, ok := capability.Parse(name)
		if ok && n.Mask()&capability.RuntimeDefault != 0 && n != capability.NetRaw {
			keep = append(keep, name)
		} else {
			lost = append(lost, name)
		}
	}
	if len(lost) == 0 {
		return false
	}
	m := Mend{Path: fields("securityContext", "capabilities", "add"), Op: Remove}
	if len(keep) > 0 {
		m.Op, m.Value = Set, keep
	}
	x.add(c, m.safe("", "A program that uses "+checks.JoinWords(lost, 5)+" fails where it does."))
	return true
}

// dropAll drops every capability. What is added explicitly stays.
func dropAll(x *work, c *fact.Container) bool {
	if len(c.CapDrop) == 1 && c.CapDrop[0] == "ALL" {
		return false
	}
	because := ""
	if len(c.CapAdd) == 0 {
		because = x.holdsNothing(c)
	}
	x.add(c, set([]any{"ALL"}, "securityContext", "capabilities", "drop").safe(because,
		"A program that runs as root may change the owner of files, become another user, or listen below port 1024: add back the capability that it then misses (CHOWN, SETUID and SETGID, NET_BIND_SERVICE)."))
	return true
}

// effective answers what a process holds by what its spec asks for.
func effective(x *work, c *fact.Container) bool {
	if c == nil {
		return false
	}
	done := privileged(x, c)
	done = addedCapabilities(x, c) || done
	return dropAll(x, c) || done
}

// unprivileged is the user for a program whose image names none. Distroless images call it nonroot,
// and no distribution gives it to anybody. 65534 is the kernel's overflow user: files of users that
// it cannot map belong to that one.
const unprivileged = 65532

// nonRoot refuses root. The kubelet compares the user that the image or runAsUser names, before
// the container starts.
func nonRoot(x *work, c *fact.Container) bool {
	if x.waived("privileged/runs-as-root", c) {
		return false
	}
	const breaks = "The kubelet does not start a container whose image names root, or names its user by a word, as long as runAsUser is not set to a number above 0. A program that must be root needs hostUsers: false instead."
	user, runs, started := x.declaredUser(c), x.runsAs(c), ""
	done := false
	setUser := func(because string) {
		x.add(c, Mend{
			Path: fields("securityContext", "runAsUser"), Op: Set, Value: *runs, Because: "All its processes run as user " + number(*runs) + " now.",
			Breaks: because + " what it does as root before it becomes user " + number(*runs) + " fails, such as changing the owner of a volume.",
		})
		done = true
	}
	switch {
	case user != nil && *user > 0 && x.rolling():
		// The template may not have this user.
	case user != nil && *user > 0:
		started = "The container starts as user " + number(*user) + " already (runAsUser), which is what the kubelet compares."
	case user != nil && runs != nil:
		setUser("It starts as root:")
	case user != nil: // without it, the image's user counts
		where := c
		if c.RunAsUser == nil {
			where = nil
		}
		x.add(where, Mend{Path: fields("securityContext", "runAsUser"), Op: Remove, Because: "It runs as root because runAsUser says so.", Breaks: breaks})
		done = true
	case runs != nil:
		setUser("If its image starts it as root,")
	case x.allRoot(c): // no image's user that is not root would start, so a number is needed
		x.add(c, Mend{
			Path: fields("securityContext", "runAsUser"), Op: Set, Value: int64(unprivileged), Because: "All its processes run as root now, and its spec names no user.",
			Breaks: "What only root may do fails: reading files of root, writing where root may, listening below port 1024 on old nodes. If the image has a user for its program, name that number instead.",
		})
		done = true
	}
	if !isTrue(c.RunAsNonRoot) {
		x.add(c, set(true, "securityContext", "runAsNonRoot").safe(started, breaks))
		done = true
	}
	return done
}

func seccomp(x *work, c *fact.Container) bool {
	if x.waived("privileged/seccomp", c) {
		return false
	}
	value := func() any { return map[string]any{"type": "RuntimeDefault"} }
	const breaks = "A program that makes one of the system calls that the runtime's profile refuses fails there (such as mount, ptrace on old kernels, or io_uring)."
	allowed := func(kind string) bool { return kind == "RuntimeDefault" || kind == "Localhost" }
	done := false
	if !allowed(x.spec.Seccomp) {
		// The pod's field stands in for every container, those that others inject too.
		x.add(nil, Mend{Path: fields("securityContext", "seccompProfile"), Op: Set, Value: value(), Breaks: breaks})
		done = true
	}
	if c != nil && (c.Seccomp != "" && !allowed(c.Seccomp) || slices.Contains(c.Untyped, fact.UntypedSeccomp)) {
		x.add(c, Mend{Path: fields("securityContext", "seccompProfile"), Op: Set, Value: value(), Breaks: breaks})
		done = true
	}
	if c != nil && isTrue(c.Privileged) {
		done = privileged(x, c) || done // a privileged container gets no profile, whatever is declared
	}
	for key, v := range x.spec.SecurityAnnotations {
		if v == "unconfined" && (key == "seccomp.security.alpha.kubernetes.io/pod" || c != nil && key == "container.seccomp.security.alpha.kubernetes.io/"+c.Name) {
			x.add(nil, annotation(key, breaks))
			done = true
		}
	}
	return done
}

func annotation(key, breaks string) Mend {
	return Mend{Path: Path{{Name: "metadata"}, {Name: "annotations"}, {Name: key}}, Op: Remove, Breaks: breaks}
}

const appArmorAnnotation = "container.apparmor.security.beta.kubernetes.io/"

// confinement removes what leaves the runtime's own AppArmor profile or SELinux type.
func confinement(x *work, c *fact.Container) bool {
	if x.waived("privileged/apparmor-selinux", c) {
		return false
	}
	if c == nil {
		return false
	}
	const breaks = "A program that does what the runtime's AppArmor profile or SELinux type refuses, such as mounting or writing to files of the node, fails."
	done := false
	remove := func(of *fact.Container, names ...string) {
		x.add(of, Mend{Path: fields(names...), Op: Remove, Breaks: breaks})
		done = true
	}
	if c.AppArmor == "Unconfined" || slices.Contains(c.Untyped, fact.UntypedAppArmor) {
		remove(c, "securityContext", "appArmorProfile")
	}
	if x.spec.AppArmor == "Unconfined" || slices.Contains(x.spec.Untyped, fact.UntypedAppArmor) {
		remove(nil, "securityContext", "appArmorProfile")
	}
	if key := appArmorAnnotation + c.Name; x.spec.SecurityAnnotations[key] != "" && !confined(x.spec.SecurityAnnotations[key]) {
		x.add(nil, annotation(key, breaks))
		done = true
	}
	for _, of := range []struct {
		c *fact.Container
		o *fact.SELinuxOptions
	}{{c, c.SELinux}, {nil, x.spec.SELinux}} {
		if of.o == nil {
			continue
		}
		switch of.o.Type {
		case "", "container_t", "container_init_t", "container_kvm_t", "container_engine_t":
		default:
			remove(of.c, "securityContext", "seLinuxOptions", "type")
		}
		if of.o.User != "" {
			remove(of.c, "securityContext", "seLinuxOptions", "user")
		}
		if of.o.Role != "" {
			remove(of.c, "securityContext", "seLinuxOptions", "role")
		}
	}
	if isTrue(c.Privileged) {
		done = privileged(x, c) || done
	}
	return done
}

func confined(profile string) bool {
	return profile == "runtime/default" || strings.HasPrefix(profile, "localhost/")
}

func procMount(x *work, c *fact.Container) bool {
	if x.waived("privileged/proc-mount", c) {
		return false
	}
	if c.ProcMount == "" && !slices.Contains(c.Untyped, fact.UntypedProcMount) || c.ProcMount == "Default" {
		return false
	}
	x.add(c, set("Default", "securityContext", "procMount").safe("",
		"A program that starts containers inside the container, or reads the masked files of /proc, fails."))
	return true
}

func sysctls(x *work, _ *fact.Container) bool {
	if x.waived("privileged/sysctls", nil) {
		return false
	}
	result := x.evaluator.Evaluate(x.spec, x.standard)
	done := false
	for _, r := range result.Refusals() {
		if r.Check != podsecurity.Sysctls {
			continue
		}
		for _, f := range r.Fields {
			name := f.Value
			if !slices.Contains(x.spec.Sysctls, name) {
				continue
			}
			x.add(nil, Mend{
				Path: Path{{Name: "securityContext"}, item("sysctls", "name", name)}, Op: Remove,
				Breaks: "The program runs with the node's value of " + name + ", which may be too small for it.",
			})
			done = true
		}
	}
	return done
}

func hostNamespaces(x *work, _ *fact.Container) bool {
	if x.waived("privileged/host-namespaces", nil) {
		return false
	}
	done := false
	if on, _ := hostProcesses(x.spec); on {
		done = hostProcess(x, nil)
	}
	for _, ns := range []struct {
		on           bool
		name, breaks string
	}{
		{x.spec.HostPID, "hostPID", "A program that looks at processes of the node sees only its own."},
		{x.spec.HostIPC, "hostIPC", "A program that shares memory with processes of the node does not find it."},
		{x.spec.HostNetwork, "hostNetwork", "The pod gets an own address: what reaches it at the node's address needs a Service, and it no longer reaches what listens on the node's localhost."},
	} {
		if ns.on {
			x.add(nil, set(false, ns.name).safe("", ns.breaks))
			done = true
		}
	}
	if x.spec.HostNetwork {
		// The API server has set a hostPort for each port of such a pod, which would stay.
		for i := range x.spec.Containers {
			ports(x, &x.spec.Containers[i])
		}
	}
	return done
}

func hostPorts(x *work, c *fact.Container) bool {
	if x.spec.HostNetwork {
		return hostNamespaces(x, nil)
	}
	if c == nil {
		return false
	}
	return ports(x, c)
}

func ports(x *work, c *fact.Container) bool {
	if x.waived("privileged/host-ports", c) {
		return false
	}
	if c.Type == fact.EphemeralContainer {
		return false
	}
	done := false
	for _, field := range c.PortFields {
		index, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(field, "ports["), "].hostPort"))
		if err != nil || index < 0 { // "ports[0].containerPort" is a port of the node by hostNetwork
			continue
		}
		x.add(c, Mend{
			Path: Path{at("ports", index), {Name: "hostPort"}}, Op: Remove,
			Breaks: "What reaches the pod at a port of its node needs a Service.",
		})
		done = true
	}
	return done
}

func probeHosts(x *work, c *fact.Container) bool {
	if x.waived("privileged/probe-host", c) {
		return false
	}
	for i := range c.ProbeHosts {
		x.add(c, Mend{
			Path: fields(strings.Split(c.ProbeHosts[i].Field, ".")...), Op: Remove,
			Breaks: "The kubelet connects to the pod's own address: a program that does not listen there fails the probe and is started again.",
		})
	}
	return len(c.ProbeHosts) > 0
}

func sharedProcesses(x *work, _ *fact.Container) bool {
	if !isTrue(x.spec.ShareProcessNamespace) {
		return false
	}
	x.add(nil, set(false, "shareProcessNamespace").safe("", "A container that signals or looks at processes of another one does not find them."))
	return true
}

func token(x *work, _ *fact.Container) bool {
	if isFalse(x.spec.AutomountToken) {
		x.note(nil, "automountServiceAccountToken is false already: the pod's own spec mounts a token, or something adds it. Remove that volume and its mounts if the program does not call the API.")
		return false
	}
	x.add(nil, set(false, "automountServiceAccountToken").safe("", "A program that calls the Kubernetes API gets no token; nobody measured whether it does."))
	return true
}

// hostPaths takes directories of the node away. Where the container writes, an emptyDir takes the
// place, so that the program still can.
func hostPaths(only func(hostpath.Mount) bool) mender {
	return func(x *work, c *fact.Container) bool {
		done := false
		if x.waived("privileged/host-path", c) {
			return false
		}
		volumes := x.spec.Volumes
		if c != nil {
			volumes = nil
			for _, m := range hostpath.Of(x.w, c) {
				if m.Mount.Device || only != nil && !only(m) {
					continue
				}
				if m.Volume.Source != "hostPath" {
					x.note(c, "The claim "+m.Volume.Name+" leads to "+m.Path+" of the node. Use a claim of another storage class, and copy the data: no field of the pod changes that.")
					continue
				}
				volumes = append(volumes, *m.Volume)
			}
		}
		for i := range volumes {
			v := &volumes[i]
			if v.Source != "hostPath" || c == nil && only != nil {
				continue
			}
			if c == nil && x.check == "privileged/host-path" && x.mounted(v.Name) {
				continue // a finding of the pod is about a volume that no container mounts
			}
			x.removeVolume(v)
			done = true
		}
		return done
	}
}

func (x *work) mounted(volume string) bool {
	for i := range x.spec.Containers {
		if slices.ContainsFunc(x.spec.Containers[i].Mounts, func(m fact.VolumeMount) bool { return m.Volume == volume }) {
			return true
		}
	}
	return false
}

// removeVolume removes a hostPath volume and its mounts, or lays an emptyDir in its place if a
// container writes to it.
func (x *work) removeVolume(v *fact.Volume) {
	for i := range x.mends {
		if m := &x.mends[i]; m.Container == "" && m.Path.name() == "volumes" && m.Path.item().Value == v.Name {
			m.Checks = append(m.Checks, x.check)
			slices.Sort(m.Checks)
			m.Checks = slices.Compact(m.Checks)
		}
	}
	written := false
	for i := range x.spec.Containers {
		for _, m := range x.spec.Containers[i].Mounts {
			written = written || m.Volume == v.Name && !m.ReadOnly && !m.Device
		}
	}
	path, tests := Path{item("volumes", "name", v.Name)}, []Test{{Below: []string{"hostPath", "path"}, Text: v.HostPath}}
	where := hostpath.Clean(v.HostPath)
	if written && !devicesOrSockets(x, v) {
		x.add(nil, Mend{
			Path: path, Op: Set, Value: map[string]any{"name": v.Name, "emptyDir": map[string]any{}}, Tests: tests,
			Breaks: "The program finds an empty directory in place of " + where + " of the node, and what it writes there is gone with the pod.",
			Leaves: "An emptyDir is writable and executable: the kubelet cannot mount it noexec.",
		})
		for i := range x.spec.Containers {
			c := &x.spec.Containers[i]
			for _, m := range c.Mounts {
				if m.Volume == v.Name && m.Propagation == "Bidirectional" {
					propagation(x, c)
				}
			}
		}
		return
	}
	breaks := "A program that needs " + where + " of the node does not find it."
	for i := range x.spec.Containers {
		c := &x.spec.Containers[i]
		for _, m := range c.Mounts {
			if m.Volume == v.Name && !m.Device && c.Type != fact.EphemeralContainer {
				x.add(c, Mend{Path: Path{item("volumeMounts", "mountPath", m.Path)}, Op: Remove, Breaks: breaks})
			}
		}
	}
	x.add(nil, Mend{Path: path, Op: Remove, Tests: tests, Breaks: breaks})
}

// devicesOrSockets reports whether a directory of the node is of no use without what is in it.
func devicesOrSockets(x *work, v *fact.Volume) bool {
	p := hostpath.Clean(v.HostPath)
	for _, dir := range []string{"/dev", "/proc", "/sys", "/run", "/var/run", "/boot", "/lib/modules", "/etc"} {
		if p == dir || strings.HasPrefix(p, dir+"/") {
			return true
		}
	}
	return p == "/" || strings.HasSuffix(p, ".sock")
}

// podSecurity makes what restricted demands, field by field.
func podSecurity(x *work, _ *fact.Container) bool {
	result := x.evaluator.Evaluate(x.spec, x.standard)
	done := false
	for _, r := range result.Refusals() {
		f := bySecurityCheck(r.Check)
		if f == nil {
			continue
		}
		for _, field := range r.Fields {
			var c *fact.Container
			if field.Container >= 0 && field.Container < len(x.spec.Containers) {
				c = &x.spec.Containers[field.Container]
				if c.Type == fact.EphemeralContainer {
					continue
				}
			}
			done = f(x, c) || done
		}
	}
	return done
}

// bySecurityCheck finds the mends of a check of Pod Security; nil if it has none.
func bySecurityCheck(id podsecurity.CheckID) mender {
	switch id {
	case podsecurity.PrivilegedContainers:
		return privileged
	case podsecurity.WindowsHostProcess:
		return hostProcess
	case podsecurity.HostNamespaces:
		return hostNamespaces
	case podsecurity.CapabilitiesBaseline:
		return addedCapabilities
	case podsecurity.CapabilitiesRestricted:
		return linux(restrictedCapabilities)
	case podsecurity.HostPathVolumes:
		return hostPaths(nil)
	case podsecurity.HostPorts:
		return hostPorts
	case podsecurity.HostProbesAndHostLifecycle:
		return probeHosts
	case podsecurity.AppArmorProfile, podsecurity.SELinuxOptions:
		return each(confinement)
	case podsecurity.ProcMount, podsecurity.ProcMountRestricted:
		return procMount
	case podsecurity.SeccompBaseline, podsecurity.SeccompRestricted:
		return linux(seccomp)
	case podsecurity.Sysctls:
		return sysctls
	case podsecurity.AllowPrivilegeEscalation:
		return linux(escalation)
	case podsecurity.RunAsNonRoot, podsecurity.RunAsUser:
		return each(linux(nonRoot))
	}
	return nil // restrictedVolumes: another type of volume needs another object
}

func restrictedCapabilities(x *work, c *fact.Container) bool {
	if c == nil {
		return false
	}
	done := addedCapabilities(x, c)
	return dropAll(x, c) || done
}

func image(x *work, c *fact.Container) bool {
	if c == nil {
		return false
	}
	digest, why := x.digestOf(c)
	if digest == "" {
		x.note(c, "No patch names its image by digest: "+why+". Resolve the tag where the image is built, and name repository:tag@sha256:... in the manifest.")
		return false
	}
	if slices.Contains(x.w.Differs, c.Field+".image") || slices.Contains(x.w.Differs, c.Field) || slices.Contains(x.w.Differs, "…") {
		x.note(c, "No patch names its image by digest: its pods may have another image than the template of its owner (a rollout, or something changes pods as they are made). Name repository:tag@sha256:... of the image that is meant in the manifest.")
		return false
	}
	m := set(c.Image+"@"+digest, "image")
	m.Tests = []Test{{Text: c.Image}} // or an update that somebody made since would be undone
	if others := x.otherArchitectures(); len(others) > 0 {
		m.Breaks = "There are nodes of another architecture (" + checks.JoinWords(others, 3) + ") on which no pod of it runs: the digest may be that of the image for the other nodes alone."
	} else if x.somePods {
		m.Breaks = "This run may have left out some of its pods, and they may run another image."
	} else if x.rolling() {
		m.Breaks = "Not all pods have the template's spec now (a rollout, or something changes pods as they are made): the template may mean another image."
	} else {
		m.Safe, m.Because = true, "All "+checks.Count(len(x.w.Pods), "pod")+" of it run this digest of the image (status imageID)."
	}
	x.add(c, m)
	return true
}

// readOnlyRoot makes the root file system read-only, with an emptyDir where the container has
// written.
func readOnlyRoot(x *work, c *fact.Container) bool {
	if c == nil || isTrue(c.ReadOnlyRootFilesystem) {
		return false
	}
	m := set(true, "securityContext", "readOnlyRootFilesystem")
	w := x.writtenBy(c)
	if w.why == "" && x.rootsReadOnly(c) {
		m.Safe, m.Because = true, "The root file system of each running container is mounted read-only already."
		x.add(c, m)
		return true
	}
	var loses []string
	say := func(what string, list []string) {
		if len(list) > 0 {
			loses = append(loses, what+checks.JoinWords(quoted(list), 4))
		}
	}
	say("it has added programs or code, which belong into the image: ", w.code)
	say("it has changed or removed files of its image: ", w.image)
	say("it has written where no emptyDir can be laid: ", w.elsewhere)
	if w.unknown > 0 {
		loses = append(loses, "it has written "+checks.Count(w.unknown, "file")+" whose paths are not in the facts (logs, caches and state in facts of an earlier version, what could not be compared)")
	}
	switch {
	case w.why != "":
		m.Breaks = "A program that writes to its root file system fails where it writes; where it does is unknown: " + w.why + "."
	case len(loses) > 0:
		m.Breaks = "A program that writes to its root file system fails where it writes: " + strings.Join(loses, "; ") + "."
	case len(w.dirs) > 0:
		m.Because = "Until now its containers have written to their root only in " + checks.JoinWords(quoted(w.dirs), maxEmptyDirs) + "."
		m.Breaks = "What it writes seldom, to another directory, fails: the writable layers were read at one moment."
	default:
		m.Because = "Until now its containers have written nothing to their root."
		m.Breaks = "What it writes seldom fails: the writable layers were read at one moment."
	}
	x.add(c, m)
	for _, dir := range w.dirs {
		x.emptyDir(c, dir)
	}
	return true
}

func quoted(list []string) []string {
	out := make([]string, len(list))
	for i, text := range list {
		out[i] = word(text, true)
	}
	return out
}

// rootsReadOnly reports whether the root of each instance is mounted read-only.
func (x *work) rootsReadOnly(c *fact.Container) bool {
	in := x.instancesOf(c)
	for _, r := range in.list {
		if _, unread := x.view.Unread(r, fact.Mounts); unread || r.Measured.Root == nil || !r.Measured.Root.ReadOnly {
			return false
		}
	}
	return in.why == "" && len(in.list) > 0
}

// emptyDir mounts an own emptyDir at a directory of a container.
func (x *work) emptyDir(c *fact.Container, dir string) {
	for _, m := range c.Mounts {
		if m.Path == dir {
			return // something is mounted there already
		}
	}
	const leaves = "An emptyDir is writable and executable: the kubelet cannot mount it noexec, so that drift stays possible there (OPEN)."
	key := [2]string{c.Name, dir}
	if x.names == nil {
		x.names = map[[2]string]string{}
	}
	name := x.names[key]
	if name == "" {
		name = x.volumeName(c.Name, dir)
		x.names[key] = name
	}
	because := "A container has written there."
	x.add(nil, Mend{
		Path: fields("volumes"), Op: Append, Value: map[string]any{"name": name, "emptyDir": map[string]any{}}, Because: because,
		Breaks: "Files that the image has below " + word(dir, true) + " are hidden, and what is written there is gone with the pod.", Leaves: leaves,
	})
	x.add(c, Mend{
		Path: fields("volumeMounts"), Op: Append, Value: map[string]any{"name": name, "mountPath": dir}, Because: because,
		Breaks: "Files that the image has below " + word(dir, true) + " are hidden, and what is written there is gone with the pod.", Leaves: leaves,
	})
}

// volumeName makes a name that no volume has: a DNS label (RFC 1123) of at most 63 bytes.
func (x *work) volumeName(container, dir string) string {
	label := strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9':
			return r
		case 'A' <= r && r <= 'Z':
			return r - 'A' + 'a'
		}
		return '-'
	}, container+dir)
	const room = 52
	label = "rw-" + strings.Trim(label[:min(len(label), room)], "-")
	taken := func(name string) bool {
		if slices.ContainsFunc(x.spec.Volumes, func(v fact.Volume) bool { return v.Name == name }) {
			return true
		}
		for _, other := range x.names {
			if other == name {
				return true
			}
		}
		return false
	}
	name := label
	for i := 2; taken(name); i++ {
		name = label + "-" + fmt.Sprint(i)
	}
	return name
}
