// Package builder knows the programs that build images. It is a table with pure
// functions. Collectors evaluate command lines with it, and checks judge by the
// same names.
package builder

import (
	"path"
	"slices"
	"strings"
)

// programs are programs by path or, without a slash, by name.
var programs = map[string]string{
	"/kaniko/executor":         "kaniko",
	"/kaniko/warmer":           "kaniko",
	"buildkitd":                "BuildKit",
	"buildkitd-entrypoint":     "BuildKit",
	"buildctl":                 "BuildKit",
	"buildctl-daemonless.sh":   "BuildKit",
	"buildah":                  "Buildah",
	"dockerd":                  "Docker-in-Docker",
	"dockerd-entrypoint.sh":    "Docker-in-Docker",
	"/cnb/lifecycle/creator":   "Cloud Native Buildpacks",
	"/cnb/lifecycle/builder":   "Cloud Native Buildpacks",
	"/cnb/lifecycle/exporter":  "Cloud Native Buildpacks",
	"/cnb/lifecycle/lifecycle": "Cloud Native Buildpacks",
}

// commands are programs that build only with one of these words as their first
// argument that is not an option.
var commands = map[string]struct {
	builder string
	words   []string
}{
	"docker":  {"docker build", []string{"build", "buildx", "bake"}},
	"podman":  {"podman build", []string{"build"}},
	"nerdctl": {"nerdctl build", []string{"build"}},
	"img":     {"img", []string{"build"}},
	"pack":    {"Cloud Native Buildpacks", []string{"build"}},
	"ko":      {"ko", []string{"build", "publish", "apply", "create", "resolve"}},
	"s2i":     {"Source-to-Image", []string{"build"}},
}

// Program returns the builder's name for a program, "" if it is not a builder.
// The program is a path or a name.
func Program(program string) string {
	if program == "" {
		return ""
	}
	if name, ok := programs[path.Clean(program)]; ok {
		return name
	}
	return programs[path.Base(program)]
}

// Command returns the name of the builder that a simple command runs, "" if it
// runs none. Words are the program and its arguments; a word that is not
// literal ("$IMAGE") is empty.
func Command(words []string) string {
	if len(words) == 0 {
		return ""
	}
	if name := Program(words[0]); name != "" {
		return name
	}
	known, ok := commands[path.Base(words[0])]
	if !ok {
		return ""
	}
	for _, word := range words[1:] {
		if !strings.HasPrefix(word, "-") {
			if slices.Contains(known.words, word) {
				return known.builder
			}
			return ""
		}
	}
	return ""
}
