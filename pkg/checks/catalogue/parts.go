package catalogue

import (
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// Parts divides each question into the parts that are answered separately. Each
// part names every check that it needs, built or not. A part with a check that
// is not in All is unknown.
func Parts() []checks.Part {
	return []checks.Part{
		{Question: api.Builds, Name: "builders", Title: "No pod builds images", Checks: []string{
			"builds/builder-workload", "builds/build-process",
		}},
		{Question: api.Builds, Name: "sockets", Title: "No pod mounts the socket of a container runtime or a build daemon", Checks: []string{
			"builds/runtime-socket",
		}},

		{Question: api.Immutable, Name: "pinned", Title: "What an image holds cannot change under its name", Checks: []string{
			"immutable/mutable-image",
		}},
		{Question: api.Immutable, Name: "start", Title: "No container fetches or adds code when it starts", Checks: []string{
			"immutable/install-at-start", "immutable/executable-config",
		}},
		{Question: api.Immutable, Name: "layer", Title: "No code was added to a running container", Checks: []string{
			"immutable/writable-root", "immutable/added-executables", "immutable/package-database-changed",
		}},
		{Question: api.Immutable, Name: "scanned", Title: "Running images have no known vulnerability", Optional: true, Checks: []string{
			"immutable/vulnerable-packages",
		}},
		// Low fails do not decide an answer, so the part asks no more than what a yes shows.
		{Question: api.Immutable, Name: "reports", Title: "It is known which images a scanner in the cluster has looked at", Optional: true, Checks: []string{
			"immutable/image-scanned",
		}},

		{Question: api.Privileged, Name: "flag", Title: "No container is declared privileged", Checks: []string{
			"privileged/privileged-container",
		}},
		{Question: api.Privileged, Name: "capabilities", Title: "No process has a capability beyond the default", Checks: []string{
			"privileged/added-capabilities", "privileged/effective-capabilities",
		}},
		{Question: api.Privileged, Name: "root", Title: "Nothing runs as root without need", Checks: []string{
			"privileged/runs-as-root",
		}},
		{Question: api.Privileged, Name: "host", Title: "No pod shares the node's namespaces, files, devices or ports", Checks: []string{
			"privileged/host-namespaces", "privileged/host-path", "privileged/host-devices", "privileged/block-devices", "privileged/mount-propagation",
			"privileged/volume-types", "privileged/host-ports", "privileged/probe-host", "privileged/device-access",
		}},
		{Question: api.Privileged, Name: "confinement", Title: "Every process is confined", Checks: []string{
			"privileged/privilege-escalation", "privileged/seccomp", "privileged/apparmor-selinux", "privileged/mandatory-access-control",
			"privileged/proc-mount", "privileged/sysctls", "privileged/shared-process-namespace", "privileged/service-account-token",
			"privileged/pod-security-level",
		}},
		{Question: api.Privileged, Name: "undeclared", Title: "The API knows every container that runs", Checks: []string{
			"privileged/undeclared-container",
		}},

		{Question: api.Hosts, Name: "updates", Title: "No security update is pending", Checks: []string{
			"hosts/pending-security-updates", "hosts/package-index-stale", "hosts/uncovered-packages", "hosts/behind-peers",
		}},
		{Question: api.Hosts, Name: "running", Title: "The node runs what is installed", Checks: []string{
			"hosts/kernel-outdated", "hosts/reboot-required", "hosts/deleted-libraries",
		}},
		// Microcode, kernel and boot parameters together: an own part, because neither
		// packages nor a reboot alone can mend it.
		{Question: api.Hosts, Name: "processor", Title: "The processor's known vulnerabilities are mitigated", Checks: []string{
			"hosts/cpu-vulnerabilities",
		}},
		{Question: api.Hosts, Name: "support", Title: "The operating system still gets security releases", Checks: []string{
			"hosts/os-end-of-life",
		}},
		{Question: api.Hosts, Name: "kubernetes", Title: "Kubelet and container runtime are supported", Checks: []string{
			"hosts/kubelet-version", "hosts/runtime-version",
		}},
		{Question: api.Hosts, Name: "vulnerabilities", Title: "Hosts have no known vulnerability that a release fixes", Optional: true, Checks: []string{
			"hosts/known-vulnerabilities",
		}},

		{Question: api.Secrets, Name: "stored", Title: "What is stored now is encrypted", Checks: []string{
			"secrets/encrypted-at-rest", "secrets/stale-key", "secrets/etcd-file-permissions",
		}},
		{Question: api.Secrets, Name: "remains", Title: "No other copy of a Secret is plaintext", Checks: []string{
			"secrets/plaintext-history", "secrets/plaintext-residue", "secrets/plaintext-backup", "secrets/audit-log", "secrets/secret-volume-swap",
		}},
		{Question: api.Secrets, Name: "written", Title: "What will be written is encrypted", Checks: []string{
			"secrets/encryption-config", "secrets/weak-provider", "secrets/key-file-permissions",
		}},
		{Question: api.Secrets, Name: "transit", Title: "Connections that carry Secrets are encrypted", Checks: []string{
			"secrets/etcd-client-tls", "secrets/etcd-peer-tls", "secrets/apiserver-tls", "secrets/kubelet-tls", "secrets/component-tls",
			"secrets/certificate-expiry",
		}},
		{Question: api.Secrets, Name: "pods", Title: "Pods get Secrets in a safe way", Checks: []string{
			"secrets/in-environment", "secrets/in-configmap", "secrets/in-plain-env", "secrets/process-environment", "secrets/in-last-applied", "secrets/legacy-token",
			"secrets/image-pull-secret", "secrets/external-store",
		}},

		{Question: api.Drift, Name: "found", Title: "No container has drifted from its image", Checks: []string{
			"drift/running-drifted-executable", "drift/drifted-files",
		}},
		{Question: api.Drift, Name: "prevented", Title: "Drift is prevented", Checks: []string{
			"drift/writable-root", "drift/writable-executable-mounts", "drift/can-write-own-code", "drift/enforcement",
		}},
	}
}

// Plan judges by these checks of the catalogue. Narrowed says which part of the
// cluster was read, "" for all of it.
func Plan(selected []checks.Check, narrowed string) checks.Plan {
	plan := checks.Plan{Checks: selected, Parts: Parts(), Narrowed: narrowed}
	for _, c := range All() {
		plan.Known = append(plan.Known, c.ID)
	}
	return plan
}

// Whole judges the whole cluster by every check.
func Whole() checks.Plan { return Plan(All(), "") }
