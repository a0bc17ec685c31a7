// Command release builds the plugin for each platform, packs an archive for each, and
// writes bills of materials, checksums and krew's manifest. The same source and version always give the
// same bytes. It needs no network but for Go modules that are not in the module cache.
//
//	go run ./hack/release -version v0.1.0                    all, into dist/release
//	go run ./hack/release -version v0.1.0 -only linux/arm64  some archives, no manifest
//	go run ./hack/release -version v0.1.0 -only linux/amd64 -pack FILE  the archive of a program that is built
//	go run ./hack/release -unreleased                        the manifest, with zeros
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/version"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	flags := flag.NewFlagSet("release", flag.ContinueOnError)
	tag := flags.String("version", "", "version of the release, such as v0.1.0")
	image := flags.String("image", "", "the probe's published image by digest")
	out := flags.String("out", "dist/release", "directory for archives and checksums")
	only := flags.String("only", "", "platforms, such as linux/amd64,darwin/arm64; no manifest is written")
	built := flags.String("pack", "", "build nothing: pack this program, with the probes that are built, for the one platform of -only")
	zeros := flags.Bool("unreleased", false, "write the manifest of no release, and build nothing")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("expected flags only, found %q", flags.Arg(0))
	}
	if *zeros {
		return writeManifests(".", unreleased, nil)
	}
	if err := checkVersion(*tag); err != nil {
		return err
	}
	chosen, err := choose(*only)
	if err != nil {
		return err
	}
	if *built != "" && len(chosen) != 1 {
		return fmt.Errorf("-pack: expected one platform in -only, found %d", len(chosen))
	}
	toolchain, err := pinned("go.mod")
	if err != nil {
		return err
	}
	license, err := os.ReadFile("LICENSE")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(*out, 0o755); err != nil {
		return err
	}
	// The probes that the plugin embeds, for every platform the same.
	if *built == "" {
		if err := goCommand(toolchain, platform{}, "run", "./hack/buildprobe", "-version", *tag); err != nil {
			return fmt.Errorf("building the probes: %w", err)
		}
	}
	probes, err := carried(func(file string) ([]byte, error) {
		return os.ReadFile(filepath.Join("pkg/launch/embedded/bin", file))
	})
	if err != nil {
		return err
	}
	for _, probe := range probes {
		if err := writeSBOM(*out, probe.program, probe.platform, *tag, probe.binary, nil); err != nil {
			return err
		}
	}
	for _, p := range chosen {
		var binary []byte
		if *built != "" {
			binary, err = os.ReadFile(*built)
		} else {
			binary, err = build(p, toolchain, *tag, *image)
		}
		if err != nil {
			return fmt.Errorf("building for %s: %w", p, err)
		}
		archive, err := pack(p, []member{{p.program(), 0o755, binary}, {"LICENSE", 0o644, license}})
		if err != nil {
			return err
		}
		if err := replace(filepath.Join(*out, p.archive()), archive); err != nil {
			return err
		}
		if err := writeSBOM(*out, program, p, *tag, binary, probes); err != nil {
			return err
		}
		fmt.Printf("%s: plugin %d bytes, archive %d bytes\n", p, len(binary), len(archive))
	}
	if *only != "" {
		return nil
	}
	return finish(*out, ".", *tag)
}

// finish writes the checksums and the manifests of the archives in a directory.
func finish(out, root, tag string) error {
	found, err := sums(out, platforms)
	if err != nil {
		return err
	}
	if err := replace(filepath.Join(out, "checksums.txt"), checksums(found)); err != nil {
		return err
	}
	archives := map[platform]string{}
	for _, p := range platforms {
		archives[p] = found[p.archive()]
	}
	return writeManifests(root, tag, archives)
}

func writeSBOM(out, program string, p platform, tag string, binary []byte, probes []aProbe) error {
	data, err := sbom(program, p, tag, binary, probes)
	if err != nil {
		return err
	}
	return replace(filepath.Join(out, sbomName(program, p)), data)
}

// writeManifests writes plugin.yaml and the same for krew-index. Without sums, all are
// zeros.
func writeManifests(root, tag string, sums map[platform]string) error {
	if sums == nil {
		sums = map[platform]string{}
		for _, p := range platforms {
			sums[p] = strings.Repeat("0", 64)
		}
	}
	data := manifest(pluginName, tag, platforms, sums)
	return errors.Join(
		replace(filepath.Join(root, "plugin.yaml"), data),
		replace(filepath.Join(root, "krew", pluginName+".yaml"), data),
	)
}

// described matches what git describe adds to a tag for commits after it.
var described = regexp.MustCompile(`-[0-9]+-g[0-9a-f]+$`)

// checkVersion applies krew's rule for versions. A version of work in progress is no
// release.
func checkVersion(tag string) error {
	_, err := version.ParseSemantic(tag)
	if err != nil || !strings.HasPrefix(tag, "v") || strings.Contains(tag, "dirty") || described.MatchString(tag) || tag == unreleased {
		return fmt.Errorf("-version: expected vMAJOR.MINOR.PATCH of a clean tag, found %q", tag)
	}
	return nil
}

// choose returns the named platforms, or all.
func choose(names string) ([]platform, error) {
	if names == "" {
		return platforms, nil
	}
	var chosen []platform
	for name := range strings.SplitSeq(names, ",") {
		i := slices.IndexFunc(platforms, func(p platform) bool { return p.String() == name })
		if i < 0 {
			return nil, fmt.Errorf("-only: expected some of %v, found %q", platforms, name)
		}
		chosen = append(chosen, platforms[i])
	}
	return chosen, nil
}

// pinned returns the toolchain that go.mod names: another one gives other bytes.
func pinned(file string) (string, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(data)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "toolchain "); ok {
			return name, nil
		}
	}
	return "", fmt.Errorf("%s: expected a line \"toolchain go1.N.P\", found none", file)
}

// build compiles the plugin. It fixes or leaves out everything that could differ between
// two machines.
func build(p platform, toolchain, tag, image string) ([]byte, error) {
	dir, err := os.MkdirTemp("", "release-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, p.program())
	err = goCommand(toolchain, p, "build", "-p", "2", "-trimpath", "-buildvcs=false",
		"-ldflags", "-s -w -buildid= -X main.version="+tag+" -X main.releaseImage="+image,
		"-o", file, "./cmd/"+program)
	if err != nil {
		return nil, err
	}
	return os.ReadFile(file)
}

// goCommand runs go for a platform, or for this machine if it is empty.
func goCommand(toolchain string, p platform, args ...string) error {
	cmd := exec.Command("go", args...)
	cmd.Env = append(os.Environ(), "GOTOOLCHAIN="+toolchain, "CGO_ENABLED=0", "GOFLAGS=-mod=readonly", "GOEXPERIMENT=")
	if p != (platform{}) {
		// The oldest processors: krew's arm means every version from 6.
		cmd.Env = append(cmd.Env, "GOOS="+p.os, "GOARCH="+p.arch, "GOAMD64=v1", "GOARM64=v8.0", "GOARM=6", "GOPPC64=power8")
	}
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd.Run()
}
