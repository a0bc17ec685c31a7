package examples

import (
	"context"
	"encoding/json"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"

	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/cli"
)

var update = flag.Bool("update", false, "write the generated examples again")

func TestMain(m *testing.M) {
	cli.QuietLibraries()
	// The plugin starts itself for this, and here it is a test.
	if len(os.Args) > 1 && os.Args[1] == "kustomize" {
		os.Exit(cli.Main(context.Background(), cli.NewEnv("kubectl-checklist", "v0.0.0-test", ""), os.Args[1:]))
	}
	if os.Getenv("EXAMPLES_PLUGIN") != "" { // for the pipelines
		os.Exit(cli.Main(context.Background(), cli.NewEnv("kubectl-checklist", "v0.0.0-test", ""), os.Args[1:]))
	}
	os.Exit(m.Run())
}

// run runs the plugin in this process.
func run(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	streams, _, out, said := genericiooptions.NewTestIOStreams()
	env := &cli.Env{Streams: streams, Name: "kubectl checklist", Program: os.Args[0], Version: "v0.0.0-test", Getenv: func(string) string { return "" }}
	env.Now = func() time.Time { return time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC) }
	code = cli.Main(context.Background(), env, args)
	return code, out.String(), said.String()
}

// reportOf runs the plugin with -o json.
func reportOf(t *testing.T, args ...string) *api.ChecklistReport {
	t.Helper()
	code, out, said := run(t, append(args, "-o", "json")...)
	if code != cli.ExitOK {
		t.Fatalf("%v: exit status %d: %s", args, code, said)
	}
	if said != "" && !strings.HasPrefix(said, "warning: .: kustomizations that were not built: 2 (cronjob, cronjob-probes)") {
		t.Errorf("%v: stderr: %s", args, said)
	}
	var report api.ChecklistReport
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Fatal(err)
	}
	return &report
}

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// ours passes our own checks: of the files as they are, and of what kubectl apply -k applies.
func TestOwnChecks(t *testing.T) {
	// The volume behind the claim is the cluster's: it could be a directory of a node.
	claim := []string{"builds/runtime-socket kubectl-checklist", "privileged/host-path kubectl-checklist"}
	// The namespace of the probes has to admit them.
	const namespace = "privileged/pod-security-level kubectl-checklist"
	for name, tc := range map[string]struct{ args, accepted []string }{
		"all files":           {[]string{"pods", "-f", ".", "-R"}, []string{namespace}},
		"kustomize":           {[]string{"pods", "-k", "cronjob"}, nil},
		"kustomize of probes": {[]string{"pods", "-k", "cronjob-probes"}, []string{namespace}},
	} {
		t.Run(name, func(t *testing.T) {
			report := reportOf(t, append(tc.args, "--waivers", "cronjob-probes/waivers.yaml")...)
			var accepted []string
			passes, seen := 0, false
			var unknown []string
			for _, f := range report.Findings {
				seen = seen || f.Subject.Kind == "CronJob"
				switch f.Verdict {
				case api.Fail:
					t.Errorf("%s fails: %s %s: %s %+v", f.Severity, f.Check, f.Subject.Name, f.Message, f.Evidence)
				case api.Accepted:
					accepted = append(accepted, f.Check+" "+f.Subject.Name)
				case api.VerdictUnknown:
					if f.Subject.Name != "." { // files of a kustomization are what they are without it
						unknown = append(unknown, f.Check+" "+f.Subject.Name)
					}
				case api.Pass:
					passes++
				}
			}
			if passes < 20 || !seen {
				t.Errorf("%d passes, a CronJob was judged: %v", passes, seen)
			}
			if diff := cmp.Diff(tc.accepted, accepted); diff != "" {
				t.Errorf("accepted (-want +got):\n%s", diff)
			}
			slices.Sort(unknown)
			if diff := cmp.Diff(claim, unknown); diff != "" {
				t.Errorf("unknown (-want +got):\n%s", diff)
			}
		})
	}
}

const bind = "serviceaccount:kubectl-checklist-watch:kubectl-checklist"

// grants returns what "manifests --only grants" prints, one text for each object.
func grants(t *testing.T, args ...string) []string {
	t.Helper()
	code, out, said := run(t, append([]string{"manifests", "--only", "grants", "--bind", bind}, args...)...)
	if code != cli.ExitOK || said != "" {
		t.Fatalf("exit status %d: %s", code, said)
	}
	_, out, found := strings.Cut(out, "\n\n") // the header
	if !found {
		t.Fatalf("no header:\n%s", out)
	}
	return strings.Split(strings.TrimSuffix(out, "\n"), "\n---\n")
}

// without leaves out the objects of a role and its binding.
func without(t *testing.T, docs []string, role string) []string {
	t.Helper()
	left := slices.DeleteFunc(slices.Clone(docs), func(doc string) bool {
		return strings.Contains(doc, "\n  name: "+role+"\n")
	})
	if len(docs)-len(left) != 2 {
		t.Fatalf("%d objects named %s, want 2", len(docs)-len(left), role)
	}
	return left
}

// The rights are those that the plugin says that it needs, and no others.
func TestRights(t *testing.T) {
	const made = "# Made by: go test ./examples -run TestRights -update\n# It is what this prints, without "
	reading := without(t, grants(t, "--no-probe"), "kubectl-checklist-secret-names")
	probing := slices.DeleteFunc(without(t, grants(t), "kubectl-checklist-dry-runs"), func(doc string) bool { return slices.Contains(reading, doc) })
	for name, tc := range map[string]struct {
		header string
		docs   []string
	}{
		filepath.Join("cronjob", "rbac.yaml"): {
			made + "the right to list Secrets (its holder can read their values):\n" +
				"#   kubectl checklist manifests --only grants --no-probe --bind " + bind + "\n", reading,
		},
		filepath.Join("cronjob-probes", "rbac-probes.yaml"): {
			made + "what ../cronjob has, and without the right to\n" +
				"# create pods in every namespace (for dry runs: the check drift/enforcement is unknown):\n" +
				"#   kubectl checklist manifests --only grants --bind " + bind + "\n#\n" +
				"# WARNING: who has these rights can in effect read every node, and become root there.\n", probing,
		},
	} {
		want := tc.header + "---\n" + strings.Join(tc.docs, "\n---\n") + "\n"
		if *update {
			if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(want, read(t, name)); diff != "" {
			t.Errorf("%s is out of date: go test ./examples -run TestRights -update (-want +got):\n%s", name, diff)
		}
		// Gatekeeper makes a kind for each of its templates: their names are not known before.
		for at := range strings.Lines(strings.ReplaceAll(want, "  - constraints.gatekeeper.sh\n  resources:\n  - '*'\n", "")) {
			if strings.Contains(at, "*") && !strings.HasPrefix(strings.TrimSpace(at), "- /") {
				t.Errorf("%s: a wildcard: %s", name, at)
			}
		}
	}
	// The account of the API variant may create nothing but the question who it is.
	all := strings.Replace(strings.Join(reading, "\n"), "  - selfsubjectreviews\n  verbs:\n  - create\n", "", 1)
	for _, word := range []string{"secrets", "create", "patch", "update", "delete", "watch", "impersonate"} {
		if strings.Contains(all, "- "+word+"\n") {
			t.Errorf("the account of the API variant: %s", word)
		}
	}
}

// Every YAML file of the examples can be read.
func TestYAML(t *testing.T) {
	files := 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".yaml" && filepath.Ext(path) != ".yml" {
			return err
		}
		files++
		for doc := range strings.SplitSeq(read(t, path), "\n---\n") {
			var into any
			if err := yaml.UnmarshalStrict([]byte(doc), &into); err != nil {
				t.Errorf("%s: %v", path, err)
			}
		}
		return nil
	})
	if err != nil || files < 10 {
		t.Errorf("%d files, %v", files, err)
	}
}

// loose reads some fields of a file.
func loose[T any](t *testing.T, name string) *T {
	t.Helper()
	var object T
	if err := yaml.Unmarshal([]byte(read(t, name)), &object); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return &object
}

func into[T any](t *testing.T, name string) *T {
	t.Helper()
	var object T
	if err := yaml.UnmarshalStrict([]byte(read(t, name)), &object); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return &object
}

// The parts of the CronJob fit together: flags that exist, files that are mounted.
func TestCronJob(t *testing.T) {
	pod := into[batchv1.CronJob](t, "cronjob/cronjob.yaml").Spec.JobTemplate.Spec.Template.Spec
	container := pod.Containers[0]
	mounts := map[string]string{}
	for _, m := range container.VolumeMounts {
		mounts[m.Name] = m.MountPath
	}
	var env []string
	for _, e := range container.Env {
		env = append(env, e.Name+"="+e.Value)
	}
	if !slices.Contains(env, "KUBECONFIG="+mounts["kubeconfig"]+"/config") || !slices.Contains(env, "TMPDIR="+mounts["facts"]) {
		t.Errorf("environment %v, mounts %v", env, mounts)
	}
	config, err := clientcmd.Load([]byte(into[corev1.ConfigMap](t, "cronjob/kubeconfig.yaml").Data["config"]))
	if err != nil {
		t.Fatal(err)
	}
	cluster, user := config.Clusters["my-cluster"], config.AuthInfos["kubectl-checklist"]
	if cluster == nil || user == nil || cluster.CertificateAuthority != mounts["api"]+"/ca.crt" || user.TokenFile != mounts["api"]+"/token" {
		t.Errorf("kubeconfig: %+v, %+v", cluster, user)
	}
	// The flags are accepted: with facts in place of a cluster, and no gateway.
	facts := filepath.Join(t.TempDir(), "facts.json")
	args := []string{"--kubeconfig", "/nonexistent"}
	for _, arg := range container.Args {
		args = append(args, strings.Replace(arg, "/facts/facts.json", facts, 1))
	}
	if code, _, said := run(t, args...); code != cli.ExitFailure || !strings.Contains(said, "--kubeconfig: /nonexistent: no such file") {
		t.Errorf("%v: exit status %d: %s", args, code, said)
	}
	// The patch of the other variant removes the first argument.
	if container.Args[0] != "--no-probe" {
		t.Errorf("arguments %v", container.Args)
	}
}
