package podspec

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// maxLoaded bounds the list of code that variables name, for one container.
const maxLoaded = 64

// loadOptions are the options in a variable that name code: the code follows, or is the next
// word.
var loadOptions = map[string][]string{
	"NODE_OPTIONS":      {"--require", "-r", "--import", "--experimental-loader", "--loader"},
	"JAVA_TOOL_OPTIONS": {"-javaagent:", "-agentpath:", "-Xbootclasspath/a:"},
	"JDK_JAVA_OPTIONS":  {"-javaagent:", "-agentpath:", "-Xbootclasspath/a:"},
	"_JAVA_OPTIONS":     {"-javaagent:", "-agentpath:", "-Xbootclasspath/a:"},
	"RUBYOPT":           {"-r", "-I"},
}

// loadedCode finds the volumes from which a container's variables make its programs load code.
// Only variables with a literal value are read.
func loadedCode(c *corev1.Container) []fact.MountedCode {
	var out []fact.MountedCode
	var env map[string]string
	if len(c.VolumeMounts) == 0 {
		return nil
	}
	for i := range c.Env {
		name := c.Env[i].Name
		if c.Env[i].ValueFrom != nil || c.Env[i].Value == "" || !slices.Contains(fact.LoadVariables, name) && !slices.Contains(fact.SearchVariables, name) {
			continue
		}
		if env == nil {
			env = environment(c.Env)
		}
		for _, file := range loaded(name, env[name]) {
			m, _ := mountOf(file, c.VolumeMounts)
			if m == nil {
				continue
			}
			code := fact.MountedCode{Volume: m.Name, Mount: m.MountPath, Field: fmt.Sprintf("env[%d].value", i), Variable: name}
			if !slices.Contains(out, code) && len(out) < maxLoaded {
				out = append(out, code)
			}
		}
	}
	return out
}

// loaded lists the files and directories that the value of a variable names.
func loaded(name, value string) []string {
	split := func(text string) []string {
		return strings.FieldsFunc(text, func(r rune) bool { return r == ':' || r == ' ' && name == "LD_PRELOAD" })
	}
	options := loadOptions[name]
	if options == nil {
		return split(value)
	}
	var out []string
	words := strings.Fields(value)
	for i := 0; i < len(words); i++ {
		for _, option := range options {
			rest, found := strings.CutPrefix(words[i], option)
			if !found {
				continue
			}
			if rest == "" && i+1 < len(words) {
				i++
				rest = words[i]
			}
			// An agent's own options follow its file.
			rest = strings.TrimPrefix(strings.TrimPrefix(rest, "="), "file://")
			rest, _, _ = strings.Cut(rest, "=")
			out = append(out, split(strings.Trim(rest, `"'`))...)
			break
		}
	}
	return out
}
