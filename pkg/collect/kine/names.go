package kine

import "strings"

// plainPrefix reports whether a prefix of keys is text that can be shown.
func plainPrefix(b []byte) bool {
	if len(b) == 0 || len(b) > 256 {
		return false
	}
	for _, ch := range b {
		if ch <= 0x20 || ch > 0x7e {
			return false
		}
	}
	return true
}

// nearSecret reports whether a key is a Secret's except for one byte before the
// namespace, as after a flipped bit. The names after it must fit: there are groups like
// secrets-store.csi.x-k8s.io, but their keys have one more segment.
func nearSecret(key []byte, prefix string) bool {
	n := len(prefix) + len(secretsDir)
	if len(key) <= n {
		return false
	}
	off := 0
	for i := range n {
		want := byte(0)
		if i < len(prefix) {
			want = prefix[i]
		} else {
			want = secretsDir[i-len(prefix)]
		}
		if key[i] != want {
			if off++; off > 1 {
				return false
			}
		}
	}
	if off == 0 {
		return false
	}
	ns, name, ok := strings.Cut(string(key[n:]), "/")
	return ok && label(ns) && subdomain(name)
}

// label reports whether s is a DNS label (RFC 1123), as a namespace must be.
func label(s string) bool { return len(s) <= 63 && !strings.Contains(s, ".") && subdomain(s) }

// subdomain reports whether s is a DNS subdomain (RFC 1123), as a Secret's name must be.
func subdomain(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	alnum := func(b byte) bool { return b >= 'a' && b <= 'z' || b >= '0' && b <= '9' }
	for i := range len(s) {
		switch b := s[i]; {
		case alnum(b):
		case b == '-' || b == '.':
			// Not at the ends, and not next to a dot, except for dashes in a row.
			if i == 0 || i == len(s)-1 || !alnum(s[i-1]) && !(b == '-' && s[i-1] == '-') || b == '-' && s[i+1] == '.' {
				return false
			}
		default:
			return false
		}
	}
	return true
}
