package devices

import (
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/proctable"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/reader"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// maxRules bounds a devices.list, in bytes: runc's default has 300.
const maxRules = 16 << 10

// readRules returns the device rules of a container's cgroup
// (https://docs.kernel.org/admin-guide/cgroup-v1/devices.html). They are nil where
// there is no such file: with cgroup version 2, or where the path leads out of the
// caller's own cgroup namespace.
func readRules(pass *reader.Pass, ct *proctable.Container, buf []byte) ([]string, error) {
	mount := devicesMount(pass.NodeMounts())
	if mount == nil || pass.Root == nil {
		return nil, nil
	}
	dir := rulesDir(pass, ct, mount, buf)
	if dir == "" {
		return nil, nil
	}
	data, err := pass.Root.ReadFile(dir+"/devices.list", maxRules)
	if err != nil {
		if rootfs.Gone(err) {
			return nil, nil
		}
		return nil, err
	}
	return procfs.ParseDeviceRules(data)
}

// devicesMount is where the node has the devices controller of version 1.
func devicesMount(table []procfs.MountInfo) *procfs.MountInfo {
	for i := range table {
		if m := &table[i]; m.FSType == "cgroup" && m.HasSuper("devices") {
			return m
		}
	}
	return nil
}

// rulesDir is the directory of the container's cgroup on the node, "" if it is
// unknown. A cgroup below the container's own, which a process may have made, can
// only allow less.
func rulesDir(pass *reader.Pass, ct *proctable.Container, mount *procfs.MountInfo, buf []byte) string {
	id := ct.Identity.ID
	if !strings.Contains(ct.Identity.Path, id) {
		id = "" // something else shows that it is a container
	}
	for _, p := range ct.Processes {
		if !strings.Contains(p.Identity.Path, id) {
			continue // moved away
		}
		d, err := pass.Reopen(p, buf)
		if err != nil {
			continue
		}
		lines, err := d.Cgroups(buf)
		d.Close()
		if err != nil {
			return ""
		}
		return below(mount, lines, id)
	}
	return ""
}

// below finds the line of the devices hierarchy, up to the name with the id.
func below(mount *procfs.MountInfo, lines []procfs.Cgroup, id string) string {
	for i := range lines {
		if lines[i].V2 || !lines[i].Has("devices") {
			continue
		}
		path := lines[i].Path
		at := strings.Index(path, id)
		if at < 0 {
			return ""
		}
		if end := strings.IndexByte(path[at:], '/'); id != "" && end >= 0 {
			path = path[:at+end]
		}
		rest, ok := strings.CutPrefix(path, strings.TrimSuffix(mount.Root, "/"))
		if !ok || rest != "" && rest[0] != '/' || path == "/.." || strings.HasPrefix(path, "/../") {
			return ""
		}
		return mount.Point + strings.TrimSuffix(rest, "/")
	}
	return ""
}
