package components

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// canary stands for every secret that a file or a flag can hold.
const canary = "CANARYVALUE"

func TestEveryProgramHasSettings(t *testing.T) {
	for name, is := range names {
		if s := specs[is]; len(s.values) == 0 {
			t.Errorf("%s: no settings of %s are on a list", name, is)
		}
	}
	for is, s := range specs {
		for _, list := range [][]string{s.lists, s.urls} {
			for _, name := range list {
				if !slices.Contains(s.values, name) && name != kubeconfigServer {
					t.Errorf("%s: %s is not among its values", is, name)
				}
			}
		}
	}
}

func TestParseKubelet(t *testing.T) {
	const head = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n"
	for name, tc := range map[string]struct {
		text   string
		dropIn bool
		want   string // "field=value ..." or the error
	}{
		"nothing but the kind":              {head, false, ""},
		"every type":                        {head + "readOnlyPort: 10255\ntlsMinVersion: a\ntlsCipherSuites: [A, B]\nserverTLSBootstrap: true\n", false, "readOnlyPort=10255 tlsCipherSuites=A,B tlsMinVersion=a serverTLSBootstrap=true"},
		"JSON":                              {`{"apiVersion":"kubelet.config.k8s.io/v1beta1","kind":"KubeletConfiguration","port":1}`, false, "port=1"},
		"null":                              {head + "authorization: {mode: null}\nauthentication: null\n", true, "authentication.anonymous.enabled=null authentication.webhook.enabled=null authentication.x509.clientCAFile=null authorization.mode=null"},
		"other letters in a file":           {head + "ReadOnlyPort: 10255\n", false, ""},
		"other letters in a drop-in":        {head + "ReadOnlyPort: 10255\n", true, errOtherCase.Error()},
		"other letters deep in a drop-in":   {head + "authentication: {Anonymous: {enabled: true}}\n", true, errOtherCase.Error()},
		"no kind":                           {"port: 1\n", false, errKubeletKind.Error()},
		"an older version":                  {"apiVersion: kubelet.config.k8s.io/v1alpha1\nkind: KubeletConfiguration\n", false, errKubeletKind.Error()},
		"a number that is text":             {head + "port: '" + canary + "'\n", false, "port: expected a whole number"},
		"a number with a fraction":          {head + "port: 1.5\n", false, "port: expected a whole number"},
		"a switch that is text":             {head + "serverTLSBootstrap: " + canary + "\n", false, "serverTLSBootstrap: expected true or false"},
		"a list that is text":               {head + "tlsCipherSuites: " + canary + "\n", false, "tlsCipherSuites: expected a list of text"},
		"text that is a list":               {head + "tlsMinVersion: [" + canary + "]\n", false, "tlsMinVersion: expected text"},
		"a section that is text":            {head + "authentication: " + canary + "\n", false, "authentication: expected an object"},
		"a list":                            {"- " + canary + "\n", false, "expected an object"},
		"not YAML":                          {"a: b: " + canary, false, "expected YAML or JSON"},
		"empty":                             {"", false, errKubeletKind.Error()},
		"only the first document counts":    {head + "port: 1\n---\n" + head + "port: 2\n", false, "port=1"},
		"of a field given twice the second": {head + "port: 1\nport: 2\n", false, "port=2"},
	} {
		t.Run(name, func(t *testing.T) {
			found, err := parseKubelet([]byte(tc.text), tc.dropIn)
			var got []string
			for _, v := range found {
				if v.null {
					v.value = "null"
				}
				got = append(got, v.field.field+"="+v.value)
			}
			if err != nil {
				got = []string{err.Error()}
			}
			if text := strings.Join(got, " "); text != tc.want {
				t.Errorf("expected %q, found %q", tc.want, text)
			}
		})
	}
}

func TestParseKubeconfig(t *testing.T) {
	const rest = "\ncontexts: [{name: b, context: {cluster: c2}}, {name: a, context: {cluster: c1}}]\nclusters: [{name: c2, cluster: {server: 'https://y:1'}}, {name: c1, cluster: {server: 'https://x:1', insecure-skip-tls-verify: true}}]\nusers: [{name: u, user: {token: " + canary + "}}]\n"
	for name, tc := range map[string]struct{ text, want string }{
		"the current context":           {"current-context: a" + rest, "https://x:1 true"},
		"another one":                   {"current-context: b" + rest, "https://y:1 false"},
		"no current context":            {rest, " false"},
		"a context that does not exist": {"current-context: c" + rest, " false"},
		"empty":                         {"", " false"},
		"a field of another type":       {"clusters: " + canary + "\n", "expected a kubeconfig: a field of another type"},
		"not YAML":                      {"a: b: " + canary, "expected YAML or JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			server, insecure, err := parseKubeconfig([]byte(tc.text))
			got := fmt.Sprint(server, " ", insecure)
			if err != nil {
				got = err.Error()
			}
			if got != tc.want {
				t.Errorf("expected %q, found %q", tc.want, got)
			}
		})
	}
}

func TestParseTOML(t *testing.T) {
	keys := map[string]string{"a": "a", "b": "b"}
	for name, tc := range map[string]struct{ text, want string }{
		"text, numbers and switches":    {"a = \"x y\" # c\n[t]\n b='z'\nc = \"" + canary + "\"\n", "a=x y b=z"},
		"plain values":                  {"a = true\nb = 10 # c\n", "a=true b=10"},
		"a quoted key":                  {"\"a\" = 'x'\n", "a=x"},
		"a commented line":              {"# a = \"" + canary + "\"\n", ""},
		"no imports":                    {"imports = []\na = 1\n", "a=1"},
		"imports":                       {"imports = [\"" + canary + "\"]\n", errTOMLImports.Error()},
		"text of several lines":         {"c = \"\"\"\na = 1\n\"\"\"\n", errTOMLText.Error()},
		"an escape":                     {`a = "\u0041"` + "\n", errTOMLValue.Error()},
		"a list":                        {"a = [\"" + canary + "\"]\n", errTOMLValue.Error()},
		"text that does not end":        {"a = \"" + canary + "\n", errTOMLValue.Error()},
		"something after a text":        {"a = \"x\" \"" + canary + "\"\n", errTOMLValue.Error()},
		"nothing":                       {"", ""},
		"a value that is not there":     {"a =\n", errTOMLValue.Error()},
		"Windows' ends of lines":        {"a = \"x\"\r\nb = 1\r\n", "a=x b=1"},
		"a comment directly after text": {"a = \"x\"#c\n", "a=x"},
	} {
		t.Run(name, func(t *testing.T) {
			found, err := parseTOML([]byte(tc.text), keys)
			var got []string
			for _, s := range found {
				got = append(got, s.name+"="+s.value)
			}
			if err != nil {
				got = []string{err.Error()}
			}
			if text := strings.Join(got, " "); text != tc.want {
				t.Errorf("expected %q, found %q", tc.want, text)
			}
		})
	}
}

func TestHostPort(t *testing.T) {
	for url, want := range map[string]string{
		"https://10.0.0.1:6443":        "10.0.0.1 6443 true",
		"https://10.0.0.1":             "10.0.0.1 443 true",
		"https://[fd00::1]:6443/a":     "fd00::1 6443 true",
		"https://[fd00::1]":            "fd00::1 443 true",
		"https://api.example.org:99/x": "api.example.org 99 true",
		"10.0.0.1:6443":                " 0 false",
		"https://a:0":                  "a 0 false",
		"https://a:70000":              "a 70000 false",
		"https://a:b":                  "a 0 false",
	} {
		host, port, ok := hostPort(url)
		if got := fmt.Sprint(host, " ", port, " ", ok); got != want {
			t.Errorf("%s: expected %q, found %q", url, want, got)
		}
	}
}

// A value too long to show is unknown, not cut: half a list of suites says something else.
func TestLongValue(t *testing.T) {
	c := newComponent(fact.ProgramAPIServer)
	c.flags([][]byte{[]byte("kube-apiserver"), []byte("--bind-address=::"), []byte("--tls-cipher-suites=" + strings.Repeat("A", maxValue+1))})
	got := c.done()
	want := fact.Component{
		Program: fact.ProgramAPIServer, Settings: []fact.Setting{{Name: "bind-address", Value: "::", From: "--bind-address"}},
		Unfollowed: "--tls-cipher-suites: expected at most 4096 bytes, found 4097",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("component (-want +got):\n%s", diff)
	}
}

// words splits a fuzzer's text at NULs, as a command line is.
func words(data []byte) (all [][]byte) {
	for word := range strings.SplitSeq("name\x00"+string(data), "\x00") {
		all = append(all, []byte(word))
	}
	return all
}

// Only settings on the list are kept, and nothing that looks like user information.
func FuzzFlags(f *testing.F) {
	f.Add([]byte("--client-cert-auth\x00-listen-client-urls\x00https://u:p@a:1,http://b\x00--auto-tls=1"))
	f.Add([]byte("--etcd_servers=http://u:p@a:1\x00--tls-cipher-suites\x00A,B\x00--tls-cipher-suites=C\x00--\x00--x"))
	f.Add([]byte("--kubelet-arg=x=y\x00-d\x00/x\x00--datastore-endpoint=mysql://u:p@tcp(h)/k"))
	f.Fuzz(func(t *testing.T, data []byte) {
		for is, spec := range specs {
			for way, read := range map[string]func(*component){
				"pflag": func(c *component) { c.flags(words(data)) },
				"flag":  func(c *component) { c.goFlags(words(data)) },
			} {
				c := newComponent(is)
				read(c)
				for _, s := range c.done().Settings {
					if !slices.Contains(spec.values, s.Name) && !slices.Contains(spec.bools, s.Name) {
						t.Errorf("%s by %s: setting %q is not on the list", is, way, s.Name)
					}
					if slices.Contains(spec.urls, s.Name) && strings.Contains(s.Value, "@") {
						t.Errorf("%s by %s: %q keeps user information", is, way, s.Value)
					}
					if len(s.Value) > 6*maxValue {
						t.Errorf("%s by %s: a value of %d bytes", is, way, len(s.Value))
					}
				}
			}
		}
	})
}

func FuzzFiles(f *testing.F) {
	f.Add([]byte("apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nauthentication: {anonymous: {enabled: true}, x509: {clientCAFile: a}}\ntlsCipherSuites: [A]\nport: 1\n"))
	f.Add([]byte("listen-client-urls: http://a:1\nclient-transport-security: {client-cert-auth: true, cert-file: a}\npeer-transport-security: {allowed-cn: [a]}\n"))
	f.Add([]byte(`{"apiVersion":"kubecontrolplane.config.openshift.io/v1","kind":"KubeAPIServerConfig","apiServerArguments":{"tls_min_version":["a",1,true]},"servingInfo":{"bindAddress":"[::]:1"}}`))
	f.Add([]byte("current-context: a\ncontexts: [{name: a, context: {cluster: k}}]\nclusters: [{name: k, cluster: {server: 'https://a:1'}}]\n"))
	f.Add([]byte("imports = []\n[a]\nstream_server_address = \"a\" # b\nenable_tls_streaming = true\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		bug := func(what string, err error, none bool) {
			if err != nil && (strings.Contains(err.Error(), "bug in this program") || !none) {
				t.Errorf("%s: error %v, and a result: %v", what, err, !none)
			}
		}
		for _, dropIn := range []bool{false, true} {
			found, err := parseKubelet(data, dropIn)
			bug("kubelet", err, found == nil)
		}
		found, err := parseEtcd(data)
		bug("etcd", err, found == nil)
		for _, s := range found {
			if spec := specs[fact.ProgramEtcd]; !slices.Contains(spec.values, s.name) && !slices.Contains(spec.bools, s.name) {
				t.Errorf("etcd: setting %q is not on the list", s.name)
			}
		}
		found, err = parseOpenShift(data, "/etc", specs[fact.ProgramAPIServer])
		bug("OpenShift", err, found == nil)
		for _, s := range found {
			if spec := specs[fact.ProgramAPIServer]; !slices.Contains(spec.values, s.name) && !slices.Contains(spec.bools, s.name) {
				t.Errorf("OpenShift: setting %q is not on the list", s.name)
			}
		}
		server, insecure, err := parseKubeconfig(data)
		bug("kubeconfig", err, server == "" && !insecure)
		found, err = parseTOML(data, runtimeFiles[fact.ProgramContainerd].keys)
		bug("TOML", err, found == nil)
		_, _, _ = hostPort(string(data))
	})
}
