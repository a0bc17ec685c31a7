package checks

import (
	"fmt"
	"slices"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// admitStorage bounds what a node says of stores, API servers, copies and swap, and
// copies what it changes.
func admitStorage(m *fact.Measurement, gaps *[]fact.NodeGap) {
	var b bounds
	if len(m.Etcd) > MaxNodeStores {
		m.Etcd = m.Etcd[:MaxNodeStores]
		b.cut(fact.Etcd, "more than %d etcd databases", MaxNodeStores)
	}
	m.Etcd = slices.Clone(m.Etcd)
	for i := range m.Etcd {
		b.store(&m.Etcd[i])
	}
	if len(m.APIServers) > MaxNodeServers {
		m.APIServers = m.APIServers[:MaxNodeServers]
		b.cut(fact.EncryptionConfig, "more than %d API servers", MaxNodeServers)
		b.cut(fact.AuditPolicies, "more than %d API servers", MaxNodeServers)
	}
	m.APIServers = slices.Clone(m.APIServers)
	for i := range m.APIServers {
		b.server(&m.APIServers[i])
	}
	if len(m.Backups) > fact.MaxBackups {
		m.Backups = m.Backups[:fact.MaxBackups]
		b.cut(fact.Backups, "more than %d files", fact.MaxBackups)
	}
	m.Backups = slices.Clone(m.Backups)
	for i := range m.Backups {
		c := &m.Backups[i]
		c.Path, c.Format, c.Compression, c.Encrypted = b.path(c.Path), b.word(c.Format), b.word(c.Compression), b.word(c.Encrypted)
		b.access(&c.Access)
		values := found{c.Values, c.Unnamed, c.Secrets, c.SecretsTotal}
		b.found(fact.Backups, &values)
		c.Values, c.Unnamed, c.Secrets, c.SecretsTotal = values.values, values.unnamed, values.secrets, values.total
		c.Reason, c.Detail = reasonOf(c.Reason), bounded(c.Detail, MaxGapDetail)
	}
	if m.Host.Swap != nil {
		swap := *m.Host.Swap
		b.counts(fact.Swap, &swap.Areas, &swap.SecretVolumes, &swap.Swappable)
		if swap.Used < 0 {
			swap.Used = 0
			b.negative(fact.Swap)
		}
		swap.SecretVolumes = max(swap.SecretVolumes, swap.Swappable)
		m.Host.Swap = &swap
	}
	*gaps = append(*gaps, b.gaps...)
}

// bounds makes the counts of facts fit their lists, and cuts lists and texts that are
// too long. What it finds wrong becomes a gap, so that no pass follows from it.
type bounds struct {
	gaps []fact.NodeGap
	said map[fact.Kind]bool // kinds with a negative count
}

func (b *bounds) cut(kind fact.Kind, format string, args ...any) {
	gap := fact.NodeGap{What: kind, Reason: fact.Truncated, Detail: fmt.Sprintf(format, args...)}
	if !slices.Contains(b.gaps, gap) {
		b.gaps = append(b.gaps, gap)
	}
}

func (b *bounds) negative(kind fact.Kind) {
	if !b.said[kind] {
		if b.said == nil {
			b.said = map[fact.Kind]bool{}
		}
		b.said[kind] = true
		b.gaps = append(b.gaps, fact.NodeGap{What: kind, Reason: fact.Corrupt, Detail: "a number of its facts is negative"})
	}
}

// ofFile turns the gaps into those of a file that the user named.
func (b *bounds) ofFile(path string) []fact.Gap {
	var out []fact.Gap
	for _, g := range b.gaps {
		out = append(out, fact.Gap{What: g.What, Subject: fact.Subject{Kind: fact.SubjectFile, Name: path}, Reason: g.Reason, Detail: g.Detail})
	}
	return out
}

// counts makes negative numbers 0.
func (b *bounds) counts(kind fact.Kind, numbers ...*int) {
	for _, n := range numbers {
		if *n < 0 {
			*n = 0
			b.negative(kind)
		}
	}
}

func (b *bounds) path(s string) string { return bounded(s, MaxNodePath) }
func (b *bounds) word(s string) string { return bounded(s, maxGapID) }

func reasonOf(r fact.Reason) fact.Reason {
	if r != "" && !slices.Contains(fact.Reasons(), r) {
		return fact.ProbeFailed
	}
	return r
}

// store bounds what lies in a store besides its current Secrets.
func (b *bounds) store(db *fact.EtcdDB) {
	b.counts(fact.Etcd, &db.Total)
	if slices.ContainsFunc(db.Secrets, func(s fact.StoredSecret) bool { return s.Older < 0 }) {
		b.negative(fact.Etcd) // checks take less than none for none
	}
	if db.History != nil {
		h := *db.History
		b.counts(fact.Etcd, &h.Revisions, &h.Plaintext, &h.Unknown, &h.DeletedTotal)
		h.DeletedTotal = max(h.DeletedTotal, len(h.Deleted))
		h.Deleted = slices.Clone(h.Deleted[:min(len(h.Deleted), fact.MaxDeletedSecrets)])
		for i := range h.Deleted {
			b.counts(fact.Etcd, &h.Deleted[i].Plaintext)
		}
		db.History = &h
	}
	if len(db.Resources) > fact.MaxStoredResources {
		db.Resources = db.Resources[:fact.MaxStoredResources]
		b.cut(fact.Etcd, "more than %d kinds of stored objects", fact.MaxStoredResources)
	}
	db.Resources = slices.Clone(db.Resources)
	for i := range db.Resources {
		r := &db.Resources[i]
		b.counts(fact.Etcd, &r.Count)
		r.Dir, r.Provider = b.path(r.Dir), b.path(r.Provider)
	}
	if len(db.Remains) > MaxRemains {
		db.Remains = db.Remains[:MaxRemains]
		b.cut(fact.Residue, "more than %d places", MaxRemains)
	}
	db.Remains = slices.Clone(db.Remains)
	for i := range db.Remains {
		r := &db.Remains[i]
		if r.Scanned < 0 {
			r.Scanned = 0
			b.negative(fact.Residue)
		}
		r.Place, r.Path = fact.RemainsPlace(b.word(string(r.Place))), b.path(r.Path)
		values := found{r.Values, r.Unnamed, r.Secrets, r.SecretsTotal}
		b.found(fact.Residue, &values)
		r.Values, r.Unnamed, r.Secrets, r.SecretsTotal = values.values, values.unnamed, values.secrets, values.total
		r.Reason, r.Detail = reasonOf(r.Reason), bounded(r.Detail, MaxGapDetail)
	}
	if db.Files != nil {
		f := *db.Files
		b.counts(fact.StorageFiles, &f.Files, &f.OpenTotal)
		f.OpenTotal = max(f.OpenTotal, len(f.Open))
		f.Open = slices.Clone(f.Open[:min(len(f.Open), fact.MaxOpenFiles)])
		b.access(&f.Dir)
		for i := range f.Open {
			b.access(&f.Open[i])
		}
		db.Files = &f
	}
}

// found is what was found of Secrets' values in one place.
type found struct {
	values, unnamed int
	secrets         []fact.RemainingSecret
	total           int
}

// found bounds it. There are at least as many values as Secrets that have one.
func (b *bounds) found(kind fact.Kind, f *found) {
	b.counts(kind, &f.values, &f.unnamed, &f.total)
	f.total = max(f.total, len(f.secrets))
	f.secrets = slices.Clone(f.secrets[:min(len(f.secrets), fact.MaxRemainingSecrets)])
	for i := range f.secrets {
		s := &f.secrets[i]
		b.counts(kind, &s.Values)
		s.Namespace, s.Name = bounded(s.Namespace, 2*maxGapID), bounded(s.Name, 2*maxGapID)
	}
	f.values = max(f.values, f.unnamed, f.total)
}

// server bounds the texts of an API server.
func (b *bounds) server(s *fact.APIServer) {
	s.Program, s.ConfigFile, s.Unfollowed = b.word(s.Program), b.path(s.ConfigFile), bounded(s.Unfollowed, MaxGapDetail)
	if s.Encryption != nil {
		e := *s.Encryption
		e.Path, e.ChangedAt, e.Hash = b.path(e.Path), b.path(e.ChangedAt), b.word(e.Hash)
		e.File = b.accessOf(e.File)
		s.Encryption = &e
	}
	if s.Audit != nil {
		a := *s.Audit
		a.Path, a.LogPath, a.Level = b.path(a.Path), b.path(a.LogPath), b.word(a.Level)
		b.counts(fact.AuditPolicies, &a.Rule)
		a.Log = b.accessOf(a.Log)
		s.Audit = &a
	}
}

func (b *bounds) accessOf(a *fact.FileAccess) *fact.FileAccess {
	if a == nil {
		return nil
	}
	own := *a
	b.access(&own)
	return &own
}

// access keeps the permission bits of a mode.
func (b *bounds) access(a *fact.FileAccess) {
	a.Mode &= 0o7777
	a.Path, a.WritableParent = b.path(a.Path), b.path(a.WritableParent)
}
