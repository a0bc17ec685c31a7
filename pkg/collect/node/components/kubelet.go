package components

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/program"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/crash"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// kubeletField is a field of KubeletConfiguration (kubelet.config.k8s.io/v1beta1) that is
// also a flag.
type kubeletField struct {
	field, flag string
	// what is the type of its value.
	what valueType
	// legacy is what the kubelet does without a configuration file (applyLegacyDefaults in
	// cmd/kubelet/app/options/options.go), v1beta1 what it does without the field
	// (SetDefaults_KubeletConfiguration). "" is no default worth a fact.
	legacy, v1beta1 string
	// path: a relative one in the file starts at the file's directory.
	path bool
}

// valueType is the type of a field's value.
type valueType int

const (
	aText valueType = iota
	aSwitch
	aNumber
	aList
)

// kubeletFields are the fields that are kept.
var kubeletFields = []kubeletField{
	{field: "enableServer", flag: "enable-server", what: aSwitch, legacy: "true", v1beta1: "true"},
	{field: "address", flag: "address", legacy: "0.0.0.0", v1beta1: "0.0.0.0"},
	{field: "port", flag: "port", what: aNumber, legacy: "10250", v1beta1: "10250"},
	{field: "readOnlyPort", flag: "read-only-port", what: aNumber, legacy: "10255", v1beta1: "0"},
	{field: "authentication.anonymous.enabled", flag: "anonymous-auth", what: aSwitch, legacy: "true", v1beta1: "false"},
	{field: "authentication.webhook.enabled", flag: "authentication-token-webhook", what: aSwitch, legacy: "false", v1beta1: "true"},
	{field: "authentication.x509.clientCAFile", flag: "client-ca-file", path: true},
	{field: "authorization.mode", flag: "authorization-mode", legacy: "AlwaysAllow", v1beta1: "Webhook"},
	{field: "tlsCertFile", flag: "tls-cert-file", path: true},
	{field: "tlsPrivateKeyFile", flag: "tls-private-key-file", path: true},
	{field: "tlsCipherSuites", flag: "tls-cipher-suites", what: aList},
	{field: "tlsMinVersion", flag: "tls-min-version"},
	{field: "rotateCertificates", flag: "rotate-certificates", what: aSwitch, legacy: "false", v1beta1: "false"},
	{field: "serverTLSBootstrap", flag: "rotate-server-certificates", what: aSwitch, legacy: "false", v1beta1: "false"},
}

// Where a default comes from.
const (
	fromLegacy  = "default (no configuration file)"
	fromV1Beta1 = "default of KubeletConfiguration"
	fromKubelet = "default of kubelet"
)

// maxDropIns bounds the drop-ins that are read.
const maxDropIns = 60

// readKubelet reads the kubelet's settings as the kubelet does (cmd/kubelet/app/server.go):
// flags, then drop-ins, then the file, then defaults, which are others with a file than
// without one. Drop-ins without a file change the defaults of a kubelet without a file.
func readKubelet(c *component, proc *program.Program, words [][]byte) {
	c.flags(words)
	file, dir := c.given(configFlag), c.given(configDirFlag)
	var err error
	merged := map[string]fact.Setting{} // by field
	remark := ""
	if file != "" {
		remark, err = kubeletFile(c, proc, file, merged)
	} else {
		for _, f := range kubeletFields {
			if f.legacy != "" {
				merged[f.field] = fact.Setting{Value: f.legacy, From: fromLegacy}
			}
		}
	}
	if dir != "" && err == nil {
		err = kubeletDropIns(c, proc, dir, merged)
	}
	if err == nil {
		mergeKubelet(c, merged, remark == "" && len(c.why) == 0)
	}
	c.fallback("cert-dir", "/var/lib/kubelet/pki", fromKubelet)
	if name := c.given(kubeconfigFlag); name != "" {
		readKubeconfig(c, proc, name)
	}
}

// mergeKubelet adds what files and defaults say to what flags say. Defaults count only if
// all files are certain.
func mergeKubelet(c *component, merged map[string]fact.Setting, certain bool) {
	for _, f := range kubeletFields {
		if _, given := c.settings[f.flag]; given {
			continue
		}
		s, found := merged[f.field]
		// The zero value of these counts as not given.
		zero := s.Value == "" || s.Value == "0" && f.field == "port"
		isDefault := !found || zero || s.From == fromLegacy
		if !found || zero {
			s = fact.Setting{Value: f.v1beta1, From: fromV1Beta1}
		}
		if s.Value == "" || isDefault && !certain {
			continue
		}
		c.set(f.flag, s.Value, s.From)
	}
}

// kubeletFile reads the file of --config. With an error its settings are unknown.
func kubeletFile(c *component, proc *program.Program, name string, merged map[string]fact.Setting) (remark string, err error) {
	inside, err := proc.PID.Inside(name)
	if err != nil {
		c.unknown(unfollowed(rootfs.Text(name), err))
		return "", err
	}
	found, err := loadKubelet(proc, inside, false)
	if err != nil {
		c.facts.ConfigFiles = append(c.facts.ConfigFiles, rootfs.Text(inside))
		c.unknown(unfollowed(rootfs.Text(inside), err))
		return "", err
	}
	remark, ok := c.file(proc, inside)
	if !ok {
		return "", program.ErrChangedLater
	}
	applyKubelet(found, rootfs.Text(inside), remark, path.Dir(inside), merged)
	return remark, nil
}

// kubeletDropIns reads the files *.conf below --config-dir, in the order of their paths.
func kubeletDropIns(c *component, proc *program.Program, dir string, merged map[string]fact.Setting) error {
	files, err := listDropIns(proc, dir)
	if err != nil {
		c.unknown(unfollowed(rootfs.Text(dir), err))
		return err
	}
	for _, name := range files {
		found, err := loadKubelet(proc, name, true)
		if err != nil {
			c.facts.ConfigFiles = append(c.facts.ConfigFiles, rootfs.Text(name))
			c.unknown(unfollowed(rootfs.Text(name), err))
			return err
		}
		remark, ok := c.file(proc, name)
		if !ok {
			return program.ErrChangedLater
		}
		applyKubelet(found, rootfs.Text(name), remark, "", merged)
	}
	return nil
}

// listDropIns walks a directory as filepath.WalkDir does: links to directories are not
// followed, links to files are.
func listDropIns(proc *program.Program, dir string) ([]string, error) {
	root, err := proc.Root()
	if err != nil {
		return nil, err
	}
	if dir, err = proc.PID.Inside(dir); err != nil {
		return nil, err
	}
	if info, err := root.Lstat(dir); err == nil && info.Mode&fs.ModeSymlink != 0 {
		return nil, rootfs.NewError(fact.Unsupported, "a link as --config-dir is not followed")
	}
	var files []string
	var walk func(dir string, depth int) error
	walk = func(dir string, depth int) error {
		if depth > 8 {
			return rootfs.NewError(fact.Truncated, "more than 8 levels of directories")
		}
		entries, err := root.ReadDir(dir) // sorted
		if err != nil {
			return err
		}
		for _, e := range entries {
			name := path.Join(dir, e.Name)
			switch {
			case e.IsDir():
				if err := walk(name, depth+1); err != nil {
					return err
				}
			case path.Ext(e.Name) != ".conf":
			case len(files) == maxDropIns:
				return rootfs.NewError(fact.Truncated, fmt.Sprintf("more than %d drop-ins", maxDropIns))
			default:
				files = append(files, name)
			}
		}
		return nil
	}
	return files, walk(dir, 0)
}

// loadKubelet reads one file.
func loadKubelet(proc *program.Program, name string, dropIn bool) ([]kubeletValue, error) {
	data, err := proc.ReadFile(name, program.MaxConfigFile)
	if err != nil {
		return nil, err
	}
	defer clear(data)
	return parseKubelet(data, dropIn)
}

// kubeletValue is what a file says of a field: a value, or null, which in a drop-in takes
// back what was said before.
type kubeletValue struct {
	field kubeletField
	value string
	null  bool
}

// applyKubelet adds what a file says. dir is where its relative paths start, "" if they are
// left as they are, as those of drop-ins.
func applyKubelet(found []kubeletValue, name, remark, dir string, merged map[string]fact.Setting) {
	for _, v := range found {
		if v.null {
			delete(merged, v.field.field)
			continue
		}
		if v.field.path && dir != "" && v.value != "" && !path.IsAbs(v.value) {
			v.value = path.Join(dir, v.value)
		}
		merged[v.field.field] = fact.Setting{Value: v.value, From: name + " " + v.field.field + remark}
	}
}

var (
	errKubeletKind = rootfs.NewError(fact.Unsupported, "expected apiVersion kubelet.config.k8s.io/v1beta1 and kind KubeletConfiguration, found another kind of file")
	errOtherCase   = rootfs.NewError(fact.Unsupported, "a field is written in other letters than KubeletConfiguration's, and whether a drop-in's counts depends on its place")
)

// parseKubelet reads a KubeletConfiguration, YAML or JSON, in the order of kubeletFields.
// Names count only in their own case, as for the kubelet's decoder. Other fields are not
// looked at. Errors never quote the file.
func parseKubelet(data []byte, dropIn bool) (found []kubeletValue, err error) {
	defer func() {
		if v := recover(); v != nil {
			found, err = nil, fmt.Errorf("a bug in this program, not in the file: %s", crash.Describe(v))
		}
	}()
	text, err := yaml.YAMLToJSON(data)
	if err != nil {
		return nil, program.ErrNotYAML
	}
	defer clear(text)
	top, err := object(text)
	if err != nil {
		return nil, err
	}
	if textOf(top["apiVersion"]) != "kubelet.config.k8s.io/v1beta1" || textOf(top["kind"]) != "KubeletConfiguration" {
		return nil, errKubeletKind
	}
	for _, f := range kubeletFields {
		raw, err := fieldOf(top, f.field, dropIn)
		if err != nil {
			return nil, err
		}
		if raw == nil {
			continue
		}
		v := kubeletValue{field: f}
		if string(raw) == "null" {
			v.null = true
		} else if v.value, err = valueOf(raw, f.what); err != nil {
			return nil, fmt.Errorf("%s: %w", f.field, err)
		}
		found = append(found, v)
	}
	return found, nil
}

// object reads the names of an object, each with the bytes of its value.
func object(text []byte) (map[string]json.RawMessage, error) {
	fields := map[string]json.RawMessage{}
	if err := json.Unmarshal(text, &fields); err != nil {
		return nil, rootfs.NewError(fact.Corrupt, "expected an object")
	}
	return fields, nil
}

// fieldOf finds a field by its path, nil if it is not there. null on the path is null for
// all below it.
func fieldOf(top map[string]json.RawMessage, field string, dropIn bool) (json.RawMessage, error) {
	for {
		name, rest, deeper := strings.Cut(field, ".")
		raw, ok := top[name]
		if dropIn {
			// Merged drop-ins are decoded by encoding/json, which takes names in any
			// case, after those of the file.
			for other := range top {
				if other != name && strings.EqualFold(other, name) {
					return nil, errOtherCase
				}
			}
		}
		if !ok || string(raw) == "null" || !deeper {
			return raw, nil
		}
		var err error
		if top, err = object(raw); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		field = rest
	}
}

// textOf is a text's value, "" for anything else.
func textOf(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) != nil {
		return ""
	}
	return text
}

// valueOf reads a value of a type as the text of its flag.
func valueOf(raw json.RawMessage, what valueType) (string, error) {
	var err error
	switch what {
	case aSwitch:
		var b bool
		if err = json.Unmarshal(raw, &b); err == nil {
			return strconv.FormatBool(b), nil
		}
		return "", errors.New("expected true or false")
	case aNumber:
		var n int32
		if err = json.Unmarshal(raw, &n); err == nil {
			return strconv.Itoa(int(n)), nil
		}
		return "", errors.New("expected a whole number")
	case aList:
		var list []string
		if err = json.Unmarshal(raw, &list); err == nil {
			return strings.Join(slices.Clip(list), ","), nil
		}
		return "", errors.New("expected a list of text")
	}
	var text string
	if err = json.Unmarshal(raw, &text); err == nil {
		return text, nil
	}
	return "", errors.New("expected text")
}
