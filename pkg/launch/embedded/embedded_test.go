package embedded

import (
	"bytes"
	"compress/gzip"
	"debug/elf"
	"errors"
	"testing"
	"testing/fstest"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/stored"
)

func zipped(data []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write(data)
	_ = w.Close()
	return out.Bytes()
}

func TestRead(t *testing.T) {
	const elfStart = "\x7fELF and so on"
	tests := map[string]struct {
		arch    string
		file    []byte
		want    string
		wantErr string
	}{
		"built":                {"arm64", zipped([]byte(elfStart)), elfStart, ""},
		"not built":            {"arm64", nil, "", "embedded checklist-probe for arm64: " + ErrNotBuilt.Error()},
		"another architecture": {"s390x", nil, "", `embedded checklist-probe: expected an architecture of [amd64 arm64], found "s390x"`},
		"not gzip":             {"amd64", []byte("hello hello"), "", "embedded checklist-probe for amd64: expected gzip: gzip: invalid header"},
		"cut short":            {"amd64", zipped([]byte(elfStart))[:20], "", "embedded checklist-probe for amd64: decompressing: unexpected EOF"},
		"not an executable":    {"amd64", zipped([]byte("#!/bin/sh")), "", "embedded checklist-probe for amd64: expected an ELF executable, found something else"},
		"a bomb":               {"amd64", zipped(make([]byte, maxSize+1)), "", "embedded checklist-probe for amd64: expected at most 33554432 bytes, found more"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			files := fstest.MapFS{"bin/README": {}}
			if tt.file != nil {
				files["bin/"+File(probe, tt.arch)] = &fstest.MapFile{Data: tt.file}
			}
			got, err := read(files, probe, tt.arch)
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
