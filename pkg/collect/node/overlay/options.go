package overlay

import (
	"errors"
	"fmt"
	"strings"
)

// Options are the mount options of an overlay, as the program that mounted it
// gave them: a path may be relative to a directory that nobody recorded.
type Options struct {
	// Lowerdirs are in order, the topmost first. Datadirs hold data only and
	// have no names to look up (lowerdir=a::data, datadir+=data).
	Lowerdirs []string
	Datadirs  []string
	// Upperdir and Workdir are "" on an overlay that cannot be written.
	Upperdir string
	Workdir  string
	// ReadOnly is the super block's flag.
	ReadOnly bool
	// RedirectDir and Metacopy are what the options say; nil where they say
	// nothing, which means the kernel's module parameter.
	RedirectDir *bool
	Metacopy    *bool
}

// maxLayers bounds the lowerdirs: the kernel's OVL_MAX_STACK is 500.
const maxLayers = 500

var errTooManyLayers = errors.New("more than 500 lowerdirs")

// ParseOptions decodes the last field of an overlay's line in mountinfo
// (proc_pid_mountinfo(5), super options), raw as it stands there.
//
// Values are encoded twice. show_options writes a space, tab, newline, comma
// and backslash as octal, which is undone first. Below that, the mount option
// itself escapes: lowerdir separates layers by ':' and data layers by "::", so
// a colon in a name is `\:`; mount(2) separates options, so a comma is `\,`;
// and a backslash is `\\`. A lowerdir+ or datadir+ of the new mount API is one path as it is.
func ParseOptions(super string) (Options, error) {
	var o Options
	for field := range strings.SplitSeq(super, ",") {
		key, raw, _ := strings.Cut(field, "=")
		value := unescapeOctal(raw)
		switch key {
		case "ro":
			o.ReadOnly = true
		case "upperdir":
			o.Upperdir = unescapeBackslash(value)
		case "workdir":
			o.Workdir = unescapeBackslash(value)
		case "lowerdir":
			lower, data := splitLayers(value)
			o.Lowerdirs = append(o.Lowerdirs, lower...)
			o.Datadirs = append(o.Datadirs, data...)
		case "lowerdir+":
			o.Lowerdirs = append(o.Lowerdirs, value)
		case "datadir+":
			o.Datadirs = append(o.Datadirs, value)
		case "redirect_dir":
			// follow and nofollow never create a redirect.
			on := value == "on"
			o.RedirectDir = &on
		case "metacopy":
			on := value == "on"
			o.Metacopy = &on
		}
	}
	if len(o.Lowerdirs)+len(o.Datadirs) > maxLayers {
		return Options{}, fmt.Errorf("overlay options: %w", errTooManyLayers)
	}
	if len(o.Lowerdirs) == 0 {
		return Options{}, fmt.Errorf("overlay options: expected a lowerdir, found %.200q", super)
	}
	for _, dir := range o.Lowerdirs {
		if dir == "" {
			return Options{}, fmt.Errorf("overlay options: an empty lowerdir in %.200q", super)
		}
	}
	return o, nil
}

// unescapeOctal undoes seq_escape: a backslash and three octal digits are a
// byte. Anything else is taken as it is.
func unescapeOctal(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) && s[i+1] >= '0' && s[i+1] <= '3' && isOctal(s[i+2]) && isOctal(s[i+3]) {
			b.WriteByte((s[i+1]-'0')<<6 | (s[i+2]-'0')<<3 | (s[i+3] - '0'))
			i += 3
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func isOctal(c byte) bool { return c >= '0' && c <= '7' }

// unescapeBackslash is the kernel's ovl_unescape: a backslash means the byte
// after it.
func unescapeBackslash(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// splitLayers takes a lowerdir option apart at the colons that are not
// escaped. What follows the first "::" are data layers.
func splitLayers(s string) (lower, data []string) {
	start, inData := 0, false
	add := func(end int) {
		part := unescapeBackslash(s[start:end])
		if inData {
			data = append(data, part)
		} else {
			lower = append(lower, part)
		}
	}
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case ':':
			add(i)
			if i+1 < len(s) && s[i+1] == ':' {
				inData = true
				i++
			}
			start = i + 1
		}
	}
	add(len(s))
	return lower, data
}
