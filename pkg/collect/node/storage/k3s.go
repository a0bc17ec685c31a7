package storage

import (
	"path"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/program"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

const (
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

// keepsK3s reports whether a flag of k3s' own is kept.
func keepsK3s(name string) bool {
	return name != configFlag && (slices.Contains(k3sFlags, name) || slices.Contains(k3sBools, name))
}

// readK3s reads the settings of the API server inside k3s. It returns false if there is
// none inside.
func readK3s(proc *program.Program, s *server, words [][]byte) bool {
	var settings []program.Setting
	config := program.K3sConfigFile
	if program.HidesK3s(words) {
		s.Unfollowed = "k3s hides its command line, so flags that were given there are unknown"
	}
	var line []program.Setting
	procfs.EachFlag(program.LongK3sFlags(words), k3sFlags, k3sBools, func(name, value string) {
		if name == configFlag {
			config = value
			return
		}
		line = append(line, program.Setting{Name: name, Value: value})
	})
	found, read, err := proc.K3sConfig(config, keepsK3s)
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
		switch one.Name {
		case apiServerArgFlag:
			args = append(args, []byte("--"+strings.TrimPrefix(one.Value, "--")))
		default:
			own[one.Name] = one.Value
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
		scheme := program.DatastoreScheme(endpoint)
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

func truth(value string) bool {
	switch strings.ToLower(value) {
	case "true", "t", "1":
		return true
	}
	return false
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
	return program.K3sData
}
