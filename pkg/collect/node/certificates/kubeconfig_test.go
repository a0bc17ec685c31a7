package certificates

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

func TestClientCertificates(t *testing.T) {
	for name, tc := range map[string]struct {
		file            string
		embedded, files []string
	}{
		"nothing":                         {"", nil, nil},
		"kubeadm's form":                  {"users:\n- name: a\n  user:\n    client-certificate-data: QUJD\n    client-key-data: WFla\n", []string{"QUJD"}, nil},
		"the kubelet's form":              {"users:\n- user:\n    client-certificate: /var/lib/kubelet/pki/kubelet-client-current.pem\n    client-key: /k\n", nil, []string{"/var/lib/kubelet/pki/kubelet-client-current.pem"}},
		"two users":                       {"client-certificate-data: QQ==\nclient-certificate-data: Qg==\n", []string{"QQ==", "Qg=="}, nil},
		"JSON":                            {`{"users":[{"user":{"client-certificate-data":"QUJD","client-key-data":"WFla"}}]}`, []string{"QUJD"}, nil},
		"YAML on one line":                {"users: [{user: {client-certificate: a.crt, client-key: a.key}}]", nil, []string{"a.crt"}},
		"quotes":                          {"client-certificate: 'a b.crt'\n", nil, []string{"a b.crt"}},
		"a remark behind it":              {"client-certificate: a.crt # old\n", nil, []string{"a.crt"}},
		"a comment is none":               {"# client-certificate: a.crt\n  # client-certificate-data: QQ==\n", nil, nil},
		"a longer key is another one":     {"x-client-certificate: a\nclient-certificate-path: b\n", nil, nil},
		"an open quote is an empty value": {`client-certificate-data: "QUJD`, []string{""}, nil},
		"no value":                        {"client-certificate-data:\n", []string{""}, nil},
		"a token alone":                   {"users:\n- user:\n    token: secret\n", nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			found, files := clientCertificates([]byte(tc.file))
			var embedded []string
			for _, e := range found {
				embedded = append(embedded, string(e))
			}
			if diff := cmp.Diff([][]string{tc.embedded, tc.files}, [][]string{embedded, files}); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestNames(t *testing.T) {
	for name, want := range map[string]bool{
		"apiserver.crt": true, "ca.pem": true, "kubelet-client-current.pem": true, "apiserver-kubelet-client.cert": true, "kubelet.crt": true,
		"kubelet-client-2026-01-01-00-00-00.pem": false, "kubelet-server-2026-01-01-00-00-00.pem": false, "node-1-key.pem": false, "ca.key": false, "sa.pub": false,
	} {
		if got := certificateName(name); got != want {
			t.Errorf("%s: expected %v, found %v", name, want, got)
		}
	}
	for name, want := range map[string]string{
		"/etc/kubernetes/pki/etcd/server.crt":                  "etcd serving",
		"/var/lib/kubelet/pki/kubelet-client-current.pem":      "kubelet client",
		"/var/lib/rancher/k3s/server/tls/client-scheduler.crt": "client-scheduler",
	} {
		if got := useOf(name); got != want {
			t.Errorf("%s: expected %q, found %q", name, want, got)
		}
	}
}

// Whatever a file holds, nothing but base64 behind the one key and paths behind the other
// comes out, and all of it is in the file.
func FuzzClientCertificates(f *testing.F) {
	f.Add([]byte("users:\n- user:\n    client-certificate-data: QUJD\n    client-certificate: /a\n"))
	f.Add([]byte(`{"client-certificate-data":"QUJD"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		embedded, files := clientCertificates(data)
		for _, e := range embedded {
			if !bytes.Contains(data, e) || bytes.ContainsRune(e, '\n') && !bytes.ContainsAny(data, `"'`) {
				t.Fatalf("%q is not a value of the file", e)
			}
		}
		for _, name := range files {
			if !strings.Contains(string(data), name) {
				t.Fatalf("%q is not in the file", name)
			}
		}
		var file fact.CertificateFile
		parse(&file, data)
		if len(file.Certificates) > fact.MaxChain || file.Total < len(file.Certificates) {
			t.Fatal("not bounded")
		}
	})
}
