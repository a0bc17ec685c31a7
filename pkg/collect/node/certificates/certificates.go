// Package certificates reads the cluster's certificates on a node: from the usual
// directories, from kubeconfigs, and from the files that running programs name.
//
//	certificates.go  the reader
//	places.go        where certificates are, and what they are for
//	kubeconfig.go    the certificates in and named by kubeconfigs
//
// Only certificates are decoded. A file that holds a private key too (the kubelet's
// *-current.pem) is read, its key is not decoded, and the memory is cleared. Of a private
// key in a file of its own only the mode is looked at.
package certificates

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/certificate"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/access"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/reader"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/overlay"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/crash"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/sorted"
)

// Reader reads Certificates.
type Reader struct{}

// Kinds is Certificates.
func (Reader) Kinds() []fact.Kind { return []fact.Kind{fact.Certificates} }

// Read looks for certificates. It uses the settings of running programs if they were read
// before.
func (Reader) Read(ctx context.Context, pass *reader.Pass) {
	if pass.Ledger.Wants(fact.Certificates) {
		pass.Task(ctx, func(ctx context.Context, buf []byte) { read(ctx, pass, buf) })
	}
}

const (
	// maxFile bounds a file. A bundle of 100 authorities has about 200 KiB.
	maxFile = 512 << 10
	// maxNames bounds the names of one directory that are looked at.
	maxNames = 2000
)

func read(ctx context.Context, pass *reader.Pass, buf []byte) {
	if pass.Root == nil {
		if pass.RootErr != nil {
			pass.Ledger.Refuse([]fact.Kind{fact.Certificates}, rootfs.ReasonOf(pass.RootErr), rootfs.ErrorText(pass.RootErr))
		}
		return
	}
	root, err := pass.Root.Sub("/")
	if err != nil {
		pass.Ledger.Refuse([]fact.Kind{fact.Certificates}, rootfs.ReasonOf(err), rootfs.ErrorText(err))
		return
	}
	defer func() { _ = root.Close() }()
	root.Guard(overlay.Guard(pass.NodeMounts(), pass.Live))

	s := &search{ctx: ctx, pass: pass, root: root, buf: buf, seen: map[string]bool{}, keys: map[string]bool{}}
	s.usual()
	s.kubeconfigs()
	s.named()
	if ctx.Err() == nil {
		pass.Ledger.Done(fact.Certificates)
	}
}

// search is one reading.
type search struct {
	ctx  context.Context
	pass *reader.Pass
	root *rootfs.Root
	buf  []byte
	seen map[string]bool // paths, and with a suffix what is in kubeconfigs
	keys map[string]bool // paths of private keys that were looked at
	full bool
}

func (s *search) gap(reason fact.Reason, format string, args ...any) {
	s.pass.Ledger.Gap(fact.NodeGap{What: fact.Certificates, Reason: reason, Detail: fmt.Sprintf(format, args...)})
}

// add keeps what was read of a file. The ledger has it at once, so that a hang later
// costs nothing of it.
func (s *search) add(f fact.CertificateFile) {
	s.pass.Ledger.Update(func(m *fact.Measurement) {
		if len(m.Certificates) >= fact.MaxCertificates {
			s.full = true
			return
		}
		m.Certificates = append(m.Certificates, f)
		sorted.Stable(m.Certificates, func(a, b fact.CertificateFile) int {
			return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Use, b.Use))
		})
	})
	if s.full {
		s.gap(fact.Truncated, "more than %d files with certificates", fact.MaxCertificates)
	}
}

// done reports whether nothing more is to be read.
func (s *search) done() bool { return s.full || s.ctx.Err() != nil }

// usual reads the usual directories.
func (s *search) usual() {
	for _, dir := range directories {
		var names, keys []string
		over := false
		err := s.root.Each(dir, func(e rootfs.DirEntry) bool {
			if path.Ext(e.Name) == ".key" && e.Type.IsRegular() {
				if over = len(keys) == maxNames; over {
					return false
				}
				keys = append(keys, e.Name)
			}
			if certificateName(e.Name) && (e.Type.IsRegular() || e.Type == fs.ModeSymlink) {
				if over = len(names) == maxNames; over {
					return false
				}
				names = append(names, e.Name)
			}
			return true
		})
		if err != nil && !rootfs.Gone(err) && !errors.Is(err, rootfs.ErrNotDir) {
			s.gap(rootfs.ReasonOf(err), "%s was not read: %s", rootfs.Text(dir), rootfs.ErrorText(err))
		}
		if over {
			s.gap(fact.Truncated, "%s has more than %d files", rootfs.Text(dir), maxNames)
		}
		slices.Sort(names)
		for _, name := range names {
			if s.done() {
				return
			}
			full := path.Join(dir, name)
			s.file(s.root, full, useOf(full), "usual path", true)
		}
		slices.Sort(keys)
		for _, name := range keys {
			if s.done() {
				return
			}
			full := path.Join(dir, name)
			s.lone(full, useOf(full), "usual path")
		}
	}
}

// named reads the files that the settings of running programs name.
func (s *search) named() {
	var components []fact.Component
	s.pass.Ledger.Update(func(m *fact.Measurement) { components = slices.Clone(m.Components) })
	for i := range components {
		c := &components[i]
		for _, set := range c.Settings {
			use := settingUses[set.Name]
			if keySettings[set.Name] != "" && path.IsAbs(set.Value) && !s.done() {
				name := path.Clean(set.Value)
				s.lone(name, strings.ReplaceAll(keySettings[set.Name], "PROGRAM", string(c.Program)), fmt.Sprintf("%s of %s", set.Name, c.Program))
			}
			if use == "" || !path.IsAbs(set.Value) || s.done() {
				continue
			}
			s.setting(c, set, strings.ReplaceAll(use, "PROGRAM", string(c.Program)))
		}
	}
}

// setting reads the file of one setting: at its path on the node, or if there is none, at
// its path in the program's container.
func (s *search) setting(c *fact.Component, set fact.Setting, use string) {
	if s.seen[path.Clean(set.Value)] {
		return
	}
	by := fmt.Sprintf("%s of %s", set.Name, c.Program)
	if _, err := s.root.Stat(set.Value); err == nil || !rootfs.Gone(err) {
		s.file(s.root, path.Clean(set.Value), use, by, false)
		return
	}
	root := s.rootOf(c.PID)
	if root == nil {
		s.seen[path.Clean(set.Value)] = true
		s.add(fact.CertificateFile{
			Path: rootfs.Text(set.Value), Use: use, By: by, Reason: fact.NotPresent, Detail: "not found on the node, and the program's own root directory was not read",
		})
		return
	}
	defer func() { _ = root.Close() }()
	s.file(root, path.Clean(set.Value), use, by+", in its container", false)
}

// rootOf opens the root directory of a process, nil if it cannot.
func (s *search) rootOf(pid int) *rootfs.Root {
	for _, p := range s.pass.Processes {
		if p.PID != pid {
			continue
		}
		d, err := s.pass.Reopen(p, s.buf)
		if err != nil {
			return nil
		}
		defer d.Close()
		root, err := d.Root()
		if err != nil {
			return nil
		}
		if mounts, _ := d.Mounts(s.buf, maxMounts); mounts != nil {
			root.Guard(overlay.Guard(mounts.Mounts, s.pass.Live))
			return root
		}
		_ = root.Close()
	}
	return nil
}

// maxMounts bounds the mount table of a program, bytes.
const maxMounts = 1 << 20

// file reads one file. A file that turns out to hold no certificate is none of ours if it
// was only found; optional says so.
func (s *search) file(root *rootfs.Root, name, use, by string, optional bool) {
	if s.seen[name] {
		return
	}
	s.seen[name] = true
	f := fact.CertificateFile{Path: rootfs.Text(name), Use: use, By: by, Rotated: strings.HasSuffix(name, "-current.pem")}
	defer func() {
		if v := recover(); v != nil {
			f.Reason, f.Detail = fact.Unsupported, "a bug in this program, not in the file: "+crash.Describe(v)
			s.add(f)
		}
	}()
	data, err := readFile(root, name)
	defer clear(data)
	if err != nil {
		if optional && (rootfs.Gone(err) || errors.Is(err, rootfs.ErrNotRegular)) {
			return // gone meanwhile, or a link to nothing
		}
		f.Reason, f.Detail = rootfs.ReasonOf(err), rootfs.ErrorText(err)
		s.add(f)
		return
	}
	parse(&f, data)
	if optional && f.Total == 0 && f.Reason == "" {
		return
	}
	if f.Total == 0 && f.Reason == "" {
		f.Reason, f.Detail = fact.Corrupt, "expected a certificate in PEM, found none"
	}
	if root == s.root { // in a container's view, directories say nothing of the node's users
		s.key(&f, name, data)
	}
	s.add(f)
}

// readFile reads a file into one buffer, so that the caller can clear all of it.
func readFile(root *rootfs.Root, name string) ([]byte, error) {
	file, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	tooLarge := &fs.PathError{Op: "read", Path: rootfs.Text(name), Err: fmt.Errorf("%w of %d bytes", rootfs.ErrTooLarge, maxFile)}
	if info.Size > maxFile {
		return nil, tooLarge
	}
	data := make([]byte, info.Size+1)
	n := 0
	for n < len(data) {
		m, err := file.Read(data[n:])
		n += m
		if errors.Is(err, io.EOF) {
			return data[:n], nil
		}
		if err != nil {
			clear(data)
			return nil, err
		}
	}
	clear(data)
	return nil, fmt.Errorf("%s: %w", rootfs.Text(name), errGrew)
}

var errGrew = rootfs.NewError(fact.Changing, "it grew while it was read")

// parse fills in the certificates of a PEM file. A block that cannot be read costs no
// other, and leaves a reason.
func parse(f *fact.CertificateFile, data []byte) {
	for der, err := range certificate.Blocks(data) {
		var c fact.Certificate
		if err == nil {
			c, err = certificate.Parse(der)
		}
		f.Total++
		if err != nil {
			if f.Reason == "" {
				f.Reason, f.Detail = fact.Corrupt, fmt.Sprintf("certificate %d: %s", f.Total, err)
			}
			continue
		}
		if len(f.Certificates) < fact.MaxChain {
			f.Certificates = append(f.Certificates, c)
		}
	}
}

// privateKey is what every PEM block of a private key has in its first line (RFC 7468).
var privateKey = []byte("PRIVATE KEY-----")

// key says who can read the private key of a certificate: the file itself if it holds one,
// else the file beside it.
func (s *search) key(f *fact.CertificateFile, name string, data []byte) {
	if bytes.Contains(data, privateKey) {
		s.access(f, name)
		return
	}
	for _, candidate := range keyNames(name) {
		if info, err := s.root.Stat(candidate); err == nil && info.Mode.IsRegular() {
			s.access(f, candidate)
			return
		}
	}
}

// lone says who can read a private key that is beside no certificate: the one that signs
// service accounts' tokens, or one that a setting names.
func (s *search) lone(name, use, by string) {
	if s.keys[name] {
		return
	}
	info, err := s.root.Stat(name)
	if err != nil || !info.Mode.IsRegular() {
		return // in a program's container, or gone: what needs it says so
	}
	f := fact.CertificateFile{Path: rootfs.Text(name), Use: use, By: by}
	if s.access(&f, name); f.Key != nil {
		s.add(f)
	}
}

func (s *search) access(f *fact.CertificateFile, name string) {
	s.keys[name] = true
	a, err := access.Of(s.root, name)
	if err != nil {
		s.gap(rootfs.ReasonOf(err), "who can read %s was not read: %s", rootfs.Text(name), rootfs.ErrorText(err))
		return
	}
	f.Key = &a
}
