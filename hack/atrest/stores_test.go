//go:build e2e

package atrest

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/protobuf/proto"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/storage/value"
	kmstypes "k8s.io/apiserver/pkg/storage/value/encrypt/envelope/kmsv2/v2"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/secrets"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/etcd"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/stored"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/storefile"
)

const (
	each     = 200 // Secrets of one form
	registry = "/registry/secrets/"
)

// key is one key of an encryption configuration.
type key struct{ provider, name, text string }

func newKey(provider, name string) key {
	b := make([]byte, 32)
	rand.Read(b)
	return key{provider, name, fmt.Sprintf("{%s: {keys: [{name: %q, secret: %s}]}}", provider, name, base64.StdEncoding.EncodeToString(b))}
}

// identity is the provider that does not encrypt.
var identity = key{"identity", "", "{identity: {}}"}

func (k key) prefix() string {
	switch k.provider {
	case "identity":
		return ""
	case "kms":
		return "k8s:enc:kms:v2:" + k.name + ":"
	}
	return "k8s:enc:" + k.provider + ":v1:" + k.name + ":"
}

// entry is one element of a configuration's resources.
type entry struct {
	resources string
	keys      []key
}

func config(entries ...entry) string {
	var b strings.Builder
	b.WriteString("apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n")
	for _, e := range entries {
		fmt.Fprintf(&b, "- resources: [%s]\n  providers:\n", e.resources)
		for _, k := range e.keys {
			fmt.Fprintf(&b, "  - %s\n", k.text)
		}
	}
	return b.String()
}

// oracle says with the API server's transformers which key decrypts a value.
type oracle struct {
	t       *testing.T
	ctx     context.Context
	keys    []key
	readers []value.Transformer
}

func newOracle(t *testing.T, keys []key) *oracle {
	t.Helper()
	o := &oracle{t: t, ctx: t.Context(), keys: keys}
	for _, k := range keys {
		transformers, err := load(t, o.ctx, []byte(config(entry{"secrets", []key{k}})))
		if err != nil {
			t.Fatal(err)
		}
		o.readers = append(o.readers, transformers.TransformerForResource(schema.GroupResource{Resource: "secrets"}))
	}
	return o
}

// who is the one key that decrypts a value. Every value of a Secret holds the marker, and
// every other object here is stored as protobuf, JSON or YAML. AES-CBC alone can give
// nonsense under another key.
func (o *oracle) who(at string, raw []byte) key {
	o.t.Helper()
	var found []key
	for i, reader := range o.readers {
		plain, _, err := reader.TransformFromStorage(o.ctx, raw, value.DefaultContext(at))
		if err == nil && (o.keys[i] == identity || bytes.Contains(plain, []byte(marker)) || !strings.HasPrefix(at, registry) &&
			(bytes.HasPrefix(plain, []byte("k8s\x00")) || bytes.HasPrefix(plain, []byte(`{"kind":`)) || bytes.HasPrefix(plain, []byte("apiVersion: ")))) {
			found = append(found, o.keys[i])
		}
	}
	if len(found) != 1 {
		o.t.Fatalf("%s: %d keys decrypt %.60q", at, len(found), raw)
	}
	return found[0]
}

// form is what the reader should say of a value of this key.
func (o *oracle) form(at string, raw []byte) fact.StoredSecret {
	o.t.Helper()
	k := o.who(at, raw)
	s := fact.StoredSecret{Provider: k.prefix(), Size: len(raw)}
	switch {
	case k.provider == "kms":
		var object kmstypes.EncryptedObject
		if err := proto.Unmarshal(bytes.TrimPrefix(raw, []byte(k.prefix())), &object); err != nil {
			o.t.Fatal(err)
		}
		s.Class, s.KeyID = fact.ClassKMSv2, fmt.Sprintf("%x", sha256.Sum256([]byte(object.KeyID)))[:16]
	case k != identity:
		s.Class = fact.StorageClass(k.provider)
	case bytes.HasPrefix(raw, []byte("k8s\x00")):
		s.Class = fact.ClassIdentityProtobuf
	case bytes.HasPrefix(raw, []byte("{")):
		s.Class = fact.ClassIdentityJSON
	case bytes.HasPrefix(raw, []byte("apiVersion: ")):
		s.Class = fact.ClassIdentityYAML
	default:
		s.Class = fact.ClassIdentityCBOR
	}
	return s
}

// truth is what etcd's client and the transformers say of the store.
type truth struct {
	revision int64
	current  map[string]fact.StoredSecret // by NAMESPACE/NAME
	history  fact.StoredHistory
	byClass  map[fact.StorageClass]int
}

// truth asks for every current value, and then for each older revision of each key.
func (s *server) truth(o *oracle) truth {
	s.t.Helper()
	ctx := s.t.Context()
	now, err := s.etcd.Get(ctx, registry, clientv3.WithPrefix())
	if err != nil {
		s.t.Fatal(err)
	}
	out := truth{revision: now.Header.Revision, current: map[string]fact.StoredSecret{}, byClass: map[fact.StorageClass]int{}}
	for _, kv := range now.Kvs {
		id := strings.TrimPrefix(string(kv.Key), registry)
		secret := o.form(string(kv.Key), kv.Value)
		secret.Namespace, secret.Name, _ = strings.Cut(id, "/")
		secret.Revision = kv.ModRevision
		out.byClass[secret.Class]++
		for version, at := kv.Version, kv.ModRevision-1; version > 1 && at >= s.compacted; version-- {
			older, err := s.etcd.Get(ctx, string(kv.Key), clientv3.WithRev(at))
			if err != nil || len(older.Kvs) != 1 {
				s.t.Fatalf("%s at revision %d: %v", kv.Key, at, err)
			}
			out.history.Revisions++
			if o.form(string(kv.Key), older.Kvs[0].Value).Class.Plaintext() {
				out.history.Plaintext++
				secret.Older++
				secret.OlderRevision = max(secret.OlderRevision, older.Kvs[0].ModRevision)
			}
			at = older.Kvs[0].ModRevision - 1
		}
		out.current[id] = secret
	}
	s.deleted(o, &out)
	return out
}

// deleted adds the revisions of Secrets that no longer exist.
func (s *server) deleted(o *oracle, out *truth) {
	s.t.Helper()
	if s.compacted >= out.revision {
		return
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), 30*time.Second)
	defer cancel()
	gone := map[string]*fact.DeletedSecret{}
	watch := s.etcd.Watch(ctx, registry, clientv3.WithPrefix(), clientv3.WithRev(s.compacted+1), clientv3.WithProgressNotify())
	go func() { // one that comes before the watch is there has no answer
		for ctx.Err() == nil {
			_ = s.etcd.RequestProgress(ctx)
			time.Sleep(50 * time.Millisecond)
		}
	}()
	counted := map[string][]fact.StoredSecret{}
	for answer := range watch {
		if err := answer.Err(); err != nil {
			s.t.Fatal(err)
		}
		for _, event := range answer.Events {
			id := strings.TrimPrefix(string(event.Kv.Key), registry)
			if _, current := out.current[id]; current {
				continue
			}
			if event.Type == clientv3.EventTypePut {
				secret := o.form(string(event.Kv.Key), event.Kv.Value)
				secret.Revision = event.Kv.ModRevision
				counted[id] = append(counted[id], secret)
			}
		}
		if answer.Header.Revision >= out.revision {
			break
		}
	}
	if err := ctx.Err(); err != nil {
		s.t.Fatal("no progress of a watch: ", err)
	}
	for id, revisions := range counted {
		for _, secret := range revisions {
			out.history.Revisions++
			if !secret.Class.Plaintext() {
				continue
			}
			out.history.Plaintext++
			if gone[id] == nil {
				ns, name, _ := strings.Cut(id, "/")
				gone[id] = &fact.DeletedSecret{Namespace: ns, Name: name}
			}
			gone[id].Plaintext++
			gone[id].Revision = secret.Revision
		}
	}
	for _, id := range slices.Sorted(maps.Keys(gone)) {
		out.history.Deleted = append(out.history.Deleted, *gone[id])
	}
	out.history.DeletedTotal = len(gone)
}

type liveFile struct{ *os.File }

func (f liveFile) Size() (int64, error) {
	info, err := f.Stat()
	return info.Size(), err
}

// live reads the running member's file. etcd writes it every 100 ms.
func (s *server) live(revision int64, opts etcd.Options) *fact.EtcdDB {
	s.t.Helper()
	opts.Live, opts.Path, opts.Prefix = true, s.db, "/registry"
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		f, err := os.Open(s.db)
		if err != nil {
			s.t.Fatal(err)
		}
		db, gaps, err := etcd.Read(s.t.Context(), liveFile{f}, opts)
		_ = f.Close()
		s.quiet(db, gaps, err)
		if err == nil && len(gaps) == 0 && db.Revision >= revision {
			return db
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("reading up to revision %d: %v, %v", revision, err, gaps)
		}
	}
}

// quiet checks what comes out of a reader for values.
func (s *server) quiet(db *fact.EtcdDB, gaps []fact.Gap, err error) {
	s.t.Helper()
	text, _ := json.Marshal(map[string]any{"db": db, "gaps": gaps})
	silent(s.t, "the facts", text)
	if err != nil {
		silent(s.t, "an error", []byte(err.Error()))
	}
}

// snapshot is what etcdctl snapshot save writes.
func (s *server) snapshot() string {
	s.t.Helper()
	path := filepath.Join(s.dir, "snapshot.db")
	f, err := os.Create(path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	r, err := s.etcd.Snapshot(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	defer r.Close()
	if _, err := io.Copy(f, r); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// same compares facts with the truth. Without a configuration, names of keys are guessed:
// what is shown is the start of the name, one for each key.
func (s *server) same(what string, want truth, db *fact.EtcdDB, configured bool) {
	s.t.Helper()
	if !db.Complete || db.Total != len(want.current) {
		s.t.Errorf("%s: complete %t, %d Secrets of %d", what, db.Complete, db.Total, len(want.current))
	}
	got := map[string]fact.StoredSecret{}
	shown := map[string]string{}
	for _, secret := range db.Secrets {
		id := secret.Namespace + "/" + secret.Name
		if truth := want.current[id]; !configured && secret.Class.Encrypted() {
			was, known := shown[truth.Provider]
			if !secret.KeyGuessed || known && was != secret.Provider || !strings.HasPrefix(truth.Provider, strings.TrimSuffix(secret.Provider, stored.Cut)) {
				s.t.Errorf("%s: %+v, and %q for others of the key %q", what, secret, was, truth.Provider)
			}
			shown[truth.Provider] = secret.Provider
			secret.Provider, secret.KeyGuessed = truth.Provider, false
		}
		got[id] = secret
	}
	if diff := cmp.Diff(want.current, got); diff != "" {
		s.t.Errorf("%s: current (-want +got):\n%.3000s", what, diff)
	}
	if db.History == nil {
		s.t.Errorf("%s: no history", what)
		return
	}
	history := *db.History
	if !history.Complete {
		s.t.Errorf("%s: the history is not complete", what)
	}
	history.Complete, history.Compacted = false, 0
	if diff := cmp.Diff(want.history, history); diff != "" {
		s.t.Errorf("%s: history (-want +got):\n%.3000s", what, diff)
	}
}

// sameResource compares how the objects of another resource are stored, at the revision
// of the facts.
func (s *server) sameResource(o *oracle, dir string, db *fact.EtcdDB) {
	s.t.Helper()
	objects, err := s.etcd.Get(s.t.Context(), "/registry/"+dir+"/", clientv3.WithPrefix(), clientv3.WithRev(db.Revision))
	if err != nil {
		s.t.Fatal(err)
	}
	type form struct {
		class    fact.StorageClass
		provider string
	}
	want, got := map[form]int{}, map[form]int{}
	for _, kv := range objects.Kvs {
		secret := o.form(string(kv.Key), kv.Value)
		want[form{secret.Class, secret.Provider}]++
	}
	for _, r := range db.Resources {
		if r.Dir == dir {
			got[form{r.Class, r.Provider}] += r.Count
		}
	}
	if len(want) == 0 || !maps.Equal(want, got) {
		s.t.Errorf("%s are %v, found %v", dir, want, got)
	}
}

// TestAPIServer: what is read from etcd's file is what the API server's transformers and
// etcd's client say, for every Secret, current and older, under every kind of provider.
func TestAPIServer(t *testing.T) {
	s := startEtcd(t, 100_000)
	const rotated = "aescbckey-2026-03-09T09:46:54+01:00"
	cbc, cbc2, again := newKey("aescbc", "aescbckey"), newKey("aescbc", rotated), newKey("aescbc", "aescbckey-2026-03-09T09:59:01+01:00")
	gcm, gcm2, box := newKey("aesgcm", "gcm:a:b"), newKey("aesgcm", "gcm"), newKey("secretbox", "box")
	kms := key{"kms", "vault", fmt.Sprintf("{kms: {apiVersion: v2, name: vault, endpoint: %q, timeout: 3s}}", s.plugin.endpoint)}
	all := []key{identity, cbc, cbc2, again, gcm, gcm2, box, kms}
	o := newOracle(t, all)
	// behind is every key, with the given ones first.
	behind := func(first ...key) []key {
		out := slices.Clone(first)
		for _, k := range all {
			if !slices.Contains(first, k) {
				out = append(out, k)
			}
		}
		return out
	}
	secretsBy := func(first ...key) []entry { return []entry{{"secrets", behind(first...)}} }
	onlyReads := []entry{{"'*.*'", behind(identity, cbc)}} // the wildcard's objects must stay readable
	for _, step := range []struct {
		name    string
		entries []entry
		flags   []string
		do      func()
	}{
		{"identity", nil, nil, func() { s.create("identity", each) }},
		{"aescbc", secretsBy(cbc, identity), nil, func() {
			s.create("aescbc", each)
			s.change("identity", 0, 50, 1)
			s.remove("identity", 190, 200)
		}},
		{"aesgcm", secretsBy(gcm), nil, func() { s.create("aesgcm", each); s.change("identity", 40, 60, 2) }},
		{"secretbox", secretsBy(box), nil, func() { s.create("secretbox", each); s.remove("aescbc", 190, 200) }},
		{"kms v2", secretsBy(kms), nil, func() { s.create("kms", each); s.plugin.rotate("key-id-2") }},
		{"kms v2, key rotated", secretsBy(kms), nil, func() { s.change("kms", 0, 100, 1); s.change("identity", 100, 120, 1) }},
		{"rotation", secretsBy(cbc2, cbc), nil, func() { s.create("rotated", each); s.change("aescbc", 0, 100, 1) }},
		{"rotation again", secretsBy(again, cbc2), nil, func() { s.change("rotated", 0, 100, 1) }},
		{"reorder", secretsBy(box, again, kms), nil, func() { s.create("reorder", each); s.change("secretbox", 0, 20, 1) }},
		{"wildcards", []entry{{"deployments.apps", []key{cbc2}}, {"'*.'", behind(kms)}, {"'*.*'", []key{gcm2, identity}}}, nil, func() {
			s.create("wildcard", each)
			s.configMaps("other", each)
		}},
		{"all by one wildcard", []entry{{"'*.*'", behind(gcm2)}}, nil, func() { s.create("star", each) }},
		{"decrypt only", onlyReads, nil, func() { s.create("decrypt", each); s.change("aesgcm", 0, 100, 1) }},
		{"decrypt only, YAML", onlyReads, []string{"--storage-media-type", "application/yaml"}, func() { s.create("yaml", each); s.change("secretbox", 100, 120, 1) }},
		{"decrypt only, JSON", onlyReads, []string{"--storage-media-type", "application/json"}, func() { s.create("json", each); s.change("yaml", 0, 20, 1); s.change("decrypt", 0, 100, 1) }},
	} {
		begun := time.Now()
		text := ""
		if step.entries != nil {
			text = config(step.entries...)
		}
		s.start(text, step.flags...)
		ready := time.Since(begun)
		step.do()
		written := time.Since(begun)
		if !t.Run(step.name, func(t *testing.T) { s.compare(t, o, text) }) {
			return
		}
		t.Logf("%s: API server %s, writes %s, compared %s", step.name, ready.Round(time.Millisecond), (written - ready).Round(time.Millisecond), (time.Since(begun) - written).Round(time.Millisecond))
	}
	t.Run("no value comes out", s.silentEverywhere)
}

// compare reads the store as it is now in every way.
func (s *server) compare(t *testing.T, o *oracle, text string) {
	outer := s.t
	s.t, o.t = t, t
	defer func() { s.t, o.t = outer, outer }()
	var opts etcd.Options
	var entries []fact.EncryptionEntry
	if text != "" {
		var err error
		if entries, err = stored.ParseEncryptionConfiguration([]byte(text)); err != nil {
			t.Fatal(err)
		}
		opts.KeyNames = stored.NamesIn(entries)
	}
	want := s.truth(o)
	opts.Resources = true
	db := s.live(want.revision, opts)
	s.same("live", want, db, true)
	for _, dir := range []string{"configmaps", "namespaces"} {
		s.sameResource(o, dir, db)
	}

	saved, gaps, err := storefile.Read(t.Context(), s.snapshot(), storefile.Options{})
	s.quiet(saved, gaps, err)
	if err != nil || len(gaps) > 0 {
		t.Fatal(err, gaps)
	}
	s.same("snapshot", want, saved, false)

	// What the API server would write differently now is what its transformers call stale.
	if text == "" {
		return
	}
	transformers, err := load(t, t.Context(), []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	transformer := transformers.TransformerForResource(schema.GroupResource{Resource: "secrets"})
	providers, _ := secrets.ProvidersFor(entries, "", "secrets")
	writer := writes(providers[0])
	now, err := s.etcd.Get(t.Context(), registry, clientv3.WithPrefix())
	if err != nil {
		t.Fatal(err)
	}
	keyID := fmt.Sprintf("%x", sha256.Sum256([]byte(*s.plugin.keyID.Load())))[:16]
	for _, kv := range now.Kvs {
		_, stale, err := transformer.TransformFromStorage(t.Context(), kv.Value, value.DefaultContext(kv.Key))
		if err != nil {
			t.Fatalf("%s: %v", kv.Key, err)
		}
		secret := want.current[strings.TrimPrefix(string(kv.Key), registry)]
		if ours := secret.Provider != writer || secret.Class == fact.ClassKMSv2 && secret.KeyID != keyID; ours != stale {
			t.Errorf("%s is stale for the API server: %t; its key is %q, the write key %q", kv.Key, stale, secret.Provider, writer)
		}
	}
}

// configMaps writes objects of another resource.
func (s *server) configMaps(ns string, n int) {
	s.t.Helper()
	s.each(n, func(i int) (string, string, any) {
		return http.MethodPost, "/api/v1/namespaces/" + ns + "/configmaps", map[string]any{
			"metadata": map[string]any{"name": secretName(i)}, "data": map[string]any{"a": "b"},
		}
	})
}
