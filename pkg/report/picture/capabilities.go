package picture

import (
	"cmp"
	"fmt"
	"math/bits"
	"slices"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/capability"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/privileged"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report"
)

// mostMasks is how many containers the picture of capabilities shows.
const mostMasks = 5

// masks are the capabilities of one container of a workload, of all its pods together.
type masks struct {
	subject fact.Subject
	privileged.Masks
}

// extra is what is held beyond the runtime's default.
func (m *masks) extra() uint64 { return m.Measured &^ capability.RuntimeDefault }

// graver orders two sets: the one with the gravest capability that the other lacks comes first.
func graver(a, b uint64) int {
	g, ok := capability.Gravest(a ^ b)
	switch {
	case !ok:
		return cmp.Compare(bits.OnesCount64(b), bits.OnesCount64(a))
	case a&g.Mask() != 0:
		return -1
	}
	return 1
}

// capabilities draws the mask of the containers that hold most, as named bits.
func capabilities(view *checks.View) Picture {
	p := Picture{ID: "capabilities", Title: "Capabilities, declared and held"}
	list, unread := allMasks(view)
	if len(list) == 0 {
		p.Summary = "The capabilities of no container were measured, so no picture shows them."
		if unread > 0 {
			p.Summary += " " + counted(unread, "container") + " could not be read."
		}
		return p
	}
	beyond, extra, partly, undeclared := 0, 0, 0, 0
	for i := range list {
		if list[i].Beyond != 0 {
			beyond++
		}
		if list[i].extra() != 0 {
			extra++
		}
		if list[i].Partly {
			partly++
		}
		if !list[i].DeclaredKnown {
			undeclared++
		}
	}
	slices.SortStableFunc(list, func(a, b masks) int {
		return cmp.Or(
			lastIf(a.OwnUserNS, b.OwnUserNS), graver(a.Beyond, b.Beyond), graver(a.extra(), b.extra()), graver(a.Measured, b.Measured),
			cmp.Compare(report.SubjectName(a.subject), report.SubjectName(b.subject)),
		)
	})
	shown := list[:min(len(list), mostMasks)]
	p.Summary = counted(len(list), "container") + " of workloads measured: "
	if beyond > 0 || undeclared < len(list) { // without a spec, nothing can be beyond it
		p.Summary += fmt.Sprintf("%d with capabilities that the spec does not give, ", beyond)
	}
	p.Summary += fmt.Sprintf("%d with capabilities beyond the runtime's default.", extra)
	if undeclared > 0 {
		p.Summary += fmt.Sprintf(" What the spec gives is not known for %d.", undeclared)
	}
	if partly > 0 {
		p.Summary += fmt.Sprintf(" Of %d not every process was read: they may hold more.", partly)
	}
	if unread > 0 {
		p.Summary += fmt.Sprintf(" %s could not be read.", counted(unread, "more container"))
	}
	if left := len(list) - len(shown); left > 0 {
		p.Summary += fmt.Sprintf(" The picture shows the %d with the gravest, and leaves out %d.", len(shown), left)
	}

	s := &svg{y: 2}
	for i := range shown {
		m := &shown[i]
		note := ""
		switch {
		case m.OwnUserNS:
			note = " (own user namespace)"
		case m.Partly:
			note = " (partly read)"
		}
		s.text(margin, s.y+9, "", fmt.Sprintf("%d %s%s", i+1, fit(report.SubjectName(m.subject), 56-len(note)), note))
		s.y += line - 2
	}
	const label, column = 146, 42
	s.y += 14
	for i := range shown {
		x := label + i*column
		s.text(x+column/2-3, s.y-3, "pic-mid", fmt.Sprint(i+1))
		s.text(x+6, s.y+8, "pic-mid", "D")
		s.text(x+26, s.y+8, "pic-mid", "H")
	}
	s.y += line - 4
	for n := range 1 + lastOf(shown) {
		bit := capability.Number(n).Mask()
		s.text(margin, s.y+9, "", fmt.Sprintf("%2d %s", n, capability.Number(n)))
		for i := range shown {
			m, x := &shown[i], label+i*column
			declared, held := nothing, nothing
			switch {
			case !m.DeclaredKnown:
				declared = unknown
			case m.Declared&bit != 0:
				declared = of(bit)
			}
			switch {
			case m.Beyond&bit != 0:
				held = bad
			case m.Measured&bit != 0:
				held = of(bit)
			case m.Partly:
				held = unknown
			}
			s.mark(x, s.y, declared)
			s.mark(x+20, s.y, held)
		}
		s.y += line - 3
		s.rule(s.y - 1)
	}
	s.y += 6
	s.said("D: declared by the spec, with the runtime's default. H: held by its processes.")
	s.y += 2
	s.legend(given, "in the runtime's default", open, "beyond the default", bad, "held, not declared", nothing, "no", unknown, "unknown")
	p.SVG = s.done(p.ID, p.Title, p.Summary)
	return p
}

// of is the mark of a capability that a container has.
func of(bit uint64) mark {
	if bit&capability.RuntimeDefault != 0 {
		return given
	}
	return open
}

// lastIf puts what is true last.
func lastIf(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// lastOf is the number of the last capability that the picture names. A newer kernel has more than
// have a name here.
func lastOf(shown []masks) int {
	last := int(capability.Last)
	for i := range shown {
		last = max(last, bits.Len64(shown[i].Measured|shown[i].Declared)-1)
	}
	return last
}

// allMasks joins the containers of each workload by their names, and counts those that run and
// were not read.
func allMasks(view *checks.View) (list []masks, unread int) {
	if view == nil {
		return nil, 0
	}
	seen, unseen := checks.RunningContainers(view, fact.Processes)
	at := map[fact.SubjectKey]int{}
	missing := map[fact.SubjectKey]bool{}
	for _, r := range unseen {
		s := r.Subject()
		missing[s.Identity()] = true
	}
	for _, r := range seen {
		s := r.Subject()
		key := s.Identity()
		m, ok := privileged.MasksOf(r)
		if !ok {
			missing[key] = true
			continue
		}
		i, known := at[key]
		if !known {
			at[key] = len(list)
			list = append(list, masks{subject: s, Masks: m})
			continue
		}
		all := &list[i]
		all.Declared |= m.Declared
		all.DeclaredKnown = all.DeclaredKnown && m.DeclaredKnown
		all.Measured |= m.Measured
		all.Beyond |= m.Beyond
		all.Partly = all.Partly || m.Partly
		all.OwnUserNS = all.OwnUserNS && m.OwnUserNS
	}
	for key := range missing {
		if i, known := at[key]; known {
			list[i].Partly = true // of another pod
			continue
		}
		unread++
	}
	return list, unread
}
