package mapping

import (
	"slices"
	"strconv"
)

const made = "2026-11"

var infos = []Info{
	{CIS, "CIS Kubernetes Benchmark", "1.10", "kube-bench cis-1.10", made},
	{CIS, "CIS Kubernetes Benchmark", "1.11", "kube-bench cis-1.11", made},
	{CIS, "CIS Kubernetes Benchmark", "1.12", "kube-bench cis-1.12", made},
	{NIST, "NIST SP 800-190, section 4", "", "StackRox", made},
	{PSS, "Pod Security Standards", "", "pod-security-admission 0.37", made},
	{ATTACK, "MITRE ATT&CK", "", "attack.mitre.org", made},
	// The headings of v1.2 are from memory and from kubescape, not read in the guide itself.
	{NSA, "NSA/CISA Kubernetes Hardening Guide, v1.2", "", "kubescape", made},
}

// entry is a row before it is told by version. The relation is this project's judgement.
type entry struct {
	mapping string
	checks  []string
	ids     []string
	same    bool
	moved   map[string][]string // other numbers, by the benchmark's version
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
	builders     = list("builds/builder-workload", "builds/build-process")
	// updates ask what the control of host components asks: that they have no known vulnerability.
	// hosts are signs of it, or reasons why it cannot be seen.
	updates = list("hosts/kernel-outdated", "hosts/pending-security-updates", "hosts/known-vulnerabilities")
	hosts   = list("hosts/reboot-required", "hosts/deleted-libraries", "hosts/cpu-vulnerabilities",
		"hosts/package-index-stale", "hosts/uncovered-packages", "hosts/behind-peers",
		"hosts/os-end-of-life", "hosts/kubelet-version")
	drifts = list("drift/running-drifted-executable", "drift/drifted-files", "drift/writable-root",
		"drift/writable-executable-mounts", "drift/can-write-own-code", "drift/enforcement")
)

var entries = []entry{
	{CIS, list("builds/runtime-socket", "privileged/host-path"), list("5.2.11"), false, until11("5.2.12")},
	{CIS, list("immutable/mutable-image"), list("5.5.1"), false, nil},
	{CIS, list("immutable/writable-root", "drift/writable-root"), list("5.6.3"), false, map[string][]string{"1.10": {"5.7.3"}}},
	{CIS, list("privileged/privileged-container"), list("5.2.2"), false, nil},
	// HostProcess
	{CIS, list("privileged/privileged-container", "privileged/host-namespaces"), list("5.2.10"), false, until11("5.2.11")},
	{CIS, capabilities, list("5.2.8", "5.2.9"), false, until11("5.2.8", "5.2.9", "5.2.10")},
	{CIS, list("privileged/runs-as-root"), list("5.2.7"), false, nil},
	{CIS, list("privileged/host-namespaces"), list("5.2.3", "5.2.4", "5.2.5"), false, nil},
	{CIS, list("privileged/privilege-escalation"), list("5.2.6"), false, nil},
	{CIS, list("privileged/seccomp"), list("5.6.2"), false, map[string][]string{"1.10": {"5.7.2"}}},
	{CIS, list("privileged/pod-security-level", "drift/enforcement"), list("5.2.1"), false, nil},
	{CIS, list("privileged/host-ports"), list("5.2.12"), false, until11("5.2.13")},
	{CIS, atRest, list("1.2.27", "1.2.28"), false, nil},
	{CIS, list("secrets/weak-provider"), list("1.2.28"), true, nil},
	{CIS, list("secrets/etcd-file-permissions"), list("1.1.11", "1.1.12"), true, nil},
	{CIS, list("secrets/etcd-client-tls"), list("2.1", "2.2", "2.3", "1.2.23", "1.2.26"), false, nil},
	{CIS, list("secrets/etcd-peer-tls"), list("2.4", "2.5", "2.6"), false, nil},
	{CIS, list("secrets/apiserver-tls"), list("1.2.24"), false, nil},
	{CIS, list("secrets/kubelet-tls"), list("1.2.5", "4.2.9"), false, nil},
	{CIS, list("secrets/certificate-expiry"), list("4.2.10"), false, nil},
	{CIS, list("secrets/in-environment"), list("5.4.1"), true, nil},
	{CIS, list("secrets/external-store"), list("5.4.2"), true, nil},
	{CIS, list("privileged/service-account-token"), list("5.1.6"), true, nil},
	{CIS, list("secrets/legacy-token"), list("5.1.6"), false, nil},

	{NIST, append(list("privileged/undeclared-container"), builders...), list("4.4.5"), false, nil},
	{NIST, list("builds/runtime-socket"), list("4.5.5"), false, nil},
	{NIST, list("immutable/mutable-image"), list("4.2.2"), true, nil},
	{NIST, list("immutable/install-at-start", "immutable/executable-config", "privileged/runs-as-root"), list("4.1.2"), false, nil},
	{NIST, list("immutable/writable-root"), list("4.4.4"), true, nil},
	{NIST, append(list("immutable/added-executables", "immutable/package-database-changed"), drifts...), list("4.4.4"), false, nil},
	{NIST, list("immutable/vulnerable-packages"), list("4.1.1"), true, nil},
	{NIST, append(list("privileged/privileged-container", "privileged/host-namespaces", "privileged/privilege-escalation",
		"privileged/seccomp", "privileged/pod-security-level"), capabilities...), list("4.4.3"), false, nil},
	{NIST, list("privileged/host-path", "privileged/host-devices"), list("4.5.5"), true, nil},
	{NIST, updates, list("4.5.3"), true, nil},
	{NIST, hosts, list("4.5.3"), false, nil},
	{NIST, list("hosts/runtime-version"), list("4.4.1"), false, nil},
	{NIST, atRest, list("4.1.4", "4.3.2"), false, nil},
	{NIST, append(append(list(), plaintext...), outside...), list("4.1.4"), false, nil},
	{NIST, list("secrets/etcd-client-tls", "secrets/etcd-peer-tls", "secrets/apiserver-tls", "secrets/kubelet-tls"), list("4.3.5"), false, nil},

	{PSS, list("builds/runtime-socket", "privileged/host-path"), list("hostPathVolumes"), false, nil},
	{PSS, list("privileged/privileged-container"), list("privileged"), true, nil},
	{PSS, list("privileged/privileged-container", "privileged/host-namespaces"), list("windowsHostProcess"), false, nil},
	{PSS, capabilities, list("capabilities_baseline", "capabilities_restricted"), false, nil},
	{PSS, list("privileged/runs-as-root"), list("runAsNonRoot", "runAsUser"), false, nil},
	{PSS, list("privileged/host-namespaces"), list("hostNamespaces"), true, nil},
	{PSS, list("privileged/privilege-escalation"), list("allowPrivilegeEscalation"), true, nil},
	{PSS, list("privileged/seccomp"), list("seccompProfile_baseline", "seccompProfile_restricted"), false, nil},
	{PSS, list("privileged/host-ports"), list("hostPorts"), false, nil},
	{PSS, list("privileged/proc-mount"), list("procMount", "procMount_restricted"), false, nil},
	{PSS, list("privileged/sysctls"), list("sysctls"), false, nil},
	{PSS, list("privileged/volume-types"), list("restrictedVolumes"), false, nil},
	{PSS, list("privileged/apparmor-selinux"), list("appArmorProfile", "seLinuxOptions"), false, nil},
	{PSS, list("privileged/probe-host"), list("hostProbesAndHostLifecycle"), false, nil},

	{ATTACK, builders, list("T1612"), false, nil},
	{ATTACK, list("builds/runtime-socket", "privileged/privileged-container", "privileged/host-namespaces", "privileged/host-devices"), list("T1611"), false, nil},
	{ATTACK, list("privileged/undeclared-container"), list("T1610"), false, nil},
	{ATTACK, atRest, list("T1552"), false, nil},
	{ATTACK, plaintext, list("T1552.001"), false, nil},
	{ATTACK, outside, list("T1552.007"), false, nil},

	{NSA, list("immutable/writable-root"), list("Immutable container file systems"), true, nil},
	// They measure what the declaration asks for, or whether something asks it of every pod.
	{NSA, drifts, list("Immutable container file systems"), false, nil},
	{NSA, list("immutable/vulnerable-packages"), list("Building secure container images"), false, nil},
	{NSA, list("privileged/runs-as-root"), list("Non-root containers"), false, nil},
	{NSA, list("privileged/pod-security-level", "drift/enforcement"), list("Pod security enforcement"), false, nil},
	{NSA, append(append(list("hosts/runtime-version"), updates...), hosts...), list("Upgrading"), false, nil},
	{NSA, atRest, list("Secrets"), false, nil},
	{NSA, list("secrets/etcd-client-tls"), list("Control plane hardening"), false, nil},
	{NSA, list("privileged/service-account-token", "secrets/legacy-token"), list("Service account tokens"), false, nil},
}

var (
	hostPID     = list("hostPID", "/ns/pid")
	hostIPC     = list("hostIPC", "/ns/ipc")
	hostNetwork = list("hostNetwork", "/ns/net")
	hostProcess = list("hostProcess")
	linux       = list(".privileged")
)

// sources are parts of the sources of evidence, by check and control. A check that judges several
// fields fails for one of them: only that control is concerned. In every version these IDs mean the
// same for these checks.
var sources = map[string]map[string][]string{
	"privileged/host-namespaces": {
		"5.2.3": hostPID, "5.2.4": hostIPC, "5.2.5": hostNetwork,
		"5.2.10": hostProcess, "5.2.11": hostProcess, "windowsHostProcess": hostProcess,
		"hostNamespaces": slices.Concat(hostPID, hostIPC, hostNetwork),
	},
	"privileged/privileged-container": {
		"5.2.2": linux, "privileged": linux, "5.2.10": hostProcess, "5.2.11": hostProcess, "windowsHostProcess": hostProcess,
	},
}

// complete names the mappings of which known has every control. The headings of the NSA/CISA guide
// and the techniques of ATT&CK's matrix for containers are from memory: they may lack some.
var complete = list(CIS, NIST, PSS)

// known holds controls by mapping and version.
var known = map[string][]string{
	CIS + "1.10": benchmark(29, 13, 13, "5.7"),
	CIS + "1.11": benchmark(30, 15, 13, "5.6"),
	CIS + "1.12": benchmark(30, 14, 12, "5.6"),
	NIST:         slices.Concat(span("4.1", 5), span("4.2", 3), span("4.3", 5), span("4.4", 5), span("4.5", 5), list("4.6")),
	PSS: {
		"allowPrivilegeEscalation", "appArmorProfile", "capabilities_baseline", "capabilities_restricted",
		"hostNamespaces", "hostPathVolumes", "hostPorts", "hostProbesAndHostLifecycle", "privileged", "procMount", "procMount_restricted",
		"restrictedVolumes", "runAsNonRoot", "runAsUser", "seLinuxOptions", "seccompProfile_baseline",
		"seccompProfile_restricted", "sysctls", "windowsHostProcess",
	},
	ATTACK: {
		"T1036", "T1036.005", "T1046", "T1053", "T1053.007", "T1068", "T1069", "T1070", "T1078", "T1078.001", "T1078.003", "T1098", "T1098.006",
		"T1110", "T1110.001", "T1110.003", "T1110.004", "T1133", "T1190", "T1204", "T1204.003", "T1485", "T1490", "T1496", "T1498", "T1499",
		"T1525", "T1528", "T1543", "T1543.005", "T1550", "T1550.001", "T1552", "T1552.001", "T1552.007", "T1562", "T1562.001",
		"T1609", "T1610", "T1611", "T1612", "T1613",
	},
	NSA: {
		"Non-root containers", "Immutable container file systems", "Building secure container images", "Pod security enforcement",
		"Service account tokens", "Hardening container environments", "Namespaces", "Network policies", "Resource policies",
		"Control plane hardening", "Worker node segmentation", "Encryption", "Secrets", "Protecting sensitive cloud infrastructure",
		"Authentication", "Role-based access control", "Logging", "Threat detection", "Upgrading",
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
	"4.5.5": "Host OS file system tampering",
	"4.6":   "Hardware countermeasures",
}

var without = list(
	"immutable/image-scanned", "privileged/block-devices", "privileged/mount-propagation", "privileged/device-access",
	"privileged/mandatory-access-control", "privileged/shared-process-namespace",
	"secrets/stale-key", "secrets/audit-log", "secrets/secret-volume-swap", "secrets/key-file-permissions",
	"secrets/component-tls", "secrets/in-configmap", "secrets/in-plain-env", "secrets/process-environment",
	"secrets/in-last-applied", "secrets/image-pull-secret",
)
