package gather

import (
	"context"
	"crypto/sha256"
	"encoding/json"
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
	// Nodes of one image have the same packages: they share one result.
	results := map[[sha256.Size]byte]*fact.HostVulnerabilities{}
	for i := range set.Nodes {
		node := &set.Nodes[i]
		if !node.Measured.HasRead(fact.Inventory) {
			continue
		}
		same, err := sameHost(&node.Measured.Host)
		if err != nil {
			return err
		}
		if results[same] == nil {
			results[same] = query.Of(&node.Measured.Host)
		}
		node.Vulnerable = results[same]
	}
	return nil
}

// sameHost is equal for hosts about which a database says the same.
func sameHost(host *fact.Host) (sum [sha256.Size]byte, err error) {
	hash := sha256.New()
	relevant := fact.Host{OS: host.OS, Inventory: host.Inventory}
	if host.Packages != nil {
		relevant.Packages = &fact.PackageState{Uncovered: host.Packages.Uncovered, UncoveredCount: host.Packages.UncoveredCount}
	}
	err = json.NewEncoder(hash).Encode(relevant)
	return [sha256.Size]byte(hash.Sum(nil)), err
}
