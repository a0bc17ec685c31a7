package osrelease

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

func TestOSRelease(t *testing.T) {
	for name, tc := range map[string]struct {
		text string
		want fact.OSRelease
	}{
		"quoted in three ways": {
			"ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME='Debian \"12\"'\nVERSION_CODENAME=bookworm\n",
			fact.OSRelease{ID: "debian", VersionID: "12", PrettyName: `Debian "12"`, Codename: "bookworm"},
		},
		"escapes":                          {`PRETTY_NAME="a \"b\" \$c \\ \x"` + "\n", fact.OSRelease{PrettyName: `a "b" $c \ \x`}},
		"nothing is executed":              {"ID=$(id)\nPRETTY_NAME=\"`id`\"\n", fact.OSRelease{ID: "$(id)", PrettyName: "`id`"}},
		"comments and lines that are none": {"# ID=x\n\nhello\nID=y\n", fact.OSRelease{ID: "y"}},
		"the last of two counts":           {"ID=x\nID=y\n", fact.OSRelease{ID: "y"}},
		"other fields":                     {"VARIANT_ID=coreos\nID_LIKE=\"rhel fedora\"\nANSI_COLOR=x\n", fact.OSRelease{VariantID: "coreos", IDLike: "rhel fedora"}},
		"no line end":                      {"ID=debian", fact.OSRelease{ID: "debian"}},
		"empty":                            {"", fact.OSRelease{}},
		"one quote":                        {"ID=\"\nVERSION_ID='\n", fact.OSRelease{ID: `"`, VersionID: "'"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, parse([]byte(tc.text))); diff != "" {
				t.Errorf("os-release (-want +got):\n%s", diff)
			}
		})
	}
}
