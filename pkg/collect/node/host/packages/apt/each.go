package apt

import (
	"bytes"
	"context"
	"fmt"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/packages/unpack"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// Where dpkg keeps what is installed: one file, or a directory with a file for each
// package (distroless images).
const (
	StatusFile = dpkgStatus
	StatusDir  = dpkgStatusD
	JournalDir = dpkgUpdates
)

// EachInstalled calls do with every installed package of one file: StatusFile, or one in
// StatusDir. It keeps nothing, so it serves a part of a file system too, such as one
// layer. The texts are valid until do returns. Its error is fs.ErrNotExist if there is no
// such file.
func EachInstalled(ctx context.Context, root *rootfs.Root, path string, do func(name, arch, version []byte) error) error {
	file, err := root.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	whole := path == StatusFile
	scanner := newStanzaScanner(unpack.Limit(ctx, file), make([]byte, eachBuffer))
	var st stanza
	for {
		ok, err := scanner.next(&st, nil)
		switch {
		case err != nil:
			return fmt.Errorf("%s: %w", path, err)
		case !ok:
			return nil
		case whole && !scanner.closed:
			return fmt.Errorf("%s: %w: no empty line after the stanza at byte %d", path, rootfs.ErrCut, st.Offset)
		case len(st.Package.value) == 0:
			return fmt.Errorf("%s: expected a field Package in the stanza at byte %d, found none", path, st.Offset)
		case (whole || st.Status.set) && len(bytes.Fields(st.Status.value)) != 3:
			return fmt.Errorf("%s: expected a Status of three words in the stanza of %q at byte %d, found %q",
				path, rootfs.Excerpt(st.Package.value), st.Offset, rootfs.Excerpt(st.Status.value))
		case max(len(st.Package.value), len(st.Version.value), len(st.Architecture.value)) > maxText:
			return fmt.Errorf("%s: %w of %d bytes in a field of the stanza at byte %d", path, rootfs.ErrTooLarge, maxText, st.Offset)
		case (whole || st.Status.set) && !isInstalled(st.Status.value):
			continue
		}
		if err := do(st.Package.value, st.Architecture.value, st.Version.value); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
}

// eachBuffer is a scan's, where several can be at once.
const eachBuffer = 64 << 10
