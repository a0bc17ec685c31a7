package catalogue

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

// clean is a cluster of a control-plane node and a worker, all of it measured,
// with one Deployment on the worker and nothing to find.
func clean() *fact.Set {
	container := ft.With(ft.Bare)
	container.Root = &fact.Mount{Path: "/", FSType: "overlay", ReadOnly: true}
	container.DeviceFS = "tmpfs"
	container.Upper = &fact.UpperWalk{Path: "/var/lib/containerd/u", Entries: 3, DataCounts: &fact.DataCounts{}}
	set := ft.Measured(container, ft.Restricted(fact.Container{ReadOnlyRootFilesystem: ft.Ptr(true)}))
	set.Cluster = fact.Cluster{Server: "https://10.0.0.1:6443", Version: "v1.37.2", Provider: "kubeadm"}

	const build = "#1 SMP PREEMPT_DYNAMIC Debian 6.1.192-2 (2026-11-16)"
	host := fact.Host{
		OS:        fact.OSRelease{ID: "debian", VersionID: "13"},
		Running:   &fact.RunningKernel{Release: "6.1.0-56-amd64", Build: build},
		Installed: []fact.InstalledKernel{{Release: "6.1.0-56-amd64", Build: build, Path: "/boot/vmlinuz-6.1.0-56-amd64"}},
		Packages: &fact.PackageState{
			Manager: "apt", Database: "/var/lib/dpkg/status", Installed: 400, Indexes: 4, Content: set.CollectedAt,
			Archives: []fact.PackageArchive{{Name: "Debian-Security/stable-security", Security: true, Date: set.CollectedAt}},
		},
		Reboot:    &fact.RebootState{Announcer: "/usr/share/update-notifier/notify-reboot-required"},
		Libraries: &fact.LibraryState{Processes: 40},
		CPU: &fact.CPUState{
			Path:            "/sys/devices/system/cpu/vulnerabilities",
			Vulnerabilities: []fact.CPUVulnerability{{Name: "mds", State: "Not affected"}, {Name: "spectre_v2", State: "Mitigation: Retpolines"}},
		},
		Swap: &fact.SwapState{SecretVolumes: 3},
	}
	worker := &set.Nodes[0]
	worker.KubeletVersion, worker.ContainerRuntime = "v1.37.2", "containerd://2.3.7"
	worker.OSImage, worker.KernelVersion = "Debian GNU/Linux 13 (trixie)", "6.1.0-56-amd64"
	worker.Measured.Host = host

	control := fact.Node{Name: "cp1", Listed: true, Ready: true, OS: "linux", Arch: "amd64", Labels: map[string]string{"node-role.kubernetes.io/control-plane": ""}, KubeletVersion: "v1.37.2", ContainerRuntime: "containerd://2.3.7", OSImage: worker.OSImage, KernelVersion: worker.KernelVersion, Measured: ft.Measurement()}
	control.Measured.Host = *host.DeepCopy()
	control.Measured.Etcd = []fact.EtcdDB{{
		Path: "/var/lib/etcd/member/snap/db", Prefix: "/registry", PrefixFrom: "--etcd-prefix", Revision: 1000, Complete: true, Total: 2,
		History: &fact.StoredHistory{Complete: true, Compacted: 900}, Remains: ft.Remains(), Files: ft.StoreFiles(),
		Secrets: []fact.StoredSecret{
			{Namespace: "shop", Name: "db", Revision: 812, Class: fact.ClassSecretbox, Provider: "k8s:enc:secretbox:v1:key1:", Size: 300},
			{Namespace: "shop", Name: "tls", Revision: 813, Class: fact.ClassSecretbox, Provider: "k8s:enc:secretbox:v1:key1:", Size: 300},
		},
	}}
	ft.Transit(control.Measured)
	ft.TransitWorker(worker.Measured)
	started := fact.NewTime(set.CollectedAt.Add(-time.Hour))
	control.Measured.APIServers = []fact.APIServer{{
		PID: 50, Started: started, EncryptionFlag: true,
		Encryption: &fact.EncryptionConfiguration{
			Path: "/etc/kubernetes/enc.yaml", Hash: "sha256:00", Changed: fact.NewTime(started.Add(-time.Hour)), File: ft.RootFile("/etc/kubernetes/enc.yaml"),
			Entries: []fact.EncryptionEntry{{
				Resources: []string{"secrets"},
				Providers: []fact.EncryptionProvider{{Type: "secretbox", Keys: []string{"key1"}}, {Type: "identity"}},
			}},
		},
	}}
	set.Nodes = append([]fact.Node{control}, set.Nodes...)
	set.Secrets = []fact.SecretName{
		{Namespace: "shop", Name: "db", ResourceVersion: "812"}, {Namespace: "shop", Name: "tls", ResourceVersion: "813"},
	}
	set.SecretsListed, set.TokensListed, set.StoresRead = true, true, true
	set.Namespaces = []fact.Namespace{{Name: "quiet", Enforce: "restricted", EnforceVersion: "latest", Origin: "namespace/quiet"}}
	set.ConfigMaps = &fact.ConfigMapScan{Read: 3, Bytes: 300}
	// An agent has brought the application's secrets from outside the cluster.
	agent := ft.Restricted(fact.Container{
		Name: "vault-agent-init", Type: fact.InitContainer, Field: "spec.initContainers[0]",
		Image: "hashicorp/vault@sha256:" + strings.Repeat("2", 64), ReadOnlyRootFilesystem: ft.Ptr(true),
	})
	app := &set.Workloads[0]
	app.Spec.Injectors = []string{"vault-agent vault.hashicorp.com/agent-inject"}
	app.Spec.Containers = append(app.Spec.Containers, agent)
	app.Pods[0].Containers = append(app.Pods[0].Containers, fact.ContainerStatus{
		Name: agent.Name, ID: strings.Repeat("d", 64), Terminated: true, ExitCode: ft.Ptr(int32(0)),
	})
	set.ImageScan = &fact.ImageScan{Reports: []fact.ImageReport{
		{Kind: "VulnerabilityReport", Namespace: "shop", Name: "web", Digest: "sha256:" + strings.Repeat("1", 64), Updated: set.CollectedAt},
		{Kind: "VulnerabilityReport", Namespace: "shop", Name: "agent", Digest: "sha256:" + strings.Repeat("2", 64), Updated: set.CollectedAt},
	}}
	set.Enforcement = &fact.Enforcement{DryRuns: []fact.DryRun{{
		Namespace: "shop", Unset: fact.DryRunRefused, Writable: fact.DryRunRefused, Init: fact.DryRunRefused, Perfect: fact.DryRunAllowed,
		By: []string{"ValidatingAdmissionPolicy read-only-root, binding all"},
	}}}
	set.Vulnerabilities = &fact.VulnerabilityData{Name: "all.zip", Modified: set.CollectedAt, Compared: set.CollectedAt, Records: 70_000}
	set.VulnerableImages = []fact.ImageVulnerabilities{{Parts: []fact.HostVulnerabilities{{Ecosystem: "Debian:13", Covered: true, Packages: 1, Modified: set.CollectedAt}}}}
	worker.Measured.Images = []fact.ImageInventory{{
		Key: "web", OS: fact.OSRelease{ID: "debian", VersionID: "13"}, Manager: "dpkg", Packages: []fact.InstalledPackage{{Name: "openssl", Arch: "amd64", Version: "3.0.1-1"}},
	}}
	worker.Measured.Containers[0].Image = "web"
	set.Nodes[1].VulnerableImages = map[string]int{"web": 0}
	for i := range set.Nodes {
		set.Nodes[i].Measured.Host.Inventory = []fact.InstalledPackage{{Name: "openssl", Arch: "amd64", Version: "3.0.1-1"}}
		set.Nodes[i].Vulnerable = &fact.HostVulnerabilities{Ecosystem: "Debian:13", Covered: true, Packages: 1, Modified: set.CollectedAt}
	}
	return set
}

// What faults change in a clean set.
func container(s *fact.Set) *fact.Container       { return &s.Workloads[0].Spec.Containers[0] }
func spec(s *fact.Set) *fact.PodSpec              { return &s.Workloads[0].Spec }
func running(s *fact.Set) *fact.MeasuredContainer { return &s.Nodes[1].Measured.Containers[0] }
func process(s *fact.Set) *fact.Process           { return &running(s).Processes[0] }
func hostOf(s *fact.Set) *fact.Host               { return &s.Nodes[1].Measured.Host }
func etcdOf(s *fact.Set) *fact.EtcdDB             { return &s.Nodes[0].Measured.Etcd[0] }
func apiServer(s *fact.Set) *fact.APIServer       { return &s.Nodes[0].Measured.APIServers[0] }
func listener(s *fact.Set, purpose fact.ListenerPurpose) *fact.Listener {
	for i := range s.Nodes[0].Measured.Listeners {
		if l := &s.Nodes[0].Measured.Listeners[i]; l.Purpose == purpose {
			return l
		}
	}
	return nil
}

func mount(s *fact.Set, path string) {
	spec(s).Volumes = []fact.Volume{{Name: "host", Field: "spec.volumes[0]", Source: "hostPath", HostPath: path}}
	container(s).Mounts = []fact.VolumeMount{{Volume: "host", Path: "/host"}}
}

// faults has one for each check: what makes it fail, and all that fails then.
var faults = map[string]struct {
	plant func(*fact.Set)
	want  []string
}{
	"builds/runtime-socket": {
		func(s *fact.Set) { mount(s, "/run/docker.sock") },
		[]string{
			"high builds/runtime-socket Deployment/shop/web/app/", "high privileged/host-path Deployment/shop/web/app/",
			"high privileged/pod-security-level Deployment/shop/web//",
		},
	},
	"builds/builder-workload": {
		func(s *fact.Set) {
			container(s).Image, container(s).RunAsNonRoot = "moby/buildkit@sha256:"+strings.Repeat("1", 64), nil
		},
		[]string{"medium builds/builder-workload Deployment/shop/web/app/", "low privileged/pod-security-level Deployment/shop/web//"},
	},
	"builds/build-process": {
		func(s *fact.Set) { process(s).Exe.Path, process(s).UID = "/usr/bin/buildkitd", [4]int64{} },
		[]string{"medium builds/build-process Deployment/shop/web/app/", "medium privileged/runs-as-root Deployment/shop/web/app/"},
	},
	"immutable/mutable-image": {
		func(s *fact.Set) { container(s).Image = "registry.example/shop/web:latest" },
		[]string{"low immutable/image-scanned Deployment/shop/web/app/", "medium immutable/mutable-image Deployment/shop/web/app/"},
	},
	"immutable/install-at-start": {
		func(s *fact.Set) {
			container(s).Installs = []fact.Install{{Class: fact.PackageManager, What: "apt-get install", Field: "command[2]"}}
		},
		[]string{"medium immutable/install-at-start Deployment/shop/web/app/"},
	},
	"immutable/executable-config": {
		func(s *fact.Set) {
			spec(s).Volumes = []fact.Volume{{Name: "scripts", Field: "spec.volumes[0]", Source: "configMap", Object: "web-scripts"}}
			container(s).Mounts = []fact.VolumeMount{{Volume: "scripts", Path: "/scripts", ReadOnly: true}}
			container(s).Code = []fact.MountedCode{{Volume: "scripts", Mount: "/scripts", Field: "command[1]", Interpreter: "sh", ConfigMap: "web-scripts", Key: "start.sh"}}
		},
		[]string{"medium immutable/executable-config Deployment/shop/web/app/"},
	},
	"immutable/image-scanned": {
		func(s *fact.Set) { s.ImageScan.Reports = s.ImageScan.Reports[1:] },
		[]string{"low immutable/image-scanned Deployment/shop/web/app/"},
	},
	"immutable/writable-root": {
		unprotected,
		[]string{"medium drift/writable-root Deployment/shop/web/app/", "medium immutable/writable-root Deployment/shop/web/app/"},
	},
	"drift/writable-root": {
		unprotected,
		[]string{"medium drift/writable-root Deployment/shop/web/app/", "medium immutable/writable-root Deployment/shop/web/app/"},
	},
	"immutable/added-executables": {
		func(s *fact.Set) {
			running(s).Upper.Total = 1
			running(s).Upper.Files = []fact.UpperFile{{Path: "/usr/bin/tool", Kind: "elf", Origin: fact.OriginAdded, Mode: 0o755}}
		},
		// The same layer is judged for both questions.
		[]string{"medium drift/drifted-files Deployment/shop/web/app/", "high immutable/added-executables Deployment/shop/web/app/"},
	},
	"immutable/package-database-changed": {
		func(s *fact.Set) {
			running(s).Packages = &fact.PackageChange{Manager: "dpkg", Path: "/var/lib/dpkg/status", Added: []string{"curl"}, Total: 1}
		},
		[]string{"high immutable/package-database-changed Deployment/shop/web/app/"},
	},
	"privileged/privileged-container": {
		func(s *fact.Set) { container(s).Privileged = ft.Ptr(true) },
		[]string{
			"critical privileged/pod-security-level Deployment/shop/web//",
			"critical privileged/privileged-container Deployment/shop/web/app/", "medium privileged/seccomp Deployment/shop/web/app/",
		},
	},
	"privileged/pod-security-level": {
		func(s *fact.Set) {
			container(s).CapDrop = nil
		},
		[]string{"low privileged/pod-security-level Deployment/shop/web//"},
	},
	"privileged/added-capabilities": {
		func(s *fact.Set) { container(s).CapAdd = []string{"SYS_ADMIN"} },
		[]string{"critical privileged/added-capabilities Deployment/shop/web/app/", "high privileged/pod-security-level Deployment/shop/web//"},
	},
	"privileged/runs-as-root": {
		func(s *fact.Set) { process(s).UID = [4]int64{} },
		[]string{"medium privileged/runs-as-root Deployment/shop/web/app/"},
	},
	"privileged/privilege-escalation": {
		func(s *fact.Set) { process(s).NoNewPrivs = ft.Ptr(false) },
		[]string{"medium privileged/privilege-escalation Deployment/shop/web/app/"},
	},
	"privileged/seccomp": {
		func(s *fact.Set) { process(s).Seccomp = ft.Ptr(0) },
		[]string{"medium privileged/seccomp Deployment/shop/web/app/"},
	},
	"privileged/mandatory-access-control": {
		func(s *fact.Set) { process(s).Label = "unconfined" },
		[]string{"medium privileged/mandatory-access-control Deployment/shop/web/app/"},
	},
	"privileged/undeclared-container": {
		func(s *fact.Set) {
			// In every other way it is as restricted as the known one.
			other := *running(s).DeepCopy()
			other.ID, other.PodUID, other.Kubernetes, other.Runtime = strings.Repeat("b", 64), "", false, "docker"
			s.Relisted = &fact.Relist{At: ft.Time, Unknown: 1}
			other.Processes[0].Started = fact.NewTime(ft.Time.Add(-time.Hour))
			s.Nodes[1].Measured.Containers = append(s.Nodes[1].Measured.Containers, other)
		},
		[]string{"high privileged/undeclared-container Container//bbbbbbbbbbbb//n1"},
	},
	"privileged/host-namespaces": {
		func(s *fact.Set) { process(s).PIDNS = ft.PIDNS },
		[]string{"high privileged/host-namespaces Deployment/shop/web//"},
	},
	"privileged/host-path": {
		func(s *fact.Set) { mount(s, "/etc") },
		[]string{"critical privileged/host-path Deployment/shop/web/app/", "critical privileged/pod-security-level Deployment/shop/web//"},
	},
	"privileged/apparmor-selinux": {
		func(s *fact.Set) { container(s).AppArmor = "Unconfined" },
		[]string{"medium privileged/apparmor-selinux Deployment/shop/web/app/", "medium privileged/pod-security-level Deployment/shop/web//"},
	},
	"privileged/proc-mount": {
		func(s *fact.Set) { container(s).ProcMount = "Unmasked" },
		[]string{"high privileged/pod-security-level Deployment/shop/web//", "high privileged/proc-mount Deployment/shop/web/app/"},
	},
	"privileged/host-ports": {
		func(s *fact.Set) {
			container(s).HostPorts, container(s).PortFields = []int32{80}, []string{"ports[0].hostPort"}
		},
		[]string{"low privileged/host-ports Deployment/shop/web/app/", "low privileged/pod-security-level Deployment/shop/web//"},
	},
	"privileged/sysctls": {
		func(s *fact.Set) { spec(s).Sysctls = []string{"kernel.msgmax"} },
		[]string{"medium privileged/pod-security-level Deployment/shop/web//", "medium privileged/sysctls Deployment/shop/web//"},
	},
	"privileged/shared-process-namespace": {
		func(s *fact.Set) { spec(s).ShareProcessNamespace = ft.Ptr(true) },
		[]string{"low privileged/shared-process-namespace Deployment/shop/web//"},
	},
	"privileged/block-devices": {
		func(s *fact.Set) {
			spec(s).Volumes = []fact.Volume{{Name: "raw", Field: "spec.volumes[0]", Source: "persistentVolumeClaim"}}
			container(s).Mounts = []fact.VolumeMount{{Volume: "raw", Path: "/dev/xvda", Device: true}}
		},
		[]string{"high privileged/block-devices Deployment/shop/web/app/"},
	},
	"privileged/mount-propagation": {
		func(s *fact.Set) {
			spec(s).Volumes = []fact.Volume{{Name: "work", Field: "spec.volumes[0]", Source: "emptyDir"}}
			container(s).Mounts = []fact.VolumeMount{{Volume: "work", Path: "/work", Propagation: "Bidirectional"}}
		},
		[]string{"medium privileged/mount-propagation Deployment/shop/web/app/"},
	},
	"privileged/device-access": {
		func(s *fact.Set) { container(s).Devices = []string{"nvidia.com/gpu"} },
		[]string{"low privileged/device-access Deployment/shop/web/app/"},
	},
	"privileged/volume-types": {
		func(s *fact.Set) {
			spec(s).Volumes = []fact.Volume{{Name: "code", Field: "spec.volumes[0]", Source: "gitRepo"}}
		},
		[]string{"low privileged/pod-security-level Deployment/shop/web//", "medium privileged/volume-types Deployment/shop/web//"},
	},
	"privileged/service-account-token": {
		func(s *fact.Set) {
			spec(s).Volumes = []fact.Volume{{Name: "kube-api-access", Field: "spec.volumes[0]", Source: "projected"}}
			container(s).Mounts = []fact.VolumeMount{{Volume: "kube-api-access", Path: "/var/run/secrets/kubernetes.io/serviceaccount", ReadOnly: true}}
		},
		[]string{"low privileged/service-account-token Deployment/shop/web//"},
	},
	"privileged/probe-host": {
		func(s *fact.Set) {
			container(s).ProbeHosts = []fact.ProbeHost{{Field: "livenessProbe.httpGet.host", Host: "169.254.169.254"}}
		},
		[]string{"medium privileged/pod-security-level Deployment/shop/web//", "medium privileged/probe-host Deployment/shop/web/app/"},
	},
	"privileged/effective-capabilities": {
		func(s *fact.Set) {
			process(s).CapEff, process(s).CapPrm, process(s).CapBnd = fact.NewCapMask(ft.AllCaps), fact.NewCapMask(ft.AllCaps), fact.NewCapMask(ft.AllCaps)
		},
		// With SYS_ADMIN it can also mount a place to execute from.
		[]string{"medium drift/writable-executable-mounts Deployment/shop/web/app/", "critical privileged/effective-capabilities Deployment/shop/web/app/"},
	},
	"privileged/host-devices": {
		func(s *fact.Set) { running(s).Devices = []fact.Device{{Path: "/dev/sda", Type: "b", Major: 8}} },
		[]string{"high privileged/host-devices Deployment/shop/web/app/"},
	},
	"hosts/kernel-outdated": {
		func(s *fact.Set) { hostOf(s).Running.Release = "6.1.0-55-amd64" },
		[]string{"high hosts/kernel-outdated Node//n1//"},
	},
	"hosts/pending-security-updates": {
		func(s *fact.Set) {
			hostOf(s).Packages.Pending = []fact.PendingUpdate{{
				Name: "openssl", Arch: "amd64", Installed: "3.0.1-1", Candidate: "3.0.1-2", Security: "3.0.1-2", Archive: "Debian-Security",
			}}
		},
		[]string{"high hosts/pending-security-updates Node//n1//"},
	},
	"hosts/package-index-stale": {
		func(s *fact.Set) {
			// With nothing pending by an old index, it would be unknown whether something is.
			hostOf(s).Packages.Archives[0].Date = fact.NewTime(ft.Time.AddDate(0, -2, 0))
			hostOf(s).Packages.Pending = []fact.PendingUpdate{{Name: "openssl", Arch: "amd64", Installed: "1", Candidate: "2", Security: "2"}}
		},
		[]string{"medium hosts/package-index-stale Node//n1//", "high hosts/pending-security-updates Node//n1//"},
	},
	"hosts/uncovered-packages": {
		func(s *fact.Set) {
			hostOf(s).Packages.Uncovered = []fact.UncoveredPackage{{Name: "nginx", Arch: "amd64", Version: "1", Why: fact.OutsideComponent}}
			hostOf(s).Packages.UncoveredCount = 1
		},
		[]string{"medium hosts/uncovered-packages Node//n1//"},
	},
	"hosts/known-vulnerabilities": {
		func(s *fact.Set) {
			v := s.Nodes[1].Vulnerable
			v.Total, v.Fixable = 1, 1
			v.Found = []fact.Vulnerability{{ID: "CVE-2026-1", Package: "openssl", Installed: "3.0.1-1", Fixed: "3.0.1-2", Severity: "critical"}}
		},
		[]string{"critical hosts/known-vulnerabilities Node//n1//"},
	},
	"immutable/vulnerable-packages": {
		func(s *fact.Set) {
			p := &s.VulnerableImages[0].Parts[0]
			p.Total, p.Fixable = 1, 1
			p.Found = []fact.Vulnerability{{ID: "CVE-2026-1", Package: "openssl", Installed: "3.0.1-1", Fixed: "3.0.1-2", Severity: "critical"}}
		},
		[]string{"critical immutable/vulnerable-packages Deployment/shop/web/app/"},
	},
	"hosts/os-end-of-life": {
		func(s *fact.Set) { hostOf(s).OS.VersionID = "11" },
		[]string{"high hosts/os-end-of-life Node//n1//"},
	},
	"hosts/reboot-required": {
		func(s *fact.Set) { hostOf(s).Reboot.Required = "/run/reboot-required" },
		[]string{"medium hosts/reboot-required Node//n1//"},
	},
	"hosts/deleted-libraries": {
		func(s *fact.Set) {
			hostOf(s).Libraries.Outdated = []fact.OutdatedFile{{Path: "/usr/lib/libssl.so.3", Unit: "ssh.service", Processes: 1}}
			hostOf(s).Libraries.OutdatedCount = 1
		},
		[]string{"medium hosts/deleted-libraries Node//n1//"},
	},
	"hosts/cpu-vulnerabilities": {
		func(s *fact.Set) { hostOf(s).CPU.Vulnerabilities[0].State = "Vulnerable: No microcode" },
		[]string{"medium hosts/cpu-vulnerabilities Node//n1//"},
	},
	"hosts/kubelet-version": {
		func(s *fact.Set) { s.Nodes[1].KubeletVersion = "v1.33.0" },
		[]string{"medium hosts/behind-peers Node//n1//", "high hosts/kubelet-version Node//n1//"},
	},
	"hosts/behind-peers": {
		func(s *fact.Set) { s.Nodes[1].KernelVersion = "6.1.0-55-amd64" },
		[]string{"medium hosts/behind-peers Node//n1//"},
	},
	"hosts/runtime-version": {
		func(s *fact.Set) { s.Nodes[1].ContainerRuntime = "containerd://1.6.39" },
		[]string{"medium hosts/behind-peers Node//n1//", "high hosts/runtime-version Node//n1//"},
	},
	"secrets/encrypted-at-rest": {
		func(s *fact.Set) {
			secret := &etcdOf(s).Secrets[0]
			secret.Class, secret.Provider = fact.ClassIdentityProtobuf, ""
		},
		[]string{"critical secrets/encrypted-at-rest Secret/shop/db//", "medium secrets/stale-key Cluster////"},
	},
	"secrets/stale-key": {
		func(s *fact.Set) { etcdOf(s).Secrets[1].Provider = "k8s:enc:secretbox:v1:key0:" },
		[]string{"medium secrets/stale-key Cluster////"},
	},
	"secrets/etcd-file-permissions": {
		func(s *fact.Set) {
			etcdOf(s).Files.Open = []fact.FileAccess{{Path: "/var/lib/etcd/member/snap/db", Mode: 0o644, OthersReach: true}}
			etcdOf(s).Files.OpenTotal = 1
		},
		[]string{"high secrets/etcd-file-permissions Node//cp1//"},
	},
	"secrets/plaintext-history": {
		func(s *fact.Set) {
			etcdOf(s).Secrets[1].Older, etcdOf(s).Secrets[1].OlderRevision = 2, 700
			etcdOf(s).History.Revisions, etcdOf(s).History.Plaintext = 2, 2
		},
		[]string{"high secrets/plaintext-history Secret/shop/tls//"},
	},
	"secrets/plaintext-residue": {
		func(s *fact.Set) {
			r := &etcdOf(s).Remains[0]
			r.Values, r.Unnamed = 2, 2
		},
		[]string{"high secrets/plaintext-residue Node//cp1//"},
	},
	"secrets/plaintext-backup": {
		func(s *fact.Set) {
			s.Nodes[0].Measured.Backups = []fact.Backup{{Path: "/root/etcd.db", Format: "etcd snapshot", Complete: true, Values: 1, Unnamed: 1}}
		},
		[]string{"high secrets/plaintext-backup File///root/etcd.db//cp1"},
	},
	"secrets/audit-log": {
		func(s *fact.Set) {
			apiServer(s).Audit = &fact.AuditPolicy{Path: "/etc/kubernetes/audit.yaml", Level: "Request", Rule: 1, Stdout: true}
		},
		[]string{"high secrets/audit-log Node//cp1//"},
	},
	"secrets/secret-volume-swap": {
		func(s *fact.Set) { hostOf(s).Swap.Areas, hostOf(s).Swap.Swappable = 1, 3 },
		[]string{"low secrets/secret-volume-swap Node//n1//"},
	},
	"secrets/encryption-config": {
		func(s *fact.Set) {
			apiServer(s).Encryption.Entries[0].Providers = []fact.EncryptionProvider{{Type: "identity"}, {Type: "secretbox", Keys: []string{"key1"}}}
		},
		[]string{"high secrets/encryption-config Node//cp1//", "low secrets/stale-key Cluster////", "high secrets/weak-provider Node//cp1//"},
	},
	"secrets/weak-provider": {
		func(s *fact.Set) {
			apiServer(s).Encryption.Entries[0].Providers[0].Type = "aescbc"
			for i := range etcdOf(s).Secrets {
				etcdOf(s).Secrets[i].Class, etcdOf(s).Secrets[i].Provider = fact.ClassAESCBC, "k8s:enc:aescbc:v1:key1:"
			}
		},
		[]string{"medium secrets/weak-provider Node//cp1//"},
	},
	"secrets/key-file-permissions": {
		func(s *fact.Set) {
			apiServer(s).Encryption.File.Mode, apiServer(s).Encryption.File.OthersReach = 0o644, true
		},
		[]string{"high secrets/key-file-permissions Node//cp1//"},
	},
	"secrets/in-environment": {
		func(s *fact.Set) {
			container(s).Variables, container(s).VariableTotal = []fact.Variable{{Name: "PASSWORD", Field: "env[0]", Secret: "db", Key: "password"}}, 1
		},
		[]string{"low secrets/in-environment Deployment/shop/web/app/"},
	},
	"secrets/in-configmap": {
		func(s *fact.Set) {
			s.ConfigMaps.Found, s.ConfigMaps.Total = []fact.ConfigMapEntry{{Namespace: "shop", Name: "app", Key: "app.conf", Rules: []string{"aws-access-key"}}}, 1
		},
		[]string{"high secrets/in-configmap ConfigMap/shop/app//"},
	},
	"secrets/in-plain-env": {
		func(s *fact.Set) {
			c := container(s)
			c.Variables = append(c.Variables, fact.Variable{Name: "KEY", Field: "env[1]", Rule: "aws-access-key"})
			c.VariableTotal = len(c.Variables)
		},
		[]string{"high secrets/in-plain-env Deployment/shop/web/app/"},
	},
	"secrets/process-environment": {
		func(s *fact.Set) {
			running(s).Environment = []fact.EnvironmentCredential{{Name: "KEY", Rule: "aws-access-key", PID: ft.PID, Comm: "web", Processes: 1}}
			running(s).EnvironmentTotal = 1
		},
		[]string{"medium secrets/process-environment Deployment/shop/web/app/"},
	},
	"secrets/in-last-applied": {
		func(s *fact.Set) { s.Secrets[0].Applied = []string{"password"} },
		[]string{"medium secrets/in-last-applied Secret/shop/db//"},
	},
	"secrets/legacy-token": {
		func(s *fact.Set) {
			s.LegacyTokens = []fact.ServiceAccountToken{{Namespace: "shop", Name: "ci-token", LastUsed: "2026-11-20"}}
		},
		[]string{"medium secrets/legacy-token Secret/shop/ci-token//"},
	},
	"secrets/image-pull-secret": {
		func(s *fact.Set) { spec(s).PullSecrets = []string{"db"} },
		[]string{"low secrets/image-pull-secret Deployment/shop/web//"},
	},
	"secrets/external-store": {
		func(s *fact.Set) { spec(s).Injectors = nil },
		[]string{"low secrets/external-store Cluster////"},
	},
	"secrets/etcd-client-tls": {
		func(s *fact.Set) { listener(s, fact.EtcdClient).ClientAuth = fact.ClientCertNotAsked },
		[]string{"critical secrets/etcd-client-tls Node//cp1//"},
	},
	"secrets/etcd-peer-tls": {
		func(s *fact.Set) { listener(s, fact.EtcdPeer).Protocol = fact.SpeaksPlaintext },
		[]string{"critical secrets/etcd-peer-tls Node//cp1//"},
	},
	"secrets/apiserver-tls": {
		func(s *fact.Set) { listener(s, fact.KubeAPI).Offers[0].Outcome = fact.OfferAccepted },
		[]string{"medium secrets/apiserver-tls Node//cp1//"},
	},
	"secrets/kubelet-tls": {
		func(s *fact.Set) { listener(s, fact.KubeletAPI).Request.Status = 200 },
		[]string{"critical secrets/kubelet-tls Node//cp1//"},
	},
	"secrets/component-tls": {
		func(s *fact.Set) { listener(s, fact.Scheduler).Offers[0].Outcome = fact.OfferAccepted },
		[]string{"low secrets/component-tls Node//cp1//"},
	},
	"secrets/certificate-expiry": {
		func(s *fact.Set) { s.Nodes[0].Measured.Certificates[0].Certificates[0].NotAfter = s.CollectedAt },
		[]string{"high secrets/certificate-expiry Node//cp1//"},
	},
	"drift/running-drifted-executable": {
		func(s *fact.Set) {
			process(s).Exe = &fact.Executable{Path: "/tmp/x", Origin: fact.OriginAdded, Mount: "/"}
		},
		[]string{"high drift/running-drifted-executable Deployment/shop/web/app/"},
	},
	"drift/drifted-files": {
		func(s *fact.Set) {
			running(s).Upper.DataCounts.Changed = 1
			running(s).Upper.Data = []fact.UpperFile{{Path: "/etc/passwd", Kind: "data", Origin: fact.OriginChanged, Mode: 0o644}}
		},
		[]string{"high drift/drifted-files Deployment/shop/web/app/"},
	},
	"drift/writable-executable-mounts": {
		func(s *fact.Set) {
			running(s).Mounts = []fact.Mount{{Path: "/cache", FSType: "ext4", Volume: "emptyDir/cache", File: ft.Ptr(false), Owner: &fact.FileOwner{Mode: 0o777}}}
		},
		[]string{"medium drift/writable-executable-mounts Deployment/shop/web/app/"},
	},
	"drift/can-write-own-code": {
		func(s *fact.Set) {
			running(s).Mounts = []fact.Mount{{Path: "/app", FSType: "ext4", NoExec: true, File: ft.Ptr(false), Owner: &fact.FileOwner{Mode: 0o755}}}
			process(s).Scripts = []fact.Executable{{
				Path: "/app/run.sh", Origin: fact.OriginVolume, Mount: "/app", FSType: "ext4", Script: true,
				Owner: &fact.FileOwner{Mode: 0o775}, Dir: &fact.FileOwner{Mode: 0o777},
			}}
		},
		// What can be written there is run from there.
		[]string{"medium drift/can-write-own-code Deployment/shop/web/app/", "medium drift/running-drifted-executable Deployment/shop/web/app/"},
	},
	"drift/enforcement": {
		func(s *fact.Set) {
			s.Enforcement.DryRuns = []fact.DryRun{{Namespace: "shop", Unset: fact.DryRunRefused, Writable: fact.DryRunAllowed}}
		},
		[]string{"medium drift/enforcement Namespace//shop//"},
	},
}

// unprotected makes the root writable, of a program that can do nothing with it.
func unprotected(s *fact.Set) {
	running(s).Root.ReadOnly = false
	p := process(s)
	p.UID, p.GID = [4]int64{1000, 1000, 1000, 1000}, [4]int64{1000, 1000, 1000, 1000}
	p.CapEff, p.CapPrm = fact.NewCapMask(0), fact.NewCapMask(0)
	p.Exe.Owner, p.Exe.Dir = &fact.FileOwner{Mode: 0o755}, &fact.FileOwner{Mode: 0o755}
}

// failing lists what fails: "severity check subject", sorted by check.
func failing(findings []api.Finding) []string {
	var out []string
	for _, f := range findings {
		if f.Verdict == api.Fail {
			out = append(out, string(f.Severity)+" "+f.Check+" "+f.Subject.Key())
		}
	}
	slices.SortFunc(out, func(a, b string) int { return strings.Compare(a[strings.Index(a, " "):], b[strings.Index(b, " "):]) })
	return out
}

// What is a field of a store, or of an API server, is missing where there is none. The
// gap of that says so (storageGaps), so a check that needs the field needs it too.
func TestWhatBelongsToAStoreNeedsIt(t *testing.T) {
	for _, c := range All() {
		if c.NeedsKind(fact.Residue) && !c.NeedsKind(fact.Etcd) {
			t.Errorf("%s needs residue and not etcd", c.ID)
		}
		if c.NeedsKind(fact.StorageFiles) && !c.NeedsKind(fact.Etcd) && !c.NeedsKind(fact.EncryptionConfig) {
			t.Errorf("%s needs storage-files, and neither etcd nor encryption-config", c.ID)
		}
	}
}

func words(answers []api.Answer) map[api.Question]api.AnswerWord {
	out := map[api.Question]api.AnswerWord{}
	for _, a := range answers {
		out[a.Question] = a.Answer
	}
	return out
}

// built is a plan whose parts are complete: those of the real one without the
// checks that this version does not have. Without it, silence could pass for
// caution: it shows that clean facts do say yes.
func built() checks.Plan {
	plan := Whole()
	plan.Parts = slices.DeleteFunc(plan.Parts, func(p checks.Part) bool { return len(known(p)) == 0 })
	for i := range plan.Parts {
		plan.Parts[i].Checks = known(plan.Parts[i])
	}
	return plan
}

func known(p checks.Part) []string {
	return slices.DeleteFunc(slices.Clone(p.Checks), func(id string) bool {
		return !slices.ContainsFunc(All(), func(c checks.Check) bool { return c.ID == id })
	})
}

func allYes() map[api.Question]api.AnswerWord {
	out := map[api.Question]api.AnswerWord{}
	for _, info := range checks.Questions() {
		out[info.Question] = api.Yes
	}
	return out
}

func TestACleanClusterHasNothingToFind(t *testing.T) {
	result := checks.JudgeSet(built(), clean())
	for _, f := range result.Findings {
		if f.Verdict != api.Pass {
			t.Errorf("%s %s %s: %s", f.Verdict, f.Check, f.Subject.Key(), f.Message)
		}
	}
	if diff := cmp.Diff(allYes(), words(result.Answers)); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
	if len(result.Gaps) != 0 {
		t.Errorf("gaps: %v", result.Gaps)
	}
}

// With the catalogue as it is, all questions have all their checks. A check that a part
// names and that is not built makes it unknown.
func TestWhatIsNotBuiltIsNoYes(t *testing.T) {
	if diff := cmp.Diff(allYes(), words(checks.JudgeSet(Whole(), clean()).Answers)); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
	plan := Whole()
	plan.Parts = slices.Clone(plan.Parts)
	last := len(plan.Parts) - 1 // of question 6
	plan.Parts[last].Checks = append(slices.Clone(plan.Parts[last].Checks), "drift/not-built")
	want := allYes()
	want[api.Drift] = api.Unknown
	answers := checks.JudgeSet(plan, clean()).Answers
	if diff := cmp.Diff(want, words(answers)); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
	for _, a := range answers {
		if a.Answer == api.Unknown && !strings.HasPrefix(a.Reason, "not in this version: ") {
			t.Errorf("%s: reason %q", a.Question, a.Reason)
		}
	}
}

// leavesOpen are the faults with which another check cannot know its answer: where the
// security archive of a package is not in use, whether an update is pending is unknown.
var leavesOpen = map[string]string{"hosts/uncovered-packages": "hosts/pending-security-updates"}

func TestEachFaultIsFoundAndNothingElse(t *testing.T) {
	for _, c := range All() {
		t.Run(c.ID, func(t *testing.T) {
			fault, ok := faults[c.ID]
			if !ok {
				t.Fatal("no fault is known that makes this check fail: add one")
			}
			set := clean()
			fault.plant(set)
			result := checks.JudgeSet(built(), set)
			if diff := cmp.Diff(fault.want, failing(result.Findings)); diff != "" {
				t.Errorf("failing findings (-want +got):\n%s", diff)
			}
			for _, f := range result.Findings {
				if f.Verdict == api.VerdictUnknown && f.Check != leavesOpen[c.ID] {
					t.Errorf("unknown %s %s: %s", f.Check, f.Subject.Key(), f.Message)
				}
				if f.Check == c.ID && f.Severity.Rank() > c.Severity.Rank() {
					t.Errorf("severity %s is graver than the check's own, %s", f.Severity, c.Severity)
				}
			}
			want := allYes()
			for _, line := range fault.want {
				question, _, _ := strings.Cut(strings.Fields(line)[1], "/")
				if !strings.HasPrefix(line, "low ") { // a note makes no answer a no
					want[api.Question(question)] = api.No
				}
			}
			if diff := cmp.Diff(want, words(result.Answers)); diff != "" {
				t.Errorf("answers (-want +got):\n%s", diff)
			}
		})
	}
	if len(faults) != len(All()) {
		t.Errorf("%d faults for %d checks", len(faults), len(All()))
	}
}

// One fault for each question at once: exactly those six are found, and every
// answer is no.
func TestOneFaultForEachQuestion(t *testing.T) {
	planted := []string{
		"builds/build-process", "immutable/added-executables", "privileged/effective-capabilities",
		"hosts/pending-security-updates", "secrets/encrypted-at-rest", "drift/running-drifted-executable",
	}
	set := clean()
	var want []string
	for _, id := range planted {
		want = append(want, faults[id].want...)
	}
	slices.SortFunc(want, func(a, b string) int { return strings.Compare(a[strings.Index(a, " "):], b[strings.Index(b, " "):]) })
	for _, id := range planted {
		if id == "builds/build-process" {
			continue // the drifted executable is another process's
		}
		faults[id].plant(set)
	}
	builder := ft.Process()
	ft.Bare(&builder)
	builder.UID = [4]int64{}
	builder.PID, builder.Exe = 101, &fact.Executable{Path: "/usr/bin/runc", Origin: fact.OriginImage}
	running(set).Processes = append(running(set).Processes, builder)

	result := checks.JudgeSet(built(), set)
	if diff := cmp.Diff(want, failing(result.Findings)); diff != "" {
		t.Errorf("failing findings (-want +got):\n%s", diff)
	}
	for _, a := range result.Answers {
		if a.Answer != api.No {
			t.Errorf("%s: want no, got %s", a.Question, a.Answer)
		}
	}
}

// Whatever was not read never leaves a yes behind: for each kind, on each node
// that has it, taking it away makes the questions that need it unknown.
func TestWhatWasNotReadIsUnknown(t *testing.T) {
	needing := func(kind fact.Kind) map[api.Question]api.AnswerWord {
		want := allYes()
		for _, c := range All() {
			if c.NeedsKind(kind) || c.UsesKind(kind) { // what is only declared answers for nothing that runs
				want[c.Question()] = api.Unknown
			}
		}
		return want
	}
	for _, kind := range fact.Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			set := clean()
			want := needing(kind)
			switch kind {
			case fact.Pods:
				set.Workloads, set.PodScope = nil, fact.PodsNotListed
			case fact.Nodes:
				for i := range set.Nodes {
					set.Nodes[i].Listed = false
				}
				want[api.Secrets] = api.Unknown // no role label is listed, so that no node's word counts
			case fact.Secrets:
				set.Secrets, set.SecretsListed = nil, false
				set.Gaps = []fact.Gap{{What: kind, Subject: fact.Subject{Kind: "Cluster"}, Reason: fact.Forbidden}}
			case fact.LegacyTokens:
				set.TokensListed = false
			case fact.Namespaces:
				set.Namespaces, set.NamespacesRead = nil, false
			case fact.Templates:
				set.TemplatesRead = false
			case fact.ConfigMaps:
				set.ConfigMaps = nil
			case fact.SecretStores:
				set.StoresRead = false
			case fact.ImageReports:
				set.ImageScan = nil
				want[api.Immutable] = api.Yes // images can be scanned where the cluster does not see it: an optional part
			case fact.Enforcing:
				set.Enforcement = nil
			case fact.Etcd:
				set.Nodes[0].Measured.Etcd = nil
			case fact.EncryptionConfig:
				set.Nodes[0].Measured.APIServers = nil
			}
			for i := range set.Nodes {
				unread(set.Nodes[i].Measured, kind)
			}
			if diff := cmp.Diff(want, words(checks.JudgeSet(built(), set).Answers)); diff != "" {
				t.Errorf("answers (-want +got):\n%s", diff)
			}
		})
	}
}

// What policies declare of one namespace makes no yes, also if the API server was asked in others.
func TestAPredictionIsNoYes(t *testing.T) {
	set := clean()
	idle := set.Workloads[0]
	idle.Owner.Namespace, idle.Pods = "other", nil
	set.Workloads = append([]fact.Workload{idle}, set.Workloads...)
	asked := set.Enforcement.DryRuns[0]
	asked.Namespace = "other"
	set.Enforcement.DryRuns = append([]fact.DryRun{asked}, set.Enforcement.DryRuns...)
	drift := func() string {
		for _, a := range checks.JudgeSet(built(), set).Answers {
			if a.Question == api.Drift {
				return string(a.Answer) + " " + a.Reason
			}
		}
		return ""
	}
	if got := drift(); got != "yes " {
		t.Errorf("the API server was asked in both: %s", got)
	}
	set.Enforcement.DryRuns, set.Enforcement.Predicted = set.Enforcement.DryRuns[:1], set.Enforcement.DryRuns[1:]
	if got, want := drift(), "unknown NotPresent: declared but not measured: namespace shop"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestDeclarationsAloneAnswerNothing(t *testing.T) {
	set := clean()
	for i := range set.Nodes {
		set.Nodes[i].Measured = nil
	}
	want := map[api.Question]api.AnswerWord{}
	for _, info := range checks.Questions() {
		want[info.Question] = api.Unknown
	}
	if diff := cmp.Diff(want, words(checks.JudgeSet(built(), set).Answers)); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
}

// Facts that are saved, read and judged again give the same report, and so do
// facts in which lists that carry no order of their own are shuffled.
func TestJudgingIsDeterministic(t *testing.T) {
	set := clean()
	for _, id := range []string{"immutable/writable-root", "privileged/effective-capabilities", "secrets/encrypted-at-rest", "hosts/kernel-outdated"} {
		faults[id].plant(set)
	}
	other := ft.Process()
	other.PID, other.CapEff = 101, fact.NewCapMask(1<<21)
	running(set).Processes = append(running(set).Processes, other)
	want := checks.JudgeSet(built(), set)

	body, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	var again fact.Set
	if err := json.Unmarshal(body, &again); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, checks.JudgeSet(built(), &again)); diff != "" {
		t.Errorf("judged again from JSON (-first +again):\n%s", diff)
	}

	random := rand.New(rand.NewPCG(5, 6))
	for range 20 {
		shuffled := set.DeepCopy()
		random.Shuffle(len(shuffled.Nodes), func(i, j int) { shuffled.Nodes[i], shuffled.Nodes[j] = shuffled.Nodes[j], shuffled.Nodes[i] })
		for i := range shuffled.Nodes {
			for j := range shuffled.Nodes[i].Measured.Containers {
				p := shuffled.Nodes[i].Measured.Containers[j].Processes
				random.Shuffle(len(p), func(i, j int) { p[i], p[j] = p[j], p[i] })
			}
		}
		got := checks.JudgeSet(built(), shuffled)
		// Which of equal processes stands in evidence is theirs to say.
		strip := func(r checks.Result) []api.Finding {
			out := slices.Clone(r.Findings)
			for i := range out {
				out[i].Evidence = nil
			}
			return out
		}
		if diff := cmp.Diff(strip(want), strip(got)); diff != "" {
			t.Fatalf("shuffled (-want +got):\n%s", diff)
		}
	}
}

// No finding may change what it says because a process has another pid, a
// container another id or the run another time.
func TestMessagesCarryNothingThatVaries(t *testing.T) {
	plantAll := func(s *fact.Set) *fact.Set {
		for _, c := range All() {
			if c.ID != "drift/running-drifted-executable" && c.ID != "hosts/kubelet-version" {
				faults[c.ID].plant(s)
			}
		}
		faults["drift/running-drifted-executable"].plant(s)
		return s
	}
	messages := func(s *fact.Set) map[string]string {
		out := map[string]string{}
		for _, f := range checks.JudgeSet(built(), s).Findings {
			out[f.Check+" "+f.Subject.Key()] = string(f.Verdict) + " " + string(f.Severity) + " " + f.Message
		}
		return out
	}
	other := plantAll(clean())
	process(other).PID, process(other).InnerPID = 4711, 12
	running(other).ID = strings.Repeat("f", 64)
	other.Workloads[0].Pods[0].Containers[0].ID = running(other).ID
	apiServer(other).PID = 4712
	other.CollectedAt = fact.NewTime(other.CollectedAt.Add(time.Minute))
	if diff := cmp.Diff(messages(plantAll(clean())), messages(other)); diff != "" {
		t.Errorf("messages of another run (-one +other):\n%s", diff)
	}
}

// What pod-security-level calls covered is judged by a check, under this name.
func TestCoveringChecksExist(t *testing.T) {
	set := clean()
	c := container(set)
	c.Privileged, c.CapAdd, c.ProcMount, c.AppArmor = ft.Ptr(true), []string{"SYS_ADMIN"}, "Unmasked", "Unconfined"
	c.RunAsUser, c.Seccomp, c.AllowPrivilegeEscalation = ft.Ptr(int64(0)), "", nil
	c.SELinux, c.HostPorts, c.PortFields = &fact.SELinuxOptions{Type: "spc_t"}, []int32{80}, []string{"ports[0].hostPort"}
	spec(set).HostPID, spec(set).Sysctls = true, []string{"kernel.msgmax"}
	c.ProbeHosts = []fact.ProbeHost{{Field: "livenessProbe.httpGet.host", Host: "10.0.0.1"}}
	mount(set, "/etc")
	spec(set).Volumes = append(spec(set).Volumes, fact.Volume{Name: "nfs", Field: "spec.volumes[1]", Source: "nfs"})
	var covered []string
	for _, f := range checks.JudgeSet(built(), set).Findings {
		if f.Check == "privileged/pod-security-level" && f.Subject.Kind == fact.SubjectDeployment {
			covered = f.CoveredBy
		}
	}
	want := []string{
		"privileged/added-capabilities", "privileged/apparmor-selinux", "privileged/host-namespaces", "privileged/host-path", "privileged/host-ports",
		"privileged/privilege-escalation", "privileged/privileged-container", "privileged/probe-host", "privileged/proc-mount", "privileged/runs-as-root", "privileged/seccomp", "privileged/sysctls",
		"privileged/volume-types",
	}
	if diff := cmp.Diff(want, covered); diff != "" {
		t.Errorf("covered by (-want +got):\n%s", diff)
	}
	for _, id := range covered {
		if !slices.ContainsFunc(All(), func(c checks.Check) bool { return c.ID == id }) {
			t.Errorf("there is no check %s", id)
		}
	}
}
