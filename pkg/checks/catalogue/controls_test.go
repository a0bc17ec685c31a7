package catalogue

import (
	"slices"
	"strings"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	ft "github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/mapping"
)

// What a check says when it fails counts for the controls that it is about. The evidence is what the
// checks really write.
func TestFailingFindingsAndTheirControls(t *testing.T) {
	listener := func(purpose fact.ListenerPurpose, change func(*fact.Listener)) func(*fact.Set) {
		return func(s *fact.Set) {
			for i := range s.Nodes[0].Measured.Listeners {
				if l := &s.Nodes[0].Measured.Listeners[i]; l.Purpose == purpose {
					change(l)
				}
			}
		}
	}
	status := func(code int) func(*fact.Listener) {
		return func(l *fact.Listener) { r := *l.Request; r.Status = code; l.Request = &r }
	}
	expired := func(l *fact.Listener) {
		c := ft.Certificate("CN=late")
		c.NotAfter = c.NotBefore
		l.Chain = []fact.Certificate{c}
	}
	setting := func(program fact.ComponentProgram, name, value, from string) func(*fact.Set) {
		return func(s *fact.Set) {
			for i := range s.Nodes[0].Measured.Components {
				c := &s.Nodes[0].Measured.Components[i]
				if c.Program != program {
					continue
				}
				c.Settings = slices.DeleteFunc(slices.Clone(c.Settings), func(s fact.Setting) bool { return s.Name == name })
				if value != "" {
					c.Settings = append(c.Settings, fact.Setting{Name: name, Value: value, From: from})
				}
			}
		}
	}
	const config = "/var/lib/kubelet/config.yaml "
	for name, tc := range map[string]struct {
		check  string
		change func(*fact.Set)
		want   string
	}{
		"the API server in plaintext":      {"secrets/apiserver-tls", listener(fact.KubeAPI, func(l *fact.Listener) { l.Protocol, l.ProtocolFrom = fact.SpeaksPlaintext, "x" }), "1.2.24"},
		"the API server's old certificate": {"secrets/apiserver-tls", listener(fact.KubeAPI, expired), "1.2.24"},
		"the API server lets anyone in":    {"secrets/apiserver-tls", listener(fact.KubeAPI, status(404)), ""},
		"kubelets that are not verified":   {"secrets/apiserver-tls", setting(fact.ProgramAPIServer, "kubelet-certificate-authority", "", ""), "1.2.5"},
		"the kubelet in plaintext":         {"secrets/kubelet-tls", listener(fact.KubeletAPI, func(l *fact.Listener) { l.Protocol, l.ProtocolFrom = fact.SpeaksPlaintext, "x" }), "4.2.9"},
		"the kubelet's old certificate":    {"secrets/kubelet-tls", listener(fact.KubeletAPI, expired), "4.2.9"},
		"the kubelet takes anonymous":      {"secrets/kubelet-tls", listener(fact.KubeletAPI, status(403)), "4.2.1"},
		"the kubelet lets anyone in":       {"secrets/kubelet-tls", listener(fact.KubeletAPI, status(200)), "4.2.1 4.2.2"},
		"AlwaysAllow by a flag":            {"secrets/kubelet-tls", setting(fact.ProgramKubelet, "authorization-mode", "AlwaysAllow", "--authorization-mode"), "4.2.2"},
		"AlwaysAllow in a file":            {"secrets/kubelet-tls", setting(fact.ProgramKubelet, "authorization-mode", "AlwaysAllow", config+"authorization.mode"), "4.2.2"},
		"AlwaysAllow by default":           {"secrets/kubelet-tls", setting(fact.ProgramKubelet, "authorization-mode", "AlwaysAllow", "default of the kubelet without a configuration file"), "4.2.2"},
		"the read-only port of a file":     {"secrets/kubelet-tls", setting(fact.ProgramKubelet, "read-only-port", "10255", config+"readOnlyPort"), "4.2.4"},
		"anonymous by a file, and refused": {"secrets/kubelet-tls", setting(fact.ProgramKubelet, "anonymous-auth", "true", config+"authentication.anonymous.enabled"), "4.2.1"},
		"a private key that anyone reads": {"secrets/certificate-expiry", func(s *fact.Set) {
			f := &s.Nodes[0].Measured.Certificates[0]
			f.Key = &fact.FileAccess{Path: f.Path, Mode: 0o644, OthersReach: true}
		}, "1.1.21"},
		"a file's certificate that expired": {"secrets/certificate-expiry", func(s *fact.Set) { c := &s.Nodes[0].Measured.Certificates[0].Certificates[0]; c.NotAfter = c.NotBefore }, "4.2.10"},
	} {
		t.Run(name, func(t *testing.T) {
			set := clean()
			tc.change(set)
			plan := checks.Plan{Checks: slices.DeleteFunc(All(), func(c checks.Check) bool { return c.ID != tc.check }), Parts: Parts()}
			fails := 0
			got := map[string]bool{}
			for _, f := range checks.JudgeSet(plan, set).Findings {
				if f.Verdict != api.Fail {
					continue
				}
				fails++
				for _, c := range mapping.Of(tc.check) {
					if c.Mapping == mapping.CIS && c.Version == "2.0" && mapping.Concerns(&f, c.ID) {
						got[c.ID] = true
					}
				}
			}
			var ids []string
			for id := range got {
				ids = append(ids, id)
			}
			slices.Sort(ids)
			if fails == 0 || strings.Join(ids, " ") != tc.want {
				t.Errorf("%d fail, for %v, want %s", fails, ids, tc.want)
				for _, f := range checks.JudgeSet(plan, set).Findings {
					t.Logf("%s %s %v", f.Verdict, f.Message, f.Evidence)
				}
			}
		})
	}
}
