package gather

import (
	"cmp"
	"context"
	"slices"

	"k8s.io/cli-runtime/pkg/resource"
	"k8s.io/client-go/rest"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/cluster"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/manifest"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/launch"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/weburl"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/whatif"
)

// Cluster reads a cluster through its API, and its nodes with probe pods.
type Cluster struct {
	// Name is the kubeconfig's name for the cluster, or "" if it has none.
	Name string
	// Config is the connection. Getter is the same connection, needed only with
	// Names.
	Config *rest.Config
	Getter resource.RESTClientGetter

	// Kinds are the facts that the checks need. Lists are listed besides them,
	// because the report counts them or nodes are chosen by them.
	Kinds, Lists []fact.Kind

	// Namespace, Selector, FieldSelector and Names (NAME or TYPE/NAME) narrow
	// pods. Namespace narrows Secrets too; "" means all namespaces. Names cannot
	// be used together with the selectors.
	Namespace     string
	Selector      string
	FieldSelector string
	Names         []string
	// NodeNames (NAME or node/NAME) and NodeSelector narrow nodes. They cannot be
	// used together.
	NodeNames    []string
	NodeSelector string
	// OnlyTheirNodes leaves out the nodes on which no pod in scope runs.
	OnlyTheirNodes bool

	// NoConfigMaps leaves out the data of ConfigMaps, as the user asked with
	// --no-configmaps.
	NoConfigMaps bool

	// User asks for the API server's name for the user, who runs this.
	User bool

	// NoIDs leaves out what joins pods with what is measured. It cannot be used with Level and
	// Net, nor for facts that are saved.
	NoIDs bool

	// Objects says whether to read how the objects with templates can be changed.
	Objects bool

	// Changes are applied to the workloads' objects before they are judged; nil for none. They
	// need Getter, and Objects.
	Changes *whatif.Changes

	// ControlPlaneNodes are the nodes that the user named as those of the
	// control plane.
	ControlPlaneNodes []string

	// Level is how much is read of the nodes' files and processes. Net adds handshakes
	// with what listens there. LevelAPI without Net measures none and reports gaps. ""
	// means that nobody asked about nodes.
	Level fact.Level
	Net   bool
	// NoProbe says that the user asked for LevelAPI by --no-probe.
	NoProbe bool
	// Probe says how nodes are measured. Client, Level, Net and Kinds are filled in.
	Probe launch.Options
	// Confirm is asked once, before the first dry run and the first pod, if there will be pods.
	// uid is that of kube-system, "" if it was not read. After a no the run goes on with the API
	// only, as with NoProbe, and its gaps say so. An error ends the run. nil means that nobody is
	// asked. Agreed reports whether a yes from before counts for the cluster.
	Confirm func(ctx context.Context, uid string, creates launch.Outline) (yes bool, err error)
	Agreed  func(uid string) bool
	// Warn gets one line for each thing that the user should know at once. It may
	// be nil.
	Warn func(line string)

	// Start is for very many pods of which nothing is measured: see cluster.Options.Stream. Known
	// is the set as it will be, without workloads and with the gaps so far. Nil keeps all.
	Start func(known *fact.Set, scope *api.Scope) (judge func([]fact.Workload))

	// declined and confirmed are what Confirm has answered.
	declined, confirmed bool

	// measure replaces launch.Measure in tests.
	measure func(ctx context.Context, opts launch.Options, nodes []fact.Node) (map[string]*fact.Measurement, []fact.Gap, error)
}

// Gather reads the lists that are needed, narrows them, and measures nodes.
func (c *Cluster) Gather(ctx context.Context) (*Gathered, error) {
	var named []fact.Workload
	if len(c.Names) > 0 {
		var err error
		if named, err = manifest.Named(ctx, c.Getter, c.Namespace, c.Names, c.Objects); err != nil {
			return nil, err
		}
	}
	set := newSet()
	lists := c.lists()
	for i := range named {
		lists.Named = append(lists.Named, named[i].Owner)
	}
	if c.Start != nil && c.Level == "" && !c.Net && !c.OnlyTheirNodes {
		lists.Stream = func(result *cluster.Result) func([]fact.Workload) {
			known := *set
			c.take(&known, result)
			derive(&known)
			scope := c.scope()
			return c.Start(&known, &scope)
		}
	}
	if c.Confirm != nil && c.creates() {
		lists.Confirm = func(ctx context.Context, result *cluster.Result) (bool, error) { return c.ask(ctx, named, result) }
	}
	result, err := cluster.Collect(ctx, lists)
	if err != nil {
		return nil, err
	}
	c.take(set, result)
	if len(c.Names) > 0 {
		set.Gaps = append(set.Gaps, clusterObjects(named, c.Namespace)...)
		keepNamed(set, named, result.NamedPods)
		result.Templates = 0 // what was listed to find the named ones does not count
		for i := range set.Workloads {
			if len(set.Workloads[i].Pods) == 0 {
				result.Templates++
			}
		}
	}
	set.Count = count(set, result.Templates)
	if result.Streamed {
		set.Count = &fact.ReadCount{Pods: result.Pods, Workloads: result.Owners, Objects: result.Pods + result.Templates}
	}
	if c.OnlyTheirNodes {
		keepNodesOfPods(set)
	}
	derive(set)
	if err := nameControlPlane(set, c.ControlPlaneNodes, c.Warn); err != nil {
		return nil, err
	}
	changed, err := c.change(ctx, set) // before anything is measured: it may fail
	if err != nil {
		return nil, err
	}
	leftover, err := c.measureNodes(ctx, set)
	if err != nil {
		return nil, err
	}
	relist(ctx, set, result.Relist, c.Warn)
	if changed != nil {
		asked, _ := c.measurable()
		changed.put(set, fact.Intersect(asked, fact.KindsOf(fact.OfContainer)))
	}
	KeepNamespace(set, c.Namespace)
	return &Gathered{Set: set, Scope: c.scope(), Leftover: leftover, Streamed: result.Streamed}, nil
}

// take puts into the set what was read.
func (c *Cluster) take(set *fact.Set, result *cluster.Result) {
	set.Cluster, set.Nodes, set.Workloads, set.PodScope = result.Cluster, result.Nodes, result.Workloads, result.PodScope
	set.Cluster.Name = weburl.Clean(c.Name)
	set.Secrets, set.SecretsListed, set.Gaps = result.Secrets, result.SecretsListed, result.Gaps
	set.LegacyTokens, set.TokensListed = result.LegacyTokens, result.TokensListed
	set.SecretStores, set.StoresRead, set.Meshes = result.SecretStores, result.StoresRead, result.Meshes
	set.ConfigMaps = result.ConfigMaps
	set.Namespaces, set.NamespacesRead = result.Namespaces, result.NamespacesRead
	set.TemplatesRead, set.ImageScan, set.Enforcement = result.TemplatesRead, result.ImageScan, result.Enforcement
	set.Gaps = append(set.Gaps, c.noDryRuns()...)
	if c.NoConfigMaps && slices.Contains(c.Kinds, fact.ConfigMaps) {
		set.Gaps = append(set.Gaps, notRequested([]fact.Kind{fact.ConfigMaps}, "--no-configmaps was given", "run it without --no-configmaps")...)
	}
}

// count counts what was read of pods and templates. Nothing else of a cluster is judged one
// by one as an object with a pod spec.
func count(set *fact.Set, templates int) *fact.ReadCount {
	if set.PodScope == fact.PodsNotListed && len(set.Workloads) == 0 {
		return nil
	}
	out := &fact.ReadCount{}
	owners := map[fact.SubjectKey]bool{}
	for i := range set.Workloads {
		out.Pods += len(set.Workloads[i].Pods)
		owners[set.Workloads[i].Owner.Identity()] = true
	}
	out.Workloads = len(owners)
	out.Objects = out.Pods + templates
	return out
}

// lists returns the requests that the facts need.
func (c *Cluster) lists() cluster.Options {
	needed := func(kind fact.Kind) bool { return slices.Contains(c.Kinds, kind) || slices.Contains(c.Lists, kind) }
	opts := cluster.Options{
		Config: c.Config,
		Pods:   needed(fact.Pods), Nodes: needed(fact.Nodes), Secrets: needed(fact.Secrets),
		// The number of API servers shows whether the configuration of each was
		// read.
		APIServers:   needed(fact.EncryptionConfig),
		LegacyTokens: needed(fact.LegacyTokens), SecretStores: needed(fact.SecretStores),
		ConfigMaps: needed(fact.ConfigMaps) && !c.NoConfigMaps,
		Scripts:    needed(fact.Pods) && !c.NoConfigMaps,
		// Templates without pods, and pods that differ from theirs, are for the checks of pods.
		Templates: needed(fact.Templates), Namespaces: needed(fact.Namespaces), ImageReports: needed(fact.ImageReports),
		DryRuns:  needed(fact.Enforcing) && c.creates(),
		Policies: needed(fact.Enforcing), NoConfigMaps: c.NoConfigMaps, Engines: needed(fact.Enforcing),
		Namespace: c.Namespace, Selector: c.Selector, FieldSelector: c.FieldSelector,
		NodeSelector: c.NodeSelector, NoIDs: c.NoIDs, UID: true, User: c.User, Objects: c.Objects,
	}
	for _, name := range c.NodeNames {
		opts.NodeNames = append(opts.NodeNames, nodeName(name))
	}
	return opts
}

// creates reports whether the run may ask the API server to create something, also in a dry run.
func (c *Cluster) creates() bool {
	return c.Level != "" && (c.Level != fact.LevelAPI || c.Net) && !c.declined
}

// The gaps of a run whose user said no.
const (
	declinedDetail = "the user answered no when asked to create pods"
	declinedHint   = "run it again and answer yes, or give --yes"
)

// noDryRuns is the gap of a run that may not send dry runs; none if nobody wants them.
func (c *Cluster) noDryRuns() []fact.Gap {
	if !slices.Contains(c.Kinds, fact.Enforcing) || c.creates() {
		return nil
	}
	detail, hint := "the run creates nothing, not even in a dry run", "--probe-level full,net allows dry runs"
	switch {
	case c.declined:
		detail, hint = "no dry run was sent: "+declinedDetail, declinedHint
	case c.NoProbe:
		detail, hint = "--no-probe was given, which also leaves out dry runs", "run without --no-probe to ask the API server"
	}
	return notRequested([]fact.Kind{fact.Enforcing}, detail, hint)
}

// scope returns what the report says about what was looked at.
func (c *Cluster) scope() api.Scope {
	scope := api.Scope{
		AllNamespaces: c.Namespace == "",
		Selector:      cmp.Or(c.Selector, c.NodeSelector),
		FieldSelector: c.FieldSelector,
		Names:         slices.Clone(c.Names),
		ProbeLevel:    c.levels(),
		WhatIf:        whatIf(c.Changes),
	}
	for _, name := range c.NodeNames {
		scope.Names = append(scope.Names, nodeName(name))
	}
	if c.Namespace != "" {
		scope.Namespaces = []string{c.Namespace}
	}
	return scope
}

// measureNodes runs probes for the requested kinds, on the nodes that can give them.
// It puts the measurements and gaps into the set. leftover says what could not be
// removed.
func (c *Cluster) measureNodes(ctx context.Context, set *fact.Set) (leftover, err error) {
	wanted, gaps := c.measurable()
	set.Gaps = append(set.Gaps, gaps...)
	if len(wanted) == 0 {
		return nil, nil // no pod is needed
	}
	nodes := probeNodes(wanted, set)
	if len(nodes) == 0 {
		return nil, nil
	}
	opts := c.probeOptions(wanted)
	if opts.Client, err = launch.NewClient(c.Config); err != nil {
		return nil, err
	}
	if opts.Progress != nil {
		opts.Progress(0, 0, len(nodes))
	}
	measure := c.measure
	if measure == nil {
		measure = launch.Measure
	}
	measured, gaps, err := measure(ctx, opts, nodes)
	// Facts and gaps are valid even with an error. The error says that something
	// could not be removed, and the report is still worth printing.
	set.Gaps = append(set.Gaps, gaps...)
	for i := range set.Nodes {
		set.Nodes[i].Measured = Join(set.Nodes[i].Measured, measured[set.Nodes[i].Name])
	}
	if err != nil && len(measured) == 0 && len(gaps) == 0 {
		return nil, err
	}
	return err, nil
}

// probeOptions are the options of the probes, without a client.
func (c *Cluster) probeOptions(wanted []fact.Kind) launch.Options {
	opts := c.Probe
	opts.Level, opts.Net, opts.Kinds, opts.Announce, opts.Confirmed = c.Level, c.Net, wanted, c.Warn, c.confirmed
	return opts
}

// levels returns the levels of the run's probes as --probe-level takes them.
func (c *Cluster) levels() string {
	switch {
	case c.declined:
		return string(fact.LevelAPI)
	case !c.Net:
		return string(c.Level)
	case c.Level == fact.LevelAPI:
		return string(fact.LevelNet)
	}
	return string(c.Level) + "," + string(fact.LevelNet)
}

// measurable returns the kinds that the probes of this run's levels read. The other
// requested kinds are gaps.
func (c *Cluster) measurable() ([]fact.Kind, []fact.Gap) {
	wanted, net := fact.Intersect(c.Kinds, fact.NodeKinds()), fact.KindsAt(fact.LevelNet)
	switch {
	case c.Level == "":
		return nil, nil
	case c.declined:
		return nil, notRequested(wanted, "no probe was run: "+declinedDetail, declinedHint)
	case c.Level == fact.LevelAPI && !c.Net:
		hint := "--probe-level full,net measures the nodes"
		if c.NoProbe {
			hint = "run without --no-probe to measure the nodes"
		}
		return nil, notRequested(wanted, "no probe was run", hint)
	}
	read := fact.KindsAt(c.Level) // none at level api
	full := string(fact.LevelFull)
	if c.Net {
		read = slices.Concat(read, net)
		full += "," + string(fact.LevelNet)
	}
	detail := "the probe's level is " + c.levels()
	missing := fact.Subtract(wanted, read)
	gaps := notRequested(fact.Subtract(missing, net), detail, "--probe-level "+full+" reads them")
	gaps = append(gaps, notRequested(fact.Intersect(missing, net), detail, "--probe-level "+string(c.Level)+",net reads them")...)
	return fact.Intersect(wanted, read), gaps
}

// probeNodes returns the nodes that can give the wanted kinds. If only facts of the cluster's
// storage are wanted, these are the nodes whose etcd counts. If no such node is known, all nodes
// are asked, so that the report shows what they hold.
func probeNodes(wanted []fact.Kind, set *fact.Set) []fact.Node {
	if slices.ContainsFunc(wanted, func(kind fact.Kind) bool { return !checks.OfWitnesses(kind) }) {
		return set.Nodes
	}
	view := checks.NewView(set)
	if view.Managed {
		return nil
	}
	control := slices.DeleteFunc(slices.Clone(set.Nodes), func(n fact.Node) bool { return !view.StorageWitness(&n) })
	if len(control) > 0 {
		return control
	}
	return set.Nodes
}
