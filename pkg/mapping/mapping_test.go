package mapping_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"k8s.io/pod-security-admission/policy"

	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/catalogue"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/mapping"
)

func TestEveryCheckIsMappedOrListed(t *testing.T) {
	exists := map[string]bool{}
	for _, c := range catalogue.All() {
		exists[c.ID] = true
		if mapped, listed := len(mapping.Of(c.ID)) > 0, slices.Contains(mapping.Without(), c.ID); mapped == listed {
			t.Errorf("%s: mapped %v, listed as without %v", c.ID, mapped, listed)
		}
	}
	for _, id := range mapping.Without() {
		if !exists[id] {
			t.Errorf("%s is listed as without, and is no check", id)
		}
	}
	for _, row := range mapping.Rows() {
		for _, id := range row.Checks {
			if !exists[id] {
				t.Errorf("%s %s %v: %s is no check", row.Info.Name, row.Info.Version, row.IDs, id)
			}
		}
	}
}

func TestShapesOfIDs(t *testing.T) {
	shapes := map[string]*regexp.Regexp{
		mapping.CIS:    regexp.MustCompile(`^[1-5](\.\d{1,2}){1,2}$`),
		mapping.NIST:   regexp.MustCompile(`^4\.([1-5]\.[1-5]|6)$`),
		mapping.PSS:    regexp.MustCompile(`^[a-z][A-Za-z]+(_baseline|_restricted)?$`),
		mapping.ATTACK: regexp.MustCompile(`^T\d{4}(\.\d{3})?$`),
		mapping.NSA:    regexp.MustCompile(`^[A-Z"][A-Za-z" -]+$`),
	}
	for _, c := range catalogue.All() {
		seen := map[api.Control]bool{}
		for _, control := range mapping.Of(c.ID) {
			if !shapes[control.Mapping].MatchString(control.ID) || (control.Mapping == mapping.CIS) != (control.Version != "") {
				t.Errorf("%s: %+v", c.ID, control)
			}
			if seen[control] {
				t.Errorf("%s: %+v twice", c.ID, control)
			}
			seen[control] = true
		}
	}
	for _, info := range mapping.All() {
		if info.Source == "" || info.Date == "" || info.Title == "" {
			t.Errorf("%+v", info)
		}
	}
}

func TestNewestCIS(t *testing.T) {
	for kubernetes, want := range map[string]string{
		"v1.27.9": "1.10!", "v1.28.0": "1.10", "v1.29.1+k": "1.11", "1.31": "1.11", "v1.32.0-rc.1": "1.12", "v1.33.9": "1.12",
		"v1.34.2": "2.0", "v1.35.0": "2.0", "v1.36.0": "2.0!", "v2.0.0": "2.0!", "": "2.0!", "new": "2.0!",
	} {
		got, note := mapping.NewestCIS(kubernetes)
		if note != "" {
			got += "!"
		}
		if got != want {
			t.Errorf("%q: %s (%s), want %s", kubernetes, got, note, want)
		}
	}
}

func TestManaged(t *testing.T) {
	for _, p := range []string{"eks", "gke", "aks", "openshift", "k3s", "rke2", "EKS"} {
		if mapping.Managed(p) == "" {
			t.Errorf("%s has a benchmark of its own", p)
		}
	}
	for _, p := range []string{"", "talos", "kubeadm"} {
		if got := mapping.Managed(p); got != "" {
			t.Errorf("%s: %s", p, got)
		}
	}
}

// The IDs of Pod Security are those of the library that the API server uses.
func TestUncovered(t *testing.T) {
	covered := map[string]bool{}
	for _, row := range mapping.Rows() {
		for _, id := range row.IDs {
			covered[row.Info.Name+id] = true
		}
	}
	got, complete := mapping.Uncovered(mapping.PSS, "")
	if !complete || len(got) > 0 {
		t.Errorf("pss: %v, complete %v", got, complete)
	}
	exist := map[string]bool{}
	for _, c := range policy.DefaultChecks() {
		exist[string(c.ID)] = true
		if id := string(c.ID); !covered[mapping.PSS+id] && !slices.Contains(got, id) {
			t.Errorf("pss: %s is neither covered nor listed", id)
		}
	}
	for _, row := range mapping.Rows() {
		for _, id := range row.IDs {
			if row.Info.Name == mapping.PSS && !exist[id] {
				t.Errorf("pss: %s is no ID of the library", id)
			}
		}
	}
	// HostProcess is covered under the number that it has in each version.
	for version, id := range map[string]string{"1.10": "5.2.11", "1.11": "5.2.11", "1.12": "5.2.10", "2.0": "5.2.10"} {
		of := mapping.Of("privileged/privileged-container")
		if !slices.ContainsFunc(of, func(c api.Control) bool { return c.Mapping == mapping.CIS && c.Version == version && c.ID == id }) {
			t.Errorf("cis %s: HostProcess is not %s: %v", version, id, of)
		}
	}
}

func TestKnownControls(t *testing.T) {
	// What a check gives evidence for is one of the known controls.
	for _, row := range mapping.Rows() {
		known := mapping.Order(row.Info.Name, row.Info.Version)
		for _, id := range row.IDs {
			if !slices.Contains(known, id) {
				t.Errorf("%s %s: %s of %v is not known", row.Info.Name, row.Info.Version, id, row.Checks)
			}
			if row.Info.Name == mapping.NIST && mapping.Heading(mapping.NIST, id) == "" {
				t.Errorf("%s has no heading", id)
			}
		}
	}
	for _, name := range []string{mapping.CIS, mapping.ATTACK, mapping.NSA, mapping.PSS} {
		if text := mapping.Heading(name, "4.4.4"); text != "" {
			t.Errorf("%s has a text: %s", name, text)
		}
	}
	got, all := mapping.Uncovered(mapping.CIS, "1.12")
	if !all || !slices.Contains(got, "1.1.1") || slices.Contains(got, "5.2.2") || len(got) != 131-38 {
		t.Errorf("cis 1.12: %d uncovered, all %v: %v", len(got), all, got)
	}
	if got, all := mapping.Uncovered(mapping.NSA, ""); all || !slices.Contains(got, "Network policies") {
		t.Errorf("nsa: %v, all %v", got, all)
	}
}

func TestChoose(t *testing.T) {
	for name, tc := range map[string]struct {
		word, kubernetes, provider string
		version                    string
		note, refused              string
	}{
		"the newest for the version":          {"cis", "v1.30.2", "kubeadm", "1.11", "", ""},
		"an unknown version is an assumption": {"cis", "", "kubeadm", "2.0", "the version of Kubernetes is not known", ""},
		"a newer version is said":             {"cis", "v1.37.0", "kubeadm", "2.0", "the cluster is newer", ""},
		"a named one is taken":                {"cis-1.10", "v1.28.3", "kubeadm", "1.10", "", ""},
		"a named one for another version":     {"cis-1.10", "v1.33.3", "kubeadm", "1.10", "CIS 1.12 is the one", ""},
		"an unknown provider is said":         {"cis-1.12", "v1.33.3", "unknown", "1.12", "Managed clusters have benchmarks of their own", ""},
		"a managed cluster has its own":       {"cis", "v1.33.3-eks-1", "eks", "1.12", "", "EKS has a benchmark of its own"},
		"a named one on a managed cluster":    {"cis-1.12", "v1.33.3", "gke", "1.12", "", "GKE has a benchmark"},
		"others hold for every provider":      {"pss", "v1.33.3", "eks", "", "", ""},
		"another word":                        {"nsa-cisa", "", "", "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := mapping.Choose(tc.word, tc.kubernetes, tc.provider)
			notes := strings.Join(got.Notes, " ")
			if !ok || got.Version != tc.version || !strings.Contains(notes, tc.note) || tc.note == "" && notes != "" ||
				!strings.HasPrefix(got.Refused, tc.refused) || tc.refused == "" && got.Refused != "" {
				t.Errorf("%+v, %v", got, ok)
			}
		})
	}
	for _, word := range mapping.Names() {
		if _, ok := mapping.Choose(word, "", ""); !ok || !mapping.Known(word) {
			t.Errorf("%s is not known", word)
		}
	}
	if _, ok := mapping.Choose("cis-1.9", "", ""); ok || mapping.Known("cis-1.9") {
		t.Error("cis-1.9 is known")
	}
}

// A cluster can name any version and provider. A word that is known has a mapping, whatever they are.
func FuzzChoose(f *testing.F) {
	for _, name := range append(mapping.Names(), "nist", "cis-9", "") {
		f.Add(name, "v1.31.4", "kubeadm")
	}
	f.Add("cis", "v1.99999999999999999999", "EKS")
	f.Add("cis", "1.\xff", "unknown")
	f.Fuzz(func(t *testing.T, name, kubernetes, provider string) {
		choice, ok := mapping.Choose(name, kubernetes, provider)
		if ok != mapping.Known(name) {
			t.Fatalf("%q: known: %t, has a mapping: %t", name, mapping.Known(name), ok)
		}
		newest, note := mapping.NewestCIS(kubernetes)
		if !slices.ContainsFunc(mapping.All(), func(info mapping.Info) bool { return info.Name == mapping.CIS && info.Version == newest }) {
			t.Errorf("%q: no benchmark %q", kubernetes, newest)
		}
		if !ok {
			return
		}
		if !slices.Contains(mapping.All(), choice.Info) || choice.Refused != "" && (choice.Name != mapping.CIS || mapping.Managed(provider) == "") {
			t.Errorf("%q: %+v", name, choice)
		}
		for _, text := range append(choice.Notes, choice.Refused, note) {
			if !utf8.ValidString(text) || len(text) > 300 {
				t.Errorf("%q", text)
			}
		}
	})
}
