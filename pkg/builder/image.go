package builder

import (
	"path"
	"strconv"
	"strings"
)

// image is a repository by the last elements of its path: the registry or mirror before
// them does not matter, unless registry says so. The last element may be a pattern
// (path.Match). The first row that matches counts.
type image struct {
	row
	tail     string
	registry string
}

// Repositories of the sources.
const (
	kanikoRepo    = "github.com/GoogleContainerTools/kaniko"
	buildahRepo   = "github.com/containers/buildah"
	gitlabRepo    = "gitlab.com/gitlab-org/gitlab-runner"
	arcRepo       = "github.com/actions/actions-runner-controller"
	buildbarnRepo = "github.com/buildbarn/bb-deployments"
)

var images = []image{
	{row{Tool{"kaniko", Builds}, kanikoRepo, "2025-06"}, "kaniko-project/executor", ""},
	{row{Tool{"kaniko", Builds}, kanikoRepo, "2025-06"}, "kaniko-project/warmer", ""},
	{row{Tool{"kaniko", Builds}, "github.com/chainguard-dev/kaniko", "2025-12"}, "kaniko/executor", ""},
	{row{Tool{"kaniko", Builds}, "github.com/chainguard-dev/kaniko", "2025-12"}, "kaniko/warmer", ""},
	{row{Tool{"kaniko", Builds}, "github.com/osscontainertools/kaniko", summer}, "osscontainertools/kaniko", ""},
	{row{Tool{"kaniko", Builds}, "github.com/osscontainertools/kaniko", summer}, "martizih/kaniko", ""},
	{row{Tool{"kaniko", Builds}, general, autumn}, "chainguard/kaniko", ""},
	{row{Tool{"kaniko", Builds}, general, autumn}, "kaniko", "cgr.dev"}, // a customer's own name comes before it
	{row{Tool{"kaniko", Builds}, general, autumn}, "bitnami/kaniko", ""},
	{row{Tool{"BuildKit", Builds}, "github.com/moby/buildkit", summer}, "moby/buildkit", ""},
	{row{Tool{"Buildah", Builds}, buildahRepo, summer}, "containers/buildah", ""},
	{row{Tool{"Buildah", Builds}, buildahRepo, summer}, "buildah/stable", ""},
	{row{Tool{"Buildah", Builds}, buildahRepo, summer}, "buildah/upstream", ""},
	{row{Tool{"Buildah", Builds}, buildahRepo, summer}, "buildah/testing", ""},
	// Podman runs and builds; in a pod it is a nested engine either way.
	{row{Tool{"Podman", Builds}, general, autumn}, "containers/podman", ""},
	{row{Tool{"Podman", Builds}, general, autumn}, "podman/stable", ""},
	{row{Tool{"Podman", Builds}, general, autumn}, "podman/upstream", ""},
	{row{Tool{"Podman", Builds}, general, autumn}, "podman/testing", ""},
	{row{Tool{"img", Builds}, "github.com/genuinetools/img", "2021"}, "genuinetools/img", ""},
	{row{Tool{"img", Builds}, "github.com/genuinetools/img", "2021"}, "img", "r.j3ss.co"},
	{row{Tool{"Makisu", Builds}, "github.com/uber-archive/makisu", "2021"}, "uber-container-tools/makisu", ""},
	{row{Tool{"Makisu", Builds}, general, autumn}, "uber/makisu", ""},
	{row{Tool{"Source-to-Image", Builds}, "github.com/openshift/source-to-image", summer}, "s2i", ""},
	{row{Tool{"Source-to-Image", Builds}, "github.com/openshift/source-to-image", summer}, "source-to-image-rhel8", ""},
	{row{Tool{"an OpenShift build", Builds}, general, autumn}, "openshift/origin-docker-builder", ""},
	{row{Tool{"an OpenShift build", Builds}, general, autumn}, "openshift/origin-sti-builder", ""},
	{row{Tool{"an OpenShift build", Builds}, general, autumn}, "openshift/ose-docker-builder", ""},
	{row{Tool{"Cloud Native Buildpacks", Builds}, "github.com/buildpacks-community/kpack", summer}, "buildpacksio/lifecycle", ""},
	{row{Tool{"Cloud Native Buildpacks", Builds}, "github.com/shipwright-io/build", summer}, "paketobuildpacks/builder*", ""},
	// pack is a client of a daemon that starts the lifecycle. It has no other use.
	{row{Tool{"Cloud Native Buildpacks", Builds}, general, autumn}, "buildpacksio/pack", ""},
	{row{Tool{"Docker-in-Docker", Builds}, general, autumn}, "chainguard/docker-dind", ""},
	{row{Tool{"Docker-in-Docker", Builds}, general, autumn}, "nestybox/*-docker", ""},
	{row{Tool{"docker's client", Client}, general, autumn}, "cloud-builders/docker", ""},
	{row{Tool{"Earthly", Builds}, "github.com/earthly/earthly", "2025-07"}, "earthly/earthly", ""},
	{row{Tool{"Earthly", Builds}, "github.com/earthly/earthly", "2025-07"}, "earthly/buildkitd", ""},
	{row{Tool{"Dagger", Builds}, "github.com/dagger/dagger", summer}, "dagger/engine", ""},
	{row{Tool{"Dagger", Builds}, "github.com/dagger/dagger", summer}, "engine", "registry.dagger.io"},
	{row{Tool{"Dagger", Builds}, "github.com/dagger/dagger", summer}, "engine", "dagger.io"},
	{row{Tool{"Depot", Elsewhere}, "github.com/depot/cli", summer}, "depot/cli", ""},
	{row{Tool{"ko", Builds}, "github.com/ko-build/ko", summer}, "ko-build/ko", ""},
	{row{Tool{"Buildbarn", Builds}, buildbarnRepo, summer}, "buildbarn/bb-worker", ""},
	{row{Tool{"Buildbarn", Builds}, buildbarnRepo, summer}, "buildbarn/bb-runner-*", ""},
	{row{Tool{"a BuildBuddy executor", Builds}, "github.com/buildbuddy-io/buildbuddy-helm", summer}, "flame-public/buildbuddy-executor*", ""},
	{row{Tool{"Buildfarm", Builds}, general, autumn}, "bazelbuild/buildfarm-worker", ""},
	{row{Tool{"Buildfarm", Builds}, general, autumn}, "bazel/bazel-buildfarm-worker", ""},
	{row{Tool{"Bazel", Builds}, general, autumn}, "bazel-public/bazel", ""},
	{row{Tool{"NativeLink", Builds}, "github.com/TraceMachina/nativelink", summer}, "tracemachina/nativelink", ""},
	{row{Tool{"Nix", Builds}, general, autumn}, "nixos/nix", ""},
	{row{Tool{"Nix", Builds}, general, autumn}, "nixpkgs/nix*", ""},
	{row{Tool{"melange", Builds}, "github.com/chainguard-dev/melange", summer}, "chainguard/melange", ""},
	{row{Tool{"apko", Elsewhere}, "github.com/chainguard-dev/apko", summer}, "chainguard/apko", ""},

	{row{Tool{"a Jenkins agent", Jobs}, "github.com/jenkinsci/kubernetes-plugin", "2026-03"}, "jenkins/inbound-agent", ""},
	{row{Tool{"a Jenkins agent", Jobs}, general, autumn}, "jenkins/agent", ""},
	{row{Tool{"a Jenkins agent", Jobs}, general, autumn}, "jenkins/ssh-agent", ""},
	{row{Tool{"a Jenkins agent", Jobs}, general, autumn}, "jenkins/jnlp-slave", ""},
	{row{Tool{"a Jenkins agent", Jobs}, general, autumn}, "jenkins/jnlp-agent-*", ""},
	{row{Tool{"a Jenkins agent", Jobs}, general, autumn}, "jenkins/slave", ""},
	{row{Tool{"a Jenkins agent", Jobs}, general, autumn}, "openshift/*jenkins-agent-*", ""},
	{row{Tool{"a Jenkins controller", Dispatches}, "github.com/jenkinsci/kubernetes-operator", "2026-02"}, "jenkins/jenkins", ""},
	{row{Tool{"a Jenkins controller", Dispatches}, general, autumn}, "bitnami/jenkins", ""},
	{row{Tool{"a GitLab runner", Dispatches}, gitlabRepo, summer}, "gitlab-runner", ""},
	{row{Tool{"a GitLab runner", Dispatches}, general, autumn}, "gitlab-runner-ocp", ""},
	{row{Tool{"a GitLab runner's job", Jobs}, gitlabRepo, summer}, "gitlab-runner-helper", ""},
	{row{Tool{"a GitLab runner's job", Jobs}, general, autumn}, "gitlab-runner-helper-ocp", ""},
	{row{Tool{"the controller of GitHub Actions runners", Manages}, arcRepo, summer}, "actions/gha-runner-scale-set-controller", ""},
	{row{Tool{"the controller of GitHub Actions runners", Manages}, arcRepo, summer}, "summerwind/actions-runner-controller", ""},
	{row{Tool{"a GitHub Actions runner", Jobs}, arcRepo, summer}, "actions/actions-runner", ""},
	{row{Tool{"a GitHub Actions runner", Jobs}, arcRepo, summer}, "summerwind/actions-runner*", ""},
	{row{Tool{"a GitHub Actions runner", Jobs}, arcRepo, summer}, "actions-runner-controller/actions-runner", ""},
	{row{Tool{"a GitHub Actions runner", Jobs}, arcRepo, summer}, "actions-runner-controller/actions-runner-dind*", ""},
	{row{Tool{"a GitHub Actions runner", Jobs}, general, autumn}, "myoung34/github-runner", ""},
	{row{Tool{"a Buildkite agent", Jobs}, "github.com/buildkite/agent-stack-k8s", summer}, "buildkite/agent", ""},
	{row{Tool{"a Buildkite controller", Dispatches}, "github.com/buildkite/agent-stack-k8s", summer}, "agent-stack-k8s/controller", ""},
	{row{Tool{"a Drone runner's manager", Dispatches}, "github.com/drone-runners/drone-runner-kube", "2025-05"}, "drone/drone-runner-kube", ""},
	{row{Tool{"a Drone runner", Jobs}, general, autumn}, "drone/drone-runner-*", ""},
	{row{Tool{"a Drone runner", Jobs}, general, autumn}, "drone/agent", ""},
	{row{Tool{"Drone's server", Manages}, general, autumn}, "drone/drone", ""},
	{row{Tool{"a Drone plugin that builds images", Builds}, general, autumn}, "plugins/docker", ""},
	{row{Tool{"a Drone plugin that builds images", Builds}, general, autumn}, "plugins/kaniko*", ""},
	{row{Tool{"a Drone plugin that builds images", Builds}, general, autumn}, "plugins/ecr", ""},
	{row{Tool{"a Drone plugin that builds images", Builds}, general, autumn}, "plugins/gcr", ""},
	{row{Tool{"a Woodpecker agent", Jobs}, "github.com/woodpecker-ci/woodpecker", summer}, "woodpeckerci/woodpecker-agent", ""},
	{row{Tool{"a Woodpecker plugin that builds images", Builds}, general, autumn}, "woodpeckerci/plugin-docker-buildx", ""},
	{row{Tool{"Woodpecker's server", Manages}, "github.com/woodpecker-ci/woodpecker", summer}, "woodpeckerci/woodpecker-server", ""},
	{row{Tool{"a TeamCity agent", Jobs}, "github.com/JetBrains/teamcity-docker-images", "2026-04"}, "jetbrains/teamcity-agent", ""},
	{row{Tool{"a TeamCity agent", Jobs}, "github.com/JetBrains/teamcity-docker-images", "2026-04"}, "jetbrains/teamcity-minimal-agent", ""},
	{row{Tool{"TeamCity's server", Manages}, "github.com/JetBrains/teamcity-docker-images", "2026-04"}, "jetbrains/teamcity-server", ""},
	{row{Tool{"a CircleCI runner", Jobs}, "github.com/CircleCI-Public/container-runner-helm-chart", "2026-03"}, "circleci/runner-agent", ""},
	{row{Tool{"a CircleCI runner", Jobs}, general, autumn}, "circleci/runner", ""},
	{row{Tool{"a CircleCI runner's manager", Dispatches}, general, autumn}, "circleci/container-agent", ""},
	{row{Tool{"an Azure Pipelines agent", Jobs}, general, autumn}, "azure-pipelines/vsts-agent", ""},
	{row{Tool{"an Azure Pipelines agent", Jobs}, general, autumn}, "microsoft/vsts-agent", ""},
	{row{Tool{"Concourse", Dispatches}, "github.com/concourse/concourse-chart", "2026-03"}, "concourse/concourse", ""},
	{row{Tool{"a Gitea runner", Jobs}, general, autumn}, "gitea/act_runner", ""},
	{row{Tool{"a Gitea runner", Jobs}, general, autumn}, "vegardit/gitea-act-runner", ""},
	{row{Tool{"a Forgejo runner", Jobs}, "code.forgejo.org/forgejo/runner", summer}, "forgejo/runner", ""},
	{row{Tool{"a Bitbucket runner", Jobs}, "support.atlassian.com", summer}, "atlassian/bitbucket-pipelines-runner", ""},
	{row{Tool{"a Tekton task", MayBuild}, "github.com/tektoncd/pipeline", summer}, "pipeline/cmd/entrypoint", ""},
	{row{Tool{"a Tekton task", MayBuild}, "github.com/tektoncd/pipeline", summer}, "pipeline/entrypoint-*", ""},
}

// byBase finds the rows of a last element, patterns those whose last element is one.
var byBase, patterns = func() (map[string][]*image, []*image) {
	exact, rest := map[string][]*image{}, []*image(nil)
	for i := range images {
		base := path.Base(images[i].tail)
		if strings.ContainsAny(base, "*?[") {
			rest = append(rest, &images[i])
			continue
		}
		exact[base] = append(exact[base], &images[i])
	}
	return exact, rest
}()

// Image is what an image's reference shows.
type Image struct {
	Tool
	// Rootless is true for an image that is made to run without root.
	Rootless bool
	// Entrypoint is true if the tool runs only where no other command is given: docker's
	// own image starts its daemon then, and is its client otherwise.
	Entrypoint bool
	// Unsure is true if the reference is a digest alone of a repository that has images of
	// a daemon and of a client.
	Unsure bool
}

// OfImage returns what a reference shows, by its registry ("docker.io"), repository
// ("library/docker") and tag ("" if it has none). Digested is true if it has a digest.
func OfImage(registry, repository, tag string, digested bool) (Image, bool) {
	base := path.Base(repository)
	rootless := tag == "rootless" || hasPart(tag, "rootless") || strings.HasSuffix(base, "-rootless")
	if base == "docker" {
		if found, ok := dockerImage(repository, tag, digested); ok {
			found.Rootless = rootless
			return found, true
		}
	}
	for _, known := range byBase[base] {
		if known.matches(registry, repository) {
			return Image{Tool: known.Tool, Rootless: rootless}, true
		}
	}
	for _, known := range patterns {
		if known.matches(registry, repository) {
			return Image{Tool: known.Tool, Rootless: rootless}, true
		}
	}
	return Image{}, false
}

func (i *image) matches(registry, repository string) bool {
	if i.registry != "" && i.registry != registry {
		return false
	}
	tail := repository
	for more := strings.Count(repository, "/") - strings.Count(i.tail, "/"); more != 0; more-- {
		if more < 0 {
			return false
		}
		_, tail, _ = strings.Cut(tail, "/")
	}
	ok, err := path.Match(i.tail, tail)
	return ok && err == nil
}

// dockerImage reads the tags of docker's official image, in its own repository and in
// mirrors. Since version 23 the image without "cli" in its tag is that of the daemon:
// docker-library/docker pull request 369 (2022-06) for latest and the numbers, 423
// (2023-04) for "git". Before, it was the client. A repository of another owner that ends in
// "docker" counts only with a part "dind" in its tag.
func dockerImage(repository, tag string, digested bool) (Image, bool) {
	daemon := Image{Tool: Tool{"Docker-in-Docker", Builds}}
	client := Image{Tool: Tool{"docker's client", Client}}
	switch {
	case hasPart(tag, "dind"):
		return daemon, true
	case repository != "docker" && repository != "library/docker" && !strings.HasSuffix(repository, "/library/docker"):
		return Image{}, false
	case hasPart(tag, "cli"), strings.Contains(tag, "windowsservercore"):
		return client, true
	case tag == "" && digested:
		daemon.Entrypoint, daemon.Unsure = true, true
		return daemon, true
	}
	number, _, _ := strings.Cut(tag, ".")
	number, _, _ = strings.Cut(number, "-")
	if version, err := strconv.Atoi(number); err == nil && version < 22 {
		return client, true
	}
	daemon.Entrypoint = true
	return daemon, true
}

// hasPart reports whether a tag has this part between its hyphens: "24-dind-alpine3.18"
// has "dind".
func hasPart(tag, part string) bool {
	for tag != "" {
		var one string
		one, tag, _ = strings.Cut(tag, "-")
		if one == part {
			return true
		}
	}
	return false
}
