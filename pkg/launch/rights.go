package launch

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/enforcer"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/imagescan"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/secretstore"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/workloadkind"
)

// A right is one verb on one resource.
type right struct {
	where where
	group string
	// resource is the name in RBAC: "pods/log". With a leading slash it is a path of
	// the server, which has no group and no namespace.
	resource, verb string
	// named means only the object with the name of the probe's namespace.
	named bool
	// try means that only dry runs of pods use it, which store nothing.
	try bool
	// when are the runs that use the right. must are the runs that Preflight stops if
	// it is missing. Other runs work without it, and know less or remove less.
	when, must when
	without    string // what happens without it, for docs/rights.md
}

// where is the scope of a right.
type where int

const (
	everywhere   where = iota // the whole cluster
	inNamespace               // the probe's namespace
	inKubeSystem              // namespace kube-system
)

// when is a set of kinds of runs.
type when int

const (
	reads  when = 1 << iota // every run
	probes                  // runs that put a probe on nodes
	embeds                  // those of them that use the embedded probe
	makes                   // those of them whose namespace runs create and remove
)

// when returns the kind of run for the options. creates means that the namespace does
// not exist, so that the run creates it.
func (o *Options) when(creates bool) when {
	w := reads
	if o.Level == fact.LevelAPI && !o.Net {
		return w
	}
	w |= probes
	if o.embedded() {
		w |= embeds
	}
	if creates {
		w |= makes
	}
	return w
}

// rights lists what a run asks of the API, also to read. It is the one table that
// Preflight checks, Grants prints and docs/rights.md explains. Tests record the requests
// of runs and compare them with this table, in both directions: in this package, in
// pkg/cli, and on the real cluster in hack/e2e.
func rights() []right {
	stops := "the probe is not run"
	list := []right{
		{where: everywhere, resource: "/version", verb: "get", when: reads, without: "the version of the API server is unknown"},
		{where: everywhere, resource: "/metrics", verb: "get", when: reads, without: "an encryption configuration that changed after the API server's start stays unknown"},
		{where: everywhere, resource: "nodes", verb: "get", when: reads, must: embeds, without: "nodes cannot be named; the embedded probe is not run"},
		{where: everywhere, resource: "nodes", verb: "list", when: reads, without: "nodes are unknown, and only named nodes are measured"},
		{where: everywhere, resource: "pods", verb: "list", when: reads, without: "pods are unknown, unless the run looks at one namespace only"},
		{where: everywhere, resource: "persistentvolumes", verb: "list", when: reads, without: "host paths behind persistent volume claims are unknown"},
		{where: everywhere, group: "apps", resource: "replicasets", verb: "list", when: reads, without: "some ReplicaSets are reported instead of their Deployments"},
		{where: everywhere, group: "batch", resource: "jobs", verb: "list", when: reads, without: "Jobs are reported instead of their CronJobs"},
		{where: everywhere, group: "apps", resource: "deployments", verb: "list", when: reads, without: noTemplates + "Deployments"},
		{where: everywhere, group: "apps", resource: "statefulsets", verb: "list", when: reads, without: noTemplates + "StatefulSets"},
		{where: everywhere, group: "apps", resource: "daemonsets", verb: "list", when: reads, without: noTemplates + "DaemonSets"},
		{where: everywhere, group: "batch", resource: "cronjobs", verb: "list", when: reads, without: noTemplates + "CronJobs"},
		{where: everywhere, resource: "replicationcontrollers", verb: "list", when: reads, without: noTemplates + "ReplicationControllers"},
		{where: everywhere, resource: "podtemplates", verb: "list", when: reads, without: "PodTemplates are unknown"},
		{where: everywhere, group: "apiextensions.k8s.io", resource: "customresourcedefinitions", verb: "list", when: reads, without: "custom resources that hold pod templates are found by the published schemas"},
		{where: everywhere, resource: "namespaces", verb: "list", when: reads, without: "it is unknown which Pod Security level namespaces enforce, unless the run looks at one namespace only"},
		{where: everywhere, resource: "namespaces", verb: "get", when: reads, without: "it is unknown which cluster a report is of (the UID of kube-system), and which Pod Security level the namespace of the run enforces"},
		{where: everywhere, group: "node.k8s.io", resource: "runtimeclasses", verb: "list", when: reads, without: "sandboxed runtimes are not recognized"},
		{where: everywhere, resource: "secrets", verb: "list", when: reads, without: "the question about secrets is never answered with yes"},
		{where: everywhere, resource: "configmaps", verb: "list", when: reads, without: "credentials in ConfigMaps, and what scripts in them install, are unknown (--no-configmaps does not look for them)"},
		{where: everywhere, resource: "/apis", verb: "get", when: reads, without: "external stores of secrets are unknown"},
		{where: everywhere, resource: "/apis/*", verb: "get", when: reads, without: "external stores of secrets are unknown"},
		{where: everywhere, resource: "/openapi/v3/*", verb: "get", when: reads, without: "it is unknown whether objects of aggregated API servers run pods"},
		{where: everywhere, group: "storage.k8s.io", resource: "csidrivers", verb: "list", when: reads, without: "it is unknown which external stores of secrets are installed"},
		{where: everywhere, group: "admissionregistration.k8s.io", resource: "mutatingwebhookconfigurations", verb: "list", when: reads, without: "it is unknown which external stores of secrets are installed"},
		{where: everywhere, group: "admissionregistration.k8s.io", resource: "validatingwebhookconfigurations", verb: "list", when: reads, without: "it is unknown which policy engines the API server asks"},
		{where: everywhere, group: "admissionregistration.k8s.io", resource: "validatingadmissionpolicies", verb: "list", when: reads, without: "it is unknown what policies of the API server refuse"},
		{where: everywhere, group: "admissionregistration.k8s.io", resource: "validatingadmissionpolicybindings", verb: "list", when: reads, without: "it is unknown what policies of the API server refuse"},
		{where: everywhere, group: "admissionregistration.k8s.io", resource: "mutatingadmissionpolicies", verb: "list", when: reads, without: "it is unknown which policies of the API server change pods"},
		{where: everywhere, group: "security.istio.io", resource: "peerauthentications", verb: "list", when: reads, without: "it is unknown whether Istio encrypts all traffic between pods"},
		{where: inKubeSystem, group: "coordination.k8s.io", resource: "leases", verb: "list", when: reads, without: "the number of API servers is unknown"},
		{where: everywhere, group: "authentication.k8s.io", resource: "selfsubjectreviews", verb: "create", when: reads, without: "the report does not say who ran it"},

		{where: everywhere, group: "authorization.k8s.io", resource: "selfsubjectaccessreviews", verb: "create", when: probes, without: "a missing right is noticed later"},
		{where: everywhere, resource: "pods", verb: "create", try: true, when: probes, without: "whether the API server refuses pods with a writable root is unknown; only dry runs use it, which store nothing"},
		{where: everywhere, resource: "namespaces", verb: "get", named: true, when: probes, without: "the probe's namespace has to exist"},
		{where: everywhere, resource: "namespaces", verb: "create", when: makes, must: makes, without: "the probe's namespace has to exist"},
		{where: everywhere, resource: "namespaces", verb: "patch", named: true, when: makes, without: "two runs at once may leave an empty namespace"},
		{where: everywhere, resource: "namespaces", verb: "delete", named: true, when: makes, must: makes, without: "the probe's namespace has to exist"},
		{where: inNamespace, group: "batch", resource: "jobs", verb: "create", when: probes, must: probes, without: stops},
		{where: inNamespace, group: "batch", resource: "jobs", verb: "list", when: probes, without: "a job whose creation was not confirmed stays for some minutes, and a namespace that a run created stays"},
		{where: inNamespace, group: "batch", resource: "jobs", verb: "patch", when: probes, without: "the objects of a long run stay longer after a crash"},
		{where: inNamespace, group: "batch", resource: "jobs", verb: "delete", when: probes, must: probes, without: stops},
		{where: inNamespace, resource: "configmaps", verb: "create", when: embeds, must: embeds, without: "the embedded probe is not run"},
		{where: inNamespace, resource: "configmaps", verb: "list", when: probes, must: embeds, without: "the embedded probe is not run; the objects of another run stay some minutes after a crash"},
		{where: inNamespace, resource: "configmaps", verb: "delete", when: embeds, must: embeds, without: "the embedded probe is not run"},
		{where: inNamespace, resource: "pods", verb: "create", when: probes, must: probes, without: stops},
		{where: inNamespace, resource: "pods", verb: "get", when: probes, must: probes, without: stops},
		{where: inNamespace, resource: "pods", verb: "list", when: probes, must: probes, without: stops},
		{where: inNamespace, resource: "pods", verb: "watch", when: probes, must: probes, without: stops},
		{where: inNamespace, resource: "pods", verb: "delete", when: probes, must: probes, without: stops},
		{where: inNamespace, resource: "pods/log", verb: "get", when: probes, must: probes, without: stops},
		{where: inNamespace, resource: "events", verb: "list", when: probes, without: "the reason why a pod does not start is unknown"},
		{where: inNamespace, resource: "services", verb: "list", when: makes, without: "a service of someone else does not stop the removal of the namespace"},
		{where: inNamespace, resource: "persistentvolumeclaims", verb: "list", when: makes, without: "a claim of someone else does not stop the removal of the namespace"},
		{where: inNamespace, resource: "secrets", verb: "list", when: makes, without: "a Secret of someone else does not stop the removal of the namespace"},
	}
	for _, s := range secretstore.All() {
		for _, r := range s.Resources {
			list = append(list, right{
				where: everywhere, group: r.Group, resource: r.Resource, verb: "list", when: reads, without: "where it is served, it is unknown how " + s.Title + " is used",
			})
		}
	}
	for _, r := range workloadkind.Resources() {
		list = append(list, right{where: everywhere, group: r.Group, resource: r.Resource, verb: "list", when: reads, without: "where it is served, objects of it without pods are unknown"})
	}
	for _, r := range imagescan.Reports() {
		list = append(list, right{where: everywhere, group: r.Group, resource: r.Resource, verb: "list", when: reads, without: "where it is served, scans of images are unknown"})
	}
	for _, r := range imagescan.Policies() {
		list = append(list, right{where: everywhere, group: r.Group, resource: r.Resource, verb: "list", when: reads, without: "where it is served, policies about images are unknown"})
	}
	for _, t := range enforcer.Tools() {
		for _, r := range t.Policies {
			known := slices.ContainsFunc(list, func(of right) bool { return of.group == r.Group && of.resource == r.Resource })
			if r.Reads() && !known {
				list = append(list, right{where: everywhere, group: r.Group, resource: r.Resource, verb: "list", when: reads, without: "where it is served, it is unknown what " + t.Name + " claims to block"})
			}
		}
	}
	return list
}

// noTemplates is what is unknown without the right to list a kind.
const noTemplates = "workloads without pods, and what changed the pods of others, are unknown for "

func (r *right) String() string {
	resource := r.resource
	if r.group != "" {
		resource += "." + r.group
	}
	return r.verb + " " + resource
}

// A Document is one object as the command manifests prints it.
type Document struct {
	// Comment is what a reader must know about the object, in lines. It may be "".
	Comment string
	Object  runtime.Object
}

// Names of the roles that Grants returns.
const (
	roleRead    = "kubectl-checklist-read"
	roleSecrets = "kubectl-checklist-secret-names"
	roleProbe   = "kubectl-checklist-probe"
	roleDryRuns = "kubectl-checklist-dry-runs"
)

// Grants returns what an administrator applies before somebody runs the plugin with
// these options: the probe's namespace, and roles with exactly the rights that such a run
// uses. Each role is bound to the subjects, if there are any. At level api the rights are
// only those to read.
//
// creates is for runs that create and remove the namespace. Their rights in it must apply
// before it exists, so they are granted in every namespace.
func Grants(opts Options, to []rbacv1.Subject, creates bool) ([]Document, error) {
	opts, err := opts.complete()
	if err != nil {
		return nil, err
	}
	state := opts.when(creates)
	var docs []Document
	role := func(comment, name, namespace string, of func(*right) bool) {
		var rules []rbacv1.PolicyRule
		for _, r := range rights() {
			if r.when&state != 0 && of(&r) {
				rules = opts.addRule(rules, &r)
			}
		}
		docs = append(docs, Document{comment, roleOf(name, namespace, joined(rules))})
		if len(to) > 0 {
			docs = append(docs, Document{"", bindingOf(name, namespace, to)})
		}
	}
	if state&probes != 0 && !creates {
		docs = append(docs, Document{"Runs use this namespace and do not remove it. It admits pods with hostPID and hostNetwork.", opts.ownedNamespace()})
	}
	role("Rights to read, for every run. Without one of them, something in the report is unknown.\n"+
		"A SelfSubjectReview asks for the name of its user. The API server stores nothing for it.", roleRead, "",
		func(r *right) bool { return r.where == everywhere && r.when&reads != 0 && r.resource != "secrets" })
	role("The names of Secrets. RBAC cannot grant names alone: this right lets its holder read the values\n"+
		"of all Secrets. The plugin asks for metadata only. Without this role the question about secrets\n"+
		"is never answered with yes.", roleSecrets, "",
		func(r *right) bool { return r.where == everywhere && r.resource == "secrets" })
	role("Shows how many API servers exist, by their leases.", roleRead, metav1.NamespaceSystem,
		func(r *right) bool { return r.where == inKubeSystem })
	if state&probes == 0 {
		return docs, nil
	}
	role("Dry runs of pods, which ask the API server whether it refuses those with a writable root. A dry\n"+
		"run stores nothing, but RBAC cannot grant dry runs alone: anyone with this right can run pods in\n"+
		"every namespace, with its service accounts and its Secrets. Without this role the check\n"+
		"drift/enforcement is unknown. A RoleBinding to it in some namespaces answers it for these.", roleDryRuns, "",
		func(r *right) bool { return r.try })
	const power = "Anyone with these rights can run any pod there, and so become root on every node. Grant them\n" +
		"only to people who may administer the nodes."
	if creates {
		role("The probe, if runs create and remove the namespace. Rights in a namespace that does not exist\n"+
			"yet have to apply to all namespaces.\n"+power, roleProbe, "",
			func(r *right) bool { return r.when&reads == 0 && !r.try })
		return docs, nil
	}
	role("The probe: what it needs outside its namespace.", roleProbe, "",
		func(r *right) bool { return r.where == everywhere && r.when&reads == 0 && !r.try })
	role("The probe: what it needs in its namespace.\n"+power, roleProbe, opts.Namespace,
		func(r *right) bool { return r.where == inNamespace })
	return docs, nil
}

// addRule adds a right to rules. It extends the last rule if that is about the same
// resources.
func (o *Options) addRule(rules []rbacv1.PolicyRule, r *right) []rbacv1.PolicyRule {
	if strings.HasPrefix(r.resource, "/") {
		return append(rules, rbacv1.PolicyRule{NonResourceURLs: []string{r.resource}, Verbs: []string{r.verb}})
	}
	rule := rbacv1.PolicyRule{APIGroups: []string{r.group}, Resources: []string{r.resource}, Verbs: []string{r.verb}}
	if r.named {
		rule.ResourceNames = []string{o.Namespace}
	}
	for i := range rules {
		same := slices.Equal(rules[i].APIGroups, rule.APIGroups) && slices.Equal(rules[i].Resources, rule.Resources) &&
			slices.Equal(rules[i].ResourceNames, rule.ResourceNames)
		if same {
			rules[i].Verbs = append(rules[i].Verbs, r.verb)
			return rules
		}
	}
	return append(rules, rule)
}

// joined joins the rules about one group that have equal verbs, where the first of them is.
func joined(rules []rbacv1.PolicyRule) []rbacv1.PolicyRule {
	var out []rbacv1.PolicyRule
	for _, rule := range rules {
		i := slices.IndexFunc(out, func(o rbacv1.PolicyRule) bool {
			return len(o.NonResourceURLs)+len(rule.NonResourceURLs)+len(o.ResourceNames)+len(rule.ResourceNames) == 0 &&
				slices.Equal(o.APIGroups, rule.APIGroups) && slices.Equal(o.Verbs, rule.Verbs)
		})
		if i < 0 {
			out = append(out, rule)
			continue
		}
		out[i].Resources = append(out[i].Resources, rule.Resources...)
	}
	return out
}

func grantMeta(name, namespace string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: name, Namespace: namespace, Labels: map[string]string{LabelName: ManagedBy}}
}

// roleOf returns a Role, or a ClusterRole if namespace is "".
func roleOf(name, namespace string, rules []rbacv1.PolicyRule) runtime.Object {
	kind := metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "Role"}
	if namespace != "" {
		return &rbacv1.Role{TypeMeta: kind, ObjectMeta: grantMeta(name, namespace), Rules: rules}
	}
	kind.Kind = "ClusterRole"
	return &rbacv1.ClusterRole{TypeMeta: kind, ObjectMeta: grantMeta(name, ""), Rules: rules}
}

// bindingOf returns the binding of what roleOf returns.
func bindingOf(name, namespace string, to []rbacv1.Subject) runtime.Object {
	kind := metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "RoleBinding"}
	role := rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name}
	if namespace != "" {
		return &rbacv1.RoleBinding{TypeMeta: kind, ObjectMeta: grantMeta(name, namespace), Subjects: to, RoleRef: role}
	}
	kind.Kind, role.Kind = "ClusterRoleBinding", "ClusterRole"
	return &rbacv1.ClusterRoleBinding{TypeMeta: kind, ObjectMeta: grantMeta(name, ""), Subjects: to, RoleRef: role}
}

// ownedNamespace returns the namespace as an administrator applies it. The administrator
// owns it, and no run may delete it. So it does not have the marks of a namespace that a
// run created.
func (o *Options) ownedNamespace() *corev1.Namespace {
	namespace := o.namespace()
	delete(namespace.Annotations, AnnotationCreatedBy)
	delete(namespace.Annotations, AnnotationLastRun)
	return namespace
}
