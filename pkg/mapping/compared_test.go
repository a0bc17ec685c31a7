package mapping_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/mapping"
)

// lastNumbers are the last number of each section, by version, counted in kube-bench's
// configuration of that version (directories cfg/cis-1.10 to cfg/cis-2.0) in November 2026. No
// section has a number left out. Those of 1.12 were also compared with kubescape's regolibrary,
// which lacks 4.2.14.
var lastNumbers = map[string]string{
	"1.10": "1.1.21 1.2.29 1.3.7 1.4.2 2.7 3.1.3 3.2.2 4.1.10 4.2.13 4.3.1 5.1.13 5.2.13 5.3.2 5.4.2 5.5.1 5.7.4",
	"1.11": "1.1.21 1.2.30 1.3.7 1.4.2 2.7 3.1.3 3.2.2 4.1.10 4.2.15 4.3.1 5.1.13 5.2.13 5.3.2 5.4.2 5.5.1 5.6.4",
	"1.12": "1.1.21 1.2.30 1.3.7 1.4.2 2.7 3.1.3 3.2.2 4.1.10 4.2.14 4.3.1 5.1.13 5.2.12 5.3.2 5.4.2 5.5.1 5.6.4",
	"2.0":  "1.1.21 1.2.30 1.3.7 1.4.2 2.7 3.1.3 3.2.2 4.1.10 4.2.14 4.3.1 5.1.13 5.2.12 5.3.2 5.4.2 5.5.1 5.6.4",
}

func TestNumbersOfEachVersion(t *testing.T) {
	for _, info := range mapping.All() {
		if info.Name == mapping.CIS && lastNumbers[info.Version] == "" {
			t.Errorf("CIS %s was not compared", info.Version)
		}
	}
	for version, lasts := range lastNumbers {
		var want []string
		for _, last := range strings.Fields(lasts) {
			i := strings.LastIndexByte(last, '.')
			n, err := strconv.Atoi(last[i+1:])
			if err != nil {
				t.Fatal(err)
			}
			for k := 1; k <= n; k++ {
				want = append(want, fmt.Sprintf("%s.%d", last[:i], k))
			}
		}
		if got := mapping.Order(mapping.CIS, version); !slices.Equal(got, want) {
			t.Errorf("CIS %s: %d numbers, want %d:\n%v\n%v", version, len(got), len(want), got, want)
		}
	}
}

// subjects are what a number is about, in a word or two of our own, in 1.10, 1.11, 1.12 and 2.0:
// read in kube-bench's configuration in November 2026. "-" is none.
var subjects = map[string][4]string{
	"etcd directory mode":      {"1.1.11", "1.1.11", "1.1.11", "1.1.11"},
	"etcd directory owner":     {"1.1.12", "1.1.12", "1.1.12", "1.1.12"},
	"key files":                {"1.1.21", "1.1.21", "1.1.21", "1.1.21"},
	"kubelet's authority":      {"1.2.5", "1.2.5", "1.2.5", "1.2.5"},
	"certificate for etcd":     {"1.2.23", "1.2.23", "1.2.23", "1.2.23"},
	"API server's certificate": {"1.2.24", "1.2.24", "1.2.24", "1.2.24"},
	"encryption file":          {"1.2.27", "1.2.27", "1.2.27", "1.2.27"},
	"encryption provider":      {"1.2.28", "1.2.28", "1.2.28", "1.2.28"},
	"etcd certificate":         {"2.1", "2.1", "2.1", "2.1"},
	"etcd clients":             {"2.2", "2.2", "2.2", "2.2"},
	"etcd auto TLS":            {"2.3", "2.3", "2.3", "2.3"},
	"peer certificate":         {"2.4", "2.4", "2.4", "2.4"},
	"peer clients":             {"2.5", "2.5", "2.5", "2.5"},
	"peer auto TLS":            {"2.6", "2.6", "2.6", "2.6"},
	"etcd's own authority":     {"2.7", "2.7", "2.7", "2.7"},
	"audit policy's content":   {"3.2.2", "3.2.2", "3.2.2", "3.2.2"},
	"kubelet anonymous":        {"4.2.1", "4.2.1", "4.2.1", "4.2.1"},
	"kubelet AlwaysAllow":      {"4.2.2", "4.2.2", "4.2.2", "4.2.2"},
	"kubelet read-only port":   {"4.2.4", "4.2.4", "4.2.4", "4.2.4"},
	"kubelet's certificate":    {"4.2.9", "4.2.9", "4.2.9", "4.2.9"},
	"kubelet rotation":         {"4.2.10", "4.2.10", "4.2.10", "4.2.10"},
	"token mounts":             {"5.1.6", "5.1.6", "5.1.6", "5.1.6"},
	"a policy at admission":    {"5.2.1", "5.2.1", "5.2.1", "5.2.1"},
	"privileged":               {"5.2.2", "5.2.2", "5.2.2", "5.2.2"},
	"hostPID":                  {"5.2.3", "5.2.3", "5.2.3", "5.2.3"},
	"hostIPC":                  {"5.2.4", "5.2.4", "5.2.4", "5.2.4"},
	"hostNetwork":              {"5.2.5", "5.2.5", "5.2.5", "5.2.5"},
	"privilege escalation":     {"5.2.6", "5.2.6", "5.2.6", "5.2.6"},
	"root":                     {"5.2.7", "5.2.7", "5.2.7", "5.2.7"},
	"NET_RAW":                  {"5.2.8", "5.2.8", "5.2.8", "5.2.8"},
	"capabilities added":       {"5.2.9", "5.2.9", "-", "-"},
	"capabilities at all":      {"5.2.10", "5.2.10", "5.2.9", "5.2.9"},
	"HostProcess":              {"5.2.11", "5.2.11", "5.2.10", "5.2.10"},
	"hostPath":                 {"5.2.12", "5.2.12", "5.2.11", "5.2.11"},
	"hostPort":                 {"5.2.13", "5.2.13", "5.2.12", "5.2.12"},
	"Secrets in variables":     {"5.4.1", "5.4.1", "5.4.1", "5.4.1"},
	"external Secrets":         {"5.4.2", "5.4.2", "5.4.2", "5.4.2"},
	"seccomp":                  {"5.7.2", "5.6.2", "5.6.2", "5.6.2"},
	"security contexts":        {"5.7.3", "5.6.3", "5.6.3", "5.6.3"},
}

// asks says what each check that is mapped to CIS judges, in the words of subjects.
var asks = map[string][]string{
	"builds/runtime-socket":             {"hostPath"},
	"immutable/writable-root":           {"security contexts"},
	"drift/writable-root":               {"security contexts"},
	"drift/enforcement":                 {"a policy at admission"},
	"privileged/privileged-container":   {"privileged", "HostProcess"},
	"privileged/pod-security-level":     {"a policy at admission", "security contexts"},
	"privileged/added-capabilities":     {"capabilities added", "capabilities at all"},
	"privileged/effective-capabilities": {"NET_RAW", "capabilities added", "capabilities at all"},
	"privileged/runs-as-root":           {"root"},
	"privileged/host-namespaces":        {"hostPID", "hostIPC", "hostNetwork", "HostProcess"},
	"privileged/host-path":              {"hostPath"},
	"privileged/host-ports":             {"hostPort"},
	"privileged/privilege-escalation":   {"privilege escalation"},
	"privileged/seccomp":                {"seccomp"},
	"privileged/apparmor-selinux":       {"security contexts"},
	"privileged/proc-mount":             {"security contexts"},
	"privileged/sysctls":                {"security contexts"},
	"privileged/service-account-token":  {"token mounts"},
	"secrets/encrypted-at-rest":         {"encryption file", "encryption provider"},
	"secrets/encryption-config":         {"encryption file", "encryption provider"},
	"secrets/weak-provider":             {"encryption provider"},
	"secrets/etcd-file-permissions":     {"etcd directory mode", "etcd directory owner"},
	"secrets/etcd-client-tls":           {"etcd certificate", "etcd clients", "etcd auto TLS", "etcd's own authority", "certificate for etcd"},
	"secrets/etcd-peer-tls":             {"peer certificate", "peer clients", "peer auto TLS"},
	"secrets/apiserver-tls":             {"kubelet's authority", "API server's certificate"},
	"secrets/kubelet-tls":               {"kubelet anonymous", "kubelet AlwaysAllow", "kubelet read-only port", "kubelet's certificate"},
	"secrets/certificate-expiry":        {"kubelet rotation", "key files"},
	"secrets/audit-log":                 {"audit policy's content"},
	"secrets/in-environment":            {"Secrets in variables"},
	"secrets/external-store":            {"external Secrets"},
}

func TestChecksAndNumbersAreAboutTheSame(t *testing.T) {
	for i, version := range []string{"1.10", "1.11", "1.12", "2.0"} {
		got := map[string][]string{}
		for _, row := range mapping.Rows() {
			if row.Info.Name == mapping.CIS && row.Info.Version == version {
				for _, check := range row.Checks {
					got[check] = append(got[check], row.IDs...)
				}
			}
		}
		for check, about := range asks {
			var want []string
			for _, subject := range about {
				numbers, known := subjects[subject]
				if !known {
					t.Fatalf("%s: no subject %q", check, subject)
				}
				if numbers[i] != "-" {
					want = append(want, numbers[i])
				}
			}
			slices.Sort(want)
			slices.Sort(got[check])
			if !slices.Equal(got[check], want) {
				t.Errorf("CIS %s: %s has %v, want %v", version, check, got[check], want)
			}
			delete(got, check)
		}
		for check, ids := range got {
			t.Errorf("CIS %s: what %s is about was not compared: %v", version, check, ids)
		}
	}
}

// Headings are StackRox's, compared in November 2026 without regard to case.
func TestHeadingsOfNIST(t *testing.T) {
	want := strings.Split(strings.TrimSpace(`
4.1.1 Image vulnerabilities
4.1.2 Image configuration defects
4.1.3 Embedded malware
4.1.4 Embedded clear text secrets
4.1.5 Use of untrusted images
4.2.1 Insecure connections to registries
4.2.2 Stale images in registries
4.2.3 Insufficient authentication and authorization restrictions
4.3.1 Unbounded administrative access
4.3.2 Unauthorized access
4.3.3 Poorly separated inter-container network traffic
4.3.4 Mixing of workload sensitivity levels
4.3.5 Orchestrator node trust
4.4.1 Vulnerabilities within the runtime software
4.4.2 Unbounded network access from containers
4.4.3 Insecure container runtime configurations
4.4.4 App vulnerabilities
4.4.5 Rogue containers
4.5.1 Large attack surface
4.5.2 Shared kernel
4.5.3 Host OS component vulnerabilities
4.5.4 Improper user access rights
4.5.5 Host file system tampering
4.6 Hardware countermeasures`), "\n")
	var got []string
	for _, id := range mapping.Order(mapping.NIST, "") {
		got = append(got, id+" "+mapping.Heading(mapping.NIST, id))
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

// Techniques that ATT&CK revoked, with what replaced them in version 19 (April 2026), are not named.
func TestNoRevokedTechnique(t *testing.T) {
	known := mapping.Order(mapping.ATTACK, "")
	for old, id := range map[string]string{"T1562": "T1685", "T1562.001": "T1685"} {
		if slices.Contains(known, old) || !slices.Contains(known, id) {
			t.Errorf("%s was replaced by %s: %v", old, id, known)
		}
	}
	if !slices.IsSorted(known) {
		t.Errorf("not in order: %v", known)
	}
}

// A failing finding counts for the controls that its evidence is about.
func TestConcerns(t *testing.T) {
	all := func(check string) []string {
		var ids []string
		for _, c := range mapping.Of(check) {
			if c.Mapping == mapping.CIS && c.Version == "2.0" {
				ids = append(ids, c.ID)
			}
		}
		slices.Sort(ids)
		return ids
	}
	for name, tc := range map[string]struct {
		check, source, value string
		want                 string
	}{
		"a mask with NET_RAW":              {"privileged/effective-capabilities", "node a: /proc/1/status CapEff", "00000000a80425fb CHOWN,NET_RAW", "5.2.8 5.2.9"},
		"a mask without NET_RAW":           {"privileged/effective-capabilities", "node a: /proc/1/status CapEff", "0000000000200000 SYS_ADMIN", "5.2.9"},
		"a mask with all but NET_RAW":      {"privileged/effective-capabilities", "node a: /proc/1/status CapEff", "000001ffffffdfff all 41 but NET_RAW", "5.2.9"},
		"a mask that was not read":         {"privileged/effective-capabilities", "node a: /proc/1/status CapEff", "not read", "5.2.9"},
		"kubelets are not verified":        {"secrets/apiserver-tls", "node a: /proc/1/cmdline --kubelet-certificate-authority", "not set", "1.2.5"},
		"an old version of TLS":            {"secrets/apiserver-tls", "node a: listener 10.0.0.1:6443 offer", "TLS 1.0: accepted", "1.2.24"},
		"anyone may do anything":           {"secrets/apiserver-tls", "node a: listener 10.0.0.1:6443 GET /x without credentials", "status 404", ""},
		"anonymous, refused":               {"secrets/kubelet-tls", "node a: listener 10.0.0.1:10250 GET /healthz without credentials", "status 403", "4.2.1"},
		"anonymous, served":                {"secrets/kubelet-tls", "node a: listener 10.0.0.1:10250 GET /healthz without credentials", "status 200", "4.2.1 4.2.2"},
		"AlwaysAllow":                      {"secrets/kubelet-tls", "node a: /var/lib/kubelet/config.yaml authorization.mode", "authorization-mode=AlwaysAllow", "4.2.2"},
		"the read-only port":               {"secrets/kubelet-tls", "node a: listener 10.0.0.1:10255 protocol", "plaintext", "4.2.4"},
		"a kubelet's expired certificate":  {"secrets/kubelet-tls", "node a: listener 10.0.0.1:10250 certificate", "x", "4.2.9"},
		"a private key that others read":   {"secrets/certificate-expiry", "node a: /etc/kubernetes/pki/ca.key", "mode 0644, owner 0, group 0", "1.1.21"},
		"a certificate that has expired":   {"secrets/certificate-expiry", "node a: /etc/kubernetes/pki/ca.crt", "CN=a by CN=b, valid x to y, RSA of 2048 bits", "4.2.10"},
		"a check without filters":          {"privileged/host-ports", "x", "y", "5.2.12"},
		"a failing one without any source": {"privileged/host-namespaces", "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := api.Finding{Check: tc.check, Verdict: api.Fail, Evidence: []api.Evidence{{Source: tc.source, Value: tc.value}}}
			var got []string
			for _, id := range all(tc.check) {
				if mapping.Concerns(&f, id) {
					got = append(got, id)
				}
			}
			if strings.Join(got, " ") != tc.want {
				t.Errorf("got %v, want %s", got, tc.want)
			}
			for _, verdict := range []api.Verdict{api.Pass, api.VerdictUnknown} {
				f.Verdict = verdict
				for _, id := range all(tc.check) {
					if !mapping.Concerns(&f, id) {
						t.Errorf("%s does not count for %s", verdict, id)
					}
				}
			}
		})
	}
}

func TestNotes(t *testing.T) {
	for _, row := range mapping.Rows() {
		if row.Note != "" && (!strings.HasSuffix(row.Note, ".") || row.Same) {
			t.Errorf("%s %v: note %q, same %v", mapping.Word(row.Info), row.IDs, row.Note, row.Same)
		}
	}
	got := strings.Join(mapping.Notes("privileged/added-capabilities"), "\n")
	if !strings.HasPrefix(got, "cis-2.0 5.2.9: The checks accept the runtime's default set") || strings.Count(got, "\n") != 1 || !strings.Contains(got, "pss capabilities_restricted: ") {
		t.Errorf("got %s", got)
	}
	if got := mapping.Notes("privileged/host-ports"); got != nil {
		t.Errorf("got %v", got)
	}
}
