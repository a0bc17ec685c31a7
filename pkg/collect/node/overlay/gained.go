package overlay

import (
	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// ownerOf is who owns a file, and its mode as chmod(2) has it.
func ownerOf(st *rootfs.Info) *fact.FileOwner {
	return &fact.FileOwner{UID: st.UID, GID: st.GID, Mode: unixMode(st.Mode)}
}

// gainedBy is what a file gives to who executes it, beyond the image's file of that
// name (low; nil or no regular file: there is none). file may be nil: then only its
// mode counts. An error means that capabilities were not read.
func gainedBy(st *rootfs.Info, file *rootfs.Handle, low *entry, sameIDs bool) (string, error) {
	caps, err := handleCaps(file)
	now := privilegeOf(st, caps)
	if low == nil || low.kind != regular {
		return gained(now, nil, sameIDs), err
	}
	var lowCaps fileCaps
	if caps.any() {
		var lowErr error
		if lowCaps, lowErr = handleCaps(low.file); lowErr != nil {
			err = lowErr
		}
	}
	was := privilegeOf(&low.st, lowCaps)
	return gained(now, &was, sameIDs), err
}

func handleCaps(file *rootfs.Handle) (fileCaps, error) {
	if file == nil {
		return fileCaps{}, nil
	}
	f, err := file.Open()
	if err != nil {
		return fileCaps{}, err
	}
	defer func() { _ = f.Close() }()
	return capsOf(f)
}
