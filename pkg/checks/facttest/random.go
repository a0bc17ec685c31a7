package facttest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// Namespaces of random sets; the last is the platform's.
var Namespaces = []string{"shop", "ci", "kube-system"}

// Random is a cluster as a run collects it: control-plane nodes and workers,
// workloads whose pods run, wait, have ended or are between two starts, and
// Secrets in etcd members that agree. Some sets have a fault or something
// unread. Many have neither, so that properties about yes are tested too.
func Random(r *rand.Rand) *fact.Set {
	g := generator{r: r, faulty: r.IntN(3) == 0, torn: r.IntN(3) == 0}
	set := &fact.Set{CollectedAt: Time, InjectionRead: true, FieldsRead: true, PodScope: fact.PodsAll, SecretsListed: !g.unread(), Cluster: fact.Cluster{Version: "v1.37.2"}}
	if r.IntN(2) == 0 {
		set.Relisted = &fact.Relist{At: Time}
	}
	set.TokensListed, set.StoresRead, set.ConfigMaps = !g.unread(), !g.unread(), &fact.ConfigMapScan{Read: 3, Bytes: 1000, Truncated: g.unread()}
	if g.fault() {
		set.LegacyTokens = []fact.ServiceAccountToken{{Namespace: "ci", Name: "robot"}}
	}
	if g.fault() {
		set.ConfigMaps.Found, set.ConfigMaps.Total = []fact.ConfigMapEntry{{Namespace: "shop", Name: "app", Key: "db.conf", Rules: []string{"aws-access-key"}}}, 1
	}
	control, workers := 1+r.IntN(3), r.IntN(4)
	secrets := g.secrets(set)
	if r.IntN(2) == 0 {
		set.Vulnerabilities = &fact.VulnerabilityData{Name: "all.zip", Modified: Time, Compared: Time, Records: 70_000}
		for range 2 {
			set.VulnerableImages = append(set.VulnerableImages, fact.ImageVulnerabilities{Parts: []fact.HostVulnerabilities{*g.vulnerable()}})
		}
	}
	for i := range control + workers {
		node := fact.Node{
			Name: fmt.Sprintf("n%d", i), Listed: true, Ready: true, OS: "linux", Arch: "amd64", KubeletVersion: "v1.37.2", ContainerRuntime: "containerd://2.3.7",
			OSImage: "Debian GNU/Linux 13 (trixie)", KernelVersion: "6.1.0-56-amd64",
			Labels: map[string]string{"kubernetes.io/hostname": fmt.Sprintf("n%d", i)},
		}
		if g.fault() {
			node.ContainerRuntime = "containerd://1.6.39"
		}
		if g.fault() {
			node.KernelVersion = "6.1.0-55-amd64"
		}
		node.Measured = g.measurement()
		g.connections(node.Measured, i < control)
		if i < control {
			node.Labels["node-role.kubernetes.io/"+fact.RoleControlPlane] = ""
			g.storage(node.Measured, secrets)
		}
		if g.unread() {
			node.Measured = nil
		}
		if set.Vulnerabilities != nil && node.Measured.HasRead(fact.Inventory) {
			node.Vulnerable = g.vulnerable()
		}
		if set.Vulnerabilities != nil && node.Measured.HasRead(fact.Images) && !g.unread() {
			node.VulnerableImages = map[string]int{image: r.IntN(2)}
		}
		set.Nodes = append(set.Nodes, node)
	}
	for i := range 1 + r.IntN(5) {
		g.workload(set, i)
	}
	set.TemplatesRead, set.NamespacesRead = !g.unread(), !g.unread()
	if !g.unread() {
		set.Enforcement = g.enforcement(set)
	}
	return set
}

// enforcement is what an API server says that refuses writable roots, or that has faults.
func (g *generator) enforcement(set *fact.Set) *fact.Enforcement {
	out := &fact.Enforcement{User: "auditor"}
	for i := range set.Workloads {
		d := fact.DryRun{
			Namespace: set.Workloads[i].Owner.Namespace, By: []string{"webhook validate.example"},
			Unset: fact.DryRunRefused, Writable: fact.DryRunRefused, Init: fact.DryRunRefused, Perfect: fact.DryRunAllowed,
		}
		for _, answer := range []*fact.DryRunAnswer{&d.Unset, &d.Writable, &d.Init, &d.Perfect} {
			switch {
			case g.fault():
				*answer = pick(g.r, []fact.DryRunAnswer{fact.DryRunAllowed, fact.DryRunRefused})
			case g.unread():
				*answer, d.Reason = pick(g.r, []fact.DryRunAnswer{fact.DryRunOther, "nonsense", ""}), fact.Unsupported
			}
		}
		if !g.unread() {
			out.DryRuns = append(out.DryRuns, d)
		}
	}
	return out
}

// image is the key of what is installed in every container.
const image = "web"

type generator struct {
	r *rand.Rand
	// faulty sets have faults; torn sets have things that were not read.
	faulty, torn bool
	pid          int
}

// fault and unread report whether this set gets one.
func (g *generator) fault() bool  { return g.faulty && g.r.IntN(8) == 0 }
func (g *generator) unread() bool { return g.torn && g.r.IntN(8) == 0 }

func pick[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }

func hex(r *rand.Rand, n int) string {
	var b strings.Builder
	for b.Len() < n {
		fmt.Fprintf(&b, "%016x", r.Uint64())
	}
	return b.String()[:n]
}

func (g *generator) measurement() *fact.Measurement {
	m := Measurement()
	m.Host = fact.Host{
		OS:        fact.OSRelease{ID: "debian", VersionID: "13"},
		Running:   &fact.RunningKernel{Release: "6.1.0-56-amd64", Build: "#1 SMP Debian 6.1.192-2"},
		Installed: []fact.InstalledKernel{{Release: "6.1.0-56-amd64", Build: "#1 SMP Debian 6.1.192-2", Path: "/boot/vmlinuz-6.1.0-56-amd64"}},
		Packages: &fact.PackageState{
			Manager: "apt", Database: "/var/lib/dpkg/status", Installed: 400, Indexes: 4, Content: Time, Set: strings.Repeat("5e", 32),
			Archives: []fact.PackageArchive{{Name: "Debian-Security/stable-security", Security: true, Date: Time}},
		},
		Reboot:    &fact.RebootState{Announcer: "/usr/share/update-notifier/notify-reboot-required"},
		Libraries: &fact.LibraryState{Processes: 40},
		CPU: &fact.CPUState{
			Path:            "/sys/devices/system/cpu/vulnerabilities",
			Vulnerabilities: []fact.CPUVulnerability{{Name: "mds", State: "Not affected"}, {Name: "spectre_v2", State: "Mitigation: Retpolines"}},
		},
	}
	m.Images = []fact.ImageInventory{{
		Key: image, OS: m.Host.OS, Manager: "dpkg", Packages: []fact.InstalledPackage{{Name: "openssl", Arch: "amd64", Version: "1"}},
	}}
	m.Host.Inventory = []fact.InstalledPackage{{Name: "openssl", Arch: "amd64", Version: "1"}}
	if g.fault() {
		m.Host.OS.VersionID = "12"
	}
	if g.fault() {
		m.Host.Builders = []fact.HostProcess{{PID: 7, Comm: "buildkitd", Exe: "/usr/bin/buildkitd", Why: "same-root"}}
	}
	if g.fault() {
		m.Host.Reboot.Required = "/run/reboot-required"
	}
	if g.fault() {
		m.Host.OS, m.Host.Packages = fact.OSRelease{ID: "flatcar", VersionID: "3227.2.4"}, nil
		m.Host.Image = &fact.ImageState{System: "Flatcar Container Linux", Version: "3227.2.4", Source: "/etc/os-release"}
		if g.fault() {
			m.Host.Image.Staged, m.Host.Image.StagedSource = "an update on the other partition", "/run/update_engine_autoupdate_completed"
		}
	}
	if g.fault() {
		m.Host.CPU.Vulnerabilities[0].State = pick(g.r, []string{"Vulnerable", "Mitigation: Clear CPU buffers; SMT vulnerable", "Unknown: No mitigations"})
	}
	if g.fault() {
		m.Host.Libraries.Outdated = []fact.OutdatedFile{{Path: "/usr/lib/libssl.so.3", Unit: "ssh.service", Processes: 1}}
		m.Host.Libraries.OutdatedCount = 1
	}
	if p := m.Host.Packages; p != nil && g.fault() {
		p.Archives[0].Date = fact.NewTime(Time.AddDate(0, -2, 0))
	}
	if p := m.Host.Packages; p != nil && g.fault() {
		p.Uncovered, p.UncoveredCount = []fact.UncoveredPackage{{Name: "kubelet", Why: fact.OutsideRelease}}, 1
	}
	if g.fault() {
		m.Host.Running.Release = "6.1.0-55-amd64"
	}
	if p := m.Host.Packages; p != nil && g.fault() {
		p.Pending = []fact.PendingUpdate{{Name: "openssl", Arch: "amd64", Installed: "1", Candidate: "2", Security: "2", Archive: "Debian-Security"}}
	}
	g.copies(m)
	for _, kind := range slices.Clone(m.Read) {
		if g.unread() {
			m.Read = slices.DeleteFunc(m.Read, func(k fact.Kind) bool { return k == kind })
			if g.r.IntN(2) == 0 {
				m.Gaps = append(m.Gaps, fact.NodeGap{What: kind, Reason: fact.Timeout})
			}
		}
	}
	return m
}

// vulnerable is what a database says of a node's packages.
func (g *generator) vulnerable() *fact.HostVulnerabilities {
	h := &fact.HostVulnerabilities{Ecosystem: "Debian:13", Covered: !g.unread(), Packages: 1, Modified: Time}
	if g.unread() {
		h.Undecided, h.UndecidedCount = []string{"DSA-1-1 openssl: why"}, 1
	}
	if g.fault() {
		h.Total, h.Fixable = 1, 1
		h.Found = []fact.Vulnerability{{ID: "CVE-2026-1", Package: "openssl", Installed: "1", Fixed: "2", Severity: "high"}}
	}
	return h
}

// secrets lists Secrets and returns how they are stored.
func (g *generator) secrets(set *fact.Set) []fact.StoredSecret {
	var stored []fact.StoredSecret
	for i := range 1 + g.r.IntN(12) {
		s := fact.StoredSecret{
			Namespace: pick(g.r, Namespaces), Name: fmt.Sprintf("s%02d", i), Revision: int64(100 + i),
			Class: fact.ClassSecretbox, Provider: "k8s:enc:secretbox:v1:key1:", Size: 300,
		}
		if g.fault() {
			s.Class, s.Provider = fact.ClassIdentityProtobuf, ""
		}
		if g.fault() {
			s.Older, s.OlderRevision = 1, s.Revision-50
		}
		var applied []string
		if g.fault() {
			applied = []string{"data.password"}
		}
		stored = append(stored, s)
		if set.SecretsListed && !g.unread() {
			set.Secrets = append(set.Secrets, fact.SecretName{Namespace: s.Namespace, Name: s.Name, ResourceVersion: fmt.Sprint(s.Revision), Applied: applied})
		}
	}
	return stored
}

func (g *generator) storage(m *fact.Measurement, secrets []fact.StoredSecret) {
	db := fact.EtcdDB{
		Path: "/var/lib/etcd/member/snap/db", Prefix: "/registry", PrefixFrom: "--etcd-prefix", Revision: 1000,
		Complete: !g.unread(), Secrets: slices.Clone(secrets), Total: len(secrets),
		History: &fact.StoredHistory{Complete: !g.unread(), Compacted: 900}, Remains: Remains(), Files: StoreFiles(),
	}
	for i := range db.Secrets {
		db.History.Revisions += int(db.Secrets[i].Older)
		db.History.Plaintext += int(db.Secrets[i].Older)
	}
	if g.fault() {
		db.History.Deleted = []fact.DeletedSecret{{Namespace: "shop", Name: "gone", Plaintext: 1, Revision: 90}}
		db.History.Revisions, db.History.Plaintext, db.History.DeletedTotal = db.History.Revisions+1, db.History.Plaintext+1, 1
	}
	if g.fault() {
		r := &db.Remains[g.r.IntN(len(db.Remains))]
		r.Values, r.Unnamed, r.Secrets, r.SecretsTotal = 3, 1, []fact.RemainingSecret{{Namespace: "shop", Name: "s00", Values: 2}}, 1
	}
	for i := range db.Remains {
		db.Remains[i].Complete = !g.unread()
	}
	if g.fault() {
		db.Files.Dir.Mode, db.Files.Dir.OthersReach = 0o755, true
	}
	if g.unread() {
		db.History, db.Remains, db.Files = nil, nil, nil
	}
	m.Etcd = []fact.EtcdDB{db}
	started := fact.NewTime(Time.Add(-time.Hour))
	provider := fact.EncryptionProvider{Type: "secretbox", Keys: []string{"key1"}}
	if g.fault() {
		provider = pick(g.r, []fact.EncryptionProvider{{Type: "identity"}, {Type: "aescbc", Keys: []string{"key1"}}, {Type: "secretbox", Keys: []string{"key2"}}})
	}
	m.APIServers = []fact.APIServer{{
		PID: 50, Started: started, EncryptionFlag: true,
		Encryption: &fact.EncryptionConfiguration{
			Path: "/etc/kubernetes/enc.yaml", Hash: "sha256:00", Changed: fact.NewTime(started.Add(-time.Hour)), File: RootFile("/etc/kubernetes/enc.yaml"),
			Entries: []fact.EncryptionEntry{{Resources: []string{"secrets"}, Providers: []fact.EncryptionProvider{provider}}},
		},
	}}
	s := &m.APIServers[0]
	if g.fault() {
		s.Encryption.File.Mode, s.Encryption.File.OthersReach = 0o644, true
	}
	if g.fault() {
		s.Audit = &fact.AuditPolicy{Path: "/etc/kubernetes/audit.yaml", Level: "RequestResponse", Rule: 2, Log: RootFile("/var/log/audit.log"), LogPath: "/var/log/audit.log"}
	}
	if g.unread() {
		s.Encryption.Changed = fact.Time{}
	}
	if g.unread() {
		s.Unfollowed, s.EncryptionFlag, s.Encryption = "--config=FILE was not read", false, nil
	}
}

// connections are listeners, programs and certificates.
func (g *generator) connections(m *fact.Measurement, control bool) {
	if control {
		Transit(m)
	} else {
		TransitWorker(m)
	}
	l := &m.Listeners[g.r.IntN(len(m.Listeners))]
	if g.fault() {
		l.ClientAuth, l.ClientAuthFrom = pick(g.r, []fact.ClientAuth{fact.ClientCertAsked, fact.ClientCertNotAsked, ""}), "session ticket"
	}
	if g.fault() {
		l.Protocol, l.ProtocolFrom, l.Offers, l.Chain = fact.SpeaksPlaintext, "status 200 to GET /version", nil, nil
	}
	if g.fault() && len(l.Offers) > 0 {
		l.Offers[g.r.IntN(len(l.Offers))].Outcome = pick(g.r, []fact.OfferOutcome{fact.OfferAccepted, fact.OfferRefused, fact.OfferUnknown})
	}
	if g.fault() && l.Request != nil {
		l.Request.Status = pick(g.r, []int{200, 403, 404, 0})
	}
	if g.fault() && len(l.Chain) > 0 {
		l.Chain[0].NotAfter = fact.NewTime(Time.AddDate(0, 0, g.r.IntN(60)-30))
	}
	if g.fault() {
		m.Certificates[0].Key.Mode, m.Certificates[0].Key.OthersReach = 0o644, true
	}
	if g.unread() {
		l.Protocol, l.Offers, l.Chain, l.ClientAuth, l.Reason = "", nil, nil, "", fact.Timeout
	}
	if g.unread() {
		c := &m.Components[g.r.IntN(len(m.Components))]
		c.Sockets, c.SocketsRead, c.Unfollowed = nil, false, "--config=FILE was not read"
	}
	if g.unread() {
		m.Certificates[0].Certificates, m.Certificates[0].Reason = nil, fact.Unreadable
	}
}

// copies are what may lie on any node.
func (g *generator) copies(m *fact.Measurement) {
	m.Host.Swap = &fact.SwapState{SecretVolumes: 2}
	if g.fault() {
		m.Host.Swap.Areas, m.Host.Swap.Swappable = 1, 2
	}
	if g.fault() {
		m.Backups = []fact.Backup{{
			Path: "/var/backups/etcd.db", Format: "etcd snapshot", Size: 100_000, Complete: true, Values: 1,
			Secrets: []fact.RemainingSecret{{Namespace: "shop", Name: "s00", Values: 1}}, SecretsTotal: 1,
		}}
	}
	if g.unread() {
		m.Backups = append(m.Backups, fact.Backup{Path: "/root/x.gz", Format: "unknown", Compression: "gzip", Reason: fact.Truncated})
	}
}

// workload adds a Deployment, whose pods run where the set has nodes.
func (g *generator) workload(set *fact.Set, i int) {
	namespace, name := pick(g.r, Namespaces), fmt.Sprintf("w%d", i)
	c := Restricted(fact.Container{
		Name: "app", Type: fact.RegularContainer, Field: "spec.containers[0]", ReadOnlyRootFilesystem: Ptr(true),
		Image: "registry.example/app@sha256:" + strings.Repeat("1", 64),
	})
	if g.fault() {
		c.Privileged = Ptr(true)
	}
	if g.fault() {
		c.Image = "registry.example/app:latest"
	}
	w := fact.Workload{
		Owner: fact.Subject{Kind: fact.SubjectDeployment, Namespace: namespace, Name: name},
		Spec: fact.PodSpec{
			Origin: fmt.Sprintf("pod/%s/%s-0", namespace, name), Path: "spec", RestartPolicy: "Always", Containers: []fact.Container{c},
		},
	}
	if g.fault() {
		c := &w.Spec.Containers[0]
		c.Variables, c.VariableTotal = []fact.Variable{{Name: "PASSWORD", Field: "env[0]", Secret: "s00", Key: "password"}, {Name: "TOKEN", Field: "env[1]", Rule: "github-token"}}, 2
	}
	if g.fault() {
		c := &w.Spec.Containers[0]
		c.RunAsNonRoot, c.AllowPrivilegeEscalation, c.Seccomp = nil, nil, ""
	}
	w.Spec.HostPID = g.fault()
	for j := range 1 + g.r.IntN(3) {
		node := &set.Nodes[g.r.IntN(len(set.Nodes))]
		id := hex(g.r, 64)
		pod := fact.Pod{
			Name: fmt.Sprintf("%s-%d", name, j), UID: hex(g.r, 8) + "-1111-1111-1111-" + hex(g.r, 12), Node: node.Name, Phase: "Running",
			Containers: []fact.ContainerStatus{{Name: "app", ID: id, Running: true}},
		}
		status := &pod.Containers[0]
		switch g.r.IntN(10) {
		case 0:
			pod.Phase, *status = "Pending", fact.ContainerStatus{Name: "app", Waiting: true}
		case 1:
			pod.Phase, *status = "Succeeded", fact.ContainerStatus{Name: "app", ID: id, Terminated: true, ExitCode: Ptr(int32(0))}
		case 2:
			if g.torn {
				*status = fact.ContainerStatus{Name: "app", LastID: id, Waiting: true, Restarted: true}
			}
		}
		w.Pods = append(w.Pods, pod)
		if status.Running && node.Measured != nil && !g.unread() {
			node.Measured.Containers = append(node.Measured.Containers, g.container(id, pod.UID))
		}
	}
	set.Workloads = append(set.Workloads, w)
}

func (g *generator) container(id, uid string) fact.MeasuredContainer {
	m := With(Bare, func(p *fact.Process) {
		g.pid++
		p.PID = 1000 + g.pid
		if g.fault() {
			p.CapEff, p.CapPrm = fact.NewCapMask(AllCaps), fact.NewCapMask(AllCaps)
		}
		if g.fault() {
			p.UID = [4]int64{}
		}
		if g.fault() {
			p.NoNewPrivs = Ptr(false)
		}
		if g.fault() {
			p.Seccomp = Ptr(0)
		}
		if g.fault() {
			p.Label = "unconfined"
		}
		if g.fault() {
			p.Exe = &fact.Executable{Path: "/tmp/miner", Origin: fact.OriginAdded}
		}
		if g.fault() {
			p.Exe = &fact.Executable{Path: "/usr/bin/buildkitd", Origin: fact.OriginImage}
		}
	})
	m.ID, m.PodUID, m.Kubernetes = id, uid, true
	m.Root = &fact.Mount{Path: "/", FSType: "overlay", ReadOnly: !g.fault()}
	m.DeviceFS = "tmpfs"
	if !g.unread() {
		m.Image = image
	}
	m.Upper = &fact.UpperWalk{Path: "/var/lib/containerd/u", Entries: 3, DataCounts: &fact.DataCounts{}}
	if g.fault() {
		m.Mounts = []fact.Mount{{Path: "/dev", FSType: "tmpfs", File: Ptr(false), Owner: &fact.FileOwner{Mode: 0o755}}}
	}
	if g.fault() {
		m.Upper.Data, m.Upper.DataCounts.Changed = []fact.UpperFile{{Path: "/etc/passwd", Kind: "data", Origin: fact.OriginChanged, Mode: 0o644}}, 1
	}
	if g.fault() {
		m.Environment, m.EnvironmentTotal = []fact.EnvironmentCredential{{Name: "TOKEN", Rule: "github-token", PID: 1000 + g.pid, Comm: "web", Processes: 1}}, 1
	}
	if g.fault() {
		m.Sockets = []string{"/run/docker.sock"}
	}
	if g.fault() {
		m.Packages = &fact.PackageChange{Manager: "dpkg", Path: "/var/lib/dpkg/status", Added: []string{"curl"}, Total: 1}
	}
	return m
}

// Hostile replaces what one node says by lies that are built from the set's own
// ids, UIDs, names, paths and revisions. This includes what its kubelet says
// about its own pods. What the API server itself knows (that the node exists,
// which pods are bound to it and their UIDs) stays.
func Hostile(r *rand.Rand, set *fact.Set, name string) *fact.Set {
	set = set.DeepCopy()
	g := generator{r: r, faulty: true, torn: true}
	var ids, uids []string
	var secrets []fact.StoredSecret
	for i := range set.Workloads {
		for j := range set.Workloads[i].Pods {
			p := &set.Workloads[i].Pods[j]
			uids = append(uids, p.UID)
			for _, c := range p.Containers {
				ids = append(ids, c.ID, c.LastID)
			}
		}
	}
	for i := range set.Nodes {
		if m := set.Nodes[i].Measured; m != nil {
			for _, db := range m.Etcd {
				secrets = append(secrets, db.Secrets...)
			}
		}
	}
	ids, uids = append(ids, hex(r, 64), ""), append(uids, hex(r, 32), "")

	m := g.measurement()
	for range r.IntN(6) {
		m.Containers = append(m.Containers, g.container(pick(r, ids), pick(r, uids)))
		c := &m.Containers[len(m.Containers)-1]
		c.Sandbox, c.Self, c.Kubernetes = r.IntN(8) == 0, r.IntN(8) == 0, r.IntN(2) == 0
	}
	if r.IntN(2) == 0 {
		for i := range secrets {
			secrets[i].Class = pick(r, []fact.StorageClass{fact.ClassIdentityProtobuf, fact.ClassKMSv2, fact.ClassAESCBC, fact.ClassEmpty, fact.ClassUnknown})
			secrets[i].Revision += int64(r.IntN(3)) * int64(r.IntN(1000))
		}
		g.storage(m, secrets)
		m.Etcd[0].Path = pick(r, []string{m.Etcd[0].Path, "/calico/db"})
		m.Etcd[0].Revision += int64(r.IntN(2000))
	}
	if r.IntN(2) == 0 { // copies of the others' Secrets, as many as it likes
		b := fact.Backup{Path: "/" + strings.Repeat("x", r.IntN(5000)), Values: r.IntN(9) - 4, Unnamed: r.IntN(9) - 4, Complete: r.IntN(2) == 0}
		for i := range secrets {
			b.Secrets = append(b.Secrets, fact.RemainingSecret{Namespace: secrets[i].Namespace, Name: secrets[i].Name, Values: r.IntN(3) - 1})
		}
		m.Backups = append(m.Backups, b)
		for i := range m.Etcd {
			m.Etcd[i].Remains = append(m.Etcd[i].Remains, fact.Remains{Place: "x", Values: b.Values, Secrets: b.Secrets})
			m.Etcd[i].Resources = []fact.StoredResource{{Dir: "configmaps", Class: fact.ClassAESCBC, Count: r.IntN(9) - 4}}
		}
	}
	g.connections(m, r.IntN(2) == 0)
	for range r.IntN(3) { // of servers and of nothing, many or none
		l := Listener(pick(r, append(fact.Purposes(), "nonsense")), pick(r, []string{Address, "127.0.0.1", "::", ""}), r.IntN(1<<17)-1<<15)
		l.Inode, l.ClientAuth = m.Listeners[0].Inode, pick(r, []fact.ClientAuth{fact.ClientCertNotAsked, "nonsense", ""})
		for range r.IntN(12) {
			l.Chain = append(l.Chain, l.Chain[0])
		}
		m.Listeners = append(m.Listeners, l)
		c := Component(pick(r, append(fact.Programs(), "nonsense")), r.IntN(9)-4, map[string]string{"etcd-servers": "http://10.0.0.9:2379"}, l)
		m.Components = append(m.Components, c)
	}
	for i := range m.Containers {
		m.Containers[i].Environment = slices.Repeat([]fact.EnvironmentCredential{{Name: "TOKEN", Rule: "github-token", Processes: r.IntN(3) - 1}}, r.IntN(60))
	}
	kinds := append(fact.Kinds(), "nonsense", "")
	for range r.IntN(8) {
		gap := fact.NodeGap{What: pick(r, kinds), Container: pick(r, ids), Reason: pick(r, append(fact.Reasons(), "Nonsense")), Detail: strings.Repeat("x", r.IntN(3000))}
		if r.IntN(3) == 0 { // as in the first version, about another node
			other := set.Nodes[r.IntN(len(set.Nodes))].Name
			gap.About = &fact.Subject{
				Kind: pick(r, []string{
					fact.SubjectNode, fact.SubjectContainer, fact.SubjectPod, fact.SubjectCluster, fact.SubjectFile, fact.SubjectDeployment, fact.SubjectSecret,
				}), Platform: r.IntN(2) == 0,
				Namespace: pick(r, Namespaces), Name: pick(r, append(slices.Clone(ids), other)), Node: other,
			}
		}
		m.Gaps = append(m.Gaps, gap)
	}
	m.Read = append(m.Read, pick(r, kinds))
	m.Level = pick(r, []fact.Level{fact.LevelFull, fact.LevelProc, "x"})
	for i := range set.Nodes {
		n := &set.Nodes[i]
		if n.Name != name {
			continue
		}
		n.Measured = m
		n.ControlPlane = true
		n.Labels["eks.amazonaws.com/nodegroup"] = "x" // its kubelet can write such labels
		n.OSImage, n.KubeletVersion = "Talos (v1)", pick(r, []string{"v1.37.2", "v9.9.9", ""})
	}
	for i := range set.Workloads {
		for j := range set.Workloads[i].Pods {
			p := &set.Workloads[i].Pods[j]
			if p.Node != name {
				continue
			}
			p.Phase, p.ConfigHash = pick(r, []string{"Running", "Pending", "Succeeded", "Failed", ""}), pick(r, append(slices.Clone(uids), hex(r, 32)))
			for k := range p.Containers {
				c := &p.Containers[k]
				c.ID, c.LastID, c.Running, c.Waiting = pick(r, ids), pick(r, ids), r.IntN(2) == 0, r.IntN(2) == 0
			}
		}
	}
	return set
}
