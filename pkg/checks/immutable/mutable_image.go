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
	ids := newImageIDs(v)
	findings := make([]api.Finding, 0, len(v.Workloads))
	for i := range v.Workloads {
		w := &v.Workloads[i]
		var running map[string][]resolved // filled when first needed
		for j := range w.Spec.Containers {
			d := checks.Declared{Workload: w, Container: &w.Spec.Containers[j]}
			f := ids.judgeReference(d.Container.Image)
			f.Subject = d.Subject()
			f.Evidence = []api.Evidence{{Source: d.Field("image"), Value: d.Container.Image}}
			if f.Verdict == api.Fail && len(w.Pods) > 0 {
				if running == nil {
					running = ids.of(w)
				}
				ids.resolve(&f, d.Container.Image, running[d.Container.Name])
			}
			findings = append(findings, f)
		}
		for j := range w.Spec.Volumes {
			volume := &w.Spec.Volumes[j]
			if volume.Source != "image" {
				continue
			}
			f := ids.judgeReference(volume.Image)
			f.Subject = checks.WorkloadSubject(w)
			f.Message = "image volume " + volume.Name + ": " + f.Message
			f.Evidence = []api.Evidence{{Source: checks.PodField(w, strings.TrimPrefix(volume.Field, "spec.")+".image.reference"), Value: volume.Image}}
			findings = append(findings, f)
		}
	}
	return findings
}

// judgeReference returns verdict, severity, reason and message for a reference.
func (x *imageIDs) judgeReference(image string) api.Finding {
	named, err := x.reference(image)
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

// resolve says what a tag means now, by what the pods of one template run. Only images of the
// repository that the reference names count: a runtime that has one image under several names
// reports any of them. Different digests on one platform mean that the tag has moved. Digests of
// different platforms can be of one image, so they are only shown.
func (x *imageIDs) resolve(f *api.Finding, image string, running []resolved) {
	named, err := x.reference(image)
	if err != nil {
		return
	}
	byPlatform := map[string][]resolved{}
	var platforms, digests []string
	for _, r := range running {
		if r.name != named.Name() {
			continue
		}
		if byPlatform[r.platform] == nil {
			platforms = append(platforms, r.platform)
		}
		byPlatform[r.platform] = append(byPlatform[r.platform], r)
		if !slices.Contains(digests, r.digest) {
			digests = append(digests, r.digest)
		}
	}
	for _, platform := range platforms {
		if len(byPlatform[platform]) < 2 {
			continue
		}
		f.Severity = api.Medium
		f.Message += ", which has moved: pods of one template run different images"
		for _, r := range byPlatform[platform] {
			f.Evidence = append(f.Evidence, r.where)
		}
		return
	}
	if len(digests) == 1 {
		f.Message += "; it resolves to " + shortDigest(digests[0]) + " now"
	}
	for _, platform := range platforms {
		if f.Evidence = append(f.Evidence, byPlatform[platform][0].where); len(digests) == 1 {
			return // the same on all platforms
		}
	}
}
