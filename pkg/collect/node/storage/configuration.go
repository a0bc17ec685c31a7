package storage

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/program"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/stored"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// errConfigChanging says that no two looks at the file agreed.
var errConfigChanging = rootfs.NewError(fact.Changing, "it changed while it was read")

// readEncryption reads the file below the server's own root. The bytes, which
// hold keys, are wiped as soon as they are parsed.
func readEncryption(proc *program.Program, s *server) error {
	name, label := s.Flags[encryptionFlag], "--"+encryptionFlag
	if name == "" {
		name, label = path.Join(s.dataDir, k3sEncryption), string(k3sServer)
	}
	reload, _ := strconv.ParseBool(s.Flags[reloadFlag])
	name, err := proc.PID.Inside(name)
	if err != nil {
		return err
	}
	config, at, err := readConfiguration(proc, name)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !s.EncryptionFlag:
		return nil // k3s without encryption has no such file
	case err != nil:
		return fmt.Errorf("%s: %w", label, err)
	}
	config.AutoReload = reload
	if !s.EncryptionFlag || s.Unfollowed != "" {
		// The file is there, and it is not certain that this process was told to use it
		// and no other: its time proves nothing. A hash from the API server still does.
		config.Changed, config.ChangedAt = fact.Time{}, ""
	}
	if proc.Pass.Ledger.Wants(fact.StorageFiles) {
		if config.File, err = proc.Access(at); err != nil {
			proc.Gap(fact.StorageFiles, fmt.Errorf("%s: %w", label, err))
		}
	}
	s.Encryption = config
	return nil
}

// readConfiguration reads and parses the file; at is its path without links. Path and file
// must be the same before and after, so that the time is that of the bytes.
func readConfiguration(proc *program.Program, name string) (config *fact.EncryptionConfiguration, at string, err error) {
	root, err := proc.Root()
	if err != nil {
		return nil, "", err
	}
	const tries = 3
	for range tries {
		before, err := root.Trace(name)
		if err != nil {
			return nil, "", err
		}
		data, err := root.ReadFile(name, stored.MaxEncryptionConfiguration)
		if err != nil {
			return nil, "", err
		}
		sum := sha256.Sum256(data)
		entries, parseErr := stored.ParseEncryptionConfiguration(data)
		clear(data)
		after, err := root.Trace(name)
		if err != nil {
			return nil, "", err
		}
		if !samePath(before, after) {
			continue
		}
		if parseErr != nil {
			return nil, "", fmt.Errorf("%s: %w", rootfs.Text(name), parseErr)
		}
		config = &fact.EncryptionConfiguration{Path: rootfs.Text(name), Hash: "sha256:" + hex.EncodeToString(sum[:]), Entries: entries}
		at := after[len(after)-1].Path
		config.Changed, config.ChangedAt = proc.Changed(after)
		return config, at, nil
	}
	return nil, "", errConfigChanging
}

// samePath reports whether two resolutions of a name went the same way, with nothing
// changed on it.
func samePath(a, b []rootfs.Step) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		x, y := &a[i], &b[i]
		same := x.Path == y.Path && x.Info.Dev == y.Info.Dev && x.Info.Ino == y.Info.Ino
		// A directory's time changes with every name in it, and none of those that
		// matter can change without its own.
		if !same || !x.Info.Mode.IsDir() && !x.Info.Ctime.Equal(y.Info.Ctime) {
			return false
		}
	}
	return true
}
