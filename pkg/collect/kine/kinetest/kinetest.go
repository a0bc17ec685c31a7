// Package kinetest makes databases as kine does, for tests: the statements of kine 0.17.5
// (pkg/drivers/sqlite, pkg/drivers/generic) as text, and the rows that they leave.
package kinetest

import (
	"fmt"
	"math/rand"
	"sort"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/stored/storedtest"
)

// Schema makes kine's table and indexes.
const Schema = `CREATE TABLE IF NOT EXISTS kine
			(
				id INTEGER PRIMARY KEY AUTOINCREMENT,
				name TEXT,
				created INTEGER,
				deleted INTEGER,
				create_revision INTEGER,
				prev_revision INTEGER,
				lease INTEGER,
				value BLOB,
				old_value BLOB
			);
CREATE INDEX IF NOT EXISTS kine_name_index ON kine (name);
CREATE INDEX IF NOT EXISTS kine_name_id_index ON kine (name,id);
CREATE INDEX IF NOT EXISTS kine_id_deleted_index ON kine (id,deleted);
CREATE INDEX IF NOT EXISTS kine_prev_revision_index ON kine (prev_revision);
CREATE UNIQUE INDEX IF NOT EXISTS kine_name_prev_revision_uindex ON kine (name, prev_revision);
CREATE INDEX IF NOT EXISTS kine_id_compact_rev_key_with_prev_revision_index ON kine(id, name, prev_revision) WHERE name != 'compact_rev_key' AND prev_revision != 0;
`

// Row is a row of kine's table.
type Row struct {
	ID, Prev, Create int64
	Name             string
	Created, Deleted bool
	Value, Old       []byte // nil is NULL
}

// Model is a database: the statements so far, and the rows.
type Model struct {
	Rows      []*Row
	Last      int64 // id of the last row
	Compacted int64
	// Doubled writes the value of a tombstone as kine did before it wrote NULL.
	Doubled bool

	sql     strings.Builder
	current map[string]*Row
}

// New is an empty database with the rows that kine writes first.
func New() *Model {
	m := &Model{current: map[string]*Row{}}
	m.sql.WriteString(Schema)
	m.insert(&Row{Name: "compact_rev_key", Created: true, Value: []byte{}})
	m.Put("/registry/health", []byte(`{"health":"true"}`))
	return m
}

// SQL returns the statements since the last call.
func (m *Model) SQL() string {
	defer m.sql.Reset()
	return m.sql.String()
}

// Exec adds a statement that does not change rows.
func (m *Model) Exec(sql string) { m.sql.WriteString(sql + ";\n") }

func literal(b []byte) string {
	if b == nil {
		return "NULL"
	}
	return fmt.Sprintf("X'%x'", b)
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (m *Model) insert(r *Row) {
	m.Last++
	r.ID = m.Last
	create := fmt.Sprint(r.Create)
	if r.Create == 0 {
		create = "NULL"
	}
	fmt.Fprintf(&m.sql, "INSERT INTO kine(name, created, deleted, create_revision, prev_revision, lease, value, old_value) VALUES('%s', %d, %d, %s, %d, 0, %s, %s);\n",
		r.Name, number(r.Created), number(r.Deleted), create, r.Prev, literal(r.Value), literal(r.Old))
	m.Rows = append(m.Rows, r)
	m.current[r.Name] = r
}

// Put creates or changes a key.
func (m *Model) Put(key string, value []byte) {
	r := &Row{Name: key, Value: value}
	before := m.current[key]
	switch {
	case before == nil:
		r.Created = true
	case before.Deleted:
		r.Created, r.Prev = true, before.ID
	default:
		r.Prev, r.Old, r.Create = before.ID, before.Value, before.Create
		if r.Create == 0 {
			r.Create = before.ID
		}
	}
	m.insert(r)
}

// Delete deletes a key that exists.
func (m *Model) Delete(key string) {
	before := m.current[key]
	r := &Row{Name: key, Deleted: true, Prev: before.ID, Old: before.Value, Create: before.Create}
	if m.Doubled {
		r.Value = before.Value
	}
	m.insert(r)
}

// Gap writes the row with which kine fills a hole in the revisions.
func (m *Model) Gap() {
	m.insert(&Row{Name: fmt.Sprintf("gap-%d", m.Last+1), Deleted: true})
}

// Compact removes what kine removes when it compacts up to a revision.
func (m *Model) Compact(to int64) {
	from := m.Compacted
	m.Compacted = to
	fmt.Fprintf(&m.sql, "UPDATE kine SET prev_revision = %d WHERE name = 'compact_rev_key';\n", to)
	fmt.Fprintf(&m.sql, "DELETE FROM kine AS kv WHERE kv.id IN (SELECT kp.prev_revision AS id FROM kine AS kp WHERE kp.name != 'compact_rev_key' AND kp.prev_revision != 0 AND kp.id > %[1]d AND kp.id <= %[2]d UNION ALL SELECT kd.id AS id FROM kine AS kd WHERE kd.deleted != 0 AND kd.id > %[1]d AND kd.id <= %[2]d);\n", from, to)
	gone := map[int64]bool{}
	for _, r := range m.Rows {
		if r.ID > from && r.ID <= to {
			if r.Name != "compact_rev_key" && r.Prev != 0 {
				gone[r.Prev] = true
			}
			if r.Deleted {
				gone[r.ID] = true
			}
		}
		if r.Name == "compact_rev_key" {
			r.Prev = to
		}
	}
	kept := m.Rows[:0]
	for _, r := range m.Rows {
		if gone[r.ID] {
			if m.current[r.Name] == r {
				delete(m.current, r.Name)
			}
			continue
		}
		kept = append(kept, r)
	}
	m.Rows = kept
}

// Keys are the keys that exist, in order.
func (m *Model) Keys() []string {
	var keys []string
	for key, r := range m.current {
		if !r.Deleted && strings.HasPrefix(key, "/") {
			keys = append(keys, key)
		}
	}
	sort.Strings(keys)
	return keys
}

// Run makes random changes: Secrets in every form and other keys, some of them large,
// deletions, compactions. Large is the size of the largest values, bytes.
func (m *Model) Run(r *rand.Rand, steps, large int) {
	if m.current["/registry/namespaces/default"] == nil {
		m.Put("/registry/namespaces/default", storedtest.Protobuf("v1", "Namespace", nil))
	}
	for range steps {
		ns, name := fmt.Sprintf("ns-%d", r.Intn(3)), fmt.Sprintf("s%d", r.Intn(40))
		key := "/registry/secrets/" + ns + "/" + name
		switch r.Intn(20) {
		case 0, 1, 2:
			if keys := m.Keys(); r.Intn(3) == 0 {
				if key := keys[r.Intn(len(keys))]; !strings.HasPrefix(key, "/registry/namespaces") {
					m.Delete(key)
				}
			}
		case 3:
			m.Gap()
		case 4:
			if to := m.Compacted + int64(r.Intn(int(m.Last-m.Compacted)+1)); r.Intn(4) == 0 && to > m.Compacted {
				m.Compact(to)
			}
		case 5, 6, 7:
			m.Put(fmt.Sprintf("/registry/configmaps/%s/%s", ns, name), storedtest.Protobuf("v1", "ConfigMap", make([]byte, r.Intn(large))))
		case 8:
			data := make([]byte, r.Intn(large))
			for i := range data {
				data[i] = 'x'
			}
			m.Put(key, storedtest.ProtobufSecret(ns, name, append(fmt.Appendf(nil, "CANARY%d", r.Int63()), data...)))
		default:
			m.Put(key, storedtest.AnySecret(r, ns, name))
		}
	}
}
