// Package loader holds the program that starts the embedded probe on a node:
// it joins the probe's parts, which come from ConfigMaps, and executes the
// result in its place. loader.c says what it does and why it is written in C.
// build.sh builds the objects next to it, which are embedded here.
//
// A pod that uses it mounts one volume, projected from the ConfigMaps, at Dir
// with mode 0555, and a writable emptyDir at OutputDir, and has the command
// Command. The volume holds the loader (Name), the size (Size) and the parts
// (Parts). The joined probe runs only if it has the digest that the command
// names. It gets the pod's arguments and an empty environment.
package loader

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"regexp"
	"strconv"
)

// Where the loader looks; the same paths are compiled into it.
const (
	Dir            = "/checklist"                   // volume with the files named here
	Name           = "loader"                       // file in Dir: the loader
	Path           = Dir + "/" + Name               // the loader in the container: see Command
	SizeName       = "size"                         // file in Dir: see Size
	OutputDir      = "/work"                        // emptyDir, not noexec
	Output         = OutputDir + "/checklist-probe" // the probe as it runs, mode 0100; must not exist
	TerminationLog = "/dev/termination-log"         // Kubernetes' default terminationMessagePath
)

// Limits of the parts.
const (
	MaxPartSize = 1_000_000 // bytes; a ConfigMap holds 1 MiB, its metadata included
	MaxParts    = 100       // part.00 to part.99
	MaxProbe    = MaxParts * MaxPartSize
	MaxLine     = 64 // bytes of the loader's termination message
)

// Exit statuses of the loader, one for each step. The probe itself, which
// replaces it, must not use them.
const (
	CodeSize     int32 = 90 // reading Dir/size, or it is not a decimal number up to MaxProbe
	CodeOpen     int32 = 91 // opening a part, for another reason than that it does not exist
	CodeRead     int32 = 92 // reading a part
	CodeCreate   int32 = 93 // creating Output
	CodeWrite    int32 = 94 // writing or closing Output
	CodeSum      int32 = 95 // the parts do not add up to the size
	CodeExec     int32 = 96 // executing Output
	CodeArgument int32 = 97 // the first argument is not a digest: see Command
	CodeDigest   int32 = 98 // what was joined has another digest; it was not executed
)

//go:embed loader_linux_amd64
var amd64 []byte

//go:embed loader_linux_arm64
var arm64 []byte

// For returns the loader's bytes, a static ELF executable for Linux of about
// 2.4 KB, for a node's architecture as in node.status.nodeInfo.architecture
// (GOARCH). The caller must not change them.
func For(arch string) ([]byte, error) {
	switch arch {
	case "amd64":
		return amd64, nil
	case "arm64":
		return arm64, nil
	}
	return nil, fmt.Errorf("embedded probe: architecture %q: expected amd64 or arm64", arch)
}

// A Part is one file in Dir. Name is also a valid key of a ConfigMap's
// binaryData; Data shares the probe's bytes.
type Part struct {
	Name string
	Data []byte
}

// PartName is the name of part i, from 0 to MaxParts-1: part.00, part.01, ...
// The loader stops at the first one that does not exist.
func PartName(i int) string { return fmt.Sprintf("part.%02d", i) }

// Parts cuts a probe into parts of partSize bytes, the last one shorter. A
// partSize that is not positive means MaxPartSize; one that would take more
// than MaxParts parts is raised to what takes MaxParts.
func Parts(probe []byte, partSize int) []Part {
	if partSize <= 0 {
		partSize = MaxPartSize
	}
	if least := (len(probe) + MaxParts - 1) / MaxParts; partSize < least {
		partSize = least
	}
	var parts []Part
	for len(probe) > 0 {
		n := min(partSize, len(probe))
		parts = append(parts, Part{PartName(len(parts)), probe[:n:n]})
		probe = probe[n:]
	}
	return parts
}

// Size is the file by which the loader notices a missing part: the probe's
// length in bytes as a decimal number, nothing else.
func Size(probe []byte) Part {
	return Part{SizeName, strconv.AppendInt(nil, int64(len(probe)), 10)}
}

// Command is a container's command that runs this probe and no other: the
// loader, and the SHA-256 of the whole probe in 64 lower-case hex digits. The
// container's args follow it and are the probe's.
func Command(digest [sha256.Size]byte) []string {
	return []string{Path, hex.EncodeToString(digest[:])}
}

// Explain says what an exit status of the loader means and what to look at.
// It is empty for a status that is not the loader's.
func Explain(code int32) string {
	switch code {
	case CodeSize:
		return "reading " + Dir + "/" + SizeName + ": expected the probe's size as a decimal number"
	case CodeOpen:
		return "opening a part of the probe in " + Dir
	case CodeRead:
		return "reading a part of the probe in " + Dir
	case CodeCreate:
		return "creating " + Output + ": expected a writable volume without that file"
	case CodeWrite:
		return "writing " + Output + ": is the volume full?"
	case CodeSum:
		return "joining the probe: the parts in " + Dir + " do not add up to its size"
	case CodeExec:
		return "executing " + Output + ": is the volume mounted noexec, or the probe built for another architecture?"
	case CodeArgument:
		return "its command: expected " + Path + " and a SHA-256 digest of 64 lower-case hex digits"
	case CodeDigest:
		return "the SHA-256 of the joined probe: expected that of the pod's command, found another; it was not run"
	}
	return ""
}

// line is what the loader writes to stderr and to TerminationLog:
// "checklist loader: errno 017 /work/checklist-probe\n".
var line = regexp.MustCompile(`\Achecklist loader: errno ([0-9]{3}) (` +
	regexp.QuoteMeta(Dir) + `/(?:` + SizeName + `|` + Name + `|part\.[0-9:][0-9])|` + regexp.QuoteMeta(Output) + `|/proc/self/fd/[0-9]{1,2})\n?\z`)

// Diagnose is Explain with the file and the error from the loader's own line.
// message is the container's termination message, or its log. If it is not
// exactly the loader's line, it adds nothing. It is never repeated, because
// another program may have written it.
func Diagnose(code int32, message string) string {
	text := Explain(code)
	m := line.FindStringSubmatch(message)
	if text == "" || m == nil {
		return text
	}
	errno, _ := strconv.Atoi(m[1]) // three digits
	if code == CodeSum {
		if errno == 2 {
			return fmt.Sprintf("%s (%s is missing, or a part is cut short)", text, m[2])
		}
		return text + " (they are more)"
	}
	return fmt.Sprintf("%s (%s: %s)", text, m[2], errnoName(errno))
}

// errnoName names the errors that the loader's system calls are known to return
// (asm-generic/errno.h; both architectures number them alike). The plugin may
// run on another system, whose own numbers differ.
func errnoName(errno int) string {
	switch errno {
	case 1:
		return "operation not permitted, EPERM"
	case 2:
		return "no such file or directory, ENOENT"
	case 5:
		return "input/output error, EIO"
	case 6:
		return "no such device, ENXIO"
	case 7:
		return "argument list too long, E2BIG"
	case 8:
		return "not an executable for this node, ENOEXEC"
	case 11:
		return "nothing to read yet, EAGAIN"
	case 12:
		return "out of memory, ENOMEM"
	case 13:
		return "permission denied, EACCES"
	case 17:
		return "file exists, EEXIST"
	case 20:
		return "not a directory, ENOTDIR"
	case 21:
		return "is a directory, EISDIR"
	case 22:
		return "invalid, EINVAL"
	case 26:
		return "open for writing, ETXTBSY"
	case 27:
		return "file too large, EFBIG"
	case 28:
		return "no space left on device, ENOSPC"
	case 30:
		return "read-only file system, EROFS"
	case 38:
		return "system call not available, ENOSYS"
	case 40:
		return "too many symbolic links, ELOOP"
	case 74:
		return "other bytes than expected, EBADMSG"
	case 122:
		return "disk quota exceeded, EDQUOT"
	}
	return fmt.Sprintf("errno %d", errno)
}
