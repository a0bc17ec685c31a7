// Package storage finds the API servers and etcd members that serve this
// cluster's storage on a node, and reads how Secrets are stored.
package storage

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/etcd"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/proctable"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/reader"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/stored"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/weburl"
)

// The flags of kube-apiserver that are kept. None can hold a secret once the
// user information of URLs is removed.
var (
	serverFlags = []string{"encryption-provider-config", "etcd-prefix", "etcd-servers", "etcd-servers-overrides", "storage-media-type"}
	serverBools = []string{"encryption-provider-config-automatic-reload"}
)

const (
	encryptionFlag = "encryption-provider-config"
	reloadFlag     = "encryption-provider-config-automatic-reload"
	prefixFlag     = "etcd-prefix"
	// defaultPrefix is what kube-apiserver uses without --etcd-prefix.
	defaultPrefix = "/registry"

	// dbSuffix ends the path of etcd's database, kineSuffix that of k3s.
	dbSuffix      = "/member/snap/db"
	kineSuffix    = "/server/db/state.db"
	deletedSuffix = " (deleted)"

	// maxFDs bounds the descriptors of one process that are looked at.
	maxFDs = 20_000
)

// Reader reads Etcd and EncryptionConfig.
type Reader struct{}

// Kinds are those of the cluster's storage.
func (Reader) Kinds() []fact.Kind { return fact.KindsOf(fact.OfStorage) }

// Read looks for servers among the processes.
func (r Reader) Read(ctx context.Context, pass *reader.Pass) {
	if slices.ContainsFunc(r.Kinds(), pass.Ledger.Wants) {
		pass.Task(ctx, func(ctx context.Context, buf []byte) { read(ctx, pass, buf) })
	}
}

func read(ctx context.Context, pass *reader.Pass, buf []byte) {
	// A control plane in an ordinary pod is another cluster's (vcluster, Kamaji,
	// HyperShift): this cluster's own runs on the host or as static pods, whose
	// "UID" is a hash. A cluster whose own API server runs in ordinary pods
	// gets no answer here rather than a wrong one.
	candidates := slices.DeleteFunc(slices.Clone(pass.Processes), func(p *proctable.Process) bool {
		return p.Identity.Kubernetes && procfs.IsUID(p.Identity.PodUID)
	})
	servers := readServers(ctx, pass, candidates, buf)
	if ctx.Err() != nil {
		return
	}
	pass.Ledger.Update(func(m *fact.Measurement) { m.APIServers = servers })
	pass.Ledger.Done(fact.EncryptionConfig)
	if pass.Ledger.Wants(fact.Etcd) {
		readEtcd(ctx, pass, candidates, servers, buf)
	}
}

// readServers reads flags and encryption configuration of every API server.
func readServers(ctx context.Context, pass *reader.Pass, candidates []*proctable.Process, buf []byte) []fact.APIServer {
	var servers []fact.APIServer
	for _, p := range candidates {
		if ctx.Err() != nil {
			return servers
		}
		server, err := readServer(pass, p, buf)
		if err != nil {
			pass.Ledger.Gap(fact.NodeGap{What: fact.EncryptionConfig, Reason: rootfs.ReasonOf(err), Detail: fmt.Sprintf("kube-apiserver, pid %d: %s", p.PID, rootfs.ErrorText(err))})
		}
		if server != nil {
			servers = append(servers, *server)
		}
	}
	return servers
}

// readServer returns nil for a process that is not an API server, or has ended.
// With an error it returns what is known without its configuration. It reads
// the command line only if the process looks like an API server, because this
// can wait for a lock of the process.
func readServer(pass *reader.Pass, p *proctable.Process, buf []byte) (*fact.APIServer, error) {
	const program = "kube-apiserver"
	d, err := pass.Reopen(p, buf)
	if err != nil {
		return nil, nil
	}
	defer d.Close()
	if p.Status.Name != program {
		exe, err := d.Link(procfs.NameExe)
		if err != nil || path.Base(strings.TrimSuffix(exe, deletedSuffix)) != program {
			return nil, nil
		}
	}
	words, err := d.Cmdline(buf)
	if err != nil {
		if d.Ended(buf) {
			return nil, nil
		}
		return nil, err
	}
	flags := procfs.Flags(words, serverFlags, serverBools)
	for name, value := range flags {
		flags[name] = clean(value)
	}
	server := &fact.APIServer{PID: p.PID, Started: pass.Started(p), Flags: flags, EncryptionFlag: flags[encryptionFlag] != ""}
	if server.EncryptionFlag {
		if server.Encryption, err = readEncryption(d, flags); err != nil && d.Ended(buf) {
			return nil, nil
		}
	}
	return server, err
}

// clean prepares a flag's value for a fact: valid text without the secret parts
// of URLs. --etcd-servers is a list with commas, --etcd-servers-overrides one
// of RESOURCE#URL;URL.
func clean(value string) string { return rootfs.Text(weburl.CleanList(value, ",;")) }

// readEncryption reads the file below the server's own root. The bytes, which
// hold keys, are wiped as soon as they are parsed.
func readEncryption(d *proctable.PID, flags map[string]string) (*fact.EncryptionConfiguration, error) {
	name, err := d.Inside(flags[encryptionFlag])
	if err != nil {
		return nil, err
	}
	root, err := d.Root()
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }()
	info, err := root.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("--%s: %w", encryptionFlag, err)
	}
	data, err := root.ReadFile(name, stored.MaxEncryptionConfiguration)
	if err != nil {
		return nil, fmt.Errorf("--%s: %w", encryptionFlag, err)
	}
	entries, err := stored.ParseEncryptionConfiguration(data)
	clear(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", rootfs.Text(name), err)
	}
	reload, _ := strconv.ParseBool(flags[reloadFlag])
	return &fact.EncryptionConfiguration{Path: rootfs.Text(name), Changed: fact.NewTime(info.Ctime), AutoReload: reload, Entries: entries}, nil
}

// database is an etcd file that a process holds open.
type database struct {
	fd   int
	path string
	kine bool
}

// errSwapped says that another file has taken the database's place meanwhile:
// a defragmentation does that.
var errSwapped = rootfs.NewError(fact.Changing, "the database was replaced while it was read")

// readEtcd reads the database of every member that runs here.
func readEtcd(ctx context.Context, pass *reader.Pass, candidates []*proctable.Process, servers []fact.APIServer, buf []byte) {
	seen := map[[2]uint64]bool{}
	read, unread := 0, 0
	for _, p := range candidates {
		if ctx.Err() != nil {
			return
		}
		d, err := pass.Reopen(p, buf)
		if err != nil {
			continue
		}
		const tries = 3
		for try := 1; ; try++ {
			var databases []database
			if databases, err = databasesOf(d); err != nil {
				break
			}
			for _, db := range databases {
				if err = readDatabase(ctx, pass, d, db, servers, seen); err != nil {
					break
				}
				read++
			}
			if !errors.Is(err, errSwapped) || try == tries || ctx.Err() != nil {
				break
			}
		}
		ended := err != nil && d.Ended(buf)
		d.Close()
		if err == nil || ended {
			continue
		}
		// For most processes it does not matter that their descriptors are
		// hidden.
		if errors.Is(err, errNoFDs) && !strings.HasPrefix(p.Status.Name, "etcd") {
			continue
		}
		unread++
		pass.Ledger.Gap(fact.NodeGap{What: fact.Etcd, Reason: rootfs.ReasonOf(err), Detail: fmt.Sprintf("%s, pid %d: %s", rootfs.Text(p.Status.Name), p.PID, rootfs.ErrorText(err))})
	}
	if ctx.Err() != nil {
		return
	}
	if unread > 0 && read == 0 {
		pass.Ledger.Missed(fact.Etcd)
		return
	}
	pass.Ledger.Done(fact.Etcd)
}

// errNoFDs wraps an error of listing descriptors.
var errNoFDs = errors.New("listing its descriptors")

// databasesOf finds the databases among the descriptors of a process.
func databasesOf(d *proctable.PID) ([]database, error) {
	var found []database
	count := 0
	err := d.EachFD(func(n int) bool {
		if count++; count > maxFDs {
			return false
		}
		text, err := d.Link(proctable.FDName(n))
		switch {
		case err != nil:
		case strings.HasSuffix(text, dbSuffix):
			found = append(found, database{fd: n, path: text})
		case strings.HasSuffix(text, kineSuffix):
			found = append(found, database{fd: n, path: text, kine: true})
		}
		return true
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoFDs, err)
	}
	if count > maxFDs && len(found) == 0 {
		return nil, fmt.Errorf("%w: %w of %d", errNoFDs, rootfs.ErrTooLarge, maxFDs)
	}
	return found, nil
}

// source is the file as package etcd reads it.
type source struct{ *rootfs.File }

func (s source) Size() (int64, error) {
	info, err := s.Stat()
	return info.Size, err
}

// readDatabase reads one database by the descriptor that etcd has of it: the
// kernel opens the same file again, read-only, whatever its path means by now.
func readDatabase(ctx context.Context, pass *reader.Pass, d *proctable.PID, db database, servers []fact.APIServer, seen map[[2]uint64]bool) error {
	handle, err := d.File(proctable.FDName(db.fd))
	if err != nil {
		return err
	}
	defer func() { _ = handle.Close() }()
	key := [2]uint64{handle.Info().Dev, handle.Info().Ino}
	if seen[key] {
		return nil
	}
	if db.kine {
		seen[key] = true
		pass.Ledger.Gap(fact.NodeGap{
			What: fact.Etcd, Reason: fact.Unsupported,
			Detail: rootfs.Text(db.path) + ": the cluster's objects are in SQLite (kine), which is not supported",
		})
		pass.Ledger.Missed(fact.Etcd)
		return nil
	}
	file, err := handle.Open()
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	opts := etcd.Options{Path: rootfs.Text(db.path), Live: pass.Live}
	opts.Prefix, opts.PrefixFrom = prefixOf(servers)
	for _, s := range servers {
		if s.Encryption != nil {
			opts.KeyNames = mergeNames(opts.KeyNames, stored.NamesIn(s.Encryption.Entries))
		}
	}
	facts, gaps, err := etcd.Read(ctx, source{file}, opts)
	if text, linkErr := d.Link(proctable.FDName(db.fd)); linkErr == nil && text != db.path {
		return errSwapped
	}
	seen[key] = true
	if err != nil {
		return err
	}
	for _, gap := range gaps {
		pass.Ledger.Gap(fact.NodeGap{What: gap.What, Reason: gap.Reason, Detail: gap.Detail})
	}
	if facts != nil {
		pass.Ledger.Update(func(m *fact.Measurement) { m.Etcd = append(m.Etcd, *facts) })
	}
	return nil
}

// prefixOf is the prefix that the API servers of this node use. If there is
// none, or if they differ, it must be learned from the database.
func prefixOf(servers []fact.APIServer) (prefix, from string) {
	for i, s := range servers {
		p, f := defaultPrefix, "default of --"+prefixFlag
		if given := s.Flags[prefixFlag]; given != "" {
			p, f = given, "--"+prefixFlag
		}
		if i > 0 && p != prefix {
			return "", ""
		}
		prefix, from = p, f
	}
	return prefix, from
}

func mergeNames(a, b stored.KeyNames) stored.KeyNames {
	if a == nil {
		return b
	}
	for kind, names := range b {
		for _, name := range names {
			if !slices.Contains(a[kind], name) {
				a[kind] = append(a[kind], name)
			}
		}
	}
	return a
}
