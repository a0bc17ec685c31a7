package apk

import (
	"crypto/sha1" // the name of a file, not a secret
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/weburl"
)

// Bounds of the list of repositories.
const (
	maxConfig       = 1 << 20 // one file, bytes
	maxRepositories = 64
	maxExpanded     = 4096 // one URL, bytes
	maxVariables    = 64
)

// repository is one that a host uses.
type repository struct {
	url  string // of its directory, or a path; of its index if isIndex
	tag  string // "" for all packages, else only for those that world gives this tag
	from string // FILE:LINE
	// isIndex means that url is an index itself, and v3 that the index has the format
	// of apk 3, which is not read.
	isIndex, v3 bool
}

// repositories are those of some files of apk-repositories(5), in order.
type repositories struct {
	list []repository
	errs []error
	vars map[string]string
}

// parse adds one file. Errors name the line and never a URL, which may hold a
// password.
//
//	[@tag] URL                       apk 2: an http, https or ftp URL, or a path
//	set [-default] KEY=VALUE         apk 3
//	ndx [@tag] URL
//	[v2|v3] [@tag] URL [COMPONENT...]
func (r *repositories) parse(data []byte, path, arch string) {
	number := 0
	for line := range strings.SplitSeq(string(data), "\n") {
		number++
		words := strings.Fields(line)
		if len(words) == 0 || words[0][0] == '#' {
			continue
		}
		from := fmt.Sprintf("%s:%d", path, number)
		fail := func(expected string) { r.errs = append(r.errs, fmt.Errorf("%s: expected %s", from, expected)) }
		repo := repository{from: from}
		switch words[0] {
		case "set":
			if !r.set(words[1:], arch) {
				fail("set KEY=VALUE")
			}
			continue
		case "ndx", "v2", "v3":
			repo.isIndex, repo.v3 = words[0] == "ndx", words[0] == "v3"
			words = words[1:]
		}
		if len(words) > 0 && words[0][0] == '@' {
			repo.tag = words[0][1:]
			words = words[1:]
		}
		if len(words) == 0 {
			fail("a URL or a path")
			continue
		}
		url, ok := r.expand(words[0], arch)
		if !ok || !strings.HasPrefix(url, "/") && !strings.Contains(url, "://") {
			fail("a URL or a path whose variables are set")
			continue
		}
		repo.isIndex = repo.isIndex || strings.HasSuffix(url, ".adb") || strings.HasSuffix(url, ".tar.gz")
		repo.v3 = repo.v3 || strings.HasSuffix(url, ".adb")
		urls := []string{url}
		if components := words[1:]; len(components) > 0 {
			urls = nil
			for _, component := range components {
				component, ok := r.expand(component, arch)
				if !ok {
					fail("components whose variables are set")
					continue
				}
				urls = append(urls, strings.TrimRight(url, "/")+"/"+component)
				if len(urls) > maxRepositories {
					break
				}
			}
		}
		for _, url := range urls {
			if len(r.list) == maxRepositories {
				r.errs = append(r.errs, fmt.Errorf("%s: %w of %d repositories", from, rootfs.ErrTooLarge, maxRepositories))
				return
			}
			repo.url = url
			r.list = append(r.list, repo)
		}
	}
}

// set is "[-default] KEY=VALUE".
func (r *repositories) set(words []string, arch string) bool {
	keep := len(words) > 0 && words[0] == "-default"
	if keep {
		words = words[1:]
	}
	key, value, found := strings.Cut(strings.Join(words, " "), "=")
	value, ok := r.expand(value, arch)
	if !found || !ok || key == "" || strings.HasPrefix(key, "APK_") || len(r.vars) == maxVariables {
		return false
	}
	if _, is := r.vars[key]; is && keep {
		return true
	}
	if r.vars == nil {
		r.vars = map[string]string{}
	}
	r.vars[key] = value
	return true
}

// expand replaces ${KEY}. It is false for a variable that is not set.
func (r *repositories) expand(text, arch string) (string, bool) {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, "${")
		b.WriteString(before)
		if !found {
			return b.String(), b.Len() <= maxExpanded
		}
		key, after, found := strings.Cut(rest, "}")
		value, is := r.vars[key]
		if key == "APK_ARCH" {
			value, is = arch, true
		}
		if !found || !is || b.Len() > maxExpanded {
			return "", false
		}
		b.WriteString(value)
		text = after
	}
}

// name is what an archive is called in facts: its URL without a scheme, a password or
// a token.
func (r *repository) name() string {
	name := weburl.Clean(r.url)
	if _, rest, found := strings.Cut(name, "://"); found {
		name = rest
	}
	if r.tag != "" {
		name += " @" + r.tag
	}
	return name
}

// index is the URL or path of its index.
func (r *repository) index(arch string) string {
	if r.isIndex {
		return r.url
	}
	return strings.TrimRight(r.url, "/") + "/" + arch + "/APKINDEX.tar.gz"
}

// local is the path of the index of a repository on this host, "" for others.
func (r *repository) local(arch string) string {
	path := strings.TrimPrefix(r.index(arch), "file://")
	if !strings.HasPrefix(path, "/") {
		return ""
	}
	return path
}

// cached are the names that the index has in a cache: of apk 2, by the SHA-1 of the
// repository's URL, and of apk 3, by the SHA-256 of the index's URL.
func (r *repository) cached(arch string) []string {
	name := func(sum []byte) string { return "APKINDEX." + hex.EncodeToString(sum[:4]) + ".tar.gz" }
	two, three := sha1.Sum([]byte(r.url)), sha256.Sum256([]byte(r.index(arch)))
	names := []string{name(three[:]), name(two[:])}
	if trimmed := strings.TrimRight(r.url, "/"); trimmed != r.url {
		sum := sha1.Sum([]byte(trimmed))
		names = append(names, name(sum[:]))
	}
	return names
}
