package apt

import (
	"bytes"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/hosttest"
)

// scanned is a stanza with its bytes copied.
type scanned struct{ Package, Version, Architecture, Source, Status, Phased string }

func scanAll(r io.Reader, size int, wanted func([]byte) bool) (all []scanned, closed bool, err error) {
	scanner := newStanzaScanner(r, make([]byte, size))
	var st stanza
	for {
		ok, err := scanner.next(&st, wanted)
		if err != nil || !ok {
			return all, scanner.closed, err
		}
		all = append(all, scanned{
			string(st.Package.value), string(st.Version.value), string(st.Architecture.value),
			string(st.Source.value), string(st.Status.value), string(st.Phased.value),
		})
	}
}

func TestStanzas(t *testing.T) {
	one := scanned{Package: "a", Version: "1"}
	two := scanned{Package: "b", Version: "2"}
	for name, tc := range map[string]struct {
		text   string
		want   []scanned
		closed bool
		err    string
	}{
		"two stanzas":                                   {"Package: a\nVersion: 1\n\nPackage: b\nVersion: 2\n\n", []scanned{one, two}, true, ""},
		"no empty line at the end":                      {"Package: a\nVersion: 1\n\nPackage: b\nVersion: 2\n", []scanned{one, two}, false, ""},
		"several empty lines, and blanks in one":        {"\n\nPackage: a\nVersion: 1\n\n \t\n\nPackage: b\nVersion: 2\n\n", []scanned{one, two}, true, ""},
		"lines that end in CR LF":                       {"Package: a\r\nVersion: 1\r\n\r\nPackage: b\r\nVersion: 2\r\n\r\n", []scanned{one, two}, true, ""},
		"names in any case":                             {"PACKAGE: a\nversion:1\n\n", []scanned{one}, true, ""},
		"fields that are not kept, and their lines":     {"Package: a\nDescription: x\n Version: 9\n .\n\ty\nVersion: 1\n\n", []scanned{one}, true, ""},
		"the name need not come first":                  {"Version: 1\nPackage: a\n\n", []scanned{one}, true, ""},
		"a stanza of one line is not run into the next": {"Package: no\n\nPackage: b\nVersion: 2\n\n", []scanned{two}, true, ""},
		"what is not wanted is skipped, however long":   {"Package: no\nX: " + strings.Repeat("y", 1000) + "\n\nPackage: b\nVersion: 2\n\n", []scanned{two}, true, ""},
		"a line longer than the buffer":                 {"Package: a\nDepends: " + strings.Repeat("y, ", 1000) + "\nVersion: 1\n\n", []scanned{one}, true, ""},
		"a stanza longer than the buffer":               {"Package: a\n" + strings.Repeat("X: y\n", 1000) + "Version: 1\n\n", []scanned{one}, true, ""},
		"every field that is kept": {
			"Package: a\nStatus: install ok installed\nSource: s (3)\nArchitecture: all\nVersion: 1\nPhased-Update-Percentage: 10\n\n",
			[]scanned{{"a", "1", "all", "s (3)", "install ok installed", "10"}},
			true, "",
		},
		"nothing":                                  {"", nil, false, ""},
		"a line that is no field":                  {"Package: a\nVersion: 1\n\nrubbish\n\n", []scanned{one}, false, `expected "Field: value" at byte 23, found "rubbish"`},
		"cut inside a line":                        {"Package: a\nVersion: 1\n\nPackage: b\nVersi", []scanned{one}, false, "ends too early: inside a line, at byte 39"},
		"cut inside a line of a skipped stanza":    {"Package: a\nVersion: 1\n\nPackage: no\nVersi", []scanned{one}, false, "ends too early: inside a line, at byte 40"},
		"cut inside a line longer than the buffer": {"Package: a\nX: " + strings.Repeat("y", 1000), nil, false, "ends too early: inside a line, at byte 1014"},
	} {
		t.Run(name, func(t *testing.T) {
			// The buffer is small enough to be moved and filled often.
			for _, r := range []io.Reader{strings.NewReader(tc.text), iotest.OneByteReader(strings.NewReader(tc.text)), iotest.DataErrReader(strings.NewReader(tc.text))} {
				got, closed, err := scanAll(r, 64, func(name []byte) bool { return string(name) != "no" })
				if diff := cmp.Diff(tc.want, got); diff != "" {
					t.Errorf("stanzas (-want +got):\n%s", diff)
				}
				if text := errorText(err); text != tc.err {
					t.Errorf("error %q, want %q", text, tc.err)
				}
				if err == nil && closed != tc.closed {
					t.Errorf("closed %v, want %v", closed, tc.closed)
				}
			}
		})
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestStanzasOfABrokenReader(t *testing.T) {
	boom := errors.New("boom")
	for name, r := range map[string]io.Reader{
		"in a stanza that is kept": io.MultiReader(strings.NewReader("Package: a\nVer"), iotest.ErrReader(boom)),
		"in one that is skipped":   io.MultiReader(strings.NewReader("Package: no\nVer"), iotest.ErrReader(boom)),
		"at the beginning":         iotest.ErrReader(boom),
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := scanAll(r, 64, func(name []byte) bool { return string(name) != "no" })
			if !errors.Is(err, boom) {
				t.Errorf("error %v, want boom", err)
			}
		})
	}
}

// FuzzStanzas compares the scanner, with a small buffer and with skipping, with
// a plain reading of the same text.
func FuzzStanzas(f *testing.F) {
	hosttest.Seeds(f, "_Packages")
	hosttest.Seeds(f, "dpkg/status")
	f.Add([]byte("Package: a\r\n\r\nPackage: b\n\n"))
	f.Add([]byte("Package: a\n\n\n \nPackage: b"))
	f.Fuzz(func(t *testing.T, data []byte) {
		all, closed, err := scanAll(bytes.NewReader(data), scanBuffer, nil)
		small, closedSmall, errSmall := scanAll(iotest.HalfReader(bytes.NewReader(data)), 4096, nil)
		longest := 0
		for line := range bytes.SplitSeq(data, []byte("\n")) {
			longest = max(longest, len(line))
		}
		if longest < 1024 { // longer ones are cut, with a small buffer earlier
			if diff := cmp.Diff(all, small); diff != "" || closed != closedSmall || errorText(err) != errorText(errSmall) {
				t.Errorf("buffer of 4096: closed %v %v, errors %v, %v\n%s", closed, closedSmall, err, errSmall, diff)
			}
		}
		// Skipping must lose no stanza. It does not see errors in what it
		// skips, nor blanks in an empty line (apt's own parser neither).
		if err == nil && !bytes.Contains(data, []byte("\n ")) && !bytes.Contains(data, []byte("\n\t")) {
			var want []scanned
			for _, s := range all {
				if strings.HasPrefix(s.Package, "l") {
					want = append(want, s)
				}
			}
			named := slices.IndexFunc(all, func(s scanned) bool { return s.Package == "" }) < 0
			got, _, errSkip := scanAll(bytes.NewReader(data), 4096, func(name []byte) bool { return bytes.HasPrefix(name, []byte("l")) })
			if once := !repeated(data); named && once && (errSkip != nil || !cmp.Equal(want, got) && longest < 1024) {
				t.Errorf("skipping: %v\n%s", errSkip, cmp.Diff(want, got))
			}
		}
	})
}

// repeated reports whether a stanza may hold the field Package twice: then which
// one decides differs.
func repeated(data []byte) bool {
	for stanza := range strings.SplitSeq(strings.ReplaceAll(strings.ToLower(string(data)), "\r", ""), "\n\n") {
		if strings.Count("\n"+stanza, "\npackage:") > 1 {
			return true
		}
	}
	return false
}

func TestParagraphs(t *testing.T) {
	paragraphs, err := parseParagraphs([]byte("# top\nTypes: deb\n# inside\nURIs: a\n b\n\tc\n\n\nTypes:deb-src\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := []paragraph{
		{line: 2, fields: []namedField{{"Types", "deb"}, {"URIs", "a\nb\nc"}}},
		{line: 9, fields: []namedField{{"Types", "deb-src"}}},
	}
	if diff := cmp.Diff(want, paragraphs, cmp.AllowUnexported(paragraph{}, namedField{})); diff != "" {
		t.Errorf("paragraphs (-want +got):\n%s", diff)
	}
	for text, want := range map[string]string{
		" x\n":                 "line 1: expected \"Field: value\", found a continuation line",
		"A: b\n\n\nnonsense\n": `line 4: expected "Field: value", found "nonsense"`,
		":\n":                  `line 1: expected "Field: value", found ":"`,
	} {
		if _, err := parseParagraphs([]byte(text)); errorText(err) != want {
			t.Errorf("%q: error %q, want %q", text, errorText(err), want)
		}
	}
}

func TestSourceErrors(t *testing.T) {
	for name, tc := range map[string]struct{ list, sources, want string }{
		"no suite":              {list: "deb http://x.org/debian\n", want: `f:1: expected a URI and a suite, found "deb http://x.org/debian"`},
		"no component":          {list: "\n\ndeb http://x.org/debian sid\n", want: `f:3: expected a component for the suite "sid", found none`},
		"component of a flat":   {list: "deb http://x.org/debian ./ main\n", want: `f:1: expected no component for the flat suite "./", found "main"`},
		"no URI":                {list: "deb debian sid main\n", want: `f:1: expected a URI, found "debian"`},
		"options without end":   {list: "deb [arch=amd64 http://x.org/debian sid main\n", want: "f:1: expected ] after the options, found none"},
		"another kind":          {list: "rpm http://x.org/debian sid main\n", want: `f:1: expected deb or deb-src, found "rpm"`},
		"deb822 without suites": {sources: "\nTypes: deb\nURIs: http://x.org\n", want: "f:2: expected URIs and Suites, found 1 and 0"},
		"deb822 that is none":   {sources: "Types: deb\nhello\n", want: `f:1: expected URIs and Suites, found 0 and 0`},
		"deb822, too many": {
			sources: "Types: deb\nComponents: main\nURIs: " + strings.Repeat("http://x ", 40) + "\nSuites: " + strings.Repeat("a ", 40) + "\n",
			want:    "f:1: 1600 combinations of URI and suite, more than the limit of 1000",
		},
	} {
		t.Run(name, func(t *testing.T) {
			var err error
			if tc.list != "" {
				_, err = parseSourcesList([]byte(tc.list), "f", "amd64")
			} else {
				_, err = parseDeb822Sources([]byte(tc.sources), "f", "amd64")
			}
			if errorText(err) != tc.want {
				t.Errorf("error %q, want %q", errorText(err), tc.want)
			}
		})
	}
}

func FuzzSources(f *testing.F) {
	hosttest.Seeds(f, "etc/apt/sources.list")
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, parse := range []func([]byte, string, string) ([]source, error){parseSourcesList, parseDeb822Sources} {
			sources, err := parse(data, "f", "amd64")
			if err == nil && len(sources) == 0 {
				continue
			}
			for _, s := range sources {
				if s.from == "" || s.uri == "" || s.suite == "" {
					t.Fatalf("%+v is no source", s)
				}
				for i, target := range s.targets([]string{"amd64", "i386"}) {
					// A name that leaves its directory would be a hole.
					if strings.Contains(target.list, "/") || strings.Contains(target.release, "/") || target.list == "" {
						t.Fatalf("%+v has a list named %q", s, target.list)
					}
					if i == 20 {
						break
					}
				}
			}
		}
	})
}

func TestPartName(t *testing.T) {
	for name, want := range map[string]bool{
		"a.list": true, "a.sources": true, "a.list.disabled": false, "a.list~": false, ".a.list": false,
		"a b.list": false, "A-b_c:1.list": true, "list": false, "": false, "a.list.dpkg-new": false,
	} {
		if got := partName(name, ".list", ".sources"); got != want {
			t.Errorf("%q is read: %v, want %v", name, got, want)
		}
	}
	for name, want := range map[string]bool{"nodejs": true, "x.pref": true, "x.bak": false} {
		if got := partName(name, "", ".pref"); got != want {
			t.Errorf("%q is read: %v, want %v", name, got, want)
		}
	}
}

func TestRelease(t *testing.T) {
	const text = `Origin: Ubuntu
Label: Ubuntu
Suite: jammy-backports
Version: 22.04
Codename: jammy
Date: Mon, 23 Nov 2026  7:51:15 UTC
Valid-Until: Mon, 30 Nov 2026 07:51:15 +0000
NotAutomatic: yes
ButAutomaticUpgrades: yes
Architectures: all amd64
No-Support-for-Architecture-all: Packages
Description: Ubuntu Jammy Backports
MD5Sum:
 d41d8cd98f00b204e9800998ecf8427e                0 Release
 d41d8cd98f00b204e9800998ecf8427e              123 main/binary-amd64/Packages.xz
 d41d8cd98f00b204e9800998ecf8427e             4567 main/binary-amd64/Packages
 d41d8cd98f00b204e9800998ecf8427e               12 main/binary-i386/Packages.gz
 d41d8cd98f00b204e9800998ecf8427e               99 ./Packages
SHA256:
 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 4567 main/binary-amd64/Packages
`
	want := release{
		origin: "Ubuntu", label: "Ubuntu", suite: "jammy-backports", codename: "jammy", version: "22.04",
		date: time.Date(2026, 11, 23, 7, 51, 15, 0, time.UTC), validUntil: time.Date(2026, 11, 30, 7, 51, 15, 0, time.UTC),
		notAutomatic: true, butAutomaticUpgrades: true, architectures: []string{"all", "amd64"}, noSupportForArchAll: true,
		sizes: map[string]int64{"main/binary-amd64/Packages": 4567, "main/binary-i386/Packages": -1, "Packages": 99},
	}
	for name, text := range map[string]string{
		"plain":  text,
		"signed": "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n" + text + "-----BEGIN PGP SIGNATURE-----\n\niQ\n-----END PGP SIGNATURE-----\n",
		"dashed": "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n- " + text + "-----BEGIN PGP SIGNATURE-----\nLabel: forged\n",
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseRelease(strings.NewReader(text))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(release{})); diff != "" {
				t.Errorf("release (-want +got):\n%s", diff)
			}
		})
	}
}

// TestSecurityArchives holds which archives are of security updates.
func TestSecurityArchives(t *testing.T) {
	for name, tc := range map[string]struct {
		release release
		want    bool
		archive string
	}{
		"Debian, by its label":       {release{origin: "Debian", label: "Debian-Security", suite: "oldstable-security"}, true, "Debian-Security/oldstable-security"},
		"Debian, not by a suite":     {release{origin: "Debian", label: "Debian", suite: "stable-security"}, false, "Debian/stable-security"},
		"Debian's point releases":    {release{origin: "Debian", label: "Debian", suite: "stable-updates"}, false, "Debian/stable-updates"},
		"Ubuntu, by its pocket":      {release{origin: "Ubuntu", label: "Ubuntu", suite: "noble-security"}, true, "Ubuntu/noble-security"},
		"Ubuntu's other pockets":     {release{origin: "Ubuntu", label: "Ubuntu", suite: "noble-updates"}, false, "Ubuntu/noble-updates"},
		"ESM of the infrastructure":  {release{origin: "UbuntuESM", label: "UbuntuESM", suite: "focal-infra-updates"}, true, "UbuntuESM/focal-infra-updates"},
		"ESM of applications":        {release{origin: "UbuntuESMApps", label: "UbuntuESMApps", suite: "focal-apps-security"}, true, "UbuntuESMApps/focal-apps-security"},
		"somebody else's -security":  {release{origin: "Example", label: "Example", suite: "x-security"}, false, "Example/x-security"},
		"an archive without a label": {release{origin: "Example", codename: "x"}, false, "Example/x"},
		"an archive of no name":      {release{}, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := tc.release.security(); got != tc.want {
				t.Errorf("security %v, want %v", got, tc.want)
			}
			if got := tc.release.name(); got != tc.archive {
				t.Errorf("name %q, want %q", got, tc.archive)
			}
		})
	}
}

func FuzzRelease(f *testing.F) {
	hosttest.Seeds(f, "Release")
	f.Add([]byte("-----BEGIN PGP SIGNED MESSAGE-----\n\n-----BEGIN PGP SIGNATURE-----\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		rel, err := parseRelease(bytes.NewReader(data))
		if len(rel.sizes) > maxTargets {
			t.Errorf("%d sizes", len(rel.sizes))
		}
		if err == nil && len(data) > 0 && data[len(data)-1] != '\n' && !bytes.Contains(data, []byte("-----BEGIN PGP SIGNATURE")) {
			t.Error("a file that was cut inside a line is taken for whole")
		}
		rel.name()
	})
}

func TestAptConf(t *testing.T) {
	const text = `// comment
# another
/* and
 one more */
APT::Default-Release "stable";
APT { Architectures { "amd64"; "i386"; }; Get::Assume-Yes yes; };
Dir::State::lists "lists/";
Dir { Etc { SourceList "other.list"; } }
DPkg::Post-Invoke {"rm -f /x // no comment";};
A::List:: "item";
`
	want := []aptSetting{
		{"apt::default-release", "stable"},
		{"apt::architectures", "amd64"},
		{"apt::architectures", "i386"},
		{"apt::get::assume-yes", "yes"},
		{"dir::state::lists", "lists/"},
		{"dir::etc::sourcelist", "other.list"},
		{"dpkg::post-invoke", "rm -f /x // no comment"},
		{"a::list", "item"},
	}
	got, err := parseAptConf([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(aptSetting{})); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
	var options aptOptions
	options.apply(got)
	wantOptions := aptOptions{defaultRelease: "stable", archs: []string{"amd64", "i386"}, moved: []string{"dir::etc::sourcelist other.list"}}
	if diff := cmp.Diff(wantOptions, options, cmp.AllowUnexported(aptOptions{})); diff != "" {
		t.Errorf("options (-want +got):\n%s", diff)
	}
	for text, want := range map[string]string{
		"A { B x;\n":                "line 2: ends too early: inside a block or before a semicolon",
		"A \"x\n":                   "line 1: ends too early: inside a quoted word",
		"\n/* x":                    "line 2: ends too early: inside a comment",
		"}\n":                       "line 1: a closing brace without an opening one",
		strings.Repeat("A {\n", 40): "line 33: more than 32 nested blocks",
	} {
		if _, err := parseAptConf([]byte(text)); errorText(err) != want {
			t.Errorf("%q: error %q, want %q", text, errorText(err), want)
		}
	}
}

func FuzzAptConf(f *testing.F) {
	f.Add([]byte("APT { Architectures { \"amd64\"; }; };\nA::B:: c;\n#x\n/*y*/"))
	f.Fuzz(func(t *testing.T, data []byte) {
		settings, _ := parseAptConf(data)
		if len(settings) > len(data) {
			t.Errorf("%d settings of %d bytes", len(settings), len(data))
		}
	})
}

func TestPreferences(t *testing.T) {
	pins, unclear := parsePreferences([]byte(`Explanation: why
Package: *
Pin: release o=Debian, n=bookworm*
Pin-Priority: 500

Package: nodejs nsolid:amd64
Pin: origin "deb.nodesource.com"
Pin-Priority: 600

Package: x
Pin: version 5.2*
Pin-Priority: never

Package: *
Pin: release stable
Pin-Priority: -1

Package: /x/
Pin: release a=b
Pin-Priority: 1

Package: src:x
Pin: release a=b
Pin-Priority: 1

Package: x
Pin: release a=b
Pin-Priority: 0

Package: x
Pin: release q=b
Pin-Priority: 1

Package: x
Pin: moon full
Pin-Priority: 1

Package: *
Pin: version 1
Pin-Priority: 1

Package: *
Pin: release o=/x/
Pin-Priority: 1

Package: x
`), "p")
	wantPins := []pin{
		{kind: "release", release: []releaseMatch{{'o', "Debian"}, {'n', "bookworm*"}}, priority: 500, from: "p:1"},
		{kind: "origin", packages: []string{"nodejs", "nsolid:amd64"}, value: "deb.nodesource.com", priority: 600, from: "p:6"},
		{kind: "version", packages: []string{"x"}, value: "5.2*", priority: never, from: "p:10"},
		{kind: "release", value: "stable", priority: -1, from: "p:14"},
	}
	wantUnclear := []string{
		`p:18: regular expression "/x/" is not evaluated`,
		`p:22: pin of the source package "src:x" is not evaluated`,
		`p:26: expected a priority other than 0, found "0"`,
		`p:30: release pin: expected one of a= n= o= l= c= v= b=, found "q=b"`,
		`p:34: expected a pin by version, release or origin, found "moon"`,
		`p:38: a version for all packages is not a rule`,
		`p:42: regular expression "o=/x/" is not evaluated`,
		`p:46: expected Package, Pin and Pin-Priority, found 1 of them`,
	}
	if diff := cmp.Diff(wantPins, pins, cmp.AllowUnexported(pin{}, releaseMatch{})); diff != "" {
		t.Errorf("pins (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(wantUnclear, unclear); diff != "" {
		t.Errorf("unclear (-want +got):\n%s", diff)
	}
}

func TestGlob(t *testing.T) {
	for _, tc := range []struct {
		pattern, text string
		want          bool
	}{
		{"", "", true},
		{"", "a", false},
		{"*", "", true},
		{"*", "a/b", true},
		{"a*c", "abbc", true},
		{"a*c", "abbd", false},
		{"?b", "ab", true},
		{"?b", "b", false},
		{"[a-c]x", "bx", true},
		{"[!a-c]x", "bx", false},
		{"[^a-c]x", "dx", true},
		{"LIB*", "libssl3", true},
		{"[A-C]*", "bash", true},
		{`\*`, "*", true},
		{`\*`, "a", false},
		{"[]x]", "]", true},
		{"[x", "[x", true},
		{"*a*b*c", "xaybzc", true},
		{"*a*b*c", "xaybz", false},
		{"a**", "a", true},
	} {
		if got := glob(tc.pattern, tc.text); got != tc.want {
			t.Errorf("glob(%q, %q) = %v", tc.pattern, tc.text, got)
		}
	}
}

func FuzzGlob(f *testing.F) {
	f.Add("a*[!b-c]?", "abcd")
	f.Fuzz(func(t *testing.T, pattern, text string) {
		if len(pattern)+len(text) > 200 {
			return
		}
		if glob(pattern, text) && glob("", text) && strings.Trim(pattern, "*") != "" {
			t.Errorf("%q matches nothing", pattern)
		}
		if !strings.ContainsAny(text, `*?[\`) && !glob(text, text) {
			t.Errorf("%q does not match itself", text)
		}
	})
}

func FuzzPreferences(f *testing.F) {
	hosttest.Seeds(f, "preferences")
	f.Fuzz(func(t *testing.T, data []byte) {
		pins, _ := parsePreferences(data, "p")
		in := &index{site: "mirror.example.org", release: release{suite: "stable", codename: "bookworm", origin: "Debian", label: "Debian", version: "12.1"}}
		v := &version{text: "1.0-1", indexes: []*index{in}}
		for i, p := range pins {
			if p.priority == 0 || p.from == "" {
				t.Errorf("%+v is no rule", p)
			}
			if i < 10 {
				p.matchesPackage("bash", "amd64", "amd64")
				p.matchesVersion(v)
			}
		}
	})
}

func TestKernelRelease(t *testing.T) {
	for name, want := range map[string]string{
		"linux-image-6.1.0-56-cloud-amd64":       "6.1.0-56-cloud-amd64",
		"linux-image-unsigned-5.15.0-91-generic": "5.15.0-91-generic",
		"linux-image-6.1.0-56-amd64-unsigned":    "6.1.0-56-amd64",
		"linux-image-6.12.48+deb13-arm64":        "6.12.48+deb13-arm64",
		"linux-image-amd64":                      "",
		"linux-image-6.18.0":                     "6.18.0", // make bindeb-pkg
		"proxmox-kernel-6.8.12-4-pve-signed":     "6.8.12-4-pve",
		"proxmox-kernel-6.8.12-4-pve":            "6.8.12-4-pve",
		"pve-kernel-5.15.143-1-pve":              "5.15.143-1-pve",
		"proxmox-kernel-6.8":                     "",
		"pve-kernel-helper":                      "",
		"linux-image-generic-hwe-22.04":          "",
		"linux-image-6.1.0-56-amd64-dbg":         "",
		"linux-headers-6.1.0-56-amd64":           "",
		"linux-image-":                           "",
		"linux-image-unsigned-":                  "",
	} {
		if got := kernelRelease(name); got != want {
			t.Errorf("kernelRelease(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestPercentage(t *testing.T) {
	for text, want := range map[string]int{"0": 0, "30": 30, "100": 100, "101": -1, "": -1, "x": -1, "-1": -1, "99999999999999999999": -1} {
		got, err := percentage([]byte(text))
		if err != nil {
			got = -1
		}
		if got != want {
			t.Errorf("percentage(%q) = %d, want %d", text, got, want)
		}
	}
}

func TestMain(m *testing.M) {
	// Messages of apt and dpkg are compared.
	_ = os.Setenv("LC_ALL", "C")
	os.Exit(m.Run())
}
