package storage

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
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/program"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/crash"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

const (
	// k3sComm is the comm of a k3s server: the name of the link that it was started by.
	k3sComm = "k3s-server"
	// k3sData is the default of --data-dir, k3sConfig of --config.
	k3sData   = "/var/lib/rancher/k3s"
	k3sConfig = "/etc/rancher/k3s/config.yaml"
	// k3sEncryption is the encryption configuration, below the server directory.
	k3sEncryption = "cred/encryption-config.json"

	dataDirFlag      = "data-dir"
	datastoreFlag    = "datastore-endpoint"
	secretsFlag      = "secrets-encryption"
	secretsTypeFlag  = "secrets-encryption-provider"
	apiServerArgFlag = "kube-apiserver-arg"
	noAPIServerFlag  = "disable-apiserver"
)

// What is kept of k3s' own flags. datastore-endpoint holds a password: only its scheme is
// kept.
var (
	k3sFlags = []string{dataDirFlag, datastoreFlag, secretsTypeFlag, apiServerArgFlag, configFlag}
	k3sBools = []string{secretsFlag, noAPIServerFlag}
)

// isK3sServer reports whether the command line is "k3s server ...". k3s sets it to these
// two words, in one, so that nobody reads the passwords in its arguments.
func isK3sServer(words [][]byte) bool {
	if len(words) == 0 {
		return false
	}
	return strings.HasSuffix(string(words[0]), " server") || len(words) > 1 && string(words[1]) == "server"
}

// readK3s reads the settings of the API server inside k3s. It returns false if there is
// none inside.
func readK3s(proc *program.Program, s *server, words [][]byte) bool {
	var settings []setting
	config := k3sConfig
	if len(words) > 0 && strings.HasSuffix(string(words[0]), " server") {
		s.Unfollowed = "k3s hides its command line, so flags that were given there are unknown"
	}
	var line []setting
	procfs.EachFlag(longFlags(words), k3sFlags, k3sBools, func(name, value string) {
		if name == configFlag {
			config = value
			return
		}
		line = append(line, setting{name, value})
	})
	found, read, err := readK3sConfig(proc, config)
	switch {
	case err != nil:
		s.ConfigFile, s.Unfollowed = rootfs.Text(config), unfollowed(rootfs.Text(config), err)
	case read:
		s.ConfigFile = rootfs.Text(config)
	}
	settings = append(settings, found...) // the command line wins
	settings = append(settings, line...)

	own, flags := map[string]string{}, flagSet{}
	var args [][]byte
	for _, one := range settings {
		switch one.name {
		case apiServerArgFlag:
			args = append(args, []byte("--"+strings.TrimPrefix(one.value, "--")))
		default:
			own[one.name] = one.value
		}
	}
	if truth(own[noAPIServerFlag]) {
		return false
	}
	s.dataDir = path.Join(dataDirOf(proc, own[dataDirFlag]), "server")
	if truth(own[secretsFlag]) {
		// As k3s starts it (pkg/daemons/control in its source).
		flags.set(encryptionFlag, path.Join(s.dataDir, k3sEncryption))
		s.EncryptionFlag = true
	}
	flags.set(reloadFlag, "true")
	if endpoint, given := own[datastoreFlag]; given {
		scheme := schemeOf(endpoint)
		flags[datastoreFlag] = scheme
		if scheme == "http" || scheme == "https" {
			flags.set(serversFlag, endpoint)
		}
	}
	if given, ok := own[secretsFlag]; ok {
		flags.set(secretsFlag, given)
	}
	for _, name := range []string{secretsTypeFlag, dataDirFlag} {
		if own[name] != "" {
			flags.set(name, own[name])
		}
	}
	// What the user passes on to the API server replaces k3s' own values.
	extra := flagSet{}
	procfs.EachFlag(args, serverFlags, serverBools, extra.set)
	for name, value := range extra {
		flags[name] = value
	}
	if flags[encryptionFlag] == "" {
		delete(flags, encryptionFlag)
	}
	s.Flags, s.EncryptionFlag = flags, flags[encryptionFlag] != ""
	return true
}

// longFlags writes -d and -c as the flags that they stand for.
func longFlags(words [][]byte) [][]byte {
	long := slices.Clone(words)
	for i, w := range long {
		for _, f := range []struct{ short, name string }{{"-d", dataDirFlag}, {"-c", configFlag}} {
			if rest, ok := strings.CutPrefix(string(w), f.short); ok && (rest == "" || rest[0] == '=') {
				long[i] = []byte("--" + f.name + rest)
			}
		}
	}
	return long
}

func truth(value string) bool {
	switch strings.ToLower(value) {
	case "true", "t", "1":
		return true
	}
	return false
}

// schemeOf returns the kind of a datastore, and no other word of its address.
func schemeOf(endpoint string) string {
	scheme, _, found := strings.Cut(endpoint, "://")
	if endpoint == "" {
		return "sqlite"
	}
	if found && slices.Contains([]string{"http", "https", "mysql", "postgres", "postgresql", "nats", "jetstream", "sqlite", "unix", "unixs"}, scheme) {
		return scheme
	}
	return "unknown"
}

// dataDirOf finds k3s' data directory by the databases that it holds open; without one it
// is the flag's, or the default.
func dataDirOf(proc *program.Program, flag string) string {
	dir := ""
	_ = proc.EachFD(func(_ int, text string) {
		for _, suffix := range []string{"/server" + kineSuffix, "/server/db/etcd" + dbSuffix} {
			if before, ok := strings.CutSuffix(text, suffix); ok {
				dir = before
			}
		}
	})
	switch {
	case dir != "":
		return dir
	case flag != "":
		if inside, err := proc.PID.Inside(flag); err == nil {
			return inside
		}
	}
	return k3sData
}

// readK3sConfig reads config.yaml and the files in config.yaml.d. read is false if there
// are none. What it returns with an error may not be what the process has read.
func readK3sConfig(proc *program.Program, name string) (settings []setting, read bool, err error) {
	root, err := proc.Root()
	if err != nil {
		return nil, false, err
	}
	if name, err = proc.PID.Inside(name); err != nil {
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
		data, err := root.ReadFile(file, maxConfigFile)
		if errors.Is(err, fs.ErrNotExist) && file == name {
			continue
		}
		if err != nil {
			return nil, false, err
		}
		err = parseK3sConfig(data, merged)
		clear(data)
		if err != nil {
			return nil, false, fmt.Errorf("%s: %w", rootfs.Text(file), err)
		}
		if err := proc.Unchanged(file); err != nil && late == nil {
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
			settings = append(settings, setting{key, value})
		}
	}
	return settings, read, late
}

// parseK3sConfig reads one file of k3s' configuration into settings: flags without dashes,
// each with a value or a list. A name that ends in "+" adds to what earlier files say,
// others replace it. Only flags on the list are kept. Errors never quote the file, which
// holds the cluster's token.
func parseK3sConfig(data []byte, settings map[string][]string) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("a bug in this program, not in the file: %s", crash.Describe(v))
		}
	}()
	text, err := yaml.YAMLToJSON(data)
	if err != nil {
		return errNotYAML
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
		if !slices.Contains(k3sFlags, name) && !slices.Contains(k3sBools, name) || name == configFlag {
			continue
		}
		values, err := wordsOf(fields[raw])
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
