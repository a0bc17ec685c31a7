package mend

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

// onNodes are failing findings about a node.
func onNode(node string, checks ...string) []api.Finding {
	var out []api.Finding
	for _, check := range checks {
		out = append(out, api.Finding{Check: check, Verdict: api.Fail, Subject: fact.Subject{Kind: fact.SubjectNode, Name: node}})
	}
	return out
}

func host(name string, os fact.OSRelease) *fact.Set {
	return &fact.Set{Nodes: []fact.Node{{Name: name, Measured: &fact.Measurement{Level: fact.LevelFull, Host: fact.Host{OS: os}}}}}
}

// lines are all commands of a runbook.
func lines(r Runbook) []string {
	var out []string
	for _, s := range r.Steps {
		out = append(out, s.Lines...)
	}
	return out
}

// Each distribution is drained, updated, restarted and uncordoned, in this order.
func TestHostsByDistribution(t *testing.T) {
	const (
		drain    = "kubectl drain --ignore-daemonsets --delete-emptydir-data -- w1"
		wait     = "kubectl wait --for=condition=Ready --timeout=15m -- node/w1"
		uncordon = "kubectl uncordon -- w1"
		reboot   = "systemctl reboot"
	)
	for name, tc := range map[string]struct {
		os    fact.OSRelease
		image string // of the kubelet, if nothing was measured
		want  []string
	}{
		"Debian":            {os: fact.OSRelease{ID: "debian"}, want: []string{drain, "apt-get update", "apt-get upgrade --with-new-pkgs", reboot, wait, uncordon}},
		"a child of Debian": {os: fact.OSRelease{ID: "raspbian", IDLike: "debian"}, want: []string{drain, "apt-get update", "apt-get upgrade --with-new-pkgs", reboot, wait, uncordon}},
		"Rocky":             {os: fact.OSRelease{ID: "rocky", IDLike: "rhel centos fedora"}, want: []string{drain, "dnf makecache --refresh", "dnf upgrade --security -y", reboot, wait, uncordon}},
		"Amazon Linux":      {image: "Amazon Linux 2023", want: []string{drain, "dnf makecache --refresh", "dnf upgrade --security -y", reboot, wait, uncordon}},
		"SLES":              {os: fact.OSRelease{ID: "sles", IDLike: "suse"}, want: []string{drain, "zypper refresh", "zypper --non-interactive patch --category security", reboot, wait, uncordon}},
		"openSUSE Leap":     {os: fact.OSRelease{ID: "opensuse-leap", IDLike: "suse opensuse"}, want: []string{drain, "zypper refresh", "zypper --non-interactive patch --category security", reboot, wait, uncordon}},
		"SLE Micro":         {os: fact.OSRelease{ID: "sle-micro", IDLike: "suse"}, want: []string{drain, "transactional-update patch", reboot, wait, uncordon}},
		"Alpine":            {os: fact.OSRelease{ID: "alpine"}, want: []string{drain, "apk update", "apk upgrade", "reboot", wait, uncordon}},
		"Arch":              {image: "Arch Linux", want: []string{drain, "pacman -Sy", "pacman -Syu", reboot, wait, uncordon}},
		"Flatcar":           {os: fact.OSRelease{ID: "flatcar", IDLike: "coreos"}, want: []string{drain, "update_engine_client -update", reboot, wait, uncordon}},
		"Fedora CoreOS":     {os: fact.OSRelease{ID: "fedora", VariantID: "coreos"}, want: []string{drain, "rpm-ostree upgrade --reboot", wait, uncordon}},
		"Bottlerocket":      {image: "Bottlerocket OS 1.20.0", want: []string{drain, "apiclient update check", "apiclient update apply --reboot", wait, uncordon}},
		"Talos":             {image: "Talos (v1.13.0)", want: []string{drain, `talosctl --nodes "${NODE:?}" upgrade --image "ghcr.io/siderolabs/installer:${VERSION:?}"`, wait, uncordon}},
		"an unknown system": {os: fact.OSRelease{ID: "plan9"}},
		"nothing known":     {},
	} {
		t.Run(name, func(t *testing.T) {
			set := host("w1", tc.os)
			if tc.image != "" {
				set.Nodes[0].Measured, set.Nodes[0].OSImage = nil, tc.image
			}
			r, ok := New(set).Node("w1", onNode("w1", "hosts/pending-security-updates", "hosts/kernel-outdated"))
			if !ok || len(r.Steps) == 0 {
				t.Fatal("no step")
			}
			if got := lines(r); !slices.Equal(got, tc.want) {
				t.Errorf("got %q\nwant %q", got, tc.want)
			}
		})
	}
}

func TestHostsNameWhatTheIndexNames(t *testing.T) {
	set := host("w1", fact.OSRelease{ID: "debian"})
	set.Nodes[0].Measured.Host.Packages = &fact.PackageState{Manager: "apt", Pending: []fact.PendingUpdate{
		{Name: "openssl", Arch: "amd64", Security: "3.0"}, {Name: "vim", Arch: "amd64"}, {Name: "tzdata", Arch: "all", Security: "1"},
	}}
	find := func() string {
		r, _ := New(set).Node("w1", onNode("w1", "hosts/pending-security-updates"))
		return strings.Join(lines(r), "\n")
	}
	if want := "apt-get install --only-upgrade --yes -- openssl:amd64 tzdata\n"; !strings.Contains(find(), want) {
		t.Errorf("%s\nwant %s", find(), want)
	}
	// A name that could be an option, or cannot be a name, is not written in a command.
	for _, odd := range []string{"-o", "a\nb", ""} {
		set.Nodes[0].Measured.Host.Packages.Pending[0].Name = odd
		if got := find(); !strings.Contains(got, "apt-get upgrade --with-new-pkgs") || strings.Contains(got, "only-upgrade") {
			t.Errorf("%q: %s", odd, got)
		}
	}
}

func TestManagedPoolsAreReplaced(t *testing.T) {
	for provider, tc := range map[string]struct{ label, want string }{
		"eks": {"eks.amazonaws.com/nodegroup", "aws eks update-nodegroup-version --cluster-name \"${CLUSTER:?}\" --nodegroup-name blue"},
		"gke": {"cloud.google.com/gke-nodepool", "gcloud container clusters upgrade \"${CLUSTER:?}\" --location \"${LOCATION:?}\" --node-pool blue"},
		"aks": {"kubernetes.azure.com/agentpool", "az aks nodepool upgrade --node-image-only --resource-group \"${GROUP:?}\" --cluster-name \"${CLUSTER:?}\" --name blue"},
	} {
		set := host("w1", fact.OSRelease{ID: "ubuntu"})
		set.Nodes[0].Labels = map[string]string{tc.label: "blue", "kubernetes.azure.com/cluster": "c"}
		if provider != "aks" {
			delete(set.Nodes[0].Labels, "kubernetes.azure.com/cluster")
		}
		if provider == "gke" {
			set.Cluster.Version = "v1.37.2-gke.100"
		}
		r, _ := New(set).Node("w1", onNode("w1", "hosts/kernel-outdated"))
		if got := lines(r); !slices.Equal(got, []string{tc.want}) {
			t.Errorf("%s: %q", provider, got)
		}
	}
}

// The order for what remains of plaintext: a step that comes too early leaves a copy.
func TestRemainsInOrder(t *testing.T) {
	set := ft.Declared(fact.Container{})
	set.Nodes[0].Measured = ft.Measurement()
	set.Nodes[0].Measured.Backups = []fact.Backup{
		{Path: "/var/backups/it's a copy.db", Values: 2}, {Path: "/var/backups/clean.db"}, {Path: "relative", Values: 1}, {Path: "/a\nb", Values: 1},
	}
	r, ok := New(set).Cluster(onNode(ft.Node, "secrets/encrypted-at-rest", "secrets/plaintext-backup"))
	if !ok {
		t.Fatal("no steps")
	}
	script := r.Script()
	at := 0
	for _, part := range []string{
		"secretbox", "--encryption-provider-config=", "/readyz", "StorageVersionMigration", "kubectl replace", "compact --physical", " defrag\n",
		"new data directory", "snapshot restore", "rm -r -- /var/lib/etcd-old", `rm -i -- '/var/backups/it'\''s a copy.db'`, "Delete older backups elsewhere", "replace each value",
	} {
		i := strings.Index(script[at:], part)
		if i < 0 {
			t.Fatalf("%q is missing, or too early, in\n%s", part, script)
		}
		at += i
	}
	for _, odd := range []string{"clean.db", "relative", "/a\n"} {
		if strings.Contains(script, "-- "+odd) || strings.Contains(script, "/"+odd) {
			t.Errorf("%q is in\n%s", odd, script)
		}
	}
	parse(t, script)
}

// parse lets a shell read a script, and run nothing.
func parse(t *testing.T, script string) {
	t.Helper()
	cmd := exec.Command("sh", "-n")
	cmd.Stdin = strings.NewReader(script)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("sh -n: %v: %s\n%s", err, out, script)
	}
}

// Every provider has commands for every check that is answered by them, and a shell reads them.
// If the API server reads a configuration already, the key goes into that file, and no second file
// is made. Two servers with different paths get the general steps.
func TestAConfigurationThatExistsGetsTheKey(t *testing.T) {
	set := ft.Declared(fact.Container{})
	set.Nodes[0].Measured = ft.Measurement()
	of := func(paths ...string) string {
		set.Nodes[0].Measured.APIServers = nil
		for _, p := range paths {
			set.Nodes[0].Measured.APIServers = append(set.Nodes[0].Measured.APIServers, fact.APIServer{Encryption: &fact.EncryptionConfiguration{Path: p}})
		}
		r, ok := New(set).Cluster(onNode(ft.Node, "secrets/encryption-config"))
		if !ok {
			t.Fatal("no steps")
		}
		parse(t, r.Script())
		return r.Script()
	}
	const general = "mv " + encryptionFile + ".new"
	for name, tc := range map[string]struct {
		paths []string
		want  string
	}{
		"one path":               {[]string{"/etc/it's/e.yaml"}, `> '/etc/it'\''s/e.yaml'.first`},
		"one path, two servers":  {[]string{"/etc/e.yaml", "/etc/e.yaml"}, "> /etc/e.yaml.first"},
		"two paths":              {[]string{"/etc/e.yaml", "/etc/f.yaml", "/etc/e.yaml"}, general},
		"no path":                {nil, general},
		"a path that is not one": {[]string{"e.yaml"}, general},
	} {
		if got := of(tc.paths...); !strings.Contains(got, tc.want) || (tc.want != general) == strings.Contains(got, general) {
			t.Errorf("%s: want %s in\n%s", name, tc.want, got)
		}
	}
}

func TestEveryRunbookParses(t *testing.T) {
	var all []string
	for i := range Table {
		if Table[i].Kind == Commands {
			all = append(all, Table[i].Check)
		}
	}
	for name, edit := range map[string]func(*fact.Set){
		"kubeadm": func(*fact.Set) {},
		"k3s":     func(s *fact.Set) { s.Cluster.Version = "v1.37.2+k3s1" },
		"rke2":    func(s *fact.Set) { s.Cluster.Version = "v1.37.2+rke2r1" },
		"eks":     func(s *fact.Set) { s.Cluster.Version = "v1.37.2-eks-123" },
		"gke":     func(s *fact.Set) { s.Cluster.Version = "v1.37.2-gke.1" },
		"aks": func(s *fact.Set) {
			s.Nodes[0].Labels = map[string]string{"kubernetes.azure.com/cluster": "c"}
		},
		"openshift": func(s *fact.Set) { s.Nodes[0].Labels = map[string]string{"node.openshift.io/os_id": "rhcos"} },
		"talos":     func(s *fact.Set) { s.Nodes[0].OSImage = "Talos (v1.13.0)" },
		"kine": func(s *fact.Set) {
			s.Cluster.Version = "v1.37.2+k3s1"
			s.Nodes[0].Measured = ft.Measurement()
			s.Nodes[0].Measured.Etcd = []fact.EtcdDB{{Format: fact.FormatKine}}
		},
		"open files": func(s *fact.Set) {
			s.Nodes[0].Measured = ft.Measurement()
			open := fact.FileAccess{Path: "/var/lib/etcd/it's open", Mode: 0o644, ACL: true, WritableParent: "/var/lib/$(id)"}
			s.Nodes[0].Measured.Etcd = []fact.EtcdDB{{Files: &fact.StoreFiles{UID: 52, Dir: fact.FileAccess{Path: "/var/lib/etcd", Dir: true}, Open: []fact.FileAccess{open}}}}
			s.Nodes[0].Measured.Certificates = []fact.CertificateFile{{Key: &fact.FileAccess{Path: "/etc/a;b", Mode: 0o644}}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			set := ft.Declared(fact.Container{})
			edit(set)
			findings := onNode(ft.Node, all...)
			findings = append(findings,
				api.Finding{Check: "secrets/in-last-applied", Verdict: api.Fail, Subject: fact.Subject{Kind: fact.SubjectSecret, Namespace: "shop", Name: "db"}},
				api.Finding{Check: "secrets/legacy-token", Verdict: api.Fail, Subject: fact.Subject{Kind: fact.SubjectSecret, Namespace: "shop", Name: "$(id)"}})
			m := New(set)
			node, ok := m.Node(ft.Node, findings)
			cluster, also := m.Cluster(findings)
			if !ok || !also {
				t.Fatal("no commands")
			}
			parse(t, node.Script())
			parse(t, cluster.Script())
			if text := cluster.Script(); !strings.Contains(text, "kubectl annotate secret --namespace shop db kubectl.kubernetes.io/last-applied-configuration-\n") || strings.Contains(text, "$(id)") {
				t.Error(text)
			}
			if text := node.Script(); name == "open files" {
				for _, want := range []string{"chown 52:52 -- '/var/lib/etcd/it'\\''s open'\n", "chmod 0600 -- '/var/lib/etcd/it'\\''s open'\n", "chmod go-w -- '/var/lib/$(id)'\n", "chmod 0700 -- /var/lib/etcd\n", "chmod 0600 -- '/etc/a;b'\n"} {
					if !strings.Contains(text, want) {
						t.Errorf("%q is missing in\n%s", want, text)
					}
				}
			}
			for i := range cluster.Steps {
				if s := &cluster.Steps[i]; s.Text == "" || s.Place == "" || s.Place == ByHand && name == "kubeadm" && len(s.Lines) > 0 {
					t.Errorf("step %d: %+v", i+1, s)
				}
			}
		})
	}
}

// A namespace without a rule gets a policy that only notes first, and labels at the level that its
// workloads reach.
func TestNamespacesGetPolicyAndLabels(t *testing.T) {
	set := ft.Declared(ft.Restricted(fact.Container{}))
	set.Cluster.Version = "v1.37.2-gke.1"
	set.Namespaces = []fact.Namespace{{Name: "shop"}, {Name: "gmp-system"}, {Name: "kube-system"}}
	namespace := fact.Subject{Kind: fact.SubjectNamespace, Name: "shop"}
	r, ok := New(set).Cluster([]api.Finding{
		{Check: "drift/enforcement", Verdict: api.Fail, Subject: namespace}, {Check: "privileged/pod-security-level", Verdict: api.VerdictUnknown, Subject: namespace},
	})
	if !ok {
		t.Fatal("no steps")
	}
	script := r.Script()
	parse(t, script)
	at := 0
	for _, part := range []string{
		"kubectl label --overwrite --dry-run=server namespace shop", "kubectl label --overwrite namespace shop", "enforce=restricted",
		"kubectl apply --filename - <<'END'", "validationActions: [Audit]", `values: ["gmp-system", "kube-node-lease", "kube-public", "kube-system"]`, "\nEND\n",
		"# ", `{"validationActions":["Deny"]}`,
	} {
		i := strings.Index(script[at:], part)
		if i < 0 {
			t.Fatalf("%q is missing, or too early, in\n%s", part, script)
		}
		at += i
	}
}

func TestAFindingThatPassesOrIsAcceptedAsksNothing(t *testing.T) {
	findings := onNode("w1", "hosts/kernel-outdated")
	for _, v := range []api.Verdict{api.Pass, api.VerdictUnknown, api.Accepted} {
		findings[0].Verdict = v
		if r, ok := New(host("w1", fact.OSRelease{ID: "debian"})).Node("w1", findings); ok {
			t.Errorf("%s: %+v", v, r)
		}
	}
}

// What a shell makes of a quoted word is the word itself.
func FuzzQuote(f *testing.F) {
	for _, seed := range []string{"w1", "it's", "$(id)", "`id`", "a b", "-n", "a;b", `\`, "é", "!", "*", "~", "a\nb", "", "'"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		word, ok := Quote(text)
		clean := utf8.ValidString(text) && text != "" && len(text) <= 4096 && !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) })
		if ok != clean {
			t.Fatalf("ok %t for %q", ok, text)
		}
		if !ok {
			return
		}
		out, err := exec.Command("sh", "-c", "printf '%s' "+word).Output()
		if err != nil || string(out) != text {
			t.Errorf("%q is %s, which is %q: %v", text, word, out, err)
		}
	})
}
