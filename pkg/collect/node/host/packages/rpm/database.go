package rpm

import (
	"context"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/packages/pkgset"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/packages/rpm/rpmdb"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rpmversion"
)

// database is what is installed, in little memory: 100,000 packages take 12 MB.
type database struct {
	// chunks hold the packages, chunkSize each: a slice that grows would need room
	// for a second copy.
	chunks [][]installed
	count  int
	byName map[string]int32 // the first package of a name; the others follow by next
	words  words            // architectures, vendors and module streams
	set    pkgset.Set
	// release is the releasever that the package of the distribution provides, from
	// is that package.
	release, from string
	rank          int // of the provide that release is from, in releaseProvides
}

// installed is an installed package.
type installed struct {
	text    string // NAME EVR, without a space
	nameLen uint16
	arch    uint16 // in words
	vendor  uint16
	module  uint16 // NAME:STREAM
	next    int32  // of the same name, -1 for none
	offers  int32  // in offers.all, -1 for none
	listed  listed
	plain   uint16 // in offers.plain: the first repository without advisories that lists it, 0 for none
	// repo is the first repository that offers the name, of the first package of it.
	repo *repository
}

// listed is where a package's name is listed, for its architecture.
type listed uint8

const (
	listedPlain    listed = 1 << iota // in a repository without advisories
	listedAdvisory                    // in one with advisories
	listedReached                     // of the installed version or newer
)

const chunkSize = 4096

// at is a package by its number, from 0 to count.
func (db *database) at(i int32) *installed { return &db.chunks[i/chunkSize][i%chunkSize] }

// each calls do with every package.
func (db *database) each(do func(*installed)) {
	for _, chunk := range db.chunks {
		for i := range chunk {
			do(&chunk[i])
		}
	}
}

func (p *installed) name() string { return p.text[:p.nameLen] }
func (p *installed) evr() string  { return p.text[p.nameLen:] }

// words numbers texts of which there are few, from 0 for "".
type words struct {
	index map[string]uint16
	list  []string
}

// maxWords bounds the architectures, vendors and module streams of a host. What
// comes after them is "other", which is no word that a repository has.
const maxWords = 4096

func (w *words) number(text string) uint16 {
	if n, ok := w.index[text]; ok {
		return n
	}
	if w.index == nil {
		w.index, w.list = map[string]uint16{"": 0}, []string{""}
		return w.number(text)
	}
	if len(w.list) == maxWords {
		text = "\x00other"
		if n, ok := w.index[text]; ok {
			return n
		}
	}
	n := uint16(len(w.list))
	text = strings.Clone(text)
	w.index[text] = n
	w.list = append(w.list, text)
	return n
}

// text is the text of some bytes, without a copy of one that is known.
func (w *words) text(raw []byte) string {
	if n, ok := w.index[string(raw)]; ok {
		return w.list[n]
	}
	return string(raw)
}

// releaseProvides are the provides that tell dnf the release of the distribution, in
// the order in which it looks for them (dnf/const.py, DISTROVERPKG).
var releaseProvides = []string{
	"system-release(releasever)", "system-release", "distribution-release(releasever)", "distribution-release", "redhat-release", "suse-release",
}

// readDatabase reads what is installed.
func readDatabase(ctx context.Context, root *rootfs.Root) (*database, rpmdb.Result, error) {
	var db *database
	result, err := rpmdb.Read(ctx, root, releaseProvides, func() { db = newDatabase() }, func(p *rpmdb.Package) { db.add(p) })
	return db, result, err
}

func newDatabase() *database {
	return &database{byName: map[string]int32{}, rank: len(releaseProvides)}
}

func (db *database) add(p *rpmdb.Package) {
	evr := p.EVR()
	db.set.Add(p.Name, p.Arch, evr)
	in := installed{
		text: p.Name + evr, nameLen: uint16(len(p.Name)), next: -1, offers: -1,
		arch: db.words.number(p.Arch), vendor: db.words.number(p.Vendor), module: db.words.number(streamOf(p.Modularity)),
	}
	name := in.name()
	if first, ok := db.byName[name]; ok {
		in.next = first
	}
	db.byName[name] = int32(db.count)
	if db.count%chunkSize == 0 {
		db.chunks = append(db.chunks, make([]installed, 0, chunkSize))
	}
	last := &db.chunks[len(db.chunks)-1]
	*last = append(*last, in)
	db.count++
	for _, provide := range p.Provides {
		rank := slices.Index(releaseProvides, provide.Name)
		if rank < 0 || rank >= db.rank {
			continue
		}
		db.rank, db.from, db.release = rank, p.Name, p.Version
		// The version of the provide counts unless it is the package's own name.
		if base, _, _ := strings.Cut(provide.Name, "("); provide.Version != "" && p.Name != base {
			db.release = provide.Version
		}
	}
}

// streamOf is NAME:STREAM of a modularity label.
func streamOf(label string) string {
	parts := strings.SplitN(label, ":", 3)
	if len(parts) < 2 {
		return ""
	}
	return parts[0] + ":" + parts[1]
}

// arch is the host's architecture by its packages: that of most of them.
func (db *database) arch() string {
	counts := make([]int, len(db.words.list))
	best := 0
	noarch := int(db.words.number("noarch"))
	db.each(func(p *installed) {
		if n := int(p.arch); n < len(counts) && n != noarch && n != 0 {
			if counts[n]++; counts[n] > counts[best] {
				best = n
			}
		}
	})
	if len(db.words.list) == 0 {
		return ""
	}
	return db.words.list[best]
}

// match calls do with each installed package of a name.
func (db *database) match(name []byte, do func(*installed)) {
	i, ok := db.byName[string(name)]
	for ok && i >= 0 {
		p := db.at(i)
		i = p.next
		do(p)
	}
}

// latest is the installed package that a version of a name and architecture would
// replace: the newest of the same architecture, or of any where one side is noarch.
func (db *database) latest(name []byte, arch string) *installed {
	var best *installed
	db.match(name, func(p *installed) {
		if !fits(db.words.list[p.arch], arch) {
			return
		}
		if best == nil || rpmversion.Compare(best.evr(), p.evr()) < 0 {
			best = p
		}
	})
	return best
}

// fits reports whether packages of two architectures can follow one another. Source
// packages, which advisories list too, follow nothing.
func fits(a, b string) bool {
	return a == b || a == "noarch" && b != "src" && b != "nosrc" || b == "noarch"
}
