package builds

import (
	"path"
	"slices"
	"strings"

	"github.com/distribution/reference"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/builder"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// BuilderWorkload fails a container that builds images, and a pod that a build
// system made. The image's repository or the command lines show the first, the
// labels the second. Finished pods count: they built here.
var BuilderWorkload = checks.Check{
	ID:       "builds/builder-workload",
	Title:    "No pod of this cluster builds images or runs build jobs",
	Severity: api.Critical,
	Basis:    api.Declared,
	Needs:    []fact.Kind{fact.Pods},
	Scope:    checks.ScopeWorkload,
	Why: "A build runs code that nobody has reviewed yet, from every dependency and every pull request. In the production cluster it runs " +
		"next to production data, and most builders need to be root or privileged.",
	Remediation: "Move builds and CI runners to their own cluster or machines. If they must stay, run them rootless and in a " +
		"sandbox (gVisor, Kata, hostUsers: false), on their own nodes.",
	References: []string{
		"https://github.com/moby/buildkit/blob/master/docs/rootless.md",
		"https://gvisor.dev/docs/",
		"https://kubernetes.io/docs/concepts/workloads/pods/user-namespaces/",
	},
	Judge: judgeBuilderWorkload,
}

// builderImages are the last elements of a repository's path. The registry or
// mirror before it does not matter.
var builderImages = []struct{ tail, builder string }{
	{"kaniko-project/executor", "kaniko"},
	{"kaniko/executor", "kaniko"},
	{"moby/buildkit", "BuildKit"},
	{"containers/buildah", "Buildah"},
	{"buildah/stable", "Buildah"},
	{"buildah/upstream", "Buildah"},
	{"buildah/testing", "Buildah"},
	{"genuinetools/img", "img"},
	{"buildpacksio/lifecycle", "Cloud Native Buildpacks"},
}

// buildLabels are labels (and on OpenShift annotations) that build systems put
// on the pods that they make. A slash at the end means a whole domain. Weak is
// true where the system also runs other jobs than builds.
var buildLabels = []struct {
	label, system string
	weak          bool
}{
	{"jenkins/label", "a Jenkins agent", false},
	{"job.runner.gitlab.com/", "a GitLab runner's job", false},
	{"actions-ephemeral-runner", "a GitHub Actions runner", false},
	{"actions.github.com/", "a GitHub Actions runner", false},
	{"openshift.io/build.name", "an OpenShift build", false},
	{"buildrun.shipwright.io/name", "a Shipwright build", false},
	{"kpack.io/build", "a kpack build", false},
	{"tekton.dev/taskRun", "a Tekton task", true},
}

func judgeBuilderWorkload(v *checks.View) []api.Finding {
	findings := make([]api.Finding, 0, len(v.Workloads))
	for i := range v.Workloads {
		w := &v.Workloads[i]
		if f, ok := judgeBuildLabels(w); ok {
			findings = append(findings, f)
		}
		for j := range w.Spec.Containers {
			findings = append(findings, judgeBuilder(checks.Declared{Workload: w, Container: &w.Spec.Containers[j]}))
		}
	}
	return findings
}

// judgeBuildLabels is the finding for a pod that a build system made.
func judgeBuildLabels(w *fact.Workload) (api.Finding, bool) {
	keys := slices.Clone(w.Spec.Annotations)
	for key := range w.Spec.Labels {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, known := range buildLabels {
		for _, key := range keys {
			if key != known.label && !(strings.HasSuffix(known.label, "/") && strings.HasPrefix(key, known.label)) {
				continue
			}
			// The part of an ephemeral runner that waits for jobs has the same
			// domain, but is not a build.
			if known.label == "actions.github.com/" && w.Spec.Labels["app.kubernetes.io/component"] != "" &&
				w.Spec.Labels["app.kubernetes.io/component"] != "runner" {
				continue
			}
			g := worstGrade(w)
			f := api.Finding{
				Verdict: api.Fail, Severity: g.severity, Subject: checks.WorkloadSubject(w),
				Message:  "is " + known.system + ", " + g.how,
				Evidence: []api.Evidence{{Source: metadataField(w, key), Value: "present"}},
			}
			if known.weak {
				f.Severity = api.Low
				f.Message += "; it is unknown whether it builds"
			}
			return f, true
		}
	}
	for i := range w.Spec.Containers {
		if c := &w.Spec.Containers[i]; c.Name == "jnlp" {
			g := worstGrade(w)
			return api.Finding{
				Verdict: api.Fail, Severity: g.severity, Subject: checks.WorkloadSubject(w),
				Message:  "is a Jenkins agent, " + g.how,
				Evidence: []api.Evidence{{Source: checks.Declared{Workload: w, Container: c}.Field("name"), Value: c.Name}},
			}, true
		}
	}
	return api.Finding{}, false
}

// metadataField names a label or annotation of the pod or of its template.
func metadataField(w *fact.Workload, key string) string {
	kind := "annotations"
	if _, ok := w.Spec.Labels[key]; ok {
		kind = "labels"
	}
	return w.Spec.Origin + " " + strings.TrimSuffix(w.Spec.Path, "spec") + "metadata." + kind + "[" + key + "]"
}

func judgeBuilder(d checks.Declared) api.Finding {
	f := api.Finding{Subject: d.Subject(), Evidence: []api.Evidence{{Source: d.Field("image"), Value: d.Container.Image}}}
	if d.Container.Program != "" {
		f.Evidence = append(f.Evidence, api.Evidence{Source: d.Field("command[0]"), Value: d.Container.Program})
	}
	name, imageRootless, err := builderOfImage(d.Container.Image)
	// Facts of the first version hold only the program.
	if byProgram := builder.Program(d.Container.Program); byProgram != "" {
		name = byProgram
	}
	if found := d.Container.Builder; found != nil {
		name = found.Name
		if found.Field != "command[0]" {
			f.Evidence = append(f.Evidence, api.Evidence{Source: d.Field(found.Field), Value: found.Name})
		}
	}
	switch {
	case name != "":
		g := declaredGrade(d.Workload, d.Container)
		if g == asRoot && imageRootless {
			g = asRootless
		}
		f.Verdict, f.Severity, f.Message = api.Fail, g.severity, "runs "+name+", "+g.how
	case err != nil:
		f.Verdict, f.Reason, f.Message = api.VerdictUnknown, fact.Corrupt, "its image reference cannot be parsed"
	case d.Container.CommandUnread != "":
		f.Verdict, f.Reason, f.Message = api.VerdictUnknown, d.Container.CommandUnread, "its command line was not fully read: a script in it is too long, or is not a shell script"
	default:
		f.Verdict, f.Message = api.Pass, "neither its image nor its program is a known builder"
	}
	return f
}

// builderOfImage returns the builder that an image's repository and tag name.
// Rootless is true for images that are made to run without root.
func builderOfImage(image string) (name string, isRootless bool, err error) {
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return "", false, err
	}
	tag := ""
	if tagged, ok := named.(reference.Tagged); ok {
		tag = tagged.Tag()
	}
	isRootless = tag == "rootless" || strings.HasSuffix(tag, "-rootless")
	repository := "/" + reference.Path(named)
	for _, known := range builderImages {
		if strings.HasSuffix(repository, "/"+known.tail) {
			return known.builder, isRootless, nil
		}
	}
	dind := tag == "dind" || strings.HasSuffix(tag, "-dind") || tag == "dind-rootless" || strings.HasSuffix(tag, "-dind-rootless")
	if path.Base(repository) == "docker" && dind {
		return "Docker-in-Docker", isRootless, nil
	}
	return "", false, nil
}
