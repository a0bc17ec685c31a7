package rootfs

import (
	"testing"
	"unicode/utf8"
)

func TestText(t *testing.T) {
	for name, tc := range map[string]struct{ raw, want string }{
		"plain text stays":                   {"/usr/bin/sh", "/usr/bin/sh"},
		"valid UTF-8 stays":                  {"/tmp/ü→", "/tmp/ü→"},
		"a byte outside UTF-8 is escaped":    {"a\xffb", `a\xffb`},
		"half a rune is escaped bytewise":    {"\xe2\x82", `\xe2\x82`},
		"a real replacement character stays": {"\uFFFD", "\uFFFD"},
		"control characters stay":            {"a\nb\x1b", "a\nb\x1b"},
		"a literal escape stays":             {`dev-disk-by\x2duuid`, `dev-disk-by\x2duuid`},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Text(tc.raw); got != tc.want {
				t.Errorf("Text(%q) = %q, want %q", tc.raw, got, tc.want)
			}
			if got := Text([]byte(tc.raw)); !utf8.ValidString(got) {
				t.Errorf("Text(%q) = %q is no UTF-8", tc.raw, got)
			}
		})
	}
}
