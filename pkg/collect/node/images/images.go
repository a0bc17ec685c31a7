// Package images lists what is installed in containers, through their own root
// directories: no image is pulled. Containers of one image have the same packages, so
// a database is read once for all of them, and equal inventories are kept once.
//
// images.go reads containers, programs.go what their running programs say about
// themselves, languages.go what interpreters have installed. identity.go tells which
// containers share a database, and guard.go and package overlay keep the reading out of mounts that may hang.
package images

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/osrelease"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/packages"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/images/gobuild"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/proctable"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/reader"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/overlay"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// Reader reads Images.
type Reader struct{}

// Kinds is Images.
func (Reader) Kinds() []fact.Kind { return []fact.Kind{fact.Images} }

// maxRoom bounds what all inventories of a node take in memory, bytes: the probe has
// 32 MiB for everything. 50 images with 400 packages each take 3 MB.
const maxRoom = 6 << 20

// Read reads one container after another.
func (Reader) Read(ctx context.Context, pass *reader.Pass) {
	s := &survey{
		pass: pass, turn: make(chan struct{}, 1), room: maxRoom,
		databases: map[identity]*database{}, built: map[program]gobuild.Info{}, published: map[string]bool{},
	}
	pass.EachContainer(ctx, fact.Images, s.container)
}

// survey is one reading of all containers.
type survey struct {
	pass *reader.Pass
	turn chan struct{} // full while a database is read

	mu        sync.Mutex
	room      int // bytes that more inventories may take
	databases map[identity]*database
	published map[string]bool // keys
	built     map[program]gobuild.Info
	cached    int // modules in built
}

// database is what was read of one package database.
type database struct {
	os   fact.OSRelease
	list packages.List
	// full is true if there was no room for its packages.
	full bool
}

// maxDatabases bounds those that are remembered. They share their lists with
// inventories, so that they take no memory of their own.
const maxDatabases = 4096

func (s *survey) container(ctx context.Context, ct *proctable.Container, buf []byte) {
	gap := func(reason fact.Reason, detail string) {
		s.pass.Ledger.Gap(fact.NodeGap{What: fact.Images, Container: ct.Key(), Reason: reason, Detail: detail})
	}
	p := ct.Main()
	if !p.Mounts.Read() {
		gap(fact.NotPresent, "its mount table was not read, so what is installed in it was not read")
		return
	}
	if fsType, may := safeRoot(p.Mounts.Mounts); !may {
		gap(fact.Unsupported, fmt.Sprintf("its root is on a %q mount, which was not read because it may hang", rootfs.Text(fsType)))
		return
	}
	if dir, fsType := lazyLayer(p.Mounts.Mounts, s.pass.NodeMounts()); dir != "" {
		gap(fact.Unsupported, fmt.Sprintf("the layer %q of its image is on a %q mount, which was not read because it may hang", rootfs.Text(rootfs.Excerpt(dir)), rootfs.Text(fsType)))
		return
	}
	d, err := s.pass.Reopen(p, buf)
	if err != nil {
		gap(fact.Changing, fmt.Sprintf("pid %d, through which it is read, has ended", p.PID))
		return
	}
	defer d.Close()
	root, err := d.Root()
	if err != nil {
		gap(rootfs.ReasonOf(err), rootfs.ErrorText(err))
		return
	}
	defer func() { _ = root.Close() }()
	may := overlay.Guard(p.Mounts.Mounts, s.pass.Live)
	root.Guard(may)

	id := identify(root, p.Mounts.Mounts)
	db, ok := s.database(ctx, root, id)
	if !ok {
		return // ctx has ended
	}
	inventory := fact.ImageInventory{OS: db.os, Manager: managerName(db.list.Manager), Packages: db.list.Packages}
	for _, g := range db.list.Gaps {
		gap(g.Reason, g.Detail)
	}
	noRoom := func() {
		gap(fact.Truncated, fmt.Sprintf("what is installed in the containers before it takes %d MiB already", maxRoom>>20))
	}
	if db.full {
		noRoom()
		return
	}
	programs := &programs{survey: s, root: root, may: may, layers: id.layers, inventory: &inventory, gap: gap}
	programs.read(ctx, ct, buf)
	if ctx.Err() != nil {
		return
	}
	if d.Ended(buf) {
		gap(fact.Changing, fmt.Sprintf("pid %d, through which it is read, has ended", p.PID))
		return
	}
	if !s.publish(ct, &inventory) {
		noRoom()
	}
}

// managerName is dpkg for apt, which is the name of the package manager that uses it.
func managerName(name string) string {
	if name == "apt" {
		return "dpkg"
	}
	return name
}

// patience is how much longer than one container may take a database is waited for
// that another container is reading: two at once would need their memory at once.
const patience = 4

// database returns what a container's database says, read now or before.
func (s *survey) database(ctx context.Context, root *rootfs.Root, id identity) (*database, bool) {
	if db := s.known(id); db != nil {
		return db, true
	}
	wait := time.NewTimer(patience * s.pass.Patience)
	defer wait.Stop()
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-wait.C: // it hangs, and what hangs reads nothing
	case <-ctx.Done():
		return nil, false
	}
	if db := s.known(id); db != nil {
		return db, true
	}
	db := &database{os: osrelease.Read(root)}
	for _, text := range osTexts(&db.os) {
		*text = short(*text)
	}
	if problem := tooLarge(root); problem != "" {
		db.list.Gaps = []fact.NodeGap{{What: fact.Images, Reason: fact.Truncated, Detail: problem}}
	} else {
		db.list = packages.Installed(ctx, root, db.os, fact.Images)
	}
	if ctx.Err() != nil {
		return nil, false
	}
	s.keep(db)
	for i := range db.list.Gaps {
		// The root's own name has a pid in it.
		db.list.Gaps[i].Detail = strings.ReplaceAll(db.list.Gaps[i].Detail, rootfs.Text(root.Name())+"/", "/")
	}
	if again := identifyAgain(root, id); again != id {
		db.list.Gaps = append(db.list.Gaps, fact.NodeGap{What: fact.Images, Reason: fact.Changing, Detail: "the package database changed while it was read"})
		return db, true // and nobody else's
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.databases) < maxDatabases {
		s.databases[id] = db
	}
	return db, true
}

// keep takes room for a database's packages, and gives them up if there is none.
func (s *survey) keep(db *database) {
	size := packageSize * len(db.list.Packages)
	for i := range db.list.Packages {
		p := &db.list.Packages[i]
		size += len(p.Name) + len(p.Arch) + len(p.Version) + len(p.Source) + len(p.SourceVersion) + len(p.Vendor)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if db.full = size > s.room; db.full {
		db.list.Packages = nil
		return
	}
	s.room -= size
	db.list.Packages = slices.Clip(db.list.Packages)
}

func (s *survey) known(id identity) *database {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.databases[id]
}

// publish makes an inventory known, and that it is the container's. It reports whether
// there was room for it.
func (s *survey) publish(ct *proctable.Container, inventory *fact.ImageInventory) bool {
	inventory.Key = keyOf(inventory)
	s.mu.Lock()
	known := s.published[inventory.Key]
	size := sizeOf(inventory)
	fits := known || size <= s.room
	if fits && !known {
		s.room -= size
		s.published[inventory.Key] = true
	}
	s.mu.Unlock()
	if !fits {
		return false
	}
	if !known {
		s.pass.Ledger.Update(func(m *fact.Measurement) {
			i, _ := slices.BinarySearchFunc(m.Images, inventory.Key, func(one fact.ImageInventory, key string) int { return cmp.Compare(one.Key, key) })
			m.Images = slices.Insert(m.Images, i, *inventory)
		})
	}
	s.pass.Ledger.Container(ct.Key(), func(mc *fact.MeasuredContainer) { mc.Image = inventory.Key })
	return true
}

// keyOf makes the key of an inventory's content.
func keyOf(inventory *fact.ImageInventory) string {
	content := *inventory
	content.Key = ""
	hash := sha256.New()
	_ = json.NewEncoder(hash).Encode(content) // texts and numbers: nothing fails
	return hex.EncodeToString(hash.Sum(nil)[:16])
}

// Sizes of what is kept, without texts, bytes.
const (
	packageSize   = 6 * 16
	moduleSize    = 4 * 16
	inventorySize = 512
)

// sizeOf is what an inventory takes in memory, bytes, without its packages.
func sizeOf(inventory *fact.ImageInventory) int {
	n := inventorySize + moduleSize*len(inventory.Modules)
	for i := range inventory.Modules {
		m := &inventory.Modules[i]
		n += len(m.Name) + len(m.Version) + len(m.Path)
	}
	return n
}

// maxText bounds a text in an inventory, bytes.
const maxText = 256

func short(text string) string {
	if len(text) > maxText {
		text = rootfs.Excerpt(text)
	}
	return rootfs.Text(text)
}

func osTexts(os *fact.OSRelease) []*string {
	return []*string{
		&os.Path, &os.ID, &os.IDLike, &os.VersionID, &os.Codename, &os.PrettyName, &os.VariantID, &os.ImageVersion, &os.BuildID,
		&os.OSTreeVersion, &os.KairosVersion,
	}
}
