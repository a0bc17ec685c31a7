package formats

import (
	"slices"
	"testing"
)

func TestNamesAreDistinct(t *testing.T) {
	names := Names()
	slices.Sort(names)
	if twice := len(names) - len(slices.Compact(slices.Clone(names))); twice > 0 || len(names) != len(All()) {
		t.Errorf("expected each of %d formats under its own name, found %q", len(All()), names)
	}
}

func TestSplitFile(t *testing.T) {
	for value, want := range map[string]struct {
		output, path string
		ok           bool
	}{
		"sarif=out.sarif":                        {"sarif", "out.sarif", true},
		"html=a=b.html":                          {"html", "a=b.html", true},
		`jsonpath={[?(@.a=="b")]}=out`:           {`jsonpath={[?(@.a=="b")]}`, "out", true},
		"go-template-file=t=x.tmpl=out.txt":      {"go-template-file=t=x.tmpl", "out.txt", true},
		"custom-columns=CHECK:.check=checks.txt": {"custom-columns=CHECK:.check", "checks.txt", true},
		"nosuch=file":                            {"nosuch", "file", true}, // NewPrinter says that there is no such format
		"json":                                   {"json", "", false},
		"json=":                                  {"json", "", false},
		"":                                       {"", "", false},
	} {
		output, path, ok := SplitFile(value)
		if output != want.output || path != want.path || ok != want.ok {
			t.Errorf("%q: expected %q, %q, %t, found %q, %q, %t", value, want.output, want.path, want.ok, output, path, ok)
		}
	}
}

func TestShowsPasses(t *testing.T) {
	for output, want := range map[string][2]bool{ // without and with --show-passes
		"":                  {false, false},
		"table":             {false, false},
		"wide":              {false, true},
		"name":              {false, false},
		"json":              {true, true},
		"jsonpath={.kind}":  {true, true},
		"junit":             {true, true},
		"prometheus":        {true, true},
		"no-such-format":    {false, false},
		"no-such-format=.a": {false, false},
	} {
		if got := [2]bool{ShowsPasses(output, false), ShowsPasses(output, true)}; got != want {
			t.Errorf("%q: expected %t, found %t", output, want, got)
		}
	}
}

func TestShowsLines(t *testing.T) {
	for output, want := range map[string]bool{"sarif": true, "json": false, "": false, "no-such-format": false} {
		if got := ShowsLines(output); got != want {
			t.Errorf("%q: expected %t, found %t", output, want, got)
		}
	}
}
