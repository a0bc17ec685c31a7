package wire

import (
	"encoding/json"
	"io"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// writeJSON writes what json.Marshal gives for the measurement, up to the order
// of fields, one list element at a time: json.Marshal would hold the whole text,
// twice where its buffer grows, and a probe has 32 MiB in all.
func writeJSON(w io.Writer, m *fact.Measurement) error {
	o := object{w: w}
	head := *m
	head.Containers, head.Etcd, head.Gaps = nil, nil, nil
	o.open(head)
	list(&o, "containers", m.Containers, func(c fact.MeasuredContainer) {
		processes := c.Processes
		c.Processes = nil
		o.open(c)
		list(&o, "processes", processes, func(p fact.Process) { o.element(p) })
		o.text("}")
	})
	list(&o, "etcd", m.Etcd, func(db fact.EtcdDB) {
		secrets := db.Secrets
		db.Secrets = nil
		o.open(db)
		list(&o, "secrets", secrets, func(s fact.StoredSecret) { o.element(s) })
		o.text("}")
	})
	list(&o, "gaps", m.Gaps, func(g fact.NodeGap) { o.element(g) })
	o.text("}")
	return o.err
}

// object writes JSON and keeps the first error.
type object struct {
	w   io.Writer
	err error
}

// open writes an object without its closing brace. The object must have a field
// that is never omitted, for a comma may follow.
func (o *object) open(v any) {
	data, err := json.Marshal(v)
	if err != nil {
		o.fail(err)
		return
	}
	o.bytes(data[:len(data)-1])
}

func (o *object) element(v any) {
	data, err := json.Marshal(v)
	if err != nil {
		o.fail(err)
		return
	}
	o.bytes(data)
}

func (o *object) text(s string) { o.bytes([]byte(s)) }

func (o *object) bytes(data []byte) {
	if o.err == nil {
		_, o.err = o.w.Write(data)
	}
}

func (o *object) fail(err error) {
	if o.err == nil {
		o.err = err
	}
}

func list[T any](o *object, name string, items []T, write func(T)) {
	if len(items) == 0 {
		return
	}
	o.text(`,"` + name + `":[`)
	for i, item := range items {
		if o.err != nil {
			return
		}
		if i > 0 {
			o.text(",")
		}
		write(item)
	}
	o.text("]")
}
