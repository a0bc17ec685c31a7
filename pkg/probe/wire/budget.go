package wire

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"sync"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// MaxRun is how much memory the measurements of one run may take together, in
// bytes.
const MaxRun int64 = 5 << 30

// decoders is how many answers of a run are unpacked at a time: each holds its
// records, up to MaxJSON, until it is done.
const decoders = 4

// ErrRunFull means that a complete and valid measurement does not fit in what
// is left of its run's memory.
var ErrRunFull = errors.New("this run has no memory left for it")

// Budget bounds what the measurements of one run take together, because a run
// holds them all until it has judged them. Three quarters are the nodes' own,
// in equal shares, so that no node can take what another needs; the rest is for
// those that need more than their share, first come, first served. A share is
// never more than MaxMemory, which is what each node of a run over up to 96
// nodes has.
//
// Measured (BenchmarkRun and TestHonestNodesFit; Go 1.26, linux/amd64):
//
//	                            honest                        worst
//	one node                    0.55 MB (200 containers and   32 MiB (MaxMemory)
//	                            400 processes); 5.7 MB is the
//	                            most found (8,000 processes)
//	50 nodes, decoded at once   27 MB                         1.6 GiB
//	a run over 5,000 nodes      2.7 GB                        5 GiB (MaxRun)
//
// Without MaxRun the worst run would be 156 GiB. What is live is bounded; Go's
// collector lets garbage take as much again, so the process had 3.8 GB at most
// after 5,000 honest nodes. While an answer is unpacked its records take up to
// MaxJSON more, for at most 4 answers at a time.
//
// Six listeners, six programs and 24 files with certificates take 22 KB of a node's share:
// 110 MB for 5,000 nodes that all have them.
//
// Lists of the packages of images are held once for all nodes that have them.
//
// A nil *Budget bounds each measurement by MaxMemory, and nothing else.
type Budget struct {
	share int64
	slots chan struct{}

	mu   sync.Mutex
	pool int64 // what is left beyond the shares
	// lists are the packages of images, by their sum: nodes that run one image hold its
	// packages once.
	lists map[[sha256.Size]byte][]fact.InstalledPackage
}

// NewBudget makes the budget of a run over this many nodes, which may take this
// many bytes together. Each node may be decoded once.
func NewBudget(bytes int64, nodes int) *Budget {
	share := min(bytes/4*3/int64(max(nodes, 1)), MaxMemory)
	return &Budget{share: share, pool: bytes - share*int64(nodes), slots: make(chan struct{}, decoders)}
}

// Decode is the function Decode within the budget: It returns ErrRunFull for a
// measurement that does not fit. It waits while others are being unpacked, but
// reads the log before.
func (b *Budget) Decode(log io.Reader, t Trailer) (*fact.Measurement, error) {
	payload, err := receive(log, t)
	if err != nil {
		return nil, err
	}
	if b != nil {
		b.slots <- struct{}{}
		defer func() { <-b.slots }()
	}
	text, err := decompress(payload, t.JSONSize)
	if err != nil {
		return nil, err
	}
	r, f := scan(text, MaxMemory)
	if f != nil {
		return nil, fmt.Errorf("payload: %w", f)
	}
	need := int64(r.cost)
	if !b.take(need) {
		return nil, fmt.Errorf("payload: a measurement that takes %d bytes in memory: %w", need, ErrRunFull)
	}
	m, f := r.measurement()
	if f != nil {
		b.give(need)
		return nil, fmt.Errorf("payload: %w", f)
	}
	b.giveBack(need, need-b.shareImages(m))
	return m, nil
}

// maxLists bounds the lists that are shared.
const maxLists = 20_000

// shareImages replaces the packages of images that another node of the run has too by
// that node's, and returns what that saves, bytes.
func (b *Budget) shareImages(m *fact.Measurement) (saved int64) {
	if b == nil || len(m.Images) == 0 {
		return 0
	}
	shape := layout().image
	shape = shape.fields[shape.named["packages"]].shape
	for i := range m.Images {
		image := &m.Images[i]
		if len(image.Packages) == 0 {
			continue
		}
		sum := sumOf(image.Packages)
		b.mu.Lock()
		known := b.lists[sum]
		if known == nil && len(b.lists) < maxLists {
			if b.lists == nil {
				b.lists = map[[sha256.Size]byte][]fact.InstalledPackage{}
			}
			b.lists[sum] = image.Packages
		}
		b.mu.Unlock()
		if known != nil && slices.Equal(known, image.Packages) {
			saved += int64(shape.cost(reflect.ValueOf(image.Packages)))
			image.Packages = known
		}
	}
	return saved
}

// sumOf is equal for equal lists.
func sumOf(packages []fact.InstalledPackage) [sha256.Size]byte {
	hash := sha256.New()
	line := make([]byte, 0, 512)
	for i := range packages {
		p := &packages[i]
		line = line[:0]
		for _, text := range []string{p.Name, p.Arch, p.Version, p.Source, p.SourceVersion, p.Vendor} {
			line = binary.AppendUvarint(line, uint64(len(text)))
			line = append(line, text...)
		}
		_, _ = hash.Write(line)
	}
	return [sha256.Size]byte(hash.Sum(nil))
}

// take reports whether a node may take this much.
func (b *Budget) take(need int64) bool {
	if b == nil || need <= b.share {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if need-b.share > b.pool {
		return false
	}
	b.pool -= need - b.share
	return true
}

// give returns what was taken but not used.
func (b *Budget) give(need int64) { b.giveBack(need, 0) }

// giveBack returns what was taken for a measurement that takes less.
func (b *Budget) giveBack(taken, used int64) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pool += max(taken-b.share, 0) - max(used-b.share, 0)
}
