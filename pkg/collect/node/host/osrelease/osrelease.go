// Package osrelease reads os-release(5).
package osrelease

import (
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// maxSize bounds the file, bytes.
const maxSize = 64 << 10

// Read reads /etc/os-release or, if it does not exist, /usr/lib/os-release
// (os-release(5)). The zero value means that neither could be read.
func Read(root *rootfs.Root) fact.OSRelease {
	for _, path := range []string{"/etc/os-release", "/usr/lib/os-release"} {
		data, err := root.ReadFile(path, maxSize)
		if err != nil {
			continue
		}
		os := parse(data)
		os.Path = path
		for _, text := range []*string{&os.ID, &os.IDLike, &os.VersionID, &os.Codename, &os.PrettyName, &os.VariantID, &os.ImageVersion, &os.BuildID, &os.OSTreeVersion, &os.KairosVersion} {
			*text = rootfs.Text(*text)
		}
		return os
	}
	return fact.OSRelease{}
}

// parse reads os-release(5): shell-compatible assignments, which are never
// executed. Other lines are ignored, as the format demands. If a name is
// assigned twice, the last assignment counts.
func parse(data []byte) fact.OSRelease {
	var os fact.OSRelease
	for line := range strings.SplitSeq(string(data), "\n") {
		name, value, found := strings.Cut(strings.TrimSpace(line), "=")
		if !found || strings.HasPrefix(name, "#") {
			continue
		}
		value = unquoteShell(value)
		switch name {
		case "ID":
			os.ID = value
		case "ID_LIKE":
			os.IDLike = value
		case "VERSION_ID":
			os.VersionID = value
		case "VERSION_CODENAME":
			os.Codename = value
		case "PRETTY_NAME":
			os.PrettyName = value
		case "VARIANT_ID":
			os.VariantID = value
		case "IMAGE_VERSION":
			os.ImageVersion = value
		case "BUILD_ID":
			os.BuildID = value
		case "OSTREE_VERSION":
			os.OSTreeVersion = value
		case "KAIROS_VERSION":
			os.KairosVersion = value
		}
	}
	return os
}

// Value returns what a file of the same format assigns to a name, "" for nothing: the
// last assignment counts.
func Value(data []byte, wanted string) (value string) {
	for line := range strings.SplitSeq(string(data), "\n") {
		name, text, found := strings.Cut(strings.TrimSpace(line), "=")
		if found && name == wanted {
			value = unquoteShell(text)
		}
	}
	return value
}

// unquoteShell removes the quotes from one shell word: '...' as it is, "..."
// and bare words with \ before the characters that need it.
func unquoteShell(word string) string {
	if len(word) >= 2 && word[0] == '\'' && word[len(word)-1] == '\'' {
		return word[1 : len(word)-1]
	}
	if len(word) >= 2 && word[0] == '"' && word[len(word)-1] == '"' {
		word = word[1 : len(word)-1]
	}
	if !strings.Contains(word, `\`) {
		return word
	}
	var b strings.Builder
	for i := 0; i < len(word); i++ {
		if word[i] == '\\' && i+1 < len(word) && strings.IndexByte("\"'$`\\ ", word[i+1]) >= 0 {
			i++
		}
		b.WriteByte(word[i])
	}
	return b.String()
}
