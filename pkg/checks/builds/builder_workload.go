package builds

import (
	"fmt"
	"path"
	"strings"

	"github.com/distribution/reference"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/builder"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// BuilderWorkload fails a container that builds images, and a pod that a build
// system made. The image's repository, the command lines and the names of variables show
// the first, labels and the owner's kind the second. Finished pods count: they built here.
//
// How severe a finding is follows from what the tool does and how far its container
// reaches:
//
//   - A builder: critical if privileged, high with a runtime's socket, medium as root. Without
//     root or in a sandbox it is the checklist's exception, low.
//   - An agent of a CI system runs what a job says. Without root it is still medium, because
//     who sets it up cannot be sure what it will run. In a sandbox it is low.
//   - A dispatcher (a GitLab runner, a Jenkins controller, a listener for GitHub's runners) is
//     medium: its jobs most often run in pods of this cluster, and between two jobs it is
//     the only sign of them.
//   - A server that runs no job, a Tekton task, and a client of a builder elsewhere are low.
//
// Nodes set apart, where nodes were read, make a critical or high finding one grade milder,
// never less than medium: see setApart.
var BuilderWorkload = checks.Check{
	ID:       "builds/builder-workload",
	Title:    "No pod of this cluster builds images or runs build jobs",
	Severity: api.Critical,
	Basis:    api.Declared,
	Needs:    []fact.Kind{fact.Pods},
	Scope:    checks.ScopeWorkload,
	Why: "A build runs code that nobody has reviewed yet, from every dependency and every pull request. In the production cluster it runs " +
		"next to production data, and most builders need to be root or privileged. A pass says that no builder was recognised: " +
		"the check compares names with a list, and a builder with another name is not on it.",
	Remediation: "Move builds and CI runners to their own cluster or machines. If they must stay, run them rootless and in a " +
		"sandbox (gVisor, Kata, hostUsers: false), on nodes that a taint sets apart.",
	References: []string{
		"https://github.com/moby/buildkit/blob/master/docs/rootless.md",
		"https://gvisor.dev/docs/",
		"https://kubernetes.io/docs/concepts/workloads/pods/user-namespaces/",
		"https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/",
	},
	Whole: true, // nodes are set apart if nothing else runs there
	Alone: func(v *checks.View, _ *fact.Workload) bool { return len(v.Nodes) == 0 },
	Judge: judgeBuilderWorkload,
}

func judgeBuilderWorkload(v *checks.View) []api.Finding {
	j := builderJudge{v, map[string]imageSigns{}}
	findings := make([]api.Finding, 0, len(v.Workloads))
	of := make([]int, 0, len(v.Workloads)) // the workload of each finding
	builds := make([]bool, len(v.Workloads))
	for i := range v.Workloads {
		w := &v.Workloads[i]
		first := len(findings)
		if f, ok := judgeSystem(w); ok {
			findings = append(findings, f)
		}
		for k := range w.Spec.Containers {
			findings = append(findings, j.container(v, checks.Declared{Workload: w, Container: &w.Spec.Containers[k]}))
		}
		for _, f := range findings[first:] {
			of = append(of, i)
			builds[i] = builds[i] || f.Verdict == api.Fail
		}
	}
	setApart(v, findings, of, builds)
	findings = append(findings, declaredBuilds(v)...)
	// The command lines of earlier facts were compared with a shorter list.
	return append(findings, v.FieldsUnread()...)
}

// declaredBuilds are the findings about objects that declare a build and no pod (an OpenShift
// BuildConfig, an Image of kpack): a gap names each of them, because its pods were not
// read. How far they reach is unknown, but not that they build.
func declaredBuilds(v *checks.View) []api.Finding {
	var findings []api.Finding
	var judged map[fact.SubjectKey]bool // filled when first needed
	for i := range v.Gaps {
		gap := &v.Gaps[i]
		tool, ok := builder.OfKind(gap.Subject.Kind)
		if !ok || gap.What != fact.Pods && gap.What != fact.Templates || tool.Role != builder.Builds {
			continue
		}
		if judged == nil {
			judged = make(map[fact.SubjectKey]bool, len(v.Workloads))
			for k := range v.Workloads {
				judged[v.Workloads[k].Owner.Identity()] = true
			}
		}
		s := gap.Subject
		if judged[s.Identity()] {
			continue
		}
		judged[s.Identity()] = true
		name := strings.ToLower(s.Kind) + "/" + s.Name
		if s.Namespace != "" {
			name = strings.ToLower(s.Kind) + "/" + s.Namespace + "/" + s.Name
		}
		findings = append(findings, api.Finding{
			Verdict: api.Fail, Severity: api.Medium, Subject: s, Message: "is " + tool.Name + "; how far its pods reach was not read",
			Evidence: []api.Evidence{{Source: strings.TrimSpace(s.File+" "+name) + " kind", Value: s.Kind}},
		})
	}
	return findings
}

// judgeSystem is the finding for a pod that a build system made.
func judgeSystem(w *fact.Workload) (api.Finding, bool) {
	tool, key, isLabel, ok := builder.OfLabels(w.Spec.Labels, w.Spec.Annotations)
	var shown api.Evidence
	if ok {
		kind := "annotations"
		if isLabel {
			kind = "labels"
		}
		shown = api.Evidence{Source: checks.MetadataField(w, kind+"["+key+"]"), Value: "present"}
	} else if tool, ok = builder.OfKind(w.Owner.Kind); ok {
		shown = api.Evidence{Source: w.Spec.Origin + " kind", Value: w.Owner.Kind}
	}
	for i := range w.Spec.Containers {
		if ok {
			break
		}
		c := &w.Spec.Containers[i]
		if tool, ok = builder.OfContainer(c.Name); ok {
			shown = api.Evidence{Source: checks.Declared{Workload: w, Container: c}.Field("name"), Value: c.Name}
		}
	}
	if !ok {
		return api.Finding{}, false
	}
	r := worstReach(w)
	f := api.Finding{Verdict: api.Fail, Subject: checks.WorkloadSubject(w), Evidence: []api.Evidence{shown}}
	f.Severity, f.Message = severity(tool, &r, "is "+tool.Name)
	f.Evidence = append(f.Evidence, r.shown()...)
	return f, true
}

// severity judges a tool by what it does and how far its container reaches. What is the
// beginning of the message.
func severity(tool builder.Tool, r *declaredReach, what string) (api.Severity, string) {
	g := r.grade()
	switch tool.Role {
	case builder.Jobs:
		if g == asRootless {
			return api.Medium, what + ", without root, but its jobs choose what runs"
		}
	case builder.Dispatches:
		what += ", which starts build jobs; where they run is in its settings, which are not read"
		if g.severity.Rank() < api.High.Rank() {
			return api.Medium, what
		}
	case builder.MayBuild:
		return api.Low, what + ", " + strings.TrimSuffix(g.how, exception) + "; it is unknown whether it builds"
	case builder.Manages:
		return api.Low, what + ", which runs no job itself"
	case builder.Elsewhere:
		return api.Low, what + ", which runs no build code here"
	}
	return g.severity, what + ", " + g.how
}

// builderJudge judges containers. Many containers have one image, so it remembers what
// images show.
type builderJudge struct {
	view   *checks.View
	images map[string]imageSigns
}

// imageSigns is what an image's reference shows.
type imageSigns struct {
	builder.Image
	known   bool
	invalid bool
}

func (j *builderJudge) image(image string) imageSigns {
	if found, ok := j.images[image]; ok {
		return found
	}
	var out imageSigns
	if named, err := j.view.Reference(image); err != nil {
		out.invalid = true
	} else {
		tag := ""
		if tagged, ok := named.(reference.Tagged); ok {
			tag = tagged.Tag()
		}
		_, digested := named.(reference.Digested)
		out.Image, out.known = builder.OfImage(reference.Domain(named), reference.Path(named), tag, digested)
	}
	j.images[image] = out
	return out
}

// container judges one container: by its command lines, else by its image, else by its
// variables.
func (j *builderJudge) container(v *checks.View, d checks.Declared) api.Finding {
	c := d.Container
	f := api.Finding{Subject: d.Subject(), Evidence: []api.Evidence{{Source: d.Field("image"), Value: c.Image}}}
	if c.Program != "" {
		f.Evidence = append(f.Evidence, api.Evidence{Source: d.Field("command[0]"), Value: c.Program})
	}
	image := j.image(c.Image)
	tool, unsure, found := builder.Tool{}, false, false
	verb := "runs "
	// A role that needs a way to a daemon, and the variable that names one.
	host := variable(c, builder.Client)
	switch {
	case c.Builder != nil:
		tool, found = builder.Tool{Name: c.Builder.Name, Role: builder.RoleOf(c.Builder.Name)}, true
		if c.Builder.Field != "command[0]" {
			f.Evidence = append(f.Evidence, api.Evidence{Source: d.Field(c.Builder.Field), Value: c.Builder.Name})
		}
	case !v.FieldsRead && builder.Program(c.Program) != "": // facts of the first version hold only the program
		name := builder.Program(c.Program)
		tool, found = builder.Tool{Name: name, Role: builder.RoleOf(name)}, true
	case image.known && image.Entrypoint && (c.Program != "" || c.Args == fact.ArgsCommand):
		tool, found = builder.Tool{Name: "docker's client", Role: builder.Client}, true
	case image.known:
		tool, unsure, found = image.Tool, image.Unsure, true
		if c.Program != "" { // an idle one, into which a CI system runs its steps, or a wrapper
			verb = "has the image of "
		}
	}
	if !found || tool.Role == builder.Client {
		for _, named := range c.BuilderVariables {
			if by, ok := builder.OfVariable(named.Name); ok && by.Role != builder.Client {
				tool, found, verb = by, true, "runs "
				f.Evidence = append(f.Evidence, api.Evidence{Source: d.Field(named.Field), Value: named.Name})
				break
			}
		}
	}
	var r declaredReach
	if found {
		r = reachOf(d, image.known && image.Rootless)
	}
	switch {
	case found && tool.Role == builder.Client:
		// A client without a command that builds. With a way to a daemon it can build, and
		// whoever enters the container does; without one it cannot.
		if !r.socket && host == nil || path.Base(c.Program) == "docker" {
			break // or its command says what it does instead
		}
		f.Verdict, f.Severity = api.Fail, api.Low
		f.Message = "holds docker's client with a way to a daemon; it is unknown whether it builds"
		if host != nil {
			f.Evidence = append(f.Evidence, api.Evidence{Source: d.Field(host.Field), Value: host.Name})
		}
		f.Evidence = append(f.Evidence, r.shown()...)
		return f
	case found && unsure && r.own != asPrivileged:
		f.Verdict, f.Reason = api.VerdictUnknown, fact.NotPresent
		f.Message = "its image is docker's by digest alone: that of the daemon, which builds, or of the client"
		return f
	case found:
		f.Verdict = api.Fail
		f.Severity, f.Message = severity(tool, &r, verb+tool.Name)
		if host != nil && r.own != asPrivileged && !r.socket {
			f.Message += ", with the daemon that " + host.Name + " names"
			f.Evidence = append(f.Evidence, api.Evidence{Source: d.Field(host.Field), Value: host.Name})
		}
		f.Evidence = append(f.Evidence, r.shown()...)
		return f
	}
	switch {
	case image.invalid:
		f.Verdict, f.Reason, f.Message = api.VerdictUnknown, fact.Corrupt, "its image reference cannot be parsed"
	case c.LinesUnread() != "":
		f.Verdict, f.Reason, f.Message = api.VerdictUnknown, c.LinesUnread(), "its command line was not fully read: a script in it is too long, is not a shell script, or is a file that was not read"
	default:
		f.Verdict, f.Message = api.Pass, noneRecognised
	}
	return f
}

// noneRecognised is what a pass can say: a list of names shows no absence.
var noneRecognised = fmt.Sprintf("no builder recognised: its image and command lines match none of %d signs (list of %s)", builder.Signs(), builder.Listed)

// variable finds the first variable whose tool has this role.
func variable(c *fact.Container, role builder.Role) *fact.NamedField {
	for i := range c.BuilderVariables {
		if by, ok := builder.OfVariable(c.BuilderVariables[i].Name); ok && by.Role == role {
			return &c.BuilderVariables[i]
		}
	}
	return nil
}
