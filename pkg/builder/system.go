package builder

import "strings"

// label is a label or an annotation that a build system puts on the pods that it makes.
type label struct {
	row
	// key is its key. With a slash or a dot at its end it is the beginning of a key.
	key string
	// value is the label's value; "" for any.
	value string
	// and is a second key that has to be there too; "" if none has to.
	and string
	// only is "labels" or "annotations" if it counts only there.
	only string
}

var labels = []label{
	{row{Tool{"a Jenkins agent", Jobs}, "github.com/jenkinsci/kubernetes-plugin", "2026-03"}, "jenkins/label", "", "", ""},
	{row{Tool{"a Jenkins agent", Jobs}, "github.com/jenkinsci/kubernetes-plugin", "2026-03"}, "jenkins/label-digest", "", "", ""},
	{row{Tool{"a Jenkins agent", Jobs}, "github.com/jenkinsci/kubernetes-plugin", "2026-03"}, "kubernetes.jenkins.io/controller", "", "", ""},
	{row{Tool{"a Jenkins agent", Jobs}, "github.com/jenkinsci/kubernetes-plugin", "2026-03"}, "jenkins", "slave", "", "labels"},
	{row{Tool{"a Jenkins agent", Jobs}, "github.com/jenkinsci/kubernetes-plugin", "2026-03"}, "buildUrl", "", "runUrl", "annotations"},
	{row{Tool{"a Jenkins controller", Dispatches}, "github.com/jenkinsci/kubernetes-operator", "2026-02"}, "jenkins-cr", "", "", "labels"},
	{row{Tool{"a GitLab runner's job", Jobs}, gitlabRepo, summer}, "job.runner.gitlab.com/", "", "", ""},
	{row{Tool{"a GitLab runner's job", Jobs}, gitlabRepo, summer}, "project.runner.gitlab.com/", "", "", ""},
	{row{Tool{"a GitLab runner's job", Jobs}, gitlabRepo, summer}, "manager.runner.gitlab.com/", "", "", ""},
	{row{Tool{"a GitHub Actions runner", Jobs}, arcRepo, summer}, "actions-ephemeral-runner", "", "", "labels"},
	{row{Tool{"a GitHub Actions runner", Jobs}, arcRepo, summer}, "runner-deployment-name", "", "", "labels"},
	{row{Tool{"a GitHub Actions runner", Jobs}, arcRepo, summer}, "actions.github.com/", "", "", ""},
	{row{Tool{"a Buildkite job", Jobs}, "github.com/buildkite/agent-stack-k8s", summer}, "buildkite.com/job-uuid", "", "", ""},
	{row{Tool{"a Buildkite job", Jobs}, "github.com/buildkite/agent-stack-k8s", summer}, "buildkite.com/controller-id", "", "", ""},
	{row{Tool{"a Drone job", Jobs}, "github.com/drone-runners/drone-runner-kube", "2025-05"}, "io.drone", "", "", ""},
	{row{Tool{"a Drone job", Jobs}, "github.com/drone-runners/drone-runner-kube", "2025-05"}, "io.drone.", "", "", ""},
	{row{Tool{"a Woodpecker job", Jobs}, "github.com/woodpecker-ci/woodpecker", summer}, "woodpecker-ci.org/step", "", "", ""},
	{row{Tool{"a Woodpecker job", Jobs}, "github.com/woodpecker-ci/woodpecker", summer}, "woodpecker-ci.org/task-uuid", "", "", ""},
	{row{Tool{"a CircleCI job", Jobs}, "github.com/CircleCI-Public/container-runner-helm-chart", "2026-03"}, "managed-by", "circleci-container-agent", "", "labels"},
	{row{Tool{"a CircleCI job", Jobs}, "github.com/CircleCI-Public/container-runner-helm-chart", "2026-03"}, "app.kubernetes.io/managed-by", "circleci-container-agent", "", "labels"},
	{row{Tool{"a Prow job", Jobs}, "github.com/kubernetes-sigs/prow", summer}, "created-by-prow", "", "", ""},
	{row{Tool{"a Prow job", Jobs}, "github.com/kubernetes-sigs/prow", summer}, "prow.k8s.io/id", "", "", ""},
	{row{Tool{"a Prow job", Jobs}, "github.com/kubernetes-sigs/prow", summer}, "prow.k8s.io/build-id", "", "", ""},
	{row{Tool{"an OpenShift build", Builds}, "github.com/openshift/openshift-controller-manager", "2026-03"}, "openshift.io/build.name", "", "", ""},
	{row{Tool{"a Shipwright build", Builds}, "github.com/shipwright-io/build", summer}, "buildrun.shipwright.io/name", "", "", ""},
	{row{Tool{"a Shipwright build", Builds}, "github.com/shipwright-io/build", summer}, "build.shipwright.io/name", "", "", ""},
	{row{Tool{"a Shipwright build", Builds}, "github.com/shipwright-io/build", summer}, "buildstrategy.shipwright.io/name", "", "", ""},
	{row{Tool{"a Shipwright build", Builds}, "github.com/shipwright-io/build", summer}, "clusterbuildstrategy.shipwright.io/name", "", "", ""},
	{row{Tool{"a kpack build", Builds}, "github.com/buildpacks-community/kpack", summer}, "kpack.io/build", "", "", ""},
	{row{Tool{"a kpack build", Builds}, "github.com/buildpacks-community/kpack", summer}, "image.kpack.io/image", "", "", ""},
	{row{Tool{"a builder of docker buildx", Builds}, "github.com/docker/buildx", summer}, "buildx.docker.com/platform", "", "", ""},
	{row{Tool{"a Tekton task", MayBuild}, "github.com/tektoncd/pipeline", summer}, "tekton.dev/taskRun", "", "", ""},
	{row{Tool{"a Tekton task", MayBuild}, "github.com/tektoncd/pipeline", summer}, "tekton.dev/pipelineRun", "", "", ""},
}

// arcComponent tells the pods of GitHub's runners apart: all have labels of one domain.
const arcComponent = "app.kubernetes.io/component"

// OfLabels returns the build system whose labels or annotations a pod has, with the key
// that shows it and whether it is a label. Annotations are keys alone, sorted.
func OfLabels(podLabels map[string]string, annotations []string) (found Tool, key string, isLabel, ok bool) {
	if len(podLabels) == 0 && len(annotations) == 0 {
		return Tool{}, "", false, false
	}
	for i := range labels {
		l := &labels[i]
		key, isLabel, ok := l.in(podLabels, annotations)
		if !ok {
			continue
		}
		found := l.Tool
		if l.key == "actions.github.com/" {
			switch podLabels[arcComponent] {
			case "", "runner":
			case "runner-scale-set-listener": // starts the runners, in pods of this cluster
				found = Tool{"a GitHub Actions listener", Dispatches}
			default:
				found = Tool{"the controller of GitHub Actions runners", Manages}
			}
		}
		return found, key, isLabel, true
	}
	return Tool{}, "", false, false
}

func (l *label) in(podLabels map[string]string, annotations []string) (key string, isLabel, ok bool) {
	has := func(key string) (isLabel, ok bool) {
		if l.only != "annotations" {
			if value, ok := podLabels[key]; ok && (l.value == "" || value == l.value) {
				return true, true
			}
		}
		if l.only != "labels" {
			for _, a := range annotations {
				if a == key {
					return false, true
				}
			}
		}
		return false, false
	}
	if last := l.key[len(l.key)-1]; last != '/' && last != '.' {
		isLabel, ok = has(l.key)
		if ok && l.and != "" {
			_, ok = has(l.and)
		}
		return l.key, isLabel, ok
	}
	for k := range podLabels { // the first in order, so that a report is the same twice
		if strings.HasPrefix(k, l.key) && (!ok || k < key) {
			key, isLabel, ok = k, true, true
		}
	}
	for _, a := range annotations {
		if !ok && strings.HasPrefix(a, l.key) {
			return a, false, true
		}
	}
	return key, isLabel, ok
}

// kinds are kinds of owners whose pods are build jobs. Groups are not known here, and two
// systems can use one kind: each of those below belongs to builders alone.
var kinds = map[string]row{
	"BuildConfig":                {Tool{"an OpenShift build", Builds}, "docs.openshift.com", summer},
	"Build":                      {Tool{"a build job", Builds}, "docs.openshift.com, github.com/shipwright-io/build", summer},
	"Image":                      {Tool{"a kpack build", Builds}, "github.com/buildpacks-community/kpack", summer},
	"BuildRun":                   {Tool{"a Shipwright build", Builds}, "github.com/shipwright-io/build", summer},
	"BuildStrategy":              {Tool{"a Shipwright build", Builds}, "github.com/shipwright-io/build", summer},
	"ClusterBuildStrategy":       {Tool{"a Shipwright build", Builds}, "github.com/shipwright-io/build", summer},
	"AutoscalingRunnerSet":       {Tool{"a GitHub Actions runner", Jobs}, arcRepo, summer},
	"EphemeralRunnerSet":         {Tool{"a GitHub Actions runner", Jobs}, arcRepo, summer},
	"EphemeralRunner":            {Tool{"a GitHub Actions runner", Jobs}, arcRepo, summer},
	"RunnerDeployment":           {Tool{"a GitHub Actions runner", Jobs}, arcRepo, summer},
	"RunnerReplicaSet":           {Tool{"a GitHub Actions runner", Jobs}, arcRepo, summer},
	"RunnerSet":                  {Tool{"a GitHub Actions runner", Jobs}, arcRepo, summer},
	"Runner":                     {Tool{"a runner of CI jobs", Jobs}, arcRepo, summer},
	"AutoscalingListener":        {Tool{"a GitHub Actions listener", Dispatches}, arcRepo, summer},
	"HorizontalRunnerAutoscaler": {Tool{"the controller of GitHub Actions runners", Manages}, arcRepo, summer},
	"ProwJob":                    {Tool{"a Prow job", Jobs}, "github.com/kubernetes-sigs/prow", summer},
	"Jenkins":                    {Tool{"a Jenkins controller", Dispatches}, "github.com/jenkinsci/kubernetes-operator", "2026-02"},
	"Task":                       {Tool{"a Tekton task", MayBuild}, "github.com/tektoncd/pipeline", summer},
	"ClusterTask":                {Tool{"a Tekton task", MayBuild}, "github.com/tektoncd/pipeline", summer},
	"TaskRun":                    {Tool{"a Tekton task", MayBuild}, "github.com/tektoncd/pipeline", summer},
	"Pipeline":                   {Tool{"a Tekton task", MayBuild}, "github.com/tektoncd/pipeline", summer},
	"PipelineRun":                {Tool{"a Tekton task", MayBuild}, "github.com/tektoncd/pipeline", summer},
}

// OfKind returns the build system whose pods such an owner has.
func OfKind(kind string) (Tool, bool) {
	r, ok := kinds[kind]
	return r.Tool, ok
}

// variables are environment variables that a builder's or an agent's settings are in.
// Their values are never read.
var variables = map[string]row{
	"AZP_URL":                        {Tool{"an Azure Pipelines agent", Jobs}, general, autumn},
	"AZP_POOL":                       {Tool{"an Azure Pipelines agent", Jobs}, general, autumn},
	"AZP_TOKEN":                      {Tool{"an Azure Pipelines agent", Jobs}, general, autumn},
	"AZP_TOKEN_FILE":                 {Tool{"an Azure Pipelines agent", Jobs}, general, autumn},
	"ACTIONS_RUNNER_CONTAINER_HOOKS": {Tool{"a GitHub Actions runner", Jobs}, arcRepo, summer},
	"ACTIONS_RUNNER_POD_NAME":        {Tool{"a GitHub Actions runner", Jobs}, arcRepo, summer},
	"BUILDKITE_AGENT_TOKEN":          {Tool{"a Buildkite agent", Jobs}, general, autumn},
	"CONCOURSE_TSA_HOST":             {Tool{"a Concourse worker", Jobs}, general, autumn},
	"GITEA_INSTANCE_URL":             {Tool{"a Gitea runner", Jobs}, general, autumn},
	"JENKINS_AGENT_NAME":             {Tool{"a Jenkins agent", Jobs}, "github.com/jenkinsci/kubernetes-plugin", "2026-03"},
	"JENKINS_AGENT_WORKDIR":          {Tool{"a Jenkins agent", Jobs}, "github.com/jenkinsci/kubernetes-plugin", "2026-03"},
	"BUILD_PRIVILEGED":               {Tool{"an OpenShift build", Builds}, "github.com/openshift/openshift-controller-manager", "2026-03"},
	"DOCKER_HOST":                    {Tool{"a docker daemon's address", Client}, "docs.docker.com/reference/cli/docker", summer},
	"BUILDKIT_HOST":                  {Tool{"a BuildKit daemon's address", Client}, "github.com/moby/buildkit", summer},
}

// OfVariable returns the tool that reads a variable of this name.
func OfVariable(name string) (Tool, bool) {
	r, ok := variables[name]
	return r.Tool, ok
}

// containerNames are names that a build system gives its containers, and that nobody else
// is known to use. "build", "main" and "agent" are not among them: anybody uses those.
var containerNames = map[string]row{
	"jnlp":         {Tool{"a Jenkins agent", Jobs}, "github.com/jenkinsci/kubernetes-plugin", "2026-03"},
	"docker-build": {Tool{"an OpenShift build", Builds}, "github.com/openshift/openshift-controller-manager", "2026-03"},
	"sti-build":    {Tool{"an OpenShift build", Builds}, "github.com/openshift/openshift-controller-manager", "2026-03"},
	"custom-build": {Tool{"an OpenShift build", Builds}, "github.com/openshift/openshift-controller-manager", "2026-03"},
}

// OfContainer returns the build system that gives its containers this name.
func OfContainer(name string) (Tool, bool) {
	r, ok := containerNames[name]
	return r.Tool, ok
}

// Sandbox returns what a RuntimeClass's handler runs pods in: gVisor, Kata Containers or
// Sysbox; "" for others. The name of the class means nothing, because anybody chooses it.
// Sources: gvisor.dev, katacontainers.io and cloud.google.com/kubernetes-engine (handler
// gvisor), general knowledge of November 2026; github.com/nestybox/sysbox, 2026-03.
func Sandbox(handler string) string {
	switch handler = strings.ToLower(handler); {
	case handler == "runsc" || strings.HasPrefix(handler, "runsc-") || handler == "gvisor":
		return "gVisor"
	case handler == "kata" || strings.HasPrefix(handler, "kata-"):
		return "Kata Containers"
	case handler == "sysbox-runc":
		return "Sysbox"
	}
	return ""
}
