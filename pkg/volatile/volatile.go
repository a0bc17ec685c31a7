// Package volatile knows the files without code that programs and runtimes write in an
// untouched container: logs, caches, pid files, locks, temporary files, and what a
// runtime makes before the container starts. They are counted, not listed. Code is
// never volatile, wherever it lies: the caller has to know that a file holds none.
package volatile

import "strings"

// Rule is one line of the policy.
type Rule struct {
	// Pattern says which paths: "/dir/" for what lies below a directory, "/file" for one
	// file, "name/" for what lies below a directory of that name anywhere, "name" and
	// "*suffix" for files of such a name anywhere.
	Pattern string
	// Reason is why such files are there, for people.
	Reason string
}

// Rules lists the policy. The first rule that matches counts.
func Rules() []Rule { return append([]Rule(nil), rules...) }

// ByRuntime begins the reason of what a runtime makes, and no program of the container.
const ByRuntime = "the runtime "

var rules = []Rule{
	{"/.dockerenv", "the runtime makes it"},
	{"/run/.containerenv", "the runtime makes it"},
	{"/etc/hosts", "the runtime makes it"},
	{"/etc/hostname", "the runtime makes it"},
	{"/etc/resolv.conf", "the runtime makes it"},
	{"/etc/mtab", "the runtime makes it, as a link to /proc/mounts"},
	{"/dev/", "the runtime mounts devices over it"},
	{"/proc/", "the runtime mounts processes over it"},
	{"/sys/", "the runtime mounts the kernel's objects over it"},
	{"/run/", "state of running programs: pid files, sockets, locks, secrets that a runtime mounts"},
	{"/var/run/", "state of running programs: pid files, sockets, locks"},
	{"/var/lock/", "locks"},
	{"/tmp/", "temporary files"},
	{"/var/tmp/", "temporary files"},
	{"/var/log/", "logs"},
	{"/var/cache/", "caches, which programs build again"},
	{"/var/lib/apt/lists/", "lists that apt downloads"},
	// Package databases are compared by the names of packages (fact.PackageChange).
	{"/var/lib/dpkg/", "a package database, which is compared by packages"},
	{"/lib/apk/db/", "a package database, which is compared by packages"},
	{"/usr/lib/apk/db/", "a package database, which is compared by packages"},
	{"/var/lib/rpm/", "a package database, which is compared by packages"},
	{"/usr/lib/sysimage/rpm/", "a package database, which is compared by packages"},
	{".cache/", "a user's cache"},
	{"cache/", "a program's cache"},
	{"caches/", "a program's cache"},
	{"log/", "a program's logs"},
	{"logs/", "a program's logs"},
	{"tmp/", "temporary files"},
	{"temp/", "temporary files"},
	{"*.pid", "a pid file"},
	{"*.lock", "a lock"},
	{"*.lck", "a lock"},
	{"*.log", "a log"},
	{"*.tmp", "a temporary file"},
	{"*.swp", "an editor's temporary file"},
	{"*_history", "what was typed into a shell or another program"},
	{".lesshst", "what was typed into less"},
	{".viminfo", "what was typed into vim"},
	{".wget-hsts", "wget's cache"},
	{".rnd", "a random seed"},
}

// Reason returns why a file at an absolute, clean path is volatile, "" if it is not.
func Reason(file string) string {
	base := file[strings.LastIndexByte(file, '/')+1:]
	for i := range rules {
		if rules[i].matches(file, base) {
			return rules[i].Reason
		}
	}
	return ""
}

func (r *Rule) matches(file, base string) bool {
	p := r.Pattern
	dir := strings.HasSuffix(p, "/")
	switch {
	case p[0] == '/' && dir:
		return strings.HasPrefix(file, p)
	case p[0] == '/':
		return file == p
	case dir:
		return below(file, p)
	case p[0] == '*':
		return strings.HasSuffix(base, p[1:])
	}
	return base == p
}

// below reports a directory of that name, which ends in a slash, above the file.
func below(file, name string) bool {
	for at := 0; ; {
		i := strings.Index(file[at:], name)
		if i < 0 {
			return false
		}
		if at += i; at > 0 && file[at-1] == '/' {
			return true
		}
		at++
	}
}
