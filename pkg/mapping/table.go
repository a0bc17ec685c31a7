package mapping

import (
	"slices"
	"strconv"
	"strings"

	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

// compared is when each identifier was last compared with the projects that Source names.
const compared = "2026-11"

// CIS's own text may not be copied, so the numbers are those that two projects give, or one where
// the other has no such version. docs/controls.md says what was compared, and what was not found.
var infos = []Info{
	{CIS, "CIS Kubernetes Benchmark", "1.10", "kube-bench cis-1.10", compared, "", ""},
	{CIS, "CIS Kubernetes Benchmark", "1.11", "kube-bench cis-1.11", compared, "", ""},
	{CIS, "CIS Kubernetes Benchmark", "1.12", "kube-bench cis-1.12, kubescape cis-v1.12.0", compared, "", ""},
	{CIS, "CIS Kubernetes Benchmark", "2.0", "kube-bench cis-2.0", compared, "", ""},
	{NIST, "NIST SP 800-190, section 4", "", "StackRox", compared, "", ""},
	{
		PSS, "Pod Security Standards", "", "pod-security-admission 0.37", compared, "",
		"The check privileged/pod-security-level judges all of these at once and counts under none of them.",
	},
	{
		ATTACK, "MITRE ATT&CK, platform Containers", "", "Atomic Red Team, a list of ATT&CK 19.2", compared,
		"45 techniques of the platform Containers were found; one list counts 48.", "",
	},
	{
		NSA, "NSA/CISA Kubernetes Hardening Guide, v1.2", "", "two public lists of its headings", compared,
		"The guide itself was not read: the headings are those that two public lists have.", "",
	},
}

// entry is a row before it is told by version. The relation is this project's judgement.
type entry struct {
	mapping string
	checks  []string
	ids     []string
	same    bool
	moved   map[string][]string // other numbers, by the benchmark's version; none in it if empty
	note    string              // what the checks do not ask of the control, or ask more
}

func list(s ...string) []string { return s }

// until11 gives numbers that versions before 1.12 had.
func until11(ids ...string) map[string][]string {
	return map[string][]string{"1.10": ids, "1.11": ids}
}

var (
	capabilities = list("privileged/added-capabilities", "privileged/effective-capabilities")
	atRest       = list("secrets/encrypted-at-rest", "secrets/encryption-config")
	plaintext    = list("secrets/plaintext-history", "secrets/plaintext-residue", "secrets/plaintext-backup")
	outside      = list("secrets/in-environment", "secrets/external-store")
	// inClear are credentials that are stored or held as plain text, outside of Secrets.
	inClear  = list("secrets/in-configmap", "secrets/in-plain-env", "secrets/process-environment")
	transit  = list("secrets/etcd-client-tls", "secrets/etcd-peer-tls", "secrets/apiserver-tls", "secrets/kubelet-tls", "secrets/component-tls")
	builders = list("builds/builder-workload", "builds/build-process")
	// updates ask what the control of host components asks: that they have no known vulnerability.
	// hosts are signs of it, or reasons why it cannot be seen.
	updates = list("hosts/kernel-outdated", "hosts/pending-security-updates", "hosts/known-vulnerabilities")
	hosts   = list("hosts/reboot-required", "hosts/deleted-libraries", "hosts/cpu-vulnerabilities",
		"hosts/package-index-stale", "hosts/uncovered-packages", "hosts/behind-peers",
		"hosts/os-end-of-life", "hosts/kubelet-version")
	drifts = list("drift/running-drifted-executable", "drift/drifted-files", "drift/writable-root",
		"drift/writable-executable-mounts", "drift/can-write-own-code", "drift/enforcement")
)

const (
	noteDropped  = "The checks accept the runtime's default set of capabilities. The control asks to drop all where a program needs none."
	noteEtcd     = "One check judges 2.1, 2.2, 2.3, 2.7 and 1.2.23 together. A finding about one of them counts under each."
	noteEtcdPeer = "One check judges 2.4, 2.5 and 2.6 together. A finding about one of them counts under each."
	noteContext  = "Each of its checks judges some fields of a security context, none judges all."
)

var entries = []entry{
	{CIS, list("builds/runtime-socket", "privileged/host-path"), list("5.2.11"), false, until11("5.2.12"), ""},
	{
		CIS,
		list("immutable/writable-root", "drift/writable-root", "privileged/pod-security-level", "privileged/apparmor-selinux", "privileged/proc-mount", "privileged/sysctls"),
		list("5.6.3"), false,
		map[string][]string{"1.10": {"5.7.3"}},
		noteContext,
	},
	{CIS, list("privileged/privileged-container"), list("5.2.2"), false, nil, ""},
	// HostProcess
	{CIS, list("privileged/privileged-container", "privileged/host-namespaces"), list("5.2.10"), false, until11("5.2.11"), ""},
	// NET_RAW is in the default set of most runtimes: what a spec adds does not show who holds it.
	{CIS, list("privileged/effective-capabilities"), list("5.2.8"), false, nil, ""},
	// Added capabilities, and capabilities at all. 1.12 has the second only.
	{CIS, capabilities, nil, false, until11("5.2.9"), ""},
	{CIS, capabilities, list("5.2.9"), false, until11("5.2.10"), noteDropped},
	{CIS, list("privileged/runs-as-root"), list("5.2.7"), false, nil, ""},
	{CIS, list("privileged/host-namespaces"), list("5.2.3", "5.2.4", "5.2.5"), false, nil, ""},
	{CIS, list("privileged/privilege-escalation"), list("5.2.6"), false, nil, ""},
	{CIS, list("privileged/seccomp"), list("5.6.2"), false, map[string][]string{"1.10": {"5.7.2"}}, ""},
	{CIS, list("privileged/pod-security-level", "drift/enforcement"), list("5.2.1"), false, nil, ""},
	{CIS, list("privileged/host-ports"), list("5.2.12"), false, until11("5.2.13"), ""},
	{CIS, atRest, list("1.2.27", "1.2.28"), false, nil, ""},
	{CIS, list("secrets/weak-provider"), list("1.2.28"), false, nil, "The check refuses aescbc and kms v1, which the control allows."},
	{CIS, list("secrets/etcd-file-permissions"), list("1.1.11"), true, nil, ""},
	{CIS, list("secrets/etcd-file-permissions"), list("1.1.12"), false, nil, "The check also allows root as the owner."},
	{CIS, list("secrets/etcd-client-tls"), list("2.1", "2.2", "2.3", "2.7", "1.2.23"), false, nil, noteEtcd},
	{CIS, list("secrets/etcd-peer-tls"), list("2.4", "2.5", "2.6"), false, nil, noteEtcdPeer},
	{CIS, list("secrets/apiserver-tls"), list("1.2.5", "1.2.24"), false, nil, ""},
	{CIS, list("secrets/kubelet-tls"), list("4.2.1", "4.2.2", "4.2.4", "4.2.9"), false, nil, ""},
	{CIS, list("secrets/certificate-expiry"), list("4.2.10"), false, nil, "The check judges how long certificates are still valid, not the kubelet's setting."},
	{CIS, list("secrets/certificate-expiry"), list("1.1.21"), false, nil, ""},
	{CIS, list("secrets/audit-log"), list("3.2.2"), false, nil, "The check judges what a policy logs of Secrets, and nothing else of it."},
	{CIS, list("secrets/in-environment"), list("5.4.1"), true, nil, ""},
	{CIS, list("secrets/external-store"), list("5.4.2"), true, nil, ""},
	{CIS, list("privileged/service-account-token"), list("5.1.6"), false, nil, "The check does not judge whether a pod needs its token."},

	{NIST, append(list("privileged/undeclared-container"), builders...), list("4.4.5"), false, nil, ""},
	{NIST, list("builds/runtime-socket", "privileged/host-devices"), list("4.5.5"), false, nil, ""},
	{NIST, list("privileged/host-path"), list("4.5.5"), true, nil, ""},
	{NIST, list("immutable/mutable-image"), list("4.2.2"), false, nil, "The check judges how images are named, not what a registry keeps."},
	{NIST, list("immutable/install-at-start", "immutable/executable-config", "privileged/runs-as-root"), list("4.1.2"), false, nil, ""},
	{NIST, append(list("immutable/writable-root", "immutable/added-executables", "immutable/package-database-changed"), drifts...), list("4.4.4"), false, nil, ""},
	{NIST, list("immutable/vulnerable-packages", "immutable/image-scanned"), list("4.1.1"), false, nil, ""},
	{NIST, append(list("privileged/privileged-container", "privileged/host-namespaces", "privileged/privilege-escalation",
		"privileged/seccomp", "privileged/pod-security-level", "privileged/apparmor-selinux", "privileged/mandatory-access-control",
		"privileged/proc-mount", "privileged/sysctls"), capabilities...), list("4.4.3"), false, nil, ""},
	{NIST, slices.Concat(updates, hosts), list("4.5.3"), false, nil, ""},
	{NIST, list("hosts/runtime-version"), list("4.4.1"), false, nil, ""},
	{NIST, atRest, list("4.3.2"), false, nil, "The checks judge encryption at rest, not who may sign in."},
	{NIST, slices.Concat(atRest, plaintext, outside, inClear), list("4.1.4"), false, nil, "The checks do not judge images, nor whether cryptography is approved by FIPS 140."},
	{NIST, transit, list("4.3.5"), false, nil, ""},

	{PSS, list("builds/runtime-socket", "privileged/host-path"), list("hostPathVolumes"), false, nil, ""},
	{PSS, list("privileged/privileged-container"), list("privileged"), true, nil, ""},
	{PSS, list("privileged/privileged-container", "privileged/host-namespaces"), list("windowsHostProcess"), false, nil, ""},
	{PSS, capabilities, list("capabilities_baseline"), false, nil, ""},
	{PSS, capabilities, list("capabilities_restricted"), false, nil, noteDropped},
	{PSS, list("privileged/runs-as-root"), list("runAsNonRoot", "runAsUser"), false, nil, ""},
	{PSS, list("privileged/host-namespaces"), list("hostNamespaces"), true, nil, ""},
	{PSS, list("privileged/privilege-escalation"), list("allowPrivilegeEscalation"), true, nil, ""},
	{PSS, list("privileged/seccomp"), list("seccompProfile_baseline", "seccompProfile_restricted"), false, nil, ""},
	{PSS, list("privileged/host-ports"), list("hostPorts"), false, nil, ""},
	{PSS, list("privileged/proc-mount"), list("procMount", "procMount_restricted"), false, nil, ""},
	{PSS, list("privileged/sysctls"), list("sysctls"), false, nil, ""},
	{PSS, list("privileged/volume-types"), list("restrictedVolumes"), false, nil, ""},
	{PSS, list("privileged/apparmor-selinux"), list("appArmorProfile", "seLinuxOptions"), false, nil, ""},
	{PSS, list("privileged/probe-host"), list("hostProbesAndHostLifecycle"), false, nil, ""},

	{ATTACK, builders, list("T1612"), false, nil, ""},
	{
		ATTACK,
		list("builds/runtime-socket", "privileged/privileged-container", "privileged/host-namespaces", "privileged/host-path", "privileged/host-devices"),
		list("T1611"), false, nil, "",
	},
	{ATTACK, list("privileged/undeclared-container"), list("T1610"), false, nil, ""},
	{ATTACK, append(list("secrets/in-environment", "secrets/process-environment"), atRest...), list("T1552"), false, nil, ""},
	{ATTACK, plaintext, list("T1552.001"), false, nil, ""},
	{ATTACK, list("secrets/external-store", "secrets/in-configmap", "secrets/in-plain-env"), list("T1552.007"), false, nil, ""},
	{ATTACK, list("privileged/service-account-token", "secrets/legacy-token"), list("T1528"), false, nil, ""},

	{NSA, list("immutable/writable-root"), list("Immutable container file systems"), true, nil, ""},
	// They measure what the declaration asks for, or whether something asks it of every pod.
	{NSA, append(list("immutable/added-executables", "immutable/package-database-changed"), drifts...), list("Immutable container file systems"), false, nil, ""},
	{NSA, list("immutable/vulnerable-packages", "immutable/image-scanned"), list("Building secure container images"), false, nil, ""},
	{NSA, list("privileged/runs-as-root"), list(nonRoot), false, nil, "The check judges containers, not whether the container engine is rootless."},
	{NSA, list("privileged/pod-security-level", "drift/enforcement"), list("Pod security enforcement"), false, nil, ""},
	{NSA, append(append(list("hosts/runtime-version"), updates...), hosts...), list(upgrading), false, nil, ""},
	{NSA, slices.Concat(atRest, list("secrets/in-environment"), inClear), list("Secrets"), false, nil, ""},
	{NSA, list("secrets/etcd-client-tls"), list("Control plane hardening"), false, nil, ""},
	{NSA, transit, list("Encryption"), false, nil, ""},
	{NSA, list("secrets/apiserver-tls", "secrets/kubelet-tls"), list("Authentication"), false, nil, "The checks judge how requests without credentials are answered, and no other authentication."},
	{NSA, list("privileged/service-account-token"), list(podTokens), false, nil, ""},
}

// about reports whether evidence is about a control.
type about func(e *api.Evidence) bool

// from is evidence whose source holds one of some words.
func from(words ...string) about {
	return func(e *api.Evidence) bool {
		return slices.ContainsFunc(words, func(word string) bool { return strings.Contains(e.Source, word) })
	}
}

// served is evidence of how a port is served: with which certificate and which versions of TLS.
var served = from(" certificate", " offer", " protocol")

// sets is evidence of a setting: its value begins with the flag's name, wherever it was read.
func sets(name string) about {
	return func(e *api.Evidence) bool { return strings.HasPrefix(e.Value, name+"=") }
}

func readOnlyPort(e *api.Evidence) bool { return sets("read-only-port")(e) || from(":10255 ")(e) }

// keyFile is evidence of who can get at a file. What is known of a certificate names its term.
func keyFile(e *api.Evidence) bool { return !certificate(e) }

func certificate(e *api.Evidence) bool { return strings.Contains(e.Value, ", valid ") }

// netRaw is evidence of a mask of capabilities that holds NET_RAW (13, capabilities(7)): the value
// begins with the mask, 16 hexadecimal digits.
func netRaw(e *api.Evidence) bool {
	if !strings.Contains(e.Source, "Cap") {
		return false
	}
	digits, _, _ := strings.Cut(e.Value, " ")
	mask, err := strconv.ParseUint(strings.TrimPrefix(digits, "0x"), 16, 64)
	return err == nil && mask>>13&1 == 1
}

var (
	hostPID     = list("hostPID", "/ns/pid")
	hostIPC     = list("hostIPC", "/ns/ipc")
	hostNetwork = list("hostNetwork", "/ns/net")
	hostProcess = from("hostProcess")
	linux       = from(".privileged")
)

// filters are for checks that judge several things: a finding that fails for one of them is about
// that control only. They are by check and control. In every version these IDs mean the same for
// these checks.
var filters = map[string]map[string]about{
	"privileged/host-namespaces": {
		"5.2.3": from(hostPID...), "5.2.4": from(hostIPC...), "5.2.5": from(hostNetwork...),
		"5.2.10": hostProcess, "5.2.11": hostProcess, "windowsHostProcess": hostProcess,
		"hostNamespaces": from(slices.Concat(hostPID, hostIPC, hostNetwork)...),
	},
	"privileged/privileged-container": {
		"5.2.2": linux, "privileged": linux, "5.2.10": hostProcess, "5.2.11": hostProcess, "windowsHostProcess": hostProcess,
	},
	"privileged/effective-capabilities": {"5.2.8": netRaw},
	"secrets/apiserver-tls": {
		"1.2.5":  from("kubelet-certificate-authority"),
		"1.2.24": func(e *api.Evidence) bool { return served(e) || from("/fd")(e) || sets("insecure-port")(e) },
	},
	"secrets/kubelet-tls": {
		"4.2.1": func(e *api.Evidence) bool { return from("without credentials")(e) || sets("anonymous-auth")(e) },
		"4.2.2": func(e *api.Evidence) bool {
			return e.Value == "authorization-mode=AlwaysAllow" || from("without credentials")(e) && e.Value == "status 200"
		},
		"4.2.4": readOnlyPort,
		"4.2.9": func(e *api.Evidence) bool { return served(e) && !readOnlyPort(e) },
	},
	"secrets/certificate-expiry": {"1.1.21": keyFile, "4.2.10": certificate},
}

// Headings of the NSA/CISA guide that are used more than once.
const (
	nonRoot   = `"Non-root" containers and "rootless" container engines`
	podTokens = "Protecting Pod service account tokens"
	upgrading = "Upgrading and application security practices"
)

// complete names the mappings of which known has every control. Of the NSA/CISA guide it has the
// headings that two public lists have, of ATT&CK's techniques for containers those that were found.
var complete = list(CIS, NIST, PSS)

// known holds controls by mapping and version.
var known = map[string][]string{
	CIS + "1.10": benchmark(29, 13, 13, "5.7"),
	CIS + "1.11": benchmark(30, 15, 13, "5.6"),
	CIS + "1.12": benchmark(30, 14, 12, "5.6"),
	CIS + "2.0":  benchmark(30, 14, 12, "5.6"),
	NIST:         slices.Concat(span("4.1", 5), span("4.2", 3), span("4.3", 5), span("4.4", 5), span("4.5", 5), list("4.6")),
	PSS: {
		"allowPrivilegeEscalation", "appArmorProfile", "capabilities_baseline", "capabilities_restricted",
		"hostNamespaces", "hostPathVolumes", "hostPorts", "hostProbesAndHostLifecycle", "privileged", "procMount", "procMount_restricted",
		"restrictedVolumes", "runAsNonRoot", "runAsUser", "seLinuxOptions", "seccompProfile_baseline",
		"seccompProfile_restricted", "sysctls", "windowsHostProcess",
	},
	// ATT&CK 19 replaced T1562 and T1562.001 by T1685.
	ATTACK: {
		"T1036", "T1036.005", "T1046", "T1053", "T1053.007", "T1059", "T1059.013", "T1068", "T1069", "T1070", "T1078", "T1078.001", "T1078.003",
		"T1098", "T1098.006", "T1110", "T1110.001", "T1110.003", "T1110.004", "T1133", "T1136", "T1136.001", "T1190", "T1204", "T1204.003",
		"T1485", "T1490", "T1496", "T1498", "T1499", "T1525", "T1528", "T1543", "T1543.005", "T1550", "T1550.001", "T1552", "T1552.001", "T1552.007",
		"T1609", "T1610", "T1611", "T1612", "T1613", "T1685",
	},
	NSA: {
		nonRoot, "Immutable container file systems", "Building secure container images", "Pod security enforcement",
		podTokens, "Hardening container environments", "Namespaces", "Network policies", "Resource policies",
		"Control plane hardening", "Worker node segmentation", "Encryption", "Secrets", "Protecting sensitive cloud infrastructure",
		"Authentication", "Role-based access control", "Logging", "Threat detection", upgrading,
	},
}

// benchmark lists the numbers of a version of the CIS Kubernetes Benchmark. Versions differ in the
// number of controls of the API server (1.2), kubelet (4.2) and pods (5.2), and in where the general
// policies are.
func benchmark(apiServer, kubelet, pods int, general string) []string {
	return slices.Concat(
		span("1.1", 21), span("1.2", apiServer), span("1.3", 7), span("1.4", 2), span("2", 7), span("3.1", 3), span("3.2", 2),
		span("4.1", 10), span("4.2", kubelet), span("4.3", 1),
		span("5.1", 13), span("5.2", pods), span("5.3", 2), span("5.4", 2), span("5.5", 1), span(general, 4),
	)
}

// span is SECTION.1 to SECTION.n.
func span(section string, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = section + "." + strconv.Itoa(i+1)
	}
	return out
}

// headings are those of NIST SP 800-190, which is in the public domain. No other source's text is
// here.
var headings = map[string]string{
	"4.1.1": "Image vulnerabilities",
	"4.1.2": "Image configuration defects",
	"4.1.3": "Embedded malware",
	"4.1.4": "Embedded clear text secrets",
	"4.1.5": "Use of untrusted images",
	"4.2.1": "Insecure connections to registries",
	"4.2.2": "Stale images in registries",
	"4.2.3": "Insufficient authentication and authorization restrictions",
	"4.3.1": "Unbounded administrative access",
	"4.3.2": "Unauthorized access",
	"4.3.3": "Poorly separated inter-container network traffic",
	"4.3.4": "Mixing of workload sensitivity levels",
	"4.3.5": "Orchestrator node trust",
	"4.4.1": "Vulnerabilities within the runtime software",
	"4.4.2": "Unbounded network access from containers",
	"4.4.3": "Insecure container runtime configurations",
	"4.4.4": "App vulnerabilities",
	"4.4.5": "Rogue containers",
	"4.5.1": "Large attack surface",
	"4.5.2": "Shared kernel",
	"4.5.3": "Host OS component vulnerabilities",
	"4.5.4": "Improper user access rights",
	"4.5.5": "Host file system tampering",
	"4.6":   "Hardware countermeasures",
}

var without = list(
	"privileged/block-devices", "privileged/mount-propagation", "privileged/device-access", "privileged/shared-process-namespace",
	"secrets/stale-key", "secrets/secret-volume-swap", "secrets/key-file-permissions", "secrets/in-last-applied", "secrets/image-pull-secret",
)
