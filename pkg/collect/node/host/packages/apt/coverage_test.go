package apt

import "testing"

func TestMetaFlavour(t *testing.T) {
	for rest, want := range map[string]string{
		"amd64": "amd64", "cloud-amd64": "cloud-amd64", "rt-amd64": "rt-amd64", "generic": "generic", "virtual": "generic",
		"generic-hwe-24.04": "generic", "virtual-hwe-22.04": "generic", "generic-64k-hwe-24.04": "generic-64k", "lowlatency-hwe-22.04": "lowlatency",
		"oem-24.04b": "oem", "aws-6.14": "aws", "aws-lts-22.04": "aws", "686-pae": "686-pae", "azure-fde": "azure-fde",
	} {
		if got := metaFlavour(rest); got != want {
			t.Errorf("%s: want %q, got %q", rest, want, got)
		}
	}
}

func TestKernelNames(t *testing.T) {
	for release, want := range map[string][3]string{
		"6.1.0-56-cloud-amd64":      {"cloud-amd64", "6.1.0-56", "6.1"},
		"6.12.48+deb13-cloud-amd64": {"cloud-amd64", "6.12.48+deb13", "6.12"},
		"6.8.0-31-generic":          {"generic", "6.8.0-31", "6.8"},
		"6.8.0-1004-oem":            {"oem", "6.8.0-1004", "6.8"},
		"6.9.9":                     {"", "6.9.9", "6.9"},
	} {
		if got := [3]string{flavourOf(release), abiOf(release), seriesOf(release)}; got != want {
			t.Errorf("%s: want %q, got %q", release, want, got)
		}
	}
}

// A package that ESM has updated is covered by it, on top of the security archive.
func TestOutsideOfESM(t *testing.T) {
	archive := func(origin, suite string) *index {
		return &index{component: "main", arch: "amd64", priority: 500, release: release{origin: origin, suite: suite, codename: "noble"}}
	}
	noble, security, esm := archive("Ubuntu", "noble"), archive("Ubuntu", "noble-security"), archive("UbuntuESMApps", "noble-apps-security")
	security.security, esm.security = true, true
	c := coverage{codename: "noble", secured: map[branch]bool{}}
	c.secure(security)
	c.secure(esm) // alone it would cover nothing
	if len(c.secured) != 1 {
		t.Errorf("covered branches: %v", c.secured)
	}
	p := &installedPackage{name: "imagemagick", arch: "amd64", version: "6.9-1ubuntu0.1~esm2", versions: []version{
		{text: "6.9-1ubuntu0.1~esm2", indexes: []*index{{status: true}, esm}}, {text: "6.9-1", indexes: []*index{noble}},
	}}
	if why, archive := c.outside(p, "noble", "amd64"); why != "" {
		t.Errorf("got %q of %q", why, archive)
	}
	esm.priority = 0 // not in use
	if why, _ := c.outside(p, "noble", "amd64"); why != "newer" {
		t.Errorf("an archive that is not used: got %q", why)
	}
}
