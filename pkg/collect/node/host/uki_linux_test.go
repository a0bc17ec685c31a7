package host

import (
	"bytes"
	"debug/pe"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/hosttest"
)

// uki makes a PE image with sections, in turn name and content.
func uki(sections ...string) []byte {
	const start, optional = 0x80, 240
	image := make([]byte, start)
	copy(image, "MZ")
	binary.LittleEndian.PutUint32(image[0x3c:], start)
	image = append(image, "PE\x00\x00"...)
	coff := make([]byte, 20)
	binary.LittleEndian.PutUint16(coff, 0x8664)
	binary.LittleEndian.PutUint16(coff[2:], uint16(len(sections)/2))
	binary.LittleEndian.PutUint16(coff[16:], optional)
	image = append(image, coff...)
	header := make([]byte, optional)
	binary.LittleEndian.PutUint16(header, 0x20b)    // PE32+
	binary.LittleEndian.PutUint32(header[108:], 16) // empty data directories
	image = append(image, header...)
	table, data := []byte{}, []byte{}
	at := len(image) + 40*len(sections)/2
	for i := 0; i < len(sections); i += 2 {
		row := make([]byte, 40)
		copy(row, sections[i])
		size := (len(sections[i+1]) + 511) &^ 511
		binary.LittleEndian.PutUint32(row[8:], uint32(len(sections[i+1])))
		binary.LittleEndian.PutUint32(row[12:], uint32(0x1000*(i+1)))
		binary.LittleEndian.PutUint32(row[16:], uint32(size))
		binary.LittleEndian.PutUint32(row[20:], uint32(at+len(data)))
		table = append(table, row...)
		data = append(data, append([]byte(sections[i+1]), make([]byte, size-len(sections[i+1]))...)...)
	}
	return append(append(image, table...), data...)
}

func TestParseUKI(t *testing.T) {
	whole := uki(".osrel", "ID=fedora\n", ".uname", "6.8.5-301.fc40.x86_64", ".linux", "MZ")
	// Go's own reader of PE images agrees that the generator writes them.
	file, err := pe.NewFile(bytes.NewReader(whole))
	if err != nil {
		t.Fatal(err)
	}
	if section := file.Section(".uname"); section == nil || section.VirtualSize != uint32(len("6.8.5-301.fc40.x86_64")) {
		t.Fatalf("section %+v", section)
	}
	far := bytes.Clone(whole)
	binary.LittleEndian.PutUint32(far[0x3c:], 1<<31)
	many := bytes.Clone(whole)
	binary.LittleEndian.PutUint16(many[0x80+6:], 60000)
	for name, tc := range map[string]struct {
		image     []byte
		want, err string
	}{
		"a release":        {whole, "6.8.5-301.fc40.x86_64", ""},
		"with an end":      {uki(".uname", "6.9.1-arch1-1\n\x00"), "6.9.1-arch1-1", ""},
		"no release":       {uki(".uname", "hello"), "", `expected a kernel release, found "hello"`},
		"no section":       {uki(".linux", "MZ"), "", "expected a section .uname, found none"},
		"an empty section": {uki(".uname", ""), "", "expected a section .uname of 1 to 512 bytes, found 0"},
		"a long section":   {uki(".uname", strings.Repeat("6", 513)), "", "expected a section .uname of 1 to 512 bytes, found 513"},
		"cut":              {whole[:len(whole)-1024], "", "ends too early: expected a section .uname of 21 bytes at byte 1024, found 0"},
		"cut in the table": {whole[:0x80+24+240+50], "", "ends too early: expected a table of sections of 120 bytes at byte 392, found 50"},
		"not a PE image":   {bytes.Repeat([]byte("x"), 100), "", "expected a PE image, found something else"},
		"a far header":     {far, "", "expected a PE image, found something else"},
		"many sections":    {many, "", "expected at most 96 sections, found 60000"},
		"nothing":          {nil, "", "ends too early: expected a header of 64 bytes at byte 0, found 0"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseUKI(bytes.NewReader(tc.image))
			text := ""
			if err != nil {
				text = err.Error()
			}
			if got != tc.want || text != tc.err {
				t.Errorf("%q, %q", got, text)
			}
		})
	}
}

func FuzzParseUKI(f *testing.F) {
	f.Add(uki(".osrel", "ID=fedora\n", ".uname", "6.8.5-301.fc40.x86_64"))
	f.Fuzz(func(t *testing.T, image []byte) {
		if release, err := parseUKI(bytes.NewReader(image)); (release == "") == (err == nil) {
			t.Errorf("%q, %v", release, err)
		}
	})
}

// A unified kernel image on the EFI partition is an installed kernel.
func TestUKIIsInstalled(t *testing.T) {
	files := hosttest.Files{
		"boot/efi/EFI/Linux/x-6.8.5-301.fc40.x86_64.efi": string(uki(".uname", "6.8.5-301.fc40.x86_64")), "boot/efi/EFI/Linux/readme": "x",
		"proc/sys/kernel/osrelease": "6.8.5-301.fc40.x86_64\n", "proc/version": "Linux version 6.8.5-301.fc40.x86_64 (a@b) (gcc) #1 SMP\n",
	}
	dir := files.Write(t)
	_, installed, _, gaps := readKernels(t.Context(), hosttest.OpenRoot(t, dir), hosttest.OpenRoot(t, dir+"/proc"))
	want := []fact.InstalledKernel{{Release: "6.8.5-301.fc40.x86_64", Path: "/boot/efi/EFI/Linux/x-6.8.5-301.fc40.x86_64.efi"}}
	if diff := cmp.Diff(want, installed); diff != "" || gaps != nil {
		t.Errorf("(-want +got):\n%s%v", diff, gaps)
	}
}
