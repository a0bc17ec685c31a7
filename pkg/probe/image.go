package probe

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/distribution/reference"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// maxImages bounds how many images of a node are tried.
const maxImages = 2

// heldImages gives the images that an embedded probe's pod may run on a node,
// best first, from what the node says it holds (status.images: at most 50, the
// largest first). Nothing of an image is used but its being there: the pod's
// command is the loader. So pause comes first, which every node has for its
// sandboxes; it may be missing from the list of a full node, then the smallest.
func heldImages(images []corev1.ContainerImage) []string {
	type held struct {
		name  string
		size  int64
		pause bool
	}
	var found []held
	for _, image := range images {
		if name, path := imageName(image.Names); name != "" {
			found = append(found, held{name, image.SizeBytes, isPause(path)})
		}
	}
	slices.SortFunc(found, func(a, b held) int {
		if a.pause != b.pause {
			if a.pause {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(a.size, b.size), cmp.Compare(a.name, b.name))
	})
	names := make([]string, 0, maxImages)
	for _, f := range found[:min(len(found), maxImages)] {
		names = append(names, f.name)
	}
	return names
}

// imageName chooses the name by which a pod can ask for a held image, one with
// a tag if there is one, and gives its repository's path. Names that cannot be
// asked for ("<none>@<none>", a bare id) are passed over.
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

// isPause tells a sandbox image by the last element of its repository: pause
// (registry.k8s.io, EKS, AKS, GKE), mirrored-pause (Rancher), pause-amd64 (old).
func isPause(path string) bool {
	tail := path[strings.LastIndexByte(path, '/')+1:]
	return tail == "pause" || strings.HasPrefix(tail, "pause-") || strings.HasSuffix(tail, "-pause")
}

// resolve asks a node which images it holds.
func (o *Options) resolve(ctx context.Context, target *Target) *Failure {
	node, err := o.Client.Core.Nodes().Get(ctx, target.Node, metav1.GetOptions{})
	if err != nil {
		return o.refused("reading the node's list of images", err)
	}
	target.Images = heldImages(node.Status.Images)
	if len(target.Images) == 0 {
		return noImages()
	}
	return nil
}

// Resolve asks the nodes of an embedded plan which images they hold, so that
// Objects can print the pods as they will be. Nodes that do not answer keep none.
func Resolve(ctx context.Context, opts Options, plan *Plan) {
	if !plan.Embedded {
		return
	}
	for i := range plan.Targets {
		_ = opts.resolve(ctx, &plan.Targets[i]) // the run itself reports it
	}
}
