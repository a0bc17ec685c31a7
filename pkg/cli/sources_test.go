package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/gather"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/launch"
)

// savedBy runs a command that saves its facts, and reads them.
func savedBy(t *testing.T, args ...string) *api.ChecklistFacts {
	t.Helper()
	path := filepath.Join(t.TempDir(), "facts.json")
	env, _, errOut := testEnv()
	if code := Main(t.Context(), env, append(args, "--save-facts", path, "-o", "json")); code != ExitOK {
		t.Fatalf("%v: exit status %d, %s", args, code, errOut)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	facts := new(api.ChecklistFacts)
	if err := json.Unmarshal(data, facts); err != nil {
		t.Fatal(err)
	}
	return facts
}

// Each command lists what its checks need, in the given namespace, and says what it looked
// at.
func TestWhatCommandsAskFor(t *testing.T) {
	for line, tc := range map[string]struct {
		want     []string
		narrowed string
	}{
		"--no-probe":                        {[]string{"leases", "nodes", "pods", "secrets"}, ""},
		"--no-probe -n shop":                {[]string{"leases", "nodes", "pods shop", "secrets shop"}, "only namespace shop"},
		"--no-probe --question builds":      {[]string{"nodes", "pods"}, ""},
		"secrets --no-probe":                {[]string{"leases", "nodes", "pods", "secrets"}, ""},
		"secrets --no-probe -n shop":        {[]string{"leases", "nodes", "pods shop", "secrets shop"}, "only namespace shop"},
		"nodes --no-probe":                  {[]string{"leases", "nodes", "pods"}, ""},
		"nodes --no-probe -l pool=edge":     {[]string{"leases", "nodes", "pods"}, "only nodes with labels pool=edge"},
		"nodes --no-probe worker-1":         {[]string{"leases", "nodes worker-1", "pods"}, "only worker-1"},
		"pods -A":                           {[]string{"pods"}, ""},
		"pods -n shop":                      {[]string{"pods shop"}, "only namespace shop"},
		"pods -A -l app=web":                {[]string{"pods"}, "only pods with labels app=web"},
		"pods -n shop --measure --no-probe": {[]string{"nodes", "pods shop"}, "only namespace shop"},
	} {
		t.Run(line, func(t *testing.T) {
			s := newSmallCluster(t)
			kubeconfigFor(t, s.URL)
			facts := savedBy(t, strings.Fields(line)...)
			var got []string
			for _, a := range s.asked {
				if !slices.Contains([]string{"leases", "nodes", "pods", "secrets"}, a.Resource) {
					continue // owners and the like
				}
				where := a.Name
				if a.Resource != "leases" {
					where += a.Namespace
				}
				got = append(got, strings.TrimSpace(a.Resource+" "+where))
			}
			slices.Sort(got)
			if diff := cmp.Diff(tc.want, slices.Compact(got)); diff != "" {
				t.Errorf("asked (-want +got):\n%s", diff)
			}
			// The API server's metrics are text, and get through.
			if loaded := facts.Facts.Cluster.LoadedEncryption; (len(loaded) == 1) != slices.Contains(tc.want, "leases") {
				t.Errorf("loaded encryption configurations: %v", loaded)
			}
			if got := facts.Facts.Cluster.User; got != "jane" {
				t.Errorf("who ran it: %q, want jane", got)
			}
			if facts.Facts.Cluster.Name != "c" {
				t.Errorf("the cluster is called %q, in the kubeconfig c", facts.Facts.Cluster.Name)
			}
			if got := facts.Spec.Scope.Narrowed; got != tc.narrowed {
				t.Errorf("narrowed: want %q, got %q", tc.narrowed, got)
			}
		})
	}
}

// Every command with --control-plane-node adds the node to the facts, live and from a
// file. No other command has the flag.
func TestControlPlaneNodeReachesTheFacts(t *testing.T) {
	s := newSmallCluster(t)
	kubeconfigFor(t, s.URL)
	file := filepath.Join("testdata", "cases", "A4-unlabelled.json")
	var have []string
	env, _, _ := testEnv()
	each(NewCommand(env), func(cmd *cobra.Command) {
		if cmd.Flags().Lookup("control-plane-node") != nil {
			have = append(have, cmd.Name())
		}
	})
	slices.Sort(have)
	if want := []string{"kubectl-checklist", "secrets"}; !slices.Equal(have, want) {
		t.Fatalf("commands with the flag: %v, want %v", have, want)
	}
	for _, command := range [][]string{nil, {"secrets"}} {
		live := savedBy(t, append(slices.Clone(command), "--no-probe", "--control-plane-node", "worker-2")...)
		if got := live.Facts.ControlPlaneNodes; !slices.Equal(got, []string{"worker-2"}) {
			t.Errorf("%v: live: %v", command, got)
		}
		env, out, errOut := testEnv()
		args := append(slices.Clone(command), "--facts", file, "--control-plane-node", "srv", "-o", "jsonpath={.spec.scope.controlPlaneNodes[*]}")
		if code := Main(t.Context(), env, args); code != ExitOK || out.String() != "srv" {
			t.Errorf("%v: from a file: status %d, %q, %s", command, code, out, errOut)
		}
	}
}

// If the provider runs the control plane itself, the flag has no effect, and the user is
// told this once.
func TestControlPlaneNodeOfAProvider(t *testing.T) {
	const want = "warning: --control-plane-node has no effect: the provider (eks) runs etcd and the API servers itself\n"
	for _, command := range [][]string{nil, {"secrets"}} {
		env, _, errOut := testEnv()
		args := append(slices.Clone(command), "--facts", "testdata/cases/A0-eks.json", "--control-plane-node", "good", "-o", "name")
		if code := Main(t.Context(), env, args); code != ExitOK || errOut.String() != want {
			t.Errorf("%v: status %d, stderr %q", command, code, errOut)
		}
	}
}

// A cluster has the name that the kubeconfig gives it, if that is the cluster that is asked.
func TestClusterName(t *testing.T) {
	kubeconfigFor(t, "https://api.example")
	for name, tc := range map[string]struct {
		set  func(*genericclioptions.ConfigFlags)
		want string
	}{
		"the current context's": {func(*genericclioptions.ConfigFlags) {}, "c"},
		"--context":             {func(f *genericclioptions.ConfigFlags) { *f.Context = "x" }, "c"},
		"--cluster":             {func(f *genericclioptions.ConfigFlags) { *f.ClusterName = "d" }, "d"},
		"--server":              {func(f *genericclioptions.ConfigFlags) { *f.APIServer = "https://other.example" }, ""},
		"no such context":       {func(f *genericclioptions.ConfigFlags) { *f.Context = "nosuch" }, ""},
	} {
		config := genericclioptions.NewConfigFlags(true)
		tc.set(config)
		if got := clusterName(config); got != tc.want {
			t.Errorf("%s: want %q, got %q", name, tc.want, got)
		}
	}
}

// How flags change the sources of pods, for what requests do not show.
func TestSourcesOfPods(t *testing.T) {
	config := genericclioptions.NewConfigFlags(true)
	*config.Namespace = "shop"
	env, _, _ := testEnv()
	probe := probeFlags{level: "full"}
	for name, tc := range map[string]struct {
		flags podsFlags
		args  []string
		want  gather.Cluster
	}{
		"declared": {
			podsFlags{probeFlags: probe},
			nil,
			gather.Cluster{Namespace: "shop", Lists: []fact.Kind{fact.Pods}, NoIDs: true},
		},
		"measured": {
			podsFlags{probeFlags: probe, measure: true},
			nil,
			gather.Cluster{Namespace: "shop", Lists: []fact.Kind{fact.Pods, fact.Nodes}, Level: fact.LevelFull, OnlyTheirNodes: true},
		},
		"measured by name": {
			podsFlags{probeFlags: probe, measure: true},
			[]string{"deploy/web"},
			gather.Cluster{Namespace: "shop", Lists: []fact.Kind{fact.Pods, fact.Nodes}, Level: fact.LevelFull, OnlyTheirNodes: true, Names: []string{"deploy/web"}},
		},
		"all namespaces": {
			podsFlags{probeFlags: probe, scopeFlags: scopeFlags{allNamespaces: true, selector: "a=b", fieldSelector: "c=d"}},
			nil,
			gather.Cluster{Lists: []fact.Kind{fact.Pods}, Selector: "a=b", FieldSelector: "c=d", NoIDs: true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := &evaluation{env: env, checks: []checks.Check{{Needs: []fact.Kind{fact.Pods}}}}
			got, err := tc.flags.cluster(r, config, tc.args)
			if err != nil {
				t.Fatal(err)
			}
			tc.want.Kinds = []fact.Kind{fact.Pods}
			if diff := cmp.Diff(&tc.want, got, cmpopts.IgnoreUnexported(gather.Cluster{}, launch.Options{})); diff != "" {
				t.Errorf("source (-want +got):\n%s", diff)
			}
		})
	}
}
