package gather

import (
	"context"
	"fmt"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/osv"
)

// CheckVulnerabilities reports, before anything else is read, whether a path can be a
// database of vulnerabilities (--vulnerabilities).
func CheckVulnerabilities(ctx context.Context, path string) error { return osv.Check(ctx, path) }

// AddVulnerabilities compares what nodes have installed with a database of
// vulnerabilities (see package osv), and puts the result into the set in place of an
// earlier one. The same facts, database and time give the same result. An error means
// that there is no database at the path, or that ctx ended.
func AddVulnerabilities(ctx context.Context, set *fact.Set, path string, now time.Time) error {
	query := osv.NewQuery()
	for i := range set.Nodes {
		node := &set.Nodes[i]
		node.Vulnerable = nil
		if node.Measured.HasRead(fact.Inventory) {
			query.Add(&node.Measured.Host)
		}
	}
	data, err := osv.Read(ctx, path, query, now)
	if err != nil {
		return fmt.Errorf("--vulnerabilities: %w", err)
	}
	set.Vulnerabilities = data
	for i := range set.Nodes {
		if node := &set.Nodes[i]; node.Measured.HasRead(fact.Inventory) {
			node.Vulnerable = query.Of(&node.Measured.Host)
		}
	}
	return nil
}
