package immutable

import (
	"strings"
	"testing"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

func TestImageScanned(t *testing.T) {
	const (
		exact  = "a scanner's report is about its image"
		byTag  = "a scanner's report is about its tag; whether the tag has moved since is unknown"
		none   = "no scanner's report is about its image"
		stale  = "its scanner's report is about another image: the report is stale"
		source = "vulnerabilityreport/shop/web"
	)
	one, two := "sha256:"+strings.Repeat("1", 64), "sha256:"+strings.Repeat("2", 64)
	report := fact.ImageReport{
		Kind: "VulnerabilityReport", Namespace: "shop", Name: "web", Scanner: "Trivy", Critical: 2, High: 5, Updated: fact.NewTime(ft.Time.Add(-time.Hour)),
	}
	with := func(edit func(*fact.ImageReport)) fact.ImageReport {
		r := report
		edit(&r)
		return r
	}
	const counts = ": 2 critical, 5 high (Trivy, 2026-11-24)"
	byDigest := with(func(r *fact.ImageReport) { r.Repository, r.Digest = "docker.io/library/web", one })
	tagged := with(func(r *fact.ImageReport) { r.Repository, r.Tag, r.Digest = "index.docker.io/library/web", "1", two })
	owned := with(func(r *fact.ImageReport) {
		r.Repository, r.Tag, r.OwnerKind, r.Owner, r.Container = "docker.io/library/web", "0", "ReplicaSet", "web-5d4f", "app"
	})
	set := func(image, imageID string, reports ...fact.ImageReport) *fact.Set {
		return ft.Edit(ft.Declared(fact.Container{Image: image}), func(s *fact.Set) {
			s.ImageScan = &fact.ImageScan{Reports: reports}
			s.Workloads[0].Pods[0].Containers[0].ImageID = imageID
		})
	}
	policy := func(p fact.ImagePolicy) func(*fact.Set) {
		return func(s *fact.Set) { s.ImageScan.Policies = []fact.ImagePolicy{p} }
	}
	secondPod := func(imageID string) func(*fact.Set) {
		return func(s *fact.Set) {
			w := &s.Workloads[0]
			w.Pods = append(w.Pods, fact.Pod{Name: "web-2", Node: ft.Node, Containers: []fact.ContainerStatus{{Name: "app", ImageID: imageID}}})
		}
	}
	finding := func(verdict api.Verdict, message, image string, more ...string) []api.Finding {
		f := api.Finding{Verdict: verdict, Subject: ft.Subject(), Message: message, Evidence: ft.Evidence(append([]string{ft.App + "image", image}, more...)...)}
		if verdict == api.Fail {
			f.Severity = api.Low
		}
		return ft.One(f)
	}
	pods := func(findings []api.Finding) []api.Finding {
		findings[0].Subject.PodCount, findings[0].Subject.Pods = 2, []string{"web-1", "web-2"}
		return findings
	}
	unknown := func(reason fact.Reason, findings []api.Finding) []api.Finding {
		findings[0].Reason = reason
		return findings
	}
	const noneOf1, noneOf0 = "1 report, none about it", "0 reports, none about it"
	aboutOne := "docker.io/library/web@" + one + counts

	ft.Judge(t, checks.OfSet(judgeImageScanned), map[string]row{
		"by the digest of the reference":    {set("web@"+one, "", byDigest), finding(api.Pass, exact, "web@"+one, source, aboutOne)},
		"by the digest that a pod runs":     {set("web:1", "docker.io/library/web@"+one, byDigest), finding(api.Pass, exact, "web:1", source, aboutOne)},
		"by the digest of a configuration":  {set("web:1", "docker://"+one, byDigest), finding(api.Pass, exact, "web:1", source, aboutOne)},
		"by digest from a mirror":           {set("mirror.example/web:1", "mirror.example/web@"+one, byDigest), finding(api.Pass, exact, "mirror.example/web:1", source, aboutOne)},
		"an index named, its platform runs": {set("web@"+two, "docker.io/library/web@"+one, byDigest), finding(api.Pass, exact, "web@"+two, source, aboutOne)},
		"by the tag":                        {set("web:1", "docker.io/library/web@"+one, tagged), finding(api.Pass, byTag, "web:1", source, "index.docker.io/library/web:1@"+two+counts)},
		"another digest next to the tag, in a report that can be compared, is stale": {
			set("web:1", "docker.io/library/web@"+one, with(func(r *fact.ImageReport) { *r = tagged; r.Kind = "VulnerabilityManifestSummary" })),
			finding(api.Fail, stale, "web:1", "vulnerabilitymanifestsummary/shop/web", "index.docker.io/library/web:1@"+two+counts),
		},
		"such a report where no pod says what it runs": {
			set("web:1", "", with(func(r *fact.ImageReport) { *r = tagged; r.Kind = "VulnerabilityManifestSummary" })),
			finding(api.Pass, byTag, "web:1", "vulnerabilitymanifestsummary/shop/web", "index.docker.io/library/web:1@"+two+counts),
		},
		"by the tag latest that is left out": {
			set("web", "", with(func(r *fact.ImageReport) { r.Repository, r.Tag = "library/web", "latest" })),
			finding(api.Pass, byTag, "web", source, "library/web:latest"+counts),
		},
		"the newest of two": {
			set("web@"+one, "", with(func(r *fact.ImageReport) {
				*r = byDigest
				r.Name, r.Updated = "old", fact.NewTime(ft.Time.Add(-99*24*time.Hour))
			}), byDigest),
			finding(api.Pass, exact, "web@"+one, source, aboutOne),
		},
		"an old report says so": {
			set("web@"+one, "", with(func(r *fact.ImageReport) { *r = byDigest; r.Updated = fact.NewTime(ft.Time.Add(-31 * 24 * time.Hour)) })),
			finding(api.Pass, exact+"; a report is older than 30 days", "web@"+one, source, "docker.io/library/web@"+one+": 2 critical, 5 high (Trivy, 2026-10-24)"),
		},
		"a report without a date says so": {
			set("web@"+one, "", with(func(r *fact.ImageReport) { *r = byDigest; r.Updated, r.Scanner = fact.Time{}, "" })),
			finding(api.Pass, exact+"; a report has no date", "web@"+one, source, "docker.io/library/web@"+one+": 2 critical, 5 high (scanner unknown, no date)"),
		},
		"a tag of another registry": {
			set("mirror.example/library/web:1", "", tagged),
			finding(api.Fail, none, "mirror.example/library/web:1", "reports of image scanners", noneOf1),
		},
		"a reference by digest is not found by its tag": {
			set("web:1@"+one, "", tagged), finding(api.Fail, none, "web:1@"+one, "reports of image scanners", noneOf1),
		},
		"pods that run two images, one of them scanned": {
			ft.Edit(set("web:2", "docker.io/library/web@"+one, byDigest), secondPod("docker.io/library/web@"+two)),
			pods(finding(api.Fail, "its pods run different images, and scanners' reports are not about all of them", "web:2", source, aboutOne)),
		},
		"pods that run two images, both scanned": {
			ft.Edit(set("web:2", "docker.io/library/web@"+one, byDigest, with(func(r *fact.ImageReport) { *r = byDigest; r.Name, r.Digest = "two", two })), secondPod("docker.io/library/web@"+two)),
			pods(finding(api.Pass, exact, "web:2", source, aboutOne, "vulnerabilityreport/shop/two", "docker.io/library/web@"+two+counts)),
		},
		"a report about the tag before is stale": {set("web:1", "", owned), finding(api.Fail, stale, "web:1", source, "docker.io/library/web:0"+counts)},
		"a report about another namespace's owner": {
			set("web:1", "", with(func(r *fact.ImageReport) { *r = owned; r.Namespace = "other" })),
			finding(api.Fail, none, "web:1", "reports of image scanners", noneOf1),
		},
		"a report about a pod": {
			set("web:1", "", with(func(r *fact.ImageReport) { *r = owned; r.OwnerKind, r.Owner = "Pod", "web-1" })),
			finding(api.Fail, stale, "web:1", source, "docker.io/library/web:0"+counts),
		},
		"no report": {set("web:1", ""), finding(api.Fail, none, "web:1", "reports of image scanners", noneOf0)},
		"a policy that enforces leaves it open": {
			ft.Edit(set("web:1", ""), policy(fact.ImagePolicy{Kind: "ClusterImagePolicy", Name: "signed", Enforces: true, Detail: "mode enforce"})),
			unknown(fact.Unsupported, finding(api.VerdictUnknown, none+"; a policy at admission looks at images, but whether it asks for a scan of this one was not read",
				"web:1", "reports of image scanners", noneOf0, "clusterimagepolicy/signed", "mode enforce")),
		},
		"a policy that only warns does not": {
			ft.Edit(set("web:1", ""), policy(fact.ImagePolicy{Kind: "ClusterImagePolicy", Name: "signed"})),
			finding(api.Fail, none, "web:1", "reports of image scanners", noneOf0),
		},
		"nor one of another namespace": {
			ft.Edit(set("web:1", ""), policy(fact.ImagePolicy{Kind: "ImagePolicy", Namespace: "other", Name: "signed", Enforces: true})),
			finding(api.Fail, none, "web:1", "reports of image scanners", noneOf0),
		},
		"a reference that is none": {
			set("Not An Image", "", byDigest), unknown(fact.Corrupt, finding(api.VerdictUnknown, "its image reference cannot be parsed", "Not An Image")),
		},
		"a report about nothing": {
			set("web:1", "", fact.ImageReport{Kind: "VulnerabilityReport", Name: "x", Digest: "sha256:12", Repository: "::", Tag: "1"}),
			finding(api.Fail, none, "web:1", "reports of image scanners", noneOf1),
		},
		"nobody looked": {Set: ft.Declared(fact.Container{})},
	})
}

// Without reports and policies it does not run.
func TestImageScannedRuns(t *testing.T) {
	for name, tc := range map[string]struct {
		scan *fact.ImageScan
		want bool
	}{
		"nobody looked": {nil, false}, "nothing there": {&fact.ImageScan{}, false},
		"reports": {&fact.ImageScan{Reports: make([]fact.ImageReport, 1)}, true}, "policies": {&fact.ImageScan{Policies: make([]fact.ImagePolicy, 1)}, true},
	} {
		if got := ImageScanned.Ready(&fact.Set{ImageScan: tc.scan}); got != tc.want {
			t.Errorf("%s: want %t, got %t", name, tc.want, got)
		}
	}
}
