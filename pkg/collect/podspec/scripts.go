package podspec

import (
	"cmp"
	"maps"
	"slices"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/commandline"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/credential"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/sorted"
)

// maxScripts bounds what a Scripts keeps of ConfigMaps, in bytes.
const maxScripts = 64 << 20

// Scripts evaluates the scripts of ConfigMaps that containers run. A collector offers it the
// ConfigMaps, and then fills in the workloads. It has texts of ConfigMaps, so it is no fact and
// is not kept. The zero value has no ConfigMap.
type Scripts struct {
	offered map[objectName][]map[string]string
	kept    int
	full    bool
	results map[scriptName]commandline.Result
	failed  map[objectName]fact.Reason
	// Reason is why a ConfigMap that was not offered is unknown; "" means NotPresent.
	Reason fact.Reason
}

type objectName struct{ namespace, name string }

type scriptName struct {
	objectName
	key, interpreter string
}

// RunsScripts reports whether a workload runs scripts of ConfigMaps that were not evaluated yet.
func RunsScripts(w *fact.Workload) bool {
	return slices.ContainsFunc(w.Spec.Containers, func(c fact.Container) bool { return slices.ContainsFunc(c.Code, isPending) })
}

func isPending(code fact.MountedCode) bool {
	return code.ConfigMap != "" && code.Unread == fact.NotRequested
}

// Needed lists the ConfigMaps of which workloads run scripts that were not evaluated yet, as
// namespace and name, sorted.
func Needed(workloads []fact.Workload) [][2]string {
	seen := map[[2]string]bool{}
	var out [][2]string
	for i := range workloads {
		w := &workloads[i]
		for j := range w.Spec.Containers {
			for _, code := range w.Spec.Containers[j].Code {
				name := [2]string{w.Owner.Namespace, code.ConfigMap}
				if isPending(code) && !seen[name] {
					seen[name] = true
					out = append(out, name)
				}
			}
		}
	}
	sorted.Func(out, func(a, b [2]string) int { return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1])) })
	return out
}

// Offer adds the data of a ConfigMap. Without a namespace it is that of any namespace: where it
// is applied decides.
func (s *Scripts) Offer(namespace, name string, data map[string]string) {
	size := 0
	for key, text := range data {
		size += len(key) + len(text)
	}
	if s.kept+size > maxScripts {
		s.full = true
		return
	}
	s.kept += size
	if s.offered == nil {
		s.offered = map[objectName][]map[string]string{}
	}
	at := objectName{namespace, credential.KeptName(name)}
	s.offered[at] = append(s.offered[at], data)
}

// Fail says why a ConfigMap could not be read.
func (s *Scripts) Fail(namespace, name string, reason fact.Reason) {
	if s.failed == nil {
		s.failed = map[objectName]fact.Reason{}
	}
	s.failed[objectName{namespace, name}] = reason
}

// Forget drops the texts. What was evaluated of them stays.
func (s *Scripts) Forget() { s.offered = nil }

// Fill evaluates the scripts that a workload runs and adds what they run and install to its
// containers. Every workload may be given at any time; what is offered later does not count for it.
func (s *Scripts) Fill(w *fact.Workload) {
	if !RunsScripts(w) {
		return
	}
	w.Spec.Containers = slices.Clone(w.Spec.Containers) // others may share the list
	for j := range w.Spec.Containers {
		s.fill(w.Owner.Namespace, &w.Spec, &w.Spec.Containers[j])
	}
}

func (s *Scripts) fill(namespace string, spec *fact.PodSpec, c *fact.Container) {
	if !slices.ContainsFunc(c.Code, isPending) {
		return
	}
	c.Code, c.Installs = slices.Clone(c.Code), slices.Clone(c.Installs)
	for k := range len(c.Code) {
		if !isPending(c.Code[k]) {
			continue
		}
		code := c.Code[k]
		result, ok := s.result(scriptName{objectName{namespace, code.ConfigMap}, code.Key, code.Interpreter})
		if !ok {
			c.Code[k].Unread = cmp.Or(s.failed[objectName{namespace, code.ConfigMap}], s.Reason, fact.NotPresent)
			if s.full {
				c.Code[k].Unread = fact.Truncated
			}
			continue
		}
		c.Code[k].Unread = result.Unread
		if c.Builder == nil && result.Builder != nil {
			c.Builder = &fact.DeclaredBuilder{Name: result.Builder.Name, Field: code.Field}
		}
		for _, install := range result.Installs {
			install.Field, install.Script = code.Field, code.ConfigMap+"["+code.Key+"]"
			if len(c.Installs) < fact.MaxInstalls {
				c.Installs = append(c.Installs, install)
			}
		}
		c.InstallTotal += result.InstallTotal
		for _, run := range result.Runs {
			next := runOf(run, code.Field, spec, c)
			same := func(known fact.MountedCode) bool {
				return known.Volume == next.Volume && known.ConfigMap == next.ConfigMap && known.Key == next.Key && known.Mount == next.Mount
			}
			if next.Volume != "" && !slices.ContainsFunc(c.Code, same) {
				c.Code = append(c.Code, next)
			}
		}
	}
}

// runOf is a file of a volume that a script of a ConfigMap runs. What is in it is not followed
// further.
func runOf(run commandline.Run, field string, spec *fact.PodSpec, c *fact.Container) fact.MountedCode {
	var out fact.MountedCode
	for _, m := range c.Mounts {
		if below(run.Path, m.Path) && len(m.Path) >= len(out.Mount) {
			out = fact.MountedCode{Volume: m.Volume, Mount: m.Path, Field: field, Interpreter: run.Interpreter, Unread: fact.NotPresent}
		}
	}
	for i := range spec.Volumes {
		if v := &spec.Volumes[i]; v.Name == out.Volume && v.Source == "configMap" {
			out.Unread = fact.Unsupported
		}
	}
	return out
}

// result evaluates a script once. It is false if no ConfigMap has it.
func (s *Scripts) result(of scriptName) (commandline.Result, bool) {
	if r, ok := s.results[of]; ok {
		return r, true
	}
	var e commandline.Evaluation
	found := false
	for _, namespace := range namespacesOf(s, of) {
		for _, data := range s.offered[objectName{namespace, of.name}] {
			for _, key := range slices.Sorted(maps.Keys(data)) {
				if credential.KeptKey(key) == of.key {
					found = true
					e.Script(of.name+"["+of.key+"]", data[key], of.interpreter, "script")
				}
			}
		}
	}
	if !found {
		return commandline.Result{}, false
	}
	if s.results == nil {
		s.results = map[scriptName]commandline.Result{}
	}
	s.results[of] = e.Result
	return e.Result, true
}

// namespacesOf lists the namespaces whose ConfigMaps of that name count, sorted.
func namespacesOf(s *Scripts, of scriptName) []string {
	if of.namespace != "" {
		return []string{of.namespace, ""}
	}
	var out []string
	for name := range s.offered {
		if name.name == of.name {
			out = append(out, name.namespace)
		}
	}
	slices.Sort(out)
	return out
}
