package cluster

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// An API server lists objects in the order of their keys in etcd, of which a namespace with a
// slash is the beginning. So the templates and pods of a cluster can be read side by side, one
// namespace after the other, and each namespace is passed on and dropped when its last pod has
// come: memory depends on the largest namespace, not on the cluster.

// beforeStream is how many workloads are kept before those that come are passed on.
const beforeStream = 1000

// errOrder says that a list is not in that order, or began again.
var errOrder = errors.New("the server's lists are not in the order of namespaces")

// orderOf is where the objects of a namespace stand in a list.
func orderOf(namespace string) string { return namespace + "/" }

// byNamespace passes on the workloads of one namespace after the other.
type byNamespace struct {
	*podLister
	// start begins to pass workloads on; nil if that was refused or done.
	start func() func([]fact.Workload)
	give  func([]fact.Workload) // nil before the start

	kept    []fact.Workload // before the start
	sources []*templates
	scripts *scriptReader
	// namespace is that of the pods that come, and begun says whether there was one.
	namespace string
	begun     bool
	lists     int // how often the list of pods has begun
	// What was passed on or kept.
	workloads, pods, owners, templates int
}

// templates gives the templates of one kind, or those of custom resources, in the order of
// their namespaces.
type templates struct {
	kind templateKind // without a page for custom resources
	next func() (templateItem, bool)
	stop func()
	head templateItem
	more bool // head is one
	err  error
}

// templateItem is a template of a custom resource, or an object that has one.
type templateItem struct {
	order  string
	custom *template
	holder *holder
}

// open begins to read templates.
func (b *byNamespace) open(ctx context.Context) error {
	l := b.podLister.templates
	if l == nil {
		return nil
	}
	// Custom resources were read before, and an object of the cluster can have pods anywhere.
	customs := l.list
	l.list = nil
	if slices.ContainsFunc(customs, func(t template) bool { return t.object.namespace == "" }) {
		return errOrder
	}
	slices.SortStableFunc(customs, func(x, y template) int {
		return strings.Compare(orderOf(x.object.namespace), orderOf(y.object.namespace))
	})
	b.add(&templates{}, func(yield func(templateItem) bool) {
		for i := range customs {
			if !yield(templateItem{order: orderOf(customs[i].object.namespace), custom: &customs[i]}) {
				return
			}
			customs[i] = template{}
		}
	})
	for _, kind := range l.builtins {
		source := &templates{kind: kind}
		b.add(source, func(yield func(templateItem) bool) { source.err = b.read(ctx, kind, yield) })
	}
	for _, source := range b.sources {
		if err := b.advance(ctx, source); err != nil {
			return err
		}
	}
	return nil
}

func (b *byNamespace) add(source *templates, items iter.Seq[templateItem]) {
	source.next, source.stop = iter.Pull(items)
	b.sources = append(b.sources, source)
}

func (b *byNamespace) close() {
	for _, source := range b.sources {
		source.stop()
	}
}

// read lists the objects of a built-in kind.
func (b *byNamespace) read(ctx context.Context, kind templateKind, yield func(templateItem) bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	l := b.podLister.templates
	last, done, lists, wrong := "", false, 0, false
	err := eachPage(ctx, l.opts.PageSize, metav1.ListOptions{}, kind.page,
		func() { lists++ },
		func(h *holder) {
			if done {
				return
			}
			order := orderOf(h.meta.Namespace)
			if order < last || lists > 1 {
				done, wrong = true, true
				cancel()
				return
			}
			last = order
			if h.template == nil || ownedByTemplate(h.meta) {
				return
			}
			one := *h
			if !yield(templateItem{order: order, holder: &one}) {
				done = true
				cancel()
			}
		})
	switch {
	case wrong:
		return errOrder
	case done:
		return nil
	}
	return err
}

// advance reads the next template of a source. A list that fails is a gap.
func (b *byNamespace) advance(ctx context.Context, source *templates) error {
	source.head, source.more = source.next()
	if source.more || source.err == nil {
		return nil
	}
	if errors.Is(source.err, errOrder) {
		return source.err
	}
	err := source.err
	source.err = nil
	return b.podLister.templates.note(ctx, source.kind.resource, err)
}

// load reads the templates up to a place, in the order of the kinds.
func (b *byNamespace) load(ctx context.Context, inPlace func(order string) bool) error {
	l := b.podLister.templates
	if l == nil {
		return nil
	}
	for _, source := range b.sources {
		for source.more && inPlace(source.head.order) {
			switch item := source.head; {
			case item.custom != nil:
				l.list = append(l.list, *item.custom)
			default:
				l.holder(source.kind, item.holder)
			}
			if err := b.advance(ctx, source); err != nil {
				return err
			}
		}
	}
	return l.tree.learn(ctx)
}

// enter begins with the pods of a namespace.
func (b *byNamespace) enter(ctx context.Context, namespace string) error {
	if b.begun && namespace == b.namespace {
		return nil
	}
	order := orderOf(namespace)
	if b.lists > 1 || b.begun && order < orderOf(b.namespace) {
		return errOrder
	}
	if err := b.leave(ctx); err != nil {
		return err
	}
	b.namespace, b.begun = namespace, true
	return b.load(ctx, func(of string) bool { return of <= order })
}

// leave passes on what was read of the namespace.
func (b *byNamespace) leave(ctx context.Context) error {
	workloads := b.podLister.workloads()
	clear(b.groups)
	clear(b.alike.groups)
	if l := b.podLister.templates; l != nil {
		workloads = l.join(workloads)
		b.templates += len(l.list)
		for i := range l.list {
			if builtinKinds[l.list[i].object.groupKind()] {
				delete(l.owners, l.list[i].object)
			}
		}
		clear(l.list)
		l.list = l.list[:0]
		for object := range b.tree.live {
			if builtinKinds[object.groupKind()] {
				delete(b.tree.live, object)
			}
		}
	}
	if err := b.scripts.fill(ctx, workloads); err != nil {
		return err
	}
	owners := map[fact.SubjectKey]bool{}
	for i := range workloads {
		b.pods += len(workloads[i].Pods)
		owners[workloads[i].Owner.Identity()] = true
	}
	b.owners += len(owners)
	b.workloads += len(workloads)
	if b.give == nil {
		b.kept = append(b.kept, workloads...)
		if len(b.kept) <= cmp.Or(b.opts.streamAfter, beforeStream) || b.start == nil {
			return nil
		}
		b.give, b.start = b.start(), nil
		if b.give == nil {
			return nil
		}
		workloads, b.kept = b.kept, nil
	}
	b.give(workloads)
	return nil
}

// finish passes on the rest: also after an error, what was read before it.
func (b *byNamespace) finish(ctx context.Context, failed error) error {
	if errors.Is(failed, errOrder) || ctx.Err() != nil {
		return failed
	}
	if failed != nil {
		b.start = nil // what the pods' list did not say is known now: the set is judged as a whole
	}
	if err := b.leave(ctx); err != nil {
		return err
	}
	for {
		// The next namespaces have no pods.
		least := ""
		for _, source := range b.sources {
			if source.more && (least == "" || source.head.order < least) {
				least = source.head.order
			}
		}
		if least == "" {
			break
		}
		if err := b.load(ctx, func(of string) bool { return of == least }); err != nil {
			if errors.Is(err, errOrder) {
				return err
			}
			return cmp.Or(failed, err)
		}
		if err := b.leave(ctx); err != nil {
			return err
		}
	}
	if b.give == nil {
		Sort(b.kept)
	}
	return failed
}
