package images

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

func TestPythonPackage(t *testing.T) {
	for dir, want := range map[string]string{
		"requests-2.31.0.dist-info": "requests 2.31.0", "zope.interface-5.0.dist-info": "zope.interface 5.0", "ruamel_yaml-0.17.0a1.dist-info": "ruamel_yaml 0.17.0a1",
		"PyYAML-5.3.1-py3.9.egg-info": "PyYAML 5.3.1", "old-1.0.egg-info": "old 1.0",
		"requests": "", "requests-2.31.0": "", ".dist-info": "", "x.dist-info": "", "-1.dist-info": "", "x-.dist-info": "",
	} {
		name, version, ok := pythonPackage(dir)
		if got := strings.TrimSpace(name + " " + version); ok != (want != "") || ok && got != want {
			t.Errorf("%s: %q, %t, want %q", dir, got, ok, want)
		}
	}
}

func TestGemSpecification(t *testing.T) {
	for file, want := range map[string]string{
		"rack-2.0.0.gemspec": "rack 2.0.0", "nokogiri-1.13.0-x86_64-linux.gemspec": "nokogiri 1.13.0", "net-http2-0.18.5.gemspec": "net-http2 0.18.5",
		"a-1.0.rc1.gemspec": "a 1.0.rc1", "rack.gemspec": "", "rack-2.0.0": "", "-1.gemspec": "", "rack-.gemspec": "",
	} {
		name, version, ok := gemSpecification(file)
		if got := strings.TrimSpace(name + " " + version); ok != (want != "") || got != want {
			t.Errorf("%s: %q, %t, want %q", file, got, ok, want)
		}
	}
}

func TestEachLocked(t *testing.T) {
	const packages = `"packages":{"":{"name":"app","version":"1.0.0","dependencies":{"lodash":"^4"}},` +
		`"node_modules/lodash":{"version":"4.17.10","resolved":"https://user:hunter2@x/","integrity":"sha512-x"},` +
		`"node_modules/a/node_modules/@scope/b":{"version":"2.0.0","engines":{"node":[">=1",{"x":[]}]}},` +
		`"node_modules/alias":{"name":"real","version":"3.0.0"},"node_modules/own":{"resolved":"packages/own","link":true,"version":"1.0.0"},` +
		`"packages/own":{"version":"1.0.0"},"node_modules/bare":{}}`
	for name, tc := range map[string]struct {
		text string
		want []string
		ok   bool
	}{
		"version 3":              {`{"name":"app","lockfileVersion":3,` + packages + `}`, []string{"lodash 4.17.10", "@scope/b 2.0.0", "real 3.0.0"}, true},
		"version 2":              {`{"lockfileVersion":2,"dependencies":{"lodash":{"version":"0.0.1","requires":{"x":"1"}}},` + packages + `}`, []string{"lodash 4.17.10", "@scope/b 2.0.0", "real 3.0.0"}, true},
		"version 1":              {`{"lockfileVersion":1,"dependencies":{"lodash":{"version":"4.17.10"}}}`, nil, false},
		"no JSON":                {`lodash@4: x`, nil, false},
		"a list":                 {`[]`, nil, false},
		"cut":                    {`{"packages":{"node_modules/a":{"version":"1"},"node_modules/b":{"ver`, []string{"a 1"}, false},
		"values of other kind":   {`{"packages":{"node_modules/a":{"version":7},"node_modules/b":{"version":{"x":1},"name":[1]},"node_modules/c":{"version":"1","link":"x"}}}`, []string{"c 1"}, true},
		"a package that is none": {`{"packages":{"node_modules/a":null}}`, nil, false},
		"deep":                   {`{"x":` + strings.Repeat("[", 5000), nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			err := eachLocked(strings.NewReader(tc.text), func(name, version string) { got = append(got, name+" "+version) })
			if diff := cmp.Diff(tc.want, got); diff != "" || (err == nil) != tc.ok {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
			if err != nil && (rootfs.ReasonOf(err) != "Corrupt" || !errors.Is(err, errLock)) {
				t.Errorf("%v", err)
			}
		})
	}
}

// A lock file that anybody can write: no panic, and only texts that are in it.
func FuzzEachLocked(f *testing.F) {
	f.Add(`{"packages":{"":{},"node_modules/a":{"version":"1","x":[{}]}}}`)
	f.Add(`{"x":[[[{"a":1}]]],"packages":{"node_modules/b":{"link":true}}}`)
	f.Fuzz(func(t *testing.T, text string) {
		total := 0
		_ = eachLocked(strings.NewReader(text), func(name, version string) {
			if total += len(name) + len(version); version == "" {
				t.Errorf("%q has no version", name)
			}
		})
		if total > 3*len(text) { // an invalid byte becomes three
			t.Errorf("%d bytes of %d", total, len(text))
		}
		pythonPackage(text)
		gemSpecification(text)
	})
}
