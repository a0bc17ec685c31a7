package mend

import (
	"cmp"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// family is how a distribution is updated. Source: the manual pages and documentation of each
// (apt-get(8), dnf(8), zypper(8), transactional-update(8), apk(8), pacman(8), rpm-ostree(1); the
// documentation of Talos, Flatcar and Bottlerocket), 2026-11.
type family struct {
	ids []string // os-release ID or a word of ID_LIKE
	// index refreshes the list of packages. Update installs updates: of named packages if
	// names is true and the facts name them, else all.
	index  []string
	update []string
	named  string // the command before the names, "" if packages are not updated one by one
	// reboots is true if the update restarts the node by itself.
	reboots bool
	// how is what to do where no shell command of the node does it; then the others are empty.
	how   string
	place Place
}

var families = []family{
	{ids: []string{"flatcar"}, update: []string{"update_engine_client -update"}},
	{
		ids:     []string{"talos"},
		how:     `Talos is updated as a whole by its own API, which drains and restarts the node: set NODE to its address and VERSION to the newest release of its minor version.`,
		update:  []string{`talosctl --nodes "${NODE:?}" upgrade --image "ghcr.io/siderolabs/installer:${VERSION:?}"`},
		reboots: true, place: ByHand,
	},
	{
		ids:     []string{"bottlerocket"},
		how:     "Bottlerocket is updated as a whole, from its control container.",
		update:  []string{"apiclient update check", "apiclient update apply --reboot"},
		reboots: true,
	},
	{
		ids: []string{"rhcos"},
		how: "The machine config operator of OpenShift updates its nodes, and undoes what is changed by hand: update the cluster.",
		// The channel's newest release; oc asks the cluster.
		update: []string{"oc adm upgrade", "oc adm upgrade --to-latest=true"}, reboots: true, place: WithKubectl,
	},
	{
		ids:     []string{"cos"},
		how:     "Container-Optimized OS is updated as a whole: replace the node by one of a newer image of its pool.",
		reboots: true, place: WithCloud,
	},
	{
		ids:     []string{"fedora-coreos", "silverblue", "kinoite"},
		update:  []string{"rpm-ostree upgrade --reboot"},
		reboots: true,
	},
	{
		ids:     []string{"sle-micro", "sl-micro", "opensuse-microos", "opensuse-leap-micro"},
		update:  []string{"transactional-update patch"},
		reboots: false,
	},
	{
		ids: []string{"debian", "ubuntu"}, index: []string{"apt-get update"}, named: "apt-get install --only-upgrade --yes --",
		// Kubernetes' own packages must not be updated by the way: kubelet may not be newer than the API server.
		update: []string{"apt-get upgrade --with-new-pkgs"},
	},
	{ids: []string{"azurelinux", "mariner", "photon"}, index: []string{"tdnf makecache --refresh"}, named: "tdnf update -y", update: []string{"tdnf update --security -y"}},
	{ids: []string{"fedora", "rhel", "centos", "amzn"}, index: []string{"dnf makecache --refresh"}, update: []string{"dnf upgrade --security -y"}},
	{ids: []string{"suse", "sles", "opensuse"}, index: []string{"zypper refresh"}, update: []string{"zypper --non-interactive patch --category security"}},
	{ids: []string{"alpine"}, index: []string{"apk update"}, named: "apk upgrade", update: []string{"apk upgrade"}},
	{ids: []string{"arch"}, index: []string{"pacman -Sy"}, update: []string{"pacman -Syu"}},
}

// familyOf finds how a node is updated, by what was measured of its system, else by the text that
// its kubelet reports; nil if neither is known here.
func familyOf(node *fact.Node) *family {
	var words []string
	if node.Measured != nil {
		os := &node.Measured.Host.OS
		words = append(words, strings.ToLower(os.ID), strings.ToLower(os.ID+"-"+os.VariantID))
		words = append(words, strings.Fields(strings.ToLower(os.IDLike))...)
		if os.ID == "fedora" && os.VariantID == "coreos" || os.OSTreeVersion != "" && os.ID != "rhcos" {
			words = []string{"fedora-coreos"}
		}
	}
	if words = slices.DeleteFunc(words, func(w string) bool { return w == "" || w == "-" }); len(words) == 0 {
		image := strings.ToLower(node.OSImage)
		for _, n := range []struct{ prefix, id string }{
			{"talos", "talos"},
			{"flatcar", "flatcar"},
			{"bottlerocket", "bottlerocket"},
			{"container-optimized os", "cos"},
			{"red hat enterprise linux coreos", "rhcos"},
			{"fedora coreos", "fedora-coreos"},
			{"fedora", "fedora"},
			{"debian", "debian"},
			{"ubuntu", "ubuntu"},
			{"red hat enterprise linux", "rhel"},
			{"rocky linux", "rhel"},
			{"almalinux", "rhel"},
			{"oracle linux", "rhel"},
			{"centos", "centos"},
			{"amazon linux", "amzn"},
			{"suse linux enterprise micro", "sle-micro"},
			{"suse", "suse"},
			{"opensuse", "opensuse"},
			{"alpine", "alpine"},
			{"arch linux", "arch"},
			{"azure linux", "azurelinux"},
			{"cbl-mariner", "mariner"},
			{"vmware photon", "photon"},
		} {
			if strings.HasPrefix(image, n.prefix) {
				words = []string{n.id}
				break
			}
		}
	}
	for i := range families {
		if slices.ContainsFunc(families[i].ids, func(id string) bool {
			return slices.ContainsFunc(words, func(w string) bool { return w == id || id == "opensuse" && strings.HasPrefix(w, "opensuse-") })
		}) {
			return &families[i]
		}
	}
	return nil
}

// pool is the pool of a managed cluster that a node belongs to, and the commands that replace its
// nodes by ones of the newest image; false if its labels name none. Source: the labels of
// checks.Provider and the provider's command line, 2026-11.
func (b *book) pool() (Command, bool) {
	for _, p := range []struct{ provider, label, text, line string }{
		{
			"eks", "eks.amazonaws.com/nodegroup", "EKS replaces the nodes of a managed node group one by one: set CLUSTER.",
			`aws eks update-nodegroup-version --cluster-name "${CLUSTER:?}" --nodegroup-name `,
		},
		{
			"gke", "cloud.google.com/gke-nodepool", "GKE replaces the nodes of a pool one by one: set CLUSTER and LOCATION.",
			`gcloud container clusters upgrade "${CLUSTER:?}" --location "${LOCATION:?}" --node-pool `,
		},
		{
			"aks", "kubernetes.azure.com/agentpool", "AKS replaces the image of the nodes of a pool one by one: set GROUP and CLUSTER.",
			`az aks nodepool upgrade --node-image-only --resource-group "${GROUP:?}" --cluster-name "${CLUSTER:?}" --name `,
		},
	} {
		name, ok := Quote(b.node.Labels[p.label])
		if b.view.Cluster.Provider == p.provider && ok {
			return Command{Place: WithCloud, Text: p.text + " A change on a node by hand is lost with the node.", Lines: []string{p.line + name}}, true
		}
	}
	return Command{}, false
}

// maxNamed bounds the packages that a command names: more are updated by one command for all.
const maxNamed = 200

// hostSteps are the steps that bring a node up to date: drain, update, restart, uncordon.
func (b *book) hostSteps() []Command {
	name, named := Quote(b.node.Name)
	if !named || strings.HasPrefix(b.node.Name, "-") {
		return []Command{{Place: ByHand, Text: "The node's name cannot be written in a command. Drain the node, install its updates, restart it, uncordon it."}}
	}
	if step, ok := b.pool(); ok {
		return []Command{step}
	}
	f := familyOf(b.node)
	if f == nil {
		os := cmp.Or(comment(b.node.OSImage), "unknown")
		return []Command{{Place: ByHand, Text: "How this operating system (" + os + ") is updated is not known here. Drain the node, install its updates as its vendor says, restart it, uncordon it."}}
	}
	if !b.wants[wantUpdate] && !b.wants[wantReboot] {
		if len(f.index) == 0 {
			return []Command{{Place: ByHand, Text: "This system has no index of packages: it is updated as a whole. Let it look for updates."}}
		}
		return []Command{{Place: OnNode, Text: "Refresh the index of packages, and look again which updates it names.", Lines: f.index}}
	}
	var steps []Command
	drain := []string{"kubectl drain --ignore-daemonsets --delete-emptydir-data -- " + name}
	steps = append(steps, Command{Place: WithKubectl, Text: "Move the pods away. Data in emptyDirs is lost. Take one node at a time.", Lines: drain})
	if b.wants[wantUpdate] {
		update := Command{Place: cmp.Or(f.place, OnNode), Text: cmp.Or(f.how, "Install the updates."), Lines: slices.Concat(f.index, f.update)}
		if names := b.pending(); f.named != "" && len(names) > 0 {
			update.Text = "Install the security updates that the node's own index names."
			update.Lines = append(slices.Clone(f.index), f.named+" "+strings.Join(names, " "))
		}
		steps = append(steps, update)
	}
	if !b.wants[wantUpdate] || !f.reboots {
		restart := Command{Place: OnNode, Text: "Restart the node, so that it runs what is installed.", Lines: []string{"systemctl reboot"}}
		switch {
		case slices.Contains(f.ids, "talos"):
			restart.Place, restart.Lines = ByHand, []string{`talosctl --nodes "${NODE:?}" reboot`}
		case slices.Contains(f.ids, "alpine"):
			restart.Lines = []string{"reboot"}
		case slices.Contains(f.ids, "bottlerocket"):
			restart.Lines = []string{"apiclient reboot"}
		case f.place == WithCloud:
			restart = Command{Place: WithCloud, Text: f.how}
		}
		steps = append(steps, restart)
	}
	node, _ := Quote("node/" + b.node.Name)
	return append(steps, Command{Place: WithKubectl, Text: "Wait until the node is ready again, and let pods run on it.", Lines: []string{
		"kubectl wait --for=condition=Ready --timeout=15m -- " + node, "kubectl uncordon -- " + name,
	}})
}

// pending are the packages with a security update, quoted; nil if there is none, or if a name
// cannot be one.
func (b *book) pending() []string {
	if b.node.Measured == nil || b.node.Measured.Host.Packages == nil {
		return nil
	}
	var names []string
	for _, p := range b.node.Measured.Host.Packages.Pending {
		if p.Security == "" {
			continue
		}
		name := p.Name
		if b.node.Measured.Host.Packages.Manager == "apt" && p.Arch != "" && p.Arch != "all" {
			name += ":" + p.Arch
		}
		word, ok := Quote(name)
		if !ok || p.Name == "" || strings.HasPrefix(name, "-") || len(names) == maxNamed {
			return nil
		}
		names = append(names, word)
	}
	return names
}
