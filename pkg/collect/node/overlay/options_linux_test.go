package overlay

import (
	"errors"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// The kernel that runs the test is the oracle: whatever path it accepts, by
// the old mount API or the new one, comes back out of mountinfo.
func TestParseOptionsOfKernel(t *testing.T) {
	needMounts(t)
	dirs := []string{"plain", "co:lon", "com,ma", "sp ace", "new\nline", "t\tab", `back\slash`, `oct\040al`, "ha#sh", `all:of,it \ ` + "\n", "trailing:", "x=y"}
	base := t.TempDir()
	t.Chdir(base)
	for _, d := range append(dirs, "merged", "second") {
		must(t, os.Mkdir(d, 0o755))
	}
	mounted := func(t *testing.T) Options {
		t.Helper()
		t.Cleanup(func() { must(t, unix.Unmount(base+"/merged", unix.MNT_DETACH)) })
		for _, m := range mountsOf(t, os.Getpid()) {
			if m.Point == base+"/merged" {
				o, err := ParseOptions(m.SuperOptions)
				if err != nil {
					t.Fatal(err)
				}
				o.RedirectDir, o.Metacopy = nil, nil
				return o
			}
		}
		t.Fatal("the overlay is not in mountinfo")
		return Options{}
	}
	for _, dir := range dirs {
		t.Run("mount(2) "+dir, func(t *testing.T) {
			t.Chdir(base)
			upper := t.TempDir()
			must(t, os.Mkdir(upper+"/"+dir, 0o755))
			must(t, os.Mkdir(upper+"/work", 0o755))
			want := Options{Lowerdirs: []string{dir, "plain"}, Upperdir: upper + "/" + dir, Workdir: upper + "/work"}
			if dir == "plain" {
				want.Lowerdirs[1] = "sp ace"
			}
			options := "lowerdir=" + escapeLayer.Replace(dir) + ":" + want.Lowerdirs[1] + ",upperdir=" + escapePath.Replace(want.Upperdir) +
				",workdir=" + escapePath.Replace(want.Workdir)
			if err := unix.Mount("overlay", base+"/merged", "overlay", 0, options); err != nil {
				t.Fatalf("mounting %q: %v", options, err)
			}
			if diff := cmp.Diff(want, mounted(t)); diff != "" {
				t.Errorf("options (-want +got):\n%s", diff)
			}
		})
		t.Run("fsconfig(2) "+dir, func(t *testing.T) {
			t.Chdir(base)
			fd, err := unix.Fsopen("overlay", unix.FSOPEN_CLOEXEC)
			if errors.Is(err, unix.ENOSYS) {
				t.Skip("needs fsopen(2), Linux 5.2")
			}
			must(t, err)
			defer func() { _ = unix.Close(fd) }()
			if err := unix.FsconfigSetString(fd, "lowerdir+", base+"/"+dir); err != nil {
				t.Skip("needs lowerdir+, Linux 6.5: ", err)
			}
			must(t, unix.FsconfigSetString(fd, "lowerdir+", base+"/second"))
			must(t, unix.FsconfigCreate(fd))
			m, err := unix.Fsmount(fd, unix.FSMOUNT_CLOEXEC, 0)
			must(t, err)
			defer func() { _ = unix.Close(m) }()
			must(t, unix.MoveMount(m, "", unix.AT_FDCWD, base+"/merged", unix.MOVE_MOUNT_F_EMPTY_PATH))
			got := mounted(t)
			got.ReadOnly = false
			if diff := cmp.Diff(Options{Lowerdirs: []string{base + "/" + dir, base + "/second"}}, got); diff != "" {
				t.Errorf("options (-want +got):\n%s", diff)
			}
		})
	}
}
