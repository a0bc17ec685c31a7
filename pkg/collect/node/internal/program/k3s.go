package program

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"sort"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/crash"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// Names and files of k3s.
const (
	// K3sComm is the comm of a k3s server: the name of the link that it was started by.
	K3sComm = "k3s-server"
	// K3sData is the default of --data-dir, K3sConfigFile of --config.
	K3sData       = "/var/lib/rancher/k3s"
	K3sConfigFile = "/etc/rancher/k3s/config.yaml"
)

// IsK3sServer reports whether the command line is "k3s server ...". k3s sets it to these
// two words, in one (see HidesK3s), so that nobody reads the passwords in its arguments.
func IsK3sServer(words [][]byte) bool {
	if len(words) == 0 {
		return false
	}
	return strings.HasSuffix(string(words[0]), " server") || len(words) > 1 && string(words[1]) == "server"
}

// HidesK3s reports whether k3s has replaced its command line by two words in one.
func HidesK3s(words [][]byte) bool {
	return len(words) > 0 && (strings.HasSuffix(string(words[0]), " server") || strings.HasSuffix(string(words[0]), " agent"))
}

// LongK3sFlags writes k3s' -d and -c as the flags that they stand for.
func LongK3sFlags(words [][]byte) [][]byte {
	long := slices.Clone(words)
	for i, w := range long {
		for _, f := range []struct{ short, name string }{{"-d", "data-dir"}, {"-c", "config"}} {
			if rest, ok := strings.CutPrefix(string(w), f.short); ok && (rest == "" || rest[0] == '=') {
				long[i] = []byte("--" + f.name + rest)
			}
		}
	}
	return long
}

// DatastoreScheme returns the kind of a datastore, and no other word of its address.
func DatastoreScheme(endpoint string) string {
	scheme, _, found := strings.Cut(endpoint, "://")
	if endpoint == "" {
		return "sqlite"
	}
	if found && slices.Contains([]string{"http", "https", "mysql", "postgres", "postgresql", "nats", "jetstream", "sqlite", "unix", "unixs"}, scheme) {
		return scheme
	}
	return "unknown"
}

// K3sConfig reads k3s' config.yaml and the files in config.yaml.d: the settings that keep
// names. read is false if there are none. What it returns with an error may not be what the process has read.
func (s *Program) K3sConfig(name string, keep func(string) bool) (settings []Setting, read bool, err error) {
	root, err := s.Root()
	if err != nil {
		return nil, false, err
	}
	if name, err = s.PID.Inside(name); err != nil {
		return nil, false, err
	}
	files := []string{name}
	entries, err := root.ReadDir(name + ".d")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, false, err
	}
	for _, e := range entries { // sorted
		if strings.HasSuffix(e.Name, ".yaml") || strings.HasSuffix(e.Name, ".yml") {
			files = append(files, path.Join(name+".d", e.Name))
		}
	}
	merged := map[string][]string{}
	var late error // a file is not what it was at the start
	for _, file := range files {
		data, err := root.ReadFile(file, MaxConfigFile)
		if errors.Is(err, fs.ErrNotExist) && file == name {
			continue
		}
		if err != nil {
			return nil, false, err
		}
		err = parseK3sConfig(data, keep, merged)
		clear(data)
		if err != nil {
			return nil, false, fmt.Errorf("%s: %w", rootfs.Text(file), err)
		}
		if err := s.Unchanged(file); err != nil && late == nil {
			late = err
		}
		read = true
	}
	names := make([]string, 0, len(merged))
	for key := range merged {
		names = append(names, key)
	}
	sort.Strings(names)
	for _, key := range names {
		for _, value := range merged[key] {
			settings = append(settings, Setting{key, value})
		}
	}
	return settings, read, late
}

// parseK3sConfig reads one file of k3s' configuration into settings: flags without dashes,
// each with a value or a list. A name that ends in "+" adds to what earlier files say,
// others replace it. Only those that keep names are read. Errors never quote the file, which
// holds the cluster's token.
func parseK3sConfig(data []byte, keep func(string) bool, settings map[string][]string) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("a bug in this program, not in the file: %s", crash.Describe(v))
		}
	}()
	text, err := yaml.YAMLToJSON(data)
	if err != nil {
		return ErrNotYAML
	}
	defer clear(text)
	fields := map[string]json.RawMessage{}
	if err := json.Unmarshal(text, &fields); err != nil {
		return rootfs.NewError(fact.Corrupt, "expected an object with flags")
	}
	names := make([]string, 0, len(fields))
	for name := range fields {
		names = append(names, name)
	}
	sort.Strings(names) // "name" before "name+"
	for _, raw := range names {
		name, add := strings.CutSuffix(raw, "+")
		if !keep(name) {
			continue
		}
		values, err := Words(fields[raw])
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if add {
			settings[name] = append(settings[name], values...)
		} else {
			settings[name] = values
		}
	}
	return nil
}
