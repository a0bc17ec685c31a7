package checks

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

// What a node says of stores and copies is bounded, and its counts fit its lists.
func TestAdmitStorage(t *testing.T) {
	corrupt := func(kind fact.Kind) fact.NodeGap {
		return fact.NodeGap{What: kind, Reason: fact.Corrupt, Detail: "a number of its facts is negative"}
	}
	tooMany := func(kind fact.Kind, detail string) fact.NodeGap {
		return fact.NodeGap{What: kind, Reason: fact.Truncated, Detail: detail}
	}
	long := strings.Repeat("x", 10_000)
	store := func(db fact.EtcdDB) fact.Measurement { return fact.Measurement{Etcd: []fact.EtcdDB{db}} }
	type gaps = []fact.NodeGap
	for name, tc := range map[string]struct {
		given, want fact.Measurement
		gaps        gaps
	}{
		"nothing": {fact.Measurement{}, fact.Measurement{}, nil},
		"as it should be": {
			store(fact.EtcdDB{Remains: facttest.Remains(), Files: facttest.StoreFiles(), History: &fact.StoredHistory{Complete: true}, Resources: []fact.StoredResource{{Dir: "configmaps", Count: 1}}}),
			store(fact.EtcdDB{Remains: facttest.Remains(), Files: facttest.StoreFiles(), History: &fact.StoredHistory{Complete: true}, Resources: []fact.StoredResource{{Dir: "configmaps", Count: 1}}}),
			nil,
		},
		"a history that counts less than it lists": {
			store(fact.EtcdDB{History: &fact.StoredHistory{Deleted: make([]fact.DeletedSecret, 3), DeletedTotal: 2}}),
			store(fact.EtcdDB{History: &fact.StoredHistory{Deleted: make([]fact.DeletedSecret, 3), DeletedTotal: 3}}), nil,
		},
		"a history that lists too many": {
			store(fact.EtcdDB{History: &fact.StoredHistory{Deleted: make([]fact.DeletedSecret, fact.MaxDeletedSecrets+1)}}),
			store(fact.EtcdDB{History: &fact.StoredHistory{Deleted: make([]fact.DeletedSecret, fact.MaxDeletedSecrets), DeletedTotal: fact.MaxDeletedSecrets + 1}}), nil,
		},
		"a negative history": {
			store(fact.EtcdDB{History: &fact.StoredHistory{Revisions: -1, Plaintext: -2, Unknown: -3, DeletedTotal: -4, Deleted: []fact.DeletedSecret{{Plaintext: -1}}}}),
			store(fact.EtcdDB{History: &fact.StoredHistory{DeletedTotal: 1, Deleted: []fact.DeletedSecret{{}}}}),
			gaps{corrupt(fact.Etcd)},
		},
		"a negative total, and a negative count of a Secret": {
			store(fact.EtcdDB{Total: -1, Secrets: []fact.StoredSecret{{Older: -1}}}), store(fact.EtcdDB{Secrets: []fact.StoredSecret{{Older: -1}}}), gaps{corrupt(fact.Etcd)},
		},
		"too many resources": {
			store(fact.EtcdDB{Resources: make([]fact.StoredResource, fact.MaxStoredResources+1)}),
			store(fact.EtcdDB{Resources: make([]fact.StoredResource, fact.MaxStoredResources)}),
			gaps{tooMany(fact.Etcd, "more than 500 kinds of stored objects")},
		},
		"a resource of a negative count and a long name": {
			store(fact.EtcdDB{Resources: []fact.StoredResource{{Dir: long, Count: -1}}}),
			store(fact.EtcdDB{Resources: []fact.StoredResource{{Dir: long[:4096]}}}),
			gaps{corrupt(fact.Etcd)},
		},
		"too many places": {
			store(fact.EtcdDB{Remains: make([]fact.Remains, MaxRemains+1)}), store(fact.EtcdDB{Remains: make([]fact.Remains, MaxRemains)}),
			gaps{tooMany(fact.Residue, "more than 256 places")},
		},
		"a place that counts less than it lists": {
			store(fact.EtcdDB{Remains: []fact.Remains{{Values: 1, Unnamed: 3, Secrets: make([]fact.RemainingSecret, 2)}, {Values: 1, SecretsTotal: 7}}}),
			store(fact.EtcdDB{Remains: []fact.Remains{{Values: 3, Unnamed: 3, Secrets: make([]fact.RemainingSecret, 2), SecretsTotal: 2}, {Values: 7, SecretsTotal: 7}}}), nil,
		},
		"a place that lists too many, and is long": {
			store(fact.EtcdDB{Remains: []fact.Remains{{
				Place: fact.RemainsPlace(long), Path: long, Detail: long, Reason: "Nonsense",
				Secrets: slices.Repeat([]fact.RemainingSecret{{Namespace: long, Name: long}}, fact.MaxRemainingSecrets+1),
			}}}),
			store(fact.EtcdDB{Remains: []fact.Remains{{
				Place: fact.RemainsPlace(long[:128]), Path: long[:4096], Detail: long[:1024], Reason: fact.ProbeFailed, Values: 101, SecretsTotal: 101,
				Secrets: slices.Repeat([]fact.RemainingSecret{{Namespace: long[:256], Name: long[:256]}}, fact.MaxRemainingSecrets),
			}}}), nil,
		},
		"a negative place": {
			store(fact.EtcdDB{Remains: []fact.Remains{{Scanned: -1, Values: -1, Unnamed: -1, SecretsTotal: -1, Secrets: []fact.RemainingSecret{{Values: -1}}}}}),
			store(fact.EtcdDB{Remains: []fact.Remains{{Values: 1, SecretsTotal: 1, Secrets: []fact.RemainingSecret{{}}}}}),
			gaps{corrupt(fact.Residue)},
		},
		"files": {
			store(fact.EtcdDB{Files: &fact.StoreFiles{Dir: fact.FileAccess{Mode: 0xffffffff, Path: long}, Files: -1, OpenTotal: -1, Open: slices.Repeat([]fact.FileAccess{{Mode: 0x10180}}, 51)}}),
			store(fact.EtcdDB{Files: &fact.StoreFiles{Dir: fact.FileAccess{Mode: 0o7777, Path: long[:4096]}, OpenTotal: 51, Open: slices.Repeat([]fact.FileAccess{{Mode: 0o600}}, 50)}}),
			gaps{corrupt(fact.StorageFiles)},
		},
		"too many copies": {
			fact.Measurement{Backups: make([]fact.Backup, fact.MaxBackups+1)},
			fact.Measurement{Backups: make([]fact.Backup, fact.MaxBackups)},
			gaps{tooMany(fact.Backups, "more than 200 files")},
		},
		"a copy": {
			fact.Measurement{Backups: []fact.Backup{{Path: long, Format: long, Compression: long, Encrypted: long, Detail: long, Reason: "x", Values: -1, Access: fact.FileAccess{Mode: 0x10180}, Secrets: make([]fact.RemainingSecret, 1)}}},
			fact.Measurement{Backups: []fact.Backup{{
				Path: long[:4096], Format: long[:128], Compression: long[:128], Encrypted: long[:128], Detail: long[:1024], Reason: fact.ProbeFailed,
				Values: 1, Access: fact.FileAccess{Mode: 0o600}, Secrets: make([]fact.RemainingSecret, 1), SecretsTotal: 1,
			}}},
			gaps{corrupt(fact.Backups)},
		},
		"swap": {
			fact.Measurement{Host: fact.Host{Swap: &fact.SwapState{Areas: -1, Used: -1, SecretVolumes: 1, Swappable: 3}}},
			fact.Measurement{Host: fact.Host{Swap: &fact.SwapState{SecretVolumes: 3, Swappable: 3}}},
			gaps{corrupt(fact.Swap)},
		},
		"an API server": {
			fact.Measurement{APIServers: []fact.APIServer{{
				Unfollowed: long, ConfigFile: long, Encryption: &fact.EncryptionConfiguration{Path: long, ChangedAt: long, Hash: long, File: &fact.FileAccess{Mode: 0x10180}},
				Audit: &fact.AuditPolicy{Path: long, Level: long, Rule: -1, LogPath: long, Log: &fact.FileAccess{Mode: 0x10180}},
			}}},
			fact.Measurement{APIServers: []fact.APIServer{{
				Unfollowed: long[:1024], ConfigFile: long[:4096],
				Encryption: &fact.EncryptionConfiguration{Path: long[:4096], ChangedAt: long[:4096], Hash: long[:128], File: &fact.FileAccess{Mode: 0o600}},
				Audit:      &fact.AuditPolicy{Path: long[:4096], Level: long[:128], LogPath: long[:4096], Log: &fact.FileAccess{Mode: 0o600}},
			}}},
			gaps{corrupt(fact.AuditPolicies)},
		},
		"too many API servers": {
			fact.Measurement{APIServers: make([]fact.APIServer, MaxNodeServers+1)},
			fact.Measurement{APIServers: make([]fact.APIServer, MaxNodeServers)},
			gaps{tooMany(fact.EncryptionConfig, "more than 64 API servers"), tooMany(fact.AuditPolicies, "more than 64 API servers")},
		},
	} {
		t.Run(name, func(t *testing.T) {
			set := &fact.Set{Nodes: []fact.Node{{Name: "n1", Measured: &tc.given}}}
			before := set.DeepCopy()
			got := *NewView(set).Nodes[0].Measured
			if diff := cmp.Diff(tc.gaps, gaps(slices.Clip(got.Gaps)), equalEmpty); diff != "" {
				t.Errorf("gaps (-want +got):\n%s", diff)
			}
			got.Gaps = nil
			masks := cmp.Comparer(func(a, b fact.CapMask) bool { return a == b })
			if diff := cmp.Diff(tc.want, got, equalEmpty, masks); diff != "" {
				t.Errorf("admitted (-want +got):\n%s", diff)
			}
			if !reflect.DeepEqual(before, set) {
				t.Error("the set was changed")
			}
		})
	}
}

// equalEmpty takes a list without entries for none.
var equalEmpty = cmp.FilterPath(func(p cmp.Path) bool { return p.Last().Type().Kind() == reflect.Slice }, cmp.FilterValues(func(a, b any) bool {
	return reflect.ValueOf(a).Len() == 0 && reflect.ValueOf(b).Len() == 0
}, cmp.Ignore()))

// A file that the user named is bounded, too. Its gaps are the file's.
func TestSnapshotIsBounded(t *testing.T) {
	set := &fact.Set{Snapshot: &fact.EtcdDB{Path: "x.db", Total: -1, Remains: []fact.Remains{{Unnamed: 2}}}}
	before := set.DeepCopy()
	v := NewView(set)
	want := []fact.Gap{{What: fact.Etcd, Subject: fact.Subject{Kind: "File", Name: "x.db"}, Reason: fact.Corrupt, Detail: "a number of its facts is negative"}}
	if diff := cmp.Diff(want, v.Gaps); diff != "" {
		t.Errorf("gaps (-want +got):\n%s", diff)
	}
	if v.Snapshot.Total != 0 || v.Snapshot.Remains[0].Values != 2 {
		t.Errorf("%+v", v.Snapshot)
	}
	if !reflect.DeepEqual(before, set) {
		t.Error("the set was changed")
	}
}
