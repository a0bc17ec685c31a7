package immutable

import (
	"strings"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

func TestMutableImage(t *testing.T) {
	digest := "@sha256:" + strings.Repeat("1", 64)
	other := "@sha256:" + strings.Repeat("2", 64)
	finding := func(verdict api.Verdict, severity api.Severity, message, image string, more ...string) api.Finding {
		f := api.Finding{
			Verdict: verdict, Severity: severity, Subject: ft.Subject(), Message: message,
			Evidence: ft.Evidence(append([]string{ft.App + "image", image}, more...)...),
		}
		if verdict == api.VerdictUnknown {
			f.Reason = fact.Corrupt
		}
		return f
	}
	const (
		byDigest   = "its image is named by digest"
		byLatest   = "its image is named by the tag latest"
		byTag      = "its image is named by a tag, without a digest"
		noTag      = "its image has no tag, which means latest"
		unreadable = "its image reference cannot be parsed"
	)
	cases := map[string]row{}
	for name, tc := range map[string]struct {
		image    string
		verdict  api.Verdict
		severity api.Severity
		message  string
	}{
		"a digest passes":                        {"nginx" + digest, api.Pass, "", byDigest},
		"a digest beats a tag":                   {"registry.example:5000/shop/web:latest" + digest, api.Pass, "", byDigest},
		"latest is medium":                       {"nginx:latest", api.Fail, api.Medium, byLatest},
		"no tag is medium":                       {"nginx", api.Fail, api.Medium, noTag},
		"a registry's port is no tag":            {"registry.example:5000/web", api.Fail, api.Medium, noTag},
		"another tag is low":                     {"registry.example:5000/web:1.27.3", api.Fail, api.Low, byTag},
		"a tag that only contains latest is low": {"web:latest-stable", api.Fail, api.Low, byTag},
		"a reference that is none is unknown":    {"Shop/Web:1", api.VerdictUnknown, "", unreadable},
		"a digest cut short is unknown":          {"web@sha256:1234", api.VerdictUnknown, "", unreadable},
	} {
		cases[name] = row{
			Set:  ft.Declared(fact.Container{Image: tc.image}),
			Want: ft.One(finding(tc.verdict, tc.severity, tc.message, tc.image)),
		}
	}
	cases["no image at all is unknown"] = row{
		Set:  ft.Edit(ft.Declared(fact.Container{}), func(s *fact.Set) { s.Workloads[0].Spec.Containers[0].Image = "" }),
		Want: ft.One(finding(api.VerdictUnknown, "", unreadable, "")),
	}

	// pods gives the template two pods with these image ids.
	pods := func(first, second, node string) func(*fact.Set) {
		return func(s *fact.Set) {
			w := &s.Workloads[0]
			w.Pods[0].Containers[0].ImageID = first
			w.Pods = append(w.Pods, fact.Pod{Name: "web-2", Node: node, Containers: []fact.ContainerStatus{{Name: "app", ImageID: second}}})
			s.Nodes = append(s.Nodes, fact.Node{Name: "arm", Arch: "arm64"})
		}
	}
	two := func(f api.Finding) []api.Finding {
		f.Subject.PodCount, f.Subject.Pods = 2, []string{"web-1", "web-2"}
		return ft.One(f)
	}
	tagged := func(edit func(*fact.Set)) *fact.Set {
		return ft.Edit(ft.Declared(fact.Container{Image: "web:1"}), edit)
	}
	cases["a tag that has moved is medium"] = row{
		Set: tagged(pods("web"+digest, "web"+other, ft.Node)),
		Want: two(finding(api.Fail, api.Medium, byTag+", which has moved: pods of one template run different images", "web:1",
			"pod/shop/web-1 status app imageID", "web"+digest, "pod/shop/web-2 status app imageID", "web"+other)),
	}
	const first, second = "pod/shop/web-1 status app imageID", "pod/shop/web-2 status app imageID"
	const now = byTag + "; it resolves to sha256:111111111111 now"
	cases["another digest on another platform can be of the same image"] = row{
		Set:  tagged(pods("web"+digest, "web"+other, "arm")),
		Want: two(finding(api.Fail, api.Low, byTag, "web:1", first, "web"+digest, second, "web"+other)),
	}
	cases["another digest on a node whose platform is unknown, too"] = row{
		Set:  tagged(pods("web"+digest, "web"+other, "unlisted")),
		Want: two(finding(api.Fail, api.Low, byTag, "web:1", first, "web"+digest, second, "web"+other)),
	}
	cases["two digests on one node whose platform is unknown mean that the tag moved"] = row{
		Set: ft.Edit(tagged(pods("web"+digest, "web"+other, ft.Node)), func(s *fact.Set) { s.Nodes = nil }),
		Want: two(finding(api.Fail, api.Medium, byTag+", which has moved: pods of one template run different images", "web:1",
			first, "web"+digest, second, "web"+other)),
	}
	cases["one digest is what the tag means now"] = row{
		Set:  tagged(pods("docker-pullable://web"+digest, "docker.io/library/web"+digest, "arm")),
		Want: two(finding(api.Fail, api.Low, now, "web:1", first, "docker-pullable://web"+digest)),
	}
	cases["an image of another repository says nothing about the tag"] = row{
		Set: tagged(pods("web"+digest, "mirror.example/web"+other, ft.Node)), Want: two(finding(api.Fail, api.Low, now, "web:1", first, "web"+digest)),
	}
	cases["an image id that is not a reference says nothing"] = row{
		Set: tagged(pods("web@sha256:12", "web@@"+other, ft.Node)), Want: two(finding(api.Fail, api.Low, byTag, "web:1")),
	}
	cases["a digest that moved between two runs of an init container"] = row{
		Set: ft.Edit(tagged(pods("web"+digest, "web"+other, ft.Node)), func(s *fact.Set) {
			s.Workloads[0].Spec.Containers[0].Type, s.Workloads[0].Spec.Containers[0].Image = fact.InitContainer, "web"
		}),
		Want: two(finding(api.Fail, api.Medium, noTag+", which has moved: pods of one template run different images", "web",
			first, "web"+digest, second, "web"+other)),
	}
	cases["another container of the pod says nothing about this one"] = row{
		Set: tagged(func(s *fact.Set) {
			pods("web"+digest, "web"+digest, ft.Node)(s)
			for i := range s.Workloads[0].Pods {
				p := &s.Workloads[0].Pods[i]
				p.Containers = append(p.Containers, fact.ContainerStatus{Name: "sidecar", ImageID: "sidecar" + other})
			}
		}),
		Want: two(finding(api.Fail, api.Low, now, "web:1", first, "web"+digest)),
	}
	cases["the digest of a configuration says nothing"] = row{
		Set: tagged(pods("sha256:"+strings.Repeat("1", 64), "sha256:"+strings.Repeat("2", 64), ft.Node)), Want: two(finding(api.Fail, api.Low, byTag, "web:1")),
	}
	cases["an image volume counts"] = row{
		Set: ft.Declared(fact.Container{Image: "web" + digest}, func(s *fact.PodSpec) {
			s.Volumes = []fact.Volume{{Name: "model", Field: "spec.volumes[0]", Source: "image", Image: "model:latest"}}
		}),
		Want: []api.Finding{finding(api.Pass, "", byDigest, "web"+digest), {
			Verdict: api.Fail, Severity: api.Medium, Subject: ft.PodSubject(), Message: "image volume model: " + byLatest,
			Evidence: ft.Evidence(ft.Field+"volumes[0].image.reference", "model:latest"),
		}},
	}
	ft.Judge(t, checks.OfSet(judgeMutableImage), cases)
}
