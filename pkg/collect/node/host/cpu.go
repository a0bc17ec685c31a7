package host

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// vulnerabilities is a directory below /sys with a file for each vulnerability of
// processors that the kernel knows. Everybody may read it.
const vulnerabilities = "/devices/system/cpu/vulnerabilities"

// Bounds of a file's name and text, bytes. The kernel's longest text has fewer
// than 256. A text is never cut: "SMT vulnerable" comes last. A file of sysfs says
// that it has a page.
const (
	maxCPUName = 64
	maxCPUText = 512
	sysfsPage  = 64 << 10
)

// readCPU reads what the kernel says of its processor: from the node's root if
// that was opened, else from the caller's own /sys. Either may be nil.
func readCPU(root, sys *rootfs.Root) (*fact.CPUState, []fact.NodeGap) {
	gap := func(reason fact.Reason, detail string) []fact.NodeGap {
		return []fact.NodeGap{{What: fact.CPU, Reason: reason, Detail: rootfs.Text(detail)}}
	}
	dir, path, from := vulnerabilities, "/sys"+vulnerabilities, sys
	switch {
	case root != nil:
		dir, from = path, root
	case sys != nil:
		path += " (in the probe)"
	default:
		return nil, gap(fact.Unreadable, "neither the node's root nor /sys was opened")
	}
	entries, err := from.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, gap(fact.NotPresent, path+" does not exist: a kernel before 4.15, one of an architecture that has none, or no sysfs")
	case err != nil:
		return nil, gap(rootfs.ReasonOf(err), err.Error())
	case len(entries) == 0:
		return nil, gap(fact.NotPresent, path+": expected a file for each vulnerability, found none")
	}
	state := &fact.CPUState{Path: path}
	var gaps []fact.NodeGap
	for _, e := range entries {
		if len(state.Vulnerabilities) == fact.MaxCPUVulnerabilities {
			gaps = append(gaps, gap(fact.Truncated, fmt.Sprintf("%s: more than %d files", path, fact.MaxCPUVulnerabilities))...)
			break
		}
		if len(e.Name) > maxCPUName {
			gaps = append(gaps, gap(fact.Corrupt, fmt.Sprintf("%s: expected a name of at most %d bytes, found %q", path, maxCPUName, rootfs.Excerpt(e.Name)))...)
			continue
		}
		data, err := from.ReadFile(dir+"/"+e.Name, sysfsPage)
		if err != nil {
			gaps = append(gaps, gap(rootfs.ReasonOf(err), err.Error())...)
			continue
		}
		text := strings.TrimSpace(string(data))
		if len(text) > maxCPUText {
			gaps = append(gaps, gap(fact.Corrupt, fmt.Sprintf("%s/%s: expected at most %d bytes, found %q", path, e.Name, maxCPUText, rootfs.Excerpt(text)))...)
			continue
		}
		if text == "" || strings.Contains(text, "\n") {
			gaps = append(gaps, gap(fact.Corrupt, fmt.Sprintf("%s/%s: expected one line, found %q", path, e.Name, rootfs.Excerpt(text)))...)
			continue
		}
		state.Vulnerabilities = append(state.Vulnerabilities, fact.CPUVulnerability{Name: rootfs.Text(e.Name), State: rootfs.Text(text)})
	}
	if len(state.Vulnerabilities) == 0 {
		return nil, gaps
	}
	return state, gaps
}
