// Package cluster reads a cluster through its API into facts: paged, as
// protobuf, typed only for what is read. For Secrets it asks only for metadata,
// and keeps only namespace and name. Of the data of ConfigMaps it keeps only which keys
// hold credentials. It never judges.
package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientdiscovery "k8s.io/client-go/discovery"
	appsv1client "k8s.io/client-go/kubernetes/typed/apps/v1"
	batchv1client "k8s.io/client-go/kubernetes/typed/batch/v1"
	coordinationv1client "k8s.io/client-go/kubernetes/typed/coordination/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	nodev1client "k8s.io/client-go/kubernetes/typed/node/v1"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/escape"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/weburl"
)

// Options say what to read.
type Options struct {
	// Config is the connection. It is copied before it is changed.
	Config *rest.Config

	// Pods, Nodes and Secrets say which of them to read; APIServers, whether to
	// count the API servers by their leases, and to ask the one that answers which
	// encryption configuration it has loaded.
	Pods, Nodes, Secrets, APIServers bool
	// LegacyTokens and SecretStores say whether to list Secrets of type
	// service-account-token, and to look for stores and injectors of Secrets.
	LegacyTokens, SecretStores bool
	// ConfigMaps says whether to look for credentials in the data of ConfigMaps.
	ConfigMaps bool
	// NoIDs leaves out what joins pods with the containers on their nodes: UIDs, and ids of
	// containers that run.
	NoIDs bool
	// Templates says whether to read the pod templates of controllers and custom resources,
	// besides pods.
	Templates bool
	// Objects says whether to read how the objects with templates can be changed
	// (fact.Workload.Object).
	Objects bool
	// UID says whether to read the UID of the namespace kube-system. If that fails, it stays "".
	UID bool
	// User says whether to ask the API server whom it takes us for (fact.Cluster.User). DryRuns
	// implies it.
	User bool
	// Namespaces says whether to read the namespaces' labels of Pod Security admission.
	Namespaces bool
	// ImageReports says whether to read reports of image scanners, and policies about images.
	ImageReports bool
	// DryRuns says whether to ask, in dry runs, for pods with and without a writable root in
	// each namespace that has workloads.
	DryRuns bool
	// Confirm is called once, after the lists were read and before the first dry run. False
	// leaves dry runs out, and an error ends the run. It may not change known, and its workloads
	// may lack the scripts that they run. nil is true.
	Confirm func(ctx context.Context, known *Result) (bool, error)
	// Policies says whether to read ValidatingAdmissionPolicies, and to predict what they say of
	// these pods. NoConfigMaps leaves out parameters of policies that are ConfigMaps.
	Policies, NoConfigMaps bool
	// Engines says whether to look for policy engines and runtime agents.
	Engines bool
	// Named are objects whose pods Result.NamedPods lists.
	Named []fact.Subject

	// Scripts says whether to read the scripts of ConfigMaps that containers run.
	Scripts bool

	// Namespace narrows pods, secrets and resources of stores; "" is all of them. Selector and
	// FieldSelector narrow pods.
	Namespace     string
	Selector      string
	FieldSelector string

	// NodeNames and NodeSelector narrow nodes, and pods to those that run on
	// the nodes found. With NodeNames, a name that does not exist is an error.
	NodeNames    []string
	NodeSelector string

	// Stream is for very many pods. If there are more than a thousand workloads, it is called
	// once, when the first thousand and all but pods and templates were read. The function that
	// it returns gets all workloads, those of a namespace together, and Result.Workloads has
	// none; with nil, all stay there. It is only used if all pods are listed, and no nodes and
	// no ids are. If the server's lists are in no order, all is read again and kept:
	// Result.Streamed is false then.
	Stream func(known *Result) func([]fact.Workload)
	// streamAfter is how many workloads are kept before; 0 means 1,000.
	streamAfter int
	// maxTemplates and maxCompared replace the constants of these names if they are not 0.
	maxTemplates, maxCompared int

	// PageSize is the number of objects in one answer; 0 means 500.
	PageSize int64
}

// Result is what was read.
type Result struct {
	Cluster       fact.Cluster
	Nodes         []fact.Node
	NodeObjects   []corev1.Node // as listed, images included, sorted by name
	Workloads     []fact.Workload
	PodScope      fact.PodScope
	Secrets       []fact.SecretName
	SecretsListed bool
	LegacyTokens  []fact.ServiceAccountToken
	TokensListed  bool
	SecretStores  []fact.SecretStore
	StoresRead    bool
	Meshes        []fact.MeshState
	ConfigMaps    *fact.ConfigMapScan // nil if none was read
	Gaps          []fact.Gap

	ImageScan      *fact.ImageScan   // nil if nobody looked
	Enforcement    *fact.Enforcement // nil if nobody looked
	Namespaces     []fact.Namespace
	NamespacesRead bool
	// TemplatesRead is true if templates were looked for; gaps say which were not read.
	// Templates counts the objects with one.
	TemplatesRead bool
	Templates     int
	// Streamed says that all workloads were passed on. Pods and Owners count them.
	Streamed     bool
	Pods, Owners int
	// NamedPods are the names of the listed pods of each object in Options.Named that has
	// some, by its kind, namespace and name.
	NamedPods map[fact.SubjectKey]map[string]bool

	// Relist lists the same pods once more, and nothing else, for a caller that has
	// met a container of none of them; nil if no pods were listed.
	Relist func(ctx context.Context) ([]fact.Workload, error)
}

// clients are the API groups that are read, over one connection pool.
type clients struct {
	core     corev1client.CoreV1Interface
	node     nodev1client.NodeV1Interface
	apps     appsv1client.AppsV1Interface
	batch    batchv1client.BatchV1Interface
	metadata metadata.Interface
	version  clientdiscovery.ServerVersionInterfaceWithContext
	leases   coordinationv1client.LeasesGetter

	discovery discovery
}

func newClients(config *rest.Config) (*clients, error) {
	typed := rest.CopyConfig(config)
	typed.ContentType = runtime.ContentTypeProtobuf
	typed.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	httpClient, err := rest.HTTPClientFor(typed)
	if err != nil {
		return nil, err
	}
	var c clients
	if c.core, err = corev1client.NewForConfigAndClient(typed, httpClient); err != nil {
		return nil, err
	}
	if c.node, err = nodev1client.NewForConfigAndClient(typed, httpClient); err != nil {
		return nil, err
	}
	if c.apps, err = appsv1client.NewForConfigAndClient(typed, httpClient); err != nil {
		return nil, err
	}
	if c.batch, err = batchv1client.NewForConfigAndClient(typed, httpClient); err != nil {
		return nil, err
	}
	if c.leases, err = coordinationv1client.NewForConfigAndClient(typed, httpClient); err != nil {
		return nil, err
	}
	onlyMetadata := *httpClient
	onlyMetadata.Transport = metadataOnly{cmp.Or(httpClient.Transport, http.DefaultTransport)}
	if c.metadata, err = metadata.NewForConfigAndClient(metadata.ConfigFor(config), &onlyMetadata); err != nil {
		return nil, err
	}
	if c.version, err = clientdiscovery.NewDiscoveryClientForConfigAndClient(config, httpClient); err != nil {
		return nil, err
	}
	return &c, nil
}

// Collect reads the cluster. It fails where the server cannot be reached, does
// not know us, or answers nothing that was asked. What it refuses for lack of
// rights is a gap, and so is a list at which it fails while it answers others.
func Collect(ctx context.Context, opts Options) (*Result, error) {
	if !opts.Pods || !opts.NoIDs || opts.Nodes || opts.DryRuns || opts.Confirm != nil || opts.Policies || opts.Engines || opts.Namespace != "" || len(opts.NodeNames) > 0 || opts.NodeSelector != "" || len(opts.Named) > 0 {
		opts.Stream = nil
	}
	result, err := collectOnce(ctx, opts)
	if errors.Is(err, errOrder) {
		opts.Stream = nil
		return collectOnce(ctx, opts)
	}
	return result, err
}

func collectOnce(ctx context.Context, opts Options) (*Result, error) {
	c, err := newClients(opts.Config)
	if err != nil {
		return nil, err
	}
	if opts.PageSize == 0 {
		opts.PageSize = 500
	}
	result := &Result{Cluster: fact.Cluster{Server: weburl.Clean(opts.Config.Host)}}
	if result.Cluster.Version, err = c.serverVersion(ctx); err != nil {
		return nil, err
	}

	pods := podLister{clients: c, opts: opts}
	var engines fact.Enforcement
	lists := []*list{
		{what: fact.Nodes, asked: opts.Nodes, run: func() (gaps []fact.Gap, err error) {
			result.NodeObjects, gaps, err = c.nodes(ctx, opts)
			return gaps, err
		}},
		{what: fact.Pods, asked: opts.Pods, run: func() ([]fact.Gap, error) { return pods.collect(ctx) }},
		{what: fact.Secrets, asked: opts.Secrets, run: func() (gaps []fact.Gap, err error) {
			result.Secrets, result.SecretsListed, gaps, err = c.secrets(ctx, opts)
			return gaps, err
		}},
		{what: fact.LegacyTokens, asked: opts.LegacyTokens, run: func() (gaps []fact.Gap, err error) {
			result.LegacyTokens, result.TokensListed, gaps, err = c.tokens(ctx, opts)
			return gaps, err
		}},
		{what: fact.SecretStores, asked: opts.SecretStores, run: func() (gaps []fact.Gap, err error) {
			result.SecretStores, result.Meshes, result.StoresRead, gaps, err = c.stores(ctx, opts)
			return gaps, err
		}},
		{what: fact.ConfigMaps, asked: opts.ConfigMaps, run: func() (gaps []fact.Gap, err error) {
			result.ConfigMaps, gaps, err = c.configMaps(ctx, opts, maxConfigMapBytes)
			return gaps, err
		}},
		{what: fact.ImageReports, asked: opts.ImageReports, run: func() (gaps []fact.Gap, err error) {
			result.ImageScan, gaps, err = c.imageReports(ctx, opts)
			return gaps, err
		}},
		{what: fact.Namespaces, asked: opts.Namespaces, run: func() (gaps []fact.Gap, err error) {
			result.Namespaces, result.NamespacesRead, gaps, err = c.namespaces(ctx, opts)
			return gaps, err
		}},
		{what: fact.Enforcing, asked: opts.Engines, run: func() (gaps []fact.Gap, err error) {
			engines.Engines, engines.EnginesRead, gaps, err = c.engines(ctx, opts)
			return gaps, err
		}},
	}
	// Only a few lists run at once: there are few priority and fairness seats,
	// and each list may use several.
	var wg sync.WaitGroup
	later := -1 // the list that is read after the others
	if opts.Stream != nil {
		later = slices.IndexFunc(lists, func(l *list) bool { return l.what == fact.Pods })
		pods.by = &byNamespace{podLister: &pods, scripts: newScriptReader(c, opts)}
		pods.by.start = func() func([]fact.Workload) {
			known := *result
			known.PodScope, known.TemplatesRead = pods.scope(), pods.templates != nil
			for _, l := range lists {
				if l.err != nil {
					return nil
				}
				known.Gaps = append(known.Gaps, l.gaps...)
			}
			if pods.templates != nil {
				known.Gaps = append(known.Gaps, pods.templates.gaps...)
			}
			return opts.Stream(&known)
		}
	}
	for i, l := range lists {
		if l.asked && i != later {
			wg.Go(func() { l.gaps, l.err = l.run() })
		}
	}
	if opts.UID {
		wg.Go(func() { result.Cluster.UID = c.uid(ctx) })
	}
	if opts.User || opts.DryRuns {
		wg.Go(func() { result.Cluster.User = c.user(ctx) })
	}
	if opts.APIServers {
		wg.Go(func() {
			leases := c.serverLeases(ctx)
			result.Cluster.APIServers = countServers(leases)
			result.Cluster.LoadedEncryption = c.loadedEncryption(ctx, leases)
		})
	}
	wg.Wait()
	if later >= 0 {
		if lists[later].gaps, lists[later].err = lists[later].run(); errors.Is(lists[later].err, errOrder) {
			return nil, errOrder
		}
	}
	lists[0].some = len(result.NodeObjects) > 0
	listed := 0
	if opts.Pods {
		if pods.by != nil {
			result.Workloads, listed = pods.by.kept, pods.by.pods
			result.Streamed, result.Pods, result.Owners = pods.by.give != nil, pods.by.pods, pods.by.owners
		} else {
			result.Workloads = pods.workloads()
			listed = len(result.Workloads)
		}
		lists[1].some = listed > 0
		if t := pods.templates; t != nil {
			if pods.by != nil {
				result.Templates = pods.by.templates
			} else {
				result.Workloads = t.join(result.Workloads)
				result.Templates = len(t.list)
			}
			result.TemplatesRead = true
			result.Gaps = append(append(result.Gaps, t.gaps...), t.undeclaredGaps()...)
		}
		if pods.tree != nil {
			result.NamedPods = pods.tree.namedPods()
		}
	}
	// The lists after the first three only add to them: if all of those fail, there is
	// nothing to report about.
	some := listed > 0 || len(result.NodeObjects) > 0 || slices.ContainsFunc(lists[:3], (*list).read)
	var failed []error // in the order of the lists, whichever failed first
	for _, l := range lists {
		if l.err != nil && (l.what == fact.Secrets || l.what == fact.LegacyTokens) {
			l.err = unquoted{l.err}
		}
		switch {
		case l.err == nil:
		case ctx.Err() == nil && (l.some || some && isExpired(l.err)), some && serverFailed(ctx, l.err):
			l.gaps = append(l.gaps, l.failure())
		default:
			failed = append(failed, fmt.Errorf("listing %s: %w", l.what, l.err))
		}
		result.Gaps = append(result.Gaps, l.gaps...)
	}
	if err := errors.Join(failed...); err != nil {
		return nil, err
	}
	nodes, podGaps := lists[0], lists[1].gaps
	for i := range result.NodeObjects {
		result.Nodes = append(result.Nodes, nodeFacts(&result.NodeObjects[i]))
	}
	if nodes.read() && len(opts.NodeNames) == 0 && opts.NodeSelector == "" {
		count := len(result.Nodes)
		result.Cluster.Nodes = &count
	}
	if opts.Pods {
		result.PodScope = pods.scope()
		result.Relist = pods.relist
		switch {
		case len(podGaps) > 0 && listed == 0:
			result.PodScope = fact.PodsNotListed
			result.Relist = nil
		case len(podGaps) > 0:
			result.PodScope = fact.PodsSome // it ended between two pages
		}
		if opts.Nodes && len(nodes.gaps) == 0 && (len(opts.NodeNames) > 0 || opts.NodeSelector != "") {
			result.Workloads = onNodes(result.Workloads, result.Nodes)
		}
		if pods.by != nil {
			result.Relist = nil // no ids are known
			return result, nil
		}
	}
	if opts.Confirm != nil {
		yes, err := opts.Confirm(ctx, result)
		if err != nil {
			return nil, err
		}
		opts.DryRuns = opts.DryRuns && yes
	}
	if opts.Pods {
		scripts := newScriptReader(c, opts)
		pods.scripts = &scripts.Scripts
		if err := scripts.fill(ctx, result.Workloads); err != nil {
			return nil, err
		}
		if opts.DryRuns {
			var gaps []fact.Gap
			if result.Enforcement, gaps, err = c.dryRuns(ctx, result); err != nil {
				return nil, err
			}
			result.Gaps = append(result.Gaps, gaps...)
		}
		if opts.Policies {
			if result.Enforcement == nil {
				result.Enforcement = &fact.Enforcement{}
			}
			gaps, err := c.policies(ctx, opts, result, result.Enforcement)
			if err != nil {
				return nil, err
			}
			result.Gaps = append(result.Gaps, gaps...)
		}
		if opts.Engines {
			if result.Enforcement == nil {
				result.Enforcement = &fact.Enforcement{}
			}
			result.Enforcement.Engines, result.Enforcement.EnginesRead = engines.Engines, engines.EnginesRead
		}
	}
	return result, nil
}

// list is one of the lists that Collect reads.
type list struct {
	what  fact.Kind
	asked bool
	run   func() ([]fact.Gap, error)

	gaps []fact.Gap
	err  error
	// some says that a part of the list was read before the error.
	some bool
}

// failure is the gap of a list that failed and that does not end the run.
func (l *list) failure() fact.Gap {
	gap := fact.Gap{What: l.what, Subject: fact.Subject{Kind: fact.SubjectCluster}, Reason: fact.Unavailable, Hint: "run it again"}
	detail := fmt.Sprintf("listing %s: %v", l.what, l.err)
	if isExpired(l.err) {
		gap.Reason = fact.Changing
		detail = fmt.Sprintf("listing %s: the list changed faster than it could be read", l.what)
	}
	if l.some {
		detail = fmt.Sprintf("a part of the list was read; %s", detail)
	}
	gap.Detail = escape.Short(detail, maxDetail)
	return gap
}

// read reports whether all of the list was read.
func (l *list) read() bool { return l.asked && l.err == nil && len(l.gaps) == 0 }

// Reach fails if the server cannot be reached or does not know us.
func Reach(ctx context.Context, config *rest.Config) error {
	c, err := newClients(config)
	if err == nil {
		_, err = c.serverVersion(ctx)
	}
	return err
}

// serverVersion asks for the version, "" if this is forbidden. Everyone is
// usually allowed to read it, so it is the first request that fails when a
// connection does not work.
func (c *clients) serverVersion(ctx context.Context) (string, error) {
	version, err := c.version.ServerVersionWithContext(ctx)
	switch {
	case apierrors.IsForbidden(err):
		return "", nil
	case err != nil:
		return "", err
	}
	return version.GitVersion, nil
}

// onNodes keeps the pods that run on some nodes, and the workloads of these
// pods.
func onNodes(workloads []fact.Workload, nodes []fact.Node) []fact.Workload {
	in := map[string]bool{}
	for i := range nodes {
		in[nodes[i].Name] = true
	}
	var kept []fact.Workload
	for _, w := range workloads {
		w.Pods = slices.DeleteFunc(w.Pods, func(p fact.Pod) bool { return !in[p.Node] })
		if len(w.Pods) == 0 {
			continue
		}
		w.Spec.Origin = "pod/" + w.Owner.Namespace + "/" + w.Pods[0].Name // of those that are left
		kept = append(kept, w)
	}
	return kept
}

// maxDetail bounds what a gap says of a server's failure, in bytes.
const maxDetail = 300

// serverFailed reports whether the fault is the server's or the network's, and
// not the request's: whoever may ask can ask again. A context that has ended is
// neither.
func serverFailed(ctx context.Context, err error) bool {
	if err == nil || ctx.Err() != nil {
		return false
	}
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		code := status.Status().Code
		return code >= http.StatusInternalServerError || code == http.StatusTooManyRequests
	}
	return true
}

// refused turns a refusal into a gap, and anything else back into an error.
func refused(err error, what fact.Kind, verb, resource, namespace string) (fact.Gap, error) {
	if !apierrors.IsForbidden(err) {
		return fact.Gap{}, err
	}
	where, hint := "in all namespaces", fmt.Sprintf("grant %s on %s, or narrow the run with -n", verb, resource)
	if namespace != "" {
		where = fmt.Sprintf("in namespace %q", namespace)
	}
	if resource == "nodes" {
		where = "in the cluster"
	}
	if namespace != "" || resource == "nodes" {
		hint = fmt.Sprintf("grant %s on %s", verb, resource)
	}
	return fact.Gap{
		What:    what,
		Subject: fact.Subject{Kind: fact.SubjectCluster},
		Reason:  fact.Forbidden,
		Detail:  fmt.Sprintf("no right to %s %s %s", verb, resource, where),
		Hint:    hint,
	}, nil
}

func (c *clients) nodes(ctx context.Context, opts Options) ([]corev1.Node, []fact.Gap, error) {
	var nodes []corev1.Node
	if len(opts.NodeNames) > 0 {
		for _, name := range opts.NodeNames {
			node, err := c.core.Nodes().Get(ctx, strings.TrimPrefix(strings.TrimPrefix(name, "nodes/"), "node/"), metav1.GetOptions{})
			if apierrors.IsForbidden(err) {
				gap, _ := refused(err, fact.Nodes, "get", "nodes", "")
				return nil, []fact.Gap{gap}, nil
			}
			if err != nil {
				return nil, nil, err
			}
			nodes = append(nodes, *node)
		}
	} else {
		err := eachPage(ctx, opts.PageSize, metav1.ListOptions{LabelSelector: opts.NodeSelector},
			func(ctx context.Context, o metav1.ListOptions) ([]corev1.Node, string, error) {
				list, err := c.core.Nodes().List(ctx, o)
				if err != nil {
					return nil, "", err
				}
				return list.Items, list.Continue, nil
			},
			func() { nodes = nil },
			func(node *corev1.Node) {
				node.ManagedFields = nil
				nodes = append(nodes, *node)
			})
		if err != nil {
			gap, err := refused(err, fact.Nodes, "list", "nodes", "")
			if err != nil {
				return sortedNodes(nodes), nil, err
			}
			return sortedNodes(nodes), []fact.Gap{gap}, nil
		}
	}
	return sortedNodes(nodes), nil, nil
}

// sortedNodes sorts nodes by name, each once.
func sortedNodes(nodes []corev1.Node) []corev1.Node {
	slices.SortFunc(nodes, func(a, b corev1.Node) int { return strings.Compare(a.Name, b.Name) })
	return slices.CompactFunc(nodes, func(a, b corev1.Node) bool { return a.Name == b.Name })
}

func nodeFacts(node *corev1.Node) fact.Node {
	info := node.Status.NodeInfo
	out := fact.Node{
		Name:             node.Name,
		Listed:           true,
		UID:              string(node.UID),
		Unschedulable:    node.Spec.Unschedulable,
		OS:               info.OperatingSystem,
		Arch:             info.Architecture,
		OSImage:          info.OSImage,
		KernelVersion:    info.KernelVersion,
		KubeletVersion:   info.KubeletVersion,
		ContainerRuntime: info.ContainerRuntimeVersion,
		Labels:           node.Labels,
	}
	for _, address := range node.Status.Addresses {
		if address.Address != "" {
			out.Addresses = append(out.Addresses, address.Address)
		}
	}
	for i := range node.Spec.Taints {
		taint := &node.Spec.Taints[i]
		text := taint.Key
		if taint.Value != "" {
			text += "=" + taint.Value
		}
		out.Taints = append(out.Taints, text+":"+string(taint.Effect))
	}
	slices.Sort(out.Taints)
	slices.Sort(out.Addresses)
	out.Addresses = slices.Compact(out.Addresses)
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady {
			out.Ready = condition.Status == corev1.ConditionTrue
		}
	}
	return out
}

// secrets lists names by metadata. The type of a Secret is not metadata, so it is unknown
// here. Annotations are metadata, and kubectl's last-applied-configuration can hold data:
// only the names of its keys are kept.
func (c *clients) secrets(ctx context.Context, opts Options) ([]fact.SecretName, bool, []fact.Gap, error) {
	var names []fact.SecretName
	err := eachPage(ctx, opts.PageSize, metav1.ListOptions{},
		c.listMetadata(corev1.SchemeGroupVersion.WithResource("secrets"), opts.Namespace),
		func() { names = []fact.SecretName{} },
		func(m *metav1.PartialObjectMetadata) {
			name := fact.SecretName{Namespace: m.Namespace, Name: m.Name, ResourceVersion: m.ResourceVersion}
			name.Applied, name.AppliedUnread = appliedKeys(m.Annotations[corev1.LastAppliedConfigAnnotation])
			m.Annotations = nil
			names = append(names, name)
		})
	if err != nil {
		gap, err := refused(err, fact.Secrets, "list", "secrets", opts.Namespace)
		if err != nil {
			return nil, false, nil, err
		}
		return nil, false, []fact.Gap{gap}, nil
	}
	slices.SortFunc(names, func(a, b fact.SecretName) int {
		return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
	})
	return slices.CompactFunc(names, func(a, b fact.SecretName) bool {
		return a.Namespace == b.Namespace && a.Name == b.Name
	}), true, nil, nil
}
