package kine

import (
	"context"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/stored"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/crash"
)

// ReadOld reads a database that no server uses any more, such as state.db.migrated, which
// k3s leaves when it moves to etcd. Values counts every place in it where a Secret's value
// lies in plaintext: in rows, in old_value, and outside of the rows. The error is as of
// Read.
func ReadOld(ctx context.Context, files Files, opts Options) (old fact.Remains, err error) {
	opts.Residue = true
	r := newReader(ctx, files, opts)
	old = fact.Remains{Place: fact.InOldStore, Path: r.opts.Path}
	defer func() {
		if v := recover(); v != nil {
			old, err = fact.Remains{
				Place: fact.InOldStore, Path: r.opts.Path, Reason: fact.Unsupported, Detail: panicked + crash.Describe(v),
			}, nil
		}
	}()
	r.copies = &stored.Found{}
	db, gaps, err := r.read()
	if err != nil {
		return old, err
	}
	found := *r.copies
	old.Scanned, old.Complete = db.Size, db.Complete
	for _, g := range gaps {
		if !db.Complete && old.Reason == "" {
			old.Reason, old.Detail = g.Reason, strings.TrimPrefix(g.Detail, r.opts.Path+": ")
		}
	}
	if r.residue != nil {
		for i, p := range r.residue.place {
			found.Merge(p.found)
			if p.reason != "" {
				old.Complete = false
				if old.Reason == "" {
					old.Reason, old.Detail = p.reason, p.detail
				}
			}
			if i == placeLog && r.residue.s.log != nil {
				old.Scanned += r.residue.s.logSize
			}
		}
	} else {
		old.Complete = false
	}
	old.Values, old.Unnamed, old.Secrets, old.SecretsTotal = found.Values, found.Unnamed, found.Secrets, found.SecretsTotal
	return old, nil
}
