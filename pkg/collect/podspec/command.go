package podspec

import (
	"path"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/builder"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/commandline"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/credential"
)

// A command line may hold anything, even a password, so facts hold none of its
// words. Package commandline evaluates it here, where it is complete, and only the
// results are facts.

// evaluate sets what a container's command lines run and install: its own, those of its
// hooks and its probes.
func evaluate(out *fact.Container, c *corev1.Container, volumes []corev1.Volume) {
	if isPlain(c) {
		return
	}
	e := evaluation(c)
	r := e.Result
	out.Builder, out.CommandUnread = r.Builder, r.Unread
	out.Installs, out.InstallTotal = r.Installs, r.InstallTotal
	for _, run := range r.Runs {
		if code, ok := mountedCode(run, c.VolumeMounts, volumes); ok {
			out.Code = append(out.Code, code)
		}
	}
}

// evaluation evaluates a container's command lines.
func evaluation(c *corev1.Container) *commandline.Evaluation {
	var e commandline.Evaluation
	e.Dir = c.WorkingDir
	for _, l := range commandLines(c) {
		if !l.worth(c) {
			continue
		}
		if e.Env == nil {
			e.Env = environment(c.Env)
		}
		words := l.words(e.Env)
		if l.probe {
			e.Probe(words)
		} else {
			e.Command(words)
		}
	}
	return &e
}

// isPlain reports whether a container has one command line at most, and that is a program of
// the image which package commandline does not know. Most containers are so.
func isPlain(c *corev1.Container) bool {
	if c.Lifecycle != nil {
		return false
	}
	for _, p := range []*corev1.Probe{c.StartupProbe, c.LivenessProbe, c.ReadinessProbe} {
		if p != nil && p.Exec != nil {
			return false
		}
	}
	program := ""
	switch {
	case len(c.Command) > 0:
		program = c.Command[0]
	case len(c.Args) > 0:
		program = c.Args[0]
	}
	switch {
	case program == "":
		return true
	case program[0] == '-': // options of the image's own program, which few programs are known by
		return builder.Command(c.Args) == ""
	}
	return !commandline.Interesting(program) && !inVolume(program, c)
}

// inVolume reports whether a program may be a file of a volume.
func inVolume(program string, c *corev1.Container) bool {
	if !path.IsAbs(program) {
		return strings.Contains(program, "/") && len(c.VolumeMounts) > 0
	}
	program = path.Clean(program)
	for i := range c.VolumeMounts {
		if below(program, c.VolumeMounts[i].MountPath) {
			return true
		}
	}
	return false
}

// line is one command line of a container.
type line struct {
	parts []part
	probe bool // what it builds does not count
	// expands says that the kubelet puts variables into its words: $(NAME). It does so for
	// command, args and probes, not for hooks.
	expands bool
}

// part is a list of words of a line, and its field.
type part struct {
	field string
	words []string
}

func commandLines(c *corev1.Container) []line {
	var lines []line
	// Without a command the image's own entry point runs, of which nothing is known. By custom
	// it runs its arguments, if they are a program.
	if len(c.Command)+len(c.Args) > 0 {
		lines = append(lines, line{parts: []part{{"command", c.Command}, {"args", c.Args}}, expands: true})
	}
	if hooks := c.Lifecycle; hooks != nil {
		for _, hook := range []struct {
			field   string
			handler *corev1.LifecycleHandler
		}{{"lifecycle.postStart.exec.command", hooks.PostStart}, {"lifecycle.preStop.exec.command", hooks.PreStop}} {
			if hook.handler != nil && hook.handler.Exec != nil {
				lines = append(lines, line{parts: []part{{hook.field, hook.handler.Exec.Command}}})
			}
		}
	}
	for _, p := range []struct {
		field string
		probe *corev1.Probe
	}{{"startupProbe.exec.command", c.StartupProbe}, {"livenessProbe.exec.command", c.LivenessProbe}, {"readinessProbe.exec.command", c.ReadinessProbe}} {
		if p.probe != nil && p.probe.Exec != nil {
			lines = append(lines, line{parts: []part{{p.field, p.probe.Exec.Command}}, probe: true, expands: true})
		}
	}
	return lines
}

// worth reports whether the line can have a result: whether its program is one that package
// commandline knows, or a file of a volume. Most are neither.
func (l line) worth(c *corev1.Container) bool {
	for _, p := range l.parts {
		if len(p.words) == 0 {
			continue
		}
		program := p.words[0]
		return commandline.Interesting(program) || inVolume(program, c)
	}
	return false
}

func (l line) words(env map[string]string) []commandline.Word {
	var out []commandline.Word
	for _, p := range l.parts {
		for i, text := range p.words {
			if l.expands {
				text = expand(text, env)
			}
			out = append(out, commandline.Word{Text: text, Field: p.field + "[" + strconv.Itoa(i) + "]"})
		}
	}
	return out
}

// maxVariable bounds the value of a variable, which can hold other variables, in bytes.
const maxVariable = 64 << 10

// environment is what is known of a container's variables: those with a literal value as the
// kubelet makes it, and those of other objects as a hole.
func environment(list []corev1.EnvVar) map[string]string {
	env := make(map[string]string, len(list))
	for i := range list {
		v := &list[i]
		text := commandline.Hole(v.Name)
		if v.ValueFrom == nil {
			if value := expand(v.Value, env); len(value) <= maxVariable {
				text = value
			}
		}
		env[v.Name] = text
	}
	return env
}

// expand puts variables into a word as the kubelet does: $(NAME) is the variable's value, $$
// is $, and the name of no variable stays as it is
// (https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/).
func expand(text string, env map[string]string) string {
	if !strings.Contains(text, "$") {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '$' || i+1 == len(text) {
			b.WriteByte(text[i])
			continue
		}
		switch text[i+1] {
		case '$':
			b.WriteByte('$')
			i++
		case '(':
			name, _, found := strings.Cut(text[i+2:], ")")
			value, known := env[name]
			switch {
			case !found || !known:
				b.WriteByte('$')
			case b.Len()+len(value) > 4*maxVariable:
				b.WriteString(commandline.Hole(name))
				i += len(name) + 2
			default:
				b.WriteString(value)
				i += len(name) + 2
			}
		default:
			b.WriteByte('$')
		}
	}
	return b.String()
}

// mountedCode finds the volume that has a file that is run.
func mountedCode(run commandline.Run, mounts []corev1.VolumeMount, volumes []corev1.Volume) (fact.MountedCode, bool) {
	m, inVolume := mountOf(run.Path, mounts)
	if m == nil {
		return fact.MountedCode{}, false
	}
	code := fact.MountedCode{Volume: m.Name, Mount: m.MountPath, Field: run.Field, Interpreter: run.Interpreter, Unread: fact.NotPresent}
	if m.SubPathExpr != "" {
		return code, true
	}
	for i := range volumes {
		if v := &volumes[i]; v.Name == m.Name {
			code.ConfigMap, code.Key = configMapKey(v, inVolume)
		}
	}
	if code.ConfigMap != "" {
		code.Unread = fact.NotRequested
	}
	return code, true
}

// mountOf is the mount that has a file, nil for a file of the image: that of the longest mount
// path above it; and where the file is in the volume, unless a variable decides.
func mountOf(file string, mounts []corev1.VolumeMount) (found *corev1.VolumeMount, inVolume string) {
	for i := range mounts {
		if m := &mounts[i]; below(file, m.MountPath) && (found == nil || len(path.Clean(m.MountPath)) >= len(path.Clean(found.MountPath))) {
			found = m
		}
	}
	if found == nil {
		return nil, ""
	}
	return found, path.Join(found.SubPath, strings.TrimPrefix(strings.TrimPrefix(file, path.Clean(found.MountPath)), "/"))
}

// below reports whether a path is a directory or below it.
func below(file, dir string) bool {
	dir = path.Clean(dir)
	return path.IsAbs(file) && dir != "/" && (file == dir || strings.HasPrefix(file, dir+"/"))
}

// configMapKey is the key of a ConfigMap that a volume has at a path; "" for none.
func configMapKey(v *corev1.Volume, file string) (name, key string) {
	keyAt := func(items []corev1.KeyToPath) string {
		if len(items) == 0 && !strings.Contains(file, "/") {
			return file
		}
		for _, item := range items {
			if path.Clean(item.Path) == file {
				return item.Key
			}
		}
		return ""
	}
	switch {
	case v.ConfigMap != nil:
		name, key = v.ConfigMap.Name, keyAt(v.ConfigMap.Items)
	case v.Projected != nil:
		// Without items the source that has the key is not known, unless there is only one.
		var open []string
		for i := range v.Projected.Sources {
			s := &v.Projected.Sources[i]
			switch {
			case s.ConfigMap == nil:
			case len(s.ConfigMap.Items) == 0:
				open = append(open, s.ConfigMap.Name)
			case keyAt(s.ConfigMap.Items) != "":
				name, key = s.ConfigMap.Name, keyAt(s.ConfigMap.Items)
			}
		}
		if name == "" && len(open) == 1 {
			name, key = open[0], keyAt(nil)
		}
	}
	if name == "" || key == "" {
		return "", ""
	}
	return credential.KeptName(name), credential.KeptKey(key)
}
