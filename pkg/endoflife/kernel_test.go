package endoflife

import "testing"

func TestKernelLineOf(t *testing.T) {
	for release, want := range map[string]string{
		"6.6.29-talos": "6.6", "6.1.112+": "6.1", "5.4.200": "5.4", "6.6.54-flatcar": "6.6", "6.13.7": "6.13",
		"6.18.0": "", "6.19.3": "", "7.0.1": "", "5.15.0-91-generic": "", "5.14.0-427.el9.x86_64": "", "6.12.38+deb13-amd64": "",
		"5.14.21-150500.55.7-default": "", "6.9.1-arch1-1": "", "6.1.91-99.172.amzn2023.x86_64": "", "": "", "99999.1.1": "",
	} {
		line, ok := KernelLineOf(release)
		if ok != (want != "") || ok && line.Name != want {
			t.Errorf("%q: %+v, %v", release, line, ok)
		}
	}
	for release, want := range map[string]Phase{"5.4.200": Ended, "6.6.29": Supported, "6.13.7": Ended, "5.10.200": Supported} {
		line, _ := KernelLineOf(release)
		if got := line.At(day("2026-11-28")); got != want {
			t.Errorf("%s: want %d, got %d", release, want, got)
		}
	}
	line, _ := KernelLineOf("6.12.1")
	if got := line.At(day("2027-06-01")); got != Unknown {
		t.Errorf("long after the table was made: %d", got)
	}
	for i, l := range longterm {
		if day(l.end).IsZero() || i > 0 && (longterm[i-1].major > l.major || longterm[i-1].major == l.major && longterm[i-1].minor >= l.minor) {
			t.Errorf("row %d: %+v", i, l)
		}
	}
}
