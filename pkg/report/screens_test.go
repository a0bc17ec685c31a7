package report

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/catalogue"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report/screen"
)

// screenWidths are the widths of the golden screens.
var screenWidths = []int{80, 120, 200}

func gapsOnNodes(nodes int, kinds []fact.Kind, reason fact.Reason, detail, hint string) []fact.Gap {
	var gaps []fact.Gap
	for i := range nodes {
		name := fmt.Sprintf("worker-%d", i)
		for _, kind := range kinds {
			gaps = append(gaps, fact.Gap{
				What: kind, Subject: fact.Subject{Kind: "Node", Name: name}, Reason: reason,
				Detail: strings.ReplaceAll(detail, "NODE", name), Hint: strings.ReplaceAll(hint, "NODE", name),
			})
		}
	}
	return gaps
}

// gapsOnly are runs that measured nothing. A user sees such reports before the first useful
// one.
func gapsOnly() map[string]*api.ChecklistReport {
	cluster := func(kind fact.Kind, detail, hint string) fact.Gap {
		return fact.Gap{What: kind, Subject: fact.Subject{Kind: "Cluster"}, Reason: fact.Forbidden, Detail: detail, Hint: hint}
	}
	kinds := fact.NodeKinds()
	var nodes []fact.Node
	for i := range 6 {
		nodes = append(nodes, fact.Node{
			Name: fmt.Sprintf("worker-%d", i), Listed: true, Ready: true, OS: "linux",
			OSImage: "Debian GNU/Linux 12 (bookworm)", KernelVersion: "6.1.0-28-amd64", KubeletVersion: "v1.37.2",
		})
	}
	nodes[0].Labels = map[string]string{"node-role.kubernetes.io/control-plane": ""}
	yes := true
	web := []fact.Workload{{
		Owner: fact.Subject{Kind: "Deployment", Namespace: "shop", Name: "web"},
		Spec: fact.PodSpec{
			Origin: "pod/shop/web-1", Path: "spec",
			Containers: []fact.Container{ft.Restricted(fact.Container{
				Name: "app", Type: fact.RegularContainer, Field: "spec.containers[0]", ReadOnlyRootFilesystem: &yes,
				Image: "registry.example/web@sha256:" + strings.Repeat("a", 64),
			})},
		},
		Pods: []fact.Pod{{Name: "web-1", UID: "u1", Node: "worker-1", Phase: "Running", Containers: []fact.ContainerStatus{{Name: "app", ID: strings.Repeat("b", 64), Running: true}}}},
	}}
	refusing := fact.Enforcement{DryRuns: []fact.DryRun{{
		Namespace: "shop", Unset: fact.DryRunRefused, Writable: fact.DryRunRefused, Init: fact.DryRunRefused, Perfect: fact.DryRunAllowed, By: []string{"ValidatingAdmissionPolicy ro"},
	}}}
	listed := func(gaps []fact.Gap) *fact.Set {
		return &fact.Set{Nodes: nodes, Workloads: web, PodScope: fact.PodsAll, SecretsListed: true, InjectionRead: true, FieldsRead: true, TemplatesRead: true, NamespacesRead: true, TokensListed: true, StoresRead: true, ConfigMaps: &fact.ConfigMapScan{Read: 1}, Secrets: []fact.SecretName{{Namespace: "shop", Name: "db", ResourceVersion: "812"}}, Enforcement: &refusing, Gaps: gaps}
	}
	const hint = "kubectl checklist manifests prints the roles that the probe needs; --no-probe creates nothing and judges only what the API says"
	sets := map[string]*fact.Set{
		"no-rights": {Gaps: []fact.Gap{
			cluster(fact.Pods, "no right to list pods in all namespaces", "grant list on pods, or narrow the run with -n"),
			cluster(fact.Nodes, "no right to list nodes in the cluster", "grant list on nodes"),
			cluster(fact.Secrets, "no right to list secrets in all namespaces", "grant list on secrets, or narrow the run with -n"),
		}},
		"no-server": listed(gapsOnNodes(6, kinds, fact.Unavailable,
			`creating the probe of node NODE: Post "https://prod-eu.example:6443/api/v1/namespaces/kubectl-checklist/pods": dial tcp 192.0.2.7:6443: connect: connection refused`, "")),
		"pod-security": listed(gapsOnNodes(6, kinds, fact.AdmissionDenied,
			`trying to create a pod in namespace kubectl-checklist: pods "probe-NODE" is forbidden: violates PodSecurity "baseline:latest": host namespaces (hostPID=true)`,
			"--probe-namespace with a namespace that admits privileged pods; "+hint)),
	}
	out := map[string]*api.ChecklistReport{}
	for name, set := range sets {
		set.CollectedAt = fact.NewTime(time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC))
		set.Cluster = fact.Cluster{Server: "https://prod-eu.example:6443", Version: "v1.37.2"}
		spec := api.ReportSpec{Command: "checklist", Scope: api.Scope{AllNamespaces: true}}
		out[name] = Build(spec, set, checks.JudgeSet(catalogue.Whole(), set))
	}
	return out
}

func TestScreensOfGaps(t *testing.T) {
	for name, report := range gapsOnly() {
		for _, width := range screenWidths {
			t.Run(fmt.Sprintf("%s-%d", name, width), func(t *testing.T) {
				got := printed(t, "table", Options{Summary: true, Width: width, Wide: "kubectl checklist -o wide"}, report)
				if diff := cmp.Diff(golden(t, filepath.Join("screens", fmt.Sprintf("%s-%d", name, width)), got), got); diff != "" {
					t.Errorf("screen (-want +got), go test ./pkg/report -update writes it again:\n%s", diff)
				}
				narrower(t, got, width)
			})
		}
	}
}

// narrower fails for lines that are wider than a screen.
func narrower(t *testing.T, text string, width int) {
	t.Helper()
	for _, line := range strings.Split(text, "\n") {
		if w := screen.Width(line); w > width {
			t.Errorf("a line of %d columns on a screen of %d: %q", w, width, line)
		}
	}
}

// One cause on many nodes is one line, however many kinds of facts are missing.
func TestOneCauseOneLine(t *testing.T) {
	for name, want := range map[string]string{
		"no-server":    "NOT MEASURED  6 nodes (worker-0, worker-1, worker-2, ...): Unavailable: creating the probe of node worker-0: ",
		"pod-security": "NOT MEASURED  6 nodes (worker-0, worker-1, worker-2, ...): AdmissionDenied: trying to create a pod ",
		"no-rights":    "NOT MEASURED  cluster: Forbidden: no right to list pods in all namespaces; unknown: ",
	} {
		got := printed(t, "table", Options{Summary: true, Wide: "kubectl checklist -o wide"}, gapsOnly()[name])
		if !strings.Contains(got, want) {
			t.Errorf("%s lacks %q:\n%s", name, want, got)
		}
		if n := strings.Count(got, "NOT MEASURED"); name != "no-rights" && n != 1 {
			t.Errorf("%s has %d lines about what was not measured", name, n)
		}
	}
}

func TestCauses(t *testing.T) {
	gap := func(kind fact.Kind, subject fact.Subject, detail, hint string, affects ...string) fact.Gap {
		return fact.Gap{What: kind, Subject: subject, Reason: fact.NotReady, Detail: detail, Hint: hint, Affects: affects}
	}
	node := func(name string) fact.Subject { return fact.Subject{Kind: "Node", Name: name} }
	type line struct{ subjects, why, lost, help string }
	for name, tc := range map[string]struct {
		gaps []fact.Gap
		want []line
	}{
		"kinds of one node": {
			[]fact.Gap{gap(fact.Kernel, node("a"), "down", "h", "hosts/x"), gap(fact.Mounts, node("a"), "down", "h", "drift/y", "builds/z")},
			[]line{{"node/a", "NotReady: down", "unknown there: builds, hosts, drift", "h"}},
		},
		"nodes of one cause, with their names in it": {
			[]fact.Gap{
				gap(fact.Kernel, node("a-1"), "a-1 is down", "describe node a-1", "hosts/x"),
				gap(fact.Kernel, node("a-2"), "a-2 is down", "describe node a-2", "hosts/x"),
			},
			[]line{{"2 nodes (a-1, a-2)", "NotReady: a-1 is down", "unknown there: hosts", "for the first of them: describe node a-1"}},
		},
		"a hint for all of them is not the first one's": {
			[]fact.Gap{gap(fact.Kernel, node("a"), "down", "log in", "hosts/x"), gap(fact.Kernel, node("b"), "down", "log in", "hosts/x")},
			[]line{{"2 nodes (a, b)", "NotReady: down", "unknown there: hosts", "log in"}},
		},
		"nodes of which some lose more": {
			[]fact.Gap{
				gap(fact.Kernel, node("a"), "down", "", "secrets/x", "hosts/x", "hosts/y"), gap(fact.Kernel, node("b"), "down", "", "hosts/x", "hosts/y"),
				gap(fact.Kernel, node("c"), "down", "", "drift/x", "hosts/x"),
			},
			[]line{{"3 nodes (a, b, c)", "NotReady: down", "unknown there: hosts; unknown on some of them: secrets, drift", ""}},
		},
		"the cluster": {
			[]fact.Gap{gap(fact.Pods, fact.Subject{Kind: "Cluster"}, "no right", "", "builds/x"), gap(fact.Nodes, fact.Subject{Kind: "Cluster"}, "no right", "")},
			[]line{{"cluster", "NotReady: no right", "unknown: builds", ""}},
		},
		"containers of pods": {
			[]fact.Gap{
				gap(fact.Mounts, fact.Subject{Kind: "Pod", Namespace: "shop", Name: "a", Container: "x"}, "gone", "", "drift/x"),
				gap(fact.Mounts, fact.Subject{Kind: "Pod", Namespace: "shop", Name: "a", Container: "y"}, "gone", "", "drift/x"),
			},
			[]line{{"2 Pods (shop/a:x, a:y)", "NotReady: gone", "unknown there: drift", ""}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var got []line
			for _, c := range causes(tc.gaps) {
				got = append(got, line{c.subjects.String(), c.why, c.lost(false), c.help()})
			}
			if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(line{})); diff != "" {
				t.Errorf("causes (-want +got):\n%s", diff)
			}
		})
	}
}
