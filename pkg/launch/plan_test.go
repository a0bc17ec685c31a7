package launch

import (
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/yaml"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

var update = flag.Bool("update", false, "write the golden files again")

func TestPlan(t *testing.T) {
	node := func(edit func(*fact.Node)) fact.Node {
		n := fact.Node{Name: "n", Ready: true, OS: "linux", Arch: "amd64"}
		edit(&n)
		return n
	}
	for name, tc := range map[string]struct {
		opts   Options
		node   fact.Node
		target *Target
		reason fact.Reason
		detail string
	}{
		"a Linux node that is Ready is measured": {
			node: node(func(*fact.Node) {}), target: &Target{Node: "n", Arch: "amd64"},
		},
		"a cordoned node is measured": {
			node: node(func(n *fact.Node) { n.Unschedulable = true }), target: &Target{Node: "n", Arch: "amd64"},
		},
		"a NotReady node is not": {
			node: node(func(n *fact.Node) { n.Ready = false }), reason: fact.NotReady,
			detail: "the node's condition Ready is not True: its kubelet would not start a pod",
		},
		"a Windows node is not": {
			node: node(func(n *fact.Node) { n.OS = "windows" }), reason: fact.Unsupported,
			detail: "the node runs Windows; the probe reads Linux",
		},
		"a Fargate node is not": {
			node:   node(func(n *fact.Node) { n.Labels = map[string]string{"eks.amazonaws.com/compute-type": "fargate"} }),
			reason: fact.Unsupported,
			detail: "virtual node (label eks.amazonaws.com/compute-type=fargate): it has no host that a pod can read",
		},
		"a managed EKS node is": {
			node:   node(func(n *fact.Node) { n.Labels = map[string]string{"eks.amazonaws.com/compute-type": "ec2"} }),
			target: &Target{Node: "n", Arch: "amd64"},
		},
		"a virtual-kubelet is not": {
			node: node(func(n *fact.Node) { n.Labels = map[string]string{"type": "virtual-kubelet"} }), reason: fact.Unsupported,
			detail: "virtual node (label type=virtual-kubelet): it has no host that a pod can read",
		},
		"an architecture without embedded probe is not": {
			node: node(func(n *fact.Node) { n.Arch = "s390x" }), reason: fact.Unsupported,
			detail: `embedded probe: architecture "s390x": expected amd64 or arm64`,
		},
		"but it is with an image": {
			opts: Options{Image: "example.com/probe:1"},
			node: node(func(n *fact.Node) { n.Arch = "s390x" }), target: &Target{Node: "n", Arch: "s390x"},
		},
		"level api measures nothing": {
			opts: Options{Level: fact.LevelAPI}, node: node(func(*fact.Node) {}), reason: fact.NotRequested,
			detail: "probe level api runs no probe on nodes",
		},
	} {
		t.Run(name, func(t *testing.T) {
			tc.opts.Kinds = []fact.Kind{fact.Pods, fact.Etcd, fact.Processes}
			plan, gaps, err := NewPlan(tc.opts, []fact.Node{tc.node, tc.node})
			if err != nil {
				t.Fatal(err)
			}
			var want []Target
			if tc.target != nil {
				want = []Target{*tc.target}
			}
			if diff := cmp.Diff(want, plan.Targets); diff != "" {
				t.Errorf("targets (-want +got):\n%s", diff)
			}
			var wantGaps []fact.Gap
			if tc.reason != "" {
				wantGaps = gapsOf("n", tc.reason, tc.detail, "")
			}
			for i := range gaps {
				gaps[i].Hint = ""
			}
			if diff := cmp.Diff(wantGaps, gaps); diff != "" {
				t.Errorf("gaps (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for name, tc := range map[string]struct {
		opts Options
		want string
	}{
		"level":         {Options{Level: "root"}, `probe level "root": expected "api", "proc" or "full"`},
		"image":         {Options{Image: "Not An Image"}, `probe image "Not An Image": expected "auto", "embedded" or an image reference: invalid reference format`},
		"namespace":     {Options{Namespace: "Kube_System"}, `probe namespace "Kube_System": a lowercase RFC 1123 label must consist`},
		"pull secret":   {Options{PullSecret: "a b"}, `probe pull secret "a b": a lowercase RFC 1123 subdomain must consist`},
		"timeout":       {Options{Timeout: time.Second}, "probe timeout 1s: expected at least 5s"},
		"max in flight": {Options{MaxInFlight: -1}, "nodes in flight -1: expected at least 1"},
		"run id":        {Options{RunID: "a/b"}, `run id "a/b": expected up to 20 lower-case letters and digits`},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := NewPlan(tc.opts, nil)
			if err == nil || !strings.HasPrefix(err.Error(), tc.want) {
				t.Errorf("error %v, expected %s", err, tc.want)
			}
		})
	}
	opts, err := Options{ReleaseImage: "example.com/probe@sha256:" + strings.Repeat("a", 64)}.complete()
	if err != nil || opts.Image != opts.ReleaseImage {
		t.Errorf("auto: image %q, error %v, expected the release's", opts.Image, err)
	}
}

func TestProbeTimeout(t *testing.T) {
	for name, tc := range map[string]struct{ node, probe time.Duration }{
		"three quarters of the node's": {2 * time.Minute, 90 * time.Second},
		"the least":                    {MinTimeout, 3800 * time.Millisecond},
		"up to the probe's limit":      {80 * time.Minute, time.Hour},
		"never above it":               {24 * time.Hour, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			opts := Options{Timeout: tc.node}
			if got := opts.probeTimeout(0); got != tc.probe {
				t.Errorf("%s, expected %s", got, tc.probe)
			}
		})
	}
}

func TestImagesOfANode(t *testing.T) {
	image := func(size int64, names ...string) corev1.ContainerImage {
		return corev1.ContainerImage{Names: names, SizeBytes: size}
	}
	for name, tc := range map[string]struct {
		images      []corev1.ContainerImage
		pauses      []string
		first, last []string
	}{
		"pause before smaller ones": {
			images: []corev1.ContainerImage{image(10, "example.com/tiny:1"), image(300, "registry.k8s.io/pause@sha256:"+strings.Repeat("a", 64), "registry.k8s.io/pause:3.10")},
			first:  []string{"registry.k8s.io/pause:3.10"},
			last:   []string{"example.com/tiny:1"},
		},
		"without pause others' names for it, then the smallest": {
			images: []corev1.ContainerImage{image(900, "example.com/large:1"), image(20, "example.com/b:1"), image(20, "example.com/a:1")},
			pauses: []string{"registry.k8s.io/pause:3.10", "mirror.example/pause:3.9", "mirror.example/pause:3.8"},
			first:  []string{"registry.k8s.io/pause:3.10", "mirror.example/pause:3.9"},
			last:   []string{"example.com/a:1", "example.com/b:1"},
		},
		"its own name for pause before others'": {
			images: []corev1.ContainerImage{image(300, "mirror.example/pause:3.9")},
			pauses: []string{"registry.k8s.io/pause:3.10", "mirror.example/pause:3.9"},
			first:  []string{"mirror.example/pause:3.9", "registry.k8s.io/pause:3.10"},
		},
		"a provider's pause": {
			images: []corev1.ContainerImage{image(1, "example.com/a:1"), image(300, "docker.io/rancher/mirrored-pause:3.6"), image(301, "602401143452.dkr.ecr.eu-west-1.amazonaws.com/eks/pause:3.5")},
			first:  []string{"docker.io/rancher/mirrored-pause:3.6", "602401143452.dkr.ecr.eu-west-1.amazonaws.com/eks/pause:3.5"},
			last:   []string{"example.com/a:1"},
		},
		"a digest where there is no tag": {
			images: []corev1.ContainerImage{image(1, "example.com/a@sha256:"+strings.Repeat("b", 64))},
			last:   []string{"example.com/a@sha256:" + strings.Repeat("b", 64)},
		},
		"names that nobody can ask for": {
			images: []corev1.ContainerImage{image(1, "<none>@<none>", "<none>:<none>"), image(2, "sha256:"+strings.Repeat("c", 64)), image(3, "UPPER CASE"), image(4)},
		},
		"paused is not pause": {
			images: []corev1.ContainerImage{image(2, "example.com/paused:1"), image(1, "example.com/pause/app:1")},
			last:   []string{"example.com/pause/app:1", "example.com/paused:1"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var target Target
			target.choose(heldImages(tc.images), tc.pauses)
			if diff := cmp.Diff(Target{Images: tc.first, Smallest: tc.last}, target); diff != "" {
				t.Errorf("images (-want +got):\n%s", diff)
			}
		})
	}
}

// Few nodes are asked one by one, many with a list. One page of a list shows how other
// nodes name their pause image.
func TestSurvey(t *testing.T) {
	const pause, mirror = "registry.k8s.io/pause:3.10", "mirror.example/pause:3.10"
	names := func(n int) (names []string) {
		for i := range n {
			names = append(names, fmt.Sprintf("n%03d", i))
		}
		return names
	}
	without := func(s *apiServer, node string) {
		s.nodes[node].Status.Images = []corev1.ContainerImage{{Names: []string{"example.com/app:1"}}}
	}
	for name, tc := range map[string]struct {
		nodes, targets int
		edit           func(*apiServer)
		gets, lists    int
		want           map[string][]string // of some targets
		unasked        int
	}{
		"few":                           {nodes: 300, targets: 2, gets: 2, want: map[string][]string{"n001": {pause}}},
		"few, one of which lists none":  {nodes: 300, targets: 2, gets: 2, lists: 1, edit: func(s *apiServer) { without(s, "n001") }, want: map[string][]string{"n001": {pause}}},
		"few, none of which lists one":  {nodes: 300, targets: 1, gets: 1, lists: 1, edit: func(s *apiServer) { without(s, "n000") }, want: map[string][]string{"n000": {pause}}},
		"many":                          {nodes: 250, targets: 250, lists: 3, want: map[string][]string{"n000": {pause}, "n249": {pause}}},
		"many, until all are seen":      {nodes: 250, targets: 60, lists: 1, want: map[string][]string{"n059": {pause}}},
		"many, one of which lists none": {nodes: 250, targets: 250, lists: 3, edit: func(s *apiServer) { without(s, "n007") }, want: map[string][]string{"n007": {pause}}},
		"the name that most have comes first": {
			nodes: 30, targets: 30, lists: 1, edit: func(s *apiServer) {
				without(s, "n000")
				for _, n := range []string{"n001", "n002"} {
					s.nodes[n].Status.Images[0].Names[0] = mirror
				}
			},
			want: map[string][]string{"n000": {pause, mirror}, "n001": {mirror, pause}},
		},
		"a node that is gone": {nodes: 30, targets: 30, lists: 1, edit: func(s *apiServer) { delete(s.nodes, "n003") }, unasked: 1},
		"a user who may not list nodes": {
			nodes: 30, targets: 30, lists: 1, edit: func(s *apiServer) {
				s.intercept = func(w http.ResponseWriter, r *http.Request, what string) bool {
					if what != "GET nodes" || strings.Contains(r.URL.Path, "nodes/") {
						return false
					}
					s.fail(w, apierrors.NewForbidden(corev1.Resource("nodes"), "", errors.New("no")))
					return true
				}
			},
			unasked: 30, // asked one by one when their turn comes
		},
	} {
		t.Run(name, faked(func(t *testing.T) {
			s := newAPIServer(t, names(tc.nodes)...)
			if tc.edit != nil {
				tc.edit(s)
			}
			opts := s.options()
			plan, _, err := NewPlan(opts, factNodes(names(tc.targets)...))
			if err != nil {
				t.Fatal(err)
			}
			Resolve(t.Context(), opts, &plan)
			got, unasked := make(map[string][]string), 0
			for _, target := range plan.Targets {
				if tc.want[target.Node] != nil {
					got[target.Node] = target.Images
				}
				if !target.resolved() {
					unasked++
				}
			}
			if tc.want == nil {
				tc.want = map[string][]string{}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("images (-want +got):\n%s", diff)
			}
			if n := s.count("GET nodes"); n != tc.gets+tc.lists || unasked != tc.unasked {
				t.Errorf("%d requests, %d nodes unasked, expected %d and %d", n, unasked, tc.gets+tc.lists, tc.unasked)
			}
		}))
	}
}

// The golden files are what manifests prints for a run, and what a reviewer reads: every
// object, for each level, embedded and pulled.
func TestObjects(t *testing.T) {
	for _, level := range []fact.Level{fact.LevelFull, fact.LevelProc, fact.LevelNet} {
		for _, image := range []string{ImageEmbedded, "registry.example/checklist-probe@sha256:" + strings.Repeat("0", 64)} {
			way := "image"
			if image == ImageEmbedded {
				way = "embedded"
			}
			t.Run(string(level)+" "+way, func(t *testing.T) {
				opts := Options{
					Level: level, Image: image, RunID: "run1", Kinds: []fact.Kind{fact.Processes, fact.Mounts},
					Embedded:    func(arch string) ([]byte, error) { return make([]byte, 2_500_000), nil },
					NetEmbedded: func(arch string) ([]byte, error) { return make([]byte, 1_500_000), nil },
				}
				if level == fact.LevelNet {
					opts.Level, opts.Net, opts.Kinds = fact.LevelAPI, true, []fact.Kind{fact.NodeTLS, fact.ServerTLS}
				}
				if way == "image" {
					opts.PullSecret = "registry"
				}
				plan, _, err := NewPlan(opts, []fact.Node{
					{Name: "b", Ready: true, OS: "linux", Arch: "arm64", KubeletVersion: "v1.28.15"},
					{Name: "a", Ready: true, OS: "linux", Arch: "amd64"},
				})
				if err != nil {
					t.Fatal(err)
				}
				plan.Targets[0].Images = []string{"registry.k8s.io/pause:3.10"}
				var got strings.Builder
				objects, err := Objects(opts, plan)
				if err != nil {
					t.Fatal(err)
				}
				for _, d := range objects {
					text, err := yaml.Marshal(d.Object)
					if err != nil {
						t.Fatal(err)
					}
					fmt.Fprintf(&got, "---\n%s", text)
				}
				golden := filepath.Join("testdata", "objects", string(level)+"-"+way+".yaml")
				if *update {
					if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(golden)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(string(want), got.String()); diff != "" {
					t.Errorf("%s (-want +got), -update writes it:\n%s", golden, diff)
				}
			})
		}
	}
}

func TestObjectsWithoutProbe(t *testing.T) {
	plan, _, err := NewPlan(Options{}, factNodes("a"))
	if err != nil {
		t.Fatal(err)
	}
	missing := errors.New("no probe here")
	if _, err := Objects(Options{Embedded: func(string) ([]byte, error) { return nil, missing }}, plan); !errors.Is(err, missing) {
		t.Errorf("error %v, expected %v", err, missing)
	}
}

// What the checks would say about the probe's own pod, at every level.
func TestPodKeepsTheChecklist(t *testing.T) {
	for _, level := range []fact.Level{fact.LevelFull, fact.LevelProc} {
		opts, err := Options{Level: level, RunID: "run1"}.complete()
		if err != nil {
			t.Fatal(err)
		}
		maps, err := opts.configMaps(program{arch: "amd64"}, make([]byte, 2_500_000), nil)
		if err != nil {
			t.Fatal(err)
		}
		pod := opts.pod(podOf{node: "n", image: "pause"}, maps)
		for _, v := range pod.Spec.Volumes {
			if v.Projected == nil && v.EmptyDir == nil {
				t.Errorf("%s: volume %s is neither projected nor an emptyDir", level, v.Name)
			}
			if v.Projected != nil {
				for _, s := range v.Projected.Sources {
					if s.ConfigMap == nil {
						t.Errorf("%s: volume %s projects something else than a ConfigMap", level, v.Name)
					}
				}
			}
		}
		s := &pod.Spec
		c := &s.Containers[0]
		if s.HostNetwork || s.HostIPC || *s.AutomountServiceAccountToken || *c.SecurityContext.Privileged ||
			*c.SecurityContext.AllowPrivilegeEscalation || !*c.SecurityContext.ReadOnlyRootFilesystem || s.ActiveDeadlineSeconds == nil {
			t.Errorf("%s: %+v", level, s)
		}
	}
}

func TestConfigMapsHoldTheProbe(t *testing.T) {
	opts, err := Options{RunID: "run1"}.complete()
	if err != nil {
		t.Fatal(err)
	}
	probe := make([]byte, 2_500_001)
	for i := range probe {
		probe[i] = byte(i * 7)
	}
	maps, err := opts.configMaps(program{arch: "arm64"}, probe, nil)
	if err != nil {
		t.Fatal(err)
	}
	var joined []byte
	for _, m := range maps[1:] {
		for _, data := range m.BinaryData {
			if len(data) > 1_000_000 {
				t.Errorf("%s: %d bytes", m.Name, len(data))
			}
			joined = append(joined, data...)
		}
	}
	if string(joined) != string(probe) {
		t.Error("the parts are not the probe")
	}
	if size := string(maps[0].BinaryData["size"]); size != "2500001" {
		t.Errorf("size %q", size)
	}
}

// Every pod with an embedded probe names the digest of the whole probe of the pod's
// architecture, in what Objects prints and in what a run creates.
func TestPodNamesTheProbe(t *testing.T) {
	probes := map[string][]byte{"amd64": make([]byte, 1_500_000), "arm64": []byte("the other one")}
	opts := Options{RunID: "run1", Embedded: func(arch string) ([]byte, error) { return probes[arch], nil }}
	plan, _, err := NewPlan(opts, []fact.Node{
		{Name: "a", Ready: true, OS: "linux", Arch: "amd64"},
		{Name: "b", Ready: true, OS: "linux", Arch: "arm64"},
	})
	if err != nil {
		t.Fatal(err)
	}
	objects, err := Objects(opts, plan)
	if err != nil {
		t.Fatal(err)
	}
	commands := map[string][]string{}
	for _, o := range objects {
		if pod, ok := o.Object.(*corev1.Pod); ok {
			commands[pod.Spec.NodeName] = pod.Spec.Containers[0].Command
		}
	}
	// sha256sum of the two.
	want := map[string][]string{
		"a": {"/checklist/loader", "3fb3661f659e89fea0d325bc25ae17d9410cd6c85867e55ed641ed062650a55e"},
		"b": {"/checklist/loader", "16d8d7a3e8cfd16a02283bc864e37769d2d6f910581772bb29c76350b4529ab9"},
	}
	if diff := cmp.Diff(want, commands); diff != "" {
		t.Errorf("commands (-want +got):\n%s", diff)
	}
}

func TestOneHostIP(t *testing.T) {
	for version, want := range map[string]bool{
		"v1.28.3": true, "v1.21.14-eks-fd2e1": true, "v1.27": true, "v1.29.0": false, "v1.37.2+k3s1": false, "v2.1.0": false, "": false, "v1.x": false, "1.28.0": false,
	} {
		if got := oneHostIP(version); got != want {
			t.Errorf("kubelet %q: %v, expected %v", version, got, want)
		}
	}
}
