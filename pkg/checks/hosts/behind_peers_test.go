package hosts

import (
	"fmt"
	"strings"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

func TestBehindPeers(t *testing.T) {
	const (
		pool    = "nodes of pool without a pool's label, Debian GNU/Linux 12 amd64"
		kernel  = "6.1.0-56-cloud-amd64"
		kubelet = "v1.37.2"
		runtime = "containerd://2.3.7"
		image   = "Debian GNU/Linux 12 (bookworm)"
		not     = "is not behind its peers"
		differs = "differs from its peers, and which is newer is unknown: "
	)
	set := func(edits ...func(*fact.Node)) *fact.Set {
		s := &fact.Set{CollectedAt: ft.Time}
		for i, edit := range edits {
			n := fact.Node{
				Name: fmt.Sprintf("n%d", i+1), Listed: true, Arch: "amd64",
				OSImage: image, KernelVersion: kernel, KubeletVersion: kubelet, ContainerRuntime: runtime,
			}
			if edit != nil {
				edit(&n)
			}
			s.Nodes = append(s.Nodes, n)
		}
		return s
	}
	measured := func(sum string) func(*fact.Node) {
		return func(n *fact.Node) {
			n.Measured = ft.Measurement()
			n.Measured.Host.Packages = &fact.PackageState{Database: "/var/lib/dpkg/status", Installed: 400, Set: sum}
		}
	}
	field := func(node int, name string) string { return fmt.Sprintf("node/n%d status.nodeInfo.%s", node, name) }
	finding := func(node int, verdict api.Verdict, reason fact.Reason, message string, evidence ...string) api.Finding {
		return api.Finding{
			Verdict: verdict, Reason: reason, Message: message, Evidence: ft.Evidence(evidence...),
			Subject: fact.Subject{Kind: fact.SubjectNode, Name: fmt.Sprintf("n%d", node)},
		}
	}
	own := func(node int) []string {
		return []string{
			field(node, "kernelVersion"), kernel, field(node, "kubeletVersion"), kubelet,
			field(node, "containerRuntimeVersion"), runtime, field(node, "osImage"), image,
		}
	}
	pass := func(node int, summary string, more ...string) api.Finding {
		return finding(node, api.Pass, "", not, append(append([]string{pool, summary}, own(node)...), more...)...)
	}
	withSet := func(f api.Finding, source, value string) api.Finding {
		f.Evidence = append(f.Evidence, api.Evidence{Source: source, Value: value, Basis: api.Measured})
		return f
	}
	older := func(value string) func(*fact.Node) { return func(n *fact.Node) { n.KernelVersion = value } }
	const db = "node/n%d /var/lib/dpkg/status"
	a, b := strings.Repeat("a", 64), strings.Repeat("b", 64)
	other := func(node int, sum string) api.Finding {
		return withSet(finding(node, api.VerdictUnknown, fact.Unsupported, differs+"packages", pool, "4 nodes, 0 behind"), fmt.Sprintf(db, node), "400 packages, set "+sum)
	}
	ft.Judge(t, checks.OfSet(judgeBehindPeers), map[string]row{
		"all alike pass": {set(nil, nil), []api.Finding{pass(1, "2 nodes, 0 behind"), pass(2, "2 nodes, 0 behind")}},
		"an older kernel fails, by Debian's order": {
			set(nil, older("6.1.0-9-cloud-amd64"), nil),
			[]api.Finding{
				pass(1, "3 nodes, 1 behind"),
				finding(2, api.Fail, "", "is behind its peers: kernel 6.1.0-9-cloud-amd64, newest "+kernel, pool, "3 nodes, 1 behind",
					field(2, "kernelVersion"), "6.1.0-9-cloud-amd64", field(1, "kernelVersion"), kernel),
				pass(3, "3 nodes, 1 behind"),
			},
		},
		"several aspects are one finding": {
			set(nil, func(n *fact.Node) { n.KubeletVersion, n.ContainerRuntime = "v1.36.9", "containerd://2.3.10" }),
			[]api.Finding{
				finding(1, api.Fail, "", "is behind its peers: container runtime containerd://2.3.7, newest containerd://2.3.10", pool, "2 nodes, 2 behind",
					field(1, "containerRuntimeVersion"), runtime, field(2, "containerRuntimeVersion"), "containerd://2.3.10"),
				finding(2, api.Fail, "", "is behind its peers: kubelet v1.36.9, newest v1.37.2", pool, "2 nodes, 2 behind",
					field(2, "kubeletVersion"), "v1.36.9", field(1, "kubeletVersion"), kubelet),
			},
		},
		"one without peers is unknown": {
			set(nil),
			ft.One(finding(1, api.VerdictUnknown, fact.NotPresent, "no other node of its pool was listed, so it has no peers to compare it with", append([]string{pool, "1 node, 0 behind"}, own(1)...)...)),
		},
		"one without peers in the whole cluster has nothing to judge": {
			ft.Edit(set(nil), func(s *fact.Set) { s.Cluster.Nodes = ft.Ptr(1) }), nil,
		},
		"one of whose cluster more nodes exist": {
			ft.Edit(set(nil), func(s *fact.Set) { s.Cluster.Nodes = ft.Ptr(2) }),
			ft.One(finding(1, api.VerdictUnknown, fact.NotPresent, "no other node of its pool was listed, so it has no peers to compare it with", append([]string{pool, "1 node, 0 behind"}, own(1)...)...)),
		},
		"another pool is no peer": {
			set(nil, func(n *fact.Node) {
				n.Labels, n.KernelVersion = map[string]string{"cloud.google.com/gke-nodepool": "p"}, "6.1.0-60-cloud-amd64"
			}),
			[]api.Finding{
				finding(1, api.VerdictUnknown, fact.NotPresent, "no other node of its pool was listed, so it has no peers to compare it with", append([]string{pool, "1 node, 0 behind"}, own(1)...)...),
				finding(2, api.VerdictUnknown, fact.NotPresent, "no other node of its pool was listed, so it has no peers to compare it with",
					"nodes of pool cloud.google.com/gke-nodepool=p, Debian GNU/Linux amd64", "1 node, 0 behind", field(2, "kernelVersion"), "6.1.0-60-cloud-amd64",
					field(2, "kubeletVersion"), kubelet, field(2, "containerRuntimeVersion"), runtime, field(2, "osImage"), image),
			},
		},
		"another flavour of kernel cannot be ordered": {
			set(nil, nil, older("6.1.0-50-rt-amd64")),
			[]api.Finding{
				pass(1, "3 nodes, 0 behind"), pass(2, "3 nodes, 0 behind"),
				finding(3, api.VerdictUnknown, fact.Unsupported, differs+"kernel 6.1.0-50-rt-amd64", pool, "3 nodes, 0 behind", field(3, "kernelVersion"), "6.1.0-50-rt-amd64"),
			},
		},
		"builds without an order differ, both of them": {
			set(func(n *fact.Node) { n.KubeletVersion = "v1.37.2-eks-94953ac" }, func(n *fact.Node) { n.KubeletVersion = "v1.37.2-eks-7f9249a" }),
			[]api.Finding{
				finding(1, api.VerdictUnknown, fact.Unsupported, differs+"kubelet v1.37.2-eks-94953ac", pool, "2 nodes, 0 behind", field(1, "kubeletVersion"), "v1.37.2-eks-94953ac"),
				finding(2, api.VerdictUnknown, fact.Unsupported, differs+"kubelet v1.37.2-eks-7f9249a", pool, "2 nodes, 0 behind", field(2, "kubeletVersion"), "v1.37.2-eks-7f9249a"),
			},
		},
		"what a node does not report is unknown": {
			set(nil, nil, func(n *fact.Node) { n.KernelVersion = "" }),
			[]api.Finding{
				pass(1, "3 nodes, 0 behind"), pass(2, "3 nodes, 0 behind"),
				finding(3, api.VerdictUnknown, fact.Unsupported, differs+"kernel not reported", pool, "3 nodes, 0 behind", field(3, "kernelVersion"), "not set"),
			},
		},
		"without an operating system nothing is a peer": {
			set(func(n *fact.Node) { n.OSImage = "" }),
			ft.One(finding(1, api.VerdictUnknown, fact.NotPresent, "its operating system is not reported, so it has no peers to compare it with",
				"nodes of pool without a pool's label, unknown system amd64", "1 node, 0 behind", field(1, "kernelVersion"), kernel, field(1, "kubeletVersion"), kubelet,
				field(1, "containerRuntimeVersion"), runtime, field(1, "osImage"), "not set")),
		},
		"equal packages are said": {
			set(measured(a), measured(a), nil),
			[]api.Finding{
				withSet(pass(1, "3 nodes, 0 behind"), fmt.Sprintf(db, 1), "400 packages, set aaaaaaaaaaaa"),
				withSet(pass(2, "3 nodes, 0 behind"), fmt.Sprintf(db, 2), "400 packages, set aaaaaaaaaaaa"),
				pass(3, "3 nodes, 0 behind"),
			},
		},
		"other packages than most differ": {
			set(measured(a), measured(a), measured(b)),
			[]api.Finding{
				withSet(pass(1, "3 nodes, 0 behind"), fmt.Sprintf(db, 1), "400 packages, set aaaaaaaaaaaa"),
				withSet(pass(2, "3 nodes, 0 behind"), fmt.Sprintf(db, 2), "400 packages, set aaaaaaaaaaaa"),
				withSet(finding(3, api.VerdictUnknown, fact.Unsupported, differs+"packages", pool, "3 nodes, 0 behind"), fmt.Sprintf(db, 3), "400 packages, set bbbbbbbbbbbb"),
			},
		},
		"one of two nodes is no majority": {
			set(measured(a), measured(b)),
			[]api.Finding{
				withSet(finding(1, api.VerdictUnknown, fact.Unsupported, differs+"packages", pool, "2 nodes, 0 behind"), fmt.Sprintf(db, 1), "400 packages, set aaaaaaaaaaaa"),
				withSet(finding(2, api.VerdictUnknown, fact.Unsupported, differs+"packages", pool, "2 nodes, 0 behind"), fmt.Sprintf(db, 2), "400 packages, set bbbbbbbbbbbb"),
			},
		},
		"half of the nodes are no majority": {
			set(measured(a), measured(b), measured(b), measured(a)),
			[]api.Finding{other(1, "aaaaaaaaaaaa"), other(2, "bbbbbbbbbbbb"), other(3, "bbbbbbbbbbbb"), other(4, "aaaaaaaaaaaa")},
		},
		"the packages of one node say nothing": {set(measured(a), nil), []api.Finding{pass(1, "2 nodes, 0 behind"), pass(2, "2 nodes, 0 behind")}},
		"a machine that no API lists":          {&fact.Set{Nodes: []fact.Node{{Name: "n1"}}}, nil},
	})
}

// Three of forty: each of them fails, and the evidence of all has the count.
func TestThreeOfForty(t *testing.T) {
	set := &fact.Set{CollectedAt: ft.Time}
	for i := range 40 {
		n := fact.Node{
			Name: fmt.Sprintf("n%02d", i), Listed: true, Arch: "amd64", OSImage: "Bottlerocket OS 1.27.0 (aws-k8s-1.37)", KernelVersion: "6.12.40",
			KubeletVersion: "v1.37.2-eks-1", ContainerRuntime: "containerd://2.3.7+bottlerocket", Labels: map[string]string{"karpenter.sh/nodepool": "default"},
		}
		if i%13 == 12 {
			n.OSImage, n.KernelVersion = "Bottlerocket OS 1.26.9 (aws-k8s-1.37)", "6.12.9"
		}
		set.Nodes = append(set.Nodes, n)
	}
	const want = "is behind its peers: kernel 6.12.9, newest 6.12.40; operating system Bottlerocket OS 1.26.9 (aws-k8s-1.37), newest Bottlerocket OS 1.27.0 (aws-k8s-1.37)"
	failed := 0
	for _, f := range checks.OfSet(judgeBehindPeers)(set) {
		if f.Evidence[0] != (api.Evidence{Source: "nodes of pool karpenter.sh/nodepool=default, Bottlerocket OS amd64", Value: "40 nodes, 3 behind"}) {
			t.Errorf("%s: %+v", f.Subject.Name, f.Evidence[0])
		}
		if f.Verdict == api.Fail && f.Message == want {
			failed++
		} else if f.Verdict != api.Pass {
			t.Errorf("%s: %s %s", f.Subject.Name, f.Verdict, f.Message)
		}
	}
	if failed != 3 {
		t.Errorf("%d nodes fail", failed)
	}
}

// Whatever a third node reports of itself, the one that is behind another still fails,
// and its peer does not, unless the lie is a newer version.
func TestALiarHidesNoPeerThatIsBehind(t *testing.T) {
	base := fact.Node{
		Listed: true, Arch: "amd64", OSImage: "Ubuntu 24.04.2 LTS", KernelVersion: "6.8.0-50-generic", KubeletVersion: "v1.37.2+k3s2", ContainerRuntime: "containerd://2.3.7-k3s2",
	}
	for field, tc := range map[string]struct {
		of   func(*fact.Node) *string
		old  string
		lies []string
	}{
		"kernel": {func(n *fact.Node) *string { return &n.KernelVersion }, "6.8.0-49-generic", []string{"", "6.8.0-1-generic", "6.8.0-50-aws", "x"}},
		"kubelet": {func(n *fact.Node) *string { return &n.KubeletVersion }, "v1.37.2+k3s1", []string{
			"", "v1.0.0", "v1.37.2", "v1.37.2-evil", "0", "one", "v1.37.2+k3s", "v1.37.2+k3s02", "v1.37.2+k3s1",
		}},
		"runtime": {func(n *fact.Node) *string { return &n.ContainerRuntime }, "containerd://2.3.7-k3s1", []string{
			"", "containerd://", "containerd://2.3.7", "cri-o://9.9.9", "containerd://2.3.7-evil", "x",
		}},
		"image": {func(n *fact.Node) *string { return &n.OSImage }, "Ubuntu 24.04.1 LTS", []string{"", "Ubuntu", "Ubuntu 24.04.2", "Ubuntu 1 LTS", "Ubuntu 24.04.2 LTS evil", "Talos (v1)"}},
	} {
		for _, lie := range tc.lies {
			set := &fact.Set{CollectedAt: ft.Time}
			for i, value := range []string{*tc.of(&base), tc.old, lie} {
				n := base
				n.Name = fmt.Sprintf("n%d", i+1)
				*tc.of(&n) = value
				set.Nodes = append(set.Nodes, n)
			}
			fails := map[string]bool{}
			for _, f := range checks.OfSet(judgeBehindPeers)(set) {
				fails[f.Subject.Name] = fails[f.Subject.Name] || f.Verdict == api.Fail
			}
			if !fails["n2"] || fails["n1"] {
				t.Errorf("%s %q: fails %v", field, lie, fails)
			}
		}
	}
}

func TestPoolOf(t *testing.T) {
	for image, want := range map[string]string{
		"Ubuntu 22.04.5 LTS": "Ubuntu", "Debian GNU/Linux 12 (bookworm)": "Debian GNU/Linux", "Debian GNU/Linux trixie/sid": "Debian GNU/Linux trixie/sid",
		"Talos (v1.8.0)": "Talos", "Bottlerocket OS 1.26.1 (aws-k8s-1.31)": "Bottlerocket OS", "Alpine Linux v3.20": "Alpine Linux",
		"Container-Optimized OS from Google":                    "Container-Optimized OS from Google",
		"Red Hat Enterprise Linux CoreOS 417.94.202410251940-0": "Red Hat Enterprise Linux CoreOS",
		"Flatcar Container Linux by Kinvolk 3975.2.1 (Oklo)":    "Flatcar Container Linux by Kinvolk",
		"Amazon Linux 2023.6.20241031":                          "Amazon Linux",
		"":                                                      "",
	} {
		if got := systemOf(image); got != want {
			t.Errorf("%q: %q, want %q", image, got, want)
		}
	}
	both := &fact.Node{Labels: map[string]string{"eks.amazonaws.com/nodegroup": "g", "karpenter.sh/nodepool": "k", "other": "x"}, Arch: "arm64", OSImage: "Talos (v1)"}
	if got := poolOf(both).String(); got != "karpenter.sh/nodepool=k, Talos arm64" {
		t.Errorf("pool %q", got)
	}
}

// Each order, from the oldest. "?" between two means that they have none.
func TestPeerOrders(t *testing.T) {
	kernels := func(system string) order { return aspects[0].order(pool{system: system}) }
	for name, tc := range map[string]struct {
		order order
		rows  []string
	}{
		"kubelet": {semantic, []string{
			"v1.36.9 v1.37.0 v1.37.2 v1.37.10", "v1.37.2-rc.1 v1.37.2-rc.2 v1.37.2", "v1.37.2-alpha.1 v1.37.2-beta.0 v1.37.2-rc.0", "v1.31.2+k3s1 v1.31.2+k3s2 v1.31.10+k3s1",
			"v1.31.2+rke2r1 v1.31.2+rke2r10", "v1.31.2-gke.1100000 v1.31.2-gke.1200000", "v1.31.2-eks-a ? v1.31.2-eks-b", "v1.31.2 ? v1.31.2+k3s1", "v1.31.2-eks-a v1.31.3-eks-0",
			"v1.31.2 ? one", "1.6.20~ds1 ? 1.6.20", "v1.31.2+k3s1 ? v1.31.2+k3s01",
		}},
		"Debian's kernels":  {kernels("Debian GNU/Linux"), []string{"6.1.0-9-amd64 6.1.0-10-amd64", "6.9-rc3-amd64 6.9-amd64"}},
		"rpm's kernels":     {kernels("Rocky Linux"), []string{"5.14.0-427.el9.x86_64 5.14.0-427.13.1.el9_4.x86_64"}},
		"Talos's kernels":   {kernels("Talos"), []string{"6.6.9-talos 6.6.29-talos"}},
		"unknown kernels":   {kernels("Void"), []string{"6.6.9_1 ? 6.6.29_1"}},
		"kernels of Arch":   {kernels("Arch Linux"), []string{"6.6.9-arch1-1 6.6.29-arch1-1 6.12-arch1-1 6.12.1-arch1-1"}},
		"kernels of Alpine": {kernels("Alpine Linux"), []string{"6.6.9-0-lts 6.6.29-0-lts 6.6.29-1-lts", "6.6.9-0-lts ? 6.6.9+x-0-lts"}},
		"images": {byNumbers, []string{
			"Talos_(v1.8.0) Talos_(v1.10.0)", "Bottlerocket_OS_1.26.1_(aws-k8s-1.31) Bottlerocket_OS_1.27.0_(aws-k8s-1.31)",
			"Bottlerocket_OS_1.26.1_(aws-k8s-1.31) Bottlerocket_OS_1.26.1_(aws-k8s-1.32)", "Debian_GNU/Linux_11_(bullseye) Debian_GNU/Linux_12_(bookworm)",
			"SUSE_15_SP5 SUSE_15_SP6", "Ubuntu_22.04_LTS Ubuntu_22.04.5_LTS", "Ubuntu_22.04_LTS ? Ubuntu_22.04", "Bottlerocket_OS_1.26.1_(aws-k8s-1.31) ? Bottlerocket_OS_1.26.1_(metal-k8s-1.31)",
			"Flatcar_3975.2.1_(Oklo) Flatcar_3975.2.2_(Oklo)",
		}},
	} {
		for _, row := range tc.rows {
			words := strings.Fields(row)
			for i := range words {
				words[i] = strings.ReplaceAll(words[i], "_", " ")
			}
			if len(words) == 3 && words[1] == "?" {
				if c, ok := tc.order(words[0], words[2]); ok {
					t.Errorf("%s: %s and %s have an order: %d", name, words[0], words[2], c)
				}
				continue
			}
			for i, x := range words {
				for j, y := range words {
					c, ok := tc.order(x, y)
					if !ok || c < 0 != (i < j) || c > 0 != (i > j) {
						t.Errorf("%s: %q against %q: %d, %t", name, x, y, c, ok)
					}
				}
			}
		}
	}
}

// Without a pool's label, nodes of two releases of a system are no peers; image-based
// systems have one line.
func TestReleaseOf(t *testing.T) {
	for image, want := range map[string]string{
		"Ubuntu 22.04.5 LTS": "22.04", "Ubuntu 24.04 LTS": "24.04", "Debian GNU/Linux 12 (bookworm)": "12", "Debian GNU/Linux trixie/sid": "",
		"Rocky Linux 9.6 (Blue Onyx)": "9", "Red Hat Enterprise Linux 8.10 (Ootpa)": "8", "Amazon Linux 2023.9.20251014": "2023", "Amazon Linux 2": "2",
		"SUSE Linux Enterprise Server 15 SP6": "15 SP6", "openSUSE Leap 15.6": "15.6", "Alpine Linux v3.22": "3.22", "Fedora Linux 43": "43",
		"Talos (v1.11.2)": "", "Flatcar Container Linux by Kinvolk 4230.2.3 (Oklo)": "", "Bottlerocket OS 1.26.1 (aws-k8s-1.31)": "", "": "", "Ubuntu": "",
	} {
		if got := releaseOf(image); got != want {
			t.Errorf("%q: want %q, got %q", image, want, got)
		}
	}
	old := fact.Node{OSImage: "Ubuntu 22.04.5 LTS", Arch: "amd64"}
	newer := fact.Node{OSImage: "Ubuntu 24.04.2 LTS", Arch: "amd64"}
	if poolOf(&old) == poolOf(&newer) {
		t.Error("two releases are one pool without a label")
	}
	old.Labels = map[string]string{"eks.amazonaws.com/nodegroup": "a"}
	newer.Labels = old.Labels
	if poolOf(&old) != poolOf(&newer) {
		t.Error("two releases are two pools, although a label names one")
	}
}
