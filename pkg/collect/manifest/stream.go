package manifest

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/apijson"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/configmap"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/podspec"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/crash"
)

// Item is one thing that manifests declare. One of its fields is set.
type Item struct {
	Workload  *fact.Workload
	Namespace *fact.Namespace
}

// Summary is what is known when all manifests are read.
type Summary struct {
	// ConfigMaps is what was found in the data of ConfigMaps.
	ConfigMaps *fact.ConfigMapScan
	Count      fact.ReadCount
	// Gaps are what could not be read, in order, at most MaxProblems. The last one says how
	// many more there are.
	Gaps []fact.Gap
}

// MaxProblems bounds how many sources and documents that cannot be read are named.
const MaxProblems = 1000

// Stream reads manifests and calls emit with each workload and each namespace, as they
// come. No cluster is contacted, and no more is kept than what may depend on a later
// document: a workload that mounts a claim, for example, is emitted at the end. Objects that
// run no pod are passed over.
//
// A source, document or object that cannot be read is a gap in the summary, and the others
// are read. It is an error, which joins a Problem for each of them, if nothing was read at
// all. Stream returns as soon as the context is done, even if a pipe or a server does not
// answer. What it had started is then abandoned; emit is not called any more. An error of
// emit ends reading, and is returned.
func Stream(ctx context.Context, files Files, namespace string, stdin io.Reader, emit func(Item) error) (*Summary, error) {
	readCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	r := &reader{ctx: readCtx, files: files, namespace: namespace, batches: make(chan []Item, 2), single: files.single(), storage: newStorage(), templates: map[string]int{}}
	done := make(chan error, 1)
	go func() {
		var err error
		defer func() {
			if v := recover(); v != nil {
				err = errors.New(panicked + crash.Describe(v))
			}
			done <- err
			close(r.batches)
		}()
		err = r.run(stdin)
	}()
	for {
		select {
		case batch, more := <-r.batches:
			if !more {
				if ctx.Err() != nil {
					return nil, ctx.Err()
				}
				if err := <-done; err != nil {
					if s := new(*stopped); errors.As(err, s) {
						err = (*s).error
					}
					return nil, err
				}
				return &r.summary, nil
			}
			for _, item := range batch {
				if err := emit(item); err != nil {
					return nil, err
				}
			}
		case <-ctx.Done():
			if files.Kustomize != "" { // it is being stopped, and removes its files
				select {
				case <-done:
				case <-time.After(3 * time.Second):
				}
			}
			return nil, ctx.Err()
		}
	}
}

// batchSize is how many items are handed over at once, batchWeight what they weigh together.
const (
	batchSize   = 64
	batchWeight = 1 << 12
)

// reader is one run of Stream.
type reader struct {
	ctx       context.Context
	files     Files
	namespace string
	batches   chan []Item
	batch     []Item

	summary  Summary
	problems []Problem
	dropped  int // problems that are not in the list
	// gaps are of objects that run pods and do not show them.
	gaps        []fact.Gap
	gapsDropped int
	newer       ofAnother
	configMaps  configmap.Scan
	storage     *storage
	waiting     []waiting
	// waitingWeight is what they weigh together, batchWeight that of the batch.
	waitingWeight, batchWeight int
	scripts                    podspec.Scripts
	namespaces                 int
	// seen has the first source of each object's identity, by its hash. It is nil if there is
	// only one source.
	seen    map[uint64]int
	single  bool
	sources int // that were opened

	// These are of the source that is being read.
	source  source
	objects int       // with a kind
	odd     []Problem // documents that are no objects, of a file that was found
	foreign int       // how many there are
	from    int       // of problems

	buffer []byte
	names  apijson.Names
	charts map[string]string // by the directory of a template
	// templates counts the documents of charts that were found and not rendered.
	templates map[string]int
	// kustomizations are the first that were found, of so many.
	kustomizations    []Problem
	kustomized        int
	lastKustomization string
}

func (r *reader) run(stdin io.Reader) error {
	r.configMaps.Offer = r.scripts.Offer
	for s := range r.files.sources(stdin, r.problem, func() { r.summary.Count.Repeated++ }) {
		if err := r.ctx.Err(); err != nil {
			return err
		}
		if err := r.readSource(s); err != nil {
			return err
		}
	}
	if err := r.added(); err != nil {
		return err
	}
	if err := r.release(); err != nil {
		return err
	}
	r.countKustomizations()
	r.countTemplates()
	count := &r.summary.Count
	if count.Workloads == 0 && len(r.gaps) == 0 && r.configMaps.Read() == 0 && r.namespaces == 0 {
		if len(r.problems) > 0 {
			return r.joined()
		}
		passed := ""
		if n := count.Foreign; n > 0 {
			passed = fmt.Sprintf(" (files that hold no Kubernetes object: %d)", n)
		}
		return fmt.Errorf("%w in %s%s", ErrNoWorkload, strings.Join(r.files.Names(), ", "), passed)
	}
	r.summary.ConfigMaps = r.configMaps.Result(false)
	for _, p := range r.problems {
		r.summary.Gaps = append(r.summary.Gaps, p.Gap())
	}
	if r.dropped > 0 {
		r.summary.Gaps = append(r.summary.Gaps, fact.Gap{
			What: fact.Pods, Subject: fact.Subject{Kind: fact.SubjectFile, Name: strings.Join(r.files.Names(), ", ")},
			Reason: fact.Truncated, Detail: fmt.Sprintf("%d more documents that could not be read", r.dropped),
		})
	}
	r.summary.Gaps = append(r.summary.Gaps, r.gaps...)
	if r.gapsDropped > 0 {
		r.summary.Gaps = append(r.summary.Gaps, fact.Gap{
			What: fact.Pods, Subject: fact.Subject{Kind: fact.SubjectFile, Name: strings.Join(r.files.Names(), ", ")},
			Reason: fact.Truncated, Detail: fmt.Sprintf("%d more places where objects do not show the pods that they run", r.gapsDropped),
		})
	}
	r.summary.Gaps = append(r.summary.Gaps, r.newer.gaps(strings.Join(r.files.Names(), ", "))...)
	count.Skipped = len(r.problems) + r.dropped
	return nil
}

// joined is an error for all problems.
func (r *reader) joined() error {
	errs := make([]error, 0, len(r.problems)+1)
	for _, p := range r.problems {
		errs = append(errs, p)
	}
	if r.dropped > 0 {
		errs = append(errs, fmt.Errorf("%d more documents could not be read", r.dropped))
	}
	return errors.Join(errs...)
}

func (r *reader) problem(p Problem) {
	r.files.Lines.problem(p)
	if len(r.problems) == MaxProblems {
		r.dropped++
		return
	}
	r.problems = append(r.problems, p)
}

// readSource reads one source. An error means that all reading ends.
func (r *reader) readSource(s source) error {
	r.source, r.objects, r.odd, r.foreign, r.from = s, 0, nil, 0, len(r.problems)
	r.sources++
	r.summary.Count.Files++
	opened, err := s.open(r.ctx)
	if err != nil {
		r.failed(err)
		return r.ctx.Err()
	}
	defer opened.Close() //nolint:errcheck // only read
	in := newInput(opened)
	if isBinary(in) {
		r.problem(Problem{Source: s.name, Reason: fact.Corrupt, Text: "expected YAML or JSON, found binary data (a zero byte near its beginning): nothing of it is read"})
		return nil
	}
	split := splitter{
		in: in, source: s.name,
		whole: r.document, item: r.item, listed: r.listed, problem: r.problem,
	}
	err = split.run()
	switch {
	case r.ctx.Err() != nil:
		return r.ctx.Err()
	case errors.As(err, new(*stopped)):
		return err
	case err != nil:
		r.failed(fmt.Errorf("reading it: %w", cause(err)))
	}
	r.summary.Count.Documents += split.number
	r.endSource(split.number)
	return nil
}

// stopped is an error that ends all reading.
type stopped struct{ error }

// failed is for a source that cannot be read, or not to its end.
func (r *reader) failed(err error) {
	if r.source.built && err.Error() == notBuilt {
		for _, reason := range r.files.explain() {
			r.problem(inSource(r.source.name, reason))
		}
		return
	}
	r.problem(inSource(r.source.name, err))
}

// endSource completes what was said about a source.
func (r *reader) endSource(documents int) {
	switch {
	case r.foreign == 0:
	case r.objects == 0:
		r.summary.Count.Foreign++
	default:
		for _, p := range r.odd {
			r.problem(p)
		}
	}
	if documents == 1 {
		for i := r.from; i < len(r.problems); i++ {
			r.problems[i].Document = 0 // it is the only one
		}
	}
}

// inSource names the source of an error that does not name one.
func inSource(name string, err error) Problem {
	var problem Problem
	if errors.As(err, &problem) {
		return problem
	}
	return Problem{Source: name, Reason: fact.Unreadable, Text: err.Error()}
}

// document takes what a document declares: an object, or those in a List.
func (r *reader) document(d *document) error {
	return r.guarded(d, func() error {
		text, err := d.toJSON(&r.buffer)
		if line := hidden(d.text); err == nil && !d.json && line > 0 {
			p := d.problem(line, fact.Corrupt, "a separator behind a line break that is no line feed: what follows it is not read")
			p.Hint = "end lines with a line feed; kubectl does not read it either"
			r.problem(p)
		}
		if p, is := r.notRendered(d, err != nil); is {
			if chart := r.chartOf(r.source.path); chart != "" && r.source.found {
				r.templates[chart]++
				return nil
			}
			return p
		}
		if isKustomization(r.source.path) && (err != nil || ofKustomize(text)) {
			p := r.kustomization(d)
			if r.source.found {
				r.countKustomization(p)
				return nil
			}
			return p
		}
		if err != nil {
			if r.source.found && !mayDeclare(d, r.source.path) {
				r.foreign++
				return nil
			}
			return err
		}
		if r.source.found && string(text) != "null" && foreign(text) {
			r.oddOne(d)
			return nil
		}
		return r.object(d, text, nil, "", "")
	})
}

// maxOdd is how many documents of a source that are no objects are remembered.
const maxOdd = 20

// oddOne counts a document that is no object. If others of its file are, it is a gap: then
// something is missing in it.
func (r *reader) oddOne(d *document) {
	r.foreign++
	if len(r.odd) < maxOdd {
		r.odd = append(r.odd, d.problem(0, fact.Corrupt, "expected an object, found a document without apiVersion and kind"))
	}
}

// item takes an item of a List in JSON.
func (r *reader) item(d *document, kind, apiVersion string) error {
	kind, _ = strings.CutSuffix(kind, "List")
	return r.guarded(d, func() error { return r.object(d, d.text, nil, kind, apiVersion) })
}

// listed ends a List in JSON, whose items have been taken.
func (r *reader) listed(d *document, h head, _ int) error {
	switch {
	case h.kind != "":
	case r.source.found:
		r.oddOne(d)
	default:
		r.problem(d.problem(0, fact.Corrupt, "expected an object, found one without kind"))
	}
	return nil
}

// guarded calls take, and makes a problem of its error, and of a bug.
func (r *reader) guarded(d *document, take func() error) (err error) {
	if r.ctx.Err() != nil {
		return &stopped{r.ctx.Err()}
	}
	d.built = r.source.built
	defer func() {
		if v := recover(); v != nil {
			r.problem(d.problem(0, fact.Unsupported, panicked+crash.Describe(v)))
		}
	}()
	err = take()
	var problem Problem
	if errors.As(err, &problem) {
		r.problem(problem)
		return nil
	}
	return err
}

// object takes what JSON declares: an object, or those in a List. Path is where in the
// document it is. An item of a list of one kind need not name its kind.
func (r *reader) object(d *document, raw []byte, path []any, itemKind, itemVersion string) error {
	h := headOf(raw, true)
	if h.kind == "" && itemKind != "" {
		h.kind, h.apiVersion = itemKind, itemVersion
	}
	if r.files.Change == nil { // which needs the whole object
		if done, err := r.typed(d, raw, path, h); done || err != nil {
			return err
		}
	}
	if h = headOf(raw, false); h.whole && h.items != nil && (h.kind != "" || itemKind != "") {
		kind, version := h.kind, h.apiVersion
		if kind == "" {
			kind, version = itemKind, itemVersion
		}
		return r.list(d, h.items, path, kind, version)
	}
	value, err := d.unmarshal(raw)
	if err != nil || value == nil && len(path) == 0 && len(d.path) == 0 {
		return err // an empty document is none
	}
	flatten(value, path, itemKind, itemVersion, func(object *unstructured.Unstructured, path []any, wrong error) {
		if err == nil {
			err = r.generic(d, object, path, wrong)
		}
	})
	return err
}

// list takes the items of a List.
func (r *reader) list(d *document, items []byte, path []any, kind, version string) (err error) {
	itemKind, isList := strings.CutSuffix(kind, "List")
	if !isList {
		itemKind = ""
	}
	well := eachItem(items, func(i int, raw []byte) {
		if err == nil {
			err = r.object(d, raw, append(slices.Clone(path), "items", i), itemKind, version)
		}
	})
	if !well && err == nil {
		return d.problem(0, fact.Corrupt, "expected an object, found a value that is not JSON")
	}
	return err
}

// generic takes an object of any kind.
func (r *reader) generic(d *document, object *unstructured.Unstructured, path []any, err error) error {
	return r.within(d, object, path, err, within{objects: r.files.Objects})
}

// within takes an object that is perhaps in another one, and those in it.
func (r *reader) within(d *document, object *unstructured.Unstructured, path []any, err error, in within) error {
	var found taken
	changed := false
	if err == nil {
		r.objects++
		r.summary.Count.Objects++
		if object.GetNamespace() == "" && r.namespace != "" {
			object.SetNamespace(r.namespace)
		}
		if in.depth == 0 && r.files.Change != nil {
			after, from, err := r.files.Change(object, d.source)
			if err != nil {
				return &stopped{err}
			}
			if after != nil {
				object, changed = after, true
			}
			if from != "" { // the text of the document is not that of the object
				d = &document{source: from, built: true}
			}
		}
		r.storage.add(object, d.source+" ")
		err = addConfigMap(&r.configMaps, d.source, object)
	}
	if err == nil {
		found = take(object, d.source+" ", in)
	} else {
		found.errs = []error{err}
	}
	for _, err := range found.errs {
		if object != nil {
			err = named(object, err)
		}
		if changed { // it was an object before
			return &stopped{fmt.Errorf("%s: after the change: %w", d.source, err)}
		}
		r.problem(d.problem(d.lineOf(path, err), fact.Corrupt, d.shown(path)+err.Error()))
	}
	if len(found.errs) == 0 && in.depth == 0 && object.GetKind() == "Namespace" && object.GetAPIVersion() == "v1" && object.GetName() != "" {
		r.namespaces++
		r.unknown(d, object, path, unknownFields(object.Object, builtinTypes["v1 Namespace"], nil))
		if err := r.emit(Item{Namespace: namespaceOf(object, d.source+" ")}); err != nil {
			return err
		}
	}
	for i := range found.gaps {
		r.gap(&found.gaps[i])
	}
	if object != nil && in.depth == 0 && r.files.Lines != nil && (len(found.workloads)+len(found.objects)+len(found.gaps)+len(found.unknown) > 0 || declares[object.GetKind()]) {
		r.place(d, path, subjectOf(object))
	}
	r.unknown(d, object, path, found.unknown)
	for i := range found.workloads {
		w := &found.workloads[i]
		if err := r.workload(w.workload, claimTemplates(object, &w.workload, w.claims)); err != nil {
			return err
		}
	}
	for _, o := range found.objects {
		if err := r.within(d, o.object, append(slices.Clone(path), o.path...), nil, o.within); err != nil {
			return err
		}
	}
	return nil
}

// declares are the kinds besides workloads that findings are about.
var declares = map[string]bool{fact.SubjectNamespace: true, fact.SubjectConfigMap: true}

// place remembers where an object is.
func (r *reader) place(d *document, path []any, owner fact.Subject) {
	r.files.Lines.add(d, path, origin(d.source+" ", owner.Kind, owner.Namespace, owner.Name), origin("", owner.Kind, owner.Namespace, owner.Name))
}

// unknown tells the fields of an object that the API does not have.
func (r *reader) unknown(d *document, object *unstructured.Unstructured, path []any, fields []unknownField) {
	for i := range fields {
		u := &fields[i]
		at := u.at
		if u.name != "" {
			at = append(slices.Clone(at), u.name)
		}
		problem := d.problem(d.lineOf(path, &fieldError{path: at}), "", "")
		if problem.Document == 1 {
			problem.Document = 0 // the line is enough
		}
		where := problem.place()
		if where != "" {
			where += ": "
		}
		if u.meant == "" {
			r.newer.add(u, d.source, where+d.shown(path))
			continue
		}
		owner := subjectOf(object)
		about := owner
		if u.outside { // else no check could say anything of the pod
			about = fact.Subject{Kind: fact.SubjectFile, Name: d.source}
		}
		r.gap(&fact.Gap{
			What: fact.Pods, Subject: about, Reason: fact.Corrupt,
			Detail: origin(d.source+" ", owner.Kind, owner.Namespace, owner.Name) + ": " + where + d.shown(path) + u.place() + ": " + u.text(),
			Hint:   "write the field as the API has it: kubectl refuses this one, and an API server that does not validate drops it",
		})
	}
}

// gap keeps what an object does not show.
func (r *reader) gap(g *fact.Gap) {
	if len(r.gaps) == MaxProblems {
		r.gapsDropped++
		return
	}
	r.tellApart(&g.Subject)
	r.gaps = append(r.gaps, *g)
}

// workload emits a workload, or keeps it until what it names is known.
func (r *reader) workload(w fact.Workload, list claims) error {
	r.summary.Count.Workloads++
	r.tellApart(&w.Owner)
	if len(list) == 0 && w.Spec.RuntimeClass == "" && !podspec.RunsScripts(&w) {
		return r.emit(Item{Workload: &w})
	}
	r.waiting = append(r.waiting, waiting{w, list})
	r.waitingWeight += w.Spec.Weight()
	if len(r.waiting) < maxWaiting && r.waitingWeight < maxWaitingWeight {
		return nil
	}
	// The oldest half does not wait any longer. What a later document would have said about
	// them is unknown.
	late := r.waiting[:(len(r.waiting)+1)/2]
	for i := range late {
		r.waitingWeight -= late[i].workload.Spec.Weight()
	}
	full, reason := r.storage.full, r.scripts.Reason
	r.storage.full, r.scripts.Reason = true, fact.Truncated
	err := r.releaseSome(late)
	r.storage.full, r.scripts.Reason = full, reason
	if err != nil {
		return err
	}
	rest := copy(r.waiting, r.waiting[len(late):])
	clear(r.waiting[rest:])
	r.waiting = r.waiting[:rest]
	return nil
}

// maxWaiting and maxWaitingWeight bound how many workloads wait for later documents, and what
// they weigh together (fact.PodSpec.Weight).
var (
	maxWaiting       = 4096
	maxWaitingWeight = 1 << 18
)

// waiting is a workload that names claims, a class, or scripts of ConfigMaps.
type waiting struct {
	workload fact.Workload
	claims   claims
}

// release emits what has waited.
func (r *reader) release() error {
	if err := r.releaseSome(r.waiting); err != nil {
		return err
	}
	return r.hand()
}

func (r *reader) releaseSome(list []waiting) error {
	for i := range list {
		w := list[i].workload
		r.storage.resolve(&w, list[i].claims)
		r.scripts.Fill(&w)
		if err := r.emit(Item{Workload: &w}); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) emit(item Item) error {
	r.batch = append(r.batch, item)
	if item.Workload != nil {
		r.batchWeight += item.Workload.Spec.Weight()
	}
	if len(r.batch) < batchSize && r.batchWeight < batchWeight {
		return nil
	}
	return r.hand()
}

// hand gives the batch to Stream.
func (r *reader) hand() error {
	select {
	case r.batches <- r.batch:
		r.batch, r.batchWeight = nil, 0
		return nil
	case <-r.ctx.Done():
		return &stopped{r.ctx.Err()}
	}
}

// tellApart names the source in a subject that another source declares, too. The first one
// keeps its identity, so that it is the same whatever else is read.
func (r *reader) tellApart(subject *fact.Subject) {
	if r.single {
		return
	}
	if r.seen == nil {
		r.seen = map[uint64]int{}
	}
	h := fnv.New64a()
	for _, text := range []string{subject.Kind, subject.Namespace, subject.Name} {
		_, _ = io.WriteString(h, text)
		_, _ = h.Write([]byte{0})
	}
	if first, found := r.seen[h.Sum64()]; !found {
		r.seen[h.Sum64()] = r.sources
	} else if first != r.sources {
		subject.File = r.source.name
	}
}

// lineOf is the line in the text that an error at a path of objects is about.
func (d *document) lineOf(path []any, err error) int {
	var field *fieldError
	if errors.As(err, &field) {
		path = append(slices.Clone(path), field.path...)
	}
	if len(path) == 0 {
		return 0
	}
	return lineOf(d.text, path)
}
