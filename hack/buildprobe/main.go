// Command buildprobe cross-compiles cmd/checklist-probe for each architecture,
// compresses it, and writes it to where package embedded finds it. The same source and
// Go version always give the same bytes.
//
//	go run ./hack/buildprobe                  both, into pkg/launch/embedded/bin
//	go run ./hack/buildprobe -raw -out DIR    uncompressed executables, for an image
//	go run ./hack/buildprobe -verify          builds twice and compares, changes nothing
package main

import (
	"bytes"
	"compress/gzip"
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
	version := flags.String("version", envOr("VERSION", "dev"), "version that the probe reports")
	out := flags.String("out", "pkg/launch/embedded/bin", "directory for the result")
	archs := flags.String("arch", strings.Join(embedded.Architectures(), ","), "architectures")
	raw := flags.Bool("raw", false, "do not compress")
	verify := flags.Bool("verify", false, "build twice without the build cache and compare")
	_ = flags.Parse(args)
	if flags.NArg() > 0 {
		return fmt.Errorf("expected flags only, found %q", flags.Arg(0))
	}
	for arch := range strings.SplitSeq(*archs, ",") {
		binary, err := build(arch, *version)
		if err != nil {
			return err
		}
		compressed, err := compress(binary)
		if err != nil {
			return err
		}
		fmt.Printf("checklist-probe_linux_%s %d bytes, %d compressed, sha256 %x\n", arch, len(binary), len(compressed), sha256.Sum256(binary))
		if *verify {
			if err := same(arch, *version, binary, compressed); err != nil {
				return err
			}
			fmt.Println("  the same from another directory")
			continue
		}
		name, data, mode := embedded.File(arch), compressed, os.FileMode(0o644)
		if *raw {
			name, data, mode = strings.TrimSuffix(name, ".gz"), binary, 0o755
		}
		if err := replace(filepath.Join(*out, name), data, mode); err != nil {
			return err
		}
	}
	return nil
}

func envOr(name, otherwise string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return otherwise
}

// build compiles for one architecture. It fixes or leaves out everything that could
// differ between two machines: paths, the build id, the state of version control, the
// processor's level, cgo.
func build(arch, version string) ([]byte, error) {
	dir, err := os.MkdirTemp("", "buildprobe-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "checklist-probe")
	cmd := exec.Command("go", "build", "-p", "2", "-trimpath", "-buildvcs=false",
		"-ldflags", "-s -w -buildid= -X main.version="+version,
		"-o", file, module+"/cmd/checklist-probe")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch, "GOAMD64=v1", "GOARM64=v8.0", "GOFLAGS=-mod=readonly", "GOEXPERIMENT=")
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("building for %s: %w", arch, err)
	}
	return os.ReadFile(file)
}

func compress(data []byte) ([]byte, error) {
	var out bytes.Buffer
	// A zero header: no name, no time.
	w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// same builds again from a copy of the source in another directory and compares.
func same(arch, version string, binary, compressed []byte) error {
	dir, err := os.MkdirTemp("", "buildprobe-copy-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for _, name := range []string{"cmd/checklist-probe", "pkg", "go.mod", "go.sum"} {
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
	again, err := build(arch, version)
	if err := errors.Join(err, os.Chdir(before)); err != nil {
		return err
	}
	zipped, err := compress(again)
	if err != nil {
		return err
	}
	if !bytes.Equal(binary, again) || !bytes.Equal(compressed, zipped) {
		return fmt.Errorf("%s: expected the same bytes from another directory, found sha256 %x and %x", arch, sha256.Sum256(binary), sha256.Sum256(again))
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
