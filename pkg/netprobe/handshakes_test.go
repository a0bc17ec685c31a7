//go:build linux && (amd64 || arm64)

package netprobe

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/transit"
)

// What was not read is not "read and nothing found".
func TestHandshakesWithoutATable(t *testing.T) {
	both := []fact.Kind{fact.NodeTLS, fact.ServerTLS}
	unrelated := []procfs.TCPListener{{IP: [16]byte{127, 0, 0, 1}, Port: 1}}
	gaps := func(reason fact.Reason, detail string) []fact.NodeGap {
		return []fact.NodeGap{{What: fact.NodeTLS, Reason: reason, Detail: detail}, {What: fact.ServerTLS, Reason: reason, Detail: detail}}
	}
	for rule, tt := range map[string]struct {
		table transit.Table
		run   bool
		read  []fact.Kind
		gaps  []fact.NodeGap
	}{
		"a whole table":         {transit.Table{Sockets: unrelated}, true, both, nil},
		"no table":              {transit.Table{Reason: fact.Unreadable, Detail: "d"}, true, nil, gaps(fact.Unreadable, "d")},
		"the first part of one": {transit.Table{Sockets: unrelated, Reason: fact.Truncated, Detail: "d"}, true, both, gaps(fact.Truncated, "d")},
		"before it has run":     {transit.Table{Sockets: unrelated}, false, nil, gaps(fact.Timeout, "the connections did not end in time")},
	} {
		t.Run(rule, func(t *testing.T) {
			h, err := newHandshakes(config{wants: both})
			if err != nil {
				t.Fatal(err)
			}
			defer h.status.Close()
			h.options.Table = tt.table
			if tt.run {
				h.Run(context.Background())
			}
			m := h.Snapshot()
			if m.Cost.MaxRSSKiB == 0 || m.HostNetNS == 0 {
				t.Errorf("expected its own memory and namespace, found %+v", m)
			}
			if diff := cmp.Diff(tt.read, m.Read); diff != "" {
				t.Errorf("read (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.gaps, m.Gaps); diff != "" {
				t.Errorf("gaps (-want +got):\n%s", diff)
			}
		})
	}
}
