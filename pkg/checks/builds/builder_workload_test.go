package builds

import (
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

func TestBuilderWorkload(t *testing.T) {
	const (
		asUser0 = ft.App + "securityContext.runAsUser"
		digest  = "@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
		starts  = ", which starts build jobs; where they run is in its settings, which are not read"
	)
	// finding is the one about the container, with its image and the evidence that follows.
	finding := func(verdict api.Verdict, severity api.Severity, message, image string, more ...string) api.Finding {
		return api.Finding{
			Verdict: verdict, Severity: severity, Subject: ft.Subject(), Message: message,
			Evidence: ft.Evidence(append([]string{ft.App + "image", image}, more...)...),
		}
	}
	fails := func(severity api.Severity, message, image string, more ...string) api.Finding {
		return finding(api.Fail, severity, message, image, append(more, asUser0, "not set")...)
	}
	passes := func(image string, more ...string) api.Finding {
		return finding(api.Pass, "", noneRecognised, image, more...)
	}
	unknown := func(reason fact.Reason, message, image string, more ...string) api.Finding {
		f := finding(api.VerdictUnknown, "", message, image, more...)
		f.Reason = reason
		return f
	}
	cases := map[string]row{}

	// By image alone.
	for name, tc := range map[string]struct{ image, what string }{
		"kaniko":                    {"gcr.io/kaniko-project/executor:v1.23.2", "kaniko"},
		"kaniko from a mirror":      {"mirror.example:5000/gcr.io/kaniko-project/executor:debug", "kaniko"},
		"kaniko by digest alone":    {"gcr.io/kaniko-project/executor" + digest, "kaniko"},
		"BuildKit":                  {"moby/buildkit:v0.15", "BuildKit"},
		"Buildah":                   {"quay.io/buildah/stable:v1.37", "Buildah"},
		"Podman":                    {"quay.io/podman/stable:v5", "Podman"},
		"img":                       {"genuinetools/img", "img"},
		"Docker-in-Docker":          {"docker:27-dind", "Docker-in-Docker"},
		"Docker-in-Docker, latest":  {"docker", "Docker-in-Docker"},
		"Docker-in-Docker, number":  {"docker:29.7.2", "Docker-in-Docker"},
		"Docker-in-Docker, release": {"reg.corp:5000/mirror/docker:24.0.5-dind-alpine3.18", "Docker-in-Docker"},
		"a Jenkins agent":           {"jenkins/inbound-agent:latest", "a Jenkins agent"},
		"a GitHub runner":           {"ghcr.io/actions/actions-runner:2.319.1", "a GitHub Actions runner"},
	} {
		cases["image: "+name] = row{
			Set: ft.Declared(fact.Container{Image: tc.image}), Want: ft.One(fails(api.Medium, "runs "+tc.what+", as the image's user, which may be root", tc.image)),
		}
	}
	rootless := func(image, what string) row {
		return row{
			Set: ft.Declared(fact.Container{Image: image}),
			Want: ft.One(finding(api.Fail, api.Low, "runs "+what+", without root"+exception, image,
				ft.App+"image", "made to run without root")),
		}
	}
	cases["rootless BuildKit"] = rootless("moby/buildkit:v0.15-rootless", "BuildKit")
	cases["rootless Docker-in-Docker"] = rootless("docker:27.3.1-dind-rootless", "Docker-in-Docker")
	for name, image := range map[string]string{
		"an ordinary image passes":                         "nginx:1",
		"docker's client alone passes":                     "docker:27-cli",
		"docker's client of old passes":                    "docker:20.10",
		"a registry passes":                                "docker-registry:2",
		"another owner's image called docker passes":       "shop/docker:1",
		"a name that only contains one passes":             "shop/not-moby/buildkit-docs:1",
		"a repository that ends in a longer name passes":   "shop/mymoby/buildkit",
		"the docs of kaniko pass":                          "shop/my-kaniko-executor-docs:1",
		"a repository that begins with a builder's passes": "moby/buildkit/docs",
	} {
		cases[name] = row{Set: ft.Declared(fact.Container{Image: image}), Want: ft.One(passes(image))}
	}
	cases["a reference that is not valid is unknown"] = row{
		Set: ft.Declared(fact.Container{Image: "Not An Image"}), Want: ft.One(unknown(fact.Corrupt, "its image reference cannot be parsed", "Not An Image")),
	}

	// Docker's own image does what it is told.
	cases["docker with options for its daemon builds"] = row{
		Set: ft.Declared(fact.Container{Image: "docker:29", Args: fact.ArgsOptions}), Want: ft.One(fails(api.Medium, "runs Docker-in-Docker, as the image's user, which may be root", "docker:29")),
	}
	cases["docker with another command is a client and passes"] = row{
		Set: ft.Declared(fact.Container{Image: "docker:29", Args: fact.ArgsCommand}), Want: ft.One(passes("docker:29")),
	}
	cases["docker by digest alone is unknown"] = row{
		Set: ft.Declared(fact.Container{Image: "docker" + digest}),
		Want: ft.One(unknown(fact.NotPresent, "its image is docker's by digest alone: that of the daemon, which builds, or of the client",
			"docker"+digest)),
	}
	yes := ft.Ptr(true)
	cases["docker by digest alone and privileged is the daemon"] = row{
		Set: ft.Declared(fact.Container{Image: "docker" + digest, Privileged: yes}),
		Want: ft.One(finding(api.Fail, api.Critical, "runs Docker-in-Docker, privileged", "docker"+digest,
			ft.App+"securityContext.privileged", "true")),
	}
	idle := fact.Container{Image: "docker:27-cli", Program: "sleep", Mounts: []fact.VolumeMount{{Volume: "host", Path: "/s"}}}
	const way = "holds docker's client with a way to a daemon; it is unknown whether it builds"
	cases["an idle client with a socket may build: low"] = row{
		Set: ft.Declared(idle, hostPath("/run/docker.sock")),
		Want: ft.One(finding(api.Fail, api.Low, way, idle.Image, ft.App+"command[0]", "sleep",
			ft.Field+"volumes[0].hostPath.path", "/run/docker.sock at /s")),
	}
	cleaner := idle
	cleaner.Program = "/usr/local/bin/docker"
	cases["a client whose command does not build passes"] = row{
		Set: ft.Declared(cleaner, hostPath("/run/docker.sock")), Want: ft.One(passes(idle.Image, ft.App+"command[0]", cleaner.Program)),
	}
	dockerHost := []fact.NamedField{{Name: "DOCKER_HOST", Field: "env[1].name"}}
	cases["an idle client with an address of a daemon may build: low"] = row{
		Set:  ft.Declared(fact.Container{Image: "docker:27-cli", BuilderVariables: dockerHost}),
		Want: ft.One(fails(api.Low, way, "docker:27-cli", ft.App+"env[1].name", "DOCKER_HOST")),
	}

	// By command line.
	dockerBuild := &fact.DeclaredBuilder{Name: "docker build", Field: "args[1]"}
	cases["a builder in a script"] = row{
		Set: ft.Declared(fact.Container{Image: "shop/tools:1", Program: "sh", Builder: dockerBuild, CommandUnread: fact.Unsupported}),
		Want: ft.One(fails(api.Medium, "runs docker build, as the image's user, which may be root", "shop/tools:1",
			ft.App+"command[0]", "sh", ft.App+"args[1]", "docker build")),
	}
	cases["a build by a daemon elsewhere says so"] = row{
		Set: ft.Declared(fact.Container{Image: "shop/tools:1", Builder: dockerBuild, BuilderVariables: dockerHost}),
		Want: ft.One(fails(api.Medium, "runs docker build, as the image's user, which may be root, with the daemon that DOCKER_HOST names", "shop/tools:1",
			ft.App+"args[1]", "docker build", ft.App+"env[1].name", "DOCKER_HOST")),
	}
	earlier := api.Finding{
		Verdict: api.VerdictUnknown, Reason: fact.NotRequested, Subject: fact.Subject{Kind: fact.SubjectCluster},
		Message:  "these facts were saved by an earlier version, which did not read it",
		Evidence: ft.Evidence("facts fieldsRead", "not set"),
	}
	saved := func(s *fact.Set) { s.FieldsRead = false }
	for name, tc := range map[string]struct{ program, what string }{
		"the program of facts of the first version": {"/usr/bin/buildkitd", "BuildKit"},
		"kaniko's program by its path":              {"/kaniko/executor", "kaniko"},
	} {
		cases[name] = row{
			Set:  ft.Edit(ft.Declared(fact.Container{Image: "shop/tools:1", Program: tc.program}), saved),
			Want: []api.Finding{fails(api.Medium, "runs "+tc.what+", as the image's user, which may be root", "shop/tools:1", ft.App+"command[0]", tc.program), earlier},
		}
	}
	cases["another program called executor passes"] = row{
		Set: ft.Declared(fact.Container{Image: "shop/tools:1", Program: "/app/executor"}), Want: ft.One(passes("shop/tools:1", ft.App+"command[0]", "/app/executor")),
	}
	cases["a program counts even if the reference is not valid"] = row{
		Set:  ft.Edit(ft.Declared(fact.Container{Image: "Not An Image", Program: "dockerd"}), saved),
		Want: []api.Finding{fails(api.Medium, "runs Docker-in-Docker, as the image's user, which may be root", "Not An Image", ft.App+"command[0]", "dockerd"), earlier},
	}
	cases["a program whose command line was read and does not build passes"] = row{
		Set: ft.Declared(fact.Container{Image: "shop/tools:1", Program: "buildah"}), Want: ft.One(passes("shop/tools:1", ft.App+"command[0]", "buildah")),
	}
	cases["a command line that was not evaluated as a whole is unknown"] = row{
		Set: ft.Declared(fact.Container{Image: "shop/tools:1", Program: "sh", CommandUnread: fact.Unsupported}),
		Want: ft.One(unknown(fact.Unsupported, "its command line was not fully read: a script in it is too long, is not a shell script, or is a file that was not read",
			"shop/tools:1", ft.App+"command[0]", "sh")),
	}
	cases["an agent by the names of its variables"] = row{
		Set: ft.Declared(fact.Container{Image: "shop/tools:1", BuilderVariables: []fact.NamedField{{Name: "AZP_URL", Field: "env[0].name"}}}),
		Want: ft.One(fails(api.Medium, "runs an Azure Pipelines agent, as the image's user, which may be root", "shop/tools:1",
			ft.App+"env[0].name", "AZP_URL")),
	}

	// How far it reaches.
	const image = "moby/buildkit:v0.15"
	socket := []fact.VolumeMount{{Volume: "host", Path: "/s"}}
	kata := func(s *fact.PodSpec) { s.RuntimeClass, s.RuntimeHandler = "isolated", "kata-qemu" }
	sysbox := func(s *fact.PodSpec) { s.RuntimeClass, s.RuntimeHandler = "ci", "sysbox-runc" }
	named := func(s *fact.PodSpec) { s.RuntimeClass = "kata" }
	ownUsers := func(s *fact.PodSpec) { s.HostUsers = ft.Ptr(false) }
	podUser := func(s *fact.PodSpec) { s.RunAsUser = ft.Ptr(int64(1000)) }
	windows := func(s *fact.PodSpec) { s.OS = "windows" }
	inKata := []string{ft.Field + "runtimeClassName", "isolated, handler kata-qemu: Kata Containers"}
	privileged := []string{ft.App + "securityContext.privileged", "true"}
	mounted := []string{ft.Field + "volumes[0].hostPath.path", "/run/docker.sock at /s"}
	for name, tc := range map[string]struct {
		container fact.Container
		edits     []func(*fact.PodSpec)
		severity  api.Severity
		how       string
		shown     []string
	}{
		"a process of a Windows node is critical": {
			fact.Container{HostProcess: yes},
			[]func(*fact.PodSpec){kata},
			api.Critical, "privileged",
			[]string{ft.App + "securityContext.windowsOptions.hostProcess", "true"},
		},
		"privileged is critical":           {fact.Container{Privileged: yes}, nil, api.Critical, "privileged", privileged},
		"with a socket is high":            {fact.Container{Mounts: socket}, []func(*fact.PodSpec){hostPath("/run/docker.sock")}, api.High, "with a runtime's socket", mounted},
		"a sandbox does not hold a socket": {fact.Container{Mounts: socket}, []func(*fact.PodSpec){hostPath("/run/docker.sock"), kata}, api.High, "with a runtime's socket", mounted},
		"nor a socket and all rights": {
			fact.Container{Mounts: socket, Privileged: yes},
			[]func(*fact.PodSpec){hostPath("/run/docker.sock"), kata},
			api.Critical, "privileged",
			append(append([]string{}, privileged...), mounted...),
		},
		"as another user is low": {
			fact.Container{RunAsUser: ft.Ptr(int64(1000))}, nil, api.Low, "without root" + exception, []string{ft.App + "securityContext.runAsUser", "1000"},
		},
		"as another user of the pod is low": {
			fact.Container{},
			[]func(*fact.PodSpec){podUser},
			api.Low, "without root" + exception,
			[]string{ft.Field + "securityContext.runAsUser", "1000"},
		},
		"the container's user beats the pod's": {
			fact.Container{RunAsUser: ft.Ptr(int64(0))},
			[]func(*fact.PodSpec){podUser},
			api.Medium, "as root",
			[]string{ft.App + "securityContext.runAsUser", "0"},
		},
		"runAsNonRoot is low": {
			fact.Container{RunAsNonRoot: yes}, nil, api.Low, "without root" + exception, []string{ft.App + "securityContext.runAsNonRoot", "true"},
		},
		"privileged in Kata is one grade less": {
			fact.Container{Privileged: yes},
			[]func(*fact.PodSpec){kata},
			api.High, "privileged, in a sandbox",
			append(append([]string{}, privileged...), inKata...),
		},
		"as root in Kata is low": {
			fact.Container{},
			[]func(*fact.PodSpec){kata},
			api.Low, "sandboxed" + exception,
			append([]string{asUser0, "not set"}, inKata...),
		},
		"as root in Sysbox is low": {
			fact.Container{},
			[]func(*fact.PodSpec){sysbox},
			api.Low, "sandboxed" + exception,
			[]string{asUser0, "not set", ft.Field + "runtimeClassName", "ci, handler sysbox-runc: Sysbox"},
		},
		"a RuntimeClass is told by its handler, not its name": {
			fact.Container{}, []func(*fact.PodSpec){named}, api.Medium, "as the image's user, which may be root", []string{asUser0, "not set"},
		},
		"in a user namespace is low": {
			fact.Container{},
			[]func(*fact.PodSpec){ownUsers},
			api.Low, "sandboxed" + exception,
			[]string{asUser0, "not set", ft.Field + "hostUsers", "false"},
		},
		"on Windows the user means nothing": {
			fact.Container{RunAsUser: ft.Ptr(int64(1000))}, []func(*fact.PodSpec){windows}, api.Medium, "on Windows", []string{ft.Field + "os.name", "windows"},
		},
	} {
		tc.container.Image = image
		cases["grade: "+name] = row{
			Set:  ft.Declared(tc.container, tc.edits...),
			Want: ft.One(finding(api.Fail, tc.severity, "runs BuildKit, "+tc.how, image, tc.shown...)),
		}
	}
	const agent = "jenkins/inbound-agent:1"
	cases["an agent without root is medium, because of its jobs"] = row{
		Set: ft.Declared(fact.Container{Image: agent}, podUser),
		Want: ft.One(finding(api.Fail, api.Medium, "runs a Jenkins agent, without root, but its jobs choose what runs", agent,
			ft.Field+"securityContext.runAsUser", "1000")),
	}
	cases["an agent in a sandbox is low"] = row{
		Set: ft.Declared(fact.Container{Image: agent}, ownUsers),
		Want: ft.One(finding(api.Fail, api.Low, "runs a Jenkins agent, sandboxed"+exception, agent,
			asUser0, "not set", ft.Field+"hostUsers", "false")),
	}
	const manager = "registry.gitlab.com/gitlab-org/gitlab-runner:alpine-v17.5.0"
	cases["a dispatcher without root is medium"] = row{
		Set: ft.Declared(fact.Container{Image: manager}, podUser),
		Want: ft.One(finding(api.Fail, api.Medium, "runs a GitLab runner"+starts, manager,
			ft.Field+"securityContext.runAsUser", "1000")),
	}
	cases["a privileged dispatcher is critical"] = row{
		Set:  ft.Declared(fact.Container{Image: manager, Privileged: yes}),
		Want: ft.One(finding(api.Fail, api.Critical, "runs a GitLab runner"+starts+", privileged", manager, privileged...)),
	}
	cases["a server that runs no job is low"] = row{
		Set:  ft.Declared(fact.Container{Image: "drone/drone:2"}),
		Want: ft.One(fails(api.Low, "runs Drone's server, which runs no job itself", "drone/drone:2")),
	}
	cases["a client of a builder elsewhere is low"] = row{
		Set:  ft.Declared(fact.Container{Image: "ghcr.io/depot/cli:2"}),
		Want: ft.One(fails(api.Low, "runs Depot, which runs no build code here", "ghcr.io/depot/cli:2")),
	}

	// Pods that a build system made.
	const web = "registry.example/shop/web:1"
	label := func(key, value string) func(*fact.PodSpec) {
		return func(s *fact.PodSpec) { s.Labels = map[string]string{key: value, "app": "web"} }
	}
	made := func(severity api.Severity, message string, shown ...string) []api.Finding {
		return []api.Finding{
			{Verdict: api.Fail, Severity: severity, Subject: ft.PodSubject(), Message: message, Evidence: ft.Evidence(shown...)},
			passes(web),
		}
	}
	for key, message := range map[string]string{
		"jenkins/label":                           "is a Jenkins agent, as the image's user, which may be root",
		"kubernetes.jenkins.io/controller":        "is a Jenkins agent, as the image's user, which may be root",
		"job.runner.gitlab.com/id":                "is a GitLab runner's job, as the image's user, which may be root",
		"project.runner.gitlab.com/name":          "is a GitLab runner's job, as the image's user, which may be root",
		"actions-ephemeral-runner":                "is a GitHub Actions runner, as the image's user, which may be root",
		"actions.github.com/scale-set":            "is a GitHub Actions runner, as the image's user, which may be root",
		"buildkite.com/job-uuid":                  "is a Buildkite job, as the image's user, which may be root",
		"io.drone":                                "is a Drone job, as the image's user, which may be root",
		"io.drone.stage.name":                     "is a Drone job, as the image's user, which may be root",
		"woodpecker-ci.org/step":                  "is a Woodpecker job, as the image's user, which may be root",
		"prow.k8s.io/id":                          "is a Prow job, as the image's user, which may be root",
		"openshift.io/build.name":                 "is an OpenShift build, as the image's user, which may be root",
		"buildrun.shipwright.io/name":             "is a Shipwright build, as the image's user, which may be root",
		"clusterbuildstrategy.shipwright.io/name": "is a Shipwright build, as the image's user, which may be root",
		"kpack.io/build":                          "is a kpack build, as the image's user, which may be root",
		"image.kpack.io/image":                    "is a kpack build, as the image's user, which may be root",
		"buildx.docker.com/platform":              "is a builder of docker buildx, as the image's user, which may be root",
	} {
		cases["label "+key] = row{
			Set:  ft.Declared(fact.Container{Image: web}, label(key, "x")),
			Want: made(api.Medium, message, "pod/shop/web-1 metadata.labels["+key+"]", "present", asUser0, "not set"),
		}
	}
	cases["the label jenkins of an agent"] = row{
		Set:  ft.Declared(fact.Container{Image: web}, label("jenkins", "slave")),
		Want: made(api.Medium, "is a Jenkins agent, as the image's user, which may be root", "pod/shop/web-1 metadata.labels[jenkins]", "present", asUser0, "not set"),
	}
	for key, value := range map[string]string{
		"jenkins": "true", "runner.gitlab.com/pause-pod": "true", "app.kubernetes.io/component": "runner", "io.dronefleet": "x", "managed-by": "Helm",
		"workflows.argoproj.io/workflow": "x",
	} {
		cases["the label "+key+" of something else passes"] = row{
			Set: ft.Declared(fact.Container{Image: web}, label(key, value)), Want: ft.One(passes(web)),
		}
	}
	cases["a Tekton task need not build: low"] = row{
		Set: ft.Declared(fact.Container{Image: web, Privileged: yes}, label("tekton.dev/taskRun", "x")),
		Want: made(api.Low, "is a Tekton task, privileged; it is unknown whether it builds",
			append([]string{"pod/shop/web-1 metadata.labels[tekton.dev/taskRun]", "present"}, privileged...)...),
	}
	cases["an annotation counts as a label"] = row{
		Set:  ft.Declared(fact.Container{Image: web}, func(s *fact.PodSpec) { s.Annotations = []string{"openshift.io/build.name"} }),
		Want: made(api.Medium, "is an OpenShift build, as the image's user, which may be root", "pod/shop/web-1 metadata.annotations[openshift.io/build.name]", "present", asUser0, "not set"),
	}
	cases["both annotations of a Jenkins agent"] = row{
		Set:  ft.Declared(fact.Container{Image: web}, func(s *fact.PodSpec) { s.Annotations = []string{"buildUrl", "runUrl"} }),
		Want: made(api.Medium, "is a Jenkins agent, as the image's user, which may be root", "pod/shop/web-1 metadata.annotations[buildUrl]", "present", asUser0, "not set"),
	}
	cases["one of the annotations of a Jenkins agent passes"] = row{
		Set:  ft.Declared(fact.Container{Image: web}, func(s *fact.PodSpec) { s.Annotations = []string{"buildUrl"} }),
		Want: ft.One(passes(web)),
	}
	component := func(value string) func(*fact.PodSpec) {
		return func(s *fact.PodSpec) {
			s.Labels = map[string]string{"actions.github.com/scale-set-name": "x", "app.kubernetes.io/component": value}
		}
	}
	const scaleSet = "pod/shop/web-1 metadata.labels[actions.github.com/scale-set-name]"
	cases["a listener for runners starts them"] = row{
		Set:  ft.Declared(fact.Container{Image: web}, component("runner-scale-set-listener")),
		Want: made(api.Medium, "is a GitHub Actions listener"+starts, scaleSet, "present", asUser0, "not set"),
	}
	cases["a controller of runners runs no job"] = row{
		Set:  ft.Declared(fact.Container{Image: web}, component("controller-manager")),
		Want: made(api.Low, "is the controller of GitHub Actions runners, which runs no job itself", scaleSet, "present", asUser0, "not set"),
	}
	runners := made(api.Medium, "is a GitHub Actions runner, as the image's user, which may be root", "pod/shop/web-1 kind", "AutoscalingRunnerSet", asUser0, "not set")
	runners[0].Subject.Kind, runners[1].Subject.Kind = "AutoscalingRunnerSet", "AutoscalingRunnerSet"
	cases["the owner's kind is a sign"] = row{
		Set: ft.Edit(ft.Declared(fact.Container{Image: web}), func(s *fact.Set) { s.Workloads[0].Owner.Kind = "AutoscalingRunnerSet" }), Want: runners,
	}
	jnlp := passes(web)
	jnlp.Subject.Container = "jnlp"
	cases["a container jnlp is a Jenkins agent's"] = row{
		Set: ft.Edit(ft.Declared(fact.Container{Image: web}), func(s *fact.Set) { s.Workloads[0].Spec.Containers[0].Name = "jnlp" }),
		Want: []api.Finding{
			{
				Verdict: api.Fail, Severity: api.Medium, Subject: ft.PodSubject(), Message: "is a Jenkins agent, as the image's user, which may be root",
				Evidence: ft.Evidence(ft.App+"name", "jnlp", asUser0, "not set"),
			},
			jnlp,
		},
	}
	build := passes(web)
	build.Subject.Container = "build"
	cases["a container build passes"] = row{
		Set:  ft.Edit(ft.Declared(fact.Container{Image: web}), func(s *fact.Set) { s.Workloads[0].Spec.Containers[0].Name = "build" }),
		Want: ft.One(build),
	}

	// What was not read.
	cases["facts of an earlier version are unknown next to what they show"] = row{
		Set:  ft.Edit(ft.Declared(fact.Container{Image: image}), saved),
		Want: []api.Finding{fails(api.Medium, "runs BuildKit, as the image's user, which may be root", image), earlier},
	}
	buildConfig := fact.Subject{Kind: "BuildConfig", Namespace: "ci", Name: "web", File: "b.yaml"}
	gap := func(what fact.Kind, subject fact.Subject) fact.Gap {
		return fact.Gap{What: what, Subject: subject, Reason: fact.Unsupported}
	}
	cases["an object that declares a build and no pod"] = row{
		Set: &fact.Set{FieldsRead: true, Gaps: []fact.Gap{
			gap(fact.Pods, buildConfig), gap(fact.Pods, buildConfig),
			gap(fact.Pods, fact.Subject{Kind: "Rollout", Name: "x"}), gap(fact.Pods, fact.Subject{Kind: "Task", Name: "x"}), gap(fact.Nodes, fact.Subject{Kind: "Build", Name: "x"}),
		}},
		Want: ft.One(api.Finding{
			Verdict: api.Fail, Severity: api.Medium, Subject: buildConfig, Message: "is an OpenShift build; how far its pods reach was not read",
			Evidence: ft.Evidence("b.yaml buildconfig/ci/web kind", "BuildConfig"),
		}),
	}
	cases["no pods, no findings"] = row{Set: &fact.Set{}}
	ft.Judge(t, checks.OfSet(judgeBuilderWorkload), cases)
}
