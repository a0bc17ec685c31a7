package immutable

import (
	"slices"
	"strings"

	"github.com/distribution/reference"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// MutableImage fails a container whose image reference can mean another image
// tomorrow: a tag without a digest, worst of all "latest". If pods of one
// template already run different images, the tag has moved.
var MutableImage = checks.Check{
	ID:       "immutable/mutable-image",
	Title:    "Images are named by digest",
	Severity: api.Medium,
	Basis:    api.Declared,
	Needs:    []fact.Kind{fact.Pods},
	Scope:    checks.ScopeWorkload,
	Why: "A tag can be pushed again: the next pod that starts may run code that nobody tested or scanned, and two nodes may run " +
		"different code under one name. A digest always names the same image.",
	Remediation: "Name the image by digest (repo:tag@sha256:...), as build pipelines and tools such as Renovate do; never use latest.",
	References: []string{
		"https://kubernetes.io/docs/concepts/containers/images/#image-names",
		"https://github.com/distribution/reference",
	},
	Judge: judgeMutableImage,
}

func judgeMutableImage(v *checks.View) []api.Finding {
	arch := map[string]string{}
	for i := range v.Nodes {
		arch[v.Nodes[i].Name] = v.Nodes[i].Arch
	}
	declared := checks.DeclaredContainers(v)
	findings := make([]api.Finding, 0, len(declared))
	for _, d := range declared {
		f := judgeReference(d.Container.Image)
		f.Subject = d.Subject()
		f.Evidence = []api.Evidence{{Source: d.Field("image"), Value: d.Container.Image}}
		if f.Verdict == api.Fail {
			if digests := movedTag(d, arch); len(digests) > 1 {
				f.Severity = api.Medium
				f.Message += ", which has moved: pods of one template run different images"
				f.Evidence = append(f.Evidence, digests...)
			}
		}
		findings = append(findings, f)
	}
	for i := range v.Workloads {
		w := &v.Workloads[i]
		for j := range w.Spec.Volumes {
			v := &w.Spec.Volumes[j]
			if v.Source != "image" {
				continue
			}
			f := judgeReference(v.Image)
			f.Subject = checks.WorkloadSubject(w)
			f.Message = "image volume " + v.Name + ": " + f.Message
			f.Evidence = []api.Evidence{{Source: checks.PodField(w, strings.TrimPrefix(v.Field, "spec.")+".image.reference"), Value: v.Image}}
			findings = append(findings, f)
		}
	}
	return findings
}

// judgeReference returns verdict, severity, reason and message for a reference.
func judgeReference(image string) api.Finding {
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return api.Finding{Verdict: api.VerdictUnknown, Reason: fact.Corrupt, Message: "its image reference cannot be parsed"}
	}
	if _, ok := named.(reference.Digested); ok {
		return api.Finding{Verdict: api.Pass, Message: "its image is named by digest"}
	}
	tagged, ok := named.(reference.Tagged)
	switch {
	case !ok:
		return api.Finding{Verdict: api.Fail, Severity: api.Medium, Message: "its image has no tag, which means latest"}
	case tagged.Tag() == "latest":
		return api.Finding{Verdict: api.Fail, Severity: api.Medium, Message: "its image is named by the tag latest"}
	}
	return api.Finding{Verdict: api.Fail, Severity: api.Low, Message: "its image is named by a tag, without a digest"}
}

// movedTag lists the digests that pods of one template run on one platform, if
// there are several. A bare "sha256:" is the digest of a configuration and
// cannot be compared.
func movedTag(d checks.Declared, arch map[string]string) []api.Evidence {
	byArch := map[string][]string{} // arch: digests
	first := map[string]api.Evidence{}
	for i := range d.Workload.Pods {
		p := &d.Workload.Pods[i]
		for _, status := range p.Containers {
			_, digest, ok := strings.Cut(status.ImageID, "@")
			platform := arch[p.Node]
			if status.Name != d.Container.Name || !ok || platform == "" {
				continue
			}
			if !slices.Contains(byArch[platform], digest) {
				byArch[platform] = append(byArch[platform], digest)
				first[platform+" "+digest] = api.Evidence{
					Source: "pod/" + d.Workload.Owner.Namespace + "/" + p.Name + " status " + status.Name + " imageID", Value: status.ImageID,
				}
			}
		}
	}
	platforms := make([]string, 0, len(byArch))
	for platform := range byArch {
		platforms = append(platforms, platform)
	}
	slices.Sort(platforms)
	for _, platform := range platforms {
		if len(byArch[platform]) < 2 {
			continue
		}
		var out []api.Evidence
		for _, digest := range byArch[platform] {
			out = append(out, first[platform+" "+digest])
		}
		return out
	}
	return nil
}
