package program

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// canary stands for every secret that a configuration file can hold.
const canary = "CANARYVALUE"

// keeps names some of k3s' settings.
func keeps(name string) bool {
	return slices.Contains([]string{"data-dir", "datastore-endpoint", "secrets-encryption", "kube-apiserver-arg", "disable-apiserver"}, name)
}

func TestParseK3sConfig(t *testing.T) {
	for name, tc := range map[string]struct {
		files []string
		want  map[string][]string
	}{
		"one file": {
			[]string{"token: " + canary + "\nsecrets-encryption: true\nkube-apiserver-arg:\n- audit-log-path=/log\n- etcd-prefix=/x\n"},
			map[string][]string{"secrets-encryption": {"true"}, "kube-apiserver-arg": {"audit-log-path=/log", "etcd-prefix=/x"}},
		},
		"a later file replaces": {[]string{"data-dir: /a\n", "data-dir: /b\n"}, map[string][]string{"data-dir": {"/b"}}},
		"a later file adds": {
			[]string{"kube-apiserver-arg: [a=1]\n", "kube-apiserver-arg+: [b=2]\n"}, map[string][]string{"kube-apiserver-arg": {"a=1", "b=2"}},
		},
		"an empty file": {[]string{""}, map[string][]string{}},
		"only comments": {[]string{"# " + canary + "\n"}, map[string][]string{}},
	} {
		t.Run(name, func(t *testing.T) {
			got := map[string][]string{}
			for _, file := range tc.files {
				if err := parseK3sConfig([]byte(file), keeps, got); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("settings (-want +got):\n%s", diff)
			}
		})
	}
	for _, text := range []string{"- " + canary, canary, "data-dir: {a: " + canary + "}", "a: b: " + canary} {
		if err := parseK3sConfig([]byte(text), keeps, map[string][]string{}); err == nil || strings.Contains(err.Error(), canary) {
			t.Errorf("%q: error %v; want one that does not quote it", text, err)
		}
	}
}

func TestDatastoreScheme(t *testing.T) {
	for endpoint, want := range map[string]string{
		"mysql://u:" + canary + "@tcp(h:3306)/k3s":    "mysql",
		"postgres://u:" + canary + "@h:5432/k3s":      "postgres",
		"nats://" + canary:                            "nats",
		"https://h:2379,https://i:2379":               "https",
		"u:" + canary + "@tcp(h:3306)/k3s":            "unknown",
		canary + "://x":                               "unknown",
		"":                                            "sqlite",
		"sqlite:///var/lib/state.db?_journal=WAL":     "sqlite",
		"postgresql://u:" + canary + "@h/k3s?ssl=off": "postgresql",
	} {
		if got := DatastoreScheme(endpoint); got != want {
			t.Errorf("%q: %q, want %q", endpoint, got, want)
		}
	}
}

func FuzzParseK3sConfig(f *testing.F) {
	f.Add([]byte("token: x\nsecrets-encryption: true\nkube-apiserver-arg+:\n- a=b\ndata-dir: /x\n"))
	f.Add([]byte(`{"datastore-endpoint":"mysql://u:p@tcp(h)/x","disable-apiserver":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		got := map[string][]string{}
		if err := parseK3sConfig(data, keeps, got); err != nil && strings.Contains(err.Error(), "bug in this program") {
			t.Error(err)
		}
		for name := range got {
			if !keeps(name) {
				t.Errorf("flag %q is not on the list", name)
			}
		}
	})
}
