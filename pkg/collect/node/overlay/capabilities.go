package overlay

import (
	"encoding/binary"
	"fmt"
	"io/fs"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/capability"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// fileCaps are decoded file capabilities (capabilities(7)).
type fileCaps struct {
	permitted   uint64
	inheritable uint64
	effective   bool
	rootID      uint32 // of the user namespace in which they count; 0 for all
}

// The versions of struct vfs_cap_data in linux/capability.h, little-endian.
const (
	capRevisionMask  = 0xff000000
	capRevision1     = 0x01000000 // 32 bits each
	capRevision2     = 0x02000000 // 64 bits each, in two halves
	capRevision3     = 0x03000000 // and the uid of a namespace's root
	capFlagEffective = 1
)

var errCapabilities = rootfs.NewError(fact.Corrupt, "expected security.capability of version 1, 2 or 3")

// parseCaps decodes security.capability; nothing at all is no capability.
func parseCaps(value []byte) (fileCaps, error) {
	var c fileCaps
	if len(value) == 0 {
		return c, nil
	}
	if len(value) < 12 {
		return c, errCapabilities
	}
	word := func(i int) uint64 { return uint64(binary.LittleEndian.Uint32(value[4*i:])) }
	magic := uint32(word(0))
	c.effective = magic&capFlagEffective != 0
	c.permitted, c.inheritable = word(1), word(2)
	switch revision := magic & capRevisionMask; {
	case revision == capRevision1 && len(value) == 12:
	case revision == capRevision2 && len(value) == 20, revision == capRevision3 && len(value) == 24:
		c.permitted |= word(3) << 32
		c.inheritable |= word(4) << 32
		if revision == capRevision3 {
			c.rootID = uint32(word(5))
		}
	default:
		return fileCaps{}, errCapabilities
	}
	return c, nil
}

// any reports whether they give something to who executes the file.
func (c fileCaps) any() bool { return c.permitted|c.inheritable != 0 }

// beyond reports whether they give something that the image's do not: another
// capability, the effective bit, or the same in all user namespaces.
func (c fileCaps) beyond(image fileCaps) bool {
	switch {
	case !c.any():
		return false
	case c.permitted&^image.permitted|c.inheritable&^image.inheritable != 0, c.effective && !image.effective:
		return true
	}
	return c.rootID != image.rootID && image.rootID != 0
}

// String is as getcap(8) prints them: "cap_net_raw=ep".
func (c fileCaps) String() string {
	var clauses []string
	clause := func(mask uint64, flags string) {
		if mask == 0 {
			return
		}
		if c.effective {
			flags = "e" + flags
		}
		names := capability.Names(mask)
		for i := range names {
			names[i] = "cap_" + strings.TrimPrefix(strings.ToLower(names[i]), "cap_")
		}
		clauses = append(clauses, strings.Join(names, ",")+"="+flags)
	}
	clause(c.permitted&c.inheritable, "ip")
	clause(c.permitted&^c.inheritable, "p")
	clause(c.inheritable&^c.permitted, "i")
	text := strings.Join(clauses, " ")
	if c.rootID != 0 {
		text += fmt.Sprintf(" [rootid=%d]", c.rootID)
	}
	return text
}

// privilege is what a file gives to who executes it.
type privilege struct {
	mode fs.FileMode
	uid  uint32
	gid  uint32
	caps fileCaps
}

func privilegeOf(st *rootfs.Info, caps fileCaps) privilege {
	return privilege{st.Mode, st.UID, st.GID, caps}
}

// gained says what a file gives beyond the image's (nil: the image has no such
// file), "" for nothing. Execute bits do not matter: whoever set the others can set
// them later. sameIDs says that owners of the two are comparable; in a user
// namespace the image's may be mapped.
func gained(now privilege, image *privilege, sameIDs bool) string {
	var was privilege
	if image != nil {
		was = *image
	}
	var list []string
	bit := func(bit fs.FileMode, name, kind string, id, before uint32) {
		if now.mode&bit == 0 {
			return
		}
		switch {
		case image == nil:
			list = append(list, fmt.Sprintf("%s (mode %04o)", name, unixMode(now.mode)))
		case was.mode&bit == 0:
			list = append(list, fmt.Sprintf("%s (mode %04o, in the image %04o)", name, unixMode(now.mode), unixMode(was.mode)))
		case sameIDs && id != before:
			list = append(list, fmt.Sprintf("%s of %s %d (in the image of %s %d)", name, kind, id, kind, before))
		}
	}
	bit(fs.ModeSetuid, "set-user-ID", "uid", now.uid, was.uid)
	bit(fs.ModeSetgid, "set-group-ID", "gid", now.gid, was.gid)
	if now.caps.beyond(was.caps) {
		text := "file capabilities " + now.caps.String()
		if was.caps.any() {
			text += fmt.Sprintf(" (in the image %s)", was.caps)
		}
		list = append(list, text)
	}
	return strings.Join(list, ", ")
}

// capsOf reads the capabilities of an open file.
func capsOf(f *rootfs.File) (fileCaps, error) {
	value, err := f.Capabilities()
	if err != nil {
		return fileCaps{}, err
	}
	return parseCaps(value)
}
