package overlay

import (
	"encoding/binary"
	"io/fs"
	"testing"
)

// vfsCaps encodes words as security.capability holds them.
func vfsCaps(words ...uint32) []byte {
	var out []byte
	for _, w := range words {
		out = binary.LittleEndian.AppendUint32(out, w)
	}
	return out
}

func TestParseCaps(t *testing.T) {
	const netRaw = 1 << 13
	for name, tc := range map[string]struct {
		value []byte
		want  fileCaps
		text  string
		bad   bool
	}{
		"none":                          {nil, fileCaps{}, "", false},
		"version 1":                     {vfsCaps(0x01000001, netRaw, 0), fileCaps{permitted: netRaw, effective: true}, "cap_net_raw=ep", false},
		"version 2":                     {vfsCaps(0x02000000, netRaw, 0, 0, 0), fileCaps{permitted: netRaw}, "cap_net_raw=p", false},
		"version 2, upper half":         {vfsCaps(0x02000001, 0, 0, 1<<6|1<<8, 0), fileCaps{permitted: 1<<38 | 1<<40, effective: true}, "cap_perfmon,cap_checkpoint_restore=ep", false},
		"version 2, sets that differ":   {vfsCaps(0x02000000, netRaw|1, 1|2, 0, 0), fileCaps{permitted: netRaw | 1, inheritable: 3}, "cap_chown=ip cap_net_raw=p cap_dac_override=i", false},
		"version 3":                     {vfsCaps(0x03000001, netRaw, 0, 0, 0, 1000), fileCaps{permitted: netRaw, effective: true, rootID: 1000}, "cap_net_raw=ep [rootid=1000]", false},
		"a capability that has no name": {vfsCaps(0x02000000, 0, 0, 1<<31, 0), fileCaps{permitted: 1 << 63}, "cap_63=p", false},
		"an effective bit alone":        {vfsCaps(0x02000001, 0, 0, 0, 0), fileCaps{effective: true}, "", false},
		"version 4":                     {vfsCaps(0x04000001, netRaw, 0, 0, 0, 0), fileCaps{}, "", true},
		"version 2 with a root":         {vfsCaps(0x02000001, netRaw, 0, 0, 0, 0), fileCaps{}, "", true},
		"version 3 without a root":      {vfsCaps(0x03000001, netRaw, 0, 0, 0), fileCaps{}, "", true},
		"too short":                     {[]byte{1, 0, 0, 2}, fileCaps{}, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseCaps(tc.value)
			if got != tc.want || (err != nil) != tc.bad {
				t.Fatalf("%+v, %v, want %+v", got, err, tc.want)
			}
			if got.String() != tc.text {
				t.Errorf("text %q, want %q", got.String(), tc.text)
			}
		})
	}
}

func TestGained(t *testing.T) {
	const exec, suid, sgid = fs.FileMode(0o755), 0o755 | fs.ModeSetuid, 0o755 | fs.ModeSetgid
	raw := fileCaps{permitted: 1 << 13, effective: true}
	for name, tc := range map[string]struct {
		now     privilege
		image   *privilege
		otherNS bool
		want    string
	}{
		"nothing":                              {privilege{mode: exec}, &privilege{mode: 0o600}, false, ""},
		"other mode bits and sticky":           {privilege{mode: 0o777 | fs.ModeSticky}, &privilege{mode: exec}, false, ""},
		"set-user-ID":                          {privilege{mode: suid}, &privilege{mode: exec}, false, "set-user-ID (mode 4755, in the image 0755)"},
		"set-user-ID without an execute bit":   {privilege{mode: 0o644 | fs.ModeSetuid}, &privilege{mode: 0o644}, false, "set-user-ID (mode 4644, in the image 0644)"},
		"set-user-ID of an added file":         {privilege{mode: suid}, nil, false, "set-user-ID (mode 4755)"},
		"set-group-ID":                         {privilege{mode: sgid}, &privilege{mode: exec}, false, "set-group-ID (mode 2755, in the image 0755)"},
		"both":                                 {privilege{mode: suid | fs.ModeSetgid}, &privilege{mode: exec}, false, "set-user-ID (mode 6755, in the image 0755), set-group-ID (mode 6755, in the image 0755)"},
		"a bit that the image has":             {privilege{mode: 0o711 | fs.ModeSetuid}, &privilege{mode: suid}, false, ""},
		"a bit that was lost":                  {privilege{mode: exec}, &privilege{mode: suid}, false, ""},
		"set-user-ID of another user":          {privilege{mode: suid}, &privilege{mode: suid, uid: 1000}, false, "set-user-ID of uid 0 (in the image of uid 1000)"},
		"mapped users in a user namespace":     {privilege{mode: suid, uid: 100000}, &privilege{mode: suid}, true, ""},
		"another owner without a bit":          {privilege{mode: exec, uid: 5}, &privilege{mode: exec}, false, ""},
		"capabilities":                         {privilege{mode: exec, caps: raw}, &privilege{mode: exec}, false, "file capabilities cap_net_raw=ep"},
		"capabilities of an added file":        {privilege{mode: exec, caps: raw}, nil, false, "file capabilities cap_net_raw=ep"},
		"the image's capabilities":             {privilege{caps: raw}, &privilege{caps: raw}, false, ""},
		"fewer capabilities":                   {privilege{caps: raw}, &privilege{caps: fileCaps{permitted: 3 << 13, effective: true}}, false, ""},
		"another capability":                   {privilege{caps: fileCaps{permitted: 1}}, &privilege{caps: raw}, false, "file capabilities cap_chown=p (in the image cap_net_raw=ep)"},
		"the effective bit":                    {privilege{caps: raw}, &privilege{caps: fileCaps{permitted: 1 << 13}}, false, "file capabilities cap_net_raw=ep (in the image cap_net_raw=p)"},
		"an inheritable capability":            {privilege{caps: fileCaps{inheritable: 1}}, &privilege{}, false, "file capabilities cap_chown=i"},
		"the effective bit of no capability":   {privilege{caps: fileCaps{effective: true}}, &privilege{}, false, ""},
		"in all namespaces, not in one":        {privilege{caps: raw}, &privilege{caps: fileCaps{permitted: 1 << 13, effective: true, rootID: 7}}, false, "file capabilities cap_net_raw=ep (in the image cap_net_raw=ep [rootid=7])"},
		"in one namespace, not in all":         {privilege{caps: fileCaps{permitted: 1 << 13, effective: true, rootID: 7}}, &privilege{caps: raw}, false, ""},
		"set-user-ID and capabilities at once": {privilege{mode: suid, caps: raw}, &privilege{mode: exec}, false, "set-user-ID (mode 4755, in the image 0755), file capabilities cap_net_raw=ep"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := gained(tc.now, tc.image, !tc.otherNS); got != tc.want {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
}

// Whatever the bytes are, what gives nothing is not called a gain, and what is
// decoded has a version's length.
func FuzzParseCaps(f *testing.F) {
	f.Add(vfsCaps(0x01000001, 1, 0))
	f.Add(vfsCaps(0x02000001, 1<<13, 0, 0, 0))
	f.Add(vfsCaps(0x03000001, 1<<13, 0, 1, 0, 1000))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, value []byte) {
		c, err := parseCaps(value)
		if n := len(value); err == nil && n != 0 && n != 12 && n != 20 && n != 24 {
			t.Fatalf("%x: decoded", value)
		}
		if err != nil && c != (fileCaps{}) {
			t.Fatalf("%x: %v, and %+v", value, err, c)
		}
		if c.beyond(c) {
			t.Fatalf("%x: more than itself", value)
		}
		if c.any() != c.beyond(fileCaps{}) {
			t.Fatalf("%x: any %t", value, c.any())
		}
		if (c.String() != "") != c.any() && c.rootID == 0 {
			t.Fatalf("%x: text %q", value, c.String())
		}
	})
}
