package launch

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/distribution/reference"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/sorted"
)

// maxImages bounds how many images of each sort are tried on a node: its own names for
// pause, other nodes' names for pause, images of its pods, the smallest.
const maxImages = 2

// A held is an image that a node says it holds.
type held struct {
	name  string
	size  int64
	pause bool
}

// heldImages returns the images that a node holds (status.images: by default at most
// 50, the largest first), smallest first. An image only has to be there: nothing in it
// is used, because the pod's command is the loader.
func heldImages(images []corev1.ContainerImage) []held {
	var found []held
	for _, image := range images {
		if name, path := imageName(image.Names); name != "" {
			found = append(found, held{name, image.SizeBytes, isPause(path)})
		}
	}
	sorted.Func(found, func(a, b held) int { return cmp.Or(cmp.Compare(a.size, b.size), cmp.Compare(a.name, b.name)) })
	return found
}

// choose fills in a target's images. pause comes first: every node has it for its
// sandboxes, and it needs no password. A full node does not list it. Then the names
// that other nodes have for it are tried. The smallest images come last, because a
// kubelet from 1.35 on refuses an image that was pulled with another pod's credentials,
// also with imagePullPolicy Never (KEP-2535).
func (t *Target) choose(images []held, pauses []string) {
	t.Images, t.Smallest = nil, nil
	for _, image := range images {
		switch {
		case image.pause && len(t.Images) < maxImages:
			t.Images = append(t.Images, image.name)
		case !image.pause && len(t.Smallest) < maxImages:
			t.Smallest = append(t.Smallest, image.name)
		}
	}
	others := 0
	for _, name := range pauses {
		if others < maxImages && !slices.Contains(t.Images, name) {
			t.Images = append(t.Images, name)
			others++
		}
	}
}

// imageName chooses the name by which a pod can ask for a held image, if possible one
// with a tag. It also returns the repository's path. It skips names that cannot be
// asked for ("<none>@<none>", a bare id).
func imageName(names []string) (name, path string) {
	for _, n := range names {
		ref, err := reference.ParseNormalizedNamed(n)
		if err != nil || reference.Path(ref) == "library/sha256" {
			continue
		}
		_, tagged := ref.(reference.NamedTagged)
		_, digested := ref.(reference.Digested)
		if tagged && !digested {
			return n, reference.Path(ref)
		}
		if name == "" && (tagged || digested) {
			name, path = n, reference.Path(ref)
		}
	}
	return name, path
}

// isPause reports whether an image is a sandbox image, by the last element of its
// repository: pause (registry.k8s.io, EKS, AKS, GKE), mirrored-pause (Rancher),
// pause-amd64 (old).
func isPause(path string) bool {
	tail := path[strings.LastIndexByte(path, '/')+1:]
	return tail == "pause" || strings.HasPrefix(tail, "pause-") || strings.HasSuffix(tail, "-pause")
}

// resolve asks one node which images it holds.
func (o *Options) resolve(ctx context.Context, target *Target, pauses []string) *Failure {
	node, err := o.Client.Core.Nodes().Get(ctx, target.Node, metav1.GetOptions{})
	if err != nil {
		return o.refused("reading the node's list of images", err)
	}
	target.choose(heldImages(node.Status.Images), pauses)
	return nil
}

const (
	// fewNodes are asked one by one; more are listed.
	fewNodes = 10
	// nodesPage is the number of nodes in a page of a list. Each may be 50 KB.
	nodesPage = 100
)

// survey asks the plan's nodes which images they hold. It asks few nodes one by one. For
// many nodes it reads a list until it has seen them all. A list also shows how other
// nodes name their pause image. Nodes that could not be asked stay as they are. The run
// asks them again, and reports it.
func (o *Options) survey(ctx context.Context, plan *Plan) {
	if !plan.Embedded {
		return
	}
	images := make(map[string][]held, len(plan.Targets))
	missing := make(map[string]bool, len(plan.Targets)) // not seen, or without a pause image
	for _, t := range plan.Targets {
		missing[t.Node] = true
	}
	count := make(map[string]int)
	see := func(node *corev1.Node, wanted bool) {
		found := heldImages(node.Status.Images)
		pause := false
		for _, image := range found {
			if image.pause {
				pause = true
				count[image.name]++
			}
		}
		if wanted {
			images[node.Name] = found
		}
		if pause {
			delete(missing, node.Name)
		}
	}
	few := len(plan.Targets) <= fewNodes
	if few {
		for _, t := range plan.Targets {
			if node, err := o.Client.Core.Nodes().Get(ctx, t.Node, metav1.GetOptions{}); err == nil {
				see(node, true)
			}
		}
	}
	wanted := make(map[string]bool, len(plan.Targets))
	for _, t := range plan.Targets {
		wanted[t.Node] = images[t.Node] == nil
	}
	for page := (metav1.ListOptions{Limit: nodesPage}); len(missing) > 0; {
		list, err := o.Client.Core.Nodes().List(ctx, page)
		if err != nil {
			break
		}
		for i := range list.Items {
			see(&list.Items[i], wanted[list.Items[i].Name])
		}
		page.Continue = list.Continue
		if few || page.Continue == "" { // one page is enough to learn other nodes' names
			break
		}
	}
	plan.pauses = slices.SortedFunc(maps.Keys(count), func(a, b string) int {
		return cmp.Or(cmp.Compare(count[b], count[a]), cmp.Compare(a, b))
	})
	for i := range plan.Targets {
		t := &plan.Targets[i]
		if found, ok := images[t.Node]; ok {
			t.choose(found, plan.pauses)
		}
	}
}

// Resolve asks the nodes of an embedded plan which images they hold, so that Objects can
// print the pods as they will be. Nodes that do not answer get no images.
func Resolve(ctx context.Context, opts Options, plan *Plan) {
	opts.survey(ctx, plan)
}

// imagesFor returns a function that returns a node's images one after another, each
// once. The pods that run there are listed only if no name of pause worked. ok is false
// after the last.
func (s *session) imagesFor(ctx context.Context, target *Target) func() (image string, ok bool) {
	if !s.plan.Embedded {
		return func() (string, bool) { return s.plan.Image, true }
	}
	later := []func() []string{
		func() []string { return target.Images },
		func() []string { return s.running(ctx, target.Node) },
		func() []string { return target.Smallest },
	}
	var next []string
	given := make(map[string]bool)
	return func() (string, bool) {
		for {
			if len(next) == 0 {
				if len(later) == 0 {
					return "", false
				}
				next, later = later[0](), later[1:]
				continue
			}
			image := next[0]
			next = next[1:]
			if !given[image] {
				given[image] = true
				return image, true
			}
		}
	}
}

// running returns images that run on a node in pods without pull secrets. Those of
// kube-system come first (kube-proxy, the network). The node holds these images, and
// any pod may use them. It returns nil if pods may not be listed.
func (s *session) running(ctx context.Context, node string) []string {
	ctx, cancel := context.WithTimeout(ctx, s.timing.request)
	defer cancel()
	pods, err := s.Client.Core.Pods(metav1.NamespaceAll).List(ctx, metav1.ListOptions{FieldSelector: "spec.nodeName=" + node})
	if err != nil {
		return nil
	}
	system := func(p corev1.Pod) int {
		if p.Namespace == metav1.NamespaceSystem {
			return 0
		}
		return 1
	}
	sorted.Func(pods.Items, func(a, b corev1.Pod) int {
		return cmp.Or(cmp.Compare(system(a), system(b)), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	var images []string
	for i := range pods.Items {
		p := &pods.Items[i]
		if p.Spec.NodeName != node || len(p.Spec.ImagePullSecrets) > 0 || p.Labels[LabelManagedBy] == ManagedBy {
			continue
		}
		for _, status := range p.Status.ContainerStatuses {
			if status.State.Running == nil {
				continue
			}
			// The node found the image by the name in the pod's spec. The status
			// may show another name.
			j := slices.IndexFunc(p.Spec.Containers, func(c corev1.Container) bool { return c.Name == status.Name })
			if j < 0 || slices.Contains(images, p.Spec.Containers[j].Image) {
				continue
			}
			if images = append(images, p.Spec.Containers[j].Image); len(images) == maxImages {
				return images
			}
		}
	}
	return images
}
