package volatile

import (
	"strings"
	"testing"
)

func TestReason(t *testing.T) {
	for path, want := range map[string]string{
		// What containers write while nobody changes them.
		"/run/nginx.pid":                        "state of running programs: pid files, sockets, locks, secrets that a runtime mounts",
		"/var/run/utmp":                         "state of running programs: pid files, sockets, locks",
		"/run/secrets/kubernetes.io/x":          "state of running programs: pid files, sockets, locks, secrets that a runtime mounts",
		"/var/log/nginx/access.log":             "logs",
		"/var/cache/nginx/client_temp/0000001":  "caches, which programs build again",
		"/usr/local/tomcat/logs/catalina.out":   "a program's logs",
		"/home/app/.cache/fontconfig/x":         "a user's cache",
		"/root/.bash_history":                   "what was typed into a shell or another program",
		"/root/.python_history":                 "what was typed into a shell or another program",
		"/etc/.pwd.lock":                        "a lock",
		"/app/server.pid":                       "a pid file",
		"/etc/mtab":                             "the runtime makes it, as a link to /proc/mounts",
		"/tmp/x":                                "temporary files",
		"/var/lib/apt/lists/partial/x":          "lists that apt downloads",
		"/var/lib/dpkg/status":                  "a package database, which is compared by packages",
		"/lib/apk/db/installed":                 "a package database, which is compared by packages",
		"/srv/app.log":                          "a log",
		"/dev/termination-log":                  "the runtime mounts devices over it",
		"/etc/resolv.conf":                      "the runtime makes it",
		"/var/www/html/var/cache/prod/pools.db": "a program's cache",
		// What somebody changed.
		"/etc/passwd":                    "",
		"/etc/hosts.allow":               "",
		"/etc/cron.d/x":                  "",
		"/var/spool/cron/crontabs/root":  "",
		"/root/.ssh/authorized_keys":     "",
		"/root/.bashrc":                  "",
		"/var/lib/postgresql/data/x":     "",
		"/var/lib/dpkg":                  "",
		"/usr/share/nginx/html/x.html":   "",
		"/app/changelog":                 "",
		"/app/log":                       "",
		"/app/catalog/x":                 "",
		"/var/logs":                      "",
		"/runtime/x":                     "",
		"/tmpfile":                       "",
		"/etc/mtab.d":                    "",
		"/app/history":                   "",
		"/usr/lib/sysimage/rpmnew/x":     "",
		"/etc/nginx/conf.d/default.conf": "",
	} {
		if got := Reason(path); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

// A rule that none of its paths reaches, because one before it matches them all,
// explains nothing.
func TestRules(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range Rules() {
		if r.Reason == "" || strings.HasSuffix(r.Reason, ".") || seen[r.Pattern] {
			t.Errorf("rule %+v: expected a pattern of its own and a reason without a full stop", r)
		}
		seen[r.Pattern] = true
		example := "/srv/" + strings.ReplaceAll(r.Pattern, "*", "x")
		if r.Pattern[0] == '/' {
			example = r.Pattern
		}
		if strings.HasSuffix(example, "/") {
			example += "file"
		}
		if got := Reason(example); got != r.Reason {
			t.Errorf("%s: %q, want the reason of %q", example, got, r.Pattern)
		}
	}
}
