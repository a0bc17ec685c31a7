// Package podsecurity judges declared pods by the Pod Security Standards
// (https://kubernetes.io/docs/concepts/security/pod-security-standards/). The verdicts are
// those of the official evaluator, k8s.io/pod-security-admission/policy, at the version asked
// for. The evaluator names containers and not fields, so this package adds the exact fields.
// It does no I/O.
package podsecurity

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	psa "k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/sorted"
)

// Level is a level of the Pod Security Standards.
type Level string

// The levels, the least strict first.
const (
	Privileged Level = "privileged" // refuses nothing
	Baseline   Level = "baseline"
	Restricted Level = "restricted"
)

// Compare is -1 if a level is less strict than another, 0 if they are equal, 1 if it is stricter.
func (l Level) Compare(o Level) int { return psa.CompareLevels(psa.Level(l), psa.Level(o)) }

// ParseLevel reads the value of a label pod-security.kubernetes.io/MODE. Valid is false for
// another word than the three: then the level is Restricted, as which the API server treats it
// in the mode enforce. In the modes audit and warn it treats it as Privileged.
func ParseLevel(text string) (level Level, valid bool) {
	parsed, err := psa.ParseLevel(text)
	return Level(parsed), err == nil
}

// Version is a minor version of the standards, that of a minor version of Kubernetes. The zero
// value is v1.0.
type Version struct {
	minor  int
	latest bool
}

// Latest is the newest version that this build knows.
func Latest() Version { return Version{latest: true} }

// Minor is the version of Kubernetes v1.N. A negative N is 0.
func Minor(n int) Version { return Version{minor: max(n, 0)} }

// ParseVersion reads the value of a label pod-security.kubernetes.io/MODE-version: "latest" or
// "v1.N". Valid is false for another text: then the version is Latest, as which the API server
// treats it.
func ParseVersion(text string) (version Version, valid bool) {
	parsed, err := psa.ParseVersion(text)
	if err != nil || parsed.Latest() {
		return Latest(), err == nil
	}
	return Minor(parsed.Minor()), true
}

// String is "latest" or "v1.N".
func (v Version) String() string {
	if v.latest {
		return "latest"
	}
	return "v1." + strconv.Itoa(v.minor)
}

// Known is the version that is judged in its place: itself, or the newest that this build
// knows if that is older. Clamped reports that it is another version of Kubernetes, whose
// standards may refuse more.
func (v Version) Known() (known Version, clamped bool) {
	newest := standards().newest
	if v.latest {
		return Minor(newest), false
	}
	return Minor(min(v.minor, newest)), v.minor > newest
}

// Field is a field for which a check refuses a pod.
type Field struct {
	// Path is below the pod: "spec.containers[0].securityContext.privileged",
	// "metadata.annotations[KEY]".
	Path string
	// Value is what is declared, in short; "not set" if the field must be set.
	Value string
	// Container is the place in PodSpec.Containers, -1 for a field of the pod.
	Container int
}

// NotSet is the value of a field that is not set and must be.
const NotSet = "not set"

// maxValue bounds a field's value, in bytes.
const maxValue = 128

// Refusal is a check that refuses a pod.
type Refusal struct {
	Check  CheckID
	Level  Level // the least strict level that has the check
	Fields []Field
}

// CheckID is the evaluator's name of a check: "hostNamespaces".
type CheckID string

// standard is the evaluator's checks with their versions.
type standard struct {
	newest int // minor version
	ids    []CheckID
	levels []Level
	// At each minor version: the function of each check (nil if it does not exist yet), and
	// which checks a level has, as bits in the order of ids.
	functions            [][]policy.CheckPodFn
	baseline, restricted []uint32
}

// standards orders the checks as the evaluator does: baseline first, then by ID.
var standards = sync.OnceValue(func() *standard {
	list := policy.DefaultChecks()
	sorted.Func(list, func(a, b policy.Check) int {
		if a.Level != b.Level {
			return psa.CompareLevels(a.Level, b.Level)
		}
		return strings.Compare(string(a.ID), string(b.ID))
	})
	s := &standard{}
	for _, c := range list {
		s.ids, s.levels = append(s.ids, CheckID(c.ID)), append(s.levels, Level(c.Level))
		newest := c.Versions[len(c.Versions)-1].MinimumVersion
		s.newest = max(s.newest, newest.Minor())
	}
	for minor := range s.newest + 1 {
		functions := make([]policy.CheckPodFn, len(list))
		var baseline, restricted uint32
		overridden := map[policy.CheckID]bool{}
		for i, c := range list {
			for _, v := range c.Versions {
				if v.MinimumVersion.Minor() > minor {
					break
				}
				functions[i] = v.CheckPod
				if c.Level == psa.LevelRestricted {
					for _, id := range v.OverrideCheckIDs {
						overridden[id] = true
					}
				}
			}
		}
		for i, c := range list {
			switch {
			case functions[i] == nil:
			case c.Level == psa.LevelBaseline:
				baseline |= 1 << i
				if !overridden[c.ID] {
					restricted |= 1 << i
				}
			default:
				restricted |= 1 << i
			}
		}
		s.functions = append(s.functions, functions)
		s.baseline, s.restricted = append(s.baseline, baseline), append(s.restricted, restricted)
	}
	return s
})

// Evaluator judges pods. It remembers verdicts, because most pods of a cluster set the same few
// fields. It is not for concurrent use; the zero value is ready.
type Evaluator struct {
	seen map[string]uint32 // the refusing checks, by what they read
	key  []byte
	pod  rebuilt
}

// maxSeen bounds the remembered verdicts: about 1 MiB.
const maxSeen = 4096

// Result is what the standards say about a pod at one version.
type Result struct {
	spec     *fact.PodSpec
	minor    int
	refusing uint32
}

// Evaluate judges a pod at a version, clamped as Version.Known says. The pod must not change
// while the result is used.
func (e *Evaluator) Evaluate(spec *fact.PodSpec, version Version) Result {
	known, _ := version.Known()
	s, r := standards(), Result{spec: spec, minor: known.minor}
	e.key = appendKey(append(e.key[:0], byte(known.minor)), spec)
	refusing, found := e.seen[string(e.key)]
	if !found {
		refusing = e.ask(s, spec, known.minor)
		if e.seen == nil || len(e.seen) >= maxSeen {
			e.seen = map[string]uint32{}
		}
		const most = 1024 // an odd pod's key is not worth its memory
		if len(e.key) <= most {
			e.seen[string(e.key)] = refusing
		}
	}
	r.refusing = refusing
	return r
}

// ask runs the official checks.
func (e *Evaluator) ask(s *standard, spec *fact.PodSpec, minor int) (refusing uint32) {
	meta, pod := e.pod.from(spec)
	for i, check := range s.functions[minor] {
		if check != nil && !check(meta, pod).Allowed {
			refusing |= 1 << i
		}
	}
	return refusing
}

// Allows reports whether a level allows the pod.
func (r *Result) Allows(level Level) bool {
	s := standards()
	switch level {
	case Restricted:
		return r.refusing&s.restricted[r.minor] == 0
	case Baseline:
		return r.refusing&s.baseline[r.minor] == 0
	}
	return true
}

// Level is the strictest level that allows the pod.
func (r *Result) Level() Level {
	switch {
	case r.Allows(Restricted):
		return Restricted
	case r.Allows(Baseline):
		return Baseline
	}
	return Privileged
}

// Refusals are the checks by which restricted or a less strict level refuses the pod: those of
// baseline first, then by ID. A field is named once, under the first check that refuses it, so
// a check of restricted that repeats one of baseline is there only with further fields. It is
// nil if restricted allows the pod.
func (r *Result) Refusals() []Refusal {
	if r.Allows(Restricted) {
		return nil
	}
	s := standards()
	var out []Refusal
	named := map[Field]bool{} // a pod can have very many containers
	for i, id := range s.ids {
		bit := uint32(1) << i
		if r.refusing&bit&(s.baseline[r.minor]|s.restricted[r.minor]) == 0 {
			continue
		}
		fields := fieldsOf(r.spec, id, r.minor)
		if s.levels[i] == Restricted {
			fields = slices.DeleteFunc(fields, func(f Field) bool { return named[f] })
			if len(fields) == 0 && repeats(id) {
				continue
			}
		}
		for _, f := range fields {
			named[f] = true
		}
		out = append(out, Refusal{Check: id, Level: s.levels[i], Fields: fields})
	}
	return out
}

// repeats reports whether a check of restricted refuses what one of baseline refuses, too.
func repeats(id CheckID) bool {
	return id == CapabilitiesRestricted || id == RestrictedVolumes || id == SeccompRestricted || id == ProcMountRestricted
}

// Checks lists the evaluator's checks, those of baseline first.
func Checks() []CheckID { return slices.Clone(standards().ids) }

// rebuilt is a pod with the fields that the evaluator reads. Its parts are used again.
type rebuilt struct {
	meta metav1.ObjectMeta
	spec corev1.PodSpec
}

// from rebuilds a pod from its facts.
func (p *rebuilt) from(f *fact.PodSpec) (*metav1.ObjectMeta, *corev1.PodSpec) {
	p.meta = metav1.ObjectMeta{Annotations: f.SecurityAnnotations}
	p.spec = corev1.PodSpec{
		HostNetwork: f.HostNetwork, HostPID: f.HostPID, HostIPC: f.HostIPC, HostUsers: f.HostUsers,
		SecurityContext: &corev1.PodSecurityContext{
			RunAsUser: f.RunAsUser, RunAsNonRoot: f.RunAsNonRoot,
			SeccompProfile: seccompProfile(f.Seccomp, f.Untyped), AppArmorProfile: appArmorProfile(f.AppArmor, f.Untyped),
			SELinuxOptions: seLinux(f.SELinux), WindowsOptions: windows(f.HostProcess),
		},
	}
	// A node selector makes no difference to Pod Security: only os.name does.
	if f.OS != "" && f.OSField == "" {
		p.spec.OS = &corev1.PodOS{Name: corev1.OSName(f.OS)}
	}
	for _, name := range f.Sysctls {
		p.spec.SecurityContext.Sysctls = append(p.spec.SecurityContext.Sysctls, corev1.Sysctl{Name: name})
	}
	for i := range f.Volumes {
		if f.Volumes[i].Source == fact.VolumeUnlisted {
			continue // of which nothing is known
		}
		p.spec.Volumes = append(p.spec.Volumes, volume(&f.Volumes[i]))
	}
	for i := range f.Containers {
		c := container(&f.Containers[i])
		switch f.Containers[i].Type {
		case fact.InitContainer:
			p.spec.InitContainers = append(p.spec.InitContainers, c)
		case fact.EphemeralContainer:
			p.spec.EphemeralContainers = append(p.spec.EphemeralContainers, corev1.EphemeralContainer{EphemeralContainerCommon: corev1.EphemeralContainerCommon(c)})
		default:
			p.spec.Containers = append(p.spec.Containers, c)
		}
	}
	return &p.meta, &p.spec
}

func container(f *fact.Container) corev1.Container {
	sc := &corev1.SecurityContext{
		Privileged: f.Privileged, AllowPrivilegeEscalation: f.AllowPrivilegeEscalation,
		RunAsUser: f.RunAsUser, RunAsNonRoot: f.RunAsNonRoot,
		SeccompProfile: seccompProfile(f.Seccomp, f.Untyped), AppArmorProfile: appArmorProfile(f.AppArmor, f.Untyped),
		SELinuxOptions: seLinux(f.SELinux), WindowsOptions: windows(f.HostProcess),
	}
	if f.ProcMount != "" || slices.Contains(f.Untyped, fact.UntypedProcMount) {
		sc.ProcMount = (*corev1.ProcMountType)(&f.ProcMount)
	}
	if len(f.CapAdd) > 0 || len(f.CapDrop) > 0 {
		sc.Capabilities = &corev1.Capabilities{Add: capabilities(f.CapAdd), Drop: capabilities(f.CapDrop)}
	}
	c := corev1.Container{Name: f.Name, SecurityContext: sc}
	for _, port := range f.HostPorts {
		c.Ports = append(c.Ports, corev1.ContainerPort{HostPort: port})
	}
	for _, h := range f.ProbeHosts {
		// Which probe it is makes no difference to the verdict.
		c.LivenessProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Host: h.Host}}}
	}
	return c
}

func capabilities(names []string) []corev1.Capability {
	out := make([]corev1.Capability, len(names))
	for i, name := range names {
		out[i] = corev1.Capability(name)
	}
	return out
}

func seccompProfile(kind string, untyped []string) *corev1.SeccompProfile {
	if kind == "" && !slices.Contains(untyped, fact.UntypedSeccomp) {
		return nil
	}
	return &corev1.SeccompProfile{Type: corev1.SeccompProfileType(kind)}
}

func appArmorProfile(kind string, untyped []string) *corev1.AppArmorProfile {
	if kind == "" && !slices.Contains(untyped, fact.UntypedAppArmor) {
		return nil
	}
	return &corev1.AppArmorProfile{Type: corev1.AppArmorProfileType(kind)}
}

func seLinux(f *fact.SELinuxOptions) *corev1.SELinuxOptions {
	if f == nil {
		return nil
	}
	return &corev1.SELinuxOptions{User: f.User, Role: f.Role, Type: f.Type, Level: f.Level}
}

func windows(hostProcess *bool) *corev1.WindowsSecurityContextOptions {
	if hostProcess == nil {
		return nil
	}
	return &corev1.WindowsSecurityContextOptions{HostProcess: hostProcess}
}

// volume has the source that the facts name, empty. The evaluator asks only which it is. A
// source that restricted does not allow is an empty one of another kind: the verdict is the
// same.
func volume(f *fact.Volume) corev1.Volume {
	v := corev1.Volume{Name: f.Name}
	switch f.Source {
	case "hostPath":
		v.HostPath = &corev1.HostPathVolumeSource{}
	case "configMap":
		v.ConfigMap = &corev1.ConfigMapVolumeSource{}
	case "csi":
		v.CSI = &corev1.CSIVolumeSource{}
	case "downwardAPI":
		v.DownwardAPI = &corev1.DownwardAPIVolumeSource{}
	case "emptyDir":
		v.EmptyDir = &corev1.EmptyDirVolumeSource{}
	case "ephemeral":
		v.Ephemeral = &corev1.EphemeralVolumeSource{}
	case "image":
		v.Image = &corev1.ImageVolumeSource{}
	case "persistentVolumeClaim":
		v.PersistentVolumeClaim = &corev1.PersistentVolumeClaimVolumeSource{}
	case "projected":
		v.Projected = &corev1.ProjectedVolumeSource{}
	case "secret":
		v.Secret = &corev1.SecretVolumeSource{}
	}
	return v
}

// appendKey appends all that rebuilding reads, so that pods with equal keys have equal
// verdicts. Texts are written with their length.
func appendKey(key []byte, f *fact.PodSpec) []byte {
	key = appendBools(key, &f.HostNetwork, &f.HostPID, &f.HostIPC, f.HostUsers, f.HostProcess, f.RunAsNonRoot)
	key = appendUser(key, f.RunAsUser)
	if f.OSField == "" {
		key = appendText(key, f.OS)
	} else {
		key = appendText(key, "")
	}
	key = appendProfiles(key, f.Seccomp, f.AppArmor, f.SELinux, f.Untyped)
	key = appendTexts(key, f.Sysctls)
	key = strconv.AppendInt(key, int64(len(f.SecurityAnnotations)), 10)
	if len(f.SecurityAnnotations) > 0 {
		names := make([]string, 0, len(f.SecurityAnnotations))
		for name := range f.SecurityAnnotations {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			key = appendText(appendText(key, name), f.SecurityAnnotations[name])
		}
		// Annotations name containers.
		for i := range f.Containers {
			key = appendText(key, f.Containers[i].Name)
		}
	}
	key = append(key, 'v')
	for i := range f.Volumes {
		key = appendText(key, f.Volumes[i].Source)
	}
	for i := range f.Containers {
		c := &f.Containers[i]
		key = append(key, 'c')
		key = appendBools(key, c.Privileged, c.AllowPrivilegeEscalation, c.HostProcess, c.RunAsNonRoot)
		key = appendUser(key, c.RunAsUser)
		key = appendProfiles(key, c.Seccomp, c.AppArmor, c.SELinux, c.Untyped)
		key = appendText(key, c.ProcMount)
		key = appendTexts(appendTexts(key, c.CapAdd), c.CapDrop)
		ports, hosts := len(c.HostPorts) > 0, len(c.ProbeHosts) > 0
		key = appendBools(key, &ports, &hosts)
	}
	return key
}

func appendBools(key []byte, values ...*bool) []byte {
	for _, v := range values {
		switch {
		case v == nil:
			key = append(key, '-')
		case *v:
			key = append(key, '1')
		default:
			key = append(key, '0')
		}
	}
	return key
}

// appendUser notes only what the evaluator asks: whether it is 0.
func appendUser(key []byte, user *int64) []byte {
	switch {
	case user == nil:
		return append(key, '-')
	case *user == 0:
		return append(key, '0')
	}
	return append(key, '1')
}

func appendText(key []byte, text string) []byte {
	key = strconv.AppendInt(key, int64(len(text)), 10)
	return append(append(key, ':'), text...)
}

func appendTexts(key []byte, texts []string) []byte {
	key = append(strconv.AppendInt(key, int64(len(texts)), 10), '.')
	for _, text := range texts {
		key = appendText(key, text)
	}
	return key
}

func appendProfiles(key []byte, seccomp, appArmor string, se *fact.SELinuxOptions, untyped []string) []byte {
	key = appendTexts(appendText(appendText(key, seccomp), appArmor), untyped)
	if se == nil {
		return append(key, '-')
	}
	return appendText(appendText(appendText(append(key, 's'), se.Type), se.User), se.Role)
}

// short is a value as evidence shows it.
func short(value string) string {
	if len(value) <= maxValue {
		return value
	}
	return strings.ToValidUTF8(value[:maxValue], "") + "…"
}

// quoted is a list of values as evidence shows it.
func quoted(values []string) string { return short(strings.Join(values, ", ")) }

func number[T int32 | int64](n T) string { return fmt.Sprint(n) }
