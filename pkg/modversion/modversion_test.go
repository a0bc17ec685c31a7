package modversion

import "testing"

// Each list rises: every version is older than all that follow it.
func TestOrder(t *testing.T) {
	for name, tc := range map[string]struct {
		compare func(a, b string) (int, bool)
		rising  []string
		equal   [][2]string
		none    []string
	}{
		"semver": {
			Semver,
			[]string{
				"0.0.0-20170915032832-14c0d48ead0c", "0.0.0", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11",
				"1.0.0-rc.1", "1.0.0", "1.0.1-0.20200101000000-abcdefabcdef", "1.0.1", "1.2.3", "1.10.0", "2.0.0", "99999999999999999999.0.0",
			},
			[][2]string{{"1", "1.0.0"}, {"v1.2.3", "1.2.3"}, {"2.0.0+incompatible", "2.0.0"}, {"1.0.0-a+b", "1.0.0-a+c"}, {"01.2.3", "1.2.3"}},
			[]string{"", "v", "1.2.3.4", "1.2.x", "1..2", "1.2.3-", "1.2.3-é", "(devel)", "1.0.0+", "-1"},
		},
		"PEP 440": {
			PEP440,
			[]string{
				"0.9", "1.dev1", "1.0.dev456", "1.0a1", "1.0a2.dev456", "1.0a12.dev456", "1.0a12", "1.0b1.dev456", "1.0b2", "1.0b2.post345.dev456", "1.0b2.post345",
				"1.0rc1.dev456", "1.0rc1", "1.0", "1.0+abc.5", "1.0+abc.7", "1.0+5", "1.0+5.1", "1.0.post456.dev34", "1.0.post456", "1.0.15", "1.1.dev1", "1.10", "2024.1", "1!0.1",
			},
			[][2]string{{"1.0", "1.0.0"}, {"1.0alpha1", "1.0a1"}, {"1.0-1", "1.0.post1"}, {"v1.0", "1.0"}, {"1.0.RC-1", "1.0c1"}, {"1.0-rev_2", "1.0.post2"}, {"1.0+ubuntu-1", "1.0+ubuntu.1"}, {"1.0.dev", "1.0dev0"}},
			[]string{"", "x", "1.0x", "1.0+", "1.0+a..b", "1.0..dev1", "!1", "1.0 final", "1.0a1b2"},
		},
		"RubyGems": {
			Gem,
			[]string{"0.9", "1.0.a", "1.0.a.1", "1.0.a.2", "1.0.b1", "1.0.pre", "1.0.rc1", "1.0", "1.0.1", "1.0.9", "1.0.10", "1.2.a", "1.2", "2"},
			[][2]string{{"1.0", "1"}, {"1.0.0", "1"}, {"1.0-1", "1.0.pre.1"}, {"1.a.0", "1.a"}, {"1.0.a", "1.a"}},
			[]string{"", "a", "1..2", "1.2_3", ".1", "1 2"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			for i, a := range tc.rising {
				for j, b := range tc.rising {
					want := 0
					if i < j {
						want = -1
					} else if i > j {
						want = 1
					}
					if got, known := tc.compare(a, b); got != want || !known {
						t.Errorf("%s and %s: %d, %t, want %d", a, b, got, known, want)
					}
				}
			}
			for _, pair := range tc.equal {
				if got, known := tc.compare(pair[0], pair[1]); got != 0 || !known {
					t.Errorf("%s and %s: %d, %t, want equal", pair[0], pair[1], got, known)
				}
			}
			for _, text := range tc.none {
				if got, known := tc.compare(text, "1.0"); got != 0 || known {
					t.Errorf("%q is a version", text)
				}
				if _, known := tc.compare("1.0", text); known {
					t.Errorf("%q is a version", text)
				}
			}
		})
	}
}

func TestGo(t *testing.T) {
	for text, want := range map[string]string{
		"go1.21.3": "1.21.3", "go1.21": "1.21.0", "go1.21rc1": "1.21.0-rc.1", "go1.9beta2": "1.9.0-beta.2", "go1.22.1 X:boringcrypto": "1.22.1", "go1.22.1-corp": "1.22.1",
		"go1": "1.0.0", "": "", "devel +abc": "", "go": "", "go1.": "", "go1.2.3.4": "", "go1.21x": "", "1.21.3": "", "devel go1.27-abcdef": "", "go1.21.3rc": "",
	} {
		if got := Go(text); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}

// Orders of texts that anybody can write: no panic, and both directions agree.
func FuzzOrder(f *testing.F) {
	for _, seed := range [][2]string{{"1.0.0-rc.1", "1.0.0"}, {"1!2.0a1.post2.dev3+x.1", "1.0"}, {"1.0.a.0", "1.0-1"}, {"v1.2", "2.0.0+incompatible"}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		for name, compare := range map[string]func(a, b string) (int, bool){"semver": Semver, "pep440": PEP440, "gem": Gem} {
			x, known := compare(a, b)
			y, also := compare(b, a)
			if known != also || x != -y {
				t.Errorf("%s: %q and %q: %d, %t; the other way %d, %t", name, a, b, x, known, y, also)
			}
			if same, known := compare(a, a); known && same != 0 {
				t.Errorf("%s: %q is not equal to itself", name, a)
			}
		}
		Go(a)
	})
}
