package loader

import (
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// maxObject is the budget of an object in bytes: see loader.c.
const maxObject = 2500

// A hardened kernel refuses a segment that is writable and executable, or an
// executable stack; and the object must stay small.
func TestObjects(t *testing.T) {
	for arch, machine := range map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64} {
		t.Run(arch, func(t *testing.T) {
			object, err := For(arch)
			if err != nil {
				t.Fatal(err)
			}
			if len(object) > maxObject {
				t.Errorf("%d bytes, budget %d", len(object), maxObject)
			}
			f, err := elf.NewFile(bytes.NewReader(object))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if f.Class != elf.ELFCLASS64 || f.Type != elf.ET_EXEC || f.Machine != machine {
				t.Errorf("%v %v %v, want a 64-bit executable for %v", f.Class, f.Type, f.Machine, machine)
			}
			size := uint64(len(object))
			want := []elf.ProgHeader{
				{Type: elf.PT_LOAD, Flags: elf.PF_R | elf.PF_X, Vaddr: 0x400000, Paddr: 0x400000, Filesz: size, Memsz: size, Align: 0x10000},
				{Type: elf.PT_GNU_STACK, Flags: elf.PF_R | elf.PF_W, Align: 8},
			}
			var got []elf.ProgHeader
			for _, p := range f.Progs {
				got = append(got, p.ProgHeader)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("segments (-want +got):\n%s", diff)
			}
		})
	}
}

func TestForUnknownArchitecture(t *testing.T) {
	_, err := For("riscv64")
	want := `embedded probe: architecture "riscv64": expected amd64 or arm64`
	if err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

func TestParts(t *testing.T) {
	for name, tc := range map[string]struct {
		probe    string
		partSize int
		want     []Part
	}{
		"the last part is shorter":            {"abcdefg", 3, []Part{part("part.00", "abc"), part("part.01", "def"), part("part.02", "g")}},
		"an exact multiple has no empty part": {"abcdef", 3, []Part{part("part.00", "abc"), part("part.01", "def")}},
		"one part holds a small probe":        {"abc", 10, []Part{part("part.00", "abc")}},
		"no size means the largest":           {"abc", 0, []Part{part("part.00", "abc")}},
		"a negative size means the largest":   {"abc", -1, []Part{part("part.00", "abc")}},
		"an empty probe has no parts":         {"", 3, nil},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, Parts([]byte(tc.probe), tc.partSize)); diff != "" {
				t.Errorf("parts (-want +got):\n%s", diff)
			}
		})
	}
}

func part(name, data string) Part { return Part{name, []byte(data)} }

// Joined in order the parts are the probe; their names sort in that order,
// never exceed the loader's two digits, and an append to one leaves the next
// alone.
func FuzzParts(f *testing.F) {
	f.Add([]byte("a small probe"), 3)
	f.Add(bytes.Repeat([]byte{0xaa}, 1001), 1)
	f.Add([]byte{}, -1)
	f.Fuzz(func(t *testing.T, probe []byte, partSize int) {
		parts := Parts(probe, partSize)
		if len(parts) > MaxParts {
			t.Fatalf("%d parts, the loader reads %d", len(parts), MaxParts)
		}
		var joined []byte
		previous := ""
		for _, p := range parts {
			if p.Name <= previous || len(p.Name) != len("part.00") || len(p.Data) == 0 || cap(p.Data) != len(p.Data) {
				t.Errorf("part %q after %q with %d bytes, capacity %d", p.Name, previous, len(p.Data), cap(p.Data))
			}
			previous = p.Name
			joined = append(joined, p.Data...)
		}
		if !bytes.Equal(joined, probe) {
			t.Error("the parts are not the probe")
		}
	})
}

func TestSize(t *testing.T) {
	want := part("size", "2003070")
	if diff := cmp.Diff(want, Size(make([]byte, 2_003_070))); diff != "" {
		t.Errorf("size (-want +got):\n%s", diff)
	}
}

func TestCommand(t *testing.T) {
	// FIPS 180-4's example, "abc".
	want := []string{"/checklist/loader", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}
	if diff := cmp.Diff(want, Command(sha256.Sum256([]byte("abc")))); diff != "" {
		t.Errorf("command (-want +got):\n%s", diff)
	}
}

func TestDiagnose(t *testing.T) {
	for name, tc := range map[string]struct {
		code    int32
		message string
		want    string
	}{
		"size missing": {
			CodeSize, "checklist loader: errno 002 /checklist/size\n",
			"reading /checklist/size: expected the probe's size as a decimal number (/checklist/size: no such file or directory, ENOENT)",
		},
		"part not readable": {
			CodeOpen, "checklist loader: errno 013 /checklist/part.01\n",
			"opening a part of the probe in /checklist (/checklist/part.01: permission denied, EACCES)",
		},
		"part is a directory": {
			CodeRead, "checklist loader: errno 021 /checklist/part.01\n",
			"reading a part of the probe in /checklist (/checklist/part.01: is a directory, EISDIR)",
		},
		"output exists": {
			CodeCreate, "checklist loader: errno 017 /work/checklist-probe\n",
			"creating /work/checklist-probe: expected a writable volume without that file (/work/checklist-probe: file exists, EEXIST)",
		},
		"volume full, newline trimmed on the way": {
			CodeWrite, "checklist loader: errno 028 /work/checklist-probe",
			"writing /work/checklist-probe: is the volume full? (/work/checklist-probe: no space left on device, ENOSPC)",
		},
		"a part is missing": {
			CodeSum, "checklist loader: errno 002 /checklist/part.02\n",
			"joining the probe: the parts in /checklist do not add up to its size (/checklist/part.02 is missing, or a part is cut short)",
		},
		"the hundred-and-first part is missing": {
			CodeSum, "checklist loader: errno 002 /checklist/part.:0\n",
			"joining the probe: the parts in /checklist do not add up to its size (/checklist/part.:0 is missing, or a part is cut short)",
		},
		"parts of another probe": {
			CodeSum, "checklist loader: errno 027 /checklist/part.02\n",
			"joining the probe: the parts in /checklist do not add up to its size (they are more)",
		},
		"an error without a name keeps its number": {
			CodeExec, "checklist loader: errno 095 /work/checklist-probe\n",
			"executing /work/checklist-probe: is the volume mounted noexec, or the probe built for another architecture? (/work/checklist-probe: errno 95)",
		},
		"no argument of the loader's own": {
			CodeArgument, "checklist loader: errno 022 /checklist/loader\n",
			"its command: expected /checklist/loader and a SHA-256 digest of 64 lower-case hex digits (/checklist/loader: invalid, EINVAL)",
		},
		"another probe than the pod names": {
			CodeDigest, "checklist loader: errno 074 /work/checklist-probe\n",
			"the SHA-256 of the joined probe: expected that of the pod's command, found another; it was not run " +
				"(/work/checklist-probe: other bytes than expected, EBADMSG)",
		},
		"no procfs": {
			CodeExec, "checklist loader: errno 002 /proc/self/fd/3\n",
			"executing /work/checklist-probe: is the volume mounted noexec, or the probe built for another architecture? " +
				"(/proc/self/fd/3: no such file or directory, ENOENT)",
		},
		"no message leaves the step": {CodeRead, "", "reading a part of the probe in /checklist"},
		"a foreign message is not repeated": {
			CodeRead, "\x1b[2Jchecklist loader: errno 021 /checklist/part.01\nmore",
			"reading a part of the probe in /checklist",
		},
		"a foreign path is not repeated": {
			CodeRead, "checklist loader: errno 021 /etc/shadow\n",
			"reading a part of the probe in /checklist",
		},
		"a status that is not the loader's": {1, "checklist loader: errno 021 /checklist/part.01\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, Diagnose(tc.code, tc.message)); diff != "" {
				t.Errorf("diagnosis (-want +got):\n%s", diff)
			}
		})
	}
}

// Whatever a container leaves as its termination message, the diagnosis is one
// short line of printable ASCII that begins with the step.
func FuzzDiagnose(f *testing.F) {
	f.Add(CodeSum, "checklist loader: errno 002 /checklist/part.02\n")
	f.Add(CodeExec, "checklist loader: errno 999 /work/checklist-probe")
	f.Add(int32(137), "OOMKilled")
	f.Fuzz(func(t *testing.T, code int32, message string) {
		got := Diagnose(code, message)
		if !strings.HasPrefix(got, Explain(code)) || len(got) > 200 || (Explain(code) == "") != (got == "") {
			t.Errorf("Diagnose(%d, %q) = %q", code, message, got)
		}
		for _, r := range got {
			if r < ' ' || r > '~' {
				t.Errorf("Diagnose(%d, %q) = %q", code, message, got)
			}
		}
	})
}

func TestExplainKnowsItsStatusesAlone(t *testing.T) {
	seen := map[string]int32{}
	for code := int32(-1); code < 256; code++ {
		text := Explain(code)
		if ours := code >= CodeSize && code <= CodeDigest; ours != (text != "") {
			t.Errorf("Explain(%d) = %q", code, text)
		}
		if other, ok := seen[text]; ok && text != "" {
			t.Errorf("Explain(%d) and Explain(%d) are the same: %q", other, code, text)
		}
		seen[text] = code
	}
}
