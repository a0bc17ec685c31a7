package embedded

import (
	"bytes"
	"debug/elf"
	"errors"
	"math/rand/v2"
	"testing"
	"testing/fstest"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/stored"
)

func TestRead(t *testing.T) {
	const (
		first  = "\x7fELF and so on"
		second = "\x7fELF, another"
	)
	both := packed(t, []byte(first), []byte(second))
	// Noise, so that something of the second program is missing in a file that is cut.
	noise := make([]byte, 1<<20)
	rand.NewChaCha8([32]byte{}).Read(noise) //nolint:errcheck // it never fails
	large := packed(t, []byte(first), noise)
	tests := map[string]struct {
		program string
		arch    string
		file    []byte
		want    string
		wantErr string
	}{
		"the probe":            {probe, "arm64", both, first, ""},
		"the net probe":        {netProbe, "arm64", both, second, ""},
		"not built":            {probe, "arm64", nil, "", "embedded checklist-probe for arm64: " + ErrNotBuilt.Error()},
		"another architecture": {probe, "s390x", nil, "", `embedded checklist-probe: expected an architecture of [amd64 arm64], found "s390x"`},
		"not zstd":             {probe, "amd64", []byte("hello hello"), "", "embedded checklist-probe for amd64: decompressing: invalid input: magic number mismatch"},
		"empty":                {probe, "amd64", []byte{}, "", "embedded checklist-probe for amd64: decompressing: EOF"},
		"cut short":            {netProbe, "amd64", large[:len(large)/2], "", "embedded checklist-probe-net for amd64: decompressing: unexpected EOF"},
		"not an executable":    {netProbe, "amd64", packed(t, []byte(first), []byte("#!/bin/sh")), "", "embedded checklist-probe-net for amd64: expected an ELF executable, found something else"},
		"a bomb":               {probe, "amd64", packed(t, make([]byte, maxSize+1), nil), "", "embedded checklist-probe for amd64: expected at most 33554432 bytes, found 33554433"},
		"a bomb before":        {netProbe, "amd64", packed(t, make([]byte, maxSize+1), nil), "", "embedded checklist-probe-net for amd64: expected at most 33554432 bytes, found 33554433"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			files := fstest.MapFS{"bin/README": {}}
			if tt.file != nil {
				files["bin/"+File(tt.arch)] = &fstest.MapFile{Data: tt.file}
			}
			got, err := read(files, tt.program, tt.arch)
			text := ""
			if err != nil {
				text = err.Error()
			}
			if string(got) != tt.want || text != tt.wantErr {
				t.Errorf("expected %q and error %q, found %q and %q", tt.want, tt.wantErr, got, text)
			}
			if name == "not built" && !errors.Is(err, ErrNotBuilt) {
				t.Error("expected ErrNotBuilt")
			}
		})
	}
}

func packed(t *testing.T, executables ...[]byte) []byte {
	t.Helper()
	data, err := Pack(executables)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Pack(executables)
	if err != nil || !bytes.Equal(data, again) {
		t.Errorf("expected the same bytes from the same executables, found others: %v", err)
	}
	return data
}

func TestPackCounts(t *testing.T) {
	if _, err := Pack([][]byte{{}}); err == nil || err.Error() != "expected 2 executables, found 1" {
		t.Errorf("expected an error for a missing executable, found %v", err)
	}
}

// If this build carries a probe, it is a static executable for the architecture in its
// name.
func TestProbe(t *testing.T) {
	machines := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}
	for _, build := range []struct {
		program string
		read    func(string) ([]byte, error)
		digest  func(string) (string, error)
	}{{"checklist-probe", Probe, SHA256}, {"checklist-probe-net", NetProbe, NetSHA256}} {
		for _, arch := range Architectures() {
			t.Run(build.program+" "+arch, func(t *testing.T) {
				executable, err := build.read(arch)
				if errors.Is(err, ErrNotBuilt) {
					t.Skip(err)
				}
				if err != nil {
					t.Fatal(err)
				}
				file, err := elf.NewFile(bytes.NewReader(executable))
				if err != nil {
					t.Fatal(err)
				}
				if file.Machine != machines[arch] {
					t.Errorf("expected machine %v, found %v", machines[arch], file.Machine)
				}
				for _, p := range file.Progs {
					if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
						t.Errorf("expected a static executable, found segment %v", p.Type)
					}
				}
				// A run puts the probe into ConfigMaps, so it lies in etcd for a while. The
				// constants by which it knows Secrets are none.
				finder := stored.NewFinder("")
				finder.Write(executable) //nolint:errcheck // it never fails
				if found := finder.Found(); found.Values > 0 {
					t.Errorf("the probe itself looks like %d Secrets", found.Values)
				}
				digest, err := build.digest(arch)
				if err != nil || len(digest) != 64 {
					t.Errorf("digest: found %q, %v", digest, err)
				}
				t.Logf("%d bytes, sha256 %s", len(executable), digest)
			})
		}
	}
}
