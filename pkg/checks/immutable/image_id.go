package immutable

import (
	"strings"

	"github.com/distribution/reference"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// resolved is an image that a pod's status says a container runs.
type resolved struct {
	// name is the repository in full ("docker.io/library/nginx"), digest "sha256:...". Without a
	// name it is the digest of a configuration.
	name, digest string
	// platform is the node's operating system and architecture, or the node where they are unknown.
	platform string
	where    api.Evidence
}

// imageIDs reads the status field imageID of containers (CRI ContainerStatus.image_ref): a
// repository with a digest, with "docker-pullable://" before it from dockershim. A bare
// "sha256:..." is the digest of the image's configuration, which no registry resolves and
// which cannot be compared with other digests: it says nothing here.
type imageIDs struct {
	platforms map[string]string    // by node
	parsed    map[string][2]string // name and digest of an image id; pods share images
	view      *checks.View
}

func newImageIDs(v *checks.View) *imageIDs {
	x := &imageIDs{platforms: make(map[string]string, len(v.Nodes)), parsed: map[string][2]string{}, view: v}
	for i := range v.Nodes {
		if n := &v.Nodes[i]; n.Arch != "" {
			x.platforms[n.Name] = n.OS + "/" + n.Arch
		}
	}
	return x
}

// reference parses an image's reference.
func (x *imageIDs) reference(image string) (reference.Named, error) { return x.view.Reference(image) }

// isDigest reports whether a text is "sha256:" and 64 hexadecimal digits.
func isDigest(text string) bool {
	hex, ok := strings.CutPrefix(text, "sha256:")
	return ok && len(hex) == 64 && strings.Trim(hex, "0123456789abcdef") == ""
}

// parse returns the repository and digest of an image id, "" if it has none.
func (x *imageIDs) parse(id string) (name, digest string) {
	if known, ok := x.parsed[id]; ok {
		return known[0], known[1]
	}
	if bare := strings.TrimPrefix(id, "docker://"); isDigest(bare) {
		digest = bare
	} else if named, err := reference.ParseNormalizedNamed(strings.TrimPrefix(id, "docker-pullable://")); err == nil {
		if digested, ok := named.(reference.Digested); ok {
			name, digest = named.Name(), digested.Digest().String()
		}
	}
	x.parsed[id] = [2]string{name, digest}
	return name, digest
}

// of lists what the pods of a workload run, by the container's name: each image once for
// each platform, in the order of the pods.
func (x *imageIDs) of(w *fact.Workload) map[string][]resolved {
	type key struct{ container, name, digest, platform string }
	out, seen := map[string][]resolved{}, map[key]bool{}
	for i := range w.Pods {
		p := &w.Pods[i]
		if p.Node == "" {
			continue
		}
		platform := x.platforms[p.Node]
		if platform == "" {
			platform = "node " + p.Node
		}
		for k := range p.Containers {
			status := &p.Containers[k]
			name, digest := x.parse(status.ImageID)
			if digest == "" {
				continue
			}
			is := key{status.Name, name, digest, platform}
			if seen[is] {
				continue
			}
			seen[is] = true
			out[status.Name] = append(out[status.Name], resolved{name, digest, platform, api.Evidence{
				Source: "pod/" + w.Owner.Namespace + "/" + p.Name + " status " + status.Name + " imageID", Value: status.ImageID,
			}})
		}
	}
	return out
}

// shortDigest is a digest for people, as docker and crictl cut it: "sha256:" and 12 digits.
func shortDigest(digest string) string {
	algorithm, hex, _ := strings.Cut(digest, ":")
	return algorithm + ":" + hex[:min(len(hex), 12)]
}
