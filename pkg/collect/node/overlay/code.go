package overlay

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// Kinds of fact.UpperFile.
const (
	kindELF       = "elf"
	kindLibrary   = "library"
	kindScript    = "script"
	kindCode      = "code"
	kindLoader    = "loader"
	kindLink      = "link"
	kindData      = "data"
	kindDirectory = "directory"
)

// headSize is how much of a file is read to see what it is: an ELF header's type,
// the name of a zip's first entry.
const headSize = 64

// head is the beginning of a file.
type head struct {
	data [headSize]byte
	n    int
}

func (h *head) bytes() []byte { return h.data[:h.n] }

// zeros reports a beginning that a copy of metadata only has.
func (h *head) zeros() bool { return h.n > 0 && len(bytes.Trim(h.bytes(), "\x00")) == 0 }

// read fills it from a file of a size, so that one call reaches the end of a short one.
func (h *head) read(f *rootfs.File, size int64) error {
	n, err := f.ReadAt(h.data[:min(size, headSize)], 0)
	h.n = n
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// sources are the endings of text that an interpreter runs, and of archives and byte
// code whose beginning says nothing more. The x bit says nothing about them:
// python, java and the like open a file as data.
var sources = map[string]bool{
	".py": true, ".pyw": true, ".pl": true, ".pm": true, ".rb": true, ".js": true, ".mjs": true, ".cjs": true, ".php": true, ".phtml": true,
	".phar": true, ".lua": true, ".sh": true, ".bash": true, ".ps1": true, ".psm1": true, ".tcl": true, ".awk": true, ".jsp": true,
}

// begins are the beginnings of byte code that is loaded by any name.
var begins = [][]byte{
	{0x00, 'a', 's', 'm'},    // WebAssembly
	{'d', 'e', 'x', '\n'},    // Dalvik
	{0x1b, 'L', 'u', 'a'},    // Lua
	{0xca, 0xfe, 0xba, 0xbe}, // a Java class
}

// kindOf says what a regular file is, by its content and, where that does not tell, its
// name: kindData if it is no code. size is the file's.
func kindOf(name string, h *head, size int64) string {
	data := h.bytes()
	switch {
	case len(data) >= 4 && bytes.HasPrefix(data, []byte("\x7fELF")):
		if coreDump(data) {
			return kindData
		}
		if isLibrary(name) {
			return kindLibrary
		}
		return kindELF
	case len(data) >= 4 && bytes.HasPrefix(data, []byte("#!")):
		return kindScript
	}
	for _, b := range begins {
		if bytes.HasPrefix(data, b) {
			return kindCode
		}
	}
	ext := strings.ToLower(path.Ext(name))
	switch {
	case size > 0 && sources[ext]:
		return kindCode
	case isZip(data):
		return zipKind(ext, data)
	case ext == ".pyc" || ext == ".pyo":
		// Two bytes of version, then a line's end.
		if len(data) >= 4 && data[2] == '\r' && data[3] == '\n' {
			return kindCode
		}
	case ext == ".dll" || ext == ".exe":
		if bytes.HasPrefix(data, []byte("MZ")) {
			return kindCode // .NET
		}
	}
	return kindData
}

// coreDump reports an ELF file of type ET_CORE, which neither the kernel nor ld.so
// runs: what a crash leaves behind.
func coreDump(data []byte) bool {
	const core = 4
	if len(data) < 18 {
		return false
	}
	if data[5] == 2 { // ELFDATA2MSB
		return binary.BigEndian.Uint16(data[16:]) == core
	}
	return binary.LittleEndian.Uint16(data[16:]) == core
}

func isZip(data []byte) bool { return bytes.HasPrefix(data, []byte("PK\x03\x04")) }

// zipKind tells a program from a document: java and python run an archive of any
// name, so the name of the first entry counts too.
func zipKind(ext string, data []byte) string {
	switch ext {
	case ".jar", ".war", ".ear", ".jmod", ".pyz", ".whl", ".egg", ".aar", ".apk":
		return kindCode
	}
	const name = 30 // of a local file header
	if len(data) > name {
		for _, first := range []string{"META-INF/", "__main__.py"} {
			if bytes.HasPrefix(data[name:], []byte(first)) {
				return kindCode
			}
		}
	}
	return kindData
}

// isLibrary reports a name like libc.so or libc.so.6.
func isLibrary(name string) bool {
	i := strings.Index(name, ".so")
	return i > 0 && (i+3 == len(name) || name[i+3] == '.')
}

// shellRuns reports an executable text without "#!" where programs are looked up: the
// kernel refuses it, and then shells and execvp(3) run it as a shell script.
func shellRuns(rel string, h *head, executable bool) bool {
	dir, _ := splitRel(rel)
	return executable && slices.Contains(programDirs, dir) && h.n > 0 && bytes.IndexByte(h.bytes(), 0) < 0
}

// isLoader reports a file that decides which libraries ld.so loads (ld.so(8)), glibc's
// or musl's.
func isLoader(rel string) bool {
	switch rel {
	case "etc/ld.so.preload", "etc/ld.so.conf", "etc/ld.so.cache":
		return true
	}
	dir, name := splitRel(rel)
	return dir == "etc/ld.so.conf.d" && strings.HasSuffix(name, ".conf") ||
		dir == "etc" && strings.HasPrefix(name, "ld-musl-") && strings.HasSuffix(name, ".path")
}

// programDirs are where shells look programs up by default, libraryDirs where ld.so
// does.
var (
	programDirs = []string{"bin", "sbin", "usr/bin", "usr/sbin", "usr/local/bin", "usr/local/sbin"}
	libraryDirs = []string{"lib", "lib64", "lib32", "usr/lib", "usr/lib64", "usr/lib32", "usr/local/lib"}
)

// leadsToCode reports whether a link of this name can put other code in the place of
// the image's: a program, a library, or a whole directory of them.
func leadsToCode(rel string) bool {
	dir, name := splitRel(rel)
	for _, p := range programDirs {
		if dir == p || rel == p || strings.HasPrefix(p, rel+"/") {
			return true
		}
	}
	for _, l := range libraryDirs {
		if rel == l || isLibrary(name) && (dir == l || strings.HasPrefix(dir, l+"/")) {
			return true
		}
	}
	return false
}
