package storage

import "testing"

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"https://127.0.0.1:2379":                 "https://127.0.0.1:2379",
		"https://u:p@h:1,http://q@g/path@x":      "https://h:1,http://g/path@x",
		"/events#https://u:p@a:1;https://u:p@b":  "/events#https://a:1;https://b",
		"/registry":                              "/registry",
		"a\xff":                                  `a\xff`,
		"https://u:p@evil@host:1":                "https://host:1",
		"/a#https://u:p@a;https://x,/b#http://c": "/a#https://a;https://x,/b#http://c",
	} {
		if got := clean(in); got != want {
			t.Errorf("clean(%q) = %q, want %q", in, got, want)
		}
	}
}
