package repodata

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

const repomd = `<?xml version="1.0" encoding="UTF-8"?>
<repomd xmlns="http://linux.duke.edu/metadata/repo" xmlns:rpm="http://linux.duke.edu/metadata/rpm">
  <revision>1700000000</revision>
  <!-- <data type="primary"> -->
  <data type="primary">
    <checksum type="sha256">aa</checksum>
    <open-checksum type="sha256">bb</open-checksum>
    <location href="repodata/aa-primary.xml.gz"/>
    <timestamp>1700000100.25</timestamp>
    <size>10</size>
    <open-size>20</open-size>
  </data>
  <data type='updateinfo'><location href="../../etc/shadow" /><checksum type="sha">cc</checksum></data>
</repomd>
`

func TestReadIndex(t *testing.T) {
	x, err := ReadIndex(strings.NewReader(repomd))
	if err != nil {
		t.Fatal(err)
	}
	want := &Index{Revision: "1700000000", Files: []File{
		{Type: "primary", Location: "repodata/aa-primary.xml.gz", Sum: "aa", SumType: "sha256", OpenSum: "bb", OpenSumType: "sha256", Size: 10, OpenSize: 20, Timestamp: 1700000100},
		{Type: "updateinfo", Location: "../../etc/shadow", Sum: "cc", SumType: "sha", Size: -1, OpenSize: -1},
	}}
	if diff := cmp.Diff(want, x); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := x.File(TypePrimary).Name(); got != "aa-primary.xml.gz" {
		t.Errorf("name %q", got)
	}
	if got := x.File(TypeUpdateInfo).Name(); got != "shadow" || x.File(TypeModules) != nil {
		t.Errorf("a location out of the directory: %q", got)
	}
	if got := x.Date(); !got.Equal(time.Unix(1700000100, 0)) {
		t.Errorf("date %v", got)
	}
	for revision, want := range map[string]int64{"1700000000": 1700000000, "3.0": 0, "-5": 0, "99999999999999": 0, "7": 0, "": 0} {
		if got := (&Index{Revision: revision}).Date(); want == 0 && !got.IsZero() || want != 0 && got.Unix() != want {
			t.Errorf("revision %q: %v", revision, got)
		}
	}
}

// lines reads a primary.xml into lines.
func lines(r io.Reader) (out []string, count int, err error) {
	count, err = ReadPrimary(r, nil, func(p *Package) error {
		line := fmt.Sprintf("%s.%s %s vendor=%s", p.Name, p.Arch, AppendEVR(nil, p.Epoch, p.Version, p.Release), p.Vendor)
		for _, o := range p.Obsoletes {
			line += fmt.Sprintf(" obsoletes %s%s%s", o.Name, o.Flags, AppendEVR(nil, o.Epoch, o.Version, o.Release))
		}
		out = append(out, line)
		return nil
	})
	return out, count, err
}

const primary = `<?xml version="1.0" encoding="UTF-8"?>
<metadata xmlns="http://linux.duke.edu/metadata/common" xmlns:rpm="http://linux.duke.edu/metadata/rpm" packages="3">
<package type="rpm">
  <name>a&amp;b</name>
  <arch>x86_64</arch>
  <version epoch="0" ver="1.0" rel="2.el9"/>
  <checksum type="sha256" pkgid="YES">00</checksum>
  <summary>x &lt; y</summary>
  <description><![CDATA[ <package><name>no</name></package> ]]></description>
  <location href="a>b.rpm"/>
  <format>
    <rpm:license>MIT</rpm:license>
    <rpm:vendor>Some &#x56;endor</rpm:vendor>
    <rpm:provides>
      <rpm:entry name="obsoletes-nothing" flags="EQ" epoch="0" ver="1" rel="1"/>
    </rpm:provides>
    <rpm:requires/>
    <rpm:conflicts><rpm:entry name="c"/></rpm:conflicts>
    <rpm:obsoletes>
      <rpm:entry name="old" flags="LT" epoch="1" ver="2.0" rel="3"/>
      <rpm:entry name="older"/>
    </rpm:obsoletes>
    <rpm:suggests><rpm:entry name="s"/></rpm:suggests>
    <file>/usr/bin/x</file>
  </format>
</package>
<package type="rpm"><name>b</name><arch>noarch</arch><version epoch='3' ver='1~rc1' rel='1'/><format></format></package>
<package type="rpm">
  <version ver="5"/><arch>noarch</arch><name>c</name>
  <format><obsoletes><entry name="x"/></obsoletes></format>
</package>
</metadata>
`

var primaryLines = []string{
	"a&b.x86_64 1.0-2.el9 vendor=Some Vendor obsoletes oldLT1:2.0-3 obsoletes older",
	"b.noarch 3:1~rc1-1 vendor=",
	"c.noarch 5 vendor= obsoletes x",
}

func TestReadPrimary(t *testing.T) {
	for name, r := range map[string]io.Reader{
		"at once":            strings.NewReader(primary),
		"in single bytes":    iotest.OneByteReader(strings.NewReader(primary)),
		"the end with bytes": iotest.DataErrReader(strings.NewReader(primary)),
	} {
		got, count, err := lines(r)
		if diff := cmp.Diff(primaryLines, got); diff != "" || err != nil || count != 3 {
			t.Errorf("%s: %d, %v (-want +got):\n%s", name, count, err, diff)
		}
	}
	// Cut anywhere before the last tag's end, it is an error.
	for n := range len(primary) - 1 {
		if _, _, err := lines(strings.NewReader(primary[:n])); err == nil {
			t.Errorf("cut to %d bytes: no error", n)
		}
	}
	// Text that is longer than the buffer is passed over.
	long := strings.Replace(primary, "x &lt; y", strings.Repeat("long ", bufferSize), 1)
	if got, _, err := lines(strings.NewReader(long)); err != nil || !cmp.Equal(primaryLines, got) {
		t.Errorf("a long text: %v, %v", got, err)
	}
}

func TestDamagedPrimary(t *testing.T) {
	for name, tc := range map[string]struct {
		old, replacement, want string
		reason                 fact.Reason
	}{
		"fewer packages than it says": {`packages="3"`, `packages="4"`, "ends too early: expected 4 packages, found 3", fact.Truncated},
		"no number of packages":       {`packages="3"`, `packages="x"`, `expected a number of packages, found "x"`, fact.Corrupt},
		"another root":                {"metadata", "html", "expected an element metadata, found another", fact.Corrupt},
		"no name":                     {"<name>b</name>", "", `expected a name, an architecture and a version of the package before byte 1099, found "", "noarch" and "1~rc1"`, fact.Corrupt},
		"a long name":                 {"<name>b<", "<name>" + strings.Repeat("b", maxText+1) + "<", "expected a text of at most 4096 bytes", fact.Corrupt},
		"a long version":              {"1~rc1", strings.Repeat("1", maxText+1), "expected an attribute of at most 4096 bytes, found one of 4097", fact.Corrupt},
		"a tag beyond the buffer":     {`<location href="a>b.rpm"/>`, "<location " + strings.Repeat("x", bufferSize), "expected a tag of less than 131072 bytes", fact.Corrupt},
		"a tag in a tag":              {"<format></format>", "<format<format>", "expected the end of the tag at byte", fact.Corrupt},
		"a name with a comment":       {"<name>b<", "<name>b<!-- x --><", "a text with a comment or CDATA at byte", fact.Unsupported},
		"an unknown entity":           {"a&amp;b", "a&b;", "expected an entity of XML after &, found something else", fact.Corrupt},
		"a declaration":               {"<metadata", "<!DOCTYPE x><metadata", "expected a tag or a comment at byte 39, found a declaration", fact.Corrupt},
		"one end too many":            {"</metadata>", "</metadata></metadata>", "found an end tag that closes nothing", fact.Corrupt},
		"attributes without quotes":   {"<version ver=\"5\"/>", "<version ver=5/>", `expected attributes of the form name="value", found something else`, fact.Corrupt},
		"too many obsoletes":          {`<entry name="x"/>`, strings.Repeat(`<entry name="x"/>`, maxObsoletes+1), "expected at most 4096 packages that one obsoletes", fact.Corrupt},
	} {
		t.Run(name, func(t *testing.T) {
			if !strings.Contains(primary, tc.old) {
				t.Fatalf("the example does not hold %q", tc.old)
			}
			_, _, err := lines(strings.NewReader(strings.ReplaceAll(primary, tc.old, tc.replacement)))
			if err == nil || !strings.Contains(err.Error(), tc.want) || rootfs.ReasonOf(err) != tc.reason {
				t.Errorf("want %s %q, got %s %v", tc.reason, tc.want, rootfs.ReasonOf(err), err)
			}
		})
	}
	stop := errors.New("stop")
	if count, err := ReadPrimary(strings.NewReader(primary), nil, func(*Package) error { return stop }); !errors.Is(err, stop) || count != 1 {
		t.Errorf("an error of the callback: %d, %v", count, err)
	}
	if _, _, err := lines(strings.NewReader("")); !errors.Is(err, rootfs.ErrCut) {
		t.Errorf("an empty file: %v", err)
	}
	if _, err := ReadIndex(iotest.ErrReader(stop)); !errors.Is(err, stop) {
		t.Errorf("an error of reading: %v", err)
	}
}

const updateinfo = `<?xml version="1.0"?>
<updates>
  <update from="x" status="final" type="security" version="1">
    <id>SA-1</id>
    <title>t</title>
    <severity>Important</severity>
    <issued date="2024-01-01 00:00:00"/>
    <references><reference href="u" id="CVE-1" type="cve"/></references>
    <pkglist>
      <collection short="c">
        <name>c</name>
        <module name="nodejs" stream="18" version="1" context="rhel9" arch="x86_64"/>
        <package name="nodejs" version="18.1" release="2" epoch="1" arch="x86_64" src="s"><filename>f</filename><reboot_suggested>True</reboot_suggested></package>
        <package name="npm" version="8" release="1" epoch="0" arch="noarch"/>
      </collection>
      <collection><package name="lib" version="2" release="1" arch="i686"><filename>f</filename><reboot_suggested>False</reboot_suggested></package></collection>
    </pkglist>
  </update>
  <update type="bugfix"><id>BA-1</id><pkglist><collection><package name="no" version="1" release="1" arch="x86_64"/></collection></pkglist></update>
  <update status="retracted" type="security"><id>SA-2</id><pkglist><collection><package name="gone" version="1" release="1" arch="x86_64"><reboot_suggested/></package></collection></pkglist></update>
  <update type="newpackage"/>
</updates>
`

func fixes(r io.Reader) (out []string, count int, err error) {
	count, err = ReadUpdateInfo(r, nil, func(a *Advisory, f *Fix) error {
		out = append(out, fmt.Sprintf("%s %s %s retracted=%t: %s.%s %s module=%s:%s reboot=%t", a.ID, a.Type, a.Severity, a.Retracted(), f.Name, f.Arch,
			AppendEVR(nil, f.Epoch, f.Version, f.Release), f.Module, f.Stream, f.Reboot))
		return nil
	})
	return out, count, err
}

func TestReadUpdateInfo(t *testing.T) {
	want := []string{
		"SA-1 security Important retracted=false: nodejs.x86_64 1:18.1-2 module=nodejs:18 reboot=true",
		"SA-1 security Important retracted=false: npm.noarch 8-1 module=nodejs:18 reboot=false",
		"SA-1 security Important retracted=false: lib.i686 2-1 module=: reboot=false",
		"SA-2 security  retracted=true: gone.x86_64 1-1 module=: reboot=true",
	}
	for name, r := range map[string]io.Reader{
		"at once": strings.NewReader(updateinfo), "in single bytes": iotest.OneByteReader(strings.NewReader(updateinfo)),
	} {
		got, count, err := fixes(r)
		if diff := cmp.Diff(want, got); diff != "" || err != nil || count != 4 {
			t.Errorf("%s: %d, %v (-want +got):\n%s", name, count, err, diff)
		}
	}
	for n := range len(updateinfo) - 1 {
		if _, _, err := fixes(strings.NewReader(updateinfo[:n])); err == nil {
			t.Errorf("cut to %d bytes: no error", n)
		}
	}
	if _, _, err := fixes(strings.NewReader(strings.Replace(updateinfo, `name="lib"`, "", 1))); err == nil || !strings.Contains(err.Error(), "expected a name and a version of the package before byte") {
		t.Errorf("a fix without a name: %v", err)
	}
	if _, _, err := fixes(strings.NewReader("<html></html>")); err == nil || !strings.Contains(err.Error(), "expected an element updates, found another") {
		t.Errorf("another root: %v", err)
	}
}

const modules = `---
document: modulemd
version: 2
data:
  name: nodejs
  stream: "18"
  version: 1
  summary: a summary
  description: >-
    artifacts:
      rpms:
      - not-one-0:1-1.noarch
  xmd:
    name: other
  artifacts:
    rpms:
    - nodejs-1:18.1-2.module_el9.x86_64
    - 'npm-1:8-1.noarch' # a comment
    rpm-map:
      sha256:
        aa: {name: x}
  profiles:
    common:
      rpms:
      - nodejs
...
---
document: modulemd-defaults
version: 1
data:
  module: nodejs
  stream: '18'
  profiles:
    18: [common]
---
document: modulemd
data:
    name: perl
    stream: 5.30
    artifacts:
        rpms:
        - perl-4:5.30.1-1.x86_64
---
document: modulemd-translations
data:
  module: nodejs
  stream: 1
`

func moduleLines(r io.Reader) (out []string, err error) {
	err = ReadModules(r, Modules{
		Artifact: func(module, stream, nevra []byte) error {
			out = append(out, fmt.Sprintf("%s:%s %s", module, stream, nevra))
			return nil
		},
		Default: func(module, stream string) error {
			out = append(out, fmt.Sprintf("default %s:%s", module, stream))
			return nil
		},
	})
	return out, err
}

func TestReadModules(t *testing.T) {
	want := []string{
		"nodejs:18 nodejs-1:18.1-2.module_el9.x86_64", "nodejs:18 npm-1:8-1.noarch", "default nodejs:18", "perl:5.30 perl-4:5.30.1-1.x86_64",
	}
	got, err := moduleLines(strings.NewReader(modules))
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	long := strings.Replace(modules, "a summary", strings.Repeat("x", 200<<10), 1)
	if got, err := moduleLines(strings.NewReader(long)); err != nil || !cmp.Equal(want, got) {
		t.Errorf("a long line: %v, %v", got, err)
	}
	for name, tc := range map[string]struct{ old, replacement, want string }{
		"flow style":                      {"  artifacts:\n    rpms:\n    - nodejs", "  artifacts: {rpms: [x]}\n    rpms:\n    - nodejs", "line 15: expected packages in block style, found a value"},
		"a list in flow style":            {"  artifacts:\n    rpms:\n    - nodejs", "  artifacts:\n    rpms: [x]\n    - nodejs", "line 16: expected packages in block style, found a value"},
		"all data in flow style":          {"data:\n  name: nodejs", "data: {name: nodejs}", "line 4: expected data in block style, found a value"},
		"packages before the name":        {"  name: nodejs\n", "", "line 16: expected the name and the stream of a module before its packages, found none"},
		"a word with an escape":           {"'npm-1:8-1.noarch'", `"a\x"`, "line 18: expected a word in quotes"},
		"a tab":                           {"  name: nodejs\n", "\tname: nodejs\n", "line 5: expected spaces before a key, found a tab"},
		"less indented than the first":    {"  version: 1\n  summary", " version: 1\n  summary", "line 7: expected at least 2 spaces, found 1"},
		"a package of thousands of bytes": {"npm-1", strings.Repeat("n", maxModuleLine+1), "line 18: expected at most 4096 bytes, found more"},
	} {
		if !strings.Contains(modules, tc.old) {
			t.Fatalf("%s: the example does not hold %q", name, tc.old)
		}
		if _, err := moduleLines(strings.NewReader(strings.Replace(modules, tc.old, tc.replacement, 1))); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: want %q, got %v", name, tc.want, err)
		}
	}
}

// checkReader holds that a parser gives the same, however its input is cut into
// reads, and that what it gives is not larger than its input.
func checkReader[T any](t *testing.T, data []byte, read func(io.Reader) (T, error)) {
	t.Helper()
	a, errA := read(bytes.NewReader(data))
	b, errB := read(iotest.HalfReader(bytes.NewReader(data)))
	if diff := cmp.Diff(a, b); diff != "" || fmt.Sprint(errA) != fmt.Sprint(errB) {
		t.Errorf("at once %v, in parts %v (-once +parts):\n%s", errA, errB, diff)
	}
}

func FuzzPrimary(f *testing.F) {
	f.Add([]byte(primary))
	f.Add([]byte(`<metadata packages="1"><package><name>a</name><arch>b</arch><version ver="1"/></package></metadata>`))
	f.Fuzz(func(t *testing.T, data []byte) {
		checkReader(t, data, func(r io.Reader) ([]string, error) {
			out, _, err := lines(r)
			return out, err
		})
	})
}

func FuzzUpdateInfo(f *testing.F) {
	f.Add([]byte(updateinfo))
	f.Fuzz(func(t *testing.T, data []byte) {
		checkReader(t, data, func(r io.Reader) ([]string, error) {
			out, _, err := fixes(r)
			return out, err
		})
	})
}

func FuzzIndex(f *testing.F) {
	f.Add([]byte(repomd))
	f.Fuzz(func(t *testing.T, data []byte) {
		checkReader(t, data, ReadIndex)
		if x, err := ReadIndex(bytes.NewReader(data)); err == nil {
			for _, file := range x.Files {
				if name := file.Name(); strings.Contains(name, "/") && name != "/" || name == ".." {
					t.Errorf("name %q of %q", name, file.Location)
				}
			}
		}
	})
}

func FuzzModules(f *testing.F) {
	f.Add([]byte(modules))
	f.Fuzz(func(t *testing.T, data []byte) { checkReader(t, data, moduleLines) })
}
