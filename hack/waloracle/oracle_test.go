package waloracle

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/client/pkg/v3/fileutil"
	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.etcd.io/etcd/server/v3/storage/wal/walpb"
	"go.etcd.io/raft/v3/raftpb"
	"go.uber.org/zap"
	"google.golang.org/protobuf/proto"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/etcd"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/stored/storedtest"
)

// values makes what is written, and remembers which of it is a Secret in plaintext.
type values struct {
	r     *rand.Rand
	plain map[string]bool // values
}

func (v *values) put() *pb.PutRequest {
	name := fmt.Sprintf("s%03d", v.r.Intn(80))
	p := &pb.PutRequest{Key: []byte("/registry/secrets/shop/" + name), Lease: int64(v.r.Intn(2) * 77), PrevKv: v.r.Intn(5) == 0}
	canary := bytes.Repeat([]byte("CANARY"), 1+v.r.Intn(40))
	if v.r.Intn(30) == 0 {
		canary = make([]byte, v.r.Intn(1<<20))
	}
	switch v.r.Intn(5) {
	case 0:
		p.Key = []byte("/registry/pods/shop/" + name)
		p.Value = storedtest.Protobuf("v1", "Pod", storedtest.Payload(v.r, v.r.Intn(3000)))
	case 1:
		p.Value = storedtest.AESGCM(v.r, "key1", v.r.Intn(900))
	case 2:
		p.Value = storedtest.JSONSecret("shop", name, fmt.Sprintf("%x", canary))
		v.plain[string(p.Value)] = true
	default:
		p.Value = storedtest.ProtobufSecret("shop", name, canary)
		v.plain[string(p.Value)] = true
	}
	return p
}

func (v *values) txn(depth int) *pb.TxnRequest {
	t := &pb.TxnRequest{}
	op := func() *pb.RequestOp {
		switch n := v.r.Intn(8); {
		case n == 0 && depth < 4:
			return &pb.RequestOp{Request: &pb.RequestOp_RequestTxn{RequestTxn: v.txn(depth + 1)}}
		case n == 1:
			return &pb.RequestOp{Request: &pb.RequestOp_RequestRange{RequestRange: &pb.RangeRequest{Key: []byte("/registry/secrets/shop/a")}}}
		case n == 2:
			return &pb.RequestOp{Request: &pb.RequestOp_RequestDeleteRange{RequestDeleteRange: &pb.DeleteRangeRequest{Key: []byte("/registry/secrets/shop/a")}}}
		}
		return &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: v.put()}}
	}
	for range 1 + v.r.Intn(2) {
		t.Compare = append(t.Compare, &pb.Compare{
			Target: pb.Compare_MOD, Key: []byte("/registry/secrets/shop/a"),
			TargetUnion: &pb.Compare_ModRevision{ModRevision: v.r.Int63()},
		})
		t.Success = append(t.Success, op())
		if v.r.Intn(3) == 0 {
			t.Failure = append(t.Failure, op())
		}
	}
	return t
}

func (v *values) request() *pb.InternalRaftRequest {
	q := &pb.InternalRaftRequest{Header: &pb.RequestHeader{ID: v.r.Uint64()}}
	switch v.r.Intn(6) {
	case 0:
		q.Put = v.put()
	case 1:
		q.Compaction = &pb.CompactionRequest{Revision: v.r.Int63()}
	case 2:
		q.LeaseGrant = &pb.LeaseGrantRequest{ID: v.r.Int63(), TTL: 5}
	default:
		q.Txn = v.txn(0)
	}
	return q
}

// write makes a log of several files, and returns its directory.
func write(t *testing.T, v *values, entries int) string {
	t.Helper()
	member := t.TempDir()
	wal.SegmentSizeBytes = 2 << 20
	w, err := wal.Create(zap.NewNop(), filepath.Join(member, "wal"), []byte("node"))
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	w.SetUnsafeNoFsync()
	index := uint64(0)
	for range entries {
		if index > 2 && v.r.Intn(20) == 0 {
			index -= uint64(v.r.Intn(2)) + 1 // another leader writes these again
		}
		index++
		data, err := proto.Marshal(v.request())
		if err != nil {
			t.Fatal(err)
		}
		entry := &raftpb.Entry{Term: proto.Uint64(1 + index/100), Index: proto.Uint64(index), Data: data}
		if v.r.Intn(20) == 0 {
			entry.Type, entry.Data = raftpb.EntryConfChange.Enum(), []byte("conf")
		} else if v.r.Intn(2) == 0 {
			entry.Type = raftpb.EntryNormal.Enum()
		}
		if err := w.Save(&raftpb.HardState{Term: proto.Uint64(1), Commit: proto.Uint64(index)}, []*raftpb.Entry{entry}); err != nil {
			t.Fatal(err)
		}
	}
	return member
}

// decode reads records with etcd's own decoder, and counts the Secrets in plaintext.
func decode(t *testing.T, v *values, files []string) (found []fact.RemainingSecret, total int) {
	t.Helper()
	var readers []fileutil.FileReader
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		readers = append(readers, fileutil.NewFileReader(f))
	}
	counts := map[string]int{}
	puts := func(p *pb.PutRequest) {
		if v.plain[string(p.GetValue())] {
			counts[strings.TrimPrefix(string(p.Key), "/registry/secrets/shop/")]++
			total++
		}
	}
	var txn func(*pb.TxnRequest)
	txn = func(x *pb.TxnRequest) {
		for _, op := range append(slices.Clone(x.Success), x.Failure...) {
			if p := op.GetRequestPut(); p != nil {
				puts(p)
			}
			if n := op.GetRequestTxn(); n != nil {
				txn(n)
			}
		}
	}
	decoder := wal.NewDecoder(readers...)
	for {
		var rec walpb.Record
		if err := decoder.Decode(&rec); err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, wal.ErrCRCMismatch) {
				t.Log(err)
			}
			break
		}
		switch rec.GetType() {
		case wal.CrcType:
			decoder.UpdateCRC(rec.GetCrc())
		case wal.EntryType:
			var entry raftpb.Entry
			var q pb.InternalRaftRequest
			if err := proto.Unmarshal(rec.Data, &entry); err != nil {
				t.Fatal(err)
			}
			if entry.GetType() != raftpb.EntryNormal {
				continue
			}
			if err := proto.Unmarshal(entry.Data, &q); err != nil {
				t.Fatal(err)
			}
			if q.Put != nil {
				puts(q.Put)
			}
			if q.Txn != nil {
				txn(q.Txn)
			}
		}
	}
	for name, n := range counts {
		found = append(found, fact.RemainingSecret{Namespace: "shop", Name: name, Values: n})
	}
	slices.SortFunc(found, func(a, b fact.RemainingSecret) int { return cmp.Compare(a.Name, b.Name) })
	return found, total
}

func walFiles(t *testing.T, member string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(member, "wal", "*.wal"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	return files
}

func ours(t *testing.T, member string) fact.Remains {
	t.Helper()
	root, err := os.OpenRoot(member)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	got := etcd.ReadMemberRemains(context.Background(), etcd.UserDir(root), etcd.RemainsOptions{Path: "member", Prefix: "/registry"})
	if len(got) != 1 {
		t.Fatalf("%+v", got)
	}
	return got[0]
}

// TestWhole: logs that etcd itself wrote, with everything that a request can hold. Each
// value in plaintext that etcd's decoder gives is found, and no other.
func TestWhole(t *testing.T) {
	for seed := range int64(8) {
		v := &values{r: rand.New(rand.NewSource(seed)), plain: map[string]bool{}}
		member := write(t, v, 400)
		files := walFiles(t, member)
		want, total := decode(t, v, files)
		got := ours(t, member)
		if !got.Complete || got.Values != total || got.Unnamed != 0 || got.SecretsTotal != len(want) {
			t.Errorf("seed %d: etcd's decoder finds %d of %d Secrets, we %+v", seed, total, len(want), got)
		}
		if diff := gocmp.Diff(want, got.Secrets); diff != "" {
			t.Errorf("seed %d (-etcd +ours):\n%s", seed, diff)
		}
		if seed == 0 {
			t.Logf("%d files, %d values of %d Secrets", len(files), total, len(want))
		}
	}
}

// TestCut: the newest file is cut anywhere, as by a crash. What etcd's decoder still
// reads is found, and this is no fault. The same in an earlier file is one.
func TestCut(t *testing.T) {
	v := &values{r: rand.New(rand.NewSource(100)), plain: map[string]bool{}}
	member := write(t, v, 150)
	files := walFiles(t, member)
	last := files[len(files)-1]
	whole, err := os.ReadFile(last)
	if err != nil {
		t.Fatal(err)
	}
	used := len(bytes.TrimRight(whole, "\x00"))
	for range 60 {
		at := v.r.Intn(used)
		data := whole[:at:at]
		if v.r.Intn(2) == 0 {
			data = append(data, make([]byte, len(whole)-at)...)
		}
		if err := os.WriteFile(last, data, 0o600); err != nil {
			t.Fatal(err)
		}
		_, least := decode(t, v, files)
		got := ours(t, member)
		if got.Values < least || got.Values > least+20 || !got.Complete {
			t.Errorf("cut at %d of %d: etcd's decoder finds %d, we %+v", at, used, least, got)
		}
	}
	if err := os.WriteFile(last, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	first, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(files[0], first[:len(first)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	if got := ours(t, member); got.Complete || got.Reason != fact.Corrupt {
		t.Errorf("%+v", got)
	}
}
