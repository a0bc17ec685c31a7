package gather

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/manifest"
)

// Manifests are some pods, and no cluster was asked.
func TestManifests(t *testing.T) {
	const pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {containers: [{name: app, image: registry.example/app:v1}]}\n"
	for namespace, want := range map[string]string{"": "", "shop": "shop"} {
		source := Manifests{Files: manifest.Files{Filenames: []string{"-"}}, Namespace: namespace, Stdin: strings.NewReader(pod)}
		got, err := source.Gather(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if w := got.Set.Workloads; len(w) != 1 || w[0].Owner.Name != "web" || w[0].Owner.Namespace != want {
			t.Errorf("-n %q: workloads %+v", namespace, w)
		}
		if got.Set.PodScope != fact.PodsSome || got.Set.CollectedAt.IsZero() {
			t.Errorf("scope of pods %q, collected at %v", got.Set.PodScope, got.Set.CollectedAt)
		}
		if diff := cmp.Diff(api.Scope{Files: []string{"-"}}, got.Scope); diff != "" {
			t.Errorf("scope (-want +got):\n%s", diff)
		}
	}
	broken := Manifests{Files: manifest.Files{Filenames: []string{"-"}}, Stdin: strings.NewReader("kind: [")}
	if got, err := broken.Gather(t.Context()); err == nil {
		t.Errorf("want an error, got %+v", got)
	}
}

// Workloads are judged as they come if they are many, or large.
func TestManifestsStream(t *testing.T) {
	pods := func(n, containers int) string {
		list := strings.TrimSuffix(strings.Repeat(`{"name":"a"},`, containers), ",")
		return strings.Repeat(`{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web"},"spec":{"containers":[`+list+`]}}`, n)
	}
	for name, tc := range map[string]struct {
		stdin string
		want  bool
	}{
		"a thousand":         {pods(1000, 1), false},
		"more than that":     {pods(1001, 1), true},
		"some large ones":    {pods(8, 1000), false},
		"more of large ones": {pods(9, 1000), true},
	} {
		t.Run(name, func(t *testing.T) {
			source := Manifests{Files: manifest.Files{Filenames: []string{"-"}}, Stdin: strings.NewReader(tc.stdin)}
			judged := 0
			got, err := source.Stream(t.Context(), func(*fact.Set) func([]fact.Workload) {
				return func(list []fact.Workload) { judged += len(list) }
			})
			if err != nil {
				t.Fatal(err)
			}
			if (judged > 0) != tc.want || judged+len(got.Set.Workloads) != got.Set.Count.Workloads {
				t.Errorf("want a stream: %v; %d judged, %d kept of %d", tc.want, judged, len(got.Set.Workloads), got.Set.Count.Workloads)
			}
		})
	}
}

// A file that is not a database is a gap or an error. What a snapshot cannot hold is a gap.
// Names of Secrets are not a gap, because a snapshot has them.
func TestSnapshot(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cut.db")
	if err := os.WriteFile(path, make([]byte, 100), 0o600); err != nil {
		t.Fatal(err)
	}
	source := Snapshot{Path: path, Kinds: []fact.Kind{fact.Secrets, fact.Etcd, fact.EncryptionConfig}, Namespace: "shop"}
	if _, err := source.Gather(t.Context()); err == nil {
		t.Error("100 zeros pass for a snapshot")
	}
	source.Path = plaintextSnapshot(t)
	got, err := source.Gather(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	gaps := slices.DeleteFunc(slices.Clone(got.Set.Gaps), func(g fact.Gap) bool { return g.Reason != fact.NotRequested })
	want := notRequested([]fact.Kind{fact.EncryptionConfig}, "a snapshot holds only stored bytes", "run without --snapshot on the cluster")
	if diff := cmp.Diff(want, gaps); diff != "" {
		t.Errorf("gaps (-want +got):\n%s", diff)
	}
	if db := got.Set.Snapshot; db == nil || !db.Snapshot || len(db.Secrets) != 1 || db.Secrets[0].Namespace != "shop" {
		t.Errorf("snapshot %+v", db)
	}
	if diff := cmp.Diff(api.Scope{Snapshot: source.Path, Namespaces: []string{"shop"}}, got.Scope); diff != "" {
		t.Errorf("scope (-want +got):\n%s", diff)
	}
	source.Namespace = ""
	if got, err = source.Gather(t.Context()); err != nil || len(got.Set.Snapshot.Secrets) != 2 || len(got.Scope.Namespaces) > 0 {
		t.Errorf("all namespaces: %+v, %v", got, err)
	}
}

// A namespace narrows the Secrets that are stored on a machine.
func TestMachineNamespace(t *testing.T) {
	stored := func() *fact.Measurement {
		return &fact.Measurement{Etcd: []fact.EtcdDB{{Total: 2, Secrets: []fact.StoredSecret{{Namespace: "other", Name: "a"}, {Namespace: "shop", Name: "b"}}}}}
	}
	source := Machine{Namespace: "shop"}
	if db := source.gathered("cp1", stored()).Set.Nodes[0].Measured.Etcd[0]; len(db.Secrets) != 1 || db.Secrets[0].Namespace != "shop" {
		t.Errorf("stored %+v", db)
	}
	source.Namespace = ""
	if db := source.gathered("cp1", stored()).Set.Nodes[0].Measured.Etcd[0]; len(db.Secrets) != 2 {
		t.Errorf("all namespaces: stored %+v", db)
	}
}

// Saved facts are read back unchanged, with their scope and the command that saved them.
// Nodes that are named now are added to those that were named then.
func TestSavedFacts(t *testing.T) {
	set := &fact.Set{
		CollectedAt: newSet().CollectedAt, Cluster: fact.Cluster{Name: "prod", Server: "https://api.example", Version: "v1.37.2"},
		Nodes: []fact.Node{{Name: "a", Listed: true}, {Name: "b", Listed: true}}, ControlPlaneNodes: []string{"b"},
		Secrets: []fact.SecretName{{Namespace: "shop", Name: "s", ResourceVersion: "7"}}, SecretsListed: true,
		Gaps: []fact.Gap{{What: fact.Kernel, Reason: fact.Timeout, Subject: fact.Subject{Kind: "Node", Name: "a", Cluster: "prod"}}},
	}
	spec := api.ReportSpec{Command: "secrets", Version: "v0.0.0-test", Scope: api.Scope{Namespaces: []string{"shop"}, ProbeLevel: "full"}}
	var file bytes.Buffer
	if err := WriteFacts(&file, "run-1", spec, set); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "facts.json")
	if err := os.WriteFile(path, file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	source := Saved{Path: path, ControlPlaneNodes: []string{"node/a"}}
	got, err := source.Gather(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := set.DeepCopy()
	want.ControlPlaneNodes = []string{"a", "b"}
	if diff := cmp.Diff(want, got.Set); diff != "" {
		t.Errorf("facts (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(&spec, got.Saved); diff != "" {
		t.Errorf("what was asked (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(spec.Scope, got.Scope); diff != "" {
		t.Errorf("scope (-want +got):\n%s", diff)
	}
	source.ControlPlaneNodes = []string{"nosuch"}
	if _, err := source.Gather(t.Context()); err == nil || err.Error() != `--control-plane-node: no node is named "nosuch"` {
		t.Errorf("error %v", err)
	}
}

// plaintextSnapshot writes an etcd database with a Secret in each of two
// namespaces, as bbolt stores it, and gives its path.
func plaintextSnapshot(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "backup.db")
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		for _, name := range []string{"alarm", "auth", "authRoles", "authUsers", "cluster", "lease", "members", "members_removed", "meta"} {
			if _, err := tx.CreateBucket([]byte(name)); err != nil {
				return err
			}
		}
		rows, err := tx.CreateBucket([]byte("key"))
		if err != nil {
			return err
		}
		for i, key := range []string{"namespaces/default", "secrets/other/a", "secrets/shop/b"} {
			revision := uint64(i) + 2
			id := append(binary.BigEndian.AppendUint64(nil, revision), '_')
			id = binary.BigEndian.AppendUint64(id, 0)
			// mvccpb.KeyValue: key, create and mod revision, version, value.
			row := protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), []byte("/registry/"+key))
			for field, value := range []uint64{2: revision, 3: revision, 4: 1} {
				if value > 0 {
					row = protowire.AppendVarint(protowire.AppendTag(row, protowire.Number(field), protowire.VarintType), value)
				}
			}
			row = protowire.AppendBytes(protowire.AppendTag(row, 5, protowire.BytesType), []byte("k8s\x00"))
			if err := rows.Put(id, row); err != nil {
				return err
			}
		}
		return nil
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}
