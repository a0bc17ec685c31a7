package components

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/internal/program"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// runtimeFiles are what a runtime reads, and the names of its settings in them.
var runtimeFiles = map[fact.ComponentProgram]struct {
	file, dir string
	keys      map[string]string // setting by key
	defaults  [][2]string
}{
	fact.ProgramContainerd: {
		file:     "/etc/containerd/config.toml",
		keys:     map[string]string{"stream_server_address": "stream_server_address", "stream_server_port": "stream_server_port", "enable_tls_streaming": "enable_tls_streaming"},
		defaults: [][2]string{{"stream_server_address", "127.0.0.1"}, {"stream_server_port", "0"}, {"enable_tls_streaming", "false"}},
	},
	fact.ProgramCRIO: {
		file: "/etc/crio/crio.conf", dir: "/etc/crio/crio.conf.d",
		keys: map[string]string{
			"stream_address": "stream-address", "stream_port": "stream-port", "stream_enable_tls": "stream-enable-tls",
			"stream_tls_cert": "stream-tls-cert", "stream_tls_key": "stream-tls-key", "stream_tls_ca": "stream-tls-ca",
		},
		defaults: [][2]string{{"stream-address", "127.0.0.1"}, {"stream-port", "0"}, {"stream-enable-tls", "false"}},
	},
}

// readRuntime reads how containerd or CRI-O serves streams (exec, attach, port-forward).
func readRuntime(c *component, proc *program.Program, words [][]byte) {
	about := runtimeFiles[c.facts.Program]
	c.flags(longRuntimeFlags(words))
	byFlag := map[string]bool{}
	for name := range c.settings {
		byFlag[name] = true
	}
	name, dir := about.file, about.dir
	if given := c.given(configFlag); given != "" {
		name = given
	}
	if given := c.given(configDirFlag); given != "" {
		dir = given
	}
	files := []string{name}
	if dir != "" {
		more, err := listFiles(proc, dir)
		if err != nil {
			c.unknown(unfollowed(rootfs.Text(dir), err))
		}
		files = append(files, more...)
		c.unknown("its CONTAINER_* variables are not read")
	}
	for _, file := range files {
		data, err := proc.ReadFile(file, program.MaxConfigFile)
		if errors.Is(err, fs.ErrNotExist) && file == about.file {
			continue
		}
		var found []fileSetting
		if err == nil {
			found, err = parseTOML(data, about.keys)
			clear(data)
		}
		if err != nil {
			c.unknown(unfollowed(rootfs.Text(file), err))
			continue
		}
		remark, ok := c.file(proc, file)
		if !ok {
			continue
		}
		for _, s := range found {
			if !byFlag[s.name] {
				c.set(s.name, s.value, rootfs.Text(file)+" "+s.field+remark)
			}
		}
	}
	for _, d := range about.defaults {
		c.fallback(d[0], d[1], "default of "+string(c.facts.Program))
	}
}

// longRuntimeFlags writes -c and -d as the flags that they stand for, and "-config" with
// two dashes, as both programs take it.
func longRuntimeFlags(words [][]byte) [][]byte {
	long := make([][]byte, len(words))
	for i, w := range words {
		name, value, has := strings.Cut(string(w), "=")
		switch name {
		case "-c", "-config":
			name = "--" + configFlag
		case "-d", "-config-dir":
			name = "--" + configDirFlag
		default:
			long[i] = w
			continue
		}
		if has {
			name += "=" + value
		}
		long[i] = []byte(name)
	}
	return long
}

// listFiles lists the files of a directory by name; a directory that does not exist has
// none.
func listFiles(proc *program.Program, dir string) ([]string, error) {
	root, err := proc.Root()
	if err != nil {
		return nil, err
	}
	entries, err := root.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var files []string
	for _, e := range entries { // sorted
		if e.IsDir() {
			continue
		}
		if files = append(files, path.Join(dir, e.Name)); len(files) > maxDropIns {
			return nil, rootfs.NewError(fact.Truncated, fmt.Sprintf("more than %d files", maxDropIns))
		}
	}
	return files, nil
}

var (
	errTOMLText    = rootfs.NewError(fact.Unsupported, "text of several lines is not read")
	errTOMLImports = rootfs.NewError(fact.Unsupported, "the files that it imports are not read")
	errTOMLValue   = rootfs.NewError(fact.Unsupported, "a value that is no plain text, number or switch")
)

// parseTOML finds settings in a TOML file, line by line: "key = value" with a plain text, a
// number or a switch, whatever table it is in. What cannot be read so is an error. Errors
// never quote the file.
func parseTOML(data []byte, keys map[string]string) ([]fileSetting, error) {
	if bytes.Contains(data, []byte(`"""`)) || bytes.Contains(data, []byte("'''")) {
		return nil, errTOMLText
	}
	var found []fileSetting
	for line := range bytes.SplitSeq(data, []byte{'\n'}) {
		rawKey, rawValue, ok := bytes.Cut(line, []byte{'='})
		if !ok {
			continue
		}
		key := strings.Trim(string(bytes.TrimSpace(rawKey)), `"'`)
		value := string(bytes.TrimSpace(rawValue))
		if key == "imports" && strings.TrimSpace(strings.Trim(value, "[]")) != "" {
			return nil, errTOMLImports
		}
		setting, wanted := keys[key]
		if !wanted {
			continue
		}
		text, err := tomlValue(value)
		if err != nil {
			return nil, err
		}
		found = append(found, fileSetting{setting, text, key})
	}
	return found, nil
}

// tomlValue reads a text without escapes, a number or a switch, and what may follow it: a
// comment.
func tomlValue(value string) (string, error) {
	rest := ""
	if value != "" && (value[0] == '"' || value[0] == '\'') {
		end := strings.IndexByte(value[1:], value[0])
		if end < 0 || strings.Contains(value[1:1+end], `\`) {
			return "", errTOMLValue
		}
		value, rest = value[1:1+end], value[end+2:]
	} else {
		value, _, _ = strings.Cut(value, "#")
		value = strings.TrimSpace(value)
		if value == "" || strings.Trim(value, "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
			return "", errTOMLValue
		}
	}
	if rest = strings.TrimSpace(rest); rest != "" && rest[0] != '#' {
		return "", errTOMLValue
	}
	return value, nil
}
