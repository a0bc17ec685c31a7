package hosttest

import (
	"math"
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
// When the collection comes is chance, so a function that held more than ProbeMemory runs
// again, up to three times in all, and the least counts; it drops what it had found. It has one processor, where it
// and the collection take turns: TestImagesMemory held 25 to 32 MiB so in 21 runs. With
// more, a busy machine lets it run ahead of the collection: with two, as the probe has,
// that test held 25 to 32 in 5 runs, and with four more than 32 in 8 of 10, 87 once.
func PeakMemory(t testing.TB, run func()) uint64 {
	t.Helper()
	if raced.Enabled {
		t.Skip("the race detector has memory of its own")
	}
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(18 << 20))
	defer debug.SetGCPercent(debug.SetGCPercent(50))
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	least := uint64(math.MaxUint64)
	for range 3 {
		if least = min(least, peakOf(run)); least <= ProbeMemory {
			break
		}
	}
	return least
}

func peakOf(run func()) uint64 {
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
