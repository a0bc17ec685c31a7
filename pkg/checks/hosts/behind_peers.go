package hosts

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/version"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/debversion"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rpmversion"
)

// BehindPeers fails a node that runs an older kernel, kubelet, container runtime or
// operating system than another node of its pool. What differs and cannot be ordered,
// such as the installed packages, is unknown. Source: the Node objects, which the
// kubelets write, and the sum of the installed packages where it was measured.
var BehindPeers = checks.Check{
	ID:       "hosts/behind-peers",
	Title:    "The node is not behind the other nodes of its pool",
	Severity: api.Medium,
	Basis:    api.Declared,
	Needs:    []fact.Kind{fact.Nodes},
	Uses:     []fact.Kind{fact.Packages},
	Scope:    checks.ScopeNode,
	Why: "Nodes of one pool are made alike. One that runs older versions has missed an update, or was not replaced. A pass says only that no peer is newer: " +
		"all of them can be out of date together. Each node reports its own versions, so one that lies can make others look old.",
	Remediation: "Update the node, or drain it and replace it by a new one of the same pool.",
	References: []string{
		"https://kubernetes.io/docs/reference/node/node-status/#info",
		"https://kubernetes.io/docs/tasks/administer-cluster/safely-drain-node/",
	},
	Judge: judgeBehindPeers,
}

// poolLabels are the labels by which providers and autoscalers name a node's pool.
var poolLabels = []string{
	"karpenter.sh/nodepool", // also where the provider has pools of its own
	"karpenter.sh/provisioner-name",
	"cloud.google.com/gke-nodepool",
	"eks.amazonaws.com/nodegroup",
	"alpha.eksctl.io/nodegroup-name",
	"kubernetes.azure.com/agentpool",
	"doks.digitalocean.com/node-pool",
	"lke.linode.com/pool-id",
	"kubernetes.civo.com/civo-node-pool",
	"ibm-cloud.kubernetes.io/worker-pool-name",
	"kops.k8s.io/instancegroup",
}

// pool is what the nodes that are compared have in common.
type pool struct{ label, system, arch string }

func poolOf(node *fact.Node) pool {
	p := pool{system: systemOf(node.OSImage), arch: node.Arch}
	for _, label := range poolLabels {
		if value, ok := node.Labels[label]; ok {
			p.label = label + "=" + value
			break
		}
	}
	if p.label == "" {
		p.system = strings.TrimSpace(p.system + " " + releaseOf(node.OSImage))
	}
	return p
}

// releaseOf is the release of an operating system that is kept for years beside newer
// ones: nodes of two releases are made for different things, unless one label names them
// a pool. It is "" for image-based systems, whose newest release is the one to run.
func releaseOf(image string) string {
	numbers := 0
	for name, n := range map[string]int{
		"Ubuntu": 2, "Alpine": 2, "openSUSE": 2, "Debian": 1, "Red Hat": 1, "Rocky": 1, "AlmaLinux": 1, "Oracle": 1, "CentOS": 1, "Amazon Linux": 1,
		"Fedora Linux": 1, "SUSE": 3, "Azure Linux": 1,
	} {
		if strings.HasPrefix(image, name) {
			numbers = n
		}
	}
	rest := strings.Fields(strings.TrimPrefix(image, systemOf(image)))
	switch {
	case numbers == 0 || len(rest) == 0:
		return ""
	case numbers == 3: // "15 SP6"
		return strings.Join(rest[:min(2, len(rest))], " ")
	}
	parts := strings.Split(strings.TrimPrefix(rest[0], "v"), ".")
	return strings.Join(parts[:min(numbers, len(parts))], ".")
}

func (p pool) String() string {
	name := p.label
	if name == "" {
		name = "without a pool's label"
	}
	return strings.TrimSpace(fmt.Sprintf("%s, %s %s", name, cmp.Or(p.system, "unknown system"), p.arch))
}

// systemOf is the name of an operating system without its version: the words of
// osImage before the first that begins with a digit, "v" and a digit, or a bracket.
func systemOf(image string) string {
	words := strings.Fields(image)
	for i, word := range words {
		if startsWithDigit(strings.TrimPrefix(word, "v")) || word[0] == '(' {
			words = words[:i]
			break
		}
	}
	return strings.Join(words, " ")
}

// systemOrder is the order of an operating system's kernels, by the beginning of its
// name in osImage.
type systemOrder struct {
	prefix  string
	compare func(a, b string) int
}

// systems are those whose order is known. Kernels of an image-based system have plain
// numbers.
var systems = []systemOrder{
	{"Debian", debversion.Compare},
	{"Ubuntu", debversion.Compare},
	{"Raspbian", debversion.Compare},
	{"Red Hat", rpmversion.Compare},
	{"Rocky Linux", rpmversion.Compare},
	{"AlmaLinux", rpmversion.Compare},
	{"CentOS", rpmversion.Compare},
	{"Oracle Linux", rpmversion.Compare},
	{"Amazon Linux", rpmversion.Compare},
	{"Fedora", rpmversion.Compare},
	{"SUSE", rpmversion.Compare},
	{"openSUSE", rpmversion.Compare},
	{"SLE Micro", rpmversion.Compare},
	{"Azure Linux", rpmversion.Compare},
	{"Microsoft Azure Linux", rpmversion.Compare},
	{"CBL-Mariner", rpmversion.Compare},
	{"Talos", rpmversion.Compare},
	{"Flatcar", rpmversion.Compare},
	{"Bottlerocket", rpmversion.Compare},
	{"Container-Optimized OS", rpmversion.Compare},
	{"Arch Linux", comparePacmanKernels},
	{"Alpine", compareApkKernels},
	{"Windows", rpmversion.Compare},
}

// order compares two versions of one aspect. Ok is false where they differ and
// nothing says which is newer.
type order func(a, b string) (c int, ok bool)

// aspect is something that is compared.
type aspect struct {
	name, field string
	value       func(*fact.Node) string
	// classes are what two values must have in common to be compared. In the first one
	// whatever has no order is unknown. The others are narrower, so that a value without
	// an order, which a node can make up, hides no newer one from those that have an
	// order among themselves.
	classes func(value string) []string
	order   func(pool) order
}

var aspects = []aspect{
	{
		"kernel", "kernelVersion", func(n *fact.Node) string { return n.KernelVersion },
		func(value string) []string {
			_, flavour := splitRelease(value)
			return []string{flavour}
		},
		func(p pool) order {
			i := slices.IndexFunc(systems, func(s systemOrder) bool { return strings.HasPrefix(p.system, s.prefix) })
			return func(a, b string) (int, bool) {
				if a == b || i < 0 {
					return 0, a == b
				}
				va, _ := splitRelease(a)
				vb, _ := splitRelease(b)
				c := systems[i].compare(va, vb)
				return c, c != 0
			}
		},
	},
	{
		"kubelet", "kubeletVersion", func(n *fact.Node) string { return n.KubeletVersion },
		func(value string) []string {
			word, _ := build(value)
			return []string{"", word}
		},
		func(pool) order { return semantic },
	},
	{
		"container runtime", "containerRuntimeVersion", func(n *fact.Node) string { return n.ContainerRuntime },
		func(value string) []string {
			scheme, version, _ := strings.Cut(value, "://")
			word, _ := build(version)
			return []string{scheme, scheme + " " + word}
		},
		func(pool) order {
			return func(a, b string) (int, bool) {
				_, va, _ := strings.Cut(a, "://")
				_, vb, _ := strings.Cut(b, "://")
				return semantic(va, vb)
			}
		},
	},
	{
		"operating system", "osImage", func(n *fact.Node) string { return n.OSImage },
		func(value string) []string {
			text, _ := numbersOf(value)
			return []string{"", text}
		},
		func(pool) order { return byNumbers },
	},
}

// semantic is the order of versions as Kubernetes and container runtimes write them.
// Of two with equal numbers it knows pre-releases, and the builds of k3s, RKE2 and
// GKE, which count. Other builds ("-eks-94953ac") have no order.
func semantic(a, b string) (int, bool) {
	if a == b {
		return 0, true
	}
	va, errA := version.ParseGeneric(a)
	vb, errB := version.ParseGeneric(b)
	if errA != nil || errB != nil {
		return 0, false
	}
	if c := slices.Compare(va.Components(), vb.Components()); c != 0 {
		return c, true
	}
	wordA, numberA := build(a)
	wordB, numberB := build(b)
	switch {
	case preRelease(wordA) && preRelease(wordB):
		sa, errA := version.ParseSemantic(a)
		sb, errB := version.ParseSemantic(b)
		if errA != nil || errB != nil {
			return 0, false
		}
		c, err := sa.Compare(sb.String())
		return c, err == nil && c != 0
	case preRelease(wordA) && wordB == "":
		return -1, true
	case wordA == "" && preRelease(wordB):
		return 1, true
	case wordA == wordB && counted[wordA]:
		c := rpmversion.Compare(numberA, numberB)
		return c, c != 0
	}
	return 0, false
}

// counted are names of builds before a number that grows.
var counted = map[string]bool{"k3s": true, "rke2r": true, "rke": true, "gke.": true}

func preRelease(word string) bool {
	word = strings.TrimSuffix(word, ".")
	return word == "rc" || word == "beta" || word == "alpha"
}

// build is what follows the numbers of a version: "+rke2r1" is rke2r and 1.
func build(text string) (word, number string) {
	suffix := strings.TrimLeft(text, "v0123456789.")
	if suffix == "" {
		return "", ""
	}
	suffix = suffix[1:]
	word = strings.TrimRight(suffix, "0123456789")
	return word, suffix[len(word):]
}

// byNumbers compares texts that differ in nothing but their numbers.
func byNumbers(a, b string) (int, bool) {
	if a == b {
		return 0, true
	}
	textA, numbersA := numbersOf(a)
	textB, numbersB := numbersOf(b)
	if textA != textB {
		return 0, false
	}
	for i := range min(len(numbersA), len(numbersB)) {
		if c := rpmversion.Compare(numbersA[i], numbersB[i]); c != 0 {
			return c, true
		}
	}
	return 0, false
}

// numbersOf takes the dotted numbers out of a text. A word in brackets, such as a
// release's codename, counts only if it has a number.
func numbersOf(text string) (rest string, numbers []string) {
	var b strings.Builder
	for word := range strings.FieldsSeq(text) {
		if strings.HasPrefix(word, "(") && !strings.ContainsAny(word, "0123456789") {
			continue
		}
		b.WriteByte(' ')
		for word != "" {
			i := strings.IndexAny(word, "0123456789")
			if i < 0 {
				break
			}
			b.WriteString(word[:i])
			b.WriteByte('#')
			word = word[i:]
			end := len(word) - len(strings.TrimLeft(word, "0123456789."))
			numbers = append(numbers, strings.Trim(word[:end], "."))
			word = word[end:]
		}
		b.WriteString(word)
	}
	return b.String(), numbers
}

func judgeBehindPeers(v *checks.View) []api.Finding {
	pools := map[pool][]*fact.Node{}
	var listed []*fact.Node
	for i := range v.Nodes {
		if node := &v.Nodes[i]; node.Listed {
			listed = append(listed, node)
			pools[poolOf(node)] = append(pools[poolOf(node)], node)
		}
	}
	judged := make(map[*fact.Node][]api.Finding, len(listed))
	whole := v.Cluster.Nodes != nil && *v.Cluster.Nodes == len(listed)
	for p, nodes := range pools {
		if len(nodes) == 1 && whole && p.system != "" {
			continue // it has no peers anywhere: nothing to judge
		}
		judgePool(p, nodes, judged)
	}
	var findings []api.Finding
	for _, node := range listed {
		findings = append(findings, judged[node]...)
	}
	return findings
}

// peers is what a pool's nodes are compared with.
type peers struct {
	newest map[class]newest
	sets   map[string]int // nodes by the sum of their packages
	set    string         // of more than half of them
}

type class struct {
	aspect int
	level  int // in the list of classes
	class  string
}

// newest is the newest value of a class.
type newest struct {
	value   string
	node    string // the first that has it
	nodes   int    // of the class
	unclear bool   // another value of the class is neither older nor newer
}

// peersOf goes through the nodes of a pool: once for each aspect, in the order of
// their values.
func peersOf(p pool, nodes []*fact.Node) peers {
	all := peers{newest: map[class]newest{}, sets: map[string]int{}}
	for i, a := range aspects {
		compare := a.order(p)
		sorted := slices.Clone(nodes)
		slices.SortFunc(sorted, func(x, y *fact.Node) int {
			return cmp.Or(strings.Compare(a.value(x), a.value(y)), strings.Compare(x.Name, y.Name))
		})
		for again := range 2 { // the second time all are compared with the newest
			for _, node := range sorted {
				value := a.value(node)
				if value == "" {
					continue
				}
				for level, name := range a.classes(value) {
					key := class{i, level, name}
					best, known := all.newest[key]
					c, ok := compare(best.value, value)
					switch {
					case again == 1:
						best.unclear = best.unclear || !ok
					case !known:
						best = newest{value: value, node: node.Name, nodes: 1}
					case ok && c < 0:
						best = newest{value: value, node: node.Name, nodes: best.nodes + 1}
					default:
						best.nodes++
					}
					all.newest[key] = best
				}
			}
		}
	}
	measured := 0
	for _, node := range nodes {
		if set := setOf(node); set != "" {
			all.sets[set]++
			measured++
		}
	}
	for set, n := range all.sets {
		if 2*n > measured {
			all.set = set
		}
	}
	return all
}

// setOf is the sum of a node's packages, "" if they were not read.
func setOf(node *fact.Node) string {
	if !node.Measured.HasRead(fact.Packages) || node.Measured.Host.Packages == nil {
		return ""
	}
	return node.Measured.Host.Packages.Set
}

// judgePool adds the findings about each node of a pool.
func judgePool(p pool, nodes []*fact.Node, judged map[*fact.Node][]api.Finding) {
	all := peersOf(p, nodes)
	type result struct {
		behind, differs []string
		older, other    []api.Evidence
		own             []api.Evidence
	}
	results := make([]result, len(nodes))
	orders := make([]order, len(aspects))
	for i, a := range aspects {
		orders[i] = a.order(p)
	}
	count := 0
	for i, node := range nodes {
		r := &results[i]
		for j, a := range aspects {
			value := a.value(node)
			var newer *newest
			classes := a.classes(value)
			for level, name := range classes {
				best := all.newest[class{j, level, name}]
				if c, ok := orders[j](value, best.value); ok && c < 0 {
					newer = &best
					break
				}
			}
			best := all.newest[class{j, 0, classes[0]}]
			own := api.Evidence{Source: "node/" + node.Name + " status.nodeInfo." + a.field, Value: orNotSet(value)}
			r.own = append(r.own, own)
			switch {
			case value == "":
				r.differs, r.other = append(r.differs, a.name+" not reported"), append(r.other, own)
			case newer != nil:
				r.behind = append(r.behind, fmt.Sprintf("%s %s, newest %s", a.name, value, newer.value))
				r.older = append(r.older, own, api.Evidence{Source: "node/" + newer.node + " status.nodeInfo." + a.field, Value: newer.value})
			case best.unclear, best.nodes == 1:
				r.differs, r.other = append(r.differs, a.name+" "+value), append(r.other, own)
			}
		}
		if set := setOf(node); set != "" && len(all.sets) > 0 {
			own := api.Evidence{
				Source: checks.NodeSource(node, "%s", node.Measured.Host.Packages.Database), Basis: api.Measured,
				Value: fmt.Sprintf("%d packages, set %.12s", node.Measured.Host.Packages.Installed, set),
			}
			if set == all.set && all.sets[set] > 1 {
				r.own = append(r.own, own)
			} else if len(all.sets) > 1 {
				r.differs, r.other = append(r.differs, "packages"), append(r.other, own)
			}
		}
		if len(r.behind) > 0 {
			count++
		}
	}
	summary := api.Evidence{Source: "nodes of pool " + p.String(), Value: fmt.Sprintf("%s, %d behind", checks.Count(len(nodes), "node"), count)}
	for i, node := range nodes {
		r := &results[i]
		subject := fact.Subject{Kind: fact.SubjectNode, Name: node.Name}
		add := func(verdict api.Verdict, reason fact.Reason, message string, evidence []api.Evidence) {
			judged[node] = append(judged[node], api.Finding{
				Verdict: verdict, Reason: reason, Subject: subject, Message: message, Evidence: append([]api.Evidence{summary}, evidence...),
			})
		}
		switch {
		case p.system == "":
			add(api.VerdictUnknown, fact.NotPresent, "its operating system is not reported, so it has no peers to compare it with", r.own)
			continue
		case len(nodes) == 1:
			add(api.VerdictUnknown, fact.NotPresent, "no other node of its pool was listed, so it has no peers to compare it with", r.own)
			continue
		}
		if len(r.behind) > 0 {
			add(api.Fail, "", "is behind its peers: "+strings.Join(r.behind, "; "), r.older)
		}
		if len(r.differs) > 0 {
			add(api.VerdictUnknown, fact.Unsupported, "differs from its peers, and which is newer is unknown: "+strings.Join(r.differs, ", "), r.other)
		}
		if len(r.behind)+len(r.differs) == 0 {
			add(api.Pass, "", "is not behind its peers", r.own)
		}
	}
}
