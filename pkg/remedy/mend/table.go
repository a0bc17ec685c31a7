package mend

import (
	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/hostpath"
)

// Kind says what answers a check.
type Kind string

// The kinds.
const (
	// Patch: a patch of the pod's owner. Text is what to say of a workload for which no patch can
	// be made.
	Patch Kind = "patch"
	// Manual: no patch. Text says why, and what to do.
	Manual Kind = "manual"
	// Commands: commands for a node, an etcd or an API server (Runbook).
	Commands Kind = "commands"
)

// Entry is a check and what answers it.
type Entry struct {
	Check string
	Kind  Kind
	Text  string
	pod   mender
	steps func(*book)
}

// Lookup finds the entry of a check.
func Lookup(check string) (Entry, bool) {
	for i := range Table {
		if Table[i].Check == check {
			return Table[i], true
		}
	}
	return Entry{}, false
}

// Text says, where no patch answers a check, why, and what to do; "" for a check that a patch or
// commands answer.
func Text(check string) string {
	if e, ok := Lookup(check); ok && e.Kind == Manual {
		return e.Text
	}
	return ""
}

func patch(check string, pod mender, text string) Entry {
	return Entry{Check: check, Kind: Patch, Text: text, pod: pod}
}

func manual(check, text string) Entry { return Entry{Check: check, Kind: Manual, Text: text} }

func commands(check string, steps func(*book)) Entry {
	return Entry{Check: check, Kind: Commands, steps: steps}
}

// The texts that several checks have.
const (
	noField  = "No field of the pod's spec can answer it: what was measured is not what the spec asks for. Delete the pod, so that its owner starts a new one, and look again."
	rebuild  = "Delete the pod: the new one starts from its image. Put what was added into the image, or find out who added it. A read-only root file system keeps it from coming back."
	rollOut  = "Build the image again with the updated packages, and name its new digest in the manifest: no field of the pod changes what is installed in an image."
	newValue = "Then replace the value: it may have been read."
)

// Table says for each check of the catalogue what answers it, in the order of the catalogue.
var Table = makeTable()

func makeTable() []Entry {
	sockets := func(m hostpath.Mount) bool {
		_, _, reach := hostpath.SocketIn(m.Path)
		return reach != hostpath.NoSocket
	}
	return []Entry{
		patch("builds/runtime-socket", hostPaths(sockets),
			"No hostPath volume of the spec shows the socket: the mount table of the running pod does. Find out what mounts it (a claim, a link, a mount that was made later), and remove that."),
		manual("builds/builder-workload",
			"No field makes a builder fit for production. Move the builds to another cluster or to build machines, and delete this workload. If it must stay, run it rootless and in a sandbox, on nodes that a taint sets apart."),
		manual("builds/build-process",
			"No field of a spec stops a program of the image. Move the build to another cluster or to build machines. If it must stay, run it rootless and in a sandbox."),

		patch("immutable/mutable-image", image,
			"No patch names its image by digest. Name it repository:tag@sha256:... in the manifest, as build pipelines and tools such as Renovate do."),
		manual("immutable/image-scanned", "Give the image to a scanner: no field of the pod does that."),
		manual("immutable/install-at-start",
			"Move the commands that the evidence names into the image's build, and name the new image by digest. A patch cannot do that: without the commands the program may lack what they install."),
		manual("immutable/executable-config",
			"Build the program or script into the image, and remove its volume then. A patch cannot do that: without the volume the container does not start."),
		patch("immutable/writable-root", linux(readOnlyRoot), "The root file system is declared read-only already: "+noField),
		manual("immutable/added-executables", rebuild),
		manual("immutable/package-database-changed", rebuild),
		manual("immutable/vulnerable-packages", rollOut),

		patch("privileged/privileged-container", each(privileged), noField),
		patch("privileged/pod-security-level", podSecurity,
			"Pod Security refuses a field for which no patch can be made: the other findings of this workload say what to do about it."),
		patch("privileged/added-capabilities", each(linux(addedCapabilities)), "Remove the capability that the evidence names."),
		patch("privileged/runs-as-root", each(linux(nonRoot)),
			"Another user than root is declared, and a process is root all the same: its image has a set-user-ID program, or the pod has its own user namespace. allowPrivilegeEscalation: false keeps the first from coming back."),
		patch("privileged/host-namespaces", hostNamespaces, noField),
		patch("privileged/host-path", hostPaths(nil),
			"No hostPath volume of the pod leads there. Use a claim of another storage class, and copy the data."),
		manual("privileged/block-devices",
			"Whether a volume is a block device is fixed in its claim (volumeMode). Make a claim with volumeMode Filesystem, copy the data, and mount it by volumeMounts."),
		patch("privileged/mount-propagation", each(linux(propagation)), noField),
		manual("privileged/volume-types",
			"Make a PersistentVolumeClaim with a CSI driver for the same data, and name it in the pod in place of this volume. In place of gitRepo, clone in an init container into an emptyDir. A patch cannot make the other object."),
		patch("privileged/host-ports", hostPorts, noField),
		patch("privileged/probe-host", each(probeHosts), noField),
		manual("privileged/device-access",
			"Whether the program needs the device, no fact says. Remove the resources and claims that it does not use; give what needs them nodes of their own."),
		patch("privileged/privilege-escalation", each(linux(escalation)),
			"allowPrivilegeEscalation is declared false, and a process can gain rights all the same: it was started by something else than the runtime, or the pod was changed. "+noField),
		patch("privileged/seccomp", each(linux(seccomp)), "A profile is declared, and a process has no filter: its runtime did not apply it. Update the runtime of the node that the evidence names. "+noField),
		patch("privileged/apparmor-selinux", each(linux(confinement)), noField),
		patch("privileged/mandatory-access-control", each(linux(confinement)),
			"Nothing in the spec asks for it: the node's runtime gives no profile. Load the runtime's profile on the node that the evidence names (AppArmor: apparmor_parser; SELinux: container-selinux), and start the pod again."),
		patch("privileged/proc-mount", each(linux(procMount)), noField),
		patch("privileged/sysctls", linux(sysctls), noField),
		patch("privileged/shared-process-namespace", sharedProcesses, noField),
		patch("privileged/service-account-token", token, noField),
		patch("privileged/effective-capabilities", each(linux(effective)),
			"The spec drops every capability, and a process holds some all the same: something else than the runtime started it. "+noField),
		patch("privileged/host-devices", devices,
			"No field of the spec gives it: the node's runtime or a device plugin does. Find out which, on the node that the evidence names."),
		manual("privileged/undeclared-container",
			"Kubernetes does not know the container, so that no patch reaches it. Find out on the node who started it (crictl ps, docker ps, podman ps, systemctl status PID). Run what is needed as a pod; stop the rest."),

		commands("hosts/kernel-outdated", reboot),
		commands("hosts/reboot-required", reboot),
		commands("hosts/deleted-libraries", reboot),
		commands("hosts/cpu-vulnerabilities", updateAndReboot),
		commands("hosts/pending-security-updates", updateAndReboot),
		commands("hosts/package-index-stale", refreshIndex),
		manual("hosts/uncovered-packages",
			"No command is right for every package: remove it, or install it from an archive that gets security updates. The evidence names the packages."),
		commands("hosts/behind-peers", updateAndReboot),
		manual("hosts/os-end-of-life",
			"Replace the node by one with a supported release, or upgrade the release as its distribution describes, one node at a time: drain it, upgrade, restart, uncordon. On a managed pool choose a newer node image."),
		manual("hosts/kubelet-version",
			"Upgrade Kubernetes as the installer describes (kubeadm upgrade; on a managed cluster, its upgrade), control plane first, then each node: drain, upgrade, restart the kubelet, uncordon."),
		manual("hosts/runtime-version",
			"Upgrade the container runtime from the archive that it was installed from, one node at a time: drain, upgrade, restart the runtime and the kubelet, uncordon."),
		commands("hosts/known-vulnerabilities", updateAndReboot),

		commands("secrets/encrypted-at-rest", encryptAtRest),
		commands("secrets/stale-key", rewrite),
		commands("secrets/etcd-file-permissions", filePermissions),
		commands("secrets/plaintext-history", cleanHistory),
		commands("secrets/plaintext-residue", cleanResidue),
		commands("secrets/plaintext-backup", deleteBackups),
		manual("secrets/audit-log",
			"In the audit policy, log secrets, configmaps and tokenreviews at level Metadata at most, before every other rule, and restart the API servers. Delete the logs that hold values. "+newValue),
		manual("secrets/secret-volume-swap",
			"Turn swap off (swapoff -a, and its line in /etc/fstab), or encrypt it; or run a kernel that mounts tmpfs with noswap (6.4). Then restart the kubelet."),
		commands("secrets/encryption-config", encryptAtRest),
		commands("secrets/weak-provider", encryptAtRest),
		commands("secrets/key-file-permissions", filePermissions),
		commands("secrets/etcd-client-tls", etcdTLS),
		commands("secrets/etcd-peer-tls", etcdTLS),
		commands("secrets/apiserver-tls", serverTLS),
		commands("secrets/kubelet-tls", kubeletTLS),
		manual("secrets/component-tls",
			"Set the flag that the evidence names in the component's own configuration (--tls-min-version=VersionTLS12, --bind-address=127.0.0.1), and restart it."),
		commands("secrets/certificate-expiry", renewCertificates),
		manual("secrets/in-environment",
			"Mount the Secret as a file (volumes, volumeMounts), and let the program read that. A patch cannot do it: the program looks for a variable."),
		manual("secrets/in-configmap",
			"Move the key to a Secret or an external store, let the pods mount that, delete the key from the ConfigMap. A patch cannot do it: the pods read the ConfigMap. "+newValue),
		manual("secrets/in-plain-env",
			"Move the value to a Secret or an external store, and mount it as a file. A patch cannot do it: the program looks for a variable, and a patch with the value would be one more copy. "+newValue),
		manual("secrets/process-environment",
			"Mount the Secret as a file and let the program read that. A patch cannot do it: the program looks for a variable."),
		commands("secrets/in-last-applied", lastApplied),
		commands("secrets/legacy-token", legacyToken),
		manual("secrets/image-pull-secret",
			"Give the kubelet a credential provider of the registry (--image-credential-provider-config), and remove imagePullSecrets then. A patch cannot do it: without the Secret the image cannot be pulled."),
		manual("secrets/external-store",
			"Bring the Secret from an external store to the pod as a file (Secrets Store CSI driver, Vault agent). A patch cannot do it: the store has to hold the value first."),

		manual("drift/running-drifted-executable", rebuild),
		manual("drift/drifted-files", rebuild),
		patch("drift/writable-root", linux(readOnlyRoot), "The root file system is declared read-only already: "+noField),
		manual("drift/writable-executable-mounts",
			"A PersistentVolume takes the mount option noexec; an emptyDir takes none. Replace it by such a volume, remove the mount, or accept it with a waiver. For /dev, run the container as another user than root."),
		patch("drift/can-write-own-code", linux(readOnlyRoot),
			"The root file system is declared read-only already: the program lies on a volume. Build it into the image."),
		commands("drift/enforcement", enforce),
	}
}

// devices answers devices of the node in a container: privileged gives all, a hostPath one.
func devices(x *work, c *fact.Container) bool {
	if c == nil {
		return false
	}
	done := false
	if isTrue(c.Privileged) {
		done = privileged(x, c)
	}
	return hostPaths(func(m hostpath.Mount) bool {
		return m.Path == "/" || m.Path == "/dev" || len(m.Path) > 5 && m.Path[:5] == "/dev/"
	})(x, c) || done
}
