package checks

import (
	"slices"
	"sort"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// roster numbers the subjects of a run, from 0, and keeps what is computed of each
// once: a subject is a costly key, and each has findings of many checks.
type roster struct {
	view *View // nil where no run is judged: then nothing is platform or idle
	// secrets are the Secrets that are listed or stored. They have the first numbers.
	secrets secretNames
	others  []*fact.Subject
	numbers map[fact.SubjectKey]int // of the others
	flags   []subjectFlags          // by number
	last    int                     // the number that was given last
}

// secretNames are names of Secrets, sorted. They need no map, which would be large:
// there can be hundreds of thousands.
type secretNames struct {
	one []*fact.StoredSecret // if there is only one list, of a file
	all []SecretKey          // otherwise
}

func namesOf(stores *Stores) secretNames {
	var files []*Store
	for _, list := range [][]Store{stores.Ours, stores.Unclear} {
		for i := range list {
			files = append(files, &list[i])
		}
	}
	if len(files) == 1 && len(stores.Listed) == 0 {
		return secretNames{one: files[0].Held}
	}
	most := len(stores.Listed)
	for _, file := range files {
		most = max(most, len(file.Held))
	}
	n := secretNames{all: make([]SecretKey, 0, most)}
	EachSecret(stores.Listed, files, func(key SecretKey, _ *ListedSecret, _ []*fact.StoredSecret) {
		n.all = append(n.all, key)
	})
	return n
}

func (n *secretNames) count() int { return len(n.one) + len(n.all) }

func (n *secretNames) at(i int) SecretKey {
	if n.one != nil {
		return KeyOf(n.one[i])
	}
	return n.all[i]
}

func (n *secretNames) find(key SecretKey) (int, bool) {
	i := sort.Search(n.count(), func(i int) bool { return CompareSecretKeys(n.at(i), key) >= 0 })
	return i, i < n.count() && n.at(i) == key
}

// subjectFlags is what a run knows about a subject.
type subjectFlags uint8

const (
	ofPlatform subjectFlags = 1 << iota // in a namespace of the platform
	isIdle                              // a workload none of whose pods runs
)

func newRoster(v *View) *roster {
	r := &roster{view: v}
	size := 0
	if v != nil {
		size = len(v.Nodes) + 2*len(v.Workloads)
		r.secrets = namesOf(v.Stores())
		r.flags = make([]subjectFlags, r.secrets.count(), r.secrets.count()+size)
		for i := range r.flags {
			s := r.subject(i)
			r.flags[i] = r.flagsOf(&s)
		}
	}
	r.numbers, r.others = make(map[fact.SubjectKey]int, size), make([]*fact.Subject, 0, size)
	return r
}

func (r *roster) size() int { return len(r.flags) }

func (r *roster) platform(number int) bool { return r.flags[number]&ofPlatform != 0 }

func (r *roster) idle(number int) bool { return r.flags[number]&isIdle != 0 }

func (r *roster) flagsOf(s *fact.Subject) subjectFlags {
	var f subjectFlags
	// Nodes and the cluster have no namespace: they never belong to the platform.
	namespace := s.Namespace
	if s.Kind == fact.SubjectNamespace && namespace == "" {
		namespace = s.Name
	}
	if r.view != nil && r.view.Platform(namespace) {
		f |= ofPlatform
	}
	if r.view != nil && r.view.Idle(*s) {
		f |= isIdle
	}
	return f
}

// subject is the subject that has a number.
func (r *roster) subject(number int) fact.Subject {
	if number < r.secrets.count() {
		key := r.secrets.at(number)
		return fact.Subject{Kind: fact.SubjectSecret, Namespace: key.Namespace, Name: key.Name}
	}
	return *r.others[number-r.secrets.count()]
}

// number gives a subject its number. The roster keeps the pointer.
func (r *roster) number(s *fact.Subject) int {
	number, known := r.find(s)
	if !known {
		number = r.add(s)
	}
	return number
}

// find is the number of a subject that has one.
func (r *roster) find(s *fact.Subject) (number int, known bool) {
	// Checks go through subjects in the same order, so that most are the last one
	// or the one after it: to look there is much cheaper than a search.
	for i := r.last; i <= r.last+1 && i < r.size(); i++ {
		if i < r.secrets.count() {
			known = isSecret(s) && r.secrets.at(i) == SecretKey{s.Namespace, s.Name}
		} else {
			known = sameSubject(r.others[i-r.secrets.count()], s)
		}
		if known {
			r.last = i
			return i, true
		}
	}
	if isSecret(s) {
		number, known = r.secrets.find(SecretKey{s.Namespace, s.Name})
	}
	if !known {
		number, known = r.numbers[s.Identity()]
	}
	if known {
		r.last = number
	}
	return number, known
}

// isSecret reports whether a subject is a Secret and nothing else.
func isSecret(s *fact.Subject) bool {
	return s.Kind == fact.SubjectSecret && s.Container == "" && s.Node == "" && s.Cluster == "" && s.File == ""
}

// sameSubject compares what identifies subjects.
func sameSubject(a, b *fact.Subject) bool { return sameOwner(a, b) && a.Container == b.Container }

// add numbers a subject that has no number. The roster keeps the pointer.
func (r *roster) add(s *fact.Subject) int {
	number := r.size()
	r.numbers[s.Identity()] = number
	r.others, r.flags = append(r.others, s), append(r.flags, r.flagsOf(s))
	r.last = number
	return number
}

// ranks gives the place of each subject, by its number, in the order of
// fact.Subject.Compare.
func (r *roster) ranks() []int32 {
	order := make([]int32, r.size())
	for i := range order {
		order[i] = int32(i)
	}
	// Secrets are sorted already. The others are sorted and merged with them.
	others := order[r.secrets.count():]
	slices.SortFunc(others, func(a, b int32) int {
		return r.others[int(a)-r.secrets.count()].Compare(r.others[int(b)-r.secrets.count()])
	})
	ranks := make([]int32, len(order))
	nextSecret, nextOther := 0, 0
	for rank := range ranks {
		secretIsNext := nextOther == len(others)
		if !secretIsNext && nextSecret < r.secrets.count() {
			secret := r.subject(nextSecret)
			secretIsNext = secret.Compare(r.others[int(others[nextOther])-r.secrets.count()]) < 0
		}
		if secretIsNext {
			ranks[nextSecret] = int32(rank)
			nextSecret++
		} else {
			ranks[others[nextOther]] = int32(rank)
			nextOther++
		}
	}
	return ranks
}
