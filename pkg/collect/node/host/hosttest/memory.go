package hosttest

import (
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/hack/raced"
)

// ProbeMemory is what the probe may hold, bytes.
const ProbeMemory = 32 << 20

// PeakMemory runs a function with the garbage collection that the probe has (18 MiB,
// 50 %), and returns the most memory that the Go runtime held meanwhile, bytes. It
// skips the test under the race detector, which has memory of its own.
//
// The function has one processor, where it and the collection take turns. With the
// probe's two a busy machine lets it run ahead of the collection: on one that had 50
// processes ready for 2 processors, a function that held 26 to 27 MiB in five runs held
// 25 to 32.
func PeakMemory(t testing.TB, run func()) uint64 {
	t.Helper()
	if raced.Enabled {
		t.Skip("the race detector has memory of its own")
	}
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(18 << 20))
	defer debug.SetGCPercent(debug.SetGCPercent(50))
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	debug.FreeOSMemory()
	peak, stop := make(chan uint64), make(chan struct{})
	go func() {
		var now runtime.MemStats
		most := uint64(0)
		for {
			select {
			case <-stop:
				peak <- most
				return
			case <-time.After(5 * time.Millisecond):
				runtime.ReadMemStats(&now)
				most = max(most, now.Sys-now.HeapReleased)
			}
		}
	}()
	run()
	close(stop)
	return <-peak
}
