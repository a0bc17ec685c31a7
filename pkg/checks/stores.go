package checks

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// SecretKey is what a Secret is called.
type SecretKey struct{ Namespace, Name string }

// KeyOf is what a stored Secret is called.
func KeyOf(s *fact.StoredSecret) SecretKey { return SecretKey{s.Namespace, s.Name} }

// CompareSecretKeys orders by namespace and name.
func CompareSecretKeys(a, b SecretKey) int {
	return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
}

// Store is one etcd file with what precedes its path in evidence.
type Store struct {
	DB     *fact.EtcdDB
	Node   *fact.Node // nil for a snapshot
	Source string
	// Held is what the file holds, sorted by name. If a Secret is there twice,
	// which no real etcd has, the plaintext one stays.
	Held []*fact.StoredSecret

	// compared counts the listed Secrets that can show whose file it is, matched
	// those of them that it holds at the listed revision, later those that it holds
	// at a revision newer than the whole list. All are 0 for a node that is not
	// a witness.
	compared, matched, later int
	by                       string // what was compared: "revision" or, for old facts, "name"
	doubled                  bool   // some Secret is there twice
}

// Kine reports whether it is kine's SQLite and not etcd's bbolt.
func (s *Store) Kine() bool { return s.DB.Format == fact.FormatKine }

// In names the store as in "stored in etcd", A as in "an etcd of the control
// plane", File as in "etcd's file".
func (s *Store) In() string {
	if s.Kine() {
		return "SQLite (kine)"
	}
	return "etcd"
}

// A is In with an article.
func (s *Store) A() string {
	if s.Kine() {
		return "an SQLite database (kine)"
	}
	return "an etcd"
}

// File is the store's file in words.
func (s *Store) File() string {
	if s.Kine() {
		return "kine's database"
	}
	return "etcd's file"
}

// Subject is what findings about the whole store are about: its node, or the file
// that the user named.
func (s *Store) Subject() fact.Subject {
	if s.Node == nil {
		return fact.Subject{Kind: fact.SubjectFile, Name: s.DB.Path}
	}
	return fact.Subject{Kind: fact.SubjectNode, Name: s.Node.Name}
}

// Answers reports whether the file answers for all Secrets that it holds.
func (s *Store) Answers() bool { return s.Whole() && s.DB.Prefix != "" }

// Stores are the etcd files of a set, the best first in each list.
type Stores struct {
	// Ours are this cluster's: files of witnesses that hold what the API server
	// lists. A snapshot that was given is the only one.
	Ours []Store
	// Unclear are files of witnesses that may be this cluster's: too few of the
	// listed Secrets match, or too little was read. They never lead to a yes,
	// and plaintext at a listed revision counts in them too.
	Unclear []Store
	// Others are fully read files of witnesses that belong to something else:
	// Calico, an application, a virtual cluster. Nothing is judged by them.
	Others []Store
	// Untrusted are files of nodes that are not witnesses.
	Untrusted []Store
	// Listed is what the API server lists, by name, sorted, each once. Newest is
	// the newest of their revisions, 0 in facts of the first version.
	Listed []ListedSecret
	Newest int64
}

// ListedSecret is a Secret in the API server's list, with its mod revision; 0
// if that is unknown.
type ListedSecret struct {
	SecretKey
	Revision int64
}

// Revision is the mod revision of a listed Secret; isListed is false for any other.
func (o *Stores) Revision(key SecretKey) (revision int64, isListed bool) {
	i, found := slices.BinarySearchFunc(o.Listed, key, func(l ListedSecret, key SecretKey) int { return CompareSecretKeys(l.SecretKey, key) })
	if !found {
		return 0, false
	}
	return o.Listed[i].Revision, true
}

// EachSecret calls do for each Secret that is listed or held by one of the files,
// sorted by name: with what the list says, nil if it does not have it, and with
// what each file holds, nil likewise. Held is overwritten by the next call.
func EachSecret(listed []ListedSecret, files []*Store, do func(key SecretKey, listed *ListedSecret, held []*fact.StoredSecret)) {
	EachSecretUntil(listed, files, func(key SecretKey, listed *ListedSecret, held []*fact.StoredSecret) bool {
		do(key, listed, held)
		return true
	})
}

// EachSecretUntil is EachSecret, and ends when do returns false.
func EachSecretUntil(listed []ListedSecret, files []*Store, do func(key SecretKey, listed *ListedSecret, held []*fact.StoredSecret) bool) {
	// All lists are sorted, so that one pass over them together finds what belongs
	// together; maps of 100,000 names would cost several times as much.
	at, next := 0, make([]int, len(files))
	held := make([]*fact.StoredSecret, len(files))
	for {
		var key SecretKey
		found := false
		least := func(k SecretKey) {
			if !found || CompareSecretKeys(k, key) < 0 {
				key, found = k, true
			}
		}
		if at < len(listed) {
			least(listed[at].SecretKey)
		}
		for i, file := range files {
			if next[i] < len(file.Held) {
				least(KeyOf(file.Held[next[i]]))
			}
		}
		if !found {
			return
		}
		var l *ListedSecret
		if at < len(listed) && listed[at].SecretKey == key {
			l = &listed[at]
			at++
		}
		for i, file := range files {
			held[i] = nil
			if next[i] < len(file.Held) && KeyOf(file.Held[next[i]]) == key {
				held[i] = file.Held[next[i]]
				next[i]++
			}
		}
		if !do(key, l, held) {
			return
		}
	}
}

// Stores sorts the etcd files. If Secrets were not listed, nothing can be
// compared. Then every file of a witness counts, and the missing list is a gap
// that prevents a yes.
func (v *View) Stores() *Stores {
	if v.stores == nil {
		v.stores = v.sortStores()
	}
	return v.stores
}

func (v *View) sortStores() *Stores {
	out := &Stores{Listed: make([]ListedSecret, 0, len(v.Secrets))}
	for _, s := range v.Secrets {
		// A resourceVersion is etcd's mod revision in decimal (KEP-5504 lets
		// clients rely on it).
		revision, err := strconv.ParseInt(s.ResourceVersion, 10, 64)
		if err != nil || revision < 0 {
			revision = 0
		}
		out.Listed = append(out.Listed, ListedSecret{SecretKey{s.Namespace, s.Name}, revision})
		out.Newest = max(out.Newest, revision)
	}
	// One that is listed twice, as in no API server's list, has no known revision.
	out.Listed = sortedOnce(out.Listed, func(l *ListedSecret) SecretKey { return l.SecretKey }, func(first, other *ListedSecret) {
		if first.Revision != other.Revision {
			first.Revision = 0
		}
	})
	if v.Snapshot != nil {
		out.Ours = []Store{newStore(v.Snapshot, nil)}
		return out
	}
	for i := range v.Nodes {
		node := &v.Nodes[i]
		if node.Measured == nil {
			continue
		}
		trusted := v.StorageWitness(node)
		for j := range node.Measured.Etcd {
			s := newStore(&node.Measured.Etcd[j], node)
			// A comparison costs the whole list, so a worker node gets none.
			if trusted {
				out.compare(&s)
			}
			switch {
			case !trusted:
				out.Untrusted = append(out.Untrusted, s)
			case s.DB.Prefix != "" && (!v.SecretsListed || out.ours(&s)):
				out.Ours = append(out.Ours, s)
			case out.unclear(&s):
				out.Unclear = append(out.Unclear, s)
			default:
				out.Others = append(out.Others, s)
			}
		}
	}
	out.Unclear = slices.DeleteFunc(out.Unclear, func(s Store) bool {
		foreign := out.contradicts(&s)
		if foreign {
			out.Others = append(out.Others, s)
		}
		return foreign
	})
	best := func(a, b Store) int {
		return cmp.Or(
			trueFirst(a.Answers(), b.Answers()),
			cmp.Compare(b.matched, a.matched),
			trueFirst(a.DB.Total > 0, b.DB.Total > 0), // etcd for events alone holds none
			cmp.Compare(b.DB.Revision, a.DB.Revision),
			cmp.Compare(a.Source, b.Source),
		)
	}
	for _, list := range [][]Store{out.Ours, out.Unclear, out.Others, out.Untrusted} {
		slices.SortStableFunc(list, best)
	}
	return out
}

func newStore(db *fact.EtcdDB, node *fact.Node) Store {
	s := Store{DB: db, Node: node, Source: db.Path, Held: make([]*fact.StoredSecret, len(db.Secrets))}
	if node != nil {
		s.Source = NodeSource(node, "%s", db.Path)
	}
	for i := range db.Secrets {
		s.Held[i] = &db.Secrets[i]
	}
	s.Held = sortedOnce(s.Held, func(h **fact.StoredSecret) SecretKey { return KeyOf(*h) }, func(first, other **fact.StoredSecret) {
		s.doubled = true
		if !(*first).Class.Plaintext() {
			*first = *other
		}
	})
	return s
}

// sortedOnce sorts a list by name and keeps one entry of each, into which join
// takes the others, in their order.
func sortedOnce[T any](list []T, key func(*T) SecretKey, join func(first, other *T)) []T {
	compare := func(a, b T) int { return CompareSecretKeys(key(&a), key(&b)) }
	// Lists of the API server and of etcd are sorted: nothing is to be done.
	if !slices.IsSortedFunc(list, compare) {
		slices.SortStableFunc(list, compare)
	}
	out := list[:0]
	for i := range list {
		if n := len(out); n > 0 && key(&out[n-1]) == key(&list[i]) {
			join(&out[n-1], &list[i])
			continue
		}
		out = append(out, list[i])
	}
	return out
}

// compare counts what shows whose file it is. A listed Secret shows nothing if
// it is newer than the file, or if the file's revision is newer than the whole
// list: it was written after one was read and before the other. If a file was
// not fully read, missing Secrets and older revisions show nothing either: the
// listed revision may be in the unread part.
func (o *Stores) compare(s *Store) {
	s.by = "revision"
	if o.Newest == 0 {
		s.by = "name"
	}
	whole := s.Whole()
	EachSecret(o.Listed, []*Store{s}, func(_ SecretKey, listed *ListedSecret, of []*fact.StoredSecret) {
		if listed == nil {
			return
		}
		revision, held := listed.Revision, of[0]
		switch {
		case held == nil && !whole:
		case o.Newest == 0:
			s.compared++
			if held != nil {
				s.matched++
			}
		case revision == 0:
		case held != nil && held.Revision == revision: // whatever the file's own revision says
			s.compared++
			s.matched++
		case revision > s.DB.Revision:
		case held != nil && held.Revision > o.Newest:
			s.later++
		case whole:
			s.compared++
		}
	})
}

// Compared counts the listed Secrets that can show whose file it is.
func (s *Store) Compared() int { return s.compared }

// Whole reports whether all Secrets of the file are in the facts.
func (s *Store) Whole() bool {
	return s.DB.Complete && len(s.DB.Secrets) == s.DB.Total && !s.doubled
}

// ours reports whether a file is the API server's: it holds at least 9 of 10 of
// the listed Secrets at the revisions that the API server lists. Names alone can
// be anybody's: a virtual cluster has the same ones. Without a Secret to compare
// nothing shows it, unless there is none on either side.
func (o *Stores) ours(s *Store) bool {
	if len(o.Listed) == 0 {
		return len(s.Held) == 0 && s.Answers()
	}
	return s.compared > 0 && 10*s.matched >= 9*s.compared
}

// unclear reports whether a file that does not count as the API server's may
// still be the API server's. What a file does not hold shows that it is
// something else's, so this needs a full read; without a key prefix it holds no
// Secret at all. One match by revision is not chance; names count only if most
// are there.
func (o *Stores) unclear(s *Store) bool {
	switch {
	case !s.Whole():
		return true
	case s.DB.Prefix == "":
		return len(s.Held) > 0 // as no reader gives it
	case len(o.Listed) == 0:
		return true
	case o.Newest == 0:
		return 2*s.matched >= s.compared
	}
	return s.matched > 0 || s.compared == 0 && s.later > 0
}

// contradicts reports whether a file cannot be from the same store as one that
// is this cluster's. The file was fully read and no listed Secret matches; it
// holds a Secret at a revision that the other has passed without writing it.
func (o *Stores) contradicts(s *Store) bool {
	if !s.Whole() || s.matched > 0 {
		return false
	}
	for i := range o.Ours {
		own := &o.Ours[i]
		if !own.Answers() {
			continue
		}
		passed := false
		EachSecret(nil, []*Store{s, own}, func(_ SecretKey, _ *ListedSecret, held []*fact.StoredSecret) {
			passed = passed || held[0] != nil && held[1] != nil &&
				held[1].Revision < held[0].Revision && held[0].Revision <= own.DB.Revision
		})
		if passed {
			return true
		}
	}
	return false
}

// Describe says what the comparison with the API server's list gave.
func (s *Store) Describe() string {
	if s.DB.Prefix == "" {
		return "no key PREFIX/namespaces/default, so it is unknown which keys are Secrets"
	}
	if s.compared == 0 {
		return "no listed Secret to compare it with"
	}
	return fmt.Sprintf("%d of %d listed Secrets, compared by %s", s.matched, s.compared, s.by)
}

// names are the others for the report.
func (o *Stores) names() []string {
	var out []string
	for i := range o.Others {
		out = append(out, o.Others[i].Source+": "+o.Others[i].Describe())
	}
	return out
}

func trueFirst(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}
