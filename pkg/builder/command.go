package builder

import (
	"path"
	"slices"
	"strings"
)

// programs are programs that do what their tool does whatever their arguments are, by path
// or, without a slash, by name.
var programs = map[string]row{
	"/kaniko/executor":       {Tool{"kaniko", Builds}, "github.com/GoogleContainerTools/kaniko", "2025-06"},
	"/kaniko/warmer":         {Tool{"kaniko", Builds}, "github.com/GoogleContainerTools/kaniko", "2025-06"},
	"buildkitd":              {Tool{"BuildKit", Builds}, "github.com/moby/buildkit", summer},
	"buildkitd-entrypoint":   {Tool{"BuildKit", Builds}, "github.com/moby/buildkit", summer},
	"buildctl-daemonless.sh": {Tool{"BuildKit", Builds}, "github.com/moby/buildkit", summer},
	"dockerd":                {Tool{"Docker-in-Docker", Builds}, "github.com/docker-library/docker", summer},
	"dockerd-entrypoint.sh":  {Tool{"Docker-in-Docker", Builds}, "github.com/docker-library/docker", summer},
	"dockerd-rootless.sh":    {Tool{"Docker-in-Docker", Builds}, "github.com/docker-library/docker", summer},

	"/cnb/lifecycle/creator":   {Tool{"Cloud Native Buildpacks", Builds}, "github.com/buildpacks-community/kpack", summer},
	"/cnb/lifecycle/analyzer":  {Tool{"Cloud Native Buildpacks", Builds}, "github.com/buildpacks-community/kpack", summer},
	"/cnb/lifecycle/detector":  {Tool{"Cloud Native Buildpacks", Builds}, "github.com/buildpacks-community/kpack", summer},
	"/cnb/lifecycle/restorer":  {Tool{"Cloud Native Buildpacks", Builds}, "github.com/buildpacks-community/kpack", summer},
	"/cnb/lifecycle/builder":   {Tool{"Cloud Native Buildpacks", Builds}, "github.com/buildpacks-community/kpack", summer},
	"/cnb/lifecycle/extender":  {Tool{"Cloud Native Buildpacks", Builds}, "github.com/buildpacks-community/kpack", summer},
	"/cnb/lifecycle/exporter":  {Tool{"Cloud Native Buildpacks", Builds}, "github.com/buildpacks-community/kpack", summer},
	"/cnb/lifecycle/lifecycle": {Tool{"Cloud Native Buildpacks", Builds}, "github.com/buildpacks-community/kpack", summer},
	"/cnb/process/build-init":  {Tool{"a kpack build", Builds}, "github.com/buildpacks-community/kpack", summer},

	"openshift-docker-build": {Tool{"an OpenShift build", Builds}, "github.com/openshift/openshift-controller-manager", "2026-03"},
	"openshift-sti-build":    {Tool{"an OpenShift build", Builds}, "github.com/openshift/openshift-controller-manager", "2026-03"},
	"nix-build":              {Tool{"Nix", Builds}, general, autumn},
	"nix-daemon":             {Tool{"Nix", Builds}, general, autumn},
	"bb_worker":              {Tool{"Buildbarn", Builds}, "github.com/buildbarn/bb-deployments", summer},
	"earthly":                {Tool{"Earthly", Builds}, "github.com/earthly/earthly", "2025-07"},

	"jenkins-agent":           {Tool{"a Jenkins agent", Jobs}, "github.com/jenkinsci/kubernetes-plugin", "2026-03"},
	"jenkins-slave":           {Tool{"a Jenkins agent", Jobs}, general, autumn},
	"jenkins.sh":              {Tool{"a Jenkins controller", Dispatches}, general, autumn},
	"/home/runner/run.sh":     {Tool{"a GitHub Actions runner", Jobs}, "github.com/actions/actions-runner-controller", summer},
	"Runner.Listener":         {Tool{"a GitHub Actions runner", Jobs}, general, autumn},
	"Agent.Listener":          {Tool{"an Azure Pipelines agent", Jobs}, general, autumn},
	"/run-agent.sh":           {Tool{"a TeamCity agent", Jobs}, "github.com/JetBrains/teamcity-docker-images", "2026-04"},
	"woodpecker-agent":        {Tool{"a Woodpecker agent", Jobs}, "github.com/woodpecker-ci/woodpecker", summer},
	"drone-runner-docker":     {Tool{"a Drone runner", Jobs}, general, autumn},
	"drone-runner-kube":       {Tool{"a Drone runner's manager", Dispatches}, "github.com/drone-runners/drone-runner-kube", "2025-05"},
	"circleci-runner":         {Tool{"a CircleCI runner", Jobs}, "github.com/CircleCI-Public/container-runner-helm-chart", "2026-03"},
	"circleci-launch-agent":   {Tool{"a CircleCI runner", Jobs}, general, autumn},
	"agent-stack-k8s":         {Tool{"a Buildkite controller", Dispatches}, "github.com/buildkite/agent-stack-k8s", summer},
	"gitlab-runner-helper":    {Tool{"a GitLab runner's job", Jobs}, "gitlab.com/gitlab-org/gitlab-runner", summer},
	"buildbuddy-executor":     {Tool{"a BuildBuddy executor", Builds}, "github.com/buildbuddy-io/buildbuddy-helm", summer},
	"nativelink":              {Tool{"NativeLink", Builds}, "github.com/TraceMachina/nativelink", summer},
	"dagger-engine":           {Tool{"Dagger", Builds}, "github.com/dagger/dagger", summer},
	"openshift-custom-build":  {Tool{"an OpenShift build", Builds}, "github.com/openshift/openshift-controller-manager", "2026-03"},
	"shipwright-build-runner": {Tool{"a Shipwright build", Builds}, general, autumn},
}

// command is a program that is a builder with some of its arguments only.
type command struct {
	row
	// names are its programs.
	names []string
	// words are the chains of subcommands that build: "build", "image build". The words
	// after a chain mean nothing.
	words []string
	// not are the subcommands that do not build, of a program that builds with any other.
	not []string
	// valued are options before and between subcommands that take the next word as their value.
	valued []string
}

var dockerOptions = []string{"-H", "--host", "-c", "--context", "--config", "-l", "--log-level", "--tlscacert", "--tlscert", "--tlskey", "-f", "--file", "-p", "--project-name", "--builder", "--profile", "--env-file", "--project-directory"}

var commands = []command{
	{
		row: row{Tool{"docker build", Builds}, "docs.docker.com/reference/cli/docker", summer}, names: []string{"docker", "docker-buildx", "docker-compose", "buildx"},
		words: []string{
			"build", "bake", "image build", "builder build", "buildx build", "buildx bake", "compose build", "compose up --build", "up --build",
		},
		valued: dockerOptions,
	},
	{
		row: row{Tool{"podman build", Builds}, general, autumn}, names: []string{"podman", "podman-remote"},
		words: []string{"build", "image build", "buildx build", "farm build", "compose build", "builder build"},
		valued: []string{
			"--root", "--runroot", "--storage-driver", "--storage-opt", "--url", "-c", "--connection", "--log-level", "--cgroup-manager", "--runtime",
			"--conmon", "--identity", "--events-backend", "--tmpdir", "--module", "--network-cmd-path", "--hooks-dir",
		},
	},
	{
		row: row{Tool{"nerdctl build", Builds}, general, autumn}, names: []string{"nerdctl"}, words: []string{"build", "image build", "builder build", "compose build"},
		valued: []string{"-a", "--address", "-H", "--host", "-n", "--namespace", "--snapshotter", "--storage-driver", "--cgroup-manager", "--data-root"},
	},
	{
		row: row{Tool{"Buildah", Builds}, "github.com/containers/buildah", summer}, names: []string{"buildah"},
		not: []string{
			"version", "help", "login", "logout", "images", "info", "inspect", "push", "pull", "rmi", "tag", "manifest", "containers", "ps", "completion", "prune",
		},
		valued: []string{"--root", "--runroot", "--storage-driver", "--storage-opt", "--log-level", "--registries-conf", "--userns-uid-map", "--userns-gid-map"},
	},
	{
		row: row{Tool{"BuildKit", Builds}, "github.com/moby/buildkit", summer}, names: []string{"buildctl"}, words: []string{"build", "b"},
		valued: []string{"--addr", "--tlsservername", "--tlscacert", "--tlscert", "--tlskey", "--tlsdir", "--timeout", "--log-format"},
	},
	{row: row{Tool{buildctlElsewhere, Elsewhere}, "github.com/moby/buildkit", summer}, names: []string{"buildctl --addr"}, words: []string{"tcp://", "ssh://", "kube-pod://"}}, // for the list; see elsewhere
	{row: row{Tool{"img", Builds}, "github.com/genuinetools/img", "2021"}, names: []string{"img"}, words: []string{"build"}, valued: []string{"-s", "--state", "-b", "--backend"}},
	{row: row{Tool{"Makisu", Builds}, "github.com/uber-archive/makisu", "2021"}, names: []string{"makisu"}, words: []string{"build"}, valued: []string{"--log-level", "--log-output", "--log-fmt"}},
	{row: row{Tool{"Cloud Native Buildpacks", Builds}, general, autumn}, names: []string{"pack"}, words: []string{"build", "builder create"}},
	{row: row{Tool{"ko", Builds}, "github.com/ko-build/ko", summer}, names: []string{"ko"}, words: []string{"build", "publish", "apply", "create", "resolve", "run"}},
	{row: row{Tool{"Source-to-Image", Builds}, "github.com/openshift/source-to-image", summer}, names: []string{"s2i", "sti"}, words: []string{"build", "rebuild"}, valued: []string{"--loglevel", "--ca", "--cert", "--key", "--url", "-U"}},
	{row: row{Tool{"Jib", Builds}, "github.com/GoogleContainerTools/jib", summer}, names: []string{"jib"}, words: []string{"build", "jar", "war"}},
	{row: row{Tool{"melange", Builds}, "github.com/chainguard-dev/melange", summer}, names: []string{"melange"}, words: []string{"build", "test", "compile"}},
	{row: row{Tool{"apko", Elsewhere}, "github.com/chainguard-dev/apko", summer}, names: []string{"apko"}, words: []string{"build", "publish", "build-minirootfs"}},
	{row: row{Tool{"Nix", Builds}, general, autumn}, names: []string{"nix"}, words: []string{"build", "bundle", "flake check"}, valued: []string{"--extra-experimental-features", "--experimental-features"}},
	{row: row{Tool{"Bazel", Builds}, general, autumn}, names: []string{"bazel", "bazelisk"}, words: []string{"build", "test", "run", "coverage"}},
	{row: row{Tool{"Dagger", Builds}, "github.com/dagger/dagger", summer}, names: []string{"dagger"}, words: []string{"call", "run", "do", "up", "core", "shell"}},
	{row: row{Tool{"Depot", Elsewhere}, "github.com/depot/cli", summer}, names: []string{"depot"}, words: []string{"build", "bake"}},
	{row: row{Tool{"Skaffold", Builds}, general, autumn}, names: []string{"skaffold"}, words: []string{"build", "run", "dev", "debug"}},

	{row: row{Tool{"a GitLab runner", Dispatches}, "gitlab.com/gitlab-org/gitlab-runner", summer}, names: []string{"gitlab-runner", "gitlab-ci-multi-runner"}, words: []string{"run", "run-single", "start", "exec", "register"}, valued: []string{"--log-level", "-l", "--log-format"}},
	{row: row{Tool{"a Buildkite agent", Jobs}, "github.com/buildkite/agent-stack-k8s", summer}, names: []string{"buildkite-agent"}, words: []string{"start", "bootstrap", "acquire-job"}},
	{row: row{Tool{"a Concourse worker", Jobs}, "github.com/concourse/concourse-chart", "2026-03"}, names: []string{"concourse"}, words: []string{"worker", "quickstart", "retire-worker", "land-worker"}},
	{row: row{Tool{"a Gitea runner", Jobs}, general, autumn}, names: []string{"act_runner"}, words: []string{"daemon", "exec"}, valued: []string{"-c", "--config"}},
	{row: row{Tool{"a Forgejo runner", Jobs}, "code.forgejo.org/forgejo/runner", summer}, names: []string{"forgejo-runner"}, words: []string{"daemon", "exec", "one-job"}, valued: []string{"-c", "--config"}},
	{row: row{Tool{"a Drone runner", Jobs}, general, autumn}, names: []string{"drone-runner-exec", "drone-runner-ssh"}, words: []string{"daemon", "exec"}},
}

// buildctlElsewhere is buildctl that is told to let a daemon at another address build. If that
// daemon is in this cluster, its own container is a builder.
const buildctlElsewhere = "buildctl, with BuildKit elsewhere"

// elsewhere reports whether buildctl's option --addr names a daemon that it reaches over the
// network. Its last value counts.
func elsewhere(args []string) bool {
	remote := false
	for i, arg := range args {
		addr, joined := strings.CutPrefix(arg, "--addr=")
		switch {
		case joined:
		case arg == "--addr" && i+1 < len(args):
			addr = args[i+1]
		default:
			continue
		}
		remote = slices.ContainsFunc([]string{"tcp://", "ssh://", "kube-pod://"}, func(start string) bool { return strings.HasPrefix(addr, start) })
	}
	return remote
}

// byProgram finds the commands of a program.
var byProgram = func() map[string]*command {
	out := map[string]*command{}
	for i := range commands {
		for _, name := range commands[i].names {
			out[name] = &commands[i]
		}
	}
	return out
}()

// jibGoals are goals of Maven and tasks of Gradle that build an image.
var jibGoals = map[string]string{
	"jib:build": "Jib", "jib:dockerBuild": "Jib", "jib:buildTar": "Jib", "jib": "Jib", "jibDockerBuild": "Jib", "jibBuildTar": "Jib",
	"spring-boot:build-image": "Cloud Native Buildpacks", "bootBuildImage": "Cloud Native Buildpacks",
}

// Program returns the builder's name for a program, "" if it is not a builder
// whatever its arguments are. The program is a path or a name.
func Program(program string) string {
	if program == "" {
		return ""
	}
	if r, ok := programs[path.Clean(program)]; ok {
		return r.Name
	}
	if name := programs[path.Base(program)].Name; name != "" {
		return name
	}
	if path.Base(program) == "buildah" {
		return "Buildah"
	}
	return ""
}

// Begins reports whether a command line that begins with this word can be one that Command
// recognises, so that others need not be evaluated for it.
func Begins(word string) bool {
	if strings.HasPrefix(word, "-") || Program(word) != "" {
		return true
	}
	base := path.Base(word)
	switch base {
	case "executor", "rootlesskit", "java", "mvn", "mvnw", "gradle", "gradlew", "run-agent.sh":
		return true
	}
	return byProgram[base] != nil
}

// maxRooted bounds programs that start each other in one command line.
const maxRooted = 4

// Command returns the name of the builder that a simple command runs, "" if it
// runs none. Words are the program and its arguments; a word that is not
// literal ("$IMAGE") is empty. If the first word is an option, the words are arguments of
// a program that the image names, which is unknown.
func Command(words []string) string { return named(words, maxRooted) }

func named(words []string, rooted int) string {
	if len(words) == 0 || rooted == 0 {
		return ""
	}
	program, args := words[0], words[1:]
	if strings.HasPrefix(program, "-") {
		return kanikoArguments(words)
	}
	if onlyAsks(args) {
		return ""
	}
	base := path.Base(program)
	if known := byProgram[base]; known != nil {
		if known.builds(args) {
			if base == "buildctl" && elsewhere(args) {
				return buildctlElsewhere
			}
			return known.Name
		}
		return ""
	}
	if name := Program(program); name != "" {
		return name
	}
	switch base {
	case "executor": // kaniko's, copied into another image
		return kanikoArguments(args)
	case "rootlesskit": // runs the rest of its words in a user namespace
		for len(args) > 0 && (args[0] == "" || strings.HasPrefix(args[0], "-")) {
			args = args[1:]
		}
		return named(args, rooted-1)
	case "java":
		return ofJava(args)
	case "mvn", "mvnw", "gradle", "gradlew":
		for _, arg := range args {
			if name := jibGoal(arg); name != "" {
				return name
			}
		}
	case "run-agent.sh":
		return "a TeamCity agent"
	}
	return ""
}

// onlyAsks reports whether a program is only asked for its version or its help.
func onlyAsks(args []string) bool {
	return len(args) == 1 && slices.Contains([]string{"version", "--version", "-v", "-V", "help", "--help", "-h"}, args[0])
}

// builds reports whether a program of this name builds with these arguments.
func (c *command) builds(args []string) bool {
	words := make([]string, 0, 3)
	first := true
	flags := map[string]bool{}
	for i := 0; i < len(args); i++ {
		switch arg := args[i]; {
		case arg == "" && first && len(args) > 1:
			// The subcommand, or an option before it, is in a variable: the next word
			// that is known decides.
		case slices.Contains(c.valued, arg):
			i++
		case strings.HasPrefix(arg, "-"):
			flags[arg] = true
		default:
			first = false
			if len(words) < cap(words) {
				words = append(words, arg)
			}
		}
	}
	if len(c.not) > 0 {
		return len(words) == 0 && len(args) == 0 || len(words) > 0 && !slices.Contains(c.not, words[0])
	}
	for _, chain := range c.words {
		want := strings.Fields(chain)
		if last := want[len(want)-1]; strings.HasPrefix(last, "--") { // an option anywhere
			if !flags[last] {
				continue
			}
			want = want[:len(want)-1]
		}
		if len(words) >= len(want) && slices.Equal(words[:len(want)], want) {
			return true
		}
	}
	return false
}

// contexts begin the values of kaniko's --context.
var contexts = []string{"dir://", "git://", "gs://", "s3://", "tar://", "https://", "http://", "/", "."}

// kanikoArguments recognises kaniko's executor by its options: --destination (or
// --no-push), and --dockerfile or a --context that is a place of files. No other program
// is known to have them together.
func kanikoArguments(args []string) string {
	destination, dockerfile, context := false, false, false
	for i, arg := range args {
		name, value, joined := strings.Cut(arg, "=")
		if !joined && i+1 < len(args) {
			value = args[i+1]
		}
		switch name {
		case "--destination", "--no-push":
			destination = true
		case "--dockerfile":
			dockerfile = true
		case "--context":
			context = context || slices.ContainsFunc(contexts, func(start string) bool { return strings.HasPrefix(value, start) })
		}
	}
	if destination && (dockerfile || context) {
		return "kaniko"
	}
	return ""
}

// jars are archives by name, as "java -jar" runs them.
var jars = map[string]string{
	"agent.jar": "a Jenkins agent", "remoting.jar": "a Jenkins agent", "slave.jar": "a Jenkins agent", "swarm-client.jar": "a Jenkins agent",
	"jenkins.war": "a Jenkins controller",
}

func ofJava(args []string) string {
	for i, arg := range args {
		switch {
		case arg == "-jar" && i+1 < len(args):
			return jars[path.Base(args[i+1])]
		case arg == "hudson.remoting.jnlp.Main":
			return "a Jenkins agent"
		}
	}
	return ""
}

// jibGoal recognises a goal of Maven or a task of Gradle: "jib:build", ":app:jib",
// "com.google.cloud.tools:jib-maven-plugin:3.4.0:build".
func jibGoal(arg string) string {
	if strings.HasPrefix(arg, "com.google.cloud.tools:jib-maven-plugin:") {
		return "Jib"
	}
	if strings.HasPrefix(arg, "org.springframework.boot:spring-boot-maven-plugin:") && strings.HasSuffix(arg, ":build-image") {
		return "Cloud Native Buildpacks"
	}
	if name := jibGoals[arg]; name != "" {
		return name
	}
	if i := strings.LastIndexByte(arg, ':'); i >= 0 { // a task of a subproject
		switch task := arg[i+1:]; task {
		case "jib", "jibDockerBuild", "jibBuildTar", "bootBuildImage":
			return jibGoals[task]
		}
	}
	return ""
}
