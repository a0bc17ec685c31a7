//go:build e2e

package atrest

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/etcd"
)

// few is how many Secrets the test of what remains has: all their names fit into a fact.
const few = fact.MaxRemainingSecrets

// whole finds values in plaintext: a canary with the type of the Secret behind it, as
// protobuf has it. The first group names the Secret.
var (
	anyCanary = regexp.MustCompile(marker + `-(\w+)-(\d{3})-(\d)`)
	opaque    = []byte("\x1a\x06Opaque")
)

// grep is what strings and grep find in a file: how often, and which values. One value can
// lie there several times: bbolt copies pages.
func grep(t *testing.T, path string) (n int, values map[string]bool) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	values = map[string]bool{}
	for _, m := range anyCanary.FindAllSubmatchIndex(data, -1) {
		if behind := data[m[1]:min(len(data), m[1]+len(opaque))]; !bytes.Equal(behind, opaque) {
			continue // cut off, or managedFields' idea of it
		}
		n++
		values[string(data[m[0]:m[1]])] = true
	}
	return n, values
}

// everywhere is what the readers say of a stopped or running member.
type everywhere struct {
	db      *fact.EtcdDB
	remains []fact.Remains // beside the database
}

func (s *server) everywhere(revision int64) everywhere {
	s.t.Helper()
	var known etcd.Known
	opts := etcd.Options{Residue: true, Known: &known}
	out := everywhere{db: s.live(revision, opts)}
	member := filepath.Dir(filepath.Dir(s.db))
	root, err := os.OpenRoot(member)
	if err != nil {
		s.t.Fatal(err)
	}
	defer root.Close()
	out.remains = etcd.ReadMemberRemains(s.t.Context(), etcd.UserDir(root), etcd.RemainsOptions{Path: member, Prefix: "/registry", Known: &known})
	s.quiet(&fact.EtcdDB{Remains: out.remains}, nil, nil)
	return out
}

// copied reads what etcdctl snapshot save wrote.
func (s *server) copied(path string) *fact.EtcdDB {
	s.t.Helper()
	f, err := os.Open(path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		s.t.Fatal(err)
	}
	db, gaps, err := etcd.Read(s.t.Context(), part{io.NewSectionReader(f, 0, info.Size()-sha256.Size)}, etcd.Options{Path: path, Snapshot: true, Residue: true})
	s.quiet(db, gaps, err)
	if err != nil || len(gaps) > 0 {
		s.t.Fatal(err, gaps)
	}
	return db
}

type part struct{ *io.SectionReader }

func (p part) Size() (int64, error) { return p.SectionReader.Size(), nil }

// at is the sum of what was found in one kind of place. All of it must have been searched.
func (e everywhere) at(t *testing.T, place fact.RemainsPlace) (values, unnamed int, named map[string]int) {
	t.Helper()
	named = map[string]int{}
	found := false
	for _, r := range slices.Concat(e.db.Remains, e.remains) {
		if r.Place != place {
			continue
		}
		found = true
		if !r.Complete {
			t.Errorf("%s of %s was not searched to its end: %s %s", place, r.Path, r.Reason, r.Detail)
		}
		values += r.Values
		unnamed += r.Unnamed
		for _, secret := range r.Secrets {
			named[secret.Namespace+"/"+secret.Name] += secret.Values
		}
	}
	if !found {
		t.Errorf("nothing is said of %s", place)
	}
	return values, unnamed, named
}

// compact removes the history up to now.
func (s *server) compact() {
	s.t.Helper()
	now, err := s.etcd.Get(s.t.Context(), "x")
	if err != nil {
		s.t.Fatal(err)
	}
	s.compacted = now.Header.Revision
	if _, err := s.etcd.Compact(s.t.Context(), s.compacted, clientv3.WithCompactPhysical()); err != nil {
		s.t.Fatal(err)
	}
}

// TestRemains: a plaintext value is followed through encryption, a rewrite, compaction and
// defragmentation. At each step it is where grep finds it, and nowhere else.
func TestRemains(t *testing.T) {
	s := startEtcd(t, 200) // so that it makes snapshots
	box := newKey("secretbox", "box")
	encrypted := config(entry{"secrets", []key{box, identity}})
	o := newOracle(t, []key{identity, box})
	ctx := t.Context()
	member := filepath.Dir(filepath.Dir(s.db))

	type want struct {
		plain, history    int // rows
		free, log, snaped bool
		either            bool // free pages hold what grep finds
	}
	check := func(step string, want want) {
		t.Helper()
		truth := s.truth(o)
		got := s.everywhere(truth.revision)
		s.same(step, truth, got.db, false)
		if n := truth.byClass[fact.ClassIdentityProtobuf]; n != want.plain || truth.history.Plaintext != want.history {
			t.Errorf("%s: %d rows are plaintext, and %d older ones; this step is not what it should be", step, n, truth.history.Plaintext)
		}

		// The database: what grep finds beyond the rows is in free pages, or in none.
		inFile, values := grep(t, s.db)
		free, unnamed, named := got.at(t, fact.InFreePages)
		slack, _, _ := got.at(t, fact.InPageSlack)
		behind, _, _ := got.at(t, fact.BehindEnd)
		rows := want.plain + want.history
		t.Logf("%s: grep finds %d values in the file in %d places, %d of rows; %d in free pages (%d without a name), %d in slack, %d behind the end", step, len(values), inFile, rows, free, unnamed, slack, behind)
		if want.either {
			want.free = len(values) > rows
		}
		if (len(values) > rows) != want.free {
			t.Errorf("%s: grep finds %d values in the file for %d rows; this step is not what it should be", step, len(values), rows)
		}
		if !want.free && free+slack+behind != 0 || want.free && free == 0 {
			t.Errorf("%s: %d values in free pages, %d in slack, %d behind the end, grep finds %d for %d rows", step, free, slack, behind, len(values), rows)
		}
		if rows == 0 {
			// Then everything that grep finds is a remain, by name as far as that lies there.
			if free+slack+behind < inFile {
				t.Errorf("%s: %d values were found, grep finds %d", step, free+slack+behind, inFile)
			}
			missing := 0
			for text := range values {
				m := anyCanary.FindStringSubmatch(text)
				if named[m[1]+"/s"+m[2]] == 0 {
					missing++
				}
			}
			if missing > unnamed {
				t.Errorf("%s: %d Secrets have values in the file and are not named, %d values have no name", step, missing, unnamed)
			}
		}
		for id, n := range named {
			if n > 0 && !strings.HasPrefix(id, "shop/s") {
				t.Errorf("%s: a Secret that never was: %s", step, id)
			}
		}

		// A snapshot by etcdctl copies free pages, too.
		saved := s.snapshot()
		_, inCopy := grep(t, saved)
		n := 0
		for _, r := range s.copied(saved).Remains {
			n += r.Values
			if !r.Complete {
				t.Errorf("%s: %s of the snapshot was not searched to its end: %s", step, r.Place, r.Detail)
			}
		}
		if (n > 0) != (len(inCopy) > rows) {
			t.Errorf("%s: %d values remain in the snapshot, grep finds %d for %d rows", step, n, len(inCopy), rows)
		}

		// The log and the snapshot files next to the database.
		for _, place := range []struct {
			place fact.RemainsPlace
			glob  string
			want  bool
		}{
			{fact.InLog, filepath.Join(member, "wal", "*"), want.log},
			{fact.InSnapFile, filepath.Join(member, "snap", "*.snap*"), want.snaped},
		} {
			files, err := filepath.Glob(place.glob)
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			for _, file := range files {
				if file == s.db {
					continue
				}
				found, _ := grep(t, file)
				n += found
			}
			values, _, _ := got.at(t, place.place)
			t.Logf("%s: grep finds %d values in %d files of the %s, the reader %d", step, n, len(files), place.place, values)
			if (n > 0) != place.want {
				t.Errorf("%s: grep finds %d values in the %s; this step is not what it should be", step, n, place.place)
			}
			// Values of rows in plaintext are not counted a second time.
			if rows == 0 && values != n || values > n {
				t.Errorf("%s: %d values in the %s, grep finds %d", step, values, place.place, n)
			}
		}
	}

	s.start("")
	s.create("shop", few)
	check("written", want{plain: few, log: true})

	s.start(encrypted)
	check("encryption is on", want{plain: few, log: true})

	s.change("shop", 0, few, 1)
	check("rewritten", want{history: few, log: true})

	s.compact()
	check("compacted", want{free: true, log: true})

	// Other objects take some of the free pages, whole or in part.
	for i := range 3 {
		s.configMaps(fmt.Sprintf("over%d", i), 40)
		check("written over", want{either: true, log: true})
	}

	if _, err := s.etcd.Defragment(ctx, s.url); err != nil {
		t.Fatal(err)
	}
	check("defragmented", want{log: true})
}
