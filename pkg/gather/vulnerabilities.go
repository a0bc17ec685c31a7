package gather

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/osv"
)

// CheckVulnerabilities reports, before anything else is read, whether a path can be a
// database of vulnerabilities (--vulnerabilities).
func CheckVulnerabilities(ctx context.Context, path string) error { return osv.Check(ctx, path) }

// maxImages bounds the inventories of images that are compared. What is said of each
// takes up to 20 KB.
const maxImages = 20_000

// AddVulnerabilities compares what nodes and images have installed with a database of
// vulnerabilities (see package osv), and puts the result into the set in place of an
// earlier one. The same facts, database and time give the same result. An error means
// that there is no database at the path, or that ctx ended.
func AddVulnerabilities(ctx context.Context, set *fact.Set, path string, now time.Time) error {
	query := osv.NewQuery()
	// Images run on many nodes: each is compared once.
	numbers := map[[sha256.Size]byte]int{}
	var images []*fact.ImageInventory
	set.VulnerableImages = nil
	for i := range set.Nodes {
		node := &set.Nodes[i]
		node.Vulnerable, node.VulnerableImages = nil, nil
		if node.Measured.HasRead(fact.Images) {
			for j := range node.Measured.Images {
				image := &node.Measured.Images[j]
				same := sameImage(image)
				number, known := numbers[same]
				if !known {
					if number = len(images); number == maxImages {
						continue
					}
					numbers[same] = number
					images = append(images, image)
					query.AddImage(image)
				}
				if node.VulnerableImages == nil {
					node.VulnerableImages = make(map[string]int, len(node.Measured.Images))
				}
				if _, twice := node.VulnerableImages[image.Key]; !twice {
					node.VulnerableImages[image.Key] = number
				}
			}
		}
		if node.Measured.HasRead(fact.Inventory) {
			query.Add(&node.Measured.Host)
		}
	}
	data, err := osv.Read(ctx, path, query, now)
	if err != nil {
		return fmt.Errorf("--vulnerabilities: %w", err)
	}
	set.Vulnerabilities = data
	for _, image := range images {
		set.VulnerableImages = append(set.VulnerableImages, query.OfImage(image))
	}
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

// sameImage is equal for inventories about which a database says the same, whatever key
// a node gives them.
func sameImage(image *fact.ImageInventory) [sha256.Size]byte {
	hash := sha256.New()
	line := make([]byte, 0, 1024)
	add := func(texts ...string) {
		line = line[:0]
		for _, text := range texts {
			line = binary.AppendUvarint(line, uint64(len(text)))
			line = append(line, text...)
		}
		_, _ = hash.Write(line)
	}
	add(image.Manager, image.OS.ID, image.OS.VersionID, image.OS.PrettyName, strconv.Itoa(len(image.Packages)))
	for i := range image.Packages {
		p := &image.Packages[i]
		add(p.Name, p.Version, p.Source, p.SourceVersion, p.Vendor)
	}
	for i := range image.Modules {
		m := &image.Modules[i]
		add(m.Ecosystem, m.Name, m.Version)
	}
	return [sha256.Size]byte(hash.Sum(nil))
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
