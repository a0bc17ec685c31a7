package mapping

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
	hosts        = list("hosts/kernel-outdated", "hosts/reboot-required", "hosts/deleted-libraries", "hosts/cpu-vulnerabilities",
		"hosts/pending-security-updates", "hosts/package-index-stale", "hosts/uncovered-packages", "hosts/behind-peers",
		"hosts/os-end-of-life", "hosts/kubelet-version", "hosts/known-vulnerabilities")
	drifts = list("drift/running-drifted-executable", "drift/drifted-files", "drift/writable-root",
		"drift/writable-executable-mounts", "drift/can-write-own-code", "drift/enforcement")
)

var entries = []entry{
	{CIS, list("builds/runtime-socket", "privileged/host-path"), list("5.2.11"), false, until11("5.2.12")},
	{CIS, list("immutable/mutable-image"), list("5.5.1"), false, nil},
	{CIS, list("immutable/writable-root"), list("5.6.3"), false, map[string][]string{"1.10": {"5.7.3"}}},
	{CIS, list("privileged/privileged-container"), list("5.2.2"), false, nil},
	// HostProcess
	{CIS, list("privileged/privileged-container", "privileged/host-namespaces"), list("5.2.10"), false, until11("5.2.11")},
	{CIS, capabilities, list("5.2.8", "5.2.9"), false, until11("5.2.8", "5.2.9", "5.2.10")},
	{CIS, list("privileged/runs-as-root"), list("5.2.7"), false, nil},
	{CIS, list("privileged/host-namespaces"), list("5.2.3", "5.2.4", "5.2.5"), false, nil},
	{CIS, list("privileged/privilege-escalation"), list("5.2.6"), false, nil},
	{CIS, list("privileged/seccomp"), list("5.6.2"), false, map[string][]string{"1.10": {"5.7.2"}}},
	{CIS, list("privileged/pod-security-level"), list("5.2.1"), false, nil},
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
	{NIST, hosts, list("4.5.3"), true, nil},
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
	{NSA, list("immutable/vulnerable-packages"), list("Building secure container images"), false, nil},
	{NSA, list("privileged/runs-as-root"), list("Non-root containers"), false, nil},
	{NSA, list("privileged/pod-security-level"), list("Pod security enforcement"), false, nil},
	{NSA, append(list("hosts/runtime-version"), hosts...), list("Upgrading"), false, nil},
	{NSA, atRest, list("Secrets"), false, nil},
	{NSA, list("secrets/etcd-client-tls"), list("Control plane hardening"), false, nil},
	{NSA, list("secrets/legacy-token"), list("Service account tokens"), false, nil},
}

// known holds controls by mapping and version. Only that of pss is complete.
var known = map[string][]string{
	CIS + "1.10": {"5.2.11"}, // HostProcess
	CIS + "1.11": {"5.2.11"},
	CIS + "1.12": {"5.2.10"},
	PSS: {
		"allowPrivilegeEscalation", "appArmorProfile", "capabilities_baseline", "capabilities_restricted",
		"hostNamespaces", "hostPathVolumes", "hostPorts", "hostProbesAndHostLifecycle", "privileged", "procMount", "procMount_restricted",
		"restrictedVolumes", "runAsNonRoot", "runAsUser", "seLinuxOptions", "seccompProfile_baseline",
		"seccompProfile_restricted", "sysctls", "windowsHostProcess",
	},
}

var without = list(
	"immutable/image-scanned", "privileged/block-devices", "privileged/mount-propagation", "privileged/device-access",
	"privileged/mandatory-access-control", "privileged/shared-process-namespace", "privileged/service-account-token",
	"secrets/stale-key", "secrets/audit-log", "secrets/secret-volume-swap", "secrets/key-file-permissions",
	"secrets/component-tls", "secrets/in-configmap", "secrets/in-plain-env", "secrets/process-environment",
	"secrets/in-last-applied", "secrets/image-pull-secret",
)
