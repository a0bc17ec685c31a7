package storage

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/etcd"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/kine"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/proctable"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/program"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/reader"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/stored"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

const (
	// dbSuffix ends the path of etcd's database, kineSuffix that of kine: k3s' in
	// server/db, k0s' in db.
	dbSuffix   = "/member/snap/db"
	kineSuffix = "/db/state.db"
)

// Programs that keep the cluster's objects in another kind of store.
const (
	dqliteComm = "k8s-dqlite" // MicroK8s
	kineComm   = "kine"       // k0s, RKE2 with an SQL database
)

// database is a store's file that a process holds open.
type database struct {
	fd   int
	path string
	kine bool
}

// dataDir is the directory that holds all files of the store.
func (db *database) dataDir() string {
	if db.kine {
		return path.Dir(db.path)
	}
	return strings.TrimSuffix(db.path, dbSuffix)
}

// errSwapped says that another file has taken the database's place meanwhile: a
// defragmentation does that.
var errSwapped = rootfs.NewError(fact.Changing, "the database was replaced while it was read")

// databases reads the stores of a node.
type databases struct {
	pass    *reader.Pass
	servers []*server
	buf     []byte

	seen map[[2]uint64]bool // files, by device and inode
	// How many stores were read, and not read, for each kind.
	read, unread map[fact.Kind]int
}

// storeKinds are the kinds that are read of a database.
var storeKinds = []fact.Kind{fact.Etcd, fact.Residue, fact.StorageFiles}

// readDatabases reads the database of every member that runs here.
func readDatabases(ctx context.Context, pass *reader.Pass, candidates []*proctable.Process, servers []*server, buf []byte) {
	if !slices.ContainsFunc(storeKinds, pass.Ledger.Wants) {
		return
	}
	r := &databases{pass: pass, servers: servers, buf: buf, seen: map[[2]uint64]bool{}, read: map[fact.Kind]int{}, unread: map[fact.Kind]int{}}
	for _, p := range candidates {
		if ctx.Err() != nil {
			return
		}
		proc := program.Open(pass, p, buf)
		if proc == nil {
			continue
		}
		found, err := r.process(ctx, proc)
		if err == nil && found == 0 {
			err = r.elsewhere(proc)
		}
		if err != nil && !proc.PID.Ended(buf) {
			r.missed(proc, storeKinds, err)
		}
		proc.Close()
	}
	if ctx.Err() != nil {
		return
	}
	for _, kind := range storeKinds {
		if r.unread[kind] > 0 && r.read[kind] == 0 {
			pass.Ledger.Missed(kind)
		} else {
			pass.Ledger.Done(kind)
		}
	}
}

// missed notes that some kinds of a store, or of all stores of a process, were not read.
func (r *databases) missed(proc *program.Program, kinds []fact.Kind, err error) {
	for _, kind := range kinds {
		r.unread[kind]++
		proc.Gap(kind, err)
	}
}

// process reads the databases of one process. found counts them.
func (r *databases) process(ctx context.Context, proc *program.Program) (found int, err error) {
	const tries = 3
	for try := 1; ; try++ {
		list, err := databasesOf(proc)
		list = slices.DeleteFunc(list, func(db database) bool { return db.kine && !keepsKine(proc, db.path) })
		if err != nil {
			// For most processes it does not matter that their descriptors are hidden.
			if name := proc.Of.Status.Name; strings.HasPrefix(name, "etcd") || name == program.K3sComm || name == kineComm {
				return 0, err
			}
			return 0, nil
		}
		again := false
		for _, db := range list {
			if ctx.Err() != nil {
				return found, nil
			}
			err := r.database(ctx, proc, db)
			if again = again || errors.Is(err, errSwapped); errors.Is(err, errSwapped) && try < tries {
				continue // its successor is in the next list
			}
			found++
			if err != nil && !proc.PID.Ended(r.buf) {
				r.missed(proc, storeKinds, err)
			}
		}
		if !again || try == tries {
			return found, nil
		}
	}
}

// keepsKine reports whether a file named state.db can be the cluster's: of k3s, or of a
// program named kine. Other programs have files of that name too.
func keepsKine(proc *program.Program, name string) bool {
	comm := proc.Of.Status.Name
	return comm == program.K3sComm || comm == kineComm || strings.HasSuffix(name, "/server"+kineSuffix)
}

// databasesOf finds the databases among the descriptors of a process.
func databasesOf(proc *program.Program) ([]database, error) {
	var found []database
	err := proc.EachFD(func(n int, text string) {
		switch {
		case strings.HasSuffix(text, dbSuffix):
			found = append(found, database{fd: n, path: text})
		case strings.HasSuffix(text, kineSuffix):
			found = append(found, database{fd: n, path: text, kine: true})
		}
	})
	if len(found) > 0 {
		return found, nil
	}
	return nil, err
}

// elsewhere is an error for a process that keeps the cluster's objects where they are not
// read. Of an address only the scheme is told: it holds a password.
func (r *databases) elsewhere(proc *program.Program) error {
	switch proc.Of.Status.Name {
	case dqliteComm:
		return rootfs.NewError(fact.Unsupported, "the cluster's objects are in dqlite (MicroK8s), which is not supported")
	case kineComm:
		words, err := proc.PID.Cmdline(proc.Buf)
		if err != nil {
			return err
		}
		const endpoint = "endpoint"
		return unsupportedStore(program.DatastoreScheme(procfs.Flags(words, []string{endpoint}, nil)[endpoint]))
	}
	i := slices.IndexFunc(r.servers, func(s *server) bool { return s.PID == proc.Of.PID && s.Program == string(k3sServer) })
	if i < 0 {
		return nil
	}
	scheme, given := r.servers[i].Flags[datastoreFlag]
	switch {
	case given && (scheme == "http" || scheme == "https"):
		return nil // external etcd, as with any API server: its flags say where
	case given:
		return unsupportedStore(scheme)
	}
	return rootfs.NewError(fact.Unsupported, "k3s holds no database here, and its configuration does not say where the cluster's objects are")
}

func unsupportedStore(scheme string) error {
	return rootfs.NewError(fact.Unsupported, fmt.Sprintf("the cluster's objects are in a datastore of scheme %s, which is not supported", scheme))
}

// source is the file as package etcd reads it.
type source struct{ *rootfs.File }

func (s source) Size() (int64, error) {
	info, err := s.Stat()
	return info.Size, err
}

// database reads one database by the descriptor that its process has of it: the kernel
// opens the same file again, read-only, whatever its path means by now.
func (r *databases) database(ctx context.Context, proc *program.Program, db database) error {
	handle, err := proc.PID.File(proctable.FDName(db.fd))
	if err != nil {
		return err
	}
	defer func() { _ = handle.Close() }()
	key := [2]uint64{handle.Info().Dev, handle.Info().Ino}
	if r.seen[key] {
		return nil
	}
	facts := &fact.EtcdDB{Path: rootfs.Text(db.path)}
	if db.kine {
		facts.Format = fact.FormatKine
	}
	var gaps []fact.Gap
	if r.pass.Ledger.Wants(fact.Etcd) || r.pass.Ledger.Wants(fact.Residue) {
		read := r.etcd
		if db.kine {
			read = r.kine
		}
		var got *fact.EtcdDB
		got, gaps, err = read(ctx, proc, db, handle)
		if text, linkErr := proc.PID.Link(proctable.FDName(db.fd)); linkErr == nil && text != db.path {
			return errSwapped
		}
		if got != nil {
			facts = got
		}
	}
	r.seen[key] = true
	r.count(proc, []fact.Kind{fact.Etcd}, err)
	if err != nil { // otherwise the reader has counted what lies beside the rows
		r.count(proc, []fact.Kind{fact.Residue}, err)
	}
	if r.pass.Ledger.Wants(fact.StorageFiles) {
		files, err := storeFiles(ctx, proc, db, handle.Info())
		r.count(proc, []fact.Kind{fact.StorageFiles}, err)
		facts.Files = files
	}
	if err != nil && facts.Files == nil {
		return nil
	}
	for _, gap := range gaps {
		r.pass.Ledger.Gap(fact.NodeGap{What: gap.What, Reason: gap.Reason, Detail: gap.Detail})
	}
	r.pass.Ledger.Update(func(m *fact.Measurement) { m.Etcd = append(m.Etcd, *facts) })
	return nil
}

// count notes whether some kinds of a store were read.
func (r *databases) count(proc *program.Program, kinds []fact.Kind, err error) {
	if err != nil {
		r.missed(proc, kinds, err)
		return
	}
	for _, kind := range kinds {
		r.read[kind]++
	}
}

// etcd reads a member's database, and the files next to it.
func (r *databases) etcd(ctx context.Context, proc *program.Program, db database, handle *rootfs.Handle) (*fact.EtcdDB, []fact.Gap, error) {
	file, err := handle.Open()
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = file.Close() }()
	known := &etcd.Known{}
	opts := etcd.Options{
		Path: rootfs.Text(db.path), Live: r.pass.Live, KeyNames: r.keyNames(), Resources: r.beyondSecrets(),
		Residue: r.pass.Ledger.Wants(fact.Residue), Known: known,
	}
	opts.Prefix, opts.PrefixFrom = prefixOf(r.servers)
	facts, gaps, err := etcd.Read(ctx, source{file}, opts)
	if facts != nil && opts.Residue {
		err := r.member(ctx, proc, db, handle.Info(), facts, known)
		r.count(proc, []fact.Kind{fact.Residue}, err)
	}
	return facts, gaps, err
}

// kine reads an SQLite database with its log, and the files next to it.
func (r *databases) kine(ctx context.Context, proc *program.Program, db database, handle *rootfs.Handle) (*fact.EtcdDB, []fact.Gap, error) {
	root, err := proc.Root()
	if err != nil {
		return nil, nil, err
	}
	// The log is found by its name, so that name must be the database's.
	if err := leadsTo(root, db.path, handle.Info()); err != nil {
		return nil, nil, err
	}
	file, err := handle.Open()
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = file.Close() }()
	opts := r.kineOptions(db.path)
	facts, gaps, err := kine.Read(ctx, kine.InRoot(root, db.path, file), opts)
	if facts != nil && opts.Residue {
		err := r.oldStores(ctx, root, db.dataDir(), facts)
		r.count(proc, []fact.Kind{fact.Residue}, err)
	}
	return facts, gaps, err
}

func (r *databases) kineOptions(name string) kine.Options {
	opts := kine.Options{Path: rootfs.Text(name), Live: r.pass.Live, KeyNames: r.keyNames(), Residue: r.pass.Ledger.Wants(fact.Residue)}
	opts.Prefix, opts.PrefixFrom = prefixOf(r.servers)
	opts.Resources = r.beyondSecrets()
	return opts
}

// keyNames are the names of the keys in the node's encryption configurations.
func (r *databases) keyNames() stored.KeyNames {
	var names stored.KeyNames
	for _, s := range r.servers {
		if s.Encryption != nil {
			names = mergeNames(names, stored.NamesIn(s.Encryption.Entries))
		}
	}
	return names
}

// beyondSecrets reports whether a configuration names other resources than Secrets, so
// that it matters how those are stored. Of an API server whose configuration was not read
// that is unknown, and counts as yes.
func (r *databases) beyondSecrets() bool {
	return slices.ContainsFunc(r.servers, func(s *server) bool {
		if s.Encryption == nil {
			return s.EncryptionFlag || s.Unfollowed != ""
		}
		return slices.ContainsFunc(s.Encryption.Entries, func(e fact.EncryptionEntry) bool {
			return slices.ContainsFunc(e.Resources, func(name string) bool { return name != "secrets" && name != "secrets." })
		})
	})
}

// prefixOf is the prefix that the API servers of this node use. If there is
// none, or if they differ, it must be learned from the database.
func prefixOf(servers []*server) (prefix, from string) {
	for i, s := range servers {
		p, f := defaultPrefix, "default of --"+prefixFlag
		switch given := s.Flags[prefixFlag]; {
		case given != "":
			p, f = given, "--"+prefixFlag
		case s.Unfollowed != "":
			return "", "" // it may be another
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
