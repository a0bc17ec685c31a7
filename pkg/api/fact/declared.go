package fact

// SELinuxOptions are the parts of a SELinux context that a spec sets (corev1
// SELinuxOptions).
type SELinuxOptions struct {
	User  string `json:"user,omitempty"`
	Role  string `json:"role,omitempty"`
	Type  string `json:"type,omitempty"`
	Level string `json:"level,omitempty"`
}

// Fields that can be set without a type, as PodSpec.Untyped and Container.Untyped name them.
// Such a field is not the same as one that is not set: Pod Security refuses it.
const (
	UntypedAppArmor  = "appArmorProfile"
	UntypedProcMount = "procMount"
	UntypedSeccomp   = "seccompProfile"
)

// ProbeHost is a probe or a hook that connects to a host of its own choice, from the node.
type ProbeHost struct {
	Field string `json:"field"` // below the container: "livenessProbe.httpGet.host"
	Host  string `json:"host"`
}

// InstallClass says what kind of command adds code.
type InstallClass string

// The classes, worst first.
const (
	FetchAndRun       InstallClass = "fetch-and-run"      // curl | sh
	FetchExecutable   InstallClass = "fetch-executable"   // a download that is made executable, or run
	PackageManager    InstallClass = "package-manager"    // apt-get install
	LanguageInstaller InstallClass = "language-installer" // pip install
	SourceCheckout    InstallClass = "source-checkout"    // git clone
	Compiled          InstallClass = "compiled"           // make, go build: code that is made there
)

// Install is a command that fetches or installs code. Its words are not kept: they may hold
// anything, even a password.
type Install struct {
	Class InstallClass `json:"class"`
	// What is the rule that matched, in words of the table: "apt-get install", "curl | sh".
	What string `json:"what"`
	// Field is where the command is, below the container: "command[2]",
	// "lifecycle.postStart.exec.command[0]", "readinessProbe.exec.command[0]". For a script
	// of a ConfigMap it is the word that names the script.
	Field string `json:"field"`
	// Script is the ConfigMap's key that holds the command: "NAME[KEY]"; "" if the command
	// is in the spec.
	Script string `json:"script,omitempty"`
	// Raw is true if the line was no valid shell and its words alone were compared.
	Raw bool `json:"raw,omitempty"`
}

// MaxInstalls bounds Container.Installs.
const MaxInstalls = 16

// MountedCode is a program or a script that a container's command line runs from a volume.
type MountedCode struct {
	Volume string `json:"volume"`
	Mount  string `json:"mount"` // the path where the volume is mounted
	Field  string `json:"field"` // the word, below the container: "command[0]"
	// Interpreter is the program that runs the file as a script; "" if the file is run itself.
	Interpreter string `json:"interpreter,omitempty"`
	// Variable is the environment variable that makes programs load the code, "" if a command
	// line runs it: one of LoadVariables or SearchVariables.
	Variable string `json:"variable,omitempty"`
	// ConfigMap and Key are what the volume has at that path, if it is of a ConfigMap.
	ConfigMap string `json:"configMap,omitempty"`
	Key       string `json:"key,omitempty"`
	// Unread is why the file's text was not evaluated; "" if it was. NotRequested: nobody
	// asked for its ConfigMap. NotPresent: nothing that was read says what the file holds.
	Unread Reason `json:"unread,omitempty"`
}

// LoadVariables make programs load the files that they name, before their own code: ld.so(8),
// bash(1), the references of Node.js (NODE_OPTIONS), the JVM (JAVA_TOOL_OPTIONS, java(1)'s
// JDK_JAVA_OPTIONS), Ruby and .NET (28 November 2026).
var LoadVariables = []string{
	"LD_PRELOAD", "LD_AUDIT", "BASH_ENV", "NODE_OPTIONS", "JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "RUBYOPT", "DOTNET_STARTUP_HOOKS", "CORECLR_PROFILER_PATH",
}

// SearchVariables are lists of directories in which programs look for code.
var SearchVariables = []string{"PATH", "LD_LIBRARY_PATH", "PYTHONPATH", "NODE_PATH", "RUBYLIB", "PERL5LIB"}

// LinesUnread is why something of what the container's command lines run was not evaluated: a
// line itself, or a file of a volume; "" if all was.
func (c *Container) LinesUnread() Reason {
	if c.CommandUnread != "" {
		return c.CommandUnread
	}
	for i := range c.Code {
		if c.Code[i].Unread != "" {
			return c.Code[i].Unread
		}
	}
	return ""
}

// Namespace is what a namespace's labels say about Pod Security admission
// (pod-security.kubernetes.io/MODE and MODE-version), as they are written. "" means that there
// is no label.
type Namespace struct {
	Name           string `json:"name"`
	Enforce        string `json:"enforce,omitempty"`
	EnforceVersion string `json:"enforceVersion,omitempty"`
	Audit          string `json:"audit,omitempty"`
	AuditVersion   string `json:"auditVersion,omitempty"`
	Warn           string `json:"warn,omitempty"`
	WarnVersion    string `json:"warnVersion,omitempty"`
	// Origin is "namespace/NAME", or "FILE namespace/NAME" for one in a manifest.
	Origin string `json:"origin"`
}

// ImageScan is what objects of the cluster say about scans of images (kind ImageReports).
type ImageScan struct {
	// Reports are sorted by namespace and name.
	Reports []ImageReport `json:"reports,omitempty"`
	// Policies are rules at admission that look at images, sorted by kind, namespace, name.
	Policies []ImagePolicy `json:"policies,omitempty"`
}

// ImageReport is a scanner's report about one container's image (VulnerabilityReport of
// aquasecurity.github.io, VulnerabilityManifest of spdx.softwarecomposition.kubescape.io).
type ImageReport struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	// OwnerKind, Owner and Container are whose image it is, by the report's labels.
	OwnerKind string `json:"ownerKind,omitempty"`
	Owner     string `json:"owner,omitempty"`
	Container string `json:"container,omitempty"`
	// Repository and Tag are the image's, Digest "sha256:..." of what was scanned.
	Repository string `json:"repository,omitempty"`
	Tag        string `json:"tag,omitempty"`
	Digest     string `json:"digest,omitempty"`
	Scanner    string `json:"scanner,omitempty"`
	Updated    Time   `json:"updated,omitzero"`
	Critical   int    `json:"critical,omitempty"`
	High       int    `json:"high,omitempty"`
}

// ImagePolicy is an admission rule about images: a signature, an attestation, a scan.
type ImagePolicy struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	// Enforces reports whether it refuses; false for audit and warn. Detail says why.
	Enforces bool   `json:"enforces,omitempty"`
	Detail   string `json:"detail,omitempty"`
}

// ReadCount counts what was read, so that a report can say how much it judges.
type ReadCount struct {
	Files     int `json:"files,omitempty"`     // files, URLs and standard input
	Documents int `json:"documents,omitempty"` // YAML or JSON documents
	Objects   int `json:"objects,omitempty"`   // objects in them, or of the cluster
	Workloads int `json:"workloads,omitempty"` // of these, with a pod spec that was judged
	Pods      int `json:"pods,omitempty"`      // pods of the cluster
	Foreign   int `json:"foreign,omitempty"`   // files of directories that hold no Kubernetes object
	Repeated  int `json:"repeated,omitempty"`  // files that were named again, and read once
	Skipped   int `json:"skipped,omitempty"`   // files and documents that could not be read; each is a gap
}
