package launch

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/probe/loader"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/sorted"
)

// A Plan says on which nodes a run starts its probe.
type Plan struct {
	// Targets are sorted by name.
	Targets []Target
	// Embedded means that nothing is pulled. Then Archs are the architectures whose
	// probe is needed, sorted. Otherwise Image is what is pulled.
	Embedded bool
	Image    string
	Archs    []string

	// pauses are the names that nodes have for their pause image. Those that most
	// nodes use come first.
	pauses []string
}

// A Target is one node to measure.
type Target struct {
	Node string
	Arch string
	// OneHostIP means that the node's kubelet may not know all of its addresses
	// (status.hostIPs): it is older than 1.29.
	OneHostIP bool
	// Images are the images in which an embedded probe's pod may run, best first:
	// pause, by the names that this node and others have for it. Smallest are tried
	// last. Both are empty until the node was asked (Resolve).
	Images   []string
	Smallest []string
}

func (t *Target) resolved() bool { return len(t.Images) > 0 || len(t.Smallest) > 0 }

// NewPlan chooses the nodes to measure, and returns the gaps of the other nodes:
// NotReady, Windows, virtual nodes, an architecture without an embedded probe, and all
// nodes if no pod was asked for.
func NewPlan(opts Options, nodes []fact.Node) (Plan, []fact.Gap, error) {
	opts, err := opts.complete()
	if err != nil {
		return Plan{}, nil, err
	}
	plan, gaps := opts.plan(nodes)
	return plan, gaps, nil
}

func (o *Options) plan(nodes []fact.Node) (Plan, []fact.Gap) {
	plan := Plan{Embedded: o.embedded()}
	if !plan.Embedded {
		plan.Image = o.Image
	}
	nodes = slices.Clone(nodes)
	sorted.Func(nodes, func(a, b fact.Node) int { return cmp.Compare(a.Name, b.Name) })
	nodes = slices.CompactFunc(nodes, func(a, b fact.Node) bool { return a.Name == b.Name })

	var gaps []fact.Gap
	for i := range nodes {
		if skip := o.skip(&nodes[i]); skip != nil {
			gaps = append(gaps, o.gaps(nodes[i].Name, skip)...)
			continue
		}
		plan.Targets = append(plan.Targets, Target{Node: nodes[i].Name, Arch: nodes[i].Arch, OneHostIP: oneHostIP(nodes[i].KubeletVersion)})
		if plan.Embedded && !slices.Contains(plan.Archs, nodes[i].Arch) {
			plan.Archs = append(plan.Archs, nodes[i].Arch)
		}
	}
	slices.Sort(plan.Archs)
	return plan, gaps
}

// skip says why a node is not tried. It returns nil if the node is tried.
func (o *Options) skip(node *fact.Node) *Failure {
	switch {
	case o.Level == fact.LevelAPI && !o.Net:
		return &Failure{
			Reason: fact.NotRequested, Detail: "probe level api runs no probe on nodes",
			Hint: "--probe-level=full,net measures nodes",
		}
	case node.OS == "windows":
		return &Failure{
			Reason: fact.Unsupported, Detail: "the node runs Windows; the probe reads Linux",
		}
	case virtualNode(node.Labels) != "":
		return &Failure{
			Reason: fact.Unsupported,
			Detail: "virtual node (label " + virtualNode(node.Labels) + "): it has no host that a pod can read",
		}
	case !node.Ready:
		return &Failure{
			Reason: fact.NotReady, Detail: "the node's condition Ready is not True: its kubelet would not start a pod",
			Hint: "kubectl describe node " + node.Name,
		}
	case o.embedded():
		if _, err := loader.For(node.Arch); err != nil {
			return &Failure{
				Reason: fact.Unsupported, Detail: err.Error(),
				Hint: "use --probe-image with an image for this architecture",
			}
		}
	}
	return nil
}

// oneHostIP reports whether a kubelet of this version may not know status.hostIPs, which
// is on by default since 1.29 (KEP-2681). No API server is older than its kubelets. A
// version that is not understood counts as a later one.
func oneHostIP(kubelet string) bool {
	minor, ok := strings.CutPrefix(kubelet, "v1.")
	if !ok {
		return false
	}
	minor, _, _ = strings.Cut(minor, ".")
	n, err := strconv.Atoi(minor)
	return err == nil && n < 29
}

// virtualNode returns the label, as KEY=VALUE, that shows that a node is not a machine.
// It returns "" if there is none.
func virtualNode(labels map[string]string) string {
	for _, l := range []struct{ key, value string }{
		{"type", "virtual-kubelet"},                          // virtual-kubelet's own, AKS virtual nodes, ACI
		{"eks.amazonaws.com/compute-type", "fargate"},        // EKS
		{"liqo.io/type", "virtual-node"},                     // Liqo
		{"virtual-kubelet.io/provider", ""},                  // Admiralty and others: any value
		{"node.kubernetes.io/instance-type", "eklet"},        // TKE
		{"kubernetes.azure.com/managed-by", "aci-connector"}, // AKS, older
	} {
		value, ok := labels[l.key]
		if ok && (l.value == "" || value == l.value) {
			return l.key + "=" + value
		}
	}
	return ""
}
