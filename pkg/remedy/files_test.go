package remedy

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/remedy/mend"
)

// planOf is a plan with one safe change and one to try.
func planOf(t *testing.T, name string, safe, try bool, managers ...fact.Manager) Plan {
	t.Helper()
	object := objectOf(t, strings.ReplaceAll(deployment, `"u1"`, `"uid-of-`+name+`"`))
	object.Managers = managers
	p := Plan{
		Owner:  fact.Subject{Kind: "Deployment", Namespace: "shop", Name: name},
		Object: object, APIVersion: "apps/v1", Kind: "Deployment", Name: name, Way: Apply,
	}
	if len(managers) > 0 {
		p.Way, p.Why = Upstream, upstream(managers)
	}
	if safe {
		p.Mends = append(p.Mends, mend.Mend{
			Checks: []string{"privileged/privilege-escalation"}, Container: "side", Path: fieldPath("securityContext", "allowPrivilegeEscalation"), Op: mend.Set, Value: false,
			Safe: true, Because: "NoNewPrivs is set.",
		})
		p.safe = p.Mends[:1:1]
	}
	if try {
		p.Mends = append(p.Mends, mend.Mend{
			Checks: []string{"privileged/host-namespaces"}, Path: fieldPath("hostPID"), Op: mend.Remove, Breaks: "A program that looks at the node's processes (\x1b[1m<b>`x`) fails.",
		})
	}
	all, left := operations(object, p.Mends)
	if len(left) > 0 {
		t.Fatal(left)
	}
	p.All = p.patch(all, p.Mends)
	some, _ := operations(object, p.safe)
	p.Safe = p.patch(some, p.safe)
	return p
}

func fileNames(files []File) []string {
	var names []string
	for _, f := range files {
		names = append(names, f.Name)
	}
	return names
}

func TestFiles(t *testing.T) {
	plans := []Plan{
		planOf(t, "both", true, true), planOf(t, "safe", true, false), planOf(t, "try", false, true),
		planOf(t, "chart", true, true, fact.Manager{By: fact.ByHelm, Name: "shop/web", Field: "metadata.annotations[meta.helm.sh/release-name]"}),
		planOf(t, "made", true, true, fact.Manager{By: fact.ByOwner, Name: "Database/orders", Field: "metadata.ownerReferences"}),
	}
	files := Files(plans, FilesOptions{
		Name: "kubectl checklist", Context: "prod it", Policy: true, Platform: []string{"infra-dns"},
		Runbooks:   []mend.Runbook{{Node: "w1", Steps: []mend.Command{{Place: mend.OnNode, Text: "Update.", Lines: []string{"apt-get update"}}}}},
		Namespaces: []mend.Labels{{Namespace: "shop", Labels: map[string]string{"pod-security.kubernetes.io/enforce": "baseline"}, Because: "All reach it."}},
	})
	want := []string{
		"patches/shop_deployments.apps_both.safe.json", "patches/shop_deployments.apps_both.all.json", "patches/shop_deployments.apps_both.txt",
		"patches/shop_deployments.apps_safe.safe.json",
		"patches/shop_deployments.apps_try.all.json", "patches/shop_deployments.apps_try.txt",
		"upstream/shop_deployments.apps_chart.yaml", "upstream/shop_deployments.apps_made.yaml",
		"component/safe/shop_deployments.apps_both.yaml", "component/safe/shop_deployments.apps_safe.yaml", "component/safe/shop_deployments.apps_chart.yaml", "component/safe/kustomization.yaml",
		"component/all/shop_deployments.apps_both.yaml", "component/all/shop_deployments.apps_safe.yaml", "component/all/shop_deployments.apps_try.yaml", "component/all/shop_deployments.apps_chart.yaml", "component/all/kustomization.yaml", "targets.json",
		"apply.sh", "commands/namespaces.sh", "policy/audit.yaml", "policy/deny.yaml", "commands/nodes/w1.sh", "README.md",
	}
	if diff := cmp.Diff(want, fileNames(files)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	for _, f := range files {
		text := string(f.Data)
		for _, bad := range []string{"hunter2", "\x1b", "<b>"} {
			if strings.Contains(text, bad) && (f.Name != "patches/shop_deployments.apps_both.txt" && f.Name != "patches/shop_deployments.apps_try.txt" && !strings.HasPrefix(f.Name, "upstream/") || bad != "<b>") {
				t.Errorf("%s holds %q", f.Name, bad)
			}
		}
		switch f.Name {
		case "commands/namespaces.sh":
			if try := strings.Index(string(f.Data), "--dry-run=server namespace shop"); try < 0 || try > strings.Index(string(f.Data), "--overwrite namespace shop") {
				t.Errorf("labels are set before the API server was asked:\n%s", f.Data)
			}
			fallthrough
		case "commands/nodes/w1.sh":
			if !strings.Contains(string(f.Data), "use-context 'prod it'") {
				t.Errorf("%s does not say of which cluster it is:\n%s", f.Name, f.Data)
			}
		case "policy/audit.yaml", "policy/deny.yaml":
			if !strings.Contains(string(f.Data), `"infra-dns"`) {
				t.Errorf("%s is for the platform's namespaces too", f.Name)
			}
		case "apply.sh":
			for _, managed := range []string{"chart", "made"} {
				if strings.Contains(text, "deployments.apps/"+managed) {
					t.Errorf("apply.sh changes %s, which somebody manages", managed)
				}
			}
		case "upstream/shop_deployments.apps_chart.yaml":
			if !strings.Contains(text, "# It is managed by Helm release shop/web (metadata.annotations[meta.helm.sh/release-name])") {
				t.Errorf("%s does not name the release:\n%s", f.Name, text)
			}
		case "README.md":
			for _, part := range []string{"## shop Deployment both", "Safe: NoNewPrivs is set.", "Try it: A program that looks", "Database/orders", "`commands` has commands"} {
				if !strings.Contains(text, part) {
					t.Errorf("README.md does not say %q:\n%s", part, text)
				}
			}
		}
	}
}

// A name that no object can have is in no file's name and in no script.
func TestFilesOfOddNames(t *testing.T) {
	for _, name := range []string{"../../etc/passwd", "a b", "x;rm -rf /", "", "A", "a\nb", strings.Repeat("a", 300)} {
		p := planOf(t, "web", true, true)
		p.Name, p.Owner.Name = name, name
		if p.valid() {
			t.Errorf("%q is a valid name", name)
		}
		for _, f := range Files([]Plan{p}, FilesOptions{}) {
			if f.Name != "README.md" {
				t.Errorf("%q: file %s", name, f.Name)
			}
		}
	}
	long := planOf(t, strings.Repeat("a", 250), true, true)
	twice := []Plan{long, long}
	for _, f := range Files(twice, FilesOptions{}) {
		if len(filepath.Base(f.Name)) > 255 {
			t.Errorf("%s has %d bytes", f.Name, len(filepath.Base(f.Name)))
		}
	}
}

// fakeKubectl notes how it is called, and fails for what its environment names.
const fakeKubectl = `#!/bin/sh
for file in "$@"; do
	case $file in */patches/*) [ -f "$file" ] || echo "no file $file" >>"$LOG" ;; esac
done
echo "$*" >>"$LOG"
case "$*" in *"$FAIL"*) [ -n "$FAIL" ] && exit 1 ;; esac
exit 0
`

func TestApplyScript(t *testing.T) {
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("no shell")
	}
	plans := []Plan{planOf(t, "a", true, true), planOf(t, "b", true, false), planOf(t, "c", false, true)}
	call := func(options, target, file string, dry bool) string {
		line := "patch deployments.apps/" + target + " --context it's --type=json --patch-file patches/shop_deployments.apps_" + file + ".json " + options + "--namespace shop"
		if dry {
			line += " --dry-run=server"
		}
		return line
	}
	const config = "--kubeconfig /k "
	for name, tc := range map[string]struct {
		args []string
		fail string
		code int
		want []string
		out  string
	}{
		"safe changes": {args: []string{"safe"}, want: []string{
			call(config, "a", "a.safe", true), call(config, "b", "b.safe", true), call(config, "a", "a.safe", false), call(config, "b", "b.safe", false),
		}, out: "objects changed: 2"},
		"all changes": {args: []string{"all"}, want: []string{
			call(config, "a", "a.all", true), call(config, "b", "b.safe", true), call(config, "c", "c.all", true),
			call(config, "a", "a.all", false), call(config, "b", "b.safe", false), call(config, "c", "c.all", false),
		}, out: "what may break"},
		"one object":     {args: []string{"all", "shop/deployments.apps/c"}, want: []string{call(config, "c", "c.all", true), call(config, "c", "c.all", false)}},
		"only a dry run": {args: []string{"safe", "--dry-run"}, want: []string{call(config, "a", "a.safe", true), call(config, "b", "b.safe", true)}},
		"a refused dry run changes nothing": {
			args: []string{"safe"}, fail: "/patches/shop_deployments.apps_b.safe.json " + config + "--namespace shop --dry-run", code: 1,
			want: []string{call(config, "a", "a.safe", true), call(config, "b", "b.safe", true)}, out: "nothing was changed",
		},
		"an error stops it": {
			args: []string{"all"}, fail: "b.safe.json " + config + "--namespace shop", code: 1,
			want: []string{call(config, "a", "a.all", true), call(config, "b", "b.safe", true), call(config, "c", "c.all", true)}, out: "nothing was changed",
		},
		"no such object":        {args: []string{"all", "shop/deployments.apps/x"}, code: 1, out: "nothing was changed"},
		"one of two is not one": {args: []string{"safe", "shop/deployments.apps/a", "x"}, code: 1, want: []string{call(config, "a", "a.safe", true)}, out: "1 of 2"},
		"no argument":           {code: 2, out: "usage"},
		"another argument":      {args: []string{"try"}, code: 2, out: "usage"},
		"another option":        {args: []string{"all", "--force"}, code: 2, out: "usage"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for _, f := range Files(plans, FilesOptions{Name: "x", Context: "it's", Kubeconfig: "/k"}) {
				place := filepath.Join(dir, f.Name)
				if err := os.MkdirAll(filepath.Dir(place), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(place, f.Data, f.Mode); err != nil {
					t.Fatal(err)
				}
			}
			kubectl, log := filepath.Join(dir, "kubectl"), filepath.Join(dir, "log")
			if err := os.WriteFile(kubectl, []byte(fakeKubectl), 0o700); err != nil {
				t.Fatal(err)
			}
			command := exec.Command(shell, append([]string{filepath.Join(dir, "apply.sh")}, tc.args...)...)
			command.Dir = "/"
			command.Env = []string{"PATH=" + os.Getenv("PATH"), "KUBECTL=" + kubectl, "LOG=" + log, "FAIL=" + tc.fail}
			out, err := command.CombinedOutput()
			if code := command.ProcessState.ExitCode(); code != tc.code {
				t.Errorf("exit status: want %d, got %d (%v)\n%s", tc.code, code, err, out)
			}
			calls, _ := os.ReadFile(log)
			var got []string
			if len(calls) > 0 {
				got = strings.Split(strings.TrimSuffix(strings.ReplaceAll(string(calls), dir+"/", ""), "\n"), "\n")
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
			if !strings.Contains(string(out), tc.out) {
				t.Errorf("output does not say %q:\n%s", tc.out, out)
			}
		})
	}
}

// An error while it applies stops it, and says how many objects were changed.
func TestApplyScriptStops(t *testing.T) {
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("no shell")
	}
	dir := t.TempDir()
	for _, f := range Files([]Plan{planOf(t, "a", true, false), planOf(t, "b", true, false), planOf(t, "c", true, false)}, FilesOptions{Context: "c"}) {
		place := filepath.Join(dir, f.Name)
		if err := os.MkdirAll(filepath.Dir(place), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(place, f.Data, f.Mode); err != nil {
			t.Fatal(err)
		}
	}
	kubectl := filepath.Join(dir, "kubectl")
	script := "#!/bin/sh\ncase \"$*\" in *dry-run*) exit 0 ;; *apps/b*) exit 1 ;; *apps/c*) touch " + dir + "/c ;; esac\n"
	if err := os.WriteFile(kubectl, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	command := exec.Command(shell, filepath.Join(dir, "apply.sh"), "safe")
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "KUBECTL=" + kubectl}
	out, _ := command.CombinedOutput()
	if code := command.ProcessState.ExitCode(); code != 1 || !strings.Contains(string(out), "shop/deployments.apps/b: stopped here; objects changed before it: 1") {
		t.Errorf("exit status %d:\n%s", code, out)
	}
	if _, err := os.Stat(filepath.Join(dir, "c")); err == nil {
		t.Error("it went on after an error")
	}
}

// The script stays in the working directory, from which a path in KUBECONFIG may start, and finds
// its patches whatever CDPATH says.
func TestApplyScriptStaysWhereItIs(t *testing.T) {
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("no shell")
	}
	parent := t.TempDir()
	for _, dir := range []string{"p", "-p", "other/p"} {
		for _, f := range Files([]Plan{planOf(t, "a", true, true)}, FilesOptions{Context: "c"}) {
			place := filepath.Join(parent, dir, f.Name)
			if err := os.MkdirAll(filepath.Dir(place), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(place, f.Data, f.Mode); err != nil {
				t.Fatal(err)
			}
		}
	}
	kubectl, log := filepath.Join(parent, "kubectl"), filepath.Join(parent, "log")
	if err := os.WriteFile(kubectl, []byte("#!/bin/sh\npwd >>\"$LOG\"\n"+fakeKubectl[len("#!/bin/sh\n"):]), 0o700); err != nil {
		t.Fatal(err)
	}
	for from, words := range map[string][]string{".": {"p/apply.sh"}, "p": {"apply.sh"}, "-p": {"./apply.sh"}, "other": {"../p/apply.sh"}} {
		command := exec.Command(shell, append(words, "all")...)
		command.Dir = filepath.Join(parent, from)
		command.Env = []string{"PATH=" + os.Getenv("PATH"), "KUBECTL=" + kubectl, "LOG=" + log, "FAIL=", "CDPATH=" + filepath.Join(parent, "other")}
		out, err := command.CombinedOutput()
		calls, _ := os.ReadFile(log)
		if err != nil || !strings.Contains(string(out), "what may break:") || strings.Contains(string(calls), "no file") || !strings.HasPrefix(string(calls), command.Dir+"\n") {
			t.Errorf("%s: %v\n%s%s", from, err, out, calls)
		}
		_ = os.Remove(log)
	}
}

// A text of more lines is one comment: what follows a line break would be YAML, or a line of its
// own on the terminal.
func TestTextsAreOneLine(t *testing.T) {
	p := planOf(t, "web", true, true, fact.Manager{By: fact.ByHelm, Name: "x\nspec: {replicas: 0}\n#", Field: "metadata.labels[a]"})
	p.Mends[1].Breaks = "It breaks.\nkind: Secret"
	p.Reach = "It\nreaches."
	files := Files([]Plan{p}, FilesOptions{})
	p.Way = Apply
	for _, f := range append(files, Files([]Plan{p}, FilesOptions{})...) {
		for _, line := range strings.Split(string(f.Data), "\n") {
			if strings.HasPrefix(line, "spec: {replicas") || strings.HasPrefix(line, "kind: Secret") || strings.HasPrefix(line, "reaches") {
				t.Errorf("%s: %s", f.Name, line)
			}
		}
	}
}

// A node without a file is counted, and so is each file that the README does not name.
func TestReadmeCountsCommands(t *testing.T) {
	var books []mend.Runbook
	for i := range 25 {
		books = append(books, mend.Runbook{Node: "w" + strings.Repeat("x", i)})
	}
	books = append(books, mend.Runbook{Node: strings.Repeat("n", 253)}, mend.Runbook{Node: "../x"})
	files := Files(nil, FilesOptions{Name: "x", Runbooks: books})
	readme := string(files[len(files)-1].Data)
	for _, want := range []string{" and 5 more.", "2 more nodes have commands"} {
		if !strings.Contains(readme, want) {
			t.Errorf("the README does not have %q:\n%s", want, readme)
		}
	}
	if len(files) != 26 {
		t.Errorf("files: %v", fileNames(files))
	}
}

// Without a context, the script asks for one before it calls anything.
func TestApplyScriptWithoutContext(t *testing.T) {
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("no shell")
	}
	for _, f := range Files([]Plan{planOf(t, "a", true, false)}, FilesOptions{}) {
		if f.Name != "apply.sh" {
			continue
		}
		place := filepath.Join(t.TempDir(), "apply.sh")
		if err := os.WriteFile(place, f.Data, f.Mode); err != nil {
			t.Fatal(err)
		}
		command := exec.Command(shell, place, "safe")
		command.Env = []string{"PATH=" + os.Getenv("PATH"), "KUBECTL=false"}
		out, _ := command.CombinedOutput()
		if code := command.ProcessState.ExitCode(); code != 2 || !strings.Contains(string(out), "set CONTEXT") {
			t.Errorf("exit status %d: %s", code, out)
		}
	}
}

func TestWay(t *testing.T) {
	pods := []fact.Pod{{Name: "web-1", Node: "cp1", ConfigHash: "h"}}
	object := &fact.Object{APIVersion: "apps/v1", Resource: "deployments", UID: "u", Template: "spec.template.spec"}
	managed := *object
	managed.Managers = []fact.Manager{{By: fact.ByFlux, Name: "flux-system/apps", Field: "metadata.labels[kustomize.toolkit.fluxcd.io/name]"}}
	file := *object
	file.UID = ""
	onDelete := *object
	onDelete.UpdateStrategy = fact.StrategyOnDelete
	job := &fact.Object{APIVersion: "batch/v1", Resource: "jobs", UID: "u", Template: "spec.template.spec"}
	for name, tc := range map[string]struct {
		w     fact.Workload
		way   Way
		why   string
		reach string
	}{
		"an object of the cluster":  {fact.Workload{Owner: fact.Subject{Kind: "Deployment", Name: "web"}, Object: object, Pods: pods}, Apply, "", ""},
		"one that is managed":       {fact.Workload{Owner: fact.Subject{Kind: "Deployment", Name: "web"}, Object: &managed}, Upstream, "Flux flux-system/apps", ""},
		"one in a file":             {fact.Workload{Owner: fact.Subject{Kind: "Deployment", Name: "web"}, Object: &file}, Source, "from a file", ""},
		"a static pod":              {fact.Workload{Owner: fact.Subject{Kind: "Pod", Name: "etcd-cp1"}, Pods: pods}, ByHand, "static pod: the kubelet of node cp1", ""},
		"a bare pod":                {fact.Workload{Owner: fact.Subject{Kind: "Pod", Name: "web"}, Pods: []fact.Pod{{Name: "web"}}}, ByHand, "does not change these fields of a pod", ""},
		"a job":                     {fact.Workload{Owner: fact.Subject{Kind: "Job", Name: "j"}, Object: job}, ByHand, "does not change the template of a job", ""},
		"one that was not read":     {fact.Workload{Owner: fact.Subject{Kind: "Deployment", Name: "web"}, Pods: []fact.Pod{{Name: "x"}}}, ByHand, "was not read", ""},
		"pods change when deleted":  {fact.Workload{Owner: fact.Subject{Kind: "DaemonSet", Name: "web"}, Object: &onDelete}, Apply, "", "OnDelete"},
		"no place of the pod spec":  {fact.Workload{Owner: fact.Subject{Kind: "Deployment", Name: "web"}, Object: &fact.Object{APIVersion: "apps/v1", UID: "u"}}, ByHand, "not known which field", ""},
		"a name that cannot be one": {fact.Workload{Owner: fact.Subject{Kind: "Deployment", Name: "a;b"}, Object: object}, ByHand, "no object on a cluster can have", ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := NewPlanner(&fact.Set{}, nil).plan(&tc.w, []api.Finding{})
			if got.Way != tc.way || !strings.Contains(got.Why, tc.why) || (tc.why == "") != (got.Why == "") {
				t.Errorf("want %s %q, got %s %q", tc.way, tc.why, got.Way, got.Why)
			}
			if !strings.Contains(got.Reach, tc.reach) || (tc.reach == "") != (got.Reach == "") {
				t.Errorf("reach: want %q, got %q", tc.reach, got.Reach)
			}
		})
	}
}
