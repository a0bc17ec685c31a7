package secrets

import (
	"fmt"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// Permission bits of a file, of its group and of all others.
const (
	groupRead, othersRead   = 0o040, 0o004
	groupWrite, othersWrite = 0o020, 0o002
	groupAny, othersAny     = 0o070, 0o007
)

// openTo names who besides the owner has one of these permissions of a file, "" if
// nobody has: those of its group and all others, if the directories on the path let
// them through. The group's bits of a file with an ACL are the mask of all its
// entries, so they say nothing of the group (acl(5)).
func openTo(a *fact.FileAccess, group, others uint32) string {
	var who []string
	if a.Mode&group != 0 && a.GroupReaches && !a.ACL {
		who = append(who, fmt.Sprintf("group %d", a.Group))
	}
	if a.Mode&others != 0 && a.OthersReach {
		who = append(who, "everyone")
	}
	return strings.Join(who, " and ")
}

// readers and writers are who besides the owner can read or change a file.
func readers(a *fact.FileAccess) string { return openTo(a, groupRead, othersRead) }
func writers(a *fact.FileAccess) string { return openTo(a, groupWrite, othersWrite) }

// hiddenEntries reports whether a file has an ACL whose entries may give somebody
// else something. Without a bit of the mask they give nothing, and neither do they
// where nobody else reaches the file.
func hiddenEntries(a *fact.FileAccess) bool {
	return a.ACL && a.Mode&groupAny != 0 && (a.GroupReaches || a.OthersReach)
}

// describeAccess is evidence: "mode 0644, owner 0, group 0, everyone reaches it".
func describeAccess(a *fact.FileAccess) string {
	text := fmt.Sprintf("mode %04o, owner %d, group %d", a.Mode, a.Owner, a.Group)
	if a.ACL {
		text += ", with an ACL"
	}
	switch {
	case a.Mode&(groupAny|othersAny) == 0:
	case a.OthersReach:
		text += ", everyone reaches it"
	case a.GroupReaches:
		text += ", its group reaches it"
	default:
		text += ", the directories above it let nobody else through"
	}
	if a.WritableParent != "" {
		text += ", others can write to " + a.WritableParent
	}
	return text
}
