package checks

import (
	"fmt"
	"iter"
	"slices"
	"unicode/utf8"

	"github.com/distribution/reference"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

// View is a set of facts as checks see it: node answers are admitted, derived
// facts are computed, and the indexes are built, once for each run. It shares
// with the set what it does not change, and nobody changes it.
type View struct {
	*fact.Set
	// Managed reports that the provider keeps etcd and the API servers to itself.
	Managed bool
	// Dropped counts the workloads that a Stream has judged and dropped before, in a view of all
	// that is left.
	Dropped int

	platform platform
	index    *index
	nodes    map[string]*fact.Node
	named    map[string]bool        // the nodes that the user named: ControlPlaneNodes
	running  map[fact.Kind]*running // by kind, filled when first asked for
	// notRunning counts the pods that have not started or have ended for good.
	notRunning int
	stores     *Stores // filled when first asked for
	// idle holds the owners all of whose pods are such.
	idle map[fact.SubjectKey]bool
	// unread and unanswered are filled when first asked for.
	unread     *unread
	unanswered *unanswered
	// partial holds the owners whose pod specs are not whole.
	partial map[fact.SubjectKey]*partialOwner
	// runs holds what runs of each pod; filled when first asked for.
	runs map[podContainer]bool
	// references are of images, by their text; each is parsed when first asked for.
	references map[string]parsedReference
}

type parsedReference struct {
	named reference.Named
	err   error
}

// Reference parses an image's reference, as docker and the kubelet do ("nginx" is
// "docker.io/library/nginx"). Several checks ask for the same ones.
func (v *View) Reference(image string) (reference.Named, error) {
	r, known := v.references[image]
	if !known {
		if v.references == nil {
			v.references = map[string]parsedReference{}
		}
		r.named, r.err = reference.ParseNormalizedNamed(image)
		v.references[image] = r
	}
	return r.named, r.err
}

// NewView admits what nodes said, computes derived facts (provider, control
// plane) whatever the set says about them, and builds the indexes.
func NewView(set *fact.Set) *View {
	own := *set
	v := &View{Set: &own, nodes: map[string]*fact.Node{}, running: map[fact.Kind]*running{}, idle: map[fact.SubjectKey]bool{}}
	own.Nodes = slices.Clone(set.Nodes)
	if own.Snapshot != nil {
		db, bounds := *own.Snapshot, bounds{}
		bounds.store(&db)
		own.Snapshot = &db
		own.Gaps = append(slices.Clip(own.Gaps), bounds.ofFile(db.Path)...)
	}
	if own.ConfigMaps != nil {
		scan := *own.ConfigMaps
		scan.Read, scan.Total = max(scan.Read, 0), max(scan.Total, len(scan.Found))
		own.ConfigMaps = &scan
	}
	own.Cluster.Provider = Provider(&own)
	v.platform = platformOf(&own)
	v.Managed = Managed(&own)
	v.named = make(map[string]bool, len(own.ControlPlaneNodes))
	for _, name := range own.ControlPlaneNodes {
		v.named[name] = true
	}
	v.index = newIndex(&own)
	for i := range own.Nodes {
		node := &own.Nodes[i]
		node.ControlPlane = fact.InControlPlane(node.Labels)
		node.Measured = v.index.admit(node)
		// If two have one name, which is only possible in a file, the trusted
		// one counts.
		if other := v.nodes[node.Name]; other == nil || !v.StorageWitness(other) {
			v.nodes[node.Name] = node
		}
	}
	v.countIdle()
	v.partial = partialOwners(own.Workloads)
	return v
}

// Node finds a node by its name, nil if there is none.
func (v *View) Node(name string) *fact.Node { return v.nodes[name] }

// OfSetEach is OfSet for a check with Each.
func OfSetEach(each func(*View) iter.Seq[api.Finding]) func(*fact.Set) []api.Finding {
	return OfSet(func(v *View) []api.Finding { return slices.Collect(each(v)) })
}

// OfSet makes a function of a set from a check's Judge, for tests of one check.
func OfSet(judge func(*View) []api.Finding) func(*fact.Set) []api.Finding {
	return func(set *fact.Set) []api.Finding { return judge(NewView(set)) }
}

// Bounds of what one node's answer may say about what it could not read.
const (
	// MaxNodeGaps is a little more than a collector writes: 501 of each kind.
	MaxNodeGaps = 8192
	// MaxGapDetail is in bytes.
	MaxGapDetail = 1024
	maxGapID     = 128
	// MaxNodeContainers is far above the pods that a kubelet runs (110 by
	// default, 2,500 on the largest nodes that anybody documents).
	MaxNodeContainers = 16_384
	// MaxNodeStores bounds the etcd databases of a node. Each is compared with
	// all listed Secrets.
	MaxNodeStores = 64
	// MaxNodeServers bounds the API servers of a node, which has one, or two while one
	// replaces the other.
	MaxNodeServers = 64
	// MaxRemains bounds the places of a store: a file each, of which etcd keeps 5 logs
	// and as many snapshots.
	MaxRemains = 256
	// MaxNodePath is in bytes: PATH_MAX.
	MaxNodePath = 4096
	// MaxNodeImages bounds the inventories of a node's containers, each of which can
	// have one of its own.
	MaxNodeImages = 4096
)

// admit takes from a node's answer what is about the node itself and its own
// containers. It refuses everything else, which becomes a gap of the node. It
// is the only place where an answer gets in, both from the wire and from a
// facts file. It copies what it changes.
func (x *index) admit(node *fact.Node) *fact.Measurement {
	if node.Measured == nil {
		return nil
	}
	m := *node.Measured
	refused := map[fact.Kind]int{}

	m.Read = slices.DeleteFunc(slices.Clone(m.Read), func(k fact.Kind) bool { return !ofNode(k) })

	gaps := make([]fact.NodeGap, 0, min(len(m.Gaps), MaxNodeGaps))
	if len(m.Containers) > MaxNodeContainers {
		m.Containers = m.Containers[:MaxNodeContainers]
		for _, kind := range fact.KindsOf(fact.OfContainer) {
			gaps = append(gaps, fact.NodeGap{What: kind, Reason: fact.Truncated, Detail: fmt.Sprintf("more than %d containers", MaxNodeContainers)})
		}
	}
	// The API server gives a pod its UID, so its owner is known. A kubelet
	// writes the container ids in a pod's status, so they refuse nothing. An
	// entry without an id is not a container.
	foreign := func(c *fact.MeasuredContainer) bool { return c.ID == "" || x.elsewhere(node.Name, c.PodUID) }
	kept := 0
	for i := range m.Containers {
		if !foreign(&m.Containers[i]) {
			kept++
		}
	}
	if n := len(m.Containers) - kept; n > 0 {
		refused[fact.Processes] += n
		own := make([]fact.MeasuredContainer, 0, kept)
		for i := range m.Containers {
			if !foreign(&m.Containers[i]) {
				own = append(own, m.Containers[i])
			}
		}
		m.Containers = own
	}

	x.admitImages(&m, refused, &gaps)
	admitStorage(&m, &gaps)
	admitConnections(&m, &gaps)
	cut := map[fact.Kind]bool{}
	for _, gap := range m.Gaps {
		switch {
		case !ofNode(gap.What):
			refused[fact.Processes]++
			continue
		case gap.Elsewhere(node.Name):
			refused[gap.What]++
			continue
		case len(gaps) >= MaxNodeGaps:
			if !cut[gap.What] {
				cut[gap.What] = true
				gaps = append(gaps, fact.NodeGap{What: gap.What, Reason: fact.Truncated, Detail: fmt.Sprintf("more than %d gaps", MaxNodeGaps)})
			}
			continue
		}
		if !slices.Contains(fact.Reasons(), gap.Reason) {
			gap.Reason = fact.ProbeFailed
		}
		gap.Detail, gap.Container = bounded(gap.Detail, MaxGapDetail), bounded(gap.Container, maxGapID)
		gaps = append(gaps, gap)
	}
	for _, kind := range fact.Kinds() {
		if n := refused[kind]; n > 0 {
			gaps = append(gaps, fact.NodeGap{
				What: kind, Reason: fact.Refused,
				Detail: Count(n, "statement") + " of its answer: not about this node or its containers",
			})
		}
	}
	m.Gaps = gaps
	return &m
}

// admitImages takes from an answer the inventories that have a key of their own, and
// refuses references to others.
func (x *index) admitImages(m *fact.Measurement, refused map[fact.Kind]int, gaps *[]fact.NodeGap) {
	if len(m.Images) > MaxNodeImages {
		m.Images = m.Images[:MaxNodeImages]
		*gaps = append(*gaps, fact.NodeGap{What: fact.Images, Reason: fact.Truncated, Detail: fmt.Sprintf("more than %d inventories", MaxNodeImages)})
	}
	known := make(map[string]bool, len(m.Images))
	images, cut := make([]fact.ImageInventory, 0, len(m.Images)), false
	for i := range m.Images {
		one := m.Images[i]
		if one.Key == "" || known[one.Key] {
			refused[fact.Images]++
			continue
		}
		known[one.Key] = true
		cut = cut || len(one.Packages) > fact.MaxInventory || len(one.Modules) > fact.MaxModules
		one.Packages = one.Packages[:min(len(one.Packages), fact.MaxInventory)]
		one.Modules = one.Modules[:min(len(one.Modules), fact.MaxModules)]
		images = append(images, one)
	}
	if cut {
		*gaps = append(*gaps, fact.NodeGap{
			What: fact.Images, Reason: fact.Truncated, Detail: fmt.Sprintf("more than %d packages or %d modules of an image", fact.MaxInventory, fact.MaxModules),
		})
	}
	if len(m.Images) > 0 {
		m.Images = images
	}
	unknown := func(c *fact.MeasuredContainer) bool { return c.Image != "" && !known[c.Image] }
	if !slices.ContainsFunc(m.Containers, func(c fact.MeasuredContainer) bool { return unknown(&c) }) {
		return
	}
	m.Containers = slices.Clone(m.Containers)
	for i := range m.Containers {
		if c := &m.Containers[i]; unknown(c) {
			c.Image = ""
			refused[fact.Images]++
		}
	}
}

// ofNode reports whether a node can have facts of this kind.
func ofNode(kind fact.Kind) bool { return slices.Contains(fact.NodeKinds(), kind) }

// bounded cuts a text to so many bytes, at the start of a rune.
func bounded(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	for limit > 0 && !utf8.RuneStart(text[limit]) {
		limit--
	}
	return text[:limit]
}

// countIdle counts what does not run.
func (v *View) countIdle() {
	started := map[fact.SubjectKey]bool{}
	for i := range v.Workloads {
		w := &v.Workloads[i]
		key := ownerKey(w.Owner)
		for j := range w.Pods {
			if v.index.runs(w, &w.Pods[j]) {
				started[key] = true
			} else {
				v.notRunning++
			}
		}
		if len(w.Pods) > 0 && !started[key] {
			v.idle[key] = true
		}
	}
	for key := range started {
		delete(v.idle, key)
	}
}

// ownerKey identifies the owner of a workload, without its containers.
func ownerKey(s fact.Subject) fact.SubjectKey {
	s.Container = ""
	return s.Identity()
}

// Idle reports whether a finding's subject is a workload none of whose pods runs.
func (v *View) Idle(s fact.Subject) bool { return v.idle[ownerKey(s)] }

// podContainer is a container of a pod, or with an empty name the pod.
type podContainer struct{ namespace, pod, container string }

// anyRuns reports whether the subject's container, or where it names none any,
// runs or is between two starts in one of the subject's pods.
func (v *View) anyRuns(s fact.Subject) bool {
	if v.runs == nil {
		v.runs = map[podContainer]bool{}
		for i := range v.Workloads {
			w := &v.Workloads[i]
			for j := range w.Pods {
				p := &w.Pods[j]
				v.index.eachRunning(w, p, func(container string) {
					v.runs[podContainer{w.Owner.Namespace, p.Name, container}] = true
				})
			}
		}
	}
	return slices.ContainsFunc(s.Pods, func(pod string) bool {
		return v.runs[podContainer{s.Namespace, pod, s.Container}]
	})
}

// Platform reports whether a namespace is the platform's: that of Kubernetes, of a provider whose
// mark the facts show, or one that the user names.
func (v *View) Platform(namespace string) bool { return v.platform.has(namespace) }
