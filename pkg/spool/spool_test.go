package spool

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// memory is a file in memory, of a size, which can give back something else.
type memory struct {
	bytes.Buffer
	size    int
	corrupt func(p []byte, at int64)
}

var errFull = errors.New("no space left on device")

func (m *memory) Write(p []byte) (int, error) {
	if m.Len()+len(p) > m.size {
		return 0, errFull
	}
	return m.Buffer.Write(p)
}

func (m *memory) ReadAt(p []byte, at int64) (int, error) {
	n, err := bytes.NewReader(m.Bytes()).ReadAt(p, at)
	if m.corrupt != nil {
		m.corrupt(p[:n], at)
	}
	return n, err
}

// rank puts classes of two numbers together.
func rank(class uint32) int { return int(class / 2) }

func byClassAndText(a, b Record) int {
	text := func(r Record) []byte { return r.Data[:bytes.IndexByte(r.Data, ' ')] }
	return cmp.Or(cmp.Compare(rank(a.Class), rank(b.Class)), bytes.Compare(text(a), text(b)))
}

// fill adds so many random records and returns them in their order.
func fill(s *Spool, r *rand.Rand, n int) []string {
	type one struct {
		class uint32
		text  string
	}
	var all []one
	for i := range n {
		o := one{uint32(r.IntN(5)), fmt.Sprintf("%d %d%s", r.IntN(50), i, bytes.Repeat([]byte("x"), r.IntN(40)))}
		all = append(all, o)
		s.Add(o.class, func(data []byte) []byte { return append(data, o.text...) })
	}
	slices.SortStableFunc(all, func(a, b one) int {
		return byClassAndText(Record{a.class, []byte(a.text)}, Record{b.class, []byte(b.text)})
	})
	var out []string
	for _, o := range all {
		out = append(out, fmt.Sprint(o.class, " ", o.text))
	}
	return out
}

func read(s *Spool) ([]string, error) {
	var out []string
	err := s.Each(func(r Record) bool {
		out = append(out, fmt.Sprint(r.Class, " ", string(r.Data)))
		return true
	})
	return out, err
}

func TestOrder(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 1))
		file := &memory{size: 1 << 20}
		s := New(byClassAndText)
		s.Limit = []int{1, 100, 3000, 1 << 20}[seed%4]
		s.Open = func() (File, error) { return file, nil }
		if seed%3 > 0 {
			s.Rank = rank
		}
		want := fill(s, r, r.IntN(1000))
		for range 2 {
			got, err := read(s)
			if err != nil || !slices.Equal(want, got) {
				t.Fatalf("seed %d, limit %d: %v: want %d records in order, got %d", seed, s.Limit, err, len(want), len(got))
			}
		}
		if spilled := file.Len() > 0; spilled != (s.Limit < 1000 && len(want) > 100) && s.Limit != 3000 && len(want) > 100 {
			t.Errorf("limit %d, %d records: %d bytes in the file", s.Limit, len(want), file.Len())
		}
		if lost, _ := s.Lost(); lost > 0 {
			t.Errorf("%d records are lost", lost)
		}
	}
}

func TestYieldStops(t *testing.T) {
	s := New(byClassAndText)
	fill(s, rand.New(rand.NewPCG(1, 1)), 50)
	n := 0
	if err := s.Each(func(Record) bool { n++; return n < 7 }); err != nil || n != 7 {
		t.Errorf("asked to stop after 7, got %d, %v", n, err)
	}
}

// If nothing can be written, memory holds a bounded part, and the rest is counted.
func TestNoFile(t *testing.T) {
	for name, open := range map[string]func() (File, error){
		"no place":        nil,
		"it cannot open":  func() (File, error) { return nil, errFull },
		"it is full":      func() (File, error) { return &memory{size: 10}, nil },
		"it becomes full": func() (File, error) { return &memory{size: 2000}, nil },
	} {
		t.Run(name, func(t *testing.T) {
			s := New(byClassAndText)
			s.Open, s.Limit, s.Most = open, 1000, 5000
			all := fill(s, rand.New(rand.NewPCG(3, 1)), 1000)
			lost, why := s.Lost()
			got, err := read(s)
			if why == nil || err != nil || lost == 0 || lost+len(got) != len(all) {
				t.Fatalf("%d of %d read, %d lost (%v), %v", len(got), len(all), lost, why, err)
			}
			if len(s.data) > 5100 {
				t.Errorf("%d bytes in memory", len(s.data))
			}
			rest := all
			for _, one := range got { // what is left is in order
				i := slices.Index(rest, one)
				if i < 0 {
					t.Fatalf("%q is not in its place", one)
				}
				rest = rest[i+1:]
			}
		})
	}
}

// What is read back otherwise than it was written is an error, and never a large allocation.
func TestCorrupt(t *testing.T) {
	for name, corrupt := range map[string]func(p []byte, at int64){
		"a length":     func(p []byte, at int64) { binary.PutUvarint(p, 1<<40); binary.PutUvarint(p[6:], 1<<40) },
		"a huge class": func(p []byte, at int64) { binary.PutUvarint(p, 1<<34) },
	} {
		t.Run(name, func(t *testing.T) {
			file := &memory{size: 1 << 20, corrupt: corrupt}
			s := New(byClassAndText)
			s.Limit, s.Open = 1000, func() (File, error) { return file, nil }
			fill(s, rand.New(rand.NewPCG(3, 1)), 300)
			if _, err := read(s); !errors.Is(err, ErrCorrupt) {
				t.Errorf("want %v, got %v", ErrCorrupt, err)
			}
		})
	}
	file := &memory{size: 1 << 20}
	s := New(byClassAndText)
	s.Limit, s.Open = 1000, func() (File, error) { return file, nil }
	fill(s, rand.New(rand.NewPCG(3, 1)), 300)
	file.Truncate(file.Len() / 2)
	if _, err := read(s); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a file that was cut: want %v, got %v", ErrCorrupt, err)
	}
}
