package drift

import (
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/capability"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
)

// user is a process of a user without capabilities.
func user(uid, gid int64, groups ...int64) fact.Process {
	return fact.Process{
		PID: ft.PID, UID: [4]int64{uid, uid, uid, uid}, GID: [4]int64{gid, gid, gid, gid}, Groups: groups,
		CapEff: fact.NewCapMask(0), CapPrm: fact.NewCapMask(0), RootUID: ft.Ptr(int64(0)),
	}
}

func with(p fact.Process, caps ...capability.Number) fact.Process {
	var mask uint64
	for _, c := range caps {
		mask |= c.Mask()
	}
	p.CapPrm = fact.NewCapMask(mask)
	p.CapEff = p.CapPrm
	return p
}

func owner(uid, gid, mode uint32) *fact.FileOwner {
	return &fact.FileOwner{UID: uid, GID: gid, Mode: mode}
}

// The kernel's rules for a file (path_resolution(7)): the owner's bits count for the
// owner, the group's for its members, the others' for nobody else.
func TestWhoCanWriteAFile(t *testing.T) {
	unread := user(1000, 1000)
	unread.CapEff = fact.CapMask{}
	saved := user(1000, 1000)
	saved.UID[2] = 0
	many := user(1000, 1000)
	many.Groups = make([]int64, fact.MaxGroups)
	for name, tc := range map[string]struct {
		process fact.Process
		owner   *fact.FileOwner
		want    can
	}{
		"another's file of mode 0644": {user(1000, 1000), owner(0, 0, 0o644), cannot},
		"its own file":                {user(1000, 1000), owner(1000, 0, 0o644), yes},
		"its own file without the w bit: it may change that": {user(1000, 1000), owner(1000, 0, 0o444), yes},
		"a file of its group with the w bit":                 {user(1000, 1000), owner(0, 1000, 0o664), yes},
		"a file of its group without it":                     {user(1000, 1000), owner(0, 1000, 0o644), cannot},
		"a file of a supplementary group":                    {user(1000, 1000, 2000), owner(0, 2000, 0o660), yes},
		"a file of its group that only others may write":     {user(1000, 1000), owner(0, 1000, 0o606), cannot},
		"a file that everybody may write":                    {user(1000, 1000), owner(0, 0, 0o666), yes},
		"another group's file with the w bit":                {user(1000, 1000), owner(0, 2000, 0o664), cannot},
		"root's file for root without capabilities":          {user(0, 0), owner(0, 0, 0o644), yes},
		"another's file for root without capabilities":       {user(0, 0), owner(1000, 1000, 0o644), cannot},
		"another's file with DAC_OVERRIDE":                   {with(user(0, 0), capability.DACOverride), owner(1000, 1000, 0o644), yes},
		"another's file with FOWNER: it may change the mode": {with(user(1000, 1000), capability.FOwner), owner(0, 0, 0o644), yes},
		"another's file with CHOWN":                          {with(user(1000, 1000), capability.Chown), owner(0, 0, 0o644), yes},
		"another's file with SETUID":                         {with(user(1000, 1000), capability.SetUID), owner(0, 0, 0o644), yes},
		"another's file with SETGID and the group's w bit":   {with(user(1000, 1000), capability.SetGID), owner(0, 0, 0o664), yes},
		"another's file with SETGID without it":              {with(user(1000, 1000), capability.SetGID), owner(0, 0, 0o644), cannot},
		"another's file with NET_ADMIN":                      {with(user(1000, 1000), capability.NetAdmin), owner(0, 0, 0o644), cannot},
		"root's file for a user whose saved id is root":      {saved, owner(0, 0, 0o644), yes},
		"an owner that was not read":                         {user(1000, 1000), nil, maybe},
		"an owner that was not read, with DAC_OVERRIDE":      {with(user(1000, 1000), capability.DACOverride), nil, yes},
		"capabilities that were not read":                    {unread, owner(0, 0, 0o644), maybe},
		"capabilities that were not read, and its own file":  {unread, owner(1000, 0, 0o644), yes},
		"groups that may be more than the facts hold":        {many, owner(5000, 5000, 0o664), maybe},
	} {
		w := writerOf(&tc.process)
		if got := w.write(tc.owner, false); got != tc.want {
			t.Errorf("%s: got %d, want %d", name, got, tc.want)
		}
	}
}

func TestWhoCanReplaceAFile(t *testing.T) {
	for name, tc := range map[string]struct {
		process   fact.Process
		file, dir *fact.FileOwner
		want      can
	}{
		"root's file in root's directory":              {user(1000, 1000), owner(0, 0, 0o755), owner(0, 0, 0o755), cannot},
		"root's file in its own directory":             {user(1000, 1000), owner(0, 0, 0o755), owner(1000, 0, 0o755), yes},
		"root's file in a directory for everybody":     {user(1000, 1000), owner(0, 0, 0o755), owner(0, 0, 0o777), yes},
		"root's file in /tmp":                          {user(1000, 1000), owner(0, 0, 0o755), owner(0, 0, 0o1777), cannot},
		"its own file in /tmp":                         {user(1000, 1000), owner(1000, 0, 0o755), owner(0, 0, 0o1777), yes},
		"a file for everybody in /tmp":                 {user(1000, 1000), owner(0, 0, 0o777), owner(0, 0, 0o1777), yes},
		"root's file in a sticky directory of its own": {user(1000, 1000), owner(0, 0, 0o755), owner(1000, 0, 0o1755), yes},
		"root's file in /tmp with DAC_OVERRIDE":        {with(user(1000, 1000), capability.DACOverride), owner(0, 0, 0o755), owner(0, 0, 0o1777), yes},
		"a directory of w without x":                   {user(1000, 1000), owner(0, 0, 0o755), owner(0, 0, 0o756), cannot},
		"a directory of its group":                     {user(1000, 1000, 7), owner(0, 0, 0o755), owner(0, 7, 0o775), yes},
		"a directory that was not read":                {user(1000, 1000), owner(0, 0, 0o755), nil, maybe},
		"a file that was not read":                     {user(1000, 1000), nil, owner(0, 0, 0o755), maybe},
	} {
		w := writerOf(&tc.process)
		if got := w.replace(tc.file, tc.dir); got != tc.want {
			t.Errorf("%s: got %d, want %d", name, got, tc.want)
		}
	}
}
