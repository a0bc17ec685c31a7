package weburl

import (
	"strings"
	"testing"
)

func TestClean(t *testing.T) {
	for name, tc := range map[string]struct{ in, want string }{
		"no URL":                         {"manifests/web.yaml", "manifests/web.yaml"},
		"nothing to take out":            {"https://host.example:8443/a/b.yaml", "https://host.example:8443/a/b.yaml"},
		"a user and a password":          {"https://me:CANARY@host.example/a", "https://host.example/a"},
		"a token for a user":             {"https://CANARY@host.example", "https://host.example"},
		"a query":                        {"https://host.example/a?token=CANARY&x=1", "https://host.example/a"},
		"a fragment":                     {"https://host.example/a#CANARY", "https://host.example/a"},
		"a query without a path":         {"https://host.example?CANARY", "https://host.example"},
		"both":                           {"https://CANARY:CANARY@host.example:1/a?CANARY#CANARY", "https://host.example:1/a"},
		"an at sign in the path":         {"https://host.example/@scope/a", "https://host.example/@scope/a"},
		"a password with a slash":        {"https://me:CAN/ARY@host.example/a", "https://host.example/a"},
		"a password with a question":     {"https://me:CAN?ARY@host.example/a", "https://host.example/a"},
		"a password with an at sign":     {"https://me:CAN@ARY@host.example/a", "https://host.example/a"},
		"an address of IPv6":             {"https://[::1]:8443/@a", "https://[::1]:8443/@a"},
		"an address of IPv6 alone":       {"https://[fd00::1]/@a", "https://[fd00::1]/@a"},
		"in an error":                    {`Get "https://me:CANARY@host.example/a?b=CANARY": EOF`, `Get "https://host.example/a": EOF`},
		"two":                            {"https://a:CANARY@one and git::ssh://b:CANARY@two/x?CANARY", "https://one and git::ssh://two/x"},
		"an image's digest":              {"docker-pullable://registry.example/web@sha256:0123", "docker-pullable://registry.example/web@sha256:0123"},
		"an image's digest without path": {"docker-pullable://web@sha256:0123", "docker-pullable://web@sha256:0123"},
		"the mark alone":                 {"://", "://"},
	} {
		t.Run(name, func(t *testing.T) {
			got := Clean(tc.in)
			if got != tc.want {
				t.Errorf("want %q, got %q", tc.want, got)
			}
			if again := Clean(got); again != got {
				t.Errorf("cleaned twice: %q", again)
			}
		})
	}
}

func TestCleanList(t *testing.T) {
	for in, want := range map[string]string{
		"https://127.0.0.1:2379":                               "https://127.0.0.1:2379",
		"https://a:1,https://b:2":                              "https://a:1,https://b:2",
		"https://u:CANARY@h:1,http://CANARY@g/path@x":          "https://h:1,http://g/path@x",
		"https://u:CAN,ARY@h:1,http://u:C;A@g?CANARY":          "https://h:1,http://g",
		"https://h?CANARY,https://g?CANARY":                    "https://h,https://g",
		"/events#https://u:CANARY@a:1;https://u:CANARY@b":      "/events#https://a:1;https://b",
		"/a#https://u:p@a;https://x,/b#http://c":               "/a#https://a;https://x,/b#http://c",
		"application/json,application/vnd.kubernetes.protobuf": "application/json,application/vnd.kubernetes.protobuf",
		"": "",
	} {
		if got := CleanList(in, ",;"); got != want {
			t.Errorf("%q: want %q, got %q", in, want, got)
		}
	}
}

// FuzzClean checks that what is before a host's "@" and after "?" is removed, and that
// nothing is added.
func FuzzClean(f *testing.F) {
	f.Add("me", "pass", "host.example", "/a/b", "token=x")
	f.Add("", "/?#@:", "h", "", "?")
	f.Fuzz(func(t *testing.T, user, password, host, path, query string) {
		plain := func(s string) bool {
			return !strings.ContainsFunc(s, func(r rune) bool {
				return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '.' || r == '/')
			})
		}
		if !plain(host) || !plain(path) || strings.Contains(host, "/") || strings.HasPrefix(path, "/") != (path != "") ||
			strings.ContainsFunc(user+password+query, ends) || strings.ContainsAny(user, "/?#@:[") || strings.Contains(query, "@") {
			return
		}
		in := "https://" + user + ":x" + password + "@" + host + path + "?" + query
		got, want := Clean(in), "https://"+host+path
		if strings.ContainsAny(password, "/?#@") { // which nobody else would read as a password
			want = got
		}
		if got != want && !strings.Contains(in, "@sha") || strings.Contains(got, ":x") {
			t.Errorf("%q: want %q, got %q", in, want, got)
		}
		if got := Clean(user + password + query); len(got) > len(user+password+query) {
			t.Errorf("%q is longer than %q", got, user+password+query)
		}
	})
}
