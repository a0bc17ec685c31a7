package certificates

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/crash"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// maxUsers bounds the client certificates of one kubeconfig.
const maxUsers = 16

// kubeconfigs reads the client certificates of kubeconfigs.
func (s *search) kubeconfigs() {
	for _, place := range configDirectories {
		var names []string
		over := false
		err := s.root.Each(place.dir, func(e rootfs.DirEntry) bool {
			if strings.HasSuffix(e.Name, place.suffix) && (e.Type.IsRegular() || e.Type == fs.ModeSymlink) {
				if over = len(names) == maxNames; over {
					return false
				}
				names = append(names, e.Name)
			}
			return true
		})
		if err != nil && !rootfs.Gone(err) && !errors.Is(err, rootfs.ErrNotDir) {
			s.gap(rootfs.ReasonOf(err), "%s was not read: %s", rootfs.Text(place.dir), rootfs.ErrorText(err))
		}
		if over {
			s.gap(fact.Truncated, "%s has more than %d files", rootfs.Text(place.dir), maxNames)
		}
		slices.Sort(names)
		for _, name := range names {
			if s.done() {
				return
			}
			s.kubeconfig(path.Join(place.dir, name))
		}
	}
}

// kubeconfig reads one.
func (s *search) kubeconfig(name string) {
	use := fmt.Sprintf("kubeconfig %s client", path.Base(name))
	f := fact.CertificateFile{Path: rootfs.Text(name), Use: rootfs.Text(use), By: "usual path"}
	defer func() {
		if v := recover(); v != nil {
			f.Reason, f.Detail = fact.Unsupported, "a bug in this program, not in the file: "+crash.Describe(v)
			s.add(f)
		}
	}()
	data, err := readFile(s.root, name)
	defer clear(data)
	if err != nil {
		if !rootfs.Gone(err) && !errors.Is(err, rootfs.ErrNotRegular) {
			f.Reason, f.Detail = rootfs.ReasonOf(err), rootfs.ErrorText(err)
			s.add(f)
		}
		return
	}
	embedded, files := clientCertificates(data)
	if len(embedded)+len(files) > maxUsers {
		f.Reason, f.Detail = fact.Truncated, fmt.Sprintf("more than %d client certificates", maxUsers)
		s.add(f)
		return
	}
	for i, text := range embedded {
		one := f
		if len(embedded) > 1 {
			one.Use = fmt.Sprintf("%s %d", one.Use, i+1)
		}
		pem, err := base64.StdEncoding.AppendDecode(nil, text)
		switch {
		case err != nil || len(text) == 0:
			one.Reason, one.Detail = fact.Corrupt, "expected base64 in client-certificate-data, found something else"
		default:
			if parse(&one, pem); one.Total == 0 {
				one.Reason, one.Detail = fact.Corrupt, "expected a certificate in client-certificate-data, found none"
			}
		}
		clear(pem)
		if bytes.Contains(data, []byte("client-key-data")) {
			s.access(&one, name)
		}
		s.add(one)
	}
	for _, file := range files {
		if !path.IsAbs(file) {
			file = path.Join(path.Dir(name), file)
		}
		s.file(s.root, path.Clean(file), rootfs.Text(use), "client-certificate of "+rootfs.Text(name), false)
	}
}

// The keys of a kubeconfig (k8s.io/client-go/tools/clientcmd/api/v1, AuthInfo).
var (
	embeddedKey = []byte("client-certificate-data")
	fileKey     = []byte("client-certificate")
)

// clientCertificates finds the client certificates of a kubeconfig in YAML or JSON: those
// that it holds, in base64, and the files that it names. It looks for the two keys and what
// is behind them on the line, so that nothing else of the file is decoded: a parser would
// make copies of keys and tokens. What it gives lies in data.
func clientCertificates(data []byte) (embedded [][]byte, files []string) {
	for rest := data; ; {
		i := bytes.Index(rest, fileKey)
		if i < 0 {
			return embedded, files
		}
		line := rest[bytes.LastIndexByte(rest[:i], '\n')+1 : i]
		comment := bytes.HasPrefix(bytes.TrimLeft(line, " \t"), []byte("#"))
		alone := i == 0 || bytes.IndexByte([]byte(" \t\n\r\"'{,"), rest[i-1]) >= 0
		rest = rest[i:]
		key := fileKey
		if bytes.HasPrefix(rest, embeddedKey) {
			key = embeddedKey
		}
		rest = rest[len(key):]
		value, ok := valueAfter(rest)
		if comment || !alone || !ok {
			continue
		}
		if len(key) == len(embeddedKey) {
			embedded = append(embedded, value)
		} else if len(value) > 0 {
			files = append(files, string(value))
		}
	}
}

// valueAfter is the scalar behind a key: after a quote, if the key has one, a colon, blanks,
// and a quote, if the value has one.
func valueAfter(rest []byte) ([]byte, bool) {
	rest = bytes.TrimLeft(rest, `"'`)
	rest, ok := bytes.CutPrefix(bytes.TrimLeft(rest, " \t"), []byte(":"))
	if !ok {
		return nil, false
	}
	rest = bytes.TrimLeft(rest, " \t")
	if len(rest) > 0 && (rest[0] == '"' || rest[0] == '\'') {
		end := bytes.IndexByte(rest[1:], rest[0])
		if end < 0 {
			return nil, true
		}
		return rest[1 : 1+end], true
	}
	if end := bytes.IndexAny(rest, "\r\n,}#"); end >= 0 {
		rest = rest[:end]
	}
	return bytes.TrimRight(rest, " \t"), true
}
