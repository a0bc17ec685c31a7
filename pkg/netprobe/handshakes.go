//go:build linux && (amd64 || arm64)

package netprobe

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/transit"
)

// handshakes is the collector. Everything that it reads of files, newHandshakes reads or
// opens; Run only connects.
type handshakes struct {
	options transit.Options
	begun   time.Time
	netns   uint64
	status  *os.File // /proc/self/status, not read yet

	mu       sync.Mutex
	measured *fact.Measurement // nil until Run is done
}

// newHandshakes reads the listening sockets of the network namespace in which the process
// is. In its pod that is the node's.
func newHandshakes(c config) (*handshakes, error) {
	h := &handshakes{begun: time.Now()}
	h.options = transit.Options{
		Table:     transit.ReadTable(func(path string) (io.ReadCloser, error) { return os.Open(path) }),
		Addresses: c.hostIPs,
		Purposes:  c.listeners,
		Wants:     c.wants,
	}
	if link, err := os.Readlink("/proc/self/" + string(procfs.NameNSNet)); err == nil {
		h.netns, _ = procfs.ParseNamespace(link)
	}
	var err error
	if h.status, err = os.Open("/proc/self/status"); err != nil {
		return nil, fmt.Errorf("opening /proc/self/status: %w", err)
	}
	return h, nil
}

// Run connects to one listener after another.
func (h *handshakes) Run(ctx context.Context) {
	listeners, gaps := transit.Measure(ctx, h.options)
	m := h.empty()
	m.Listeners, m.Gaps = listeners, gaps
	if t := h.options.Table; t.Reason == "" || len(t.Sockets) > 0 {
		m.Read = h.options.Wants
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.measured = m
}

// Snapshot returns what Run has found. Before Run is done that is a gap for each kind. Call
// it once.
func (h *handshakes) Snapshot() *fact.Measurement {
	h.mu.Lock()
	m := h.measured
	h.mu.Unlock()
	if m == nil {
		m = h.empty()
		for _, kind := range h.options.Wants {
			m.Gaps = append(m.Gaps, fact.NodeGap{What: kind, Reason: fact.Timeout, Detail: "the connections did not end in time"})
		}
	}
	m.Cost = h.cost()
	return m
}

func (h *handshakes) empty() *fact.Measurement {
	return &fact.Measurement{Level: fact.LevelNet, At: fact.NewTime(h.begun), HostNetNS: h.netns}
}

// cost is what the process has used until now. Processor time is that of the whole
// process, its start too.
func (h *handshakes) cost() fact.Cost {
	cost := fact.Cost{WallMillis: time.Since(h.begun).Milliseconds()}
	var cpu unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &cpu); err == nil {
		cost.CPUMillis = cpu.Nano() / int64(time.Millisecond)
	}
	const maxStatus = 64 << 10
	if data, err := io.ReadAll(io.LimitReader(h.status, maxStatus)); err == nil {
		if status, err := procfs.ParseStatus(data); err == nil {
			cost.MaxRSSKiB = status.PeakRSS
		}
	}
	return cost
}
