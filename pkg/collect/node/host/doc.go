// Package host reads what is installed on a node and what runs: os-release,
// running and installed kernels, the package database, and the package lists
// that the node fetched itself. It asks no network and starts no program, and
// it never judges.
//
// The rules for updates are apt's own, written anew from its manual pages
// (sources.list(5), apt_preferences(5), apt.conf(5), deb822(5), deb-control(5),
// deb-version(7)) and held against apt by tests: the names of lists against
// "apt-get indextargets", candidates against "apt-get -s dist-upgrade".
//
// Files named *_linux.go read; the others parse bytes and know no files.
package host
