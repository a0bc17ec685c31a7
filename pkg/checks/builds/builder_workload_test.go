package builds

import (
	"strings"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

func TestBuilderWorkload(t *testing.T) {
	const pass = "neither its image nor its program is a known builder"
	finding := func(verdict api.Verdict, severity api.Severity, message, image, program string) api.Finding {
		f := api.Finding{Verdict: verdict, Severity: severity, Subject: ft.Subject(), Message: message, Evidence: ft.Evidence(ft.App+"image", image)}
		if program != "" {
			f.Evidence = append(f.Evidence, ft.Evidence(ft.App+"command[0]", program)...)
		}
		if verdict == api.VerdictUnknown {
			f.Reason = fact.Corrupt
		}
		return f
	}
	cases := map[string]row{}
	for name, tc := range map[string]struct {
		image, program string
		verdict        api.Verdict
		severity       api.Severity
		message        string
	}{
		"an ordinary image passes":             {"nginx:1", "", api.Pass, "", pass},
		"kaniko":                               {"gcr.io/kaniko-project/executor:v1.23.2", "", api.Fail, api.Medium, "runs kaniko, as root"},
		"kaniko from a mirror":                 {"mirror.example:5000/gcr.io/kaniko-project/executor:debug", "", api.Fail, api.Medium, "runs kaniko, as root"},
		"BuildKit":                             {"moby/buildkit:v0.15", "", api.Fail, api.Medium, "runs BuildKit, as root"},
		"rootless BuildKit":                    {"moby/buildkit:v0.15-rootless", "", api.Fail, api.Low, "runs BuildKit, without root" + exception},
		"Buildah":                              {"quay.io/buildah/stable:v1.37", "", api.Fail, api.Medium, "runs Buildah, as root"},
		"img":                                  {"genuinetools/img", "", api.Fail, api.Medium, "runs img, as root"},
		"Docker-in-Docker":                     {"docker:27-dind", "", api.Fail, api.Medium, "runs Docker-in-Docker, as root"},
		"rootless Docker-in-Docker":            {"docker:dind-rootless", "", api.Fail, api.Low, "runs Docker-in-Docker, without root" + exception},
		"docker's client alone passes":         {"docker:27-cli", "", api.Pass, "", pass},
		"a name that only contains one passes": {"shop/not-moby/buildkit-docs:1", "", api.Pass, "", pass},
		"a repository that ends in a longer name passes":      {"shop/mymoby/buildkit", "", api.Pass, "", pass},
		"a builder's program in any image":                    {"shop/tools:1", "/usr/bin/buildkitd", api.Fail, api.Medium, "runs BuildKit, as root"},
		"kaniko's by its path":                                {"shop/tools:1", "/kaniko/executor", api.Fail, api.Medium, "runs kaniko, as root"},
		"another program called executor passes":              {"shop/tools:1", "/app/executor", api.Pass, "", pass},
		"a lifecycle of buildpacks":                           {"shop/builder:1", "/cnb/lifecycle/creator", api.Fail, api.Medium, "runs Cloud Native Buildpacks, as root"},
		"a reference that is not valid is unknown":            {"Not An Image", "", api.VerdictUnknown, "", "its image reference cannot be parsed"},
		"a program counts even if the reference is not valid": {"Not An Image", "dockerd", api.Fail, api.Medium, "runs Docker-in-Docker, as root"},
	} {
		cases[name] = row{
			Set:  ft.Declared(fact.Container{Image: tc.image, Program: tc.program}),
			Want: ft.One(finding(tc.verdict, tc.severity, tc.message, tc.image, tc.program)),
		}
	}

	// What the command lines run was evaluated while collecting.
	evaluated := finding(api.Fail, api.Medium, "runs docker build, as root", "shop/tools:1", "sh")
	evaluated.Evidence = append(evaluated.Evidence, ft.Evidence(ft.App+"args[1]", "docker build")...)
	cases["a builder in a script"] = row{
		Set: ft.Declared(fact.Container{
			Image: "shop/tools:1", Program: "sh", Builder: &fact.DeclaredBuilder{Name: "docker build", Field: "args[1]"},
			CommandUnread: fact.Unsupported,
		}),
		Want: ft.One(evaluated),
	}
	unread := finding(api.VerdictUnknown, "", "its command line was not fully read: a script in it is too long, or is not a shell script", "shop/tools:1", "sh")
	unread.Reason = fact.Unsupported
	cases["a command line that was not evaluated as a whole"] = row{
		Set: ft.Declared(fact.Container{Image: "shop/tools:1", Program: "sh", CommandUnread: fact.Unsupported}), Want: ft.One(unread),
	}

	// How far it reaches.
	const image = "moby/buildkit:v0.15"
	yes := ft.Ptr(true)
	kata := func(s *fact.PodSpec) { s.RuntimeClass, s.RuntimeHandler = "isolated", "kata-qemu" }
	named := func(s *fact.PodSpec) { s.RuntimeClass = "kata" }
	ownUsers := func(s *fact.PodSpec) { s.HostUsers = ft.Ptr(false) }
	podUser := func(s *fact.PodSpec) { s.RunAsUser = ft.Ptr(int64(1000)) }
	for name, tc := range map[string]struct {
		container fact.Container
		edits     []func(*fact.PodSpec)
		severity  api.Severity
		how       string
	}{
		"a process of a Windows node is critical":             {fact.Container{HostProcess: yes}, []func(*fact.PodSpec){kata}, api.Critical, "privileged"},
		"privileged is critical":                              {fact.Container{Privileged: yes}, nil, api.Critical, "privileged"},
		"with a socket is high":                               {fact.Container{Mounts: []fact.VolumeMount{{Volume: "host", Path: "/s"}}}, []func(*fact.PodSpec){hostPath("/run/docker.sock")}, api.High, "with a runtime's socket"},
		"a sandbox does not hold a socket":                    {fact.Container{Mounts: []fact.VolumeMount{{Volume: "host", Path: "/s"}}}, []func(*fact.PodSpec){hostPath("/run/docker.sock"), kata}, api.High, "with a runtime's socket"},
		"as another user is low":                              {fact.Container{RunAsUser: ft.Ptr(int64(1000))}, nil, api.Low, "without root" + exception},
		"as another user of the pod is low":                   {fact.Container{}, []func(*fact.PodSpec){podUser}, api.Low, "without root" + exception},
		"the container's user beats the pod's":                {fact.Container{RunAsUser: ft.Ptr(int64(0))}, []func(*fact.PodSpec){podUser}, api.Medium, "as root"},
		"runAsNonRoot is low":                                 {fact.Container{RunAsNonRoot: yes}, nil, api.Low, "without root" + exception},
		"privileged in Kata is low":                           {fact.Container{Privileged: yes}, []func(*fact.PodSpec){kata}, api.Low, "sandboxed" + exception},
		"a RuntimeClass is told by its handler, not its name": {fact.Container{}, []func(*fact.PodSpec){named}, api.Medium, "as root"},
		"in a user namespace is low":                          {fact.Container{}, []func(*fact.PodSpec){ownUsers}, api.Low, "sandboxed" + exception},
	} {
		tc.container.Image = image
		cases[name] = row{
			Set:  ft.Declared(tc.container, tc.edits...),
			Want: ft.One(finding(api.Fail, tc.severity, "runs BuildKit, "+tc.how, image, "")),
		}
	}

	// Pods that a build system made.
	const web = "registry.example/shop/web:1"
	label := func(key string) func(*fact.PodSpec) {
		return func(s *fact.PodSpec) { s.Labels = map[string]string{key: "x", "app": "web"} }
	}
	labelled := func(severity api.Severity, message, source string) []api.Finding {
		return []api.Finding{
			{Verdict: api.Fail, Severity: severity, Subject: ft.PodSubject(), Message: message, Evidence: ft.Evidence("pod/shop/web-1 "+source, "present")},
			finding(api.Pass, "", pass, web, ""),
		}
	}
	for key, message := range map[string]string{
		"jenkins/label":                "is a Jenkins agent, as root",
		"job.runner.gitlab.com/id":     "is a GitLab runner's job, as root",
		"actions-ephemeral-runner":     "is a GitHub Actions runner, as root",
		"actions.github.com/scale-set": "is a GitHub Actions runner, as root",
		"openshift.io/build.name":      "is an OpenShift build, as root",
		"buildrun.shipwright.io/name":  "is a Shipwright build, as root",
		"kpack.io/build":               "is a kpack build, as root",
	} {
		cases["label "+key] = row{
			Set: ft.Declared(fact.Container{Image: web}, label(key)), Want: labelled(api.Medium, message, "metadata.labels["+key+"]"),
		}
	}
	cases["a Tekton task need not build: low"] = row{
		Set:  ft.Declared(fact.Container{Image: web, Privileged: yes}, label("tekton.dev/taskRun")),
		Want: labelled(api.Low, "is a Tekton task, privileged; it is unknown whether it builds", "metadata.labels[tekton.dev/taskRun]"),
	}
	cases["an annotation counts as a label"] = row{
		Set:  ft.Declared(fact.Container{Image: web}, func(s *fact.PodSpec) { s.Annotations = []string{"openshift.io/build.name"} }),
		Want: labelled(api.Medium, "is an OpenShift build, as root", "metadata.annotations[openshift.io/build.name]"),
	}
	cases["a controller of runners is no runner"] = row{
		Set: ft.Declared(fact.Container{Image: web}, func(s *fact.PodSpec) {
			s.Labels = map[string]string{"actions.github.com/scale-set-name": "x", "app.kubernetes.io/component": "runner-scale-set-listener"}
		}),
		Want: ft.One(finding(api.Pass, "", pass, web, "")),
	}
	jnlp := finding(api.Pass, "", pass, web, "")
	jnlp.Subject.Container = "jnlp"
	cases["a container jnlp is a Jenkins agent's"] = row{
		Set: ft.Edit(ft.Declared(fact.Container{Image: web}), func(s *fact.Set) { s.Workloads[0].Spec.Containers[0].Name = "jnlp" }),
		Want: []api.Finding{
			{Verdict: api.Fail, Severity: api.Medium, Subject: ft.PodSubject(), Message: "is a Jenkins agent, as root", Evidence: ft.Evidence(ft.App+"name", "jnlp")},
			jnlp,
		},
	}
	cases["no pods, no findings"] = row{Set: &fact.Set{}}
	ft.Judge(t, checks.OfSet(judgeBuilderWorkload), cases)
}

// A template's labels lie in its own metadata.
func TestLabelsOfATemplate(t *testing.T) {
	w := &fact.Workload{Spec: fact.PodSpec{Origin: "job/ci/build", Path: "spec.template.spec", Labels: map[string]string{"kpack.io/build": "x"}}}
	if got, want := metadataField(w, "kpack.io/build"), "job/ci/build spec.template.metadata.labels[kpack.io/build]"; got != want {
		t.Errorf("want %q, got %q", want, got)
	}
}

// The words of the tables are compared with cleaned paths and lower-case
// repositories, so that they have to be such.
func TestTablesAreNormal(t *testing.T) {
	for _, known := range builderImages {
		if strings.ToLower(known.tail) != known.tail || strings.HasPrefix(known.tail, "/") {
			t.Errorf("image %q can never match", known.tail)
		}
	}
}
