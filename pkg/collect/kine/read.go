package kine

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"math/bits"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/sqlite"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/stored"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/crash"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// Options say what is read and how. They mirror those of package etcd.
type Options struct {
	// Path names the file in facts and gaps.
	Path string
	// Subject is what the gaps are about: the node, or the file. With Snapshot the zero
	// Subject means the file.
	Subject fact.Subject
	// Snapshot is true for a file that was given, false for that of a node.
	Snapshot bool
	// Live is true for the file of a running server. A file that changes while it is read
	// is always read as live.
	Live bool
	// Prefix is the API server's --etcd-prefix (its default is "/registry"); PrefixFrom
	// says where it is from ("--etcd-prefix"). If it is "", it is learned from the key
	// PREFIX/namespaces/default.
	Prefix, PrefixFrom string
	// KeyNames are the configured names of encryption keys; nil if unknown.
	KeyNames stored.KeyNames
	// Resources asks for the number of current objects of every other resource by how they
	// are stored.
	Resources bool
	// Residue asks for a search outside of the rows, too.
	Residue bool
	// Deadline ends the reading with a gap. Zero means that only the context's deadline
	// counts.
	Deadline time.Time

	limit int   // Secrets; 0 means MaxSecrets
	chunk int64 // rows of the first chunk; 0 means firstChunk
}

const defaultPrefix = "/registry"

// Read classifies the current revision of every Secret in a database of kine, the older
// ones, and with Residue what is left outside of the rows.
//
// It returns an error if nothing could be read: the file is not SQLite's, or has no table
// of kine. Everything else is a gap. Complete is false if a row may be missing. A Secret
// has class unknown if a lost row may be a newer revision of it.
//
// A panic would be a bug in this package. It costs only this file: its place becomes a
// gap, and nothing of the file counts.
func Read(ctx context.Context, files Files, opts Options) (db *fact.EtcdDB, gaps []fact.Gap, err error) {
	r := newReader(ctx, files, opts)
	defer func() {
		if v := recover(); v != nil {
			r.gaps = nil
			r.gap(fact.Unsupported, "%s%s", panicked, crash.Describe(v))
			db, gaps, err = &fact.EtcdDB{Path: r.opts.Path, Format: fact.FormatKine, Snapshot: r.opts.Snapshot}, r.gaps, nil
		}
	}()
	return r.read()
}

// panicked starts the detail of a gap for a bug in this package.
const panicked = "a bug in this program, not in the file: "

type reader struct {
	ctx    context.Context
	files  Files
	opts   Options
	gaps   []fact.Gap
	broken bool // a gap means that a row may be missing

	copies  *stored.Found // every value in plaintext in the rows; nil if it is not asked for
	residue *residue
}

func newReader(ctx context.Context, files Files, opts Options) *reader {
	r := &reader{ctx: ctx, files: files, opts: opts}
	if r.opts.limit == 0 {
		r.opts.limit = MaxSecrets
	}
	if r.opts.Path == "" {
		r.opts.Path = "kine database"
	}
	if opts.Snapshot && opts.Subject.Kind == "" {
		r.opts.Subject = fact.Subject{Kind: fact.SubjectFile, Name: r.opts.Path}
	}
	return r
}

func (r *reader) gap(reason fact.Reason, format string, args ...any) {
	r.gaps = append(r.gaps, fact.Gap{
		What: fact.Etcd, Subject: r.opts.Subject, Reason: reason,
		Detail: r.opts.Path + ": " + fmt.Sprintf(format, args...),
	})
}

// miss is a gap that means that rows may be missing.
func (r *reader) miss(reason fact.Reason, format string, args ...any) {
	r.broken = true
	r.gap(reason, format, args...)
}

func (r *reader) expired() bool {
	return !r.opts.Deadline.IsZero() && !time.Now().Before(r.opts.Deadline) || r.ctx.Err() != nil
}

// expiredReason is why the reading ended early.
func (r *reader) expiredReason() fact.Reason {
	if errors.Is(r.ctx.Err(), context.Canceled) {
		return fact.Interrupted
	}
	return fact.Timeout
}

// state is one committed state of the database, and the log that it was read from.
type state struct {
	*sqlite.DB
	layout
	log     Log // or nil
	size    int64
	logSize int64
}

func (s *state) close() {
	if s.log != nil {
		_ = s.log.Close()
	}
}

var errJournal = errors.New("FILE-journal is not empty: a transaction is under way, or was interrupted in the middle")

// open fixes the newest state.
func (r *reader) open() (s *state, err error) {
	if err := r.calm(); err != nil {
		return nil, err
	}
	s = &state{}
	defer func(opened *state) { // a return sets s to nil
		if err != nil {
			opened.close()
		}
	}(s)
	if r.files.Log != nil {
		if s.log, err = r.files.Log(); err != nil {
			return nil, fmt.Errorf("reading FILE-wal: %w", plainError(err))
		}
	}
	if s.log != nil {
		if s.logSize, err = s.log.Size(); err != nil {
			return nil, fmt.Errorf("reading FILE-wal: %w", plainError(err))
		}
	}
	if s.size, err = r.files.Main.Size(); err != nil {
		return nil, plainError(err)
	}
	if s.log == nil {
		s.DB, err = sqlite.Open(r.files.Main, s.size, nil, 0)
	} else {
		s.DB, err = sqlite.Open(r.files.Main, s.size, s.log, s.logSize)
	}
	if err != nil {
		return nil, err
	}
	if e := s.Encoding(); e != sqlite.UTF8 {
		return nil, fmt.Errorf("expected texts in %v, found %v", sqlite.UTF8, e)
	}
	if s.layout, err = layoutOf(s.DB); err != nil {
		return nil, err
	}
	return s, nil
}

// refresh goes on to the newest state. It reports false if the files must be opened again.
func (r *reader) refresh(s *state) bool {
	if s.log == nil || r.calm() != nil {
		return false
	}
	now, err := r.files.Log()
	if err != nil || now == nil {
		return false
	}
	defer func() { _ = now.Close() }()
	if now.ID() != s.log.ID() {
		return false
	}
	logSize, err := now.Size()
	if err != nil {
		return false
	}
	size, err := r.files.Main.Size()
	if err != nil {
		return false
	}
	if ok, err := s.Refresh(size, logSize); err != nil || !ok {
		return false
	}
	s.size, s.logSize = size, logSize
	return true
}

// plainError is an error of the operating system in words that are the same everywhere.
func plainError(err error) error { return errors.New(rootfs.ErrorText(err)) }

// calm reports an error if a transaction writes to the main file itself.
func (r *reader) calm() error {
	if r.files.Journal == nil {
		return nil
	}
	hot, err := r.files.Journal()
	switch {
	case err != nil:
		return fmt.Errorf("reading FILE-journal: %w", plainError(err))
	case hot:
		return errJournal
	}
	return nil
}

// changed reports whether what was read from a state may not be that state.
func (r *reader) changed(s *state) bool {
	if r.calm() != nil {
		return true
	}
	size, err := r.files.Main.Size()
	if err != nil {
		return true
	}
	// A log that was removed and made again is another file.
	var now Log
	logSize := int64(0)
	if r.files.Log != nil {
		if now, err = r.files.Log(); err != nil {
			return true
		}
	}
	if now != nil {
		defer func() { _ = now.Close() }()
		if logSize, err = now.Size(); err != nil {
			return true
		}
	}
	if (now == nil) != (s.log == nil) && (logSize > 0 || s.logSize > 0) {
		return true
	}
	if now != nil && s.log != nil && now.ID() != s.log.ID() {
		return true
	}
	change, err := s.Changed(size, logSize)
	return err != nil || change != sqlite.Same
}

// attempts is how often a file that changes is read as a whole before it is read in
// chunks.
const attempts = 3

func (r *reader) read() (*fact.EtcdDB, []fact.Gap, error) {
	prefix, tries := strings.TrimRight(path.Clean("/"+r.opts.Prefix), "/"), 0
	learn := prefix == ""
	if learn {
		prefix = defaultPrefix
	}
	for {
		f, res, err := r.whole(prefix)
		switch {
		case errors.Is(err, errChanged):
			if tries++; tries >= attempts {
				if f, err = r.chunks(prefix); err != nil {
					return nil, nil, err
				}
				res = r.changing(f)
			} else {
				continue
			}
		case errors.Is(err, errJournal) && tries < 20 && r.opts.Live && !r.expired():
			tries++
			time.Sleep(5 * time.Millisecond)
			continue
		case errors.Is(err, errJournal):
			r.miss(fact.Changing, "%v", err)
			db := r.facts(nil, nil)
			return db, r.gaps, nil
		case err != nil:
			return nil, nil, fmt.Errorf("reading %s: %w", r.opts.Path, err)
		}
		if learn && !f.expired {
			// The prefix was taken for the usual one, and the rows tell another.
			candidates := outermost(f.prefixes)
			if len(candidates) == 1 && candidates[0] != prefix {
				learn, prefix, tries = false, candidates[0], 0
				r.opts.PrefixFrom = "the key of the default namespace"
				continue
			}
			switch {
			case len(candidates) == 0 && f.table.count == 0:
				r.miss(fact.NotPresent, "no key PREFIX/namespaces/default, so the prefix of Kubernetes' keys is unknown")
			case len(candidates) > 1:
				r.miss(fact.Unsupported, "keys of more than one cluster, with the prefixes %s", strings.Join(candidates, ", "))
			}
			r.opts.PrefixFrom = "the key of the default namespace"
		}
		r.opts.Prefix = prefix
		db := r.facts(f, res)
		return db, r.gaps, nil
	}
}

// errChanged ends the reading of a file that changed meanwhile.
var errChanged = errors.New("the file changes")

// follower takes the rows in the order of their ids.
type follower struct {
	opts   *Options
	copies *stored.Found
	prefix string // with the slash before it, without one behind
	still  bool
	stop   func() bool

	table     *secretTable
	resources *resourceTable
	prefixes  map[string]bool
	defaultNS bool
	compacted int64 // the current state's
	last      int64 // id of the last row
	hole      int64 // an id that must have a row and has none; the highest
	rows      int64
	names     uint64 // sum over the rows, see nameSum
	indexed   int    // length of the names that it has
	unnamed   bool   // it lacks a row that could not be read
	faults    faultList
	strays    int
	strayAt   int64
	expired   bool
	changing  bool // it ended because the file changed too fast
	column    column
}

// faultList keeps the first faults and counts the rest.
type faultList struct {
	list []oneFault
	more int
}

type oneFault struct {
	reason fact.Reason
	text   string
}

// maxFaults is how many faults become gaps of their own.
const maxFaults = 16

func (l *faultList) add(reason fact.Reason, text string) {
	f := oneFault{reason, text}
	switch {
	case slices.Contains(l.list, f):
	case len(l.list) >= maxFaults:
		l.more++
	default:
		l.list = append(l.list, f)
	}
}

func (r *reader) follow(prefix string, still bool) *follower {
	if r.copies != nil {
		*r.copies = stored.Found{}
	}
	f := &follower{
		opts: &r.opts, copies: r.copies, prefix: prefix, still: still, stop: r.expired,
		table: newSecretTable(r.opts.limit + maxDeletedKept), prefixes: map[string]bool{},
	}
	if r.opts.Resources {
		f.resources = newResourceTable()
	}
	return f
}

// lost notes that rows behind the last one may be missing.
func (f *follower) lost(reason fact.Reason, text string) {
	f.faults.add(reason, text)
	f.table.doubt = max(f.table.doubt, f.last+1)
}

// event is what a row means. In a file that changes it is kept until the rows that were
// read with it are known to be of one state.
type event struct {
	id     int64 // 0 where a page could not be read
	kind   eventKind
	reason fact.Reason // of a fault: rows from here on may be missing
	text   string
	values []oneFault // values that could not be read
	secret secretRow
	about  string // a prefix
	gone   bool   // of a prefix
	dir    string // of an object of another resource, "" if it is none
	other  otherRow
}

type eventKind uint8

const (
	eventOther  eventKind = iota
	eventSecret           // a row of a Secret
	eventPrefix           // PREFIX/namespaces/default
	eventStray            // a Secret in plaintext at another key
)

// row takes a row, or a fault of the file.
func (f *follower) row(l *layout, row *sqlite.Row, err error) {
	var e event
	f.look(l, row, err, &e)
	f.apply(&e)
}

// look says what a row means. It does not depend on the rows before.
func (f *follower) look(l *layout, row *sqlite.Row, err error, e *event) {
	var rec record
	if err == nil {
		rec, e.text, err = l.parse(row)
		e.id = max(rec.id, 0)
		switch {
		case err != nil || e.text != "":
			f.unnamed = true
		case f.still && !rec.long && len(rec.name) <= f.indexed:
			f.names += nameSum(rec.name, rec.id)
		}
	}
	if err == nil && e.text == "" {
		e.text, err = f.take(&rec, e)
	}
	fault := (*sqlite.Fault)(nil)
	switch {
	case err != nil && errors.As(err, &fault):
		e.reason, e.text = fault.Reason, faultText(fault)
	case err != nil:
		e.reason, e.text = fact.Corrupt, "a row could not be read"
	case e.text != "":
		e.reason, e.text = fact.Corrupt, fmt.Sprintf("row %d: %s", rec.id, e.text)
	}
}

// faultText is a fault in words that hold nothing of the file, with the operating
// system's error in words that are the same everywhere.
func faultText(f *sqlite.Fault) string {
	if f.Err != nil {
		return fmt.Sprintf("page %d: %s: %v", f.Page, f.Text, plainError(f.Err))
	}
	return f.Error()
}

// apply takes what a row means, in the order of the rows.
func (f *follower) apply(e *event) {
	if e.id > 0 {
		f.rows++
		if e.id > f.last+1 && f.last > 0 && e.id-1 > f.compacted {
			f.hole = e.id - 1
		}
	}
	for _, v := range e.values {
		f.faults.add(v.reason, v.text)
	}
	switch e.kind {
	case eventSecret:
		e.secret.compacted, e.secret.still = f.compacted, f.still
		if f.copies != nil {
			for _, form := range [...]*stored.Form{e.secret.value, e.secret.old} {
				if form != nil && form.Class.Plaintext() {
					f.copies.Add(e.secret.namespace, e.secret.name, e.id)
				}
			}
		}
		if problem := f.table.row(e.secret); problem != "" && e.text == "" {
			e.reason, e.text = fact.Corrupt, fmt.Sprintf("row %d: %s", e.id, problem)
		}
	case eventPrefix:
		if e.about == f.prefix {
			f.defaultNS = !e.gone
		}
		if e.gone {
			delete(f.prefixes, e.about)
		} else if len(f.prefixes) < 1000 {
			f.prefixes[e.about] = true
		}
	case eventStray:
		if f.strays++; f.strays == 1 {
			f.strayAt = e.id
		}
	}
	if e.dir != "" {
		f.resources.row(e.dir, e.id, e.other, f.compacted)
	}
	if e.text != "" {
		f.lost(e.reason, e.text)
	}
	f.last = max(f.last, e.id)
}

const (
	secretsDir       = "/secrets/"
	defaultNamespace = "/namespaces/default"
)

// take looks at what a row is about.
func (f *follower) take(rec *record, e *event) (problem string, err error) {
	name := rec.name
	if string(name) == compactKey || string(name) == compactKeyAPI || bytes.HasPrefix(name, []byte(gapPrefix)) {
		return "", nil
	}
	rest, below := bytes.CutPrefix(name, []byte(f.prefix))
	if below {
		if secret, ok := bytes.CutPrefix(rest, []byte(secretsDir)); ok {
			return f.secret(rec, secret, e)
		}
	}
	if !rec.long && bytes.HasSuffix(name, []byte(defaultNamespace)) {
		if prefix := name[:len(name)-len(defaultNamespace)]; plainPrefix(prefix) {
			e.kind, e.about, e.gone = eventPrefix, string(prefix), rec.deleted
			if !below {
				return "", nil
			}
			return "", f.resource(rec, rest, e)
		}
	}
	if !rec.long && nearSecret(name, f.prefix) {
		return "a key that differs in one byte from those of Secrets", nil
	}
	for _, v := range [...]sqlite.Value{rec.value, rec.old} {
		if v.Len == 0 {
			continue
		}
		plain, err := stored.IsPlainSecret(f.column.span(v))
		if err != nil {
			return "", err
		}
		if plain {
			e.kind = eventStray
			return "", nil
		}
	}
	if !below {
		return "", nil
	}
	return "", f.resource(rec, rest, e)
}

// maxCompared bounds the values that are compared, bytes. The API server writes none of more
// than 2 MiB.
const maxCompared = 4 << 20

// secret takes a row of a Secret; key is its NAMESPACE/NAME.
func (f *follower) secret(rec *record, key []byte, e *event) (problem string, err error) {
	ns, name, ok := strings.Cut(string(key), "/")
	if !ok || rec.long || !label(ns) || !subdomain(name) {
		return "a Secret's key without the names of a namespace and a Secret", nil
	}
	// A value that cannot be read costs only this Secret: the row shows that it is the
	// last.
	classify := func(v sqlite.Value, what string) *stored.Form {
		if v.Type == sqlite.Null {
			return nil
		}
		form, err := stored.Classify(f.column.span(v), ns, name, f.opts.KeyNames)
		if err != nil {
			reason, text := fact.Corrupt, "it could not be read"
			if fault := (*sqlite.Fault)(nil); errors.As(err, &fault) {
				reason, text = fault.Reason, faultText(fault)
			}
			e.values = append(e.values, oneFault{reason, fmt.Sprintf("row %d, %s of Secret %s/%s: %s", rec.id, what, ns, name, text)})
			return &stored.Form{Class: fact.ClassUnknown}
		}
		if form.Problem != "" {
			problem = form.Problem
		}
		return &form
	}
	e.kind = eventSecret
	e.secret = secretRow{
		namespace: ns, name: name, id: rec.id, prev: rec.prev, created: rec.created, deleted: rec.deleted,
		size:  int(min(rec.value.Len, 1<<31-1)),
		value: classify(rec.value, "the value"), old: classify(rec.old, "the old_value"),
	}
	switch {
	case rec.deleted && rec.value.Len > 0:
		// Older versions of kine write the last value of a deleted key twice. A live row
		// that a flipped bit makes a tombstone differs.
		equal := false
		if rec.value.Len <= maxCompared {
			if equal, err = same(rec.value, rec.old); err != nil {
				return "", err
			}
		}
		if !equal {
			problem = "a deletion with a value that was not there before"
		}
	case !rec.deleted && rec.value.Type == sqlite.Null:
		problem = "a Secret that is not deleted and has no value"
	}
	return problem, nil
}

// outermost leaves out prefixes below another: a namespace called "namespaces" has keys
// like PREFIX/serviceaccounts/namespaces/default.
func outermost(prefixes map[string]bool) []string {
	var out []string
	for p := range prefixes {
		below := false
		for q := range prefixes {
			below = below || strings.HasPrefix(p, q+"/")
		}
		if !below {
			out = append(out, p)
		}
	}
	slices.Sort(out)
	return out
}

// compaction reads up to which revision kine has removed rows: the prev_revision of the
// row compact_rev_key, of which there may be two by an old mistake. from is the id of the
// first of them if it is known. found is the id of the first one.
func (s *state) compaction(from int64, stop func() bool) (compacted, found int64) {
	compacted = -1
	n := 0
	for row, err := range s.table.Rows(from) {
		// It is the first row, except in a database that was imported.
		if n++; n > 1000 && found > 0 || n%256 == 0 && stop() {
			break
		}
		if err != nil {
			continue
		}
		name, err := row.Value(s.column[colName])
		if err != nil || name.Len != int64(len(compactKey)) {
			continue
		}
		b, err := name.First(len(compactKey))
		if err != nil || string(b) != compactKey {
			continue
		}
		if prev, err := row.Value(s.column[colPrevRevision]); err == nil && (prev.Type == sqlite.Integer || prev.Type == sqlite.Null) {
			compacted = max(compacted, prev.Int)
			if found == 0 {
				found = row.RowID
			}
		}
		if n == 1 {
			break
		}
	}
	return compacted, found
}

// whole reads the file in one pass, with everything that is asked for.
func (r *reader) whole(prefix string) (*follower, *residue, error) {
	s, err := r.open()
	if err != nil {
		return nil, nil, err
	}
	defer s.close()
	f := r.follow(prefix, true)
	f.indexed = s.maxIndexed()
	f.compacted, _ = s.compaction(1, r.expired)
	var res *residue
	if r.opts.Residue {
		res = newResidue(r, s, f)
	}
	var slack func(page uint32, b []byte)
	if res != nil {
		slack = res.slack
	}
	audit, err := s.Audit(slack, r.expired)
	if err != nil {
		return nil, nil, err
	}
	faults := 0
	n := 0
	for row, err := range audit.Rows(s.table) {
		if n++; n%256 == 0 && r.expired() {
			f.expired = true
			break
		}
		if n%8192 == 0 && r.opts.Live && r.changed(s) {
			return nil, nil, errChanged // the rest would be read in vain
		}
		if err != nil {
			faults++
		}
		f.row(&s.layout, row, err)
	}
	f.expired = f.expired || r.expired()
	if !f.expired {
		r.audited(s, audit, f, faults == 0)
		f.expired = r.expired()
	}
	if r.opts.Live && r.changed(s) {
		return nil, nil, errChanged
	}
	if res != nil {
		res.outside(audit)
	}
	if r.changed(s) {
		return nil, nil, errChanged
	}
	if f.compacted < 0 && !f.expired {
		f.lost(fact.Corrupt, "no row "+compactKey+", which kine always has")
	}
	r.logEnd(s, f)
	return f, res, nil
}

// audited compares the table with the rest of the file.
func (r *reader) audited(s *state, audit *sqlite.Audit, f *follower, whole bool) {
	var names uint64
	limit := s.maxIndexed()
	audit.Entry = func(index string, name []byte, id int64) {
		if index == nameIndex && len(name) <= limit {
			names += nameSum(name, id)
		}
	}
	objects, faults, more := audit.Rest(whole)
	for _, fault := range faults {
		f.faults.add(fault.Reason, fault.Error())
		f.table.doubt = 1<<63 - 1
	}
	if more > 0 {
		f.faults.add(fact.Corrupt, fmt.Sprintf("%d more faults in the structure of the file", more))
	}
	if !whole || len(faults) > 0 || r.expired() {
		return
	}
	for _, o := range objects {
		if o.Name == nameIndex && o.Entries == f.rows && names != f.names && !f.unnamed {
			f.faults.add(fact.Corrupt, "names in the table differ from those in its index: a name is wrong")
		}
		if o.Index && !o.Partial && strings.EqualFold(o.Table, tableName) && o.Entries != f.rows {
			f.faults.add(fact.Corrupt, fmt.Sprintf("the table has %d rows, but an index of it %d entries", f.rows, o.Entries))
			f.table.doubt = 1<<63 - 1
		}
	}
}

// nameIndex is the index of the names: with it a changed letter in a name is noticed.
const nameIndex = "kine_name_index"

var nameSeed = maphash.MakeSeed()

// nameSum is a number for a row's name and id. The sum over all rows does not depend on
// their order.
func nameSum(name []byte, id int64) uint64 {
	return bits.RotateLeft64((maphash.Bytes(nameSeed, name)^uint64(id))*0x9e3779b97f4a7c15, 31) * 0xbf58476d1ce4e5b9
}

// maxIndexed is the length up to which every name is whole in a page of the index.
func (s *state) maxIndexed() int { return s.PageSize()/5 - 60 }

// logEnd reports a log that ends in a way that may hide commits.
func (r *reader) logEnd(s *state, f *follower) {
	if s.log == nil || f.expired {
		return
	}
	state := s.Log()
	cut := strings.HasSuffix(state.End, "is cut short")
	switch {
	case state.Unread || cut && !r.opts.Live:
		f.table.doubt = 1<<63 - 1
		f.faults.add(fact.Corrupt, fmt.Sprintf("FILE-wal: %s: commits behind it may be missing", state.End))
	}
}

const (
	firstChunk = 2_000 // rows
	maxChunk   = 20_000

	// maxDrops is how often in a row a single row can be dropped before the file counts as
	// one that cannot be read.
	maxDrops = 20_000
)

// chunks reads a changing file: from the newest state as many rows as it can read before
// the next commit. What was read from a state that is no longer the newest is dropped.
func (r *reader) chunks(prefix string) (*follower, error) {
	f := r.follow(prefix, false)
	size := cmp.Or(r.opts.chunk, firstChunk)
	compactRow := int64(1)
	failures := 0
	drops := 0
	var events []event
	var s *state
	defer func() {
		if s != nil {
			s.close()
		}
	}()
	for {
		if r.expired() || drops > maxDrops {
			f.expired, f.changing = true, drops > maxDrops
			return f, nil
		}
		var err error
		if s != nil && !r.refresh(s) {
			s.close()
			s = nil
		}
		if s == nil {
			s, err = r.open()
		}
		if err != nil {
			s = nil
			// The header is just being written, or the file is no database of kine.
			if failures++; failures > 200 {
				return nil, fmt.Errorf("reading %s: %w", r.opts.Path, err)
			}
			time.Sleep(time.Duration(min(failures, 10)) * time.Millisecond)
			continue
		}
		events = events[:0]
		compacted, found := s.compaction(compactRow, r.expired)
		done := true
		for row, err := range s.table.Rows(f.last + 1) {
			if int64(len(events)) >= size || len(events)%256 == 255 && r.expired() {
				done = false
				break
			}
			events = append(events, event{})
			f.look(&s.layout, row, err, &events[len(events)-1])
		}
		seq := int64(0)
		if done {
			seq = s.sequence()
		}
		if r.changed(s) {
			if size == 1 {
				drops++
			}
			size = max(1, size/2)
			continue
		}
		failures, drops = 0, 0
		if found > 0 {
			compactRow = found
		}
		f.compacted = compacted
		for i := range events {
			f.apply(&events[i])
		}
		clear(events)
		if f.resources != nil {
			f.resources.seen(f.last, compacted)
		}
		if done {
			if compacted < 0 {
				f.lost(fact.Corrupt, "no row "+compactKey+", which kine always has")
			}
			if f.last < seq && seq > compacted {
				f.lost(fact.Corrupt, fmt.Sprintf("the last row is %d, but %d was written, and compaction has reached only %d", f.last, seq, compacted))
			}
			if f.hole > compacted {
				f.table.doubt = max(f.table.doubt, f.hole)
				f.faults.add(fact.Corrupt, fmt.Sprintf("row %d is missing, and compaction has reached only %d", f.hole, compacted))
			}
			return f, nil
		}
		if r.opts.chunk == 0 {
			size = min(maxChunk, 2*size)
		}
	}
}

// sequence is the highest id that any row had (sqlite_sequence), 0 if it is not known.
func (s *state) sequence() int64 {
	t, err := s.Table("sqlite_sequence")
	if err != nil || len(t.Columns) < 2 {
		return 0
	}
	for row, err := range t.Rows(1) {
		if err != nil {
			return 0
		}
		name, err := row.Value(0)
		if err != nil || name.Type != sqlite.Text || name.Len != int64(len(tableName)) {
			continue
		}
		if b, err := name.First(len(tableName)); err != nil || string(b) != tableName {
			continue
		}
		if v, err := row.Value(1); err == nil && v.Type == sqlite.Integer {
			return v.Int
		}
	}
	return 0
}

// facts makes facts and gaps of what was read; f is nil if that is nothing.
func (r *reader) facts(f *follower, res *residue) *fact.EtcdDB {
	db := &fact.EtcdDB{
		Path: r.opts.Path, Format: fact.FormatKine, Snapshot: r.opts.Snapshot,
		Prefix: r.opts.Prefix, PrefixFrom: r.opts.PrefixFrom,
	}
	if size, err := r.files.Main.Size(); err == nil {
		db.Size = size
	}
	if f == nil {
		return db
	}
	db.Revision = f.last
	for _, fault := range f.faults.list {
		r.miss(fault.reason, "%s", fault.text)
	}
	if f.faults.more > 0 {
		r.miss(fact.Corrupt, "%d more faults", f.faults.more)
	}
	if f.expired {
		reason := r.expiredReason()
		if f.changing {
			reason = fact.Changing
		}
		r.miss(reason, "read up to revision %d", f.last)
		f.table.doubt = 1<<63 - 1
	} else if !f.defaultNS && !r.broken {
		r.miss(fact.NotPresent, "no key %s%s: the prefix is another", db.Prefix, defaultNamespace)
	}
	if f.strays > 0 {
		r.miss(fact.Unsupported, "%d rows with Secrets in plaintext under another key than %s%s (first: row %d) are not judged", f.strays, db.Prefix, secretsDir, f.strayAt)
	}
	history := f.table.history
	db.Secrets, db.Total, _ = f.table.list()
	if db.Total > len(db.Secrets) || f.table.beyond > 0 {
		r.miss(fact.Truncated, "at least %d Secrets, of which %d are listed", db.Total, len(db.Secrets))
	}
	r.forms(db)
	history.Complete = !r.broken
	history.Compacted = max(f.compacted, 0)
	history.Deleted, history.DeletedTotal = f.table.deleted()
	db.History = &history
	if f.resources != nil {
		var more bool
		if db.Resources, more = f.resources.list(); more {
			r.gap(fact.Truncated, "more than %d ways in which other resources are stored, or more than fit: the rest was not counted", fact.MaxStoredResources)
		}
	}
	if r.residue = res; res != nil {
		db.Remains = res.remains()
	} else if r.opts.Residue {
		reason := fact.Changing
		if f.expired {
			reason = r.expiredReason()
		}
		db.Remains = []fact.Remains{{Place: fact.InFreePages, Path: db.Path, Reason: reason, Detail: "nothing outside of the rows was looked at"}}
	}
	db.Complete = !r.broken
	return db
}

// forms reports values whose form is unknown. They do not make others unknown.
func (r *reader) forms(db *fact.EtcdDB) {
	n, first := 0, ""
	for _, s := range db.Secrets {
		if s.LastSeen != "" || s.Class.Plaintext() || s.Class.Encrypted() {
			continue
		}
		if n++; n == 1 {
			first = s.Namespace + "/" + s.Name
		}
	}
	if n > 0 {
		r.gap(fact.Unsupported, "%d Secrets are stored in an unknown form (first: %s)", n, first)
	}
}
