package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sys/unix"

	"github.com/kubectl-checklist/kubectl-checklist/hack/image/scratch"
)

// component is one command that is built from a module below components/.
type component struct {
	Name    string // of the binary
	Module  string
	Package string
}

// components are listed in the order in which they are built: the small ones first, so
// that a broken machine is noticed early.
var components = []component{
	{"etcd", "kubernetes", "go.etcd.io/etcd/server/v3"},
	{"etcdctl", "kubernetes", "go.etcd.io/etcd/etcdctl/v3"},
	{"etcdutl", "kubernetes", "go.etcd.io/etcd/etcdutl/v3"},
	{"containerd", "containerd", "github.com/containerd/containerd/v2/cmd/containerd"},
	{"containerd-shim-runc-v2", "containerd", "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2"},
	{"ctr", "containerd", "github.com/containerd/containerd/v2/cmd/ctr"},
	{"kubectl", "kubernetes", "k8s.io/kubernetes/cmd/kubectl"},
	{"kube-apiserver", "kubernetes", "k8s.io/kubernetes/cmd/kube-apiserver"},
	{"kubelet", "kubernetes", "k8s.io/kubernetes/cmd/kubelet"},
	{"kube-controller-manager", "kubernetes", "k8s.io/kubernetes/cmd/kube-controller-manager"},
	{"kube-scheduler", "kubernetes", "k8s.io/kubernetes/cmd/kube-scheduler"},
}

// flagsOf are the build flags of each module's components. Without a version, the
// components of Kubernetes refuse each other, and containerd reports an unknown one.
var flagsOf = map[string][]string{
	"kubernetes": {"-ldflags", "-s -w" +
		" -X k8s.io/component-base/version.gitVersion=" + kubernetesVersion +
		" -X k8s.io/component-base/version.gitMajor=1" +
		" -X k8s.io/component-base/version.gitMinor=37"},
	"containerd": {"-tags", "no_btrfs,no_devmapper,no_zfs", "-ldflags", "-s -w" +
		" -X github.com/containerd/containerd/v2/version.Version=" + containerdVersion},
	"image": {"-ldflags", "-s -w"},
}

// build makes sure that every component and image of this checkout is in the cache. It
// returns the entry's directory, with bin/ and images/ below it. A file gets its name
// only when it is complete, so an interrupted build continues where it stopped.
func (c *Cluster) build(ctx context.Context) (string, error) {
	key, err := c.key()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(c.Cache, key)
	bin := filepath.Join(dir, "bin")
	for _, d := range []string{bin, filepath.Join(dir, "images")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return "", err
		}
	}
	unlock, err := lock(filepath.Join(dir, "lock"), func() { c.progress("waiting for another build") })
	if err != nil {
		return "", err
	}
	defer unlock()

	var missing []component
	for _, b := range components {
		if _, err := os.Stat(filepath.Join(bin, b.Name)); errors.Is(err, os.ErrNotExist) {
			missing = append(missing, b)
		} else if err != nil {
			return "", err
		}
	}
	if len(missing) > 0 {
		c.progress("building %d of %d components into %s: about 13 CPU minutes for all of them, once", len(missing), len(components), bin)
	}
	for i, b := range missing {
		if err := c.buildComponent(ctx, bin, b, fmt.Sprintf("component %d of %d: %s", i+1, len(missing), b.Name)); err != nil {
			return "", err
		}
	}
	return dir, c.buildImages(ctx, dir)
}

func (c *Cluster) buildComponent(ctx context.Context, bin string, b component, title string) error {
	c.progress("%s", title)
	begun := time.Now()
	tick := time.NewTicker(15 * time.Second)
	defer tick.Stop()
	done := make(chan error, 1)
	go func() {
		done <- goBuild(ctx, filepath.Join(c.Source, "components", b.Module), b.Package, flagsOf[b.Module], filepath.Join(bin, b.Name))
	}()
	for {
		select {
		case err := <-done:
			if err == nil {
				c.progress("%s: built in %.0fs", title, time.Since(begun).Seconds())
			}
			return err
		case <-tick.C:
			c.progress("%s: %.0fs", title, time.Since(begun).Seconds())
		}
	}
}

// goBuild builds a static binary under a temporary name and renames it.
func goBuild(ctx context.Context, dir, pkg string, flags []string, out string) error {
	tmp := filepath.Join(filepath.Dir(out), "."+filepath.Base(out)+".partial")
	args := []string{"build", "-C", dir, "-mod=readonly", "-trimpath", "-buildvcs=false", "-o", tmp}
	cmd := exec.CommandContext(ctx, "go", slices.Concat(args, flags, []string{pkg})...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+runtime.GOARCH, "GOFLAGS=", "GOWORK=off")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("building %s: %w\n%s", pkg, err, tail(stderr.String(), 20))
	}
	return os.Rename(tmp, out)
}

// image is one docker archive of the cluster.
type image struct {
	File string // below images/
	Tag  string
	On   func(Node) bool
}

func onControlPlane(n Node) bool { return n.ControlPlane }
func onEveryNode(Node) bool      { return true }

var images = []image{
	{"pause.tar", pauseImage, onEveryNode},
	{"busybox.tar", busyboxImage, onEveryNode},
	{"etcd-tools.tar", etcdImage, onControlPlane},
	{"kube-apiserver.tar", "registry.k8s.io/kube-apiserver:" + kubernetesVersion, onControlPlane},
	{"kube-controller-manager.tar", "registry.k8s.io/kube-controller-manager:" + kubernetesVersion, onControlPlane},
	{"kube-scheduler.tar", "registry.k8s.io/kube-scheduler:" + kubernetesVersion, onControlPlane},
}

const etcdImage = "registry.k8s.io/etcd:" + etcdVersion + "-0"

func (c *Cluster) buildImages(ctx context.Context, dir string) error {
	for _, img := range images {
		out := filepath.Join(dir, "images", img.File)
		if _, err := os.Stat(out); err == nil {
			continue
		}
		c.progress("building image %s", img.Tag)
		if err := c.buildImage(ctx, dir, img, out); err != nil {
			return fmt.Errorf("building image %s: %w", img.Tag, err)
		}
	}
	return nil
}

func (c *Cluster) buildImage(ctx context.Context, dir string, img image, out string) error {
	name := strings.TrimSuffix(img.File, ".tar")
	o := scratch.Options{Architecture: runtime.GOARCH, Compression: gzip.NoCompression}
	switch name {
	case "busybox":
		const binary = "/bin/busybox"
		applets, err := exec.CommandContext(ctx, binary, "--list").Output()
		if err != nil {
			return fmt.Errorf("listing the applets of %s (Debian package busybox-static): %w", binary, err)
		}
		o.Files = scratch.Busybox(binary, strings.Fields(string(applets)))
		o.Config = v1.Config{Cmd: []string{"sh"}, Env: []string{"PATH=/bin"}, WorkingDir: "/"}
	case "pause":
		binary := filepath.Join(dir, "bin", "pause")
		if err := goBuild(ctx, filepath.Join(c.Source, "..", "image"), "./pause", flagsOf["image"], binary); err != nil {
			return err
		}
		o.Files = []scratch.File{{Path: "/pause", Source: binary, Mode: 0o755}}
		o.Config = v1.Config{Entrypoint: []string{"/pause"}, User: "65535:65535", WorkingDir: "/"}
	case "etcd-tools": // as in the real image, which has no shell
		for _, program := range []string{"etcd", "etcdctl", "etcdutl"} {
			o.Files = append(o.Files, scratch.File{Path: "/usr/local/bin/" + program, Source: filepath.Join(dir, "bin", program), Mode: 0o755})
		}
		o.Config = v1.Config{Entrypoint: []string{"/usr/local/bin/etcd"}, Env: []string{"PATH=" + searchPath}, WorkingDir: "/"}
	default:
		// Where the image's PATH finds it: kubeadm's manifests name no directory.
		at := "/usr/local/bin/" + name
		o.Files = []scratch.File{{Path: at, Source: filepath.Join(dir, "bin", name), Mode: 0o755}}
		o.Config = v1.Config{Entrypoint: []string{at}, Env: []string{"PATH=" + searchPath}, WorkingDir: "/"}
	}
	built, err := scratch.Image(o)
	if err != nil {
		return err
	}
	return scratch.WriteDockerArchive(out, img.Tag, built)
}

const searchPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// lock takes an exclusive lock on a file, and waits if necessary. It returns a function
// that releases the lock. The kernel releases it when the process ends.
func lock(file string, waiting func()) (func(), error) {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		waiting()
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("locking %s: %w", file, err)
	}
	return func() { f.Close() }, nil
}

// tail returns the last n lines of s.
func tail(s string, n int) string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
