package wire

import (
	"cmp"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"slices"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// shares are the sections' reserved parts of an answer, in thirty-seconds. What a
// section does not need is shared among those that need more: see allot.
var shares = [sections]int{
	hostSection:        2,
	serverSection:      1,
	etcdSection:        9,
	backupSection:      2,
	listenerSection:    1,
	componentSection:   1,
	certificateSection: 1,
	containerSection:   8,
	imageSection:       4,
	gapSection:         3,
}

// The resources that an answer has a limit of.
const (
	inZip    = iota // bytes of the stream, compressed
	inText          // bytes of the stream
	inMemory        // bytes in the receiver
	resources
)

// weights are what each section takes of each resource.
type weights [resources][sections]int

// fit compresses the stream of a measurement into at most limit bytes. Where it
// is too large, its records lose elements of their lists, in sections that need
// more than their share. errTooLarge is for a measurement that is too large
// even with empty lists.
func fit(m *fact.Measurement, limit int) (payload []byte, size int, err error) {
	c := newCutter(m)
	whole := m
	if c.oversized() { // not even once in memory
		whole = c.shorten(unlimited)
	}
	payload, size, err = c.compress(whole, limit)
	if !errors.Is(err, errTooLarge) {
		return payload, size, err
	}
	whole = c.shorten(unlimited)
	w, err := c.weigh(whole)
	if err != nil {
		return nil, 0, err
	}
	limits := [resources]int{inZip: limit, inText: MaxJSON, inMemory: MaxMemory}
	// Fewer elements compress a little worse, and gaps are added: 95 of 100
	// usually leaves room for that.
	for _, percent := range []int{95, 85, 70, 50, 35, 20, 10, 5, 2, 0} {
		var part [resources]int
		for r := range resources {
			part[r] = limits[r] / 100 * percent
		}
		payload, size, err = c.compress(c.shorten(w.totals(part)), limit)
		if !errors.Is(err, errTooLarge) {
			return payload, size, err
		}
	}
	return nil, 0, errTooLarge
}

// totals are the bytes of text that the records of each section may have
// together, where all sections may take limits.
func (w *weights) totals(limits [resources]int) [sections]int {
	var out [sections]int
	var parts [resources][sections]int
	for r := range resources {
		parts[r] = allot(limits[r], w[r])
	}
	for s := range sections {
		fraction := 1.0
		for r := range resources {
			if need := w[r][s]; need > parts[r][s] {
				fraction = min(fraction, float64(parts[r][s])/float64(need))
			}
		}
		out[s] = unlimited[s]
		if fraction < 1 {
			out[s] = int(float64(w[inText][s]) * fraction)
		}
	}
	return out
}

// allot gives each section what it needs, or at least its share; together at
// most total, because the shares add up to all of it.
func allot(total int, need [sections]int) (part [sections]int) {
	satisfied := [sections]bool{}
	for {
		rest, sum := total, 0
		for s := range sections {
			if satisfied[s] {
				rest -= need[s]
			} else {
				sum += shares[s]
			}
		}
		again := false
		for s := range sections {
			part[s] = need[s]
			if satisfied[s] {
				continue
			}
			if share := rest * shares[s] / max(sum, 1); need[s] > share {
				part[s] = share
			} else {
				satisfied[s], again = true, true
			}
		}
		if !again {
			return part
		}
	}
}

// cutter compresses a measurement, and shortens it.
type cutter struct {
	m     *fact.Measurement
	zip   *gzip.Writer
	meter meter

	sizes *sizes         // made once it is needed
	added []fact.NodeGap // for what was cut
}

func newCutter(m *fact.Measurement) *cutter {
	c := &cutter{m: m, zip: gzip.NewWriter(io.Discard)}
	c.meter.reset()
	return c
}

// sizes are those of everything in a measurement that can be left out.
type sizes struct {
	host             int // without its lists
	pending, kernels list
	inventory        list
	servers          list
	heads            list   // databases without their Secrets
	secrets          []list // of each database
	backups          list
	listeners        list
	components       list
	certificates     list
	containers       []*parts
	bare             list // containers without their lists
	images           []int
	gaps             list
}

// measure makes the sizes.
func (c *cutter) measure() *sizes {
	if c.sizes != nil {
		return c.sizes
	}
	m, s := c.m, new(sizes)
	c.sizes = s
	bare := bareHost(m)
	s.host = c.meter.of(record{Host: &bare}) + 64 // and the names of the lists
	s.kernels = listOf(c, m.Host.Installed, nil, MaxRecord)
	s.inventory = listOf(c, m.Host.Inventory, nil, MaxRecord)
	if m.Host.Packages != nil {
		s.pending = listOf(c, m.Host.Packages.Pending, func(u *fact.PendingUpdate) bool { return u.Security != "" }, MaxRecord)
	}
	s.servers = listOf(c, m.APIServers, nil, MaxRecord-wrapping)
	heads := slices.Clone(m.Etcd)
	for i := range heads {
		heads[i] = slim(&heads[i])
		// A page of any such Secrets is no record that is too large.
		s.secrets = append(s.secrets, listOf(c, m.Etcd[i].Secrets, func(s *fact.StoredSecret) bool { return s.Class.Plaintext() }, MaxRecord/MaxPage-1))
	}
	s.heads = listOf(c, heads, nil, MaxRecord-wrapping)
	s.backups = listOf(c, m.Backups, func(b *fact.Backup) bool { return b.Values > 0 }, MaxRecord-wrapping)
	s.listeners = listOf(c, m.Listeners, func(l *fact.Listener) bool { return l.Purpose.Kind() == fact.ServerTLS }, MaxRecord-wrapping)
	s.components = listOf(c, m.Components, func(p *fact.Component) bool { return p.Program.Kind() == fact.ServerSettings }, MaxRecord-wrapping)
	s.certificates = listOf(c, m.Certificates, nil, MaxRecord-wrapping)
	s.bare.most = MaxRecord
	for i := range m.Containers {
		p := c.containerParts(&m.Containers[i])
		s.containers = append(s.containers, p)
		s.bare.sizes = append(s.bare.sizes, int32(min(p.bare, math.MaxInt32))) //nolint:gosec // at most that
		s.bare.wanted = append(s.bare.wanted, slices.Contains(p.lists[upperFiles].wanted, true) || slices.Contains(p.lists[processList].wanted, true))
	}
	for i := range m.Images {
		s.images = append(s.images, c.imageSize(&m.Images[i]))
	}
	s.gaps = listOf(c, m.Gaps, func(g *fact.NodeGap) bool { return g.Container == "" }, MaxRecord-wrapping)
	return s
}

// bareHost is the host's record without the lists that can be cut.
func bareHost(m *fact.Measurement) fact.Measurement {
	bare := *m
	bare.APIServers, bare.Etcd, bare.Backups, bare.Containers, bare.Images, bare.Gaps, bare.Host.Installed, bare.Host.Inventory = nil, nil, nil, nil, nil, nil, nil, nil
	bare.Listeners, bare.Components, bare.Certificates = nil, nil, nil
	if m.Host.Packages != nil {
		packages := *m.Host.Packages
		packages.Pending = nil
		bare.Host.Packages = &packages
	}
	return bare
}

// meter counts the bytes of a value as text.
type meter struct {
	text *json.Encoder
	n    int
}

func (m *meter) reset() {
	m.text = json.NewEncoder(m)
	m.text.SetEscapeHTML(false)
}

func (m *meter) Write(p []byte) (int, error) {
	m.n += len(p)
	return len(p), nil
}

// of counts a value with its newline or comma. What cannot be encoded has no
// length: encoding it later reports the error.
func (m *meter) of(v any) int {
	m.n = 0
	_ = m.text.Encode(v)
	return m.n
}

// errTooLarge means that a measurement exceeds a limit and must be cut.
var errTooLarge = errors.New("too large")

// compress gives the gzip stream of the measurement's records; errTooLarge beyond
// limit bytes, MaxJSON or MaxRecord, or MaxMemory once it is decoded.
func (c *cutter) compress(m *fact.Measurement, limit int) (payload []byte, size int, err error) {
	if cost(m) > MaxMemory {
		return nil, 0, errTooLarge
	}
	out := bounded{limit: limit}
	c.zip.Reset(&out)
	lines := newLines(c.zip)
	if err := records(m, func(_ section, r record) error { return lines.write(r) }); err != nil {
		return nil, 0, err
	}
	if err := c.zip.Close(); err != nil {
		return nil, 0, err
	}
	return out.data, lines.n, nil
}

// lines writes records, one at a time: the text as a whole is never in memory.
type lines struct {
	w    io.Writer
	text *json.Encoder
	n    int
}

func newLines(w io.Writer) *lines {
	l := &lines{w: w}
	l.text = json.NewEncoder(l)
	l.text.SetEscapeHTML(false)
	return l
}

func (l *lines) write(r record) error {
	before := l.n
	if err := l.text.Encode(r); err != nil {
		return err
	}
	if l.n-before > MaxRecord {
		return errTooLarge
	}
	return nil
}

func (l *lines) Write(p []byte) (int, error) {
	if l.n += len(p); l.n > MaxJSON {
		return 0, errTooLarge
	}
	return l.w.Write(p)
}

// bounded keeps what is written up to its limit.
type bounded struct {
	data  []byte
	limit int
}

func (b *bounded) Write(p []byte) (int, error) {
	if len(b.data)+len(p) > b.limit {
		return 0, errTooLarge
	}
	b.data = append(b.data, p...)
	return len(p), nil
}

// weigh measures each section by itself.
func (c *cutter) weigh(m *fact.Measurement) (*weights, error) {
	w := new(weights)
	var out meter
	c.zip.Reset(&out)
	current := hostSection
	finish := func() {
		_ = c.zip.Close() // nothing fails: it is only counted
		w[inZip][current] = out.n
		out.n = 0
		c.zip.Reset(&out)
	}
	all := &weighing{zip: c.zip, n: &w[inText]}
	encoder := json.NewEncoder(all)
	encoder.SetEscapeHTML(false)
	err := records(m, func(s section, r record) error {
		if s != current {
			finish()
			current = s
		}
		if s == endSection {
			return nil
		}
		all.section = s
		return encoder.Encode(r)
	})
	if err != nil {
		return nil, err
	}
	w[inMemory][hostSection] = layout().whole.size
	for _, f := range layout().whole.fields {
		w[inMemory][sectionOf(f.name)] += f.shape.cost(reflect.ValueOf(m).Elem().Field(f.index))
	}
	return w, nil
}

// sectionOf is that of a measurement's field.
func sectionOf(field string) section {
	switch field {
	case "apiServers":
		return serverSection
	case "etcd":
		return etcdSection
	case "backups":
		return backupSection
	case "listeners":
		return listenerSection
	case "components":
		return componentSection
	case "certificates":
		return certificateSection
	case "containers":
		return containerSection
	case "images":
		return imageSection
	case "gaps":
		return gapSection
	}
	return hostSection
}

// weighing counts the text of each section and compresses it.
type weighing struct {
	zip     *gzip.Writer
	n       *[sections]int
	section section
}

func (w *weighing) Write(p []byte) (int, error) {
	w.n[w.section] += len(p)
	return w.zip.Write(p)
}

// unlimited leaves only the limit of each record.
var unlimited = func() (all [sections]int) {
	for s := range all {
		all[s] = math.MaxInt / 8 // so that their sum is no overflow
	}
	return all
}()

// oversized reports whether a container's or an image's record must not even be made, because
// it would take too much memory here. Other records are found to be too large
// once they are made.
func (c *cutter) oversized() bool {
	s := layout().container
	for i := range c.m.Containers {
		ct := &c.m.Containers[i]
		if s.cost(reflect.ValueOf(ct).Elem()) > MaxRecord/4 && c.containerParts(ct).size() > MaxRecord {
			return true
		}
	}
	for i := range c.m.Images {
		image := &c.m.Images[i]
		if layout().image.cost(reflect.ValueOf(image).Elem()) > MaxRecord/4 && c.imageSize(image) > MaxRecord {
			return true
		}
	}
	return false
}

// imageSize is the size of an inventory's record, measured in pieces.
func (c *cutter) imageSize(image *fact.ImageInventory) int {
	bare := *image
	bare.Packages, bare.Modules = nil, nil
	n := c.meter.of(record{Image: &bare}) + 64 // and the names of the lists
	for i := range image.Packages {
		n += c.meter.of(&image.Packages[i])
	}
	for i := range image.Modules {
		n += c.meter.of(&image.Modules[i])
	}
	return n
}

// shorten returns a copy of the measurement whose records have at most MaxRecord
// bytes each, and those of each section at most totals together, with a gap for
// what that cost. Elements are shared with the measurement.
func (c *cutter) shorten(totals [sections]int) *fact.Measurement {
	short, s := *c.m, c.measure()
	c.added = nil
	c.host(&short, s, totals[hostSection])
	c.servers(&short, s, totals[serverSection])
	c.etcd(&short, s, totals[etcdSection])
	c.backups(&short, s, totals[backupSection])
	c.listeners(&short, s, totals[listenerSection])
	c.components(&short, s, totals[componentSection])
	c.certificates(&short, s, totals[certificateSection])
	c.containers(&short, s, totals[containerSection])
	c.images(&short, s, totals[imageSection])
	c.gaps(&short, s, totals[gapSection])
	if len(c.added) > 0 {
		short.Gaps = slices.Concat(short.Gaps, c.added)
	}
	return &short
}

// lost adds gaps for elements that were cut, of the node or of a container.
func (c *cutter) lost(kinds []fact.Kind, container string, kept, of int, name string) {
	if kept == of {
		return
	}
	for _, kind := range kinds {
		c.added = append(c.added, fact.NodeGap{
			What: kind, Container: container, Reason: fact.Truncated,
			Detail: fmt.Sprintf("%d of %d %s sent: there was no room for more in the node's answer", kept, of, name),
		})
	}
}

func (c *cutter) host(m *fact.Measurement, s *sizes, total int) {
	keep := choose(min(total, MaxRecord)-s.host, s.pending, s.kernels, s.inventory)
	inventory := picked(m.Host.Inventory, keep[2])
	c.lost([]fact.Kind{fact.Inventory}, "", len(inventory), len(m.Host.Inventory), "installed packages")
	m.Host.Inventory = inventory
	kernels := picked(m.Host.Installed, keep[1])
	c.lost([]fact.Kind{fact.Kernel}, "", len(kernels), len(m.Host.Installed), "installed kernels")
	m.Host.Installed = kernels
	if n := count(keep[0]); n < len(keep[0]) {
		packages := *m.Host.Packages
		packages.Pending = picked(packages.Pending, keep[0])
		m.Host.Packages = &packages
		c.lost([]fact.Kind{fact.Packages}, "", n, len(keep[0]), "pending updates")
	}
}

func (c *cutter) servers(m *fact.Measurement, s *sizes, total int) {
	kept := picked(m.APIServers, choose(total, s.servers)[0])
	c.lost([]fact.Kind{fact.EncryptionConfig}, "", len(kept), len(m.APIServers), "API servers")
	m.APIServers = kept
}

// wrapping is what a record has besides its value, at most.
const wrapping = len(`{"certificate":}`)

func (c *cutter) etcd(m *fact.Measurement, s *sizes, total int) {
	chosen := choose(total, s.heads)[0]
	kept := slices.Clone(picked(m.Etcd, chosen))
	c.lost([]fact.Kind{fact.Etcd}, "", len(kept), len(m.Etcd), "etcd databases")
	m.Etcd = kept
	before, after := 0, 0
	for i, keep := range choose(total-s.heads.sum(chosen), picked(s.secrets, chosen)...) {
		db := &kept[i]
		secrets := db.Secrets
		*db = slim(db)
		db.Secrets = secrets
		secrets = picked(db.Secrets, keep)
		before, after = before+len(db.Secrets), after+len(secrets)
		if len(secrets) < len(db.Secrets) {
			db.Total, db.Complete = max(db.Total, len(db.Secrets)), false
		}
		db.Secrets = secrets
	}
	c.lost([]fact.Kind{fact.Etcd}, "", after, before, "Secrets in etcd")
}

// slim is a database without its Secrets and, if they are many, without the names of
// other lists whose numbers stay.
func slim(db *fact.EtcdDB) fact.EtcdDB {
	const many = 200
	out := *db
	out.Secrets = nil
	names := 0
	for i := range out.Remains {
		names += len(out.Remains[i].Secrets)
	}
	if names > many {
		out.Remains = slices.Clone(out.Remains)
		for i := range out.Remains {
			out.Remains[i].Secrets = nil
		}
	}
	if out.History != nil && len(out.History.Deleted) > many {
		history := *out.History
		history.Deleted = nil
		out.History = &history
	}
	return out
}

func (c *cutter) backups(m *fact.Measurement, s *sizes, total int) {
	kept := picked(m.Backups, choose(total, s.backups)[0])
	c.lost([]fact.Kind{fact.Backups}, "", len(kept), len(m.Backups), "backups")
	m.Backups = kept
}

// listeners keeps those of etcd and the API server before others. Each kind has a gap
// of its own for those that were left out.
func (c *cutter) listeners(m *fact.Measurement, s *sizes, total int) {
	keep := choose(total, s.listeners)[0]
	for _, kind := range []fact.Kind{fact.ServerTLS, fact.NodeTLS} {
		kept, of := keptOf(m.Listeners, keep, func(l *fact.Listener) bool { return l.Purpose.Kind() == kind })
		c.lost([]fact.Kind{kind}, "", kept, of, "listeners")
	}
	m.Listeners = picked(m.Listeners, keep)
}

func (c *cutter) components(m *fact.Measurement, s *sizes, total int) {
	keep := choose(total, s.components)[0]
	for _, kind := range []fact.Kind{fact.ServerSettings, fact.NodeSettings} {
		kept, of := keptOf(m.Components, keep, func(p *fact.Component) bool { return p.Program.Kind() == kind })
		c.lost([]fact.Kind{kind}, "", kept, of, "programs of the cluster")
	}
	m.Components = picked(m.Components, keep)
}

func (c *cutter) certificates(m *fact.Measurement, s *sizes, total int) {
	kept := picked(m.Certificates, choose(total, s.certificates)[0])
	c.lost([]fact.Kind{fact.Certificates}, "", len(kept), len(m.Certificates), "files with certificates")
	m.Certificates = kept
}

// keptOf counts the elements of one kind, and those of them that are kept.
func keptOf[T any](items []T, keep []bool, of func(*T) bool) (kept, all int) {
	for i := range items {
		if of(&items[i]) {
			all++
			if keep[i] {
				kept++
			}
		}
	}
	return kept, all
}

// The lists of a container.
const (
	upperFiles = iota
	upperData
	processList
	mountList
	deviceList
	environmentList
	containerLists
)

// containerList names a list of containers, and the kinds that it is of.
var containerList = [containerLists]struct {
	name  string
	kinds []fact.Kind
}{
	upperFiles:  {"executables in writable layers", []fact.Kind{fact.Upperdir}},
	upperData:   {"files in writable layers", []fact.Kind{fact.Upperdir}},
	processList: {"processes", []fact.Kind{fact.Processes, fact.Executables}},
	mountList:   {"mounts", []fact.Kind{fact.Mounts}},
	deviceList:  {"devices", []fact.Kind{fact.Devices}},

	environmentList: {"variables with credentials", []fact.Kind{fact.Environment}},
}

// parts are the sizes of a container's record: without its lists, and of each
// list.
type parts struct {
	bare  int
	lists [containerLists]list
}

func (p *parts) size() int {
	n := p.bare
	for i := range p.lists {
		n += p.lists[i].sum(nil)
	}
	return n
}

// drifted reports whether an executable is not the image's.
func drifted(o fact.Origin) bool {
	switch o {
	case fact.OriginImage, fact.OriginMetadata, fact.OriginDeletedImage, fact.OriginReadOnly:
		return false
	}
	return true
}

func (c *cutter) containerParts(ct *fact.MeasuredContainer) *parts {
	p := new(parts)
	bare := *ct
	bare.Processes, bare.Mounts, bare.Devices, bare.Environment = nil, nil, nil, nil
	var found, data []fact.UpperFile
	if ct.Upper != nil {
		upper := *ct.Upper
		found, data, upper.Files, upper.Data = upper.Files, upper.Data, nil, nil
		bare.Upper = &upper
	}
	p.bare = c.meter.of(record{Container: &bare}) + 64 // and the names of the lists
	p.lists[upperFiles] = listOf(c, found, func(f *fact.UpperFile) bool { return drifted(f.Origin) || f.Gained != "" }, MaxRecord)
	p.lists[upperData] = listOf(c, data, nil, MaxRecord)
	p.lists[processList] = listOf(c, ct.Processes, func(p *fact.Process) bool {
		return p.Exe != nil && (drifted(p.Exe.Origin) || p.Exe.Gained != "") || len(p.Scripts) > 0 || p.Mapped != nil && len(p.Mapped.Files) > 0 ||
			p.Threads != nil && len(p.Threads.Differing) > 0 || p.Moved != ""
	}, MaxRecord)
	p.lists[mountList] = listOf(c, ct.Mounts, nil, MaxRecord)
	p.lists[deviceList] = listOf(c, ct.Devices, nil, MaxRecord)
	p.lists[environmentList] = listOf(c, ct.Environment, nil, MaxRecord)
	return p
}

// maxContainerGaps is how many containers have gaps of their own for what was
// cut. Beyond, the node has one.
const maxContainerGaps = 32

func (c *cutter) containers(m *fact.Measurement, s *sizes, total int) {
	all, chosen := s.containers, choose(total, s.bare)[0]
	total -= s.bare.sum(chosen)
	var lists []int // what the lists of the remaining ones take
	for i, keep := range chosen {
		if keep {
			lists = append(lists, all[i].size()-all[i].bare)
		}
	}
	level := levelOf(lists, total)

	type loss struct {
		container  string
		kept, from int
	}
	var losses [containerLists][]loss
	var kept []fact.MeasuredContainer
	for i := range m.Containers {
		if !chosen[i] {
			continue
		}
		ct, p := m.Containers[i], all[i]
		keep := choose(min(level, MaxRecord-p.bare), p.lists[:]...)
		for j := range keep {
			if n := count(keep[j]); n < len(keep[j]) {
				losses[j] = append(losses[j], loss{ct.ID, n, len(keep[j])})
			}
		}
		if count(keep[upperFiles]) < len(keep[upperFiles]) {
			upper := *ct.Upper
			upper.Total = max(upper.Total, len(upper.Files))
			upper.Files = picked(upper.Files, keep[upperFiles])
			ct.Upper = &upper
		}
		if count(keep[upperData]) < len(keep[upperData]) {
			upper := *ct.Upper
			upper.Data = picked(upper.Data, keep[upperData])
			ct.Upper = &upper
		}
		ct.Processes = picked(ct.Processes, keep[processList])
		ct.Mounts = picked(ct.Mounts, keep[mountList])
		ct.Devices = picked(ct.Devices, keep[deviceList])
		if count(keep[environmentList]) < len(keep[environmentList]) {
			ct.EnvironmentTotal = max(ct.EnvironmentTotal, len(ct.Environment))
			ct.Environment = picked(ct.Environment, keep[environmentList])
		}
		kept = append(kept, ct)
	}
	c.lost(fact.KindsOf(fact.OfContainer), "", len(kept), len(m.Containers), "containers")
	m.Containers = kept
	for j, l := range containerList {
		if len(losses[j]) <= maxContainerGaps {
			for _, one := range losses[j] {
				c.lost(l.kinds, one.container, one.kept, one.from, l.name)
			}
			continue
		}
		n, of := 0, 0
		for _, one := range losses[j] {
			n, of = n+one.kept, of+one.from
		}
		c.lost(l.kinds, "", n, of, fmt.Sprintf("%s of %d containers", l.name, len(losses[j])))
	}
}

// images leaves out whole inventories, the largest first: half of one is good for
// nothing. Containers whose inventory is gone refer to none.
func (c *cutter) images(m *fact.Measurement, s *sizes, total int) {
	order := make([]int, len(s.images))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(s.images[a], s.images[b]) })
	keep := make([]bool, len(s.images))
	for _, i := range order {
		if n := s.images[i]; n <= min(total, MaxRecord) {
			keep[i] = true
			total -= n
		}
	}
	if count(keep) == len(keep) {
		return
	}
	lost := map[string]bool{}
	for i := range m.Images {
		if !keep[i] {
			lost[m.Images[i].Key] = true
		}
	}
	m.Images = picked(m.Images, keep)
	of := slices.Clone(m.Containers)
	var without []string
	for i := range of {
		if lost[of[i].Image] {
			without, of[i].Image = append(without, of[i].ID), ""
		}
	}
	m.Containers = of
	gap := fact.NodeGap{What: fact.Images, Reason: fact.Truncated}
	if len(without) > maxContainerGaps {
		gap.Detail = fmt.Sprintf("what is installed in %d containers was not sent: there was no room for it in the node's answer", len(without))
		c.added = append(c.added, gap)
		return
	}
	for _, id := range without {
		gap.Container, gap.Detail = id, "what is installed in it was not sent: there was no room for it in the node's answer"
		c.added = append(c.added, gap)
	}
}

// gaps leaves out a gap only if another gap of its kind says so.
func (c *cutter) gaps(m *fact.Measurement, s *sizes, total int) {
	keep := choose(total, s.gaps)[0]
	var kinds []fact.Kind
	for i, gap := range m.Gaps {
		if !keep[i] && !slices.Contains(kinds, gap.What) {
			kinds = append(kinds, gap.What)
		}
	}
	for _, kind := range kinds {
		of, n := 0, 0
		for i, gap := range m.Gaps {
			if gap.What != kind {
				continue
			}
			of++
			if keep[i] {
				n++
			}
		}
		c.lost([]fact.Kind{kind}, "", n, of, "gaps")
	}
	m.Gaps = picked(m.Gaps, keep)
}

// list describes a list whose elements may be left out: their sizes as text,
// and which are wanted more than others. No element beyond most bytes is kept.
type list struct {
	sizes  []int32
	wanted []bool
	most   int
}

func listOf[T any](c *cutter, items []T, wanted func(*T) bool, most int) list {
	l := list{sizes: make([]int32, len(items)), wanted: make([]bool, len(items)), most: most}
	for i := range items {
		l.sizes[i] = int32(min(c.meter.of(&items[i]), math.MaxInt32)) //nolint:gosec // at most that
		l.wanted[i] = wanted != nil && wanted(&items[i])
	}
	return l
}

// sum is the size of the elements that are kept, or of all.
func (l *list) sum(keep []bool) int {
	n := 0
	for i, size := range l.sizes {
		if keep == nil || keep[i] {
			n += int(size)
		}
	}
	return n
}

// choose decides which elements of lists that share total bytes are kept, in
// their order: first those that are wanted, then the others. Each list has an
// equal part, and more if others need less.
func choose(total int, lists ...list) [][]bool {
	keep := make([][]bool, len(lists))
	for i := range lists {
		keep[i] = make([]bool, len(lists[i].sizes))
	}
	for _, wanted := range []bool{true, false} {
		needs := make([]int, len(lists))
		for i, l := range lists {
			for j, size := range l.sizes {
				if n := int(size); l.wanted[j] == wanted && n <= l.most {
					needs[i] += n
				}
			}
		}
		level := levelOf(needs, total)
		for i, l := range lists {
			left := min(needs[i], level)
			for j, size := range l.sizes {
				if n := int(size); l.wanted[j] == wanted && n <= min(left, l.most) {
					keep[i][j] = true
					left -= n
					total -= n
				}
			}
		}
	}
	return keep
}

// levelOf returns the most that each may take if all share total and none takes
// more than it needs.
func levelOf(needs []int, total int) int {
	sorted := slices.Sorted(slices.Values(needs))
	for i, need := range sorted {
		left := len(sorted) - i
		if need > total/left {
			return max(total, 0) / left
		}
		total -= need
	}
	return math.MaxInt
}

func count(keep []bool) int {
	n := 0
	for _, k := range keep {
		if k {
			n++
		}
	}
	return n
}

// picked are the elements that are kept: the same list if all are.
func picked[T any](items []T, keep []bool) []T {
	n := count(keep)
	if n == len(items) {
		return items
	}
	out := make([]T, 0, n)
	for i := range items {
		if keep[i] {
			out = append(out, items[i])
		}
	}
	return out
}
