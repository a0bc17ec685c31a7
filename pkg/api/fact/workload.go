package fact

// Workload is a declared pod spec with the pods that have it. If the specs of one
// controller's pods differ (a rollout), they are several workloads with one Owner.
type Workload struct {
	// Owner is the top owner (Deployment, DaemonSet, CronJob, ...), or the pod
	// itself, or the object in a manifest.
	Owner Subject `json:"owner"`
	Spec  PodSpec `json:"spec"`
	// Pods are sorted by name; none for a template without pods.
	Pods []Pod `json:"pods,omitempty"`
	// Differs are the fields of these pods that the owner's template does not have or has
	// otherwise ("spec.containers[1]"), sorted, at most MaxDiffers, "…" for more: something
	// changed the pods as or after they were created, or the template has changed since. It is
	// nil if they are equal, or if the template was not read.
	Differs []string `json:"differs,omitempty"`
	// Object says how the owner can be changed; nil if its object was not read.
	Object *Object `json:"object,omitempty"`
}

// MaxDiffers bounds Workload.Differs.
const MaxDiffers = 8

// Pod is one pod of a workload, as its status shows it.
type Pod struct {
	Name  string `json:"name"`
	UID   string `json:"uid"`
	Node  string `json:"node,omitempty"`
	Phase string `json:"phase,omitempty"`
	// ConfigHash is the annotation kubernetes.io/config.hash of a static pod's
	// mirror. Its cgroup has this instead of the UID.
	ConfigHash string            `json:"configHash,omitempty"`
	Containers []ContainerStatus `json:"containers,omitempty"`
}

// ContainerStatus joins a container's name with the runtime's id.
type ContainerStatus struct {
	Name string `json:"name"`
	// ID is the runtime's id without its scheme: 64 hex digits.
	ID      string `json:"id,omitempty"`
	LastID  string `json:"lastId,omitempty"` // from lastState, while that container may still be ending
	ImageID string `json:"imageId,omitempty"`
	// Running, Waiting and Terminated are the three states (corev1 ContainerState).
	// If all are false, the kubelet has reported no state, or the facts are of the
	// first version, which has only Running.
	Running    bool `json:"running,omitempty"`
	Waiting    bool `json:"waiting,omitempty"`
	Terminated bool `json:"terminated,omitempty"`
	// ExitCode is the exit code of the state Terminated; nil otherwise.
	ExitCode *int32 `json:"exitCode,omitempty"`
	// Restarted reports whether it has run before (lastState, or a restart count).
	Restarted bool `json:"restarted,omitempty"`
}

// NoSuchField is in PodSpec.Partial if a field is misspelt.
const NoSuchField = "the API has no such field"

// PodSpec holds the declared fields that checks read.
type PodSpec struct {
	// Origin is where it was read: "pod/ns/name", "deployment/ns/name" or
	// "FILE deployment/ns/name". Path is the spec's field there: "spec" or
	// "spec.template.spec".
	Origin string `json:"origin"`
	Path   string `json:"path"`
	// Fields are the fields of the pod that are elsewhere in the object than below Path, with the
	// field there: "containers[0]" is "spec.steps[0]", "metadata" (of the template) is
	// "spec.podMetadata". It is nil for a pod spec in one piece.
	Fields map[string]string `json:"fields,omitempty"`

	Labels      map[string]string `json:"labels,omitempty"`
	Annotations []string          `json:"annotations,omitempty"` // keys only, sorted

	HostNetwork bool  `json:"hostNetwork,omitempty"`
	HostPID     bool  `json:"hostPID,omitempty"`
	HostIPC     bool  `json:"hostIPC,omitempty"`
	HostUsers   *bool `json:"hostUsers,omitempty"`

	RestartPolicy string `json:"restartPolicy,omitempty"` // Always, OnFailure, Never

	RuntimeClass string `json:"runtimeClass,omitempty"`
	// RuntimeHandler is the handler that the RuntimeClass object names, or "" if the
	// object was not read.
	RuntimeHandler string `json:"runtimeHandler,omitempty"`
	// OS is os.name. If that is not set and a node selector asks for Windows, OS is
	// windows too, and OSField names the selector.
	OS      string `json:"os,omitempty"`
	OSField string `json:"osField,omitempty"`
	// HostProcess is securityContext.windowsOptions.hostProcess. A container's own
	// value overrides it.
	HostProcess *bool `json:"hostProcess,omitempty"`
	// WindowsUser is securityContext.windowsOptions.runAsUserName: one of the names that
	// Windows has in every container (WindowsUser...), AnotherUser for any other, "" if it is
	// not set. A container's own value overrides it.
	WindowsUser string `json:"windowsUser,omitempty"`

	RunAsUser    *int64 `json:"runAsUser,omitempty"`
	RunAsNonRoot *bool  `json:"runAsNonRoot,omitempty"`
	Seccomp      string `json:"seccomp,omitempty"` // securityContext.seccompProfile.type
	// AppArmor is securityContext.appArmorProfile.type. A container's own value overrides it.
	AppArmor string `json:"appArmor,omitempty"`
	// SELinux is securityContext.seLinuxOptions; nil if it is not set.
	SELinux *SELinuxOptions `json:"seLinux,omitempty"`
	// Sysctls are the names in securityContext.sysctls, in order.
	Sysctls []string `json:"sysctls,omitempty"`
	// SecurityAnnotations are the values of annotations that set a profile: AppArmor's
	// (container.apparmor.security.beta.kubernetes.io/CONTAINER) and, before 1.27, seccomp's
	// ([container.]seccomp.security.alpha.kubernetes.io/...). No other value is kept.
	SecurityAnnotations map[string]string `json:"securityAnnotations,omitempty"`
	// Untyped are fields of the pod's securityContext that are set without a type
	// (UntypedSeccomp, UntypedAppArmor), sorted. The API server refuses such a pod.
	Untyped []string `json:"untyped,omitempty"`

	ShareProcessNamespace *bool  `json:"shareProcessNamespace,omitempty"`
	ServiceAccount        string `json:"serviceAccount,omitempty"`
	// AutomountToken is automountServiceAccountToken of the pod; nil leaves it to the
	// service account.
	AutomountToken *bool `json:"automountToken,omitempty"`
	// NodeSelector and Tolerations say on which nodes it may run. A toleration is written as
	// a taint: "key=value:effect", "key:effect" or "key"; "*" tolerates everything.
	NodeSelector map[string]string `json:"nodeSelector,omitempty"`
	Tolerations  []string          `json:"tolerations,omitempty"`
	// ResourceClaims are the names in spec.resourceClaims (dynamic resource allocation).
	ResourceClaims []string `json:"resourceClaims,omitempty"`
	// Partial is why an absent field, or a container that is not here, says nothing about the pod
	// that runs: its object is merged into an operator's own pod, or holds text that is rendered
	// later, or a field is misspelt. No declared pass is given about it. "" means that this is the
	// whole pod spec.
	Partial string `json:"partial,omitempty"`

	Volumes    []Volume    `json:"volumes,omitempty"`
	Containers []Container `json:"containers,omitempty"`

	// PullSecrets are the names in imagePullSecrets, in order.
	PullSecrets []string `json:"pullSecrets,omitempty"`
	// Injectors are the stores (package secretstore) whose annotations ask for Secrets in
	// this pod, with the annotation's key: "vault-agent vault.hashicorp.com/agent-inject".
	// Sorted.
	Injectors []string `json:"injectors,omitempty"`
}

// Weight is about how much memory it takes to judge a spec, in units of one volume or mount: a
// container counts 16, for the findings of every check. A usual pod weighs 40.
func (s *PodSpec) Weight() int {
	n := 1 + len(s.Volumes)
	for i := range s.Containers {
		c := &s.Containers[i]
		n += 16 + len(c.Mounts) + len(c.Variables) + len(c.HostPorts) + len(c.Installs)
	}
	return n
}

// VolumeUnlisted is the source of a volume that a spec mounts and does not list. Something
// adds it before the pod is made, and its type is unknown.
const VolumeUnlisted = "unlisted"

// Volume is one entry of spec.volumes.
type Volume struct {
	Name string `json:"name"`
	// Field is its path below the pod: "spec.volumes[2]".
	Field string `json:"field"`
	// Source is the name of the one source that is set: hostPath, emptyDir,
	// configMap, secret, projected, persistentVolumeClaim, csi, image, ..., or
	// VolumeUnlisted.
	Source string `json:"source"`
	// HostPath is the path on the node of a hostPath volume, or of the hostPath or
	// local volume behind a claim (then HostPathFrom names that volume).
	HostPath     string `json:"hostPath,omitempty"`
	HostPathFrom string `json:"hostPathFrom,omitempty"`
	// Unread is why it is unknown what is behind a volume. It may be a path of the
	// node. Forbidden: PersistentVolumes may not be listed. NotPresent: a manifest or
	// a template does not say it. Unsupported: a flexVolume, which only its driver
	// knows. "" means that it is known.
	Unread Reason `json:"unread,omitempty"`
	// Image is the reference of an image volume.
	Image string `json:"image,omitempty"`
	// Driver is the driver of a CSI volume, Class its attribute secretProviderClass.
	Driver string `json:"driver,omitempty"`
	Class  string `json:"class,omitempty"`
	// Object is the name of the ConfigMap or Secret; "" for other sources.
	Object string `json:"object,omitempty"`
	// Executable is true if defaultMode or an item's mode has an execute bit. The API's
	// default, 0644, has none.
	Executable bool `json:"executable,omitempty"`
}

// ContainerType says in which of the three lists a container is.
type ContainerType string

// The types.
const (
	RegularContainer   ContainerType = "container"
	InitContainer      ContainerType = "init"
	EphemeralContainer ContainerType = "ephemeral"
)

// Container holds the declared fields of one container.
type Container struct {
	Name  string        `json:"name"`
	Type  ContainerType `json:"type"`
	Field string        `json:"field"` // "spec.initContainers[0]"
	Image string        `json:"image,omitempty"`
	// RestartPolicy is the container's own: Always for a sidecar.
	RestartPolicy string `json:"restartPolicy,omitempty"`
	// Program is command[0]. The other words may hold anything, even a password. They
	// are evaluated while collecting, and not kept.
	Program string `json:"program,omitempty"`
	// Builder is the image builder that the command lines run: command and arguments,
	// a shell script, hooks. It is nil if they run none.
	Builder *DeclaredBuilder `json:"builder,omitempty"`
	// CommandUnread is why a command line was not evaluated completely.
	CommandUnread Reason `json:"commandUnread,omitempty"`
	// Args says what args hold, whose words are not kept: ArgsOptions if the first word is an
	// option, ArgsCommand if it is another, "" if there are none. An image's entry point that
	// starts a daemon by itself may do something else for ArgsCommand.
	Args string `json:"args,omitempty"`
	// BuilderVariables are the environment variables whose names package builder knows: Name
	// is the variable's, Field "env[0].name". Their values are not read.
	BuilderVariables []NamedField `json:"builderVariables,omitempty"`

	Privileged               *bool    `json:"privileged,omitempty"`
	HostProcess              *bool    `json:"hostProcess,omitempty"` // windowsOptions.hostProcess
	WindowsUser              string   `json:"windowsUser,omitempty"` // see PodSpec
	AllowPrivilegeEscalation *bool    `json:"allowPrivilegeEscalation,omitempty"`
	ReadOnlyRootFilesystem   *bool    `json:"readOnlyRootFilesystem,omitempty"`
	CapAdd                   []string `json:"capAdd,omitempty"`  // as declared
	CapDrop                  []string `json:"capDrop,omitempty"` // as declared
	RunAsUser                *int64   `json:"runAsUser,omitempty"`
	RunAsNonRoot             *bool    `json:"runAsNonRoot,omitempty"`
	Seccomp                  string   `json:"seccomp,omitempty"`
	// AppArmor and SELinux are as in PodSpec. ProcMount is Default or Unmasked, "" if not set.
	AppArmor  string          `json:"appArmor,omitempty"`
	SELinux   *SELinuxOptions `json:"seLinux,omitempty"`
	ProcMount string          `json:"procMount,omitempty"`
	// Untyped is as in PodSpec; UntypedProcMount is a procMount that is set and empty.
	Untyped []string `json:"untyped,omitempty"`
	// HostPorts are the ports that are not 0, PortFields their fields below the container:
	// "ports[0].hostPort".
	HostPorts  []int32  `json:"hostPorts,omitempty"`
	PortFields []string `json:"portFields,omitempty"`
	// ProbeHosts are the probes and hooks that name a host.
	ProbeHosts []ProbeHost `json:"probeHosts,omitempty"`
	// Devices are the extended resources that it asks for ("nvidia.com/gpu"): a device plugin
	// gives it a device of the node. Claims are the names in resources.claims. Both sorted.
	Devices []string `json:"devices,omitempty"`
	Claims  []string `json:"claims,omitempty"`

	// Installs are the commands that fetch or install code, at most MaxInstalls, in order;
	// InstallTotal counts them. CommandUnread says what was not evaluated.
	Installs     []Install `json:"installs,omitempty"`
	InstallTotal int       `json:"installTotal,omitempty"`
	// Code are the programs and scripts that it is told to run from a volume, in order.
	Code []MountedCode `json:"code,omitempty"`

	Mounts []VolumeMount `json:"mounts,omitempty"`
	// Variables are those of env and envFrom that come from a Secret, or hold or name a
	// credential, at most MaxVariables, in order; VariableTotal counts them.
	Variables     []Variable `json:"variables,omitempty"`
	VariableTotal int        `json:"variableTotal,omitempty"`
}

// What Container.Args says.
const (
	ArgsOptions = "options"
	ArgsCommand = "command"
)

// NamedField is a name and the field that it is in, below the container.
type NamedField struct {
	Name  string `json:"name"`
	Field string `json:"field"`
}

// MaxBuilderVariables bounds Container.BuilderVariables.
const MaxBuilderVariables = 8

// DeclaredBuilder is an image builder that a command line runs.
type DeclaredBuilder struct {
	Name  string `json:"name"`  // the builder's own name: "Buildah"
	Field string `json:"field"` // the word, below the container: "command[2]"
}

// VolumeMount is one entry of volumeMounts, or of volumeDevices.
type VolumeMount struct {
	Volume   string `json:"volume"`
	Path     string `json:"path"`
	SubPath  string `json:"subPath,omitempty"`
	ReadOnly bool   `json:"readOnly,omitempty"`
	Device   bool   `json:"device,omitempty"`
	// Propagation is mountPropagation: HostToContainer or Bidirectional; "" for None.
	Propagation string `json:"propagation,omitempty"`
	// RecursiveReadOnly is recursiveReadOnly: Enabled or IfPossible; "" for Disabled, the
	// default, which leaves writable what is mounted below a read-only directory.
	RecursiveReadOnly string `json:"recursiveReadOnly,omitempty"`
}

// AnotherUser stands for every name of a Windows user that is not one of WindowsUsers.
const AnotherUser = "another"

// WindowsUsers are the users that Windows has in every container, and of a HostProcess container
// also groups, in lower case and without their domain; true for those with every right. A
// HostProcess container may name a group: its user is then a new member of it.
//
// Sources, 2026-11: Kubernetes docs, "Configure RunAsUserName for Windows pods and containers"
// and "Create a Windows HostProcess Pod"; Microsoft Learn, "Secure Windows containers".
var WindowsUsers = map[string]bool{
	"system":                 true,
	"local system":           true,
	"localsystem":            true,
	"administrator":          true,
	"administrators":         true,
	"containeradministrator": true,
	"containeruser":          false,
	"local service":          false,
	"localservice":           false,
	"network service":        false,
	"networkservice":         false,
}
