package immutable

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/distribution/reference"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// ImageScanned passes a container if a scanner's report in the cluster is about its image: by
// digest, else by repository and tag. It does not judge what the report says. Source:
// VulnerabilityReport (aquasecurity.github.io), VulnerabilityManifest
// (spdx.softwarecomposition.kubescape.io), and policies at admission that look at images.
//
// It runs only where the cluster has such objects: without them, images may be scanned
// where the cluster does not see it, in a registry or a pipeline.
//
// Trivy Operator's artifact.digest is that of the manifest only if the pod names its image by
// digest. Next to a tag it is the digest of the image's configuration (parseImageRef), which
// most runtimes do not report. So another digest next to the same tag does not make
// a report stale.
var ImageScanned = checks.Check{
	ID:       "immutable/image-scanned",
	Title:    "A scanner has looked at every image",
	Severity: api.Low,
	Basis:    api.Declared,
	Needs:    []fact.Kind{fact.Pods, fact.ImageReports},
	Database: func(set *fact.Set) bool {
		return set.ImageScan != nil && len(set.ImageScan.Reports)+len(set.ImageScan.Policies) > 0
	},
	Scope: checks.ScopeWorkload,
	Why: "Code that is added at build time is only as good as what is known of it. Where a scanner reports on images in the cluster, an " +
		"image without a report has got past it: it is excluded, it could not be pulled, or it is newer than the report.",
	Remediation: "Find out why the scanner has no report about this image: its namespace or workload is excluded, it lacks a pull secret, or " +
		"its scan failed.",
	References: []string{
		"https://aquasecurity.github.io/trivy-operator/latest/docs/crds/vulnerability-report/",
		"https://kubescape.io/docs/operator/vulnerabilities/",
	},
	Judge: judgeImageScanned,
}

// oldReport is the age from which a report's age is said: vulnerability databases change every
// day, and the operators scan again after a day by default.
const oldReport = 30 * 24 * time.Hour

func judgeImageScanned(v *checks.View) []api.Finding {
	if v.ImageScan == nil {
		return nil
	}
	reports := indexReports(v.ImageScan.Reports)
	ids := newImageIDs(v)
	var findings []api.Finding
	for i := range v.Workloads {
		w := &v.Workloads[i]
		running := ids.of(w)
		for k := range w.Spec.Containers {
			d := checks.Declared{Workload: w, Container: &w.Spec.Containers[k]}
			f := judgeScan(v, reports, ids, d, running[d.Container.Name])
			f.Subject = d.Subject()
			f.Evidence = append([]api.Evidence{{Source: d.Field("image"), Value: d.Container.Image}}, f.Evidence...)
			findings = append(findings, f)
		}
	}
	return findings
}

func judgeScan(v *checks.View, reports *reportIndex, ids *imageIDs, d checks.Declared, running []resolved) api.Finding {
	named, err := ids.reference(d.Container.Image)
	if err != nil {
		return api.Finding{Verdict: api.VerdictUnknown, Reason: fact.Corrupt, Message: "its image reference cannot be parsed"}
	}
	// What the reference names, and what the pods run. The first can be of an index of platforms,
	// the second of the one platform: then a report about either is about the image.
	var found []*fact.ImageReport
	missing := 0
	look := func(digest string) {
		switch r := reports.byDigest[digest]; {
		case r == nil:
			missing++
		case !slices.Contains(found, r):
			found = append(found, r)
		}
	}
	digested, isDigested := named.(reference.Digested)
	if isDigested {
		look(digested.Digest().String())
	}
	for _, digest := range digestsOf(running) {
		look(digest)
	}
	switch tagged := reports.byTag(named); {
	case len(found) > 0 && (isDigested || missing == 0):
		return passScan(v, found, "a scanner's report is about its image")
	case tagged != nil && aboutAnother(tagged, running):
		return staleScan(tagged)
	case tagged != nil:
		return passScan(v, []*fact.ImageReport{tagged}, "a scanner's report is about its tag; whether the tag has moved since is unknown")
	case len(found) > 0:
		return api.Finding{
			Verdict: api.Fail, Severity: api.Low, Message: "its pods run different images, and scanners' reports are not about all of them",
			Evidence: []api.Evidence{reportEvidence(found[0])},
		}
	}
	if r := reports.byOwner(d); r != nil {
		return staleScan(r)
	}
	f := api.Finding{
		Verdict: api.Fail, Severity: api.Low, Message: "no scanner's report is about its image",
		Evidence: []api.Evidence{{Source: "reports of image scanners", Value: checks.Count(len(v.ImageScan.Reports), "report") + ", none about it"}},
	}
	for i := range v.ImageScan.Policies {
		p := &v.ImageScan.Policies[i]
		if !p.Enforces || p.Namespace != "" && p.Namespace != d.Workload.Owner.Namespace {
			continue
		}
		f.Verdict, f.Severity, f.Reason = api.VerdictUnknown, "", fact.Unsupported
		f.Message += "; a policy at admission looks at images, but whether it asks for a scan of this one was not read"
		f.Evidence = append(f.Evidence, api.Evidence{Source: objectSource(p.Kind, p.Namespace, p.Name), Value: cmp.Or(p.Detail, "enforces")})
		break
	}
	return f
}

func staleScan(r *fact.ImageReport) api.Finding {
	return api.Finding{
		Verdict: api.Fail, Severity: api.Low, Message: "its scanner's report is about another image: the report is stale",
		Evidence: []api.Evidence{reportEvidence(r)},
	}
}

// aboutAnother reports whether a report about the same tag has the digest of another manifest
// than those that pods run. Kubescape takes its digest from the pod's status, so the two can be
// compared; Trivy Operator's next to a tag cannot.
func aboutAnother(r *fact.ImageReport, running []resolved) bool {
	if r.Kind == "VulnerabilityReport" || !isDigest(r.Digest) {
		return false
	}
	return slices.ContainsFunc(running, func(run resolved) bool { return run.name != "" && run.digest != r.Digest })
}

// digestsOf are the different digests that pods run.
func digestsOf(running []resolved) []string {
	var out []string
	for _, r := range running {
		if !slices.Contains(out, r.digest) {
			out = append(out, r.digest)
		}
	}
	return out
}

// passScan passes by reports, and says so if one of them is old.
func passScan(v *checks.View, reports []*fact.ImageReport, message string) api.Finding {
	f := api.Finding{Verdict: api.Pass, Message: message}
	oldest := reports[0].Updated
	for _, r := range reports {
		f.Evidence = append(f.Evidence, reportEvidence(r))
		if r.Updated.Before(oldest.Time) {
			oldest = r.Updated
		}
	}
	switch {
	case oldest.IsZero():
		f.Message += "; a report has no date"
	case !v.CollectedAt.IsZero() && v.CollectedAt.Sub(oldest.Time) > oldReport:
		f.Message += "; a report is older than 30 days"
	}
	return f
}

func objectSource(kind, namespace, name string) string {
	if namespace != "" {
		name = namespace + "/" + name
	}
	return strings.ToLower(kind) + "/" + name
}

func reportEvidence(r *fact.ImageReport) api.Evidence {
	about := r.Repository
	if r.Tag != "" {
		about += ":" + r.Tag
	}
	if r.Digest != "" {
		about += "@" + r.Digest
	}
	when := "no date"
	if !r.Updated.IsZero() {
		when = r.Updated.UTC().Format(time.DateOnly)
	}
	return api.Evidence{
		Source: objectSource(r.Kind, r.Namespace, r.Name),
		Value:  fmt.Sprintf("%s: %d critical, %d high (%s, %s)", about, r.Critical, r.High, cmp.Or(r.Scanner, "scanner unknown"), when),
	}
}

// reportIndex finds reports.
type reportIndex struct {
	byDigest map[string]*fact.ImageReport
	tags     map[string][]taggedReport // by path and tag
	owners   map[ownerContainer]*fact.ImageReport
}

// taggedReport is a report about a tag. Domain is "" if the report does not name the registry.
type taggedReport struct {
	domain string
	report *fact.ImageReport
}

type ownerContainer struct{ namespace, kind, name, container string }

// indexReports keeps the newest report where several are about the same.
func indexReports(list []fact.ImageReport) *reportIndex {
	x := &reportIndex{byDigest: map[string]*fact.ImageReport{}, tags: map[string][]taggedReport{}, owners: map[ownerContainer]*fact.ImageReport{}}
	newer := func(known, r *fact.ImageReport) bool { return known == nil || r.Updated.After(known.Updated.Time) }
	for i := range list {
		r := &list[i]
		if isDigest(r.Digest) && newer(x.byDigest[r.Digest], r) {
			x.byDigest[r.Digest] = r
		}
		if r.Tag != "" {
			if domain, repository, ok := repositoryOf(r.Repository); ok {
				key := repository + ":" + r.Tag
				at := slices.IndexFunc(x.tags[key], func(t taggedReport) bool { return t.domain == domain })
				switch {
				case at < 0:
					x.tags[key] = append(x.tags[key], taggedReport{domain, r})
				case newer(x.tags[key][at].report, r):
					x.tags[key][at].report = r
				}
			}
		}
		if r.Owner == "" || r.Container == "" {
			continue
		}
		add := func(kind, name string) {
			key := ownerContainer{r.Namespace, kind, name, r.Container}
			if newer(x.owners[key], r) {
				x.owners[key] = r
			}
		}
		add(r.OwnerKind, r.Owner)
		// Scanners name the owner of the pod, not the owner at the top.
		if i := strings.LastIndexByte(r.Owner, '-'); i > 0 {
			switch r.OwnerKind {
			case fact.SubjectReplicaSet:
				add(fact.SubjectDeployment, r.Owner[:i])
			case fact.SubjectJob:
				add(fact.SubjectCronJob, r.Owner[:i])
			}
		}
	}
	return x
}

// repositoryOf reads a report's repository: "docker.io/library/nginx", "index.docker.io/library/nginx",
// or "library/nginx" without its registry.
func repositoryOf(text string) (domain, repository string, ok bool) {
	if hub, ok := strings.CutPrefix(text, "index.docker.io/"); ok {
		text = "docker.io/" + hub
	}
	named, err := reference.ParseNormalizedNamed(text)
	if err != nil {
		return "", "", false
	}
	if first, _, _ := strings.Cut(text, "/"); strings.ContainsAny(first, ".:") || first == "localhost" {
		domain = reference.Domain(named)
	}
	return domain, reference.Path(named), true
}

// byTag finds a report about a reference's repository and tag; nil if it has a digest, or if
// there is no such report.
func (x *reportIndex) byTag(named reference.Named) *fact.ImageReport {
	if _, ok := named.(reference.Digested); ok {
		return nil
	}
	tag := "latest"
	if tagged, ok := named.(reference.Tagged); ok {
		tag = tagged.Tag()
	}
	for _, t := range x.tags[reference.Path(named)+":"+tag] {
		if t.domain == "" || t.domain == reference.Domain(named) {
			return t.report
		}
	}
	return nil
}

// mostPods bounds the pods of a workload whose own reports are looked for.
const mostPods = 10

// byOwner finds a report about this container of its owner, or of one of its pods.
func (x *reportIndex) byOwner(d checks.Declared) *fact.ImageReport {
	owner := d.Workload.Owner
	if r := x.owners[ownerContainer{owner.Namespace, owner.Kind, owner.Name, d.Container.Name}]; r != nil {
		return r
	}
	for i := range d.Workload.Pods[:min(len(d.Workload.Pods), mostPods)] {
		if r := x.owners[ownerContainer{owner.Namespace, fact.SubjectPod, d.Workload.Pods[i].Name, d.Container.Name}]; r != nil {
			return r
		}
	}
	return nil
}
