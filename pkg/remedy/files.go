package remedy

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/yaml"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/escape"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/remedy/mend"
)

var slashes = strings.NewReplacer("/", "_")

// File is a file to be written.
type File struct {
	Name string // with slashes
	Mode fs.FileMode
	Data []byte
}

// FilesOptions say what the files should know of the run.
type FilesOptions struct {
	// Name is how the user calls the plugin.
	Name string
	// Context and Kubeconfig are those of the run, for kubectl; "" if there were none.
	Context, Kubeconfig string
	// Cluster is the cluster's name for people, "" if it has none.
	Cluster string

	// Runbooks are commands for nodes and the cluster, Namespaces labels of namespaces.
	Runbooks   []mend.Runbook
	Namespaces []mend.Labels
	// Policy says whether to write a policy that demands a read-only root.
	Policy bool
	// Platform are the namespaces that the policy leaves out.
	Platform []string
}

// Files returns the files of plans: patches with a script that applies them, components for
// kustomize, patches for what others manage, and texts. They hold no value of a variable. The
// names in them were checked (Plan.valid).
func Files(plans []Plan, opts FilesOptions) []File {
	d := directory{opts: opts, names: map[string]bool{}, documents: map[inBuild]map[document]bool{}, bases: map[string][]string{}}
	for i := range plans {
		p := &plans[i]
		d.plans = append(d.plans, named{p, d.name(p)})
		if d.documents[p.inBuild()] == nil {
			d.documents[p.inBuild()] = map[document]bool{}
		}
		d.documents[p.inBuild()][document{p.Owner.File, p.document}] = true
	}
	for _, p := range d.plans {
		switch {
		case p.All == nil || p.name == "":
		case p.Way == Apply:
			d.patches(p)
		case p.Way == Upstream:
			d.upstream(p)
		}
	}
	d.component("safe", func(p *Plan) []mend.Mend { return p.safe })
	d.component("all", func(p *Plan) []mend.Mend { return p.Mends })
	d.targets()
	if len(d.lines) > 0 {
		d.add("apply.sh", 0o700, d.script())
	}
	if len(opts.Namespaces) > 0 {
		d.add("commands/namespaces.sh", 0o600, d.commands(&mend.Runbook{Steps: mend.LabelCommands(opts.Namespaces)}))
		d.books = append(d.books, "namespaces.sh")
	}
	if opts.Policy {
		d.add("policy/audit.yaml", 0o600, mend.ReadOnlyRootPolicy(mend.PolicyAudit, opts.Platform))
		d.add("policy/deny.yaml", 0o600, mend.ReadOnlyRootPolicy(mend.PolicyDeny, opts.Platform))
	}
	for i := range opts.Runbooks {
		name := "cluster.sh"
		if node := opts.Runbooks[i].Node; node != "" {
			if len(validation.IsDNS1123Subdomain(node)) > 0 || len(node) > maxFileName {
				d.nameless++
				continue
			}
			name = "nodes/" + node + ".sh"
		}
		d.books = append(d.books, name)
		d.add("commands/"+name, 0o600, d.commands(&opts.Runbooks[i]))
	}
	d.add("README.md", 0o600, d.readme())
	return d.files
}

type directory struct {
	opts  FilesOptions
	plans []named
	names map[string]bool
	files []File
	lines []string            // of the script
	bases map[string][]string // files by the last part of their names
	// documents are those that declare an object.
	documents map[inBuild]map[document]bool
	// components are the kustomize components that were made.
	components []string
	books      []string // the commands for nodes and the cluster
	nameless   int      // nodes whose names are no names of files
}

// named is a plan with the name of its files.
type named struct {
	*Plan
	name string
}

func (d *directory) name(p *Plan) string {
	if p.Object == nil || !p.valid() {
		return ""
	}
	name := p.fileName(len(d.names))
	for n := 2; d.names[name]; n++ {
		name = p.fileName(0) + "_" + strconv.Itoa(n)
	}
	d.names[name] = true
	return name
}

func (d *directory) add(name string, mode fs.FileMode, text string) {
	d.files = append(d.files, File{name, mode, []byte(text)})
	d.bases[path.Base(name)] = append(d.bases[path.Base(name)], name)
}

// patches adds the JSON patches of an object, and its line in the script.
func (d *directory) patches(p named) {
	line := []string{p.name, p.Owner.Namespace, p.Target(), "-", "-"}
	if p.Owner.Namespace == "" {
		line[1] = "-"
	}
	if p.Safe != nil {
		d.add("patches/"+p.name+".safe.json", 0o600, list(p.Safe.Operations))
		line[3] = "safe"
	}
	if !p.All.Safe {
		d.add("patches/"+p.name+".all.json", 0o600, list(p.All.Operations))
		line[4] = "all"
	}
	d.lines = append(d.lines, strings.Join(line, " "))
	var b strings.Builder
	for i := range p.Mends {
		if m := &p.Mends[i]; !m.Safe {
			b.WriteString("  " + escape.Line(where(m)+Sentence(m)+" "+m.Breaks) + "\n")
		}
	}
	if p.Reach != "" {
		b.WriteString("  " + escape.Line(p.Reach) + "\n")
	}
	if b.Len() > 0 {
		d.add("patches/"+p.name+".txt", 0o600, b.String())
	}
}

func where(m *mend.Mend) string {
	if m.Container == "" {
		return "Pod: "
	}
	return "Container " + m.Container + ": "
}

// list writes operations, one on each line.
func list(operations []api.PatchOperation) string {
	var b strings.Builder
	b.WriteString("[\n")
	for i := range operations {
		b.WriteString(Operation(&operations[i]))
		if i < len(operations)-1 {
			b.WriteByte(',')
		}
		b.WriteByte('\n')
	}
	b.WriteString("]\n")
	return b.String()
}

// Operation writes one operation as JSON.
func Operation(operation *api.PatchOperation) string {
	data, err := json.Marshal(operation)
	if err != nil {
		panic(err) // made of JSON
	}
	return string(data)
}

// kustomization is a component of kustomize, as far as it is written here.
type kustomization struct {
	APIVersion string          `json:"apiVersion"`
	Kind       string          `json:"kind"`
	Patches    []patchOfTarget `json:"patches"`
}

type patchOfTarget struct {
	Path   string   `json:"path"`
	Target targetOf `json:"target"`
}

// targetOf selects objects: Name and Namespace are regular expressions of the whole name.
type targetOf struct {
	Group     string `json:"group,omitempty"`
	Version   string `json:"version"`
	Kind      string `json:"kind"`
	Name      string `json:"name"`
	Namespace string `json:"namespace,omitempty"`
}

// component adds a component for a kustomization of the user: what an object that an operator
// made cannot be in.
func (d *directory) component(name string, of func(*Plan) []mend.Mend) {
	out := kustomization{APIVersion: "kustomize.config.k8s.io/v1alpha1", Kind: "Component"}
	for _, p := range d.plans {
		mends := []mend.Mend(nil)
		if p.name != "" && !p.owned() && !d.ambiguous(p.Plan) {
			mends = of(p.Plan)
		}
		if len(mends) == 0 {
			continue
		}
		text, file := p.patchText(mends), p.name+".yaml"
		d.add("component/"+name+"/"+file, 0o600, text)
		group, version, grouped := strings.Cut(p.APIVersion, "/")
		if !grouped {
			group, version = "", p.APIVersion
		}
		t := targetOf{Group: group, Version: version, Kind: p.Kind, Name: regexp.QuoteMeta(p.Name)}
		if p.namesake {
			t.Namespace = cmp.Or(p.Owner.Namespace, metav1.NamespaceDefault) // as kustomize takes it
		}
		out.Patches = append(out.Patches, patchOfTarget{file, t})
	}
	if len(out.Patches) == 0 {
		return
	}
	d.components = append(d.components, name)
	d.add("component/"+name+"/kustomization.yaml", 0o600, toYAML(out))
}

// ambiguous reports whether several documents declare the object of a plan: then a target would
// select all of them, and a strategic merge patch adds containers that one of them does not have.
func (d *directory) ambiguous(p *Plan) bool { return len(d.documents[p.inBuild()]) > 1 }

// inBuild is what a target of kustomize can tell apart.
func (p *Plan) inBuild() inBuild { return inBuild{p.names(), p.Owner.Namespace} }

type inBuild struct {
	names
	namespace string
}

// document is a document of files.
type document struct {
	file  string
	count int
}

// owned reports whether another object owns this one: then no file of the user declares it.
func (p *Plan) owned() bool {
	return slices.ContainsFunc(p.Object.Managers, func(m fact.Manager) bool { return m.By == fact.ByOwner })
}

// patchText is a patch of the object's source: strategic, or else a JSON patch.
func (p *Plan) patchText(mends []mend.Mend) string {
	if fields := p.strategic(mends); fields != nil {
		return toYAML(fields)
	}
	return toYAML(p.forBase(mends))
}

func toYAML(value any) string {
	data, err := yaml.Marshal(value)
	if err != nil {
		panic(err) // made of JSON
	}
	return string(data)
}

// upstream adds the patch of an object that somebody manages, with who that is.
func (d *directory) upstream(p named) {
	var b strings.Builder
	comment := func(text string) { b.WriteString("# " + escape.Line(text) + "\n") } // a second line would be YAML
	comment(p.Owner.Namespace + " " + p.Target())
	comment(p.Why)
	for i := range p.Mends {
		comment(Describe(&p.Mends[i]))
	}
	d.add("upstream/"+p.name+".yaml", 0o600, b.String()+p.patchText(p.Mends))
}

// reason says why a mend is safe, or what may break.
func reason(m *mend.Mend) string {
	text := "Try it: " + m.Breaks
	if m.Safe {
		text = "Safe: " + m.Because
	}
	if m.Leaves != "" {
		text += " " + m.Leaves
	}
	return text
}

// Describe says what a mend changes and where, and why it is safe or what may break.
func Describe(m *mend.Mend) string { return where(m) + Sentence(m) + " " + reason(m) }

// readme lists everything.
func (d *directory) readme() string {
	var b strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	count := map[Way]int{}
	for _, p := range d.plans {
		count[p.Way]++
	}
	say("# Patches\n")
	say("Made by `%s --write-patches`%s. Read them before you use them.\n", d.opts.Name, ofCluster(d.opts.Cluster))
	say("A change is *safe* if a measurement shows that nothing of the running pods needs what it takes away. Every other change is one to *try*: it says what may break. No pod was started with it.\n")
	if len(d.lines) > 0 {
		say("`sh apply.sh safe` applies the safe changes, `sh apply.sh all` those and the others. It asks the API server first whether it would take each patch (a dry run, which changes nothing), and stops at the first error. With `--dry-run` it does no more than that. Names of objects after that apply only theirs: `sh apply.sh all shop/deployments.apps/web`. A dry run of a Deployment does not make a pod: admission may still refuse the new pods, so look at the rollout. A patch is refused if the object has changed since it was read. Then make the patches again: this is also so for `all` after `safe`.\n")
	}
	if len(d.components) > 0 {
		say("A component finds objects by the names that they have here, and kustomize says nothing if it finds none. If your kustomization sets namePrefix, nameSuffix or namespace, add the component to one above it. Compare what is built with and without it.\n")
	}
	for _, name := range d.components {
		say("`component/%s` is a kustomize component for the kustomization that your objects come from: add the directory to its `components`. It is not for `kubectl apply -k`, because a component alone does not build.\n", name)
	}
	if len(d.plans) > 0 {
		say("`--what-if` with this directory judges again as if all patches were applied, and applies none. What it says of running pods has to be measured after.\n")
	}
	if count[Upstream] > 0 {
		say("`upstream` has the patches of objects that somebody manages and would undo a change of. They are not in apply.sh: change them there.\n")
	}
	if len(d.books) > 0 {
		say("`commands` has commands for nodes and for what is stored of Secrets, in order: %s. They are to be read and run by you, step by step: each step says where, and some are for your hands. Never run a whole file.\n", some(d.books, 20))
	}
	if d.nameless > 0 {
		say("%d more nodes have commands, and names that no file here can have: see `explain CHECK --for node/NAME`.\n", d.nameless)
	}
	if d.opts.Policy {
		say("`policy/audit.yaml` is a ValidatingAdmissionPolicy that demands a read-only root of new pods. It only records them. `policy/deny.yaml` refuses them: apply it when the first one has found nothing that you need.\n")
	}
	if len(d.plans) == 0 {
		say("No workload has a failing finding.\n")
	}
	for _, p := range d.plans {
		say("## %s\n", heading(p.Plan))
		if p.Why != "" {
			say("%s\n", markdown(p.Why))
		}
		if p.Reach != "" {
			say("%s\n", markdown(p.Reach))
		}
		if len(p.Mends) > 0 && d.ambiguous(p.Plan) {
			say("No component has it: several documents declare an object of this name. Write the patches for one directory or file at a time.\n")
		}
		if files := d.about(p.name); len(files) > 0 {
			say("Files: `%s`\n", strings.Join(files, "`, `"))
		}
		for i := range p.Mends {
			m := &p.Mends[i]
			say("- %s%s %s (%s)", markdown(where(m)), markdown(Sentence(m)), markdown(reason(m)), strings.Join(m.Checks, ", "))
		}
		for i := range p.Texts {
			n := &p.Texts[i]
			at := ""
			if n.Container != "" {
				at = "Container " + n.Container + ": "
			}
			say("- No patch: %s%s (%s)", markdown(at), markdown(n.Text), strings.Join(n.Checks, ", "))
		}
		say("")
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

// some are the first of a list, and how many more there are.
func some(list []string, most int) string {
	if len(list) <= most {
		return strings.Join(list, ", ")
	}
	return strings.Join(list[:most], ", ") + " and " + strconv.Itoa(len(list)-most) + " more"
}

// commands is a runbook's script, with the context that the commands of kubectl are for.
func (d *directory) commands(r *mend.Runbook) string {
	head, steps, _ := strings.Cut(r.Script(), "set -eu\n")
	where := "# The commands of kubectl are for the cluster of this run: choose its context first.\n"
	if context := d.opts.Context; context != "" {
		where = "# The commands of kubectl are for one cluster: kubectl config use-context " + escape.Line(shellQuote(context)) + "\n"
	}
	return head + where + "set -eu\n" + steps
}

// about are the files that belong to one plan.
func (d *directory) about(name string) []string {
	if name == "" {
		return nil
	}
	var out []string
	for _, base := range []string{name + ".safe.json", name + ".all.json", name + ".yaml"} {
		out = append(out, d.bases[base]...)
	}
	return out
}

func ofCluster(name string) string {
	if name == "" {
		return ""
	}
	return " for the cluster " + markdown(name)
}

// heading names the object of a plan, and its owner if that is another one.
func heading(p *Plan) string {
	text := strings.TrimPrefix(p.Owner.Namespace+" "+p.Kind+" "+p.Name, " ")
	if p.Kind != p.Owner.Kind || p.Name != p.Owner.Name {
		text += " of " + p.Owner.Kind + " " + p.Owner.Name
	}
	if p.Owner.File != "" {
		text += " in " + p.Owner.File
	}
	return markdown(escape.Short(text, maxHeading))
}

// maxHeading is room for a namespace, a kind and a name.
const maxHeading = 400

// special are characters that Markdown or a browser could take for something else than text.
var special = strings.NewReplacer(`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "<", "&lt;", ">", "&gt;", "&", "&amp;", "#", `\#`, "|", `\|`, "!", `\!`)

// markdown is untrusted text in a line of Markdown.
func markdown(text string) string { return special.Replace(escape.Line(text)) }

// script is apply.sh.
func (d *directory) script() string {
	text := strings.ReplaceAll(applyScript, "@CONTEXT@", shellQuote(d.opts.Context))
	text = strings.ReplaceAll(text, "@KUBECONFIG@", shellQuote(d.opts.Kubeconfig))
	return strings.ReplaceAll(text, "@OBJECTS@", strings.Join(d.lines, "\n"))
}

// shellQuote is a word of a POSIX shell.
func shellQuote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// applyScript is a POSIX shell script. It does not read patches from standard input, does not
// use kubectl apply, and names context and namespace in each call.
const applyScript = `#!/bin/sh
# Applies the patches in this directory with kubectl.
#
#   sh apply.sh safe|all [--dry-run] [NAMESPACE/TYPE/NAME ...]
#
# "safe" applies the changes that a measurement shows to be safe. "all" applies those and the
# ones to try; it prints what may break. Before anything is changed, the API server is asked
# whether it would take each patch. Set CONTEXT for another context of your kubeconfig, and
# KUBECTL for another command than kubectl.
set -u
context=@CONTEXT@
context=${CONTEXT:-$context}
kubeconfig=@KUBECONFIG@

usage() {
	echo "usage: sh apply.sh safe|all [--dry-run] [NAMESPACE/TYPE/NAME ...]" >&2
	exit 2
}

case ${1:-} in
safe | all) mode=$1 ;;
*) usage ;;
esac
shift
only_try=no
if [ "${1:-}" = --dry-run ]; then
	only_try=yes
	shift
fi
for wanted in "$@"; do
	case $wanted in
	-* | '') usage ;;
	esac
done
if [ -z "$context" ]; then
	echo "set CONTEXT to the context of your kubeconfig that is the cluster of these patches" >&2
	exit 2
fi
# The working directory stays: paths in KUBECONFIG may start there.
case $0 in
*/*) here=${0%/*} ;;
*) here=. ;;
esac
case $here in
-*) here=./$here ;;
esac

# patch FILE NAMESPACE OBJECT [OPTION ...]
patch() {
	file=$1 namespace=$2 object=$3
	shift 3
	if [ "$namespace" != - ]; then
		set -- --namespace "$namespace" "$@"
	fi
	if [ -n "$kubeconfig" ]; then
		set -- --kubeconfig "$kubeconfig" "$@"
	fi
	"${KUBECTL:-kubectl}" patch "$object" --context "$context" --type=json --patch-file "$file" "$@" </dev/null
}

# chosen OBJECT WANTED ...
chosen() {
	object=$1
	shift
	[ $# -eq 0 ] && return 0
	for wanted in "$@"; do
		[ "$wanted" = "$object" ] && return 0
	done
	return 1
}

# each STEP WANTED ... : dry-run tries all patches, apply applies them and stops at an error
each() {
	step=$1
	shift
	count=0 bad=0
	while read -r name namespace target safe all; do
		full=$namespace/$target
		[ "$namespace" = - ] && full=$target
		chosen "$full" "$@" || continue
		if [ "$mode" = all ] && [ "$all" = all ]; then
			file=$here/patches/$name.all.json
		elif [ "$safe" = safe ]; then
			file=$here/patches/$name.safe.json
		else
			continue
		fi
		count=$((count + 1))
		case $step in
		dry-run)
			if [ "$mode" = all ] && [ -f "$here/patches/$name.txt" ]; then
				echo "$full: what may break:"
				cat "$here/patches/$name.txt"
			fi
			patch "$file" "$namespace" "$target" --dry-run=server || {
				echo "$full: the API server does not take the patch" >&2
				bad=$((bad + 1))
			}
			;;
		apply)
			patch "$file" "$namespace" "$target" || {
				echo "$full: stopped here; objects changed before it: $((count - 1))" >&2
				exit 1
			}
			;;
		esac
	done <<'END'
@OBJECTS@
END
}

each dry-run "$@"
if [ "$count" -eq 0 ]; then
	echo "no patch to apply: nothing was changed" >&2
	exit 1
fi
if [ $# -gt 0 ] && [ "$count" -lt $# ]; then
	echo "objects that were named and have a patch: $count of $#; nothing was changed" >&2
	exit 1
fi
if [ "$bad" -gt 0 ]; then
	echo "patches that the API server does not take: $bad of $count; nothing was changed" >&2
	exit 1
fi
[ "$only_try" = yes ] && exit 0
each apply "$@"
echo "objects changed: $count. See how their pods start (kubectl rollout status), and measure again."
`
