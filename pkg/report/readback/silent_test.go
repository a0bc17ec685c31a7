package readback

import (
	"encoding/json"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/catalogue"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report/sarif"
)

// measured are the nodes of a random cluster that have answered, at most so many.
func measured(seed uint64, most int) []string {
	var names []string
	set := random(seed)
	for i := range set.Nodes {
		if n := &set.Nodes[len(set.Nodes)-1-i]; n.Measured != nil && len(names) < most {
			names = append(names, n.Name)
		}
	}
	return names
}

// TestSilentNode prints the report of a cluster twice. In the second one a node has not answered. No
// format shows anything better then, and each item of a format (an alert, a metric, a case, a result,
// a row) that was bad is still there, or is replaced by an unknown one of its check.
func TestSilentNode(t *testing.T) {
	list := all(t)
	compared := 0
	seeds := []uint64{28, 33, 59, 87, 129} // in which declarations and workers once made something good
	for seed := range uint64(20) {
		seeds = append(seeds, seed)
	}
	for _, seed := range seeds {
		for _, name := range measured(seed, 1) {
			before, after := random(seed), random(seed)
			silence(after, name)
			was, is := build(before), build(after)
			for i := range list {
				format := &list[i]
				contents := [2]*Content{}
				for j, r := range []*report.Report{report.Of(was), report.Of(is)} {
					got, err := Readers()[format.Name](printed(t, format, r.Whole(), report.Options{}))
					if err != nil {
						t.Fatalf("%s: %v", format.Name, err)
					}
					contents[j] = got
				}
				compared += len(contents[0].Items)
				for _, line := range TurnsGood(contents[0], contents[1]) {
					t.Errorf("seed %d, %s is silent: %s: %s", seed, name, format.Name, line)
				}
			}
		}
	}
	if compared < 1000 {
		t.Errorf("only %d items were compared", compared)
	}
}

// TestSilentNodes is the same for many clusters and up to three nodes of each, one after another, by the
// report alone, which each format shows.
func TestSilentNodes(t *testing.T) {
	compared := 0
	for seed := range uint64(200) {
		was := Of(build(random(seed)), "")
		for _, name := range measured(seed, 3) {
			after := random(seed)
			silence(after, name)
			is := Of(build(after), "")
			compared += len(was.Items)
			for _, line := range TurnsGood(was, is) {
				t.Errorf("seed %d, %s is silent: %s", seed, name, line)
			}
		}
	}
	if compared < 20_000 {
		t.Errorf("only %d items were compared", compared)
	}
}

// alert is what GitHub knows a result by, next to the category of the upload: "the ruleId has to be
// the same", "if the file paths differ, a new alert is created and the old one is closed", and of
// partialFingerprints only primaryLocationLineHash counts.
type alert struct{ rule, path, hash string }

// upload is what GitHub takes from a file: its category, and the open alerts with their kinds.
type upload struct {
	category string
	kinds    map[alert]string
}

func uploaded(t *testing.T, output []byte) *upload {
	t.Helper()
	var log struct {
		Runs []struct {
			AutomationDetails struct{ ID string }
			Results           []struct {
				RuleID, Kind        string
				PartialFingerprints map[string]string
				Locations           []struct {
					PhysicalLocation struct{ ArtifactLocation struct{ URI string } }
				}
			}
		}
	}
	if err := json.Unmarshal(output, &log); err != nil {
		t.Fatal(err)
	}
	u := &upload{category: log.Runs[0].AutomationDetails.ID, kinds: map[alert]string{}}
	for _, r := range log.Runs[0].Results {
		key := alert{r.RuleID, r.Locations[0].PhysicalLocation.ArtifactLocation.URI, r.PartialFingerprints[sarif.KeyGitHub]}
		if key.rule == "" || key.path == "" || key.hash == "" {
			t.Fatalf("a result without an identity: %+v", r)
		}
		if u.kinds[key] != "" {
			t.Fatalf("two results of one alert: %+v", key)
		}
		u.kinds[key] = r.Kind
	}
	return u
}

// onlyStored are the paths of Secrets that the API does not list, so that only a store has their names.
func onlyStored(before, after *upload, set *fact.Set) map[string]bool {
	out := map[string]bool{}
	for key := range before.kinds {
		out[key.path] = key.rule == "secrets/encrypted-at-rest" || key.rule == "secrets/plaintext-history"
	}
	for _, s := range set.Secrets {
		delete(out, "kubernetes/cluster/"+s.Namespace+"/secret/"+s.Name)
	}
	for key := range after.kinds {
		delete(out, key.path)
	}
	return out
}

// TestAlertsAfterSilence is what GitHub does with two uploads. What is open after the first one and
// missing in the second one is closed as fixed. If all that happened is that a node went silent, no
// alert of a failing finding may be closed, whatever severity its finding has then. A result that was
// unknown before is replaced by another one of its rule at most.
func TestAlertsAfterSilence(t *testing.T) {
	compared, changed := 0, 0
	for seed := range uint64(100) {
		for _, name := range measured(seed, 2) {
			before, after := random(seed), random(seed)
			silence(after, name)
			was, is := build(before), build(after)
			severities := map[string]api.Severity{}
			for i := range was.Findings {
				severities[was.Findings[i].Fingerprint()] = was.Findings[i].Severity
			}
			for i := range is.Findings {
				if s := severities[is.Findings[i].Fingerprint()]; s != "" && s != is.Findings[i].Severity {
					changed++
				}
			}
			for _, least := range []api.Severity{"", api.Medium} {
				opts := report.Options{MinSeverity: least, Catalogue: catalogue.All()}
				format := sarif.Format()
				first, second := uploaded(t, printed(t, &format, was, opts)), uploaded(t, printed(t, &format, is, opts))
				if first.category != second.category {
					t.Fatalf("seed %d: category %s became %s", seed, first.category, second.category)
				}
				stored := onlyStored(first, second, after)
				open := map[string]bool{} // rules, and paths
				for key, kind := range second.kinds {
					open[key.rule] = open[key.rule] || kind == "open"
					open[key.path] = open[key.path] || kind == "open"
				}
				for key, kind := range first.kinds {
					compared++
					_, there := second.kinds[key]
					switch {
					case there, stored[key.path] && open[key.rule]:
					case key.rule == sarif.RuleNotMeasured && open[key.path]: // findings tell it now
					case kind == "fail", !open[key.rule]:
						t.Errorf("seed %d, %s is silent, severity %q: GitHub closes %s of kind %s: %+v", seed, name, least, key.rule, kind, key)
					}
				}
			}
		}
	}
	if compared < 10_000 || changed < 100 {
		t.Errorf("%d alerts were compared, %d with another severity", compared, changed)
	}
}
