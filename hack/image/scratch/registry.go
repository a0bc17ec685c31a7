package scratch

import (
	"crypto/subtle"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// Registry serves images from memory over plain HTTP.
type Registry struct {
	handler  http.Handler
	user     string
	password string
}

// NewRegistry returns an empty registry that writes a line for each request to
// logTo. With a user, every request needs these credentials (HTTP basic).
func NewRegistry(logTo io.Writer, user, password string) *Registry {
	return &Registry{
		handler: registry.New(registry.Logger(log.New(logTo, "registry ", log.Ltime))),
		user:    user, password: password,
	}
}

// ServeHTTP implements http.Handler.
func (r *Registry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if r.user != "" {
		user, password, _ := req.BasicAuth()
		if subtle.ConstantTimeCompare([]byte(user+"\x00"+password), []byte(r.user+"\x00"+r.password)) != 1 {
			w.Header().Set("WWW-Authenticate", `Basic realm="hack/image"`)
			http.Error(w, `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`, http.StatusUnauthorized)
			return
		}
	}
	r.handler.ServeHTTP(w, req)
}

// Push puts an image into the registry that listens on addr, under
// repository:tag. source is a docker archive or the directory of an OCI layout. Of a
// layout it uses the first entry of index.json.
func (r *Registry) Push(addr net.Addr, repository, source string) error {
	ref, err := name.NewTag(addr.String()+"/"+repository, name.Insecure, name.WithDefaultTag("latest"))
	if err != nil {
		return fmt.Errorf("image name %q: %w", repository, err)
	}
	auth := remote.WithAuth(authn.Anonymous)
	if r.user != "" {
		auth = remote.WithAuth(&authn.Basic{Username: r.user, Password: r.password})
	}
	info, err := os.Stat(source)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		img, err := tarball.ImageFromPath(source, nil)
		if err != nil {
			return fmt.Errorf("reading the docker archive %s: %w", source, err)
		}
		return remote.Write(ref, img, auth)
	}
	root, err := layout.ImageIndexFromPath(source)
	if err != nil {
		return fmt.Errorf("reading the OCI layout %s: %w", source, err)
	}
	manifest, err := root.IndexManifest()
	if err != nil {
		return fmt.Errorf("reading %s: %w", filepath.Join(source, "index.json"), err)
	}
	if len(manifest.Manifests) == 0 {
		return fmt.Errorf("reading %s: expected a manifest, found none", filepath.Join(source, "index.json"))
	}
	first := manifest.Manifests[0]
	if strings.Contains(string(first.MediaType), "index") || strings.Contains(string(first.MediaType), "manifest.list") {
		index, err := root.ImageIndex(first.Digest)
		if err != nil {
			return err
		}
		return remote.WriteIndex(ref, index, auth)
	}
	img, err := root.Image(first.Digest)
	if err != nil {
		return err
	}
	return remote.Write(ref, img, auth)
}
