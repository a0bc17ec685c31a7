package osv

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"
)

// Limits on one record. The largest published ones, of kernels, have some megabytes.
const (
	maxRecord  = 16 << 20 // bytes
	maxEvents  = 10_000   // of a package, all ranges together
	maxIDs     = 1000     // aliases, and upstream vulnerabilities
	maxID      = 128      // bytes
	maxVersion = 256      // bytes
)

// Errors of records. They quote nothing of the record.
var (
	errJSON     = errors.New("expected JSON, found something else or a part of it")
	errObject   = errors.New("expected an object with an id and a time of change (modified), found another value")
	errSchema   = errors.New("expected version 1 of the schema, found another")
	errAffected = errors.New("expected a list in the field affected, found another value")
	errLarge    = errors.New("larger than a record may be")
)

// decoder reads records. It keeps its buffers from one to the next.
type decoder struct {
	text   []byte
	events []event
	ranges []int // where in events each range ends
	hits   []found
	index  map[place]int // in hits
}

// place is what a record has one verdict about.
type place struct {
	target *target
	of     installed
}

// found is a hit of the current record.
type found struct {
	target *target
	of     installed
	role   role
	hit
}

// head is what a record says about itself. The numbers are places of values in the
// text, -1 without one.
type head struct {
	id        []byte // in the text, or a copy
	modified  time.Time
	withdrawn bool
	aliases, upstream, severity, affected,
	summary, specific int
}

// record reads one record and adds what it says about packages of the query. It
// returns the time at which the record was changed. An error means that nothing of
// it was used.
func (q *Query) record(text []byte) (modified time.Time, err error) {
	h, err := readHead(text)
	if err != nil {
		return time.Time{}, err
	}
	d := &q.decoder
	d.text, d.hits = text, d.hits[:0]
	clear(d.index)
	relevant := h.withdrawn
	if h.affected >= 0 {
		c := cursor{text, h.affected}
		if !c.list(func() { relevant = q.affected(&c, &h) || relevant }) {
			if c = (cursor{text, h.affected}); c.peek() != 'n' {
				return time.Time{}, errAffected
			}
		}
	}
	if !relevant {
		return h.modified, nil
	}
	// Of two records with one id, the one that was changed later counts.
	before, known := q.seen[string(h.id)]
	switch {
	case known && !h.modified.After(before.modified):
		return h.modified, nil
	case known && before.kept >= 0:
		q.kept[before.kept].replaced = true
	case !known && len(q.seen) == maxSeen:
		q.full = true
		return h.modified, nil
	}
	now := seenRecord{modified: h.modified, kept: -1}
	if hits := d.decided(); len(hits) > 0 && !h.withdrawn {
		if q.hits += len(hits); q.hits > maxHits {
			q.full = true
			return h.modified, nil
		}
		now.kept = len(q.kept)
		q.kept = append(q.kept, d.keep(&h))
		for _, f := range hits {
			f.record = now.kept
			f.target.found[f.of] = append(f.target.found[f.of], f.hit)
		}
	}
	q.seen[string(h.id)] = now
	return h.modified, nil
}

// readHead checks a record and finds its fields.
func readHead(text []byte) (head, error) {
	h := head{aliases: -1, upstream: -1, severity: -1, affected: -1, summary: -1, specific: -1}
	if !json.Valid(text) {
		return h, errJSON
	}
	c := cursor{text: text}
	var schema []byte
	isObject := c.object(func(name []byte) {
		at := c.at
		switch string(name) {
		case "id":
			h.id = idOf(c.string())
			return
		case "modified":
			if h.modified.UnmarshalText(c.string()) != nil {
				h.modified = time.Time{}
			}
			return
		case "withdrawn":
			h.withdrawn = c.peek() == '"' && len(c.string()) > 0
			if !h.withdrawn {
				c.at = at
			}
		case "schema_version":
			schema = c.string()
			return
		case "aliases":
			h.aliases = at
		case "upstream":
			h.upstream = at
		case "severity":
			h.severity = at
		case "affected":
			h.affected = at
		case "summary":
			h.summary = at
		case "database_specific":
			h.specific = at
		}
		if c.at == at {
			c.skip()
		}
	})
	switch {
	case !isObject || len(h.id) == 0 || h.modified.IsZero():
		return h, errObject
	case len(schema) > 0 && schema[0] != '1' || len(schema) > 1 && schema[1] != '.':
		return h, errSchema
	}
	return h, nil
}

// idOf returns an identifier, nil if it is not one.
func idOf(text []byte) []byte {
	if len(text) > maxID {
		return nil
	}
	for _, b := range text {
		if b <= ' ' || b > '~' {
			return nil
		}
	}
	return text
}

// affected reads one item of affected[]. It reports whether it is about a package of
// the query.
func (q *Query) affected(c *cursor, h *head) bool {
	var ecosystem, name []byte
	ranges, versions, severity, ecosystemSpecific, databaseSpecific := -1, -1, -1, -1, -1
	c.object(func(field []byte) {
		at := c.at
		switch string(field) {
		case "package":
			c.object(func(field []byte) {
				switch string(field) {
				case "ecosystem":
					ecosystem = c.string()
				case "name":
					name = c.string()
				default:
					c.skip()
				}
			})
			return
		case "ranges":
			ranges = at
		case "versions":
			versions = at
		case "severity":
			severity = at
		case "ecosystem_specific":
			ecosystemSpecific = at
		case "database_specific":
			databaseSpecific = at
		}
		c.skip()
	})
	if len(ecosystem) == 0 || len(name) == 0 {
		return false
	}
	relevant, read := false, false
	why, rated := "", unrated
	for _, use := range q.usesOf(ecosystem) {
		if use.role != unscoped && !h.withdrawn {
			use.target.cover(h.modified, q.latest)
		}
		wanted := use.target.packages[string(name)]
		if use.target.normal != nil {
			name = []byte(use.target.normal(string(name)))
			wanted = use.target.packages[string(name)]
		}
		if len(wanted) == 0 {
			continue
		}
		relevant = true
		if h.withdrawn {
			continue
		}
		d := &q.decoder
		if !read {
			read = true
			why = d.readRanges(ranges, use.target.language)
			rated = d.rating(h, ecosystemSpecific, severity, databaseSpecific)
		}
		for _, version := range wanted {
			f := found{target: use.target, of: installed{string(name), version}, role: use.role}
			f.rating = rated
			if f.verdict, f.why = undecided, whyRelease; use.role != unscoped {
				f.verdict, f.fix, f.why = d.judge(version, versions, why, use.target.order)
			}
			d.add(f)
		}
	}
	return relevant
}

// readRanges reads ranges[] into events. It returns why the ranges do not decide
// everything, "" if they do. Those of languages can be of type SEMVER.
func (d *decoder) readRanges(at int, language bool) (why string) {
	d.events, d.ranges = d.events[:0], d.ranges[:0]
	if at < 0 {
		return ""
	}
	c := cursor{d.text, at}
	if !c.list(func() {
		kind, events := "", -1
		c.object(func(field []byte) {
			switch string(field) {
			case "type":
				kind = string(c.string())
				return
			case "events":
				events = c.at
			}
			c.skip()
		})
		switch {
		case kind == "GIT":
		case kind != "ECOSYSTEM" && (kind != "SEMVER" || !language):
			why = whyType
		case events < 0:
			why = whyNoStart
		default:
			end := c.at
			c.at = events
			if problem := d.readEvents(&c); problem != "" {
				why = problem
			}
			c.at = end
			d.ranges = append(d.ranges, len(d.events))
		}
	}) {
		if c = (cursor{d.text, at}); c.peek() != 'n' {
			return whyForm
		}
	}
	return why
}

func (d *decoder) readEvents(c *cursor) (why string) {
	if !c.list(func() {
		kinds := 0
		isObject := c.object(func(field []byte) {
			kind := slices.Index(eventKinds[:], string(field))
			if kind < 0 {
				c.skip()
				return
			}
			kinds++
			text := c.string()
			if len(d.events) == maxEvents || len(text) > maxVersion {
				why = whyLong
				return
			}
			d.events = append(d.events, event{eventKind(kind), string(text)})
		})
		if !isObject || kinds != 1 {
			why = whyEvent
		}
	}) {
		return whyForm
	}
	return why
}

// judge decides about one version by the events that were read and the list versions.
func (d *decoder) judge(version string, versions int, why string, order Order) (verdict, string, string) {
	v, fix := notAffected, ""
	start := 0
	for _, end := range d.ranges {
		events := d.events[start:end]
		start = end
		one, itsFix, itsWhy := evaluate(version, events, order)
		if one == isAffected {
			one, itsWhy = ofModule(version, itsFix)
		}
		switch one {
		case isAffected:
			v = isAffected
			if result, ok := order(fix, itsFix); itsFix != "" && (fix == "" || ok && result < 0) {
				fix = itsFix
			}
		case undecided:
			why = itsWhy
		}
	}
	listed := 0
	if v != isAffected && versions >= 0 {
		c := cursor{d.text, versions}
		isList := c.strings(func(text []byte) {
			listed++
			if v == isAffected || len(text) == 0 {
				return
			}
			listed := string(text)
			if result, ok := order(listed, version); listed == version || ok && result == 0 {
				v = isAffected
			}
		})
		if c = (cursor{d.text, versions}); !isList && c.peek() != 'n' {
			why = whyForm
		}
	}
	switch {
	case v == isAffected:
		return isAffected, fix, ""
	case why != "":
		return undecided, "", why
	case len(d.ranges) == 0 && listed == 0:
		return undecided, "", whyNothing
	}
	return notAffected, "", ""
}

// ofModule decides about a version that is older than a fixed one, where one of them
// is from a module (modularity of RHEL's family): each stream of a module has
// versions of its own, and no record names the stream. A fix in a module is nothing
// for a package from elsewhere, and the reverse. Streams differ in the first or
// second number: nodejs:20, php:8.1.
func ofModule(version, fix string) (verdict, string) {
	if fix == "" || !modular(version) && !modular(fix) {
		return isAffected, ""
	}
	if modular(version) != modular(fix) {
		return notAffected, ""
	}
	if stream(version) != stream(fix) {
		return undecided, whyModule
	}
	return isAffected, ""
}

func modular(version string) bool {
	return strings.Contains(version, ".module+") || strings.Contains(version, ".module_")
}

// stream returns the first two numbers of a version, without its epoch.
func stream(version string) string {
	if _, rest, found := strings.Cut(version, ":"); found {
		version = rest
	}
	version, _, _ = strings.Cut(version, "-")
	words := strings.SplitN(version, ".", 3)
	return strings.Join(words[:min(len(words), 2)], ".")
}

// add adds what an item of affected[] says. Where the record has an entry of extended
// support for a version, only that one counts. Of several entries the worst counts.
func (d *decoder) add(f found) {
	at := place{f.target, f.of}
	i, known := d.index[at]
	if !known {
		if d.index == nil {
			d.index = map[place]int{}
		}
		d.index[at] = len(d.hits)
		d.hits = append(d.hits, f)
		return
	}
	before := &d.hits[i]
	worse := before.verdict != isAffected && f.verdict != notAffected ||
		before.verdict == isAffected && f.verdict == isAffected && before.fix == ""
	if f.role > before.role || f.role == before.role && worse {
		*before = f
	}
}

// decided returns the hits of the record that say something.
func (d *decoder) decided() []found {
	return slices.DeleteFunc(d.hits, func(f found) bool { return f.verdict == notAffected })
}

// rating is the severity for one package: what the distribution says of it, else
// what the record says.
func (d *decoder) rating(h *head, ecosystemSpecific, severity, databaseSpecific int) rating {
	for _, field := range []struct {
		at   int
		read func(*cursor) rating
	}{
		{ecosystemSpecific, specific},
		{severity, severities},
		{databaseSpecific, specific},
		{h.severity, severities},
		{h.specific, specific},
		{h.summary, func(c *cursor) rating { return summarized(c.string()) }},
	} {
		if field.at >= 0 {
			if r := field.read(&cursor{d.text, field.at}); r != unrated {
				return r
			}
		}
	}
	return unrated
}

// keep makes what is kept of the current record.
func (d *decoder) keep(h *head) keptRecord {
	r := keptRecord{id: string(h.id)}
	list := func(at int, keep func(string) bool) (out []string) {
		if at < 0 {
			return nil
		}
		c := cursor{d.text, at}
		c.strings(func(text []byte) {
			if id := string(idOf(text)); id != "" && keep(id) && len(out) < maxIDs && !slices.Contains(out, id) {
				out = append(out, id)
			}
		})
		return slices.Clip(out)
	}
	r.aliases = list(h.aliases, func(id string) bool { return id != r.id })
	r.cves = list(h.upstream, isCVE)
	return r
}
