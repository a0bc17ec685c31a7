// Package spool holds many records in order, in memory up to a limit, and beyond it in a
// file that has no name. It sorts them by merging sorted runs.
package spool

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"errors"
	"io"
	"slices"
)

// File is where records go that are too many for memory.
type File interface {
	io.Writer
	io.ReaderAt
}

// The usual limits, bytes.
const (
	usualLimit = 32 << 20
	usualMost  = 256 << 20
)

// Spool holds records. Its zero value is not useful: see New.
type Spool struct {
	// Open opens the file. It is called when the first run is written. Nil if there can be
	// no file.
	Open func() (File, error)
	// Rank is how classes are ordered, before anything else that New's function compares: a small
	// number, the same for classes that are equal there. Nil if it is not known. With it, records
	// that were added in order need no sorting.
	Rank func(class uint32) int
	// Limit is how many bytes are in memory before a run is written. Most is how many if
	// none can be written: records that come then are lost.
	Limit, Most int

	compare func(a, b Record) int
	data    []byte
	index   []place
	sorted  bool
	file    File
	written int64
	runs    []run
	failed  error
	lost    int
}

// Record is some bytes with a class that the caller knows.
type Record struct {
	Class uint32
	Data  []byte
}

// place is where a record is in memory, run where a sorted run is in the file.
type (
	place struct {
		at, size int
		class    uint32
	}
	run struct{ from, to int64 }
)

// New returns an empty spool. Compare gives the order. Records that are equal come in the
// order in which they were added.
func New(compare func(a, b Record) int) *Spool {
	return &Spool{Limit: usualLimit, Most: usualMost, compare: compare}
}

// Add adds a record, whose bytes are appended by write.
func (s *Spool) Add(class uint32, write func(data []byte) []byte) {
	if len(s.data) >= s.Limit {
		s.flush()
	}
	if s.failed != nil && len(s.data) >= max(s.Most, s.Limit) {
		s.lost++
		return
	}
	if s.data == nil {
		s.data = make([]byte, 0, min(s.Limit, 1<<20))
	}
	// In few steps: to copy it as it doubles costs more than to sort it.
	if free := cap(s.data) - len(s.data); free < 1<<12 && cap(s.data) < s.Limit {
		s.data = slices.Grow(s.data, min(s.Limit, max(8*cap(s.data), 1<<20)))
	}
	at := len(s.data)
	s.data = write(s.data)
	s.index = append(s.index, place{at, len(s.data) - at, class})
	s.sorted = false
}

// Lost is how many records were not kept, and why no run could be written.
func (s *Spool) Lost() (n int, why error) { return s.lost, s.failed }

func (s *Spool) record(p *place) Record { return Record{p.class, s.data[p.at : p.at+p.size]} }

// sort orders what is in memory.
func (s *Spool) sort() {
	if s.sorted {
		return
	}
	compare := func(a, b place) int {
		return cmp.Or(s.compare(s.record(&a), s.record(&b)), cmp.Compare(a.at, b.at))
	}
	if s.Rank == nil {
		slices.SortFunc(s.index, compare)
	} else {
		s.byRank(compare)
	}
	s.sorted = true
}

// byRank orders by ranks first, which leaves records of one rank as they were added, and then
// those of each rank.
func (s *Spool) byRank(compare func(a, b place) int) {
	var next []int // by rank and one
	for i := range s.index {
		rank := s.Rank(s.index[i].class) + 1
		for rank >= len(next) {
			next = append(next, 0)
		}
		next[rank]++
	}
	for i := 1; i < len(next); i++ {
		next[i] += next[i-1]
	}
	out := make([]place, len(s.index))
	for i := range s.index {
		rank := s.Rank(s.index[i].class)
		out[next[rank]] = s.index[i]
		next[rank]++
	}
	s.index = out
	from := 0
	for _, to := range next { // where the next rank begins
		slices.SortFunc(out[from:to], compare)
		from = to
	}
}

// flush writes what is in memory to the file, as a run.
func (s *Spool) flush() {
	if s.failed != nil || len(s.index) == 0 {
		return
	}
	if s.file == nil {
		if s.Open == nil {
			s.failed = errors.New("there is no place for temporary files")
			return
		}
		if s.file, s.failed = s.Open(); s.failed != nil {
			return
		}
	}
	s.sort()
	out := bufio.NewWriterSize(s.file, 1<<16)
	var head []byte
	written := int64(0)
	for i := range s.index {
		r := s.record(&s.index[i])
		head = binary.AppendUvarint(binary.AppendUvarint(head[:0], uint64(r.Class)), uint64(len(r.Data)))
		_, _ = out.Write(head) // an error comes again with Flush
		_, _ = out.Write(r.Data)
		written += int64(len(head) + len(r.Data))
	}
	if s.failed = out.Flush(); s.failed != nil {
		return // a run that is not complete is not used
	}
	s.runs = append(s.runs, run{s.written, s.written + written})
	s.written += written
	s.data, s.index = s.data[:0], s.index[:0]
}

// ErrCorrupt means that a run was not read back as it was written.
var ErrCorrupt = errors.New("what was written to a temporary file was not read back")

// source gives the records of a run, or of memory, in their order.
type source struct {
	spool *Spool
	in    *bufio.Reader // nil for memory
	next  int
	now   Record
}

// advance goes to the next record; false at the end.
func (s *source) advance() (bool, error) {
	if s.in == nil {
		if s.next == len(s.spool.index) {
			return false, nil
		}
		s.now = s.spool.record(&s.spool.index[s.next])
		s.next++
		return true, nil
	}
	class, err := binary.ReadUvarint(s.in)
	if errors.Is(err, io.EOF) {
		return false, nil
	}
	size, err2 := binary.ReadUvarint(s.in)
	if err != nil || err2 != nil || class > 1<<32-1 || size > uint64(s.spool.written) {
		return false, ErrCorrupt
	}
	s.now.Class = uint32(class)
	s.now.Data = slices.Grow(s.now.Data[:0], int(size))[:size]
	if _, err := io.ReadFull(s.in, s.now.Data); err != nil {
		return false, ErrCorrupt
	}
	return true, nil
}

// Each calls yield with the records in their order, until it returns false. A record is
// valid until yield returns. No record may be added meanwhile.
func (s *Spool) Each(yield func(Record) bool) error {
	s.sort()
	var sources []*source
	for _, r := range s.runs {
		section := io.NewSectionReader(s.file, r.from, r.to-r.from)
		sources = append(sources, &source{spool: s, in: bufio.NewReaderSize(section, 1<<16)})
	}
	sources = append(sources, &source{spool: s})
	// The heap's first is the least.
	var heap []int
	less := func(a, b int) bool {
		c := s.compare(sources[a].now, sources[b].now)
		return c < 0 || c == 0 && a < b
	}
	down := func(i int) {
		for {
			least := i
			for _, child := range [...]int{2*i + 1, 2*i + 2} {
				if child < len(heap) && less(heap[child], heap[least]) {
					least = child
				}
			}
			if least == i {
				return
			}
			heap[i], heap[least] = heap[least], heap[i]
			i = least
		}
	}
	for i, one := range sources {
		more, err := one.advance()
		if err != nil {
			return err
		}
		if more {
			heap = append(heap, i)
		}
	}
	for i := len(heap) / 2; i >= 0; i-- {
		down(i)
	}
	for len(heap) > 0 {
		one := sources[heap[0]]
		if !yield(one.now) {
			return nil
		}
		more, err := one.advance()
		if err != nil {
			return err
		}
		if !more {
			heap[0] = heap[len(heap)-1]
			heap = heap[:len(heap)-1]
		}
		down(0)
	}
	return nil
}
