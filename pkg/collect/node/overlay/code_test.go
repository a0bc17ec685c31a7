package overlay

import (
	"strings"
	"testing"
)

func headOf(content string) *head {
	h := new(head)
	h.n = copy(h.data[:], content)
	return h
}

func TestKindOf(t *testing.T) {
	zip := "PK\x03\x04" + strings.Repeat("\x00", 26)
	elfHeader := func(class, order, kind, high byte) string {
		return "\x7fELF" + string([]byte{class, order, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, kind, high})
	}
	for name, tc := range map[string]struct {
		file, content, want string
	}{
		"a program":                           {"x", elfHeader(2, 1, 2, 0), kindELF},
		"a program by its magic number alone": {"x", "\x7fELF", kindELF},
		"a library":                           {"libx.so.1", elfHeader(2, 1, 3, 0), kindLibrary},
		"a module of the kernel":              {"x.ko", elfHeader(2, 1, 1, 0), kindELF},
		"a core dump":                         {"core.17", elfHeader(2, 1, 4, 0), kindData},
		"a core dump, big-endian":             {"core", elfHeader(2, 2, 0, 4), kindData},
		"a program, big-endian":               {"x", elfHeader(2, 2, 4, 2), kindELF},
		"a library of text":                   {"libc.so", "/* GNU ld script", kindData},
		"a script":                            {"x", "#!/bin/sh", kindScript},
		"a script for python":                 {"x.py", "#!/usr/bin/python3", kindScript},
		"too short for a script":              {"x", "#!/", kindData},
		"python":                              {"x.py", "import os", kindCode},
		"an empty module of python":           {"__init__.py", "", kindData},
		"python, upper case":                  {"X.PY", "import os", kindCode},
		"php":                                 {"shell.php", "<?php", kindCode},
		"javascript":                          {"x.mjs", "1", kindCode},
		"a shell's source":                    {"x.sh", "id", kindCode},
		"a class":                             {"X.class", "\xca\xfe\xba\xbe\x00\x00\x00\x34", kindCode},
		"a class of another name":             {"x.txt", "\xca\xfe\xba\xbe\x00\x00\x00\x34", kindCode},
		"a text named like a class":           {"x.class", "class", kindData},
		"WebAssembly":                         {"x", "\x00asm\x01\x00\x00\x00", kindCode},
		"Dalvik":                              {"x.dex", "dex\n035\x00", kindCode},
		"Lua's byte code":                     {"x", "\x1bLuaT", kindCode},
		"python's byte code":                  {"x.pyc", "\xa7\x0d\r\n\x00\x00\x00\x00", kindCode},
		"no byte code":                        {"x.pyc", "text", kindData},
		"a jar":                               {"x.jar", zip, kindCode},
		"a jar of another name":               {"x.dat", zip + "META-INF/MANIFEST.MF", kindCode},
		"an archive that python runs":         {"x", zip + "__main__.py", kindCode},
		"a document":                          {"x.docx", zip + "[Content_Types].xml", kindData},
		"a text named like a jar":             {"x.jar", "text", kindData},
		".NET":                                {"x.dll", "MZ\x90\x00", kindCode},
		"text":                                {"x", "text", kindData},
		"nothing":                             {"x", "", kindData},
		"zeros":                               {"x", "\x00\x00\x00\x00", kindData},
	} {
		t.Run(name, func(t *testing.T) {
			if got := kindOf(tc.file, headOf(tc.content), int64(len(tc.content))); got != tc.want {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
}

func TestPlacesOfCode(t *testing.T) {
	for rel, want := range map[string]bool{
		"usr/bin/python": true, "bin/sh": true, "bin": true, "usr": true, "usr/local/sbin/x": true, "usr/local": true, "lib64": true,
		"usr/lib/x86_64-linux-gnu/libc.so.6": true, "lib/libc.so": true,
		"usr/lib/python3/x": false, "usr/bin/sub/x": false, "etc/alternatives/x": false, "tmp/libc.so": false, "opt": false, "usr/libexec": false, "binary": false,
	} {
		if got := leadsToCode(rel); got != want {
			t.Errorf("a link %s: %t, want %t", rel, got, want)
		}
	}
	for rel, want := range map[string]bool{
		"etc/ld.so.preload": true, "etc/ld.so.conf": true, "etc/ld.so.cache": true, "etc/ld.so.conf.d/x.conf": true, "etc/ld-musl-x86_64.path": true,
		"etc/ld.so.conf.d/x.conf.dpkg-old": false, "etc/ld.so.conf.d": false, "ld.so.preload": false, "tmp/etc/ld.so.preload": false, "etc/ld-musl-x": false,
	} {
		if got := isLoader(rel); got != want {
			t.Errorf("%s: %t, want %t", rel, got, want)
		}
	}
	for _, tc := range []struct {
		rel, content string
		executable   bool
		want         bool
	}{
		{"usr/bin/ls", "id", true, true},
		{"usr/bin/ls", "id", false, false},
		{"usr/bin/ls", "i\x00", true, false},
		{"usr/bin/ls", "", true, false},
		{"tmp/ls", "id", true, false},
	} {
		if got := shellRuns(tc.rel, headOf(tc.content), tc.executable); got != tc.want {
			t.Errorf("%+v: %t", tc, got)
		}
	}
}

// Whatever a file begins with, it has one of the kinds, and what the kernel or ld.so
// would load is never data.
func FuzzKindOf(f *testing.F) {
	f.Add("x.py", []byte("import os"))
	f.Add("libx.so.1", []byte("\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x03\x00"))
	f.Add("core", []byte("\x7fELF\x02\x02\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x04"))
	f.Add("x.jar", []byte("PK\x03\x04"))
	f.Add("x.pyc", []byte("\xa7\x0d\r\n"))
	f.Fuzz(func(t *testing.T, name string, content []byte) {
		got := kindOf(name, headOf(string(content)), int64(len(content)))
		switch got {
		case kindELF, kindLibrary, kindScript, kindCode, kindData:
		default:
			t.Fatalf("%q: kind %q", name, got)
		}
		elf := len(content) >= 18 && string(content[:4]) == "\x7fELF"
		// ET_EXEC and ET_DYN in either byte order.
		if kind := string(content[min(16, len(content)):min(18, len(content))]); elf && got == kindData && (kind == "\x02\x00" || kind == "\x03\x00") && content[5] != 2 {
			t.Fatalf("%q: a program is %s", name, got)
		}
		if len(content) >= 4 && string(content[:2]) == "#!" && got != kindScript {
			t.Fatalf("%q: a script is %s", name, got)
		}
	})
}
