package atrest

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"net"
	"path/filepath"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	v1beta1 "k8s.io/kms/apis/v1beta1"
	v2 "k8s.io/kms/apis/v2"
)

// plugin is a key management service of both versions of its API, with a key of its own.
type plugin struct {
	v2.UnimplementedKeyManagementServiceServer
	aead     cipher.AEAD
	keyID    atomic.Pointer[string]
	endpoint string
}

// startPlugin serves it on a socket below dir, until the test ends.
func startPlugin(t *testing.T, dir string) *plugin {
	t.Helper()
	key := make([]byte, 32)
	rand.Read(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	p := &plugin{}
	if p.aead, err = cipher.NewGCM(block); err != nil {
		t.Fatal(err)
	}
	p.rotate("key-id-1")
	socket := filepath.Join(dir, "kms.sock")
	p.endpoint = "unix://" + socket
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	v2.RegisterKeyManagementServiceServer(server, p)
	v1beta1.RegisterKeyManagementServiceServer(server, old{plugin: p})
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return p
}

// rotate makes id the key that encrypts.
func (p *plugin) rotate(id string) { p.keyID.Store(&id) }

func (p *plugin) seal(plain []byte) []byte {
	nonce := make([]byte, p.aead.NonceSize())
	rand.Read(nonce)
	return p.aead.Seal(nonce, nonce, plain, nil)
}

func (p *plugin) open(sealed []byte) ([]byte, error) {
	n := p.aead.NonceSize()
	if len(sealed) < n {
		return nil, errors.New("too short")
	}
	return p.aead.Open(nil, sealed[:n], sealed[n:], nil)
}

func (p *plugin) Status(context.Context, *v2.StatusRequest) (*v2.StatusResponse, error) {
	return &v2.StatusResponse{Version: "v2", Healthz: "ok", KeyId: *p.keyID.Load()}, nil
}

func (p *plugin) Encrypt(_ context.Context, r *v2.EncryptRequest) (*v2.EncryptResponse, error) {
	return &v2.EncryptResponse{
		Ciphertext: p.seal(r.Plaintext), KeyId: *p.keyID.Load(),
		Annotations: map[string][]byte{"a.example.com": []byte("x")},
	}, nil
}

func (p *plugin) Decrypt(_ context.Context, r *v2.DecryptRequest) (*v2.DecryptResponse, error) {
	plain, err := p.open(r.Ciphertext)
	return &v2.DecryptResponse{Plaintext: plain}, err
}

// old is the plugin's first version of the API.
type old struct {
	v1beta1.UnimplementedKeyManagementServiceServer
	plugin *plugin
}

func (o old) Version(context.Context, *v1beta1.VersionRequest) (*v1beta1.VersionResponse, error) {
	return &v1beta1.VersionResponse{Version: "v1beta1", RuntimeName: "test", RuntimeVersion: "1"}, nil
}

func (o old) Encrypt(_ context.Context, r *v1beta1.EncryptRequest) (*v1beta1.EncryptResponse, error) {
	return &v1beta1.EncryptResponse{Cipher: o.plugin.seal(r.Plain)}, nil
}

func (o old) Decrypt(_ context.Context, r *v1beta1.DecryptRequest) (*v1beta1.DecryptResponse, error) {
	plain, err := o.plugin.open(r.Cipher)
	return &v1beta1.DecryptResponse{Plain: plain}, err
}
