package readback

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"

	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report"
)

var errFull = errors.New("no space left on device")

// disk has room for so many bytes.
type disk struct{ room int }

func (d *disk) Write(p []byte) (int, error) {
	if len(p) > d.room {
		n := d.room
		d.room = 0
		return n, errFull
	}
	d.room -= len(p)
	return len(p), nil
}

// TestFullDisk: wherever the disk is full, or the pipe closed, each format says so.
func TestFullDisk(t *testing.T) {
	small, large := accepted(build(random(5))), repeated(accepted(build(faulty())), 3000)
	for _, format := range all(t) {
		for name, r := range map[string]*api.ChecklistReport{"small": small, "large": large} {
			size := len(printed(t, &format, r, report.Options{}))
			for _, room := range []int{0, 1, size / 4, size / 2, size - 100, size - 1} {
				printer, err := format.New("", report.Options{})
				if err != nil {
					t.Fatal(err)
				}
				if err := report.Print(&disk{room}, printer, report.Of(r)); !errors.Is(err, errFull) {
					t.Errorf("%s, %s: room for %d of %d bytes: found error %v", format.Name, name, room, size, err)
				}
			}
		}
	}
}

// stream is a report of n findings that no list holds, and none of them passes.
func stream(r *api.ChecklistReport, n int) *report.Report {
	head := *r
	few := slices.DeleteFunc(slices.Clone(r.Findings), func(f api.Finding) bool { return f.Verdict == api.Pass })
	head.Findings = []api.Finding{}
	return &report.Report{Head: &head, Each: func(yield func(api.Finding) bool) {
		for kind := range few { // as they come: what is alike is together
			for i := range n / len(few) {
				f := few[kind]
				f.Subject.Name = fmt.Sprintf("%s-%d", f.Subject.Name, i)
				f.Evidence = []api.Evidence{{Source: fmt.Sprintf("pod/%s/%s-%d spec", f.Subject.Namespace, f.Subject.Name, i), Value: fmt.Sprint(i), Basis: api.Declared}}
				if !yield(f) {
					return
				}
			}
		}
	}}
}

// heap is a writer that measures the greatest number of bytes in use while something is written.
type heap struct {
	written, next int
	most          uint64
}

func (h *heap) Write(p []byte) (int, error) {
	if h.written += len(p); h.written >= h.next {
		h.next = h.written + 2<<20
		h.most = max(h.most, inUse())
	}
	return len(p), nil
}

func inUse() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// mostMemory bounds the memory of each printer in bytes, for 100,000 findings of three namespaces that
// do not pass. What is not here is flat: it is less than 2 MB.
var mostMemory = map[string]uint64{
	"junit": 8 << 20,  // 2.4 MB measured: a hash of 16 bytes for each case, so that no name repeats
	"html":  32 << 20, // 15.4 MB measured: all findings, packed
	"sarif": 4 << 20,  // 1.3 MB measured
}

// TestMemory measures what each printer holds while it prints 100,000 findings. It counts bytes, not
// time.
func TestMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("100,000 findings in each format")
	}
	r := stream(build(faulty()), 100_000)
	for _, format := range all(t) {
		t.Run(format.Name, func(t *testing.T) {
			printer, err := format.New("", report.Options{})
			if err != nil {
				t.Fatal(err)
			}
			before, out := inUse(), &heap{}
			if err := report.Print(out, printer, r); err != nil {
				t.Fatal(err)
			}
			most := mostMemory[format.Name]
			if most == 0 {
				most = 2 << 20
			}
			used := max(out.most, before) - before
			t.Logf("%d bytes written, at most %.1f MB in use", out.written, float64(used)/1e6)
			if used > most {
				t.Errorf("expected at most %d bytes in use, found %d", most, used)
			}
		})
	}
}
