package cluster

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

const (
	// The SHA-256 of "testAPIServerID".
	idHash     = "sha256:14f9d63e669337ac6bfda2e2162915ee6a6067743eddd4e5c374b572f951ff37"
	loadedHash = "sha256:3c607df3b2bf22c9d9f01d5314b4bbf411c48ef43ff44ff29b1d55b41367c795"
)

// info is what an API server of 1.37 serves, with lines before and after it.
func info(labels, value string) string {
	return "# HELP apiserver_admission_step_admission_duration_seconds x\n" +
		"apiserver_admission_step_admission_duration_seconds_bucket{le=\"0.005\"} 7\n" +
		"# HELP " + configInfo + " [ALPHA] Information about the last applied encryption configuration with hash as label, split by apiserver identity.\n" +
		"# TYPE " + configInfo + " gauge\n" +
		configInfo + "{" + labels + "} " + value + "\n" +
		"# HELP apiserver_envelope_encryption_dek_cache_fill_percent x\n"
}

func TestParseConfigInfo(t *testing.T) {
	good := fmt.Sprintf("apiserver_id_hash=%q,hash=%q", idHash, loadedHash)
	want := []fact.LoadedEncryption{{Server: idHash, Hash: loadedHash}}
	for name, tc := range map[string]struct {
		text string
		want []fact.LoadedEncryption
	}{
		"as served":                          {info(good, "1"), want},
		"labels in the other order":          {info(fmt.Sprintf("hash=%q,apiserver_id_hash=%q", loadedHash, idHash), "1"), want},
		"with a time stamp":                  {info(good, "1 1700000000000"), want},
		"older API servers have none":        {"# HELP apiserver_request_total x\napiserver_request_total 3\n", nil},
		"no metrics at all":                  {"", nil},
		"a value that is not 1":              {info(good, "0"), nil},
		"a hash of another form":             {info(fmt.Sprintf("apiserver_id_hash=%q,hash=%q", idHash, "sha256:x"), "1"), nil},
		"no identity":                        {info(fmt.Sprintf("apiserver_id_hash=\"\",hash=%q", loadedHash), "1"), nil},
		"cut off inside the line":            {strings.TrimSuffix(info(good, "1"), "} 1\n# HELP apiserver_envelope_encryption_dek_cache_fill_percent x\n"), nil},
		"cut off where the newline would be": {configInfo + "{" + good + "} 1", nil},
		"after a line without an end":        {strings.Repeat("x", 3*maxMetricLine) + "\n" + info(good, "1"), want},
		"inside such a line":                 {strings.Repeat("x", maxMetricLine) + configInfo + "{" + good + "} 1\n", nil},
		"capital digits":                     {info(strings.ToUpper(good), "1"), nil},
		"another metric that begins so":      {strings.ReplaceAll(info(good, "1"), configInfo, configInfo+"_x"), nil},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, parseConfigInfo(strings.NewReader(tc.text))); diff != "" {
				t.Errorf("loaded (-want +got):\n%s", diff)
			}
		})
	}
	if got := parseConfigInfo(strings.NewReader(strings.Repeat(info(good, "1"), 1) + strings.Repeat(configInfo+"{"+good+"} 1\n", 100))); len(got) != 1 {
		t.Errorf("after the metric's own lines %d were found, want 1", len(got))
	}
	if got := parseConfigInfo(strings.NewReader(strings.Repeat(configInfo+"{"+good+"} 1\n", 100))); len(got) != maxConfigInfos {
		t.Errorf("%d series were kept, want %d", len(got), maxConfigInfos)
	}
}

// The API server that answers is found by its lease. What it refuses is neither an error
// nor a gap.
func TestLoadedEncryption(t *testing.T) {
	lease := func(name, host string) coordinationv1.Lease {
		return coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"kubernetes.io/hostname": host}}}
	}
	metrics := info(fmt.Sprintf("apiserver_id_hash=%q,hash=%q", idHash, loadedHash), "1")
	for name, tc := range map[string]struct {
		leases []coordinationv1.Lease
		refuse string
		want   []fact.LoadedEncryption
	}{
		"by its lease":      {[]coordinationv1.Lease{lease("other", "cp2"), lease("testAPIServerID", "cp1")}, "", []fact.LoadedEncryption{{Node: "cp1", Server: idHash, Hash: loadedHash}}},
		"no such lease":     {[]coordinationv1.Lease{lease("other", "cp2")}, "", []fact.LoadedEncryption{{Server: idHash, Hash: loadedHash}}},
		"leases refused":    {nil, "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases", []fact.LoadedEncryption{{Server: idHash, Hash: loadedHash}}},
		"metrics forbidden": {nil, "/metrics", nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			s.leases, s.metrics = tc.leases, metrics
			s.refuse = refuseAll(tc.refuse, forbidden)
			result := collect(t, Options{Config: s.config(), APIServers: true})
			if diff := cmp.Diff(tc.want, result.Cluster.LoadedEncryption); diff != "" {
				t.Errorf("loaded (-want +got):\n%s", diff)
			}
			if len(result.Gaps) > 0 {
				t.Errorf("gaps: %v", result.Gaps)
			}
		})
	}
	s := newServer(t)
	s.metrics = metrics
	if got := collect(t, Options{Config: s.config(), Nodes: true}).Cluster.LoadedEncryption; got != nil || len(s.asked("/metrics")) > 0 {
		t.Errorf("not asked for, got %v", got)
	}
	if got := s.asked("/metrics"); len(got) > 0 && got[0].Method != http.MethodGet {
		t.Errorf("method %s", got[0].Method)
	}
}

func FuzzParseConfigInfo(f *testing.F) {
	f.Add(info(fmt.Sprintf("apiserver_id_hash=%q,hash=%q", idHash, loadedHash), "1"))
	f.Fuzz(func(t *testing.T, text string) {
		for _, one := range parseConfigInfo(strings.NewReader(text)) {
			if !isHash(one.Server) || !isHash(one.Hash) || one.Node != "" {
				t.Errorf("%+v", one)
			}
		}
	})
}
