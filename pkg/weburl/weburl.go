// Package weburl removes secrets from URLs: the user information, which may hold a
// password, and the query, which may hold a token. It accepts any text, so that an
// error or a name with a URL in it can be shown.
package weburl

import "strings"

// Clean returns text without the user information, query and fragment of every
// URL in it ("SCHEME://..."). A URL ends at white space or a quote. An image's digest
// after "@" stays: docker-pullable://NAME@sha256:... has no user.
//
// URLs are read as net/url reads them. If net/url would refuse a URL because its
// password is not escaped, everything up to the last "@" counts as the password.
func Clean(text string) string {
	const mark = "://"
	if !strings.Contains(text, mark) {
		return text
	}
	var b strings.Builder
	for text != "" {
		before, rest, found := strings.Cut(text, mark)
		b.WriteString(before)
		if !found {
			break
		}
		b.WriteString(mark)
		end := strings.IndexFunc(rest, ends)
		if end < 0 {
			end = len(rest)
		}
		b.WriteString(cleanOne(rest[:end]))
		text = rest[end:]
	}
	return b.String()
}

// CleanList does the same for a list of URLs with separators between them, for example
// from a flag. A separator counts only before an element that is also a URL, because
// elsewhere it may be part of a password.
func CleanList(text, separators string) string {
	var b strings.Builder
	for text != "" {
		end := len(text)
		for i := range len(text) {
			if strings.IndexByte(separators, text[i]) < 0 {
				continue
			}
			next := text[i+1:]
			if j := strings.IndexAny(next, separators); j >= 0 {
				next = next[:j]
			}
			if strings.Contains(next, "://") {
				end = i
				break
			}
		}
		before, url, found := strings.Cut(text[:end], "://")
		b.WriteString(before)
		if found {
			b.WriteString("://" + cleanOne(url))
		}
		if end < len(text) {
			b.WriteByte(text[end])
			end++
		}
		text = text[end:]
	}
	return b.String()
}

// cleanOne cleans what follows "://".
func cleanOne(url string) string {
	host := len(url)
	if i := strings.IndexAny(url, "/?#"); i >= 0 {
		host = i
	}
	at := strings.LastIndexByte(url[:host], '@')
	if at < 0 && hasPassword(url[:host]) {
		// The password holds a slash or a similar character, which should have been
		// escaped.
		at = strings.LastIndexByte(url, '@')
	}
	if at >= 0 && !isDigest(url[at+1:]) {
		url = url[at+1:]
	}
	if i := strings.IndexAny(url, "?#"); i >= 0 {
		url = url[:i]
	}
	return url
}

// hasPassword reports whether there is more before the path than a host and a port.
func hasPassword(host string) bool {
	if i := strings.LastIndexByte(host, ']'); strings.HasPrefix(host, "[") && i > 0 {
		host = host[i+1:]
	}
	_, port, _ := strings.Cut(host, ":")
	return strings.Trim(port, "0123456789") != ""
}

func isDigest(text string) bool {
	return strings.HasPrefix(text, "sha256:") || strings.HasPrefix(text, "sha512:")
}

// ends reports whether r cannot be part of a URL in a text.
func ends(r rune) bool {
	return r <= ' ' || r == 0x7f || strings.ContainsRune("\"'`<>", r)
}
