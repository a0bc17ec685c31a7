// Command image builds the images of the test cluster and of the probe, byte
// for byte the same each time, and serves images from memory for pull tests.
package main

import (
	"compress/gzip"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/kubectl-checklist/kubectl-checklist/hack/image/scratch"
)

const usage = `usage: image COMMAND [flags]

  pause   -binary FILE -out FILE.tar                   a static program that waits, as registry.k8s.io/pause
  busybox -out FILE.tar [-tag T] [-binary FILE] [-file P=FILE ...]
                                                       a static busybox with a link for each applet, and further files
  binary  -tag T -binary FILE -path P -out FILE.tar    any one static binary at P, as a control plane image
  probe   -binary ARCH=FILE ... -net-binary ARCH=FILE ... -layout DIR [-tar DIR] [-tag T]
                                                       both probes: multi-architecture OCI layout, a docker archive each
  plugin  -binary ARCH=FILE ... -layout DIR [-tag T]   the plugin: multi-architecture OCI layout
  serve   -addr HOST:PORT [-user U -password P] NAME[:TAG]=FILE.tar|LAYOUT ...
                                                       a registry in memory, until SIGINT or SIGTERM

image COMMAND -h lists the flags.
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return
		}
		fmt.Fprintf(os.Stderr, "image: %v\n", err)
		stop()
		os.Exit(2)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	commands := map[string]func(context.Context, []string, io.Writer, io.Writer) error{
		"pause": pause, "busybox": busybox, "binary": binary, "probe": probe, "plugin": plugin, "serve": serve,
	}
	if len(args) == 0 || slices.Contains([]string{"-h", "--help", "help"}, args[0]) {
		_, err := io.WriteString(stdout, usage)
		return err
	}
	command, ok := commands[args[0]]
	if !ok {
		return fmt.Errorf("command %q: expected pause, busybox, binary, probe, plugin or serve", args[0])
	}
	if err := command(ctx, args[1:], stdout, stderr); err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	return nil
}

func newFlags(name string, stderr io.Writer) *flag.FlagSet {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(stderr)
	return flags
}

// parse refuses positional arguments and flags that were left empty.
func parse(flags *flag.FlagSet, args []string, required ...string) error {
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("expected flags only, found %q", flags.Arg(0))
	}
	for _, name := range required {
		if flags.Lookup(name).Value.String() == "" {
			return fmt.Errorf("-%s is required", name)
		}
	}
	return nil
}

func pause(_ context.Context, args []string, _, stderr io.Writer) error {
	flags := newFlags("pause", stderr)
	file := flags.String("binary", "", "static build of ./pause for amd64")
	out := flags.String("out", "", "docker archive to write")
	tag := flags.String("tag", "registry.k8s.io/pause:3.10", "name and tag")
	if err := parse(flags, args, "binary", "out"); err != nil {
		return err
	}
	img, err := scratch.Image(scratch.Options{
		Architecture: "amd64",
		Files:        []scratch.File{{Path: "/pause", Source: *file, Mode: 0o755}},
		Config:       v1.Config{Entrypoint: []string{"/pause"}, User: "65535:65535", WorkingDir: "/"},
		Compression:  gzip.BestCompression,
	})
	if err != nil {
		return err
	}
	return scratch.WriteDockerArchive(*out, *tag, img)
}

func busybox(ctx context.Context, args []string, _, stderr io.Writer) error {
	flags := newFlags("busybox", stderr)
	file := flags.String("binary", "/bin/busybox", "static busybox for amd64 (Debian: busybox-static)")
	out := flags.String("out", "", "docker archive to write")
	tag := flags.String("tag", "docker.io/library/busybox:1.35", "name and tag")
	var more []scratch.File
	flags.Func("file", "PATH=FILE: a file that the image has at PATH, with the mode that it has here", func(value string) error {
		at, source, ok := strings.Cut(value, "=")
		if !ok || !strings.HasPrefix(at, "/") {
			return fmt.Errorf("expected /PATH=FILE")
		}
		info, err := os.Stat(source)
		if err != nil {
			return err
		}
		more = append(more, scratch.File{Path: at, Source: source, Mode: int64(info.Mode().Perm())})
		return nil
	})
	if err := parse(flags, args, "out"); err != nil {
		return err
	}
	applets, err := exec.CommandContext(ctx, *file, "--list").Output()
	if err != nil {
		return fmt.Errorf("listing the applets of %s: %w", *file, err)
	}
	img, err := scratch.Image(scratch.Options{
		Architecture: "amd64",
		Files:        append(scratch.Busybox(*file, strings.Fields(string(applets))), more...),
		Config:       v1.Config{Cmd: []string{"sh"}, Env: []string{"PATH=/bin"}, WorkingDir: "/"},
		Compression:  gzip.BestSpeed,
	})
	if err != nil {
		return err
	}
	return scratch.WriteDockerArchive(*out, *tag, img)
}

func binary(_ context.Context, args []string, _, stderr io.Writer) error {
	flags := newFlags("binary", stderr)
	file := flags.String("binary", "", "static binary")
	at := flags.String("path", "", "absolute path of the binary in the image")
	out := flags.String("out", "", "docker archive to write")
	tag := flags.String("tag", "", "name and tag")
	arch := flags.String("arch", "amd64", "architecture of the binary (GOARCH)")
	if err := parse(flags, args, "binary", "path", "out", "tag"); err != nil {
		return err
	}
	img, err := scratch.Image(scratch.Options{
		Architecture: *arch,
		Files:        []scratch.File{{Path: *at, Source: *file, Mode: 0o755}},
		Config: v1.Config{
			Entrypoint: []string{*at}, WorkingDir: "/",
			Env: []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
		},
		Compression: gzip.NoCompression,
	})
	if err != nil {
		return err
	}
	return scratch.WriteDockerArchive(*out, *tag, img)
}

func probe(_ context.Context, args []string, stdout, stderr io.Writer) error {
	flags := newFlags("probe", stderr)
	binaries := perArchitecture(flags, "binary", "checklist-probe")
	netBinaries := perArchitecture(flags, "net-binary", "checklist-probe-net")
	layoutDir := flags.String("layout", "", "directory of the OCI layout to write")
	tarDir := flags.String("tar", "", "directory for docker archives, checklist-probe-ARCH.tar each (optional)")
	tag := flags.String("tag", "checklist-probe:dev", "name and tag")
	if err := parse(flags, args, "layout"); err != nil {
		return err
	}
	if len(binaries) == 0 {
		return errors.New("-binary ARCH=FILE is required at least once")
	}
	if !slices.Equal(sortedKeys(binaries), sortedKeys(netBinaries)) {
		return fmt.Errorf("-binary and -net-binary: expected the same architectures, found %v and %v", sortedKeys(binaries), sortedKeys(netBinaries))
	}
	return writeLayout(stdout, sortedKeys(binaries), *layoutDir, *tag, func(arch string) (v1.Image, error) {
		img, err := scratch.Image(scratch.Probe(arch, binaries[arch], netBinaries[arch]))
		if err != nil || *tarDir == "" {
			return img, err
		}
		if err := os.MkdirAll(*tarDir, 0o755); err != nil {
			return nil, err
		}
		return img, scratch.WriteDockerArchive(filepath.Join(*tarDir, "checklist-probe-"+arch+".tar"), *tag, img)
	})
}

func plugin(_ context.Context, args []string, stdout, stderr io.Writer) error {
	flags := newFlags("plugin", stderr)
	binaries := perArchitecture(flags, "binary", "kubectl-checklist")
	layoutDir := flags.String("layout", "", "directory of the OCI layout to write")
	tag := flags.String("tag", "kubectl-checklist:dev", "name and tag")
	if err := parse(flags, args, "layout"); err != nil {
		return err
	}
	if len(binaries) == 0 {
		return errors.New("-binary ARCH=FILE is required at least once")
	}
	return writeLayout(stdout, sortedKeys(binaries), *layoutDir, *tag, func(arch string) (v1.Image, error) {
		return scratch.Image(scratch.Plugin(arch, binaries[arch]))
	})
}

// writeLayout writes an OCI layout with the image of each architecture, and prints their digests.
func writeLayout(stdout io.Writer, architectures []string, dir, tag string, imageOf func(architecture string) (v1.Image, error)) error {
	var images []v1.Image
	for _, arch := range architectures {
		img, err := imageOf(arch)
		if err != nil {
			return err
		}
		images = append(images, img)
		size, err := scratch.CompressedSize(img)
		if err != nil {
			return err
		}
		digest, err := img.Digest()
		if err != nil {
			return err
		}
		fmt.Fprintf(stdout, "linux/%s %s %d bytes compressed\n", arch, digest, size)
	}
	index, err := scratch.WriteLayout(dir, tag, images)
	if err != nil {
		return err
	}
	digest, err := index.Digest()
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "index %s\n", digest)
	return nil
}

// perArchitecture adds a flag that names a static build of a program for each
// architecture.
func perArchitecture(flags *flag.FlagSet, name, program string) map[string]string {
	binaries := map[string]string{}
	flags.Func(name, "`ARCH=FILE`, static build of cmd/"+program+"; repeatable", func(v string) error {
		arch, file, ok := strings.Cut(v, "=")
		if !ok || arch == "" || file == "" {
			return errors.New("expected ARCH=FILE")
		}
		if _, twice := binaries[arch]; twice {
			return fmt.Errorf("architecture %q: named twice", arch)
		}
		binaries[arch] = file
		return nil
	})
	return binaries
}

func serve(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := newFlags("serve", stderr)
	addr := flags.String("addr", "127.0.0.1:0", "address to listen on")
	user := flags.String("user", "", "demand this user (with -password)")
	password := flags.String("password", "", "demand this password")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if (*user == "") != (*password == "") {
		return errors.New("-user and -password: expected both or none")
	}
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		return err
	}
	reg := scratch.NewRegistry(stderr, *user, *password)
	server := &http.Server{Handler: reg}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	defer server.Close()
	for _, arg := range flags.Args() {
		repository, source, ok := strings.Cut(arg, "=")
		if !ok {
			return fmt.Errorf("image %q: expected NAME[:TAG]=FILE.tar|LAYOUT", arg)
		}
		if err := reg.Push(listener.Addr(), repository, source); err != nil {
			return err
		}
	}
	fmt.Fprintf(stdout, "listening on %s\n", listener.Addr())
	select {
	case <-ctx.Done():
		return nil
	case err := <-ended:
		return err
	}
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
