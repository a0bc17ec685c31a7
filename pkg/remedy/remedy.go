// Package remedy makes patches of the mends of package mend: JSON patches of the objects that
// own pods, for a cluster, and patches for the kustomization that the objects come from. It says
// of each object in which way it has to be changed, because a patch of an object that somebody
// else manages is undone. Everything in it is a pure function of facts and findings.
package remedy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/credential"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/remedy/mend"
)

// Way is how an object has to be changed.
type Way string

// The ways.
const (
	// Apply is a patch of the object on the cluster.
	Apply Way = "apply"
	// Source is a change of the file that declares it: the facts are of files.
	Source Way = "source"
	// Upstream is a change where its manager has it: a patch on the cluster would be undone.
	Upstream Way = "upstream"
	// ByHand means that nothing can patch the object: its pods' spec cannot be changed, or it was
	// not read.
	ByHand Way = "by hand"
)

// Plan is what to do about the failing findings of one object with a pod template.
type Plan struct {
	Owner  fact.Subject
	Object *fact.Object // nil if it was not read
	// APIVersion, Kind and Name are those of the object to be changed: of the owner, or of the
	// object in Object that it made.
	APIVersion, Kind, Name string
	Way                    Way
	// Why says in one or two sentences why the way is not Apply, and what to do.
	Why string
	// Reach says why a change of the template does not reach all pods by itself; "" if it does.
	Reach string

	// Mends have a place in the patches. Safe are the operations of those that a measurement
	// shows to be safe, All of all of them; nil if there are none. Each of the two is applied to
	// the object as it was read.
	Mends     []mend.Mend
	Safe, All *api.Patch
	safe      []mend.Mend

	// namesake reports whether another namespace has an object of the same type and name. Document
	// counts the objects of one file that have the same type, namespace and name.
	namesake bool
	document int

	// Texts say of the other findings why no patch answers them, and what to do.
	Texts []Text
}

// Text says of findings why no patch answers them, and what to do.
type Text struct {
	Checks    []string
	Container string // "" for the pod
	Text      string
}

// Target is the object to be changed, as kubectl names it: "deployments.apps/web".
func (p *Plan) Target() string {
	resource := strings.ToLower(p.Kind)
	if p.Object != nil && p.Object.Resource != "" {
		resource = p.Object.Resource
	}
	if group, _, grouped := strings.Cut(p.APIVersion, "/"); grouped {
		resource += "." + group
	}
	return resource + "/" + p.Name
}

// Planner makes the plans of one set of facts. It is not for concurrent use.
type Planner struct {
	set    *fact.Set
	mender *mend.Mender
	of     map[fact.SubjectKey][]*api.Finding
	fails  map[fact.SubjectKey]bool

	// Whole reports whether the set has all pods of an owner, as far as they were listed. Nil
	// means that it has those of all.
	Whole func(owner *fact.Subject) bool
}

// NewPlanner prepares facts and findings, which must be of the same set.
func NewPlanner(set *fact.Set, findings []api.Finding) *Planner {
	p := &Planner{set: set, mender: mend.New(set), of: map[fact.SubjectKey][]*api.Finding{}, fails: map[fact.SubjectKey]bool{}}
	for i := range findings {
		f := &findings[i]
		if f.Verdict != api.Fail && f.Verdict != api.Accepted { // what is accepted stays as it is
			continue
		}
		key := ownerOf(f.Subject)
		p.of[key] = append(p.of[key], f)
		p.fails[key] = p.fails[key] || f.Verdict == api.Fail
	}
	return p
}

// ownerOf identifies the owner that a finding is about.
func ownerOf(s fact.Subject) fact.SubjectKey {
	s.Container, s.Node = "", ""
	return s.Identity()
}

// Plans returns the plan of each object that has a failing finding, in the order of the facts.
func (p *Planner) Plans() []Plan {
	// An object on a cluster is one by its uid; kinds of different groups can have one name. Of
	// files, each document is an object: two can declare the same one.
	type templateKey struct {
		owner                           fact.SubjectKey
		apiVersion, name, uid, template string
		document                        int
	}
	var order []templateKey
	groups, documents := map[templateKey][]*fact.Workload{}, map[templateKey]int{}
	for i := range p.set.Workloads {
		w := &p.set.Workloads[i]
		key := templateKey{owner: ownerOf(w.Owner)}
		if !p.fails[key.owner] {
			continue
		}
		if o := w.Object; o != nil {
			key.apiVersion, key.name, key.uid, key.template = o.APIVersion, o.Kind+"/"+o.Name, o.UID, o.Template
			if o.UID == "" && len(w.Pods) == 0 {
				same := key
				key.document = documents[same]
				documents[same]++
			}
		}
		if groups[key] == nil {
			order = append(order, key)
		}
		groups[key] = append(groups[key], w)
	}
	alike := p.alike()
	out := make([]Plan, 0, len(order))
	for _, key := range order {
		w := representative(groups[key])
		findings := make([]api.Finding, 0, len(p.of[key.owner]))
		for _, f := range p.of[key.owner] {
			findings = append(findings, *f)
		}
		plan := p.plan(w, findings)
		plan.document = key.document
		plan.namesake = len(alike[plan.names()]) > 1
		out = append(out, plan)
	}
	return out
}

// names are what a target of kustomize without a namespace selects by.
type names struct{ apiVersion, kind, name string }

func (p *Plan) names() names { return names{p.APIVersion, p.Kind, p.Name} }

// alike are the namespaces of all objects of one type and name, also of those without a finding.
func (p *Planner) alike() map[names]map[string]bool {
	out := map[names]map[string]bool{}
	for i := range p.set.Workloads {
		w := &p.set.Workloads[i]
		if w.Object == nil {
			continue
		}
		key := names{w.Object.APIVersion, cmp.Or(w.Object.Kind, w.Owner.Kind), cmp.Or(w.Object.Name, w.Owner.Name)}
		if out[key] == nil {
			out[key] = map[string]bool{}
		}
		out[key][w.Owner.Namespace] = true
	}
	return out
}

// representative is the workload whose spec is nearest to the template's: that of a rollout has
// several, and patches are about the template.
func representative(list []*fact.Workload) *fact.Workload {
	return slices.MinFunc(list, func(a, b *fact.Workload) int { return cmp.Compare(len(a.Differs), len(b.Differs)) })
}

func (p *Planner) plan(w *fact.Workload, findings []api.Finding) Plan {
	out := Plan{Owner: w.Owner, Object: w.Object, Kind: w.Owner.Kind, Name: w.Owner.Name}
	if o := w.Object; o != nil {
		out.APIVersion = o.APIVersion
		out.Kind, out.Name = cmp.Or(o.Kind, out.Kind), cmp.Or(o.Name, out.Name)
	}
	p.mender.SomePods(p.Whole != nil && !p.Whole(&w.Owner))
	mends, notes := p.mender.For(w, findings)
	for _, n := range notes {
		out.text([]string{n.Check}, n.Container, n.Text)
	}
	out.Way, out.Why = way(w, &out)
	if w.Object != nil {
		out.Reach = reach(w.Object, out.Kind)
	}
	if w.Object == nil || !out.valid() {
		for i := range mends {
			out.leave(&mends[i], "")
		}
		return out
	}
	all, left := operations(w.Object, mends)
	if !printable(all) {
		out.Way, out.Why = ByHand, "It holds a name with characters that are not printable, so that no patch is made."
		for i := range mends {
			out.leave(&mends[i], "")
		}
		return out
	}
	for i := range left {
		out.leave(&left[i].Mend, left[i].why)
	}
	out.Mends = slices.DeleteFunc(slices.Clone(mends), func(m mend.Mend) bool {
		return slices.ContainsFunc(left, func(u undone) bool { return same(&u.Mend, &m) })
	})
	out.All = out.patch(all, out.Mends)
	out.safe = mend.Safe(w, out.Mends)
	safe, _ := operations(w.Object, out.safe)
	out.Safe = out.patch(safe, out.safe)
	return out
}

// printable reports whether operations hold only text that a terminal shows as it is. Names in a
// file may hold anything.
func printable(operations []api.PatchOperation) bool {
	for i := range operations {
		text := operations[i].Path + string(operations[i].Value)
		if !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) || strings.Contains(text, `\u`) {
			return false
		}
	}
	return true
}

// same reports whether two mends make the same change.
func same(a, b *mend.Mend) bool {
	return a.Container == b.Container && a.Op == b.Op && a.Path.String() == b.Path.String() && string(encode(a.Value)) == string(encode(b.Value))
}

// leave makes a text of a mend that is in no patch.
func (p *Plan) leave(m *mend.Mend, why string) {
	text := Sentence(m)
	if why != "" {
		text += " No patch does it: " + why + "."
	}
	p.text(m.Checks, m.Container, text)
}

// text adds a text. The same text for several checks is one.
func (p *Plan) text(checks []string, container, text string) {
	for i := range p.Texts {
		t := &p.Texts[i]
		if t.Container == container && t.Text == text {
			t.Checks = append(t.Checks, checks...)
			slices.Sort(t.Checks)
			t.Checks = slices.Compact(t.Checks)
			return
		}
	}
	p.Texts = append(p.Texts, Text{slices.Clone(checks), container, text})
}

// Sentence says what a mend changes: "Set securityContext.privileged to false."
func Sentence(m *mend.Mend) string {
	switch m.Op {
	case mend.Remove:
		return "Remove " + m.Path.String() + "."
	case mend.Append:
		return "Add " + string(encode(m.Value)) + " to " + m.Path.String() + "."
	}
	return "Set " + m.Path.String() + " to " + string(encode(m.Value)) + "."
}

// patch is the patch of the object; nil without operations.
func (p *Plan) patch(operations []api.PatchOperation, mends []mend.Mend) *api.Patch {
	if len(operations) == 0 || len(mends) == 0 {
		return nil
	}
	out := &api.Patch{Target: p.Target(), Namespace: p.Owner.Namespace, Type: "json", Operations: operations, Safe: true}
	var safe, breaks []string
	for i := range mends {
		m := &mends[i]
		if m.Safe {
			safe = append(safe, m.Because)
			continue
		}
		out.Safe = false
		breaks = append(breaks, m.Breaks)
	}
	if out.Safe {
		out.Because = sentences(safe)
	} else {
		out.Because = sentences(breaks)
	}
	if p.Way == Upstream {
		out.Upstream = p.Managers()
	}
	return out
}

// sentences joins different sentences, in order.
func sentences(list []string) string {
	var out []string
	for _, s := range list {
		if s != "" && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return strings.Join(out, " ")
}

// valid reports whether the object's names are such as the API server gives and takes. Facts of a
// file may hold anything, and the names become a part of a script.
func (p *Plan) valid() bool {
	group, version, grouped := strings.Cut(p.APIVersion, "/")
	if !grouped {
		group, version = "", p.APIVersion
	}
	kind := strings.ToLower(p.Kind)
	return plain(p.Kind) && plain(version) && version != "" && len(validation.IsDNS1035Label(kind)) == 0 &&
		(group == "" || len(validation.IsDNS1123Subdomain(group)) == 0) &&
		(p.Object.Resource == "" || len(validation.IsDNS1123Label(p.Object.Resource)) == 0) &&
		len(validation.IsDNS1123Subdomain(p.Name)) == 0 && credential.KeptName(p.Name) == p.Name &&
		(p.Owner.Namespace == "" || len(validation.IsDNS1123Label(p.Owner.Namespace)) == 0)
}

// immutable are the kinds whose pods' spec the API server does not let anybody change.
var immutable = map[string]string{
	fact.SubjectPod: "The API server does not change these fields of a pod.",
	fact.SubjectJob: "The API server does not change the template of a job.",
}

// way says how the object has to be changed, and why.
func way(w *fact.Workload, p *Plan) (Way, string) {
	o := w.Object
	switch {
	case p.Kind == fact.SubjectPod && len(w.Pods) > 0 && w.Pods[0].ConfigHash != "":
		return ByHand, fmt.Sprintf("It is a static pod: the kubelet of node %s makes it from a file in its staticPodPath (with kubeadm /etc/kubernetes/manifests). Change that file on the node; the API server cannot.", w.Pods[0].Node)
	case immutable[p.Kind] != "" && (len(w.Pods) > 0 || o != nil && o.UID != ""):
		return ByHand, immutable[p.Kind] + " Change its manifest, delete it and create it again."
	case o == nil && len(w.Pods) == 0:
		return ByHand, "It is in another object. Change it there."
	case o == nil:
		return ByHand, fmt.Sprintf("The %s was not read, or does not say which pods it makes.", p.Kind)
	case o.Template == "":
		return ByHand, "It is not known which field of the object is the spec of its pods, or it has too many fields."
	case !p.valid():
		return ByHand, "It has a name that no object on a cluster can have."
	case len(o.Managers) > 0:
		return Upstream, upstream(o.Managers)
	case o.UID == "":
		return Source, "It was read from a file. Change that file, or add the component to its kustomization."
	}
	return Apply, ""
}

// Managers names who manages the object: "Helm release shop/web; Argo CD application shop".
func (p *Plan) Managers() string {
	if p.Object == nil {
		return ""
	}
	var names []string
	for _, m := range p.Object.Managers {
		names = append(names, Manager(m))
	}
	return strings.Join(names, "; ")
}

// managers are the words for what manages an object, and where it is to be changed.
var managers = map[string]struct{ noun, where string }{
	fact.ByHelm:         {"Helm release", "Change the chart or its values, and upgrade the release."},
	fact.ByArgoCD:       {"Argo CD application", "Change the repository that the application is made from."},
	fact.ByFlux:         {"Flux", "Change the repository or the release that Flux applies."},
	fact.ByOLM:          {"Operator Lifecycle Manager", "Change the operator's subscription (spec.config), or ask who makes the operator."},
	fact.ByAddonManager: {"add-on manager", "Change the add-on's file on the control plane, or ask the provider."},
	fact.ByFieldManager: {"field manager", "Change it with the program that wrote it."},
	fact.ByOwner:        {"owner", "Change the object that owns it, whose controller makes it."},
}

// Manager names one manager: "Helm release shop/web (metadata.labels[...])".
func Manager(m fact.Manager) string {
	text := managers[m.By].noun
	if text == "" {
		text = "manager"
	}
	if m.Name != "" {
		text += " " + m.Name
	}
	return text + " (" + m.Field + ")"
}

// upstream says where to change what somebody manages. The first manager is the nearest to who
// keeps it.
func upstream(list []fact.Manager) string {
	var names, where []string
	for _, m := range list {
		names = append(names, Manager(m))
		if w := managers[m.By].where; !slices.Contains(where, w) {
			where = append(where, w)
		}
	}
	return "It is managed by " + strings.Join(names, ", ") + ", which may undo a change on the cluster. " + strings.Join(where, " ")
}

// reach says why a change of the template does not reach all pods by itself.
func reach(o *fact.Object, kind string) string {
	switch {
	case o.UpdateStrategy == fact.StrategyOnDelete:
		return "Its update strategy is OnDelete: a pod changes only when somebody deletes it."
	case o.UpdateStrategy == fact.StrategyPaused:
		return "It is paused: no pod changes until it is resumed (kubectl rollout resume)."
	case strings.Contains(o.UpdateStrategy, " from "):
		return "Its update strategy is " + o.UpdateStrategy + ": pods with a smaller number do not change."
	case kind == fact.SubjectReplicaSet || kind == fact.SubjectReplicationController:
		return "A " + kind + " does not change the pods that it has made. Delete them, and it makes new ones."
	case kind == fact.SubjectCronJob:
		return "Jobs that run now do not change; the next one has the new template."
	case kind == "PodTemplate":
		return "Pods that were made from it do not change."
	}
	return ""
}

// ByFinding are the patches of findings.
type ByFinding map[fact.SubjectKey][]*Plan

// Patches makes the patches of plans available by finding.
func Patches(plans []Plan) ByFinding {
	out := ByFinding{}
	for i := range plans {
		key := ownerOf(plans[i].Owner)
		out[key] = append(out[key], &plans[i])
	}
	return out
}

// For returns the patch that answers a finding: the safe one of its owner if that is enough, else
// the one with all changes; nil if neither changes anything for it. A patch has all changes of the
// owner, because some are refused without others.
func (b ByFinding) For(f *api.Finding) *api.Patch {
	for _, p := range b[ownerOf(f.Subject)] {
		answers := func(m mend.Mend) bool {
			return slices.Contains(m.Checks, f.Check) && (m.Container == f.Subject.Container || f.Subject.Container == "" || m.Container == "")
		}
		switch {
		case !slices.ContainsFunc(p.Mends, answers):
		case slices.ContainsFunc(p.safe, answers) && p.Safe != nil && !slices.ContainsFunc(p.Mends, func(m mend.Mend) bool { return answers(m) && !m.Safe }):
			return p.Safe
		default:
			return p.All
		}
	}
	return nil
}

// Runbooks are the commands for nodes with failing findings, sorted by node, and those for the
// cluster's storage and Secrets, first.
func (p *Planner) Runbooks() []mend.Runbook {
	var all []api.Finding
	for _, list := range p.of {
		for _, f := range list {
			all = append(all, *f)
		}
	}
	slices.SortStableFunc(all, func(a, b api.Finding) int {
		return cmp.Or(cmp.Compare(a.Check, b.Check), a.Subject.Compare(&b.Subject))
	})
	var out []mend.Runbook
	if book, some := p.mender.Cluster(all); some {
		out = append(out, book)
	}
	for i := range p.set.Nodes {
		if book, some := p.mender.Node(p.set.Nodes[i].Name, all); some {
			out = append(out, book)
		}
	}
	return out
}

// Namespaces are the labels for Pod Security admission that the workloads as they are now reach,
// if the run saw all of them.
func (p *Planner) Namespaces() []mend.Labels {
	if p.set.PodScope != fact.PodsAll {
		return nil
	}
	levels := p.mender.Levels()
	for i := range p.set.Workloads {
		levels.Add(&p.set.Workloads[i])
	}
	return levels.Labels()
}

// Platform are the namespaces that a policy for workloads leaves out.
func (p *Planner) Platform() []string { return p.mender.Platform() }

// Unenforced reports whether in some namespace nothing refuses a pod with a writable root.
func (p *Planner) Unenforced() bool {
	for _, list := range p.of {
		for _, f := range list {
			if f.Check == "drift/enforcement" && f.Verdict == api.Fail {
				return true
			}
		}
	}
	return false
}
