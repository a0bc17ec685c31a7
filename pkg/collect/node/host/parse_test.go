package host

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/hosttest"
)

func TestBzImage(t *testing.T) {
	const version = "6.1.0-56-cloud-amd64 (debian-kernel@lists.debian.org) #1 SMP PREEMPT_DYNAMIC Debian 6.1.192-2 (2026-11-16)"
	whole := hosttest.BzImage(version)
	with := func(change func([]byte)) []byte {
		image := slices.Clone(whole)
		change(image)
		return image
	}
	for name, tc := range map[string]struct {
		image          []byte
		release, build string
		err            string
	}{
		"Debian's": {whole, "6.1.0-56-cloud-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 6.1.192-2 (2026-11-16)", ""},
		"Ubuntu's": {
			hosttest.BzImage("5.15.0-91-generic (buildd@lcy02-amd64-045) #101-Ubuntu SMP Tue Nov 14 13:30:08 UTC 2023"),
			"5.15.0-91-generic", "#101-Ubuntu SMP Tue Nov 14 13:30:08 UTC 2023", "",
		},
		"the builder's name may hold a #": {hosttest.BzImage("6.1.0 (me@#1 host) #2 SMP"), "6.1.0", "#2 SMP", ""},
		"no build":                        {hosttest.BzImage("6.1.0"), "6.1.0", "", ""},
		"another architecture":            {bytes.Repeat([]byte("ARMd"), 0x100), "", "", "no x86 boot header"},
		"short, of another architecture":  {bytes.Repeat([]byte("ARMd"), 0x82), "", "", "no x86 boot header"},
		"empty":                           {nil, "", "", "ends too early: expected a boot header of 528 bytes, found 0"},
		"cut in the header":               {whole[:0x20f], "", "", "ends too early: expected a boot header of 528 bytes, found 527"},
		"cut before the version":          {whole[:0x1000], "", "", "ends too early: inside the kernel version at byte 17600"},
		"cut in the version":              {whole[:bzBase+0x42c0+20], "", "", "ends too early: inside the kernel version at byte 17600"},
		"no version":                      {with(func(b []byte) { b[bzVersionAt], b[bzVersionAt+1] = 0, 0 }), "", "", "the boot header names no kernel version"},
		"a version without end":           {hosttest.BzImage(strings.Repeat("6", 600)), "", "", "the kernel version at byte 17600 has no end within 512 bytes"},
		"a version that is none":          {hosttest.BzImage("\xff\xfe"), "", "", `expected a kernel release, found "\xff\xfe"`},
	} {
		t.Run(name, func(t *testing.T) {
			release, build, err := parseBzImage(bytes.NewReader(tc.image))
			if release != tc.release || build != tc.build || errorText(err) != tc.err {
				t.Errorf("got %q, %q, error %q; want %q, %q, %q", release, build, errorText(err), tc.release, tc.build, tc.err)
			}
		})
	}
}

func FuzzBzImage(f *testing.F) {
	f.Add(hosttest.BzImage("6.1.0-56-cloud-amd64 (x@y) #1 SMP")[bzMagicAt:])
	f.Add(hosttest.BzImage("6.1.0")[bzMagicAt : bzMagicAt+64])
	f.Fuzz(func(t *testing.T, data []byte) {
		image := append(make([]byte, bzMagicAt), data...)
		release, build, err := parseBzImage(bytes.NewReader(image))
		if (err == nil) != (release != "") || len(release)+len(build) > maxKernelVersion {
			t.Errorf("release %q, build %q, error %v", release, build, err)
		}
	})
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
