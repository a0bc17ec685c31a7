package overlay

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func ptr[T any](v T) *T { return &v }

// The texts with captured in their name were shown by Linux 6.18 for mounts
// made with mount(2) or fsconfig(2); options_linux_test.go makes them again.
func TestParseOptions(t *testing.T) {
	for name, tc := range map[string]struct {
		super string
		want  Options
		err   string
	}{
		"containerd: absolute paths": {
			super: "rw,lowerdir=/s/2/fs:/s/1/fs,upperdir=/s/3/fs,workdir=/s/3/work,uuid=on",
			want:  Options{Lowerdirs: []string{"/s/2/fs", "/s/1/fs"}, Upperdir: "/s/3/fs", Workdir: "/s/3/work"},
		},
		"containerd: lowers relative, upper absolute": {
			super: "rw,lowerdir=12/fs:11/fs,upperdir=/s/13/fs,workdir=/s/13/work",
			want:  Options{Lowerdirs: []string{"12/fs", "11/fs"}, Upperdir: "/s/13/fs", Workdir: "/s/13/work"},
		},
		"docker: everything relative to its home": {
			super: "rw,lowerdir=l/AAAA:l/BBBB,upperdir=abc/diff,workdir=abc/work",
			want:  Options{Lowerdirs: []string{"l/AAAA", "l/BBBB"}, Upperdir: "abc/diff", Workdir: "abc/work"},
		},
		"captured: colon and space in lowerdir, comma in upperdir": {
			super: `rw,lowerdir=low\134:a\040b:low2,upperdir=up\134\054x,workdir=work,uuid=on`,
			want:  Options{Lowerdirs: []string{"low:a b", "low2"}, Upperdir: "up,x", Workdir: "work"},
		},
		"captured: escaped backslash in lowerdir": {
			super: `rw,lowerdir=with\134\134bs:low2,upperdir=up,workdir=work`,
			want:  Options{Lowerdirs: []string{`with\bs`, "low2"}, Upperdir: "up", Workdir: "work"},
		},
		"captured: lowerdir+ and datadir+ are paths as they are": {
			super: `ro,lowerdir+=low:a\040b,lowerdir+=with\134bs,datadir+=low2,redirect_dir=on`,
			want: Options{
				Lowerdirs: []string{"low:a b", `with\bs`}, Datadirs: []string{"low2"}, ReadOnly: true, RedirectDir: ptr(true),
			},
		},
		"captured: fsconfig takes a bare comma": {
			super: `rw,lowerdir+=low2,upperdir=up\054x,workdir=work,uuid=on`,
			want:  Options{Lowerdirs: []string{"low2"}, Upperdir: "up,x", Workdir: "work"},
		},
		"newline and tab": {
			super: `rw,lowerdir=a\012b\011c,upperdir=u`,
			want:  Options{Lowerdirs: []string{"a\nb\tc"}, Upperdir: "u"},
		},
		"an octal escape is decoded once": {
			super: `rw,lowerdir=a\134\134040b,upperdir=u`,
			want:  Options{Lowerdirs: []string{`a\040b`}, Upperdir: "u"},
		},
		"data layers after a double colon": {
			super: "ro,lowerdir=/a:/b::/d1::/d2,metacopy=on",
			want:  Options{Lowerdirs: []string{"/a", "/b"}, Datadirs: []string{"/d1", "/d2"}, ReadOnly: true, Metacopy: ptr(true)},
		},
		"follow is not on": {
			super: "rw,lowerdir=/a,upperdir=/u,workdir=/w,redirect_dir=follow,metacopy=off",
			want:  Options{Lowerdirs: []string{"/a"}, Upperdir: "/u", Workdir: "/w", RedirectDir: ptr(false), Metacopy: ptr(false)},
		},
		"a lone backslash at the end stays": {
			super: `rw,lowerdir=/a,upperdir=/u\134`,
			want:  Options{Lowerdirs: []string{"/a"}, Upperdir: `/u\`},
		},
		"no lowerdir": {
			super: "rw,upperdir=/u", err: `overlay options: expected a lowerdir, found "rw,upperdir=/u"`,
		},
		"an empty lowerdir": {
			super: "rw,lowerdir=/a:,upperdir=/u", err: `overlay options: an empty lowerdir in "rw,lowerdir=/a:,upperdir=/u"`,
		},
		"more layers than the kernel stacks": {
			super: "rw,lowerdir=" + strings.Repeat("/a:", 500) + "/a", err: "overlay options: more than 500 lowerdirs",
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParseOptions(tc.super)
			if text := errText(err); text != tc.err {
				t.Fatalf("error %q, want %q", text, tc.err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("options (-want +got):\n%s", diff)
			}
		})
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// encode writes options as mount(2) wants them and the kernel shows them: the
// reverse of ParseOptions, written apart from it.
func encode(o Options) string {
	seq := strings.NewReplacer(" ", `\040`, "\t", `\011`, "\n", `\012`, "\\", `\134`, ",", `\054`)
	layer := strings.NewReplacer(`\`, `\\`, ":", `\:`, ",", `\,`)
	path := strings.NewReplacer(`\`, `\\`, ",", `\,`)
	var dirs []string
	for _, d := range o.Lowerdirs {
		dirs = append(dirs, layer.Replace(d))
	}
	lower := strings.Join(dirs, ":")
	for _, d := range o.Datadirs {
		lower += "::" + layer.Replace(d)
	}
	return "rw,lowerdir=" + seq.Replace(lower) + ",upperdir=" + seq.Replace(path.Replace(o.Upperdir)) +
		",workdir=" + seq.Replace(path.Replace(o.Workdir))
}

func FuzzParseOptions(f *testing.F) {
	f.Add("rw,lowerdir=/s/2/fs:/s/1/fs,upperdir=/s/3/fs,workdir=/s/3/work,uuid=on")
	f.Add(`rw,lowerdir=low\134:a\040b:low2,upperdir=up\134\054x,workdir=work,uuid=on`)
	f.Add(`ro,lowerdir+=low:a\040b,lowerdir+=with\134bs,datadir+=low2,redirect_dir=on`)
	f.Add("ro,lowerdir=/a:/b::/d1::/d2,metacopy=on")
	f.Add(`lowerdir=\`)
	f.Add(`lowerdir=\1,upperdir=\400`)
	f.Fuzz(func(t *testing.T, super string) {
		o, err := ParseOptions(super)
		if err != nil {
			if diff := cmp.Diff(Options{}, o); diff != "" {
				t.Errorf("an error and options:\n%s", diff)
			}
			return
		}
		total := len(o.Upperdir) + len(o.Workdir)
		for _, d := range append(o.Lowerdirs[:len(o.Lowerdirs):len(o.Lowerdirs)], o.Datadirs...) {
			total += len(d)
		}
		if total > len(super) {
			t.Errorf("%d bytes of paths from %d bytes", total, len(super))
		}
		// What was decoded, encoded again, decodes to the same.
		for _, d := range o.Datadirs {
			if d == "" {
				return
			}
		}
		again, err := ParseOptions(encode(o))
		if err != nil {
			t.Fatalf("%q encoded again: %v", encode(o), err)
		}
		want := Options{Lowerdirs: o.Lowerdirs, Datadirs: o.Datadirs, Upperdir: o.Upperdir, Workdir: o.Workdir}
		if diff := cmp.Diff(want, again); diff != "" {
			t.Errorf("round trip (-want +got):\n%s", diff)
		}
	})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
