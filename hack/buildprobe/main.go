// Command buildprobe cross-compiles cmd/checklist-probe and cmd/checklist-probe-net for
// each architecture, compresses both into one file, and writes it to where package
// embedded finds it. The same source and Go version always give the same bytes.
//
//	go run ./hack/buildprobe                  all, into pkg/launch/embedded/bin
//	go run ./hack/buildprobe -raw -out DIR    uncompressed executables, for an image
//	go run ./hack/buildprobe -verify          builds twice and compares, changes nothing
package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/launch/embedded"
)

const module = "github.com/kubectl-checklist/kubectl-checklist"

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "buildprobe:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	flags := flag.NewFlagSet("buildprobe", flag.ExitOnError)
	version := flags.String("version", envOr("VERSION", "dev"), "version that the probes report")
	out := flags.String("out", "pkg/launch/embedded/bin", "directory for the result")
	archs := flags.String("arch", strings.Join(embedded.Architectures(), ","), "architectures")
	raw := flags.Bool("raw", false, "write executables, not compressed")
	verify := flags.Bool("verify", false, "build twice without the build cache and compare")
	_ = flags.Parse(args)
	if flags.NArg() > 0 {
		return fmt.Errorf("expected flags only, found %q", flags.Arg(0))
	}
	for arch := range strings.SplitSeq(*archs, ",") {
		var binaries [][]byte
		for _, program := range embedded.Programs() {
			t := target{program, arch, *version}
			binary, err := t.build()
			if err != nil {
				return err
			}
			name := program + "_linux_" + arch
			fmt.Printf("%s %d bytes, sha256 %x\n", name, len(binary), sha256.Sum256(binary))
			if *verify {
				if err := t.same(binary); err != nil {
					return err
				}
				fmt.Println("  the same from another directory")
			} else if *raw {
				if err := replace(filepath.Join(*out, name), binary, 0o755); err != nil {
					return err
				}
			}
			binaries = append(binaries, binary)
		}
		if *raw {
			continue
		}
		packed, err := embedded.Pack(binaries)
		if err != nil {
			return err
		}
		fmt.Printf("%s %d bytes, sha256 %x\n", embedded.File(arch), len(packed), sha256.Sum256(packed))
		if *verify {
			again, err := embedded.Pack(binaries)
			if err != nil {
				return err
			}
			if !bytes.Equal(packed, again) {
				return fmt.Errorf("%s: expected the same bytes when packed again, found others", embedded.File(arch))
			}
			continue
		}
		if err := replace(filepath.Join(*out, embedded.File(arch)), packed, 0o644); err != nil {
			return err
		}
	}
	if *raw || *verify {
		return nil
	}
	return removeOld(*out)
}

// removeOld removes what this command wrote until November 2026: everything in the
// directory is embedded.
func removeOld(dir string) error {
	old, err := filepath.Glob(filepath.Join(dir, "checklist-probe*_linux_*.gz"))
	for _, file := range old {
		err = errors.Join(err, os.Remove(file))
	}
	return err
}

// target is one executable.
type target struct{ program, arch, version string }

func envOr(name, otherwise string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return otherwise
}

// build compiles for one architecture. It fixes or leaves out everything that could
// differ between two machines: paths, the build id, the state of version control, the
// processor's level, cgo.
func (t target) build() ([]byte, error) {
	dir, err := os.MkdirTemp("", "buildprobe-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, t.program)
	cmd := exec.Command("go", "build", "-p", "2", "-trimpath", "-buildvcs=false",
		"-ldflags", "-s -w -buildid= -X main.version="+t.version,
		"-o", file, module+"/cmd/"+t.program)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+t.arch, "GOAMD64=v1", "GOARM64=v8.0", "GOFLAGS=-mod=readonly", "GOEXPERIMENT=")
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("building %s for %s: %w", t.program, t.arch, err)
	}
	return os.ReadFile(file)
}

// same builds again from a copy of the source in another directory and compares.
func (t target) same(binary []byte) error {
	dir, err := os.MkdirTemp("", "buildprobe-copy-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for _, name := range []string{"cmd/" + t.program, "pkg", "go.mod", "go.sum"} {
		if info, err := os.Stat(name); err == nil && info.IsDir() {
			err = os.CopyFS(filepath.Join(dir, name), os.DirFS(name))
			if err != nil {
				return err
			}
		} else if data, err := os.ReadFile(name); err != nil {
			return err
		} else if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			return err
		}
	}
	before, err := os.Getwd()
	if err != nil {
		return err
	}
	if err := os.Chdir(dir); err != nil {
		return err
	}
	again, err := t.build()
	if err := errors.Join(err, os.Chdir(before)); err != nil {
		return err
	}
	if !bytes.Equal(binary, again) {
		return fmt.Errorf("%s for %s: expected the same bytes from another directory, found sha256 %x and %x", t.program, t.arch, sha256.Sum256(binary), sha256.Sum256(again))
	}
	return nil
}

// replace writes a whole file. It does not touch a file that is the same, so that what
// embeds it is not built again.
func replace(path string, data []byte, mode os.FileMode) error {
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, data) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(path), ".new-*") // hidden: not embedded
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	_, err = file.Write(data)
	if err := errors.Join(err, file.Chmod(mode), file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}
