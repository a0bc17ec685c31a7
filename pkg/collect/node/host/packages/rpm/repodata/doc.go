// Package repodata reads the metadata of an RPM repository as dnf, yum and zypper
// keep it on a host: which packages the repository has, and which advisories.
//
//	repomd.go       repomd.xml: the list of the other files, with their checksums
//	file.go         one of those files: found, unpacked and checked
//	primary.go      primary.xml: name, architecture, version, vendor and obsoletes
//	primarydb.go    the same from yum's primary_db.sqlite
//	updateinfo.go   updateinfo.xml: advisories and the packages that fix them
//	modules.go      modules.yaml: module streams, their packages, and defaults
//	xml.go          the scanner below all of these
//
// The formats have no standard: they are what createrepo_c writes and libsolv
// (ext/repo_rpmmd.c, ext/repo_updateinfoxml.c) reads; modules.yaml is libmodulemd's.
//
// Everything is streamed through one buffer. encoding/xml needs eight times as long
// and allocates for each element. The scanner here knows what such files have:
// elements, attributes, texts, comments and the five entities. It has no name
// spaces and refuses a DOCTYPE. Bytes that no field needs are passed over unread, so
// that it accepts some files that are not well-formed, but never one that is cut.
//
// Slices in what is handed to a callback are valid until the callback returns.
package repodata
