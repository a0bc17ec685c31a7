package components

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/program"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/sorted"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/weburl"
)

// maxValue bounds the value of a setting, bytes. All cipher suites take about 1,000.
const maxValue = 4096

// component is one program while it is read.
type component struct {
	facts    fact.Component
	spec     spec
	settings map[string]fact.Setting
	// why are the reasons for Unfollowed.
	why []string
}

func newComponent(is fact.ComponentProgram) *component {
	return &component{facts: fact.Component{Program: is}, spec: specs[is], settings: map[string]fact.Setting{}}
}

// done returns the facts.
func (c *component) done() fact.Component {
	for _, s := range c.settings {
		c.facts.Settings = append(c.facts.Settings, s)
	}
	sorted.Func(c.facts.Settings, func(a, b fact.Setting) int { return strings.Compare(a.Name, b.Name) })
	c.facts.Unfollowed = strings.Join(c.why, "; ")
	return c.facts
}

// unknown says why the absence of a setting shows nothing.
func (c *component) unknown(why string) {
	if !slices.Contains(c.why, why) {
		c.why = append(c.why, why)
	}
}

// set replaces a setting. A value that cannot be shown makes it unknown.
func (c *component) set(name, value, from string) {
	value, err := c.clean(name, value)
	if err != nil {
		delete(c.settings, name)
		c.unknown(fmt.Sprintf("%s: %s", from, err))
		return
	}
	c.settings[name] = fact.Setting{Name: name, Value: value, From: from}
}

// fallback sets what the program does without the setting.
func (c *component) fallback(name, value, of string) {
	if _, given := c.settings[name]; !given && len(c.why) == 0 {
		c.set(name, value, of)
	}
}

// given returns a setting's value, "" without it.
func (c *component) given(name string) string { return c.settings[name].Value }

// clean prepares a value for a fact.
func (c *component) clean(name, value string) (string, error) {
	if len(value) > maxValue {
		return "", fmt.Errorf("expected at most %d bytes, found %d", maxValue, len(value))
	}
	if name == endpointFlag || name == datastoreFlag { // it may hold a password, in many forms
		return program.DatastoreScheme(value), nil
	}
	if slices.Contains(c.spec.bools, name) {
		if b, err := strconv.ParseBool(value); err == nil {
			return strconv.FormatBool(b), nil
		}
	}
	if !slices.Contains(c.spec.urls, name) {
		return rootfs.Text(value), nil
	}
	value = weburl.CleanList(value, ",;")
	if strings.Contains(value, "@") {
		return "", fmt.Errorf("expected URLs, found another text with an at sign, which may be a password")
	}
	return rootfs.Text(value), nil
}

// file notes a configuration file, and says whether its settings count: "" as the
// program's own, or a remark for their source. ok is false if they do not.
func (c *component) file(proc *program.Program, name string) (remark string, ok bool) {
	text := rootfs.Text(name)
	if !slices.Contains(c.facts.ConfigFiles, text) {
		c.facts.ConfigFiles = append(c.facts.ConfigFiles, text)
	}
	since, place, err := proc.Since(name)
	switch {
	case err != nil:
		c.unknown(unfollowed(text, err))
		return "", false
	case since == program.Later:
		c.unknown(text + " changed after the process started, which reads it only then")
		return "", false
	case since == program.Uncertain:
		why := "its file system does not prove its age"
		if place != "" {
			why = place + " changed since"
		}
		c.unknown(fmt.Sprintf("%s may be another file than at the process's start: %s", text, why))
		return " (perhaps not the file of the start: " + why + ")", true
	}
	return "", true
}
