package procfs

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseDeviceRules(t *testing.T) {
	// runc 1.1's default, read in a container.
	const runc = "b *:* m\nc *:* m\nc 1:3 rwm\nc 1:5 rwm\nc 1:7 rwm\nc 1:8 rwm\nc 1:9 rwm\nc 5:0 rwm\nc 5:2 rwm\nc 10:200 rwm\nc 136:* rwm\n"
	for name, tc := range map[string]struct {
		text string
		want []string
		err  string
	}{
		"runc's default":     {text: runc, want: strings.Split(strings.TrimSpace(runc), "\n")},
		"everything":         {text: "a *:* rwm\n", want: []string{"a *:* rwm"}},
		"nothing is allowed": {text: "", want: []string{}},
		"cut short":          {text: "a *:* rwm\nc 1:3 r", err: `devices.list line 2: expected a rule such as "c 1:3 rwm", found "c 1:3 r"`},
		"another type":       {text: "d 1:3 rwm\n", err: `devices.list line 1: expected a rule such as "c 1:3 rwm", found "d 1:3 rwm"`},
		"no access":          {text: "c 1:3 \n", err: `devices.list line 1: expected a rule such as "c 1:3 rwm", found "c 1:3 "`},
		"a long number":      {text: "c 12345678901:3 r\n", err: `devices.list line 1: expected a rule such as "c 1:3 rwm", found "c 12345678901:3 r"`},
		"too many":           {text: strings.Repeat("c 1:3 r\n", 257), err: "devices.list: expected at most 256 rules"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParseDeviceRules([]byte(tc.text))
			if text := errText(err); text != tc.err {
				t.Fatalf("error %s\nwant  %s", text, tc.err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func FuzzParseDeviceRules(f *testing.F) {
	f.Add([]byte("b *:* m\nc 136:* rwm\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		rules, err := ParseDeviceRules(data)
		if err == nil && strings.Join(append(rules, ""), "\n") != string(data) {
			t.Errorf("%q became %q", data, rules)
		}
	})
}
