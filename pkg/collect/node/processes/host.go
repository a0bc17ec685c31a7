package processes

import (
	"path"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/builder"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/proctable"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/reader"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// hostProcesses describes the host's processes that build images, and those with a
// root directory of their own: the first of each by pid.
func hostProcesses(pass *reader.Pass) (builders, apart []fact.HostProcess) {
	why := make(map[int]string, len(pass.Apart))
	for _, a := range pass.Apart {
		why[a.PID] = a.Why
		if len(apart) < fact.MaxHostProcesses {
			apart = append(apart, hostProcess(pass, a.Process, a.Why))
		}
	}
	for _, p := range pass.Host {
		builds := p.Builder != ""
		if !pass.Linked {
			_, builds = builder.Named(p.Status.Name)
		}
		if !builds {
			continue
		}
		shown := why[p.PID]
		if shown == "" && pass.Linked {
			shown = "same-root"
		}
		if builders = append(builders, hostProcess(pass, p, shown)); len(builders) == fact.MaxHostProcesses {
			break
		}
	}
	return builders, apart
}

func hostProcess(pass *reader.Pass, p *proctable.Process, why string) fact.HostProcess {
	out := fact.HostProcess{
		PID: p.PID, Comm: short(p.Status.Name), Exe: short(p.Builder), UID: p.Status.UID[1], CapEff: p.Status.CapEff,
		Started: pass.Started(p), Why: why,
	}
	if unit := path.Base(p.Identity.Path); unit != "/" && unit != "." {
		out.Unit = short(unit)
	}
	if why != "chroot" && why != "service" {
		return out
	}
	d, err := pass.Reopen(p, make([]byte, 4096))
	if err != nil {
		return out
	}
	defer d.Close()
	if exe, err := d.Link(procfs.NameExe); err == nil {
		out.Exe = short(exe)
	}
	if root, err := d.Link(procfs.NameRoot); err == nil && root != "/" {
		out.Root = short(root)
	}
	return out
}

// maxText bounds a text in a fact of the host, bytes.
const maxText = 256

func short(text string) string {
	if len(text) > maxText {
		text = rootfs.Excerpt(text)
	}
	return rootfs.Text(text)
}
