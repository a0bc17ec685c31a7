//go:build linux && (amd64 || arm64)

package netprobe

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/transit"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/probe/lock"
)

// An operator's filter of logs is written after the page, so its numbers are the code's.
func TestDocs(t *testing.T) {
	text, err := os.ReadFile("../../docs/net-probe.md")
	if err != nil {
		t.Fatal(err)
	}
	page := strings.Join(strings.Fields(string(text)), " ")
	for _, want := range []string{
		fmt.Sprintf("ports **%d to %d**", transit.FirstPort, transit.LastPort),
		fmt.Sprintf("At most %d connections to a listener, one after another, %d ms apart, within %.0f s; %.0f s for a node.",
			fact.MaxConnections, transit.Pause.Milliseconds(), transit.PerListener.Seconds(), transit.PerNode.Seconds()),
		fmt.Sprintf("a list of %d system calls", len(lock.AllowedNet())),
	} {
		if !strings.Contains(page, want) {
			t.Errorf("docs/net-probe.md: expected %q", want)
		}
	}
}
