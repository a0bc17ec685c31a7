package osv

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/sorted"
)

// Limits on what is kept of a database.
const (
	maxHits       = 1 << 20 // of all versions of all packages
	maxSeen       = 1 << 19 // records about packages of the query
	maxEcosystems = 10_000  // whose systems are remembered
)

// Query is what hosts and images have installed, and what a database says about it.
type Query struct {
	targets map[string]*target
	// uses remembers, by ecosystem of a record, the targets that it is for.
	uses map[string][]use

	// seen are the records about packages of the query, by id; kept are those that
	// say that something is affected, or that cannot be decided.
	seen map[string]seenRecord
	kept []keptRecord
	hits int
	full bool // more was found than is kept
	// latest is the last time at which a record can have been changed, 0 for any.
	latest time.Time

	decoder decoder
}

// target is a system that hosts of the query have.
type target struct {
	system
	covered  bool                // some record is for it
	modified time.Time           // of the newest of them
	packages map[string][]string // the installed versions, by name as in records
	found    map[installed][]hit
}

// installed is a version of a package, named as in records.
type installed struct{ name, version string }

type use struct {
	target *target
	role   role
}

// hit is what a record says about a version that is affected or undecided.
type hit struct {
	record  int // in kept
	verdict verdict
	fix     string
	why     string
	rating  rating
}

type seenRecord struct {
	modified time.Time
	kept     int // in Query.kept, -1 for none
}

type keptRecord struct {
	id string
	// aliases are other names of the same vulnerability, cves those of upstream
	// vulnerabilities that it is about.
	aliases, cves []string
	// replaced is true once a later version of the record was found.
	replaced bool
}

// NewQuery returns a query of no hosts.
func NewQuery() *Query {
	return &Query{targets: map[string]*target{}, uses: map[string][]use{}, seen: map[string]seenRecord{}}
}

// Add adds what a host has installed. It must not be called after Read.
func (q *Query) Add(host *fact.Host) {
	if s, unsupported := systemOf(host.OS); unsupported == "" {
		q.add(s, host.Inventory)
	}
}

func (q *Query) add(s system, packages []fact.InstalledPackage) {
	t := q.targets[s.name]
	if t == nil {
		t = &target{system: s, packages: map[string][]string{}, found: map[installed][]hit{}}
		q.targets[s.name] = t
	}
	for i := range packages {
		for _, p := range t.named(&packages[i]) {
			if !slices.Contains(t.packages[p.name], p.version) {
				t.packages[p.name] = append(t.packages[p.name], p.version)
			}
		}
	}
}

// named returns how records can name a package: by its source package and, where the
// system has such records, by its own name.
func (t *target) named(p *fact.InstalledPackage) []installed {
	var out []installed
	name, version := p.SourcePackage()
	if version != "" {
		out = append(out, installed{name, version})
	}
	if unsigned := unsigned(name); unsigned != name {
		out = append(out, installed{unsigned, withoutRebuild(p.Version)})
	}
	if own := (installed{p.Name, p.Version}); t.binaries && (len(out) == 0 || out[0] != own) {
		out = append(out, own)
	}
	return out
}

// unsigned is the source package of which Debian's and Ubuntu's kernels are signed
// copies. These are built from a source of their own (linux-signed-amd64, linux-signed,
// linux-signed-aws), which no record names, with the version of the unsigned package.
func unsigned(source string) string {
	rest, found := strings.CutPrefix(source, "linux-signed")
	switch rest {
	case "", "-amd64", "-arm64", "-i386":
		rest = ""
	}
	if !found || rest != "" && rest[0] != '-' {
		return source
	}
	return "linux" + rest
}

// withoutRebuild is a version without the number that Debian adds when it builds a
// package again from the same source: 6.1.192-2+b1.
func withoutRebuild(version string) string {
	if i := strings.LastIndex(version, "+b"); i > 0 && i+2 < len(version) && strings.Trim(version[i+2:], "0123456789") == "" {
		return version[:i]
	}
	return version
}

// cover notes that a record is for the target.
func (t *target) cover(modified, latest time.Time) {
	t.covered = true
	if modified.After(t.modified) && (latest.IsZero() || !modified.After(latest)) {
		t.modified = modified
	}
}

// usesOf returns the targets for which an ecosystem of a record counts.
func (q *Query) usesOf(ecosystem []byte) []use {
	if uses, known := q.uses[string(ecosystem)]; known {
		return uses
	}
	var uses []use
	name := string(ecosystem)
	for _, t := range q.targets {
		if r := t.role(name); r != foreign {
			uses = append(uses, use{t, r})
		}
	}
	if len(q.uses) < maxEcosystems {
		q.uses[name] = uses
	}
	return uses
}

// Of returns what the database says about a host of the query.
func (q *Query) Of(host *fact.Host) *fact.HostVulnerabilities {
	out := &fact.HostVulnerabilities{}
	s, unsupported := systemOf(host.OS)
	t := q.targets[s.name]
	if unsupported != "" || t == nil {
		out.Unsupported = unsupported
		return out
	}
	t.describe(out)
	h := &hostReport{query: q, target: t, out: out, names: newNames(q), most: ofHost}
	for i := range host.Inventory {
		h.add(&host.Inventory[i])
	}
	if host.Packages != nil {
		h.uncovered(host.Packages)
	}
	h.finish()
	return out
}

// describe says what records there are for the target.
func (t *target) describe(out *fact.HostVulnerabilities) {
	out.Ecosystem, out.Covered = t.name, t.covered
	if t.covered && !t.modified.IsZero() {
		out.Modified = fact.NewTime(t.modified.Truncate(time.Second))
	}
}

// bounds are how much of a report is listed.
type bounds struct{ fixable, unfixed, undecided, notCovered int }

var ofHost = bounds{fact.MaxVulnerabilities, fact.MaxUnfixed, fact.MaxUndecided, fact.MaxNotCovered}

// hostReport collects the vulnerabilities of one host, or of one part of an image.
type hostReport struct {
	most   bounds
	query  *Query
	target *target
	out    *fact.HostVulnerabilities
	names  *names
	// sources are the installed source packages with what was found for them. done
	// are the names whose hits were added to them.
	sources map[installed]*sourceReport
}

type sourceReport struct {
	binaries int
	done     map[installed]bool
	hits     []hit
}

func (h *hostReport) add(p *fact.InstalledPackage) {
	h.out.Packages++
	if p.Vendor != "" {
		h.out.NotCoveredCount++
		if len(h.out.NotCovered) < h.most.notCovered {
			h.out.NotCovered = append(h.out.NotCovered, p.Name)
		}
	}
	name, version := p.SourcePackage()
	if u := unsigned(name); u != name {
		name, version = u, withoutRebuild(p.Version)
	}
	key := installed{name, cmp.Or(version, p.Version)}
	if h.sources == nil {
		h.sources = map[installed]*sourceReport{}
	}
	source := h.sources[key]
	if source == nil {
		source = &sourceReport{done: map[installed]bool{}}
		h.sources[key] = source
	}
	source.binaries++
	for _, n := range h.target.named(p) {
		if !source.done[n] {
			source.done[n] = true
			for _, hit := range h.target.found[n] {
				if !h.query.kept[hit.record].replaced {
					source.hits = append(source.hits, hit)
					h.names.add(hit.record)
				}
			}
		}
	}
}

// uncovered counts the packages that by apt's lists are not the release's own.
func (h *hostReport) uncovered(state *fact.PackageState) {
	unlisted := max(0, state.UncoveredCount-len(state.Uncovered))
	h.out.NotCoveredCount += unlisted
	for i := range state.Uncovered {
		switch p := &state.Uncovered[i]; p.Why {
		case fact.OutsideLists, fact.OutsideRelease, fact.OutsideVersions, fact.OutsideAdvisory:
			h.out.NotCoveredCount++
			if len(h.out.NotCovered) < fact.MaxNotCovered {
				h.out.NotCovered = append(h.out.NotCovered, p.Name)
			}
		}
	}
}

// finish makes one vulnerability of the records that are about the same one, for
// each source package.
func (h *hostReport) finish() {
	type key struct {
		id string
		of installed
	}
	found := map[key]*fact.Vulnerability{}
	rated := map[key]rating{}
	open := map[string]bool{}
	for of, source := range h.sources {
		for _, hit := range source.hits {
			record := &h.query.kept[hit.record]
			if hit.verdict == undecided {
				open[fmt.Sprintf("%s %s: %s", record.id, of.name, hit.why)] = true
				continue
			}
			for _, id := range h.names.of(hit.record) {
				k := key{id, of}
				v := found[k]
				if v == nil {
					v = &fact.Vulnerability{ID: id, Package: of.name, Installed: of.version, Binaries: source.binaries}
					found[k] = v
				}
				if !slices.Contains(v.Records, record.id) {
					v.Records = append(v.Records, record.id)
				}
				if result, ok := h.target.order(v.Fixed, hit.fix); hit.fix != "" && (v.Fixed == "" || ok && result < 0) {
					v.Fixed = hit.fix
				}
				rated[k] = max(rated[k], hit.rating)
			}
		}
	}
	ids, fixable := map[string]bool{}, map[string]bool{}
	h.out.Found = make([]fact.Vulnerability, 0, len(found))
	for k, v := range found {
		slices.Sort(v.Records)
		v.Records = slices.Clip(v.Records[:min(len(v.Records), fact.MaxAdvisories)])
		v.Severity = rated[k].String()
		ids[k.id] = true
		if v.Fixed != "" {
			fixable[k.id] = true
		}
		h.out.Found = append(h.out.Found, *v)
	}
	sorted.Func(h.out.Found, func(a, b fact.Vulnerability) int {
		return cmp.Or(
			cmp.Compare(unfixed(&a), unfixed(&b)),
			cmp.Compare(slices.Index(ratings[:], b.Severity), slices.Index(ratings[:], a.Severity)),
			strings.Compare(a.Package, b.Package), strings.Compare(a.ID, b.ID), strings.Compare(a.Installed, b.Installed),
		)
	})
	h.limit()
	h.out.Total, h.out.Fixable = len(ids), len(fixable)
	h.out.UndecidedCount = len(open)
	for text := range open {
		h.out.Undecided = append(h.out.Undecided, text)
	}
	slices.Sort(h.out.Undecided)
	h.out.Undecided = slices.Clip(h.out.Undecided[:min(len(h.out.Undecided), h.most.undecided)])
	slices.Sort(h.out.NotCovered)
}

// limit leaves out what is too much: see fact.HostVulnerabilities.Found, which is
// sorted.
func (h *hostReport) limit() {
	all := h.out.Found
	fixable := slices.IndexFunc(all, func(v fact.Vulnerability) bool { return v.Fixed == "" })
	if fixable < 0 {
		fixable = len(all)
	}
	h.out.Found = slices.Concat(all[:min(fixable, h.most.fixable)], all[fixable:min(len(all), fixable+h.most.unfixed)])
	h.out.Unlisted = len(all) - len(h.out.Found)
}

func unfixed(v *fact.Vulnerability) int {
	if v.Fixed == "" {
		return 1
	}
	return 0
}

// names gives records the names of the vulnerabilities that they are about. Aliases
// are symmetric and transitive, so records that share one are about the same.
// Upstream vulnerabilities are no aliases: one advisory can be about many.
type names struct {
	query   *Query
	parent  map[string]string // of ids: union-find
	records map[int][]string  // what of has returned
}

func newNames(q *Query) *names {
	return &names{query: q, parent: map[string]string{}, records: map[int][]string{}}
}

func (n *names) root(id string) string {
	for {
		parent, known := n.parent[id]
		if !known || parent == id {
			return id
		}
		if above, known := n.parent[parent]; known {
			n.parent[id] = above
		}
		id = parent
	}
}

// add notes the aliases of a record. All are added before of is called.
func (n *names) add(record int) {
	r := &n.query.kept[record]
	for _, alias := range r.aliases {
		a, b := n.root(r.id), n.root(alias)
		if better(b, a) {
			a, b = b, a
		}
		if a != b {
			n.parent[b] = a
		}
	}
}

// better reports whether a names a vulnerability better than b: a CVE does, then the
// first in order.
func better(a, b string) bool {
	if isCVE(a) != isCVE(b) {
		return isCVE(a)
	}
	return a < b
}

// of returns the vulnerabilities that a record is about, at least one.
func (n *names) of(record int) []string {
	if ids, known := n.records[record]; known {
		return ids
	}
	r := &n.query.kept[record]
	ids := []string{n.root(r.id)}
	if !isCVE(ids[0]) && len(r.cves) > 0 {
		ids = r.cves
	}
	n.records[record] = ids
	return ids
}

func isCVE(id string) bool { return strings.HasPrefix(id, "CVE-") }
