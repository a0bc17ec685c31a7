package mend

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/distribution/reference"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// instances are the running containers of one name in all pods of an owner. Why says why they are
// not all of them, as the rest of a sentence; "" if they are, and each was measured.
type instances struct {
	list []checks.Running
	why  string
}

// instancesOf finds what runs of a container. What is measured of some pods says nothing of the
// others, so that one that is missing is enough for a why.
func (x *work) instancesOf(c *fact.Container) instances {
	if x.runs == nil {
		x.runs = map[string]instances{}
	}
	if known, ok := x.runs[c.Name]; ok {
		return known
	}
	in := x.findInstances(c)
	x.runs[c.Name] = in
	return in
}

func (x *work) findInstances(c *fact.Container) instances {
	w := x.w
	switch {
	case len(w.Pods) == 0:
		return instances{why: "no pod of it runs"}
	case x.somePods:
		return instances{why: "this run may have left out some of its pods"}
	case x.rolling():
		return instances{why: "its pods do not have its template's spec"}
	case w.Owner.Kind == fact.SubjectJob || w.Owner.Kind == fact.SubjectCronJob:
		return instances{why: "its next pods run later"}
	case c.Type == fact.InitContainer && c.RestartPolicy != "Always":
		return instances{why: "an init container ends before anybody can look"}
	case c.Type == fact.EphemeralContainer:
		return instances{why: "it is an ephemeral container"}
	}
	var in instances
	for i := range w.Pods {
		pod := &w.Pods[i]
		status := statusOf(pod, c.Name)
		if status == nil || !status.Running || status.ID == "" {
			in.why = "it does not run in pod " + pod.Name
			return in
		}
		r, found := x.measured[place{pod.Node, status.ID}]
		if !found || r.Measured.PodUID != pod.UID && (pod.ConfigHash == "" || r.Measured.PodUID != pod.ConfigHash) {
			in.why = "it was not measured in pod " + pod.Name
			return in
		}
		r.Workload, r.Pod, r.Declared = w, pod, c
		in.list = append(in.list, r)
	}
	return in
}

// rolling reports whether the pods of an owner do not all have the spec of its template.
func (x *work) rolling() bool { return len(x.w.Differs) > 0 || x.specs[owner(x.w.Owner)] > 1 }

func statusOf(pod *fact.Pod, name string) *fact.ContainerStatus {
	for i := range pod.Containers {
		if pod.Containers[i].Name == name {
			return &pod.Containers[i]
		}
	}
	return nil
}

// thread is what a mend needs to know of a thread.
type thread struct {
	uid              [4]int64
	permitted        fact.CapMask
	effective        fact.CapMask
	noNewPrivs       *bool
	ownUserNamespace bool
}

// threads calls each with every thread of every instance of a container. Why is as in instances:
// "" only if each call was made.
func (x *work) threads(c *fact.Container, each func(thread)) (count int, why string) {
	in := x.instancesOf(c)
	if in.why != "" {
		return 0, in.why
	}
	for _, r := range in.list {
		if reason, unread := x.view.Unread(r, fact.Processes); unread {
			return 0, "its processes in pod " + r.Pod.Name + " were not all read (" + string(reason) + ")"
		}
		if len(r.Measured.Processes) == 0 {
			return 0, "no process of it was read in pod " + r.Pod.Name
		}
		for i := range r.Measured.Processes {
			p := &r.Measured.Processes[i]
			own := p.UserNS == 0 || r.Node.Measured.HostUserNS == 0 || p.UserNS != r.Node.Measured.HostUserNS
			each(thread{p.UID, p.CapPrm, p.CapEff, p.NoNewPrivs, own})
			count++
			if p.Threads == nil {
				continue
			}
			if p.Threads.DifferingCount > len(p.Threads.Differing) {
				return 0, "not all of its threads in pod " + r.Pod.Name + " were listed"
			}
			for j := range p.Threads.Differing {
				t := &p.Threads.Differing[j]
				each(thread{t.UID, t.CapPrm, t.CapEff, t.NoNewPrivs, own})
			}
		}
	}
	return count, ""
}

// counted is "all 12 processes of 3 pods".
func (x *work) counted(processes int) string {
	return "all " + checks.Count(processes, "measured process") + " of " + checks.Count(len(x.w.Pods), "pod")
}

// holdsNothing says, as a sentence, that no thread holds a capability or can get one; "" if that
// is not so, or unknown. A process that started as root may have used capabilities before it gave
// them up, so it is so only for a container that is declared to start as another user.
func (x *work) holdsNothing(c *fact.Container) string {
	if user := x.declaredUser(c); user == nil || *user == 0 {
		return ""
	}
	none := true
	n, why := x.threads(c, func(t thread) {
		eff, effRead := t.effective.Bits()
		prm, prmRead := t.permitted.Bits()
		none = none && effRead && prmRead && eff == 0 && prm == 0 && t.noNewPrivs != nil && *t.noNewPrivs
	})
	if why != "" || !none {
		return ""
	}
	return "Each thread of " + x.counted(n) + " has empty permitted and effective capabilities and NoNewPrivs, and the container starts as user " + fmt.Sprint(*x.declaredUser(c)) + "."
}

// runsAs is the one user, other than root, as whom all threads run: as the node sees it, in the
// node's own user namespace. Nil if there is no such, or it is unknown.
func (x *work) runsAs(c *fact.Container) *int64 {
	var user *int64
	one := true
	_, why := x.threads(c, func(t thread) {
		if user == nil {
			first := t.uid[0]
			user = &first
		}
		for _, uid := range t.uid {
			one = one && uid == *user
		}
		one = one && !t.ownUserNamespace
	})
	if why != "" || !one || user == nil || *user <= 0 {
		return nil
	}
	return user
}

// allRoot reports whether all threads run as root in the node's own user namespace. It is false if
// that is unknown.
func (x *work) allRoot(c *fact.Container) bool {
	all := true
	_, why := x.threads(c, func(t thread) {
		for _, uid := range t.uid {
			all = all && uid == 0
		}
		all = all && !t.ownUserNamespace
	})
	return why == "" && all
}

// declaredUser is runAsUser, the container's or the pod's; nil if neither is set.
func (x *work) declaredUser(c *fact.Container) *int64 {
	if c.RunAsUser != nil {
		return c.RunAsUser
	}
	return x.spec.RunAsUser
}

// otherArchitectures are those of nodes on which no pod of the owner runs. A runtime may name the
// manifest of one architecture as the image's digest, and not the index of all of them.
func (x *work) otherArchitectures() []string {
	if len(x.architectures) < 2 {
		return nil
	}
	own := map[string]bool{}
	for i := range x.w.Pods {
		own[x.architecture[x.w.Pods[i].Node]] = true
	}
	var others []string
	for _, arch := range x.architectures {
		if !own[arch] {
			others = append(others, arch)
		}
	}
	return others
}

// digestOf is the digest of the image that all pods run, of the repository that the spec names.
// Why says why there is none, as the rest of a sentence.
func (x *work) digestOf(c *fact.Container) (digest, why string) {
	named, err := x.view.Reference(c.Image)
	if err != nil {
		return "", "its image reference cannot be parsed"
	}
	if len(x.w.Pods) == 0 {
		return "", "no pod of it runs, so that nothing says which image its name means"
	}
	for i := range x.w.Pods {
		pod := &x.w.Pods[i]
		status := statusOf(pod, c.Name)
		if status == nil || status.ImageID == "" {
			return "", "pod " + pod.Name + " does not say which image it runs"
		}
		id, err := reference.ParseNormalizedNamed(strings.TrimPrefix(status.ImageID, "docker-pullable://"))
		digested, ok := id.(reference.Digested)
		switch {
		case err != nil || !ok:
			return "", "pod " + pod.Name + " names its image by the digest of a configuration, which no registry resolves"
		case id.Name() != named.Name():
			return "", "pod " + pod.Name + " runs an image that its runtime knows under another repository, where the digest may not exist"
		case digest != "" && digest != digested.Digest().String():
			return "", "its pods run different images"
		}
		digest = digested.Digest().String()
	}
	if !strings.HasPrefix(digest, "sha256:") {
		return "", "its image's digest is not a sha256"
	}
	return digest, ""
}

// written are the directories of the root file system in which the instances of a container have
// written, and what was not found out.
type written struct {
	dirs []string // where an emptyDir can be mounted, sorted
	// code and image are files that an emptyDir would hide or lose: programs that were added,
	// files of the image that were changed or removed.
	code, image, elsewhere []string
	unknown                int // files whose paths are unknown
	why                    string
}

// writtenBy finds where the instances of a container have written on their root file system, by
// the walk of each writable layer.
func (x *work) writtenBy(c *fact.Container) written {
	in := x.instancesOf(c)
	out := written{why: in.why}
	if in.why != "" {
		return out
	}
	var dirs []string
	for _, r := range in.list {
		up := r.Measured.Upper
		reason, unread := x.view.Unread(r, fact.Upperdir)
		switch {
		case unread:
			out.why = "the writable layer of pod " + r.Pod.Name + " was not read completely (" + string(reason) + ")"
		case up == nil && r.Measured.Root != nil && r.Measured.Root.ReadOnly:
			continue // there is nothing to write to
		case up == nil || up.DataCounts == nil:
			out.why = "the writable layer of pod " + r.Pod.Name + " was not read"
		case up.Truncated || up.Total > len(up.Files) || up.DataCounts.Added+up.DataCounts.Changed+up.DataCounts.Removed > len(up.Data):
			out.why = "not all files in the writable layer of pod " + r.Pod.Name + " were listed"
		}
		if up == nil {
			continue
		}
		for i := range up.Files {
			switch f := &up.Files[i]; f.Origin {
			case fact.OriginMetadata:
			case fact.OriginAdded:
				out.code = append(out.code, f.Path)
			default:
				out.image = append(out.image, f.Path)
			}
		}
		for i := range up.Data {
			f := &up.Data[i]
			if f.Origin != fact.OriginAdded {
				out.image = append(out.image, f.Path)
				continue
			}
			dirs = append(dirs, path.Dir(f.Path))
		}
		if up.DataCounts != nil {
			out.unknown += up.DataCounts.Unknown
			if up.Written == nil {
				out.unknown += up.DataCounts.Volatile + up.DataCounts.Special
			}
		}
		if up.Written != nil {
			dirs = append(dirs, writtenIn(up.Written)...)
			if up.Written.Total > len(up.Written.Dirs) {
				out.why = "not all directories in which pod " + r.Pod.Name + " has written were listed"
			}
		}
	}
	out.dirs, out.elsewhere = mountable(dirs)
	for _, list := range []*[]string{&out.code, &out.image} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	return out
}

// writtenIn are the directories in which something was made: those that the image has, or, where
// nothing can be mounted at one of these, the directories that were made in it.
func writtenIn(w *fact.WrittenDirs) []string {
	var dirs []string
	for i := range w.Dirs {
		d := &w.Dirs[i]
		if !slices.Contains(system, d.Path) || d.Files || d.MadeTotal > len(d.Made) {
			dirs = append(dirs, d.Path)
			continue
		}
		dirs = append(dirs, d.Made...)
	}
	return dirs
}

// maxEmptyDirs bounds the emptyDirs that are made for one container.
const maxEmptyDirs = 8

// system are directories that hold the image's own programs, libraries and configuration: an
// emptyDir there would hide them.
var system = []string{
	"/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib32", "/lib64", "/libx32", "/opt", "/proc", "/sbin", "/srv", "/sys", "/usr", "/var", "/var/lib",
	"/usr/bin", "/usr/lib", "/usr/lib64", "/usr/local", "/usr/local/bin", "/usr/local/lib", "/usr/sbin", "/usr/share",
}

// mountable sorts directories and leaves out those below others. Elsewhere are those at which no
// emptyDir can be mounted: a directory of the system, a path that a mount path cannot be, or more
// than maxEmptyDirs.
func mountable(dirs []string) (out, elsewhere []string) {
	slices.Sort(dirs)
	for _, dir := range slices.Compact(dirs) {
		below := func(up string) bool { return strings.HasPrefix(dir, up+"/") }
		switch {
		case slices.ContainsFunc(out, below):
		case slices.Contains(system, dir) || !mountPath(dir) || len(out) == maxEmptyDirs:
			elsewhere = append(elsewhere, dir)
		default:
			out = append(out, dir)
		}
	}
	return out, elsewhere
}

// mountPath reports whether a path that a node names can be a mount path: the API server refuses a
// colon; control characters and invalid UTF-8 have no place in a manifest; "$(" is expanded by
// nothing there, and would only mislead a reader.
func mountPath(p string) bool {
	const most = 1024
	if !strings.HasPrefix(p, "/") || len(p) > most || !utf8.ValidString(p) || path.Clean(p) != p || strings.ContainsAny(p, ":$`\\\"'") {
		return false
	}
	return !strings.ContainsFunc(p, func(r rune) bool { return !unicode.IsPrint(r) || r == utf8.RuneError })
}
