package host

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/hosttest"
)

func TestReadNextBoot(t *testing.T) {
	const (
		older = "5.14.0-427.el9.x86_64"
		newer = "5.14.0-427.13.1.el9_4.x86_64"
		id    = "0123456789abcdef0123456789abcdef-"
		dir   = "boot/loader/entries/"
	)
	entry := func(release string) string {
		return "title Rocky Linux (" + release + ")\nversion " + release + "\nlinux /vmlinuz-" + release + "\ninitrd /initramfs-" + release + ".img $tuned_initrd\n"
	}
	block := func(text string) string { return "# GRUB Environment Block\n" + text + "#######\n" }
	rhel := hosttest.Files{
		dir + id + older + ".conf": entry(older), dir + id + newer + ".conf": entry(newer),
		"boot/grub2/grubenv": block("saved_entry=" + id + newer + "\nboot_success=1\n"),
	}
	without := func(releases ...string) map[string]bool {
		out := map[string]bool{}
		for _, r := range releases {
			out[r] = true
		}
		return out
	}
	for name, tc := range map[string]struct {
		files    hosttest.Files
		want     *fact.NextBoot
		entryOff map[string]bool // kernels without an entry
	}{
		"the saved entry": {files: rhel, want: &fact.NextBoot{Release: newer, Source: "/" + dir + id + newer + ".conf"}},
		"an entry for one boot comes first": {
			files: rhel.With(hosttest.Files{"boot/grub2/grubenv": block("saved_entry=" + id + newer + "\nnext_entry=" + id + older + "\n")}),
			want:  &fact.NextBoot{Release: older, Source: "/" + dir + id + older + ".conf"},
		},
		"an empty entry for one boot is none": {
			files: rhel.With(hosttest.Files{"boot/grub2/grubenv": block("next_entry=\nsaved_entry=" + id + older + "\n")}),
			want:  &fact.NextBoot{Release: older, Source: "/" + dir + id + older + ".conf"},
		},
		"the image's name counts, not the version that is shown": {
			files: rhel.With(hosttest.Files{dir + id + newer + ".conf": "title x\nversion 9.9.9\nlinux /boot/vmlinuz-" + newer + "\n"}),
			want:  &fact.NextBoot{Release: newer, Source: "/" + dir + id + newer + ".conf"},
		},
		"a kernel without an entry": {
			files: rhel.Without(dir + id + newer + ".conf").With(hosttest.Files{"boot/grub2/grubenv": block("saved_entry=" + id + older + "\n")}),
			want:  &fact.NextBoot{Release: older, Source: "/" + dir + id + older + ".conf"}, entryOff: without(newer),
		},
		"a number, or an entry that is gone, says nothing":         {files: rhel.With(hosttest.Files{"boot/grub2/grubenv": block("saved_entry=0\n")})},
		"no saved entry says nothing":                              {files: rhel.With(hosttest.Files{"boot/grub2/grubenv": block("")})},
		"an entry of an unknown kernel may be of any":              {files: rhel.With(hosttest.Files{dir + "custom.conf": "title x\nefi /EFI/x.efi\n"})},
		"another boot loader":                                      {files: rhel.Without("boot/grub2/grubenv")},
		"no entries: /boot is not mounted, or GRUB has menus only": {files: hosttest.Files{"boot/grub2/grubenv": block("saved_entry=" + id + newer + "\n")}},
		"nothing": {files: hosttest.Files{}},
	} {
		t.Run(name, func(t *testing.T) {
			installed := []fact.InstalledKernel{{Release: older}, {Release: newer}}
			got := readNextBoot(hosttest.OpenRoot(t, tc.files.Write(t)), installed)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			for _, k := range installed {
				if k.NoEntry != tc.entryOff[k.Release] {
					t.Errorf("%s: no entry is %v", k.Release, k.NoEntry)
				}
			}
		})
	}
}
