package picture_test

import (
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/facttest"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report/picture"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// draw returns the pictures by ID, and fails if one is not what a page can take.
func draw(t *testing.T, r *report.Report) map[string]picture.Picture {
	t.Helper()
	out, ids := map[string]picture.Picture{}, map[string]bool{}
	for _, p := range picture.All(r) {
		out[p.ID] = p
		if p.Title == "" || !strings.HasSuffix(p.Summary, ".") || p.Width != 360 {
			t.Errorf("%s: title %q, summary %q, width %d", p.ID, p.Title, p.Summary, p.Width)
		}
		if p.SVG != "" {
			valid(t, p, ids)
		}
	}
	if len(out) != 4 {
		t.Fatalf("%d pictures, want 4", len(out))
	}
	return out
}

// valid reads a picture as XML, and finds in it nothing that runs, asks or styles by itself.
func valid(t *testing.T, p picture.Picture, ids map[string]bool) {
	t.Helper()
	allowed := []string{"svg", "title", "desc", "text", "rect", "path"}
	attributes := []string{
		"xmlns", "class", "role", "aria-labelledby", "viewBox", "width", "height", "font-family", "font-size", "fill", "id",
		"x", "y", "d", "stroke", "stroke-width", "stroke-opacity", "stroke-dasharray", "text-anchor", "transform",
	}
	decoder := xml.NewDecoder(strings.NewReader(p.SVG))
	desc := false
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%s is not XML: %v\n%.2000s", p.ID, err, p.SVG)
		}
		start, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		if !slices.Contains(allowed, start.Name.Local) {
			t.Errorf("%s: element %s", p.ID, start.Name.Local)
		}
		for _, a := range start.Attr {
			if !slices.Contains(attributes, a.Name.Local) {
				t.Errorf("%s: attribute %s", p.ID, a.Name.Local)
			}
			if a.Name.Local == "id" {
				if ids[a.Value] {
					t.Errorf("%s: id %s twice", p.ID, a.Value)
				}
				ids[a.Value] = true
			}
		}
		if start.Name.Local == "desc" {
			var text string
			if err := decoder.DecodeElement(&text, &start); err != nil {
				t.Fatal(err)
			}
			desc = text == p.Summary
		}
	}
	if !desc {
		t.Errorf("%s: its description is not its summary", p.ID)
	}
}

func head() *api.ChecklistReport { return &api.ChecklistReport{Findings: []api.Finding{}} }

func of(set *fact.Set) *report.Report {
	return &report.Report{Head: head(), Set: set, Each: func(func(api.Finding) bool) {}}
}

func node(name string, measured bool, answers ...api.AnswerWord) api.ReportNode {
	n := api.ReportNode{Name: name, Measured: measured}
	for i, q := range []api.Question{api.Builds, api.Immutable, api.Privileged, api.Hosts, api.Secrets, api.Drift} {
		if i < len(answers) {
			n.Answers = append(n.Answers, api.NodeAnswer{Question: q, Answer: answers[i]})
		}
	}
	return n
}

func store(complete bool, classes ...fact.StorageClass) *checks.Store {
	s := &checks.Store{DB: &fact.EtcdDB{Path: "/db", Prefix: "/registry", Complete: complete, Total: len(classes)}, Source: "node/cp1 /db"}
	for i, c := range classes {
		s.DB.Secrets = append(s.DB.Secrets, fact.StoredSecret{Namespace: "shop", Name: fmt.Sprint("s", i), Class: c})
	}
	for i := range s.DB.Secrets {
		held := &s.DB.Secrets[i]
		if held.Class.Encrypted() {
			held.Provider = "k8s:enc:" + string(held.Class) + ":v1:key1:"
		}
		s.Held = append(s.Held, held)
	}
	return s
}

// cluster has one container: it holds SYS_ADMIN, which its spec does not give, and its root is
// writable.
func cluster() *fact.Set {
	m := facttest.With(func(p *fact.Process) {
		p.CapEff, p.CapPrm = fact.NewCapMask(facttest.DefaultCaps|1<<21), fact.NewCapMask(facttest.DefaultCaps|1<<21)
	})
	m.Root = &fact.Mount{Path: "/", FSType: "overlay", File: facttest.Ptr(false)}
	m.Upper = &fact.UpperWalk{Path: "/u", Entries: 3, DataCounts: &fact.DataCounts{}}
	return facttest.Measured(m, fact.Container{CapDrop: []string{"NET_RAW"}})
}

// add adds a workload like the first one, with one container on a node of its own.
func add(set *fact.Set, i int, edits ...func(*fact.MeasuredContainer)) {
	n, w := set.Nodes[0], set.Workloads[0]
	n.Name = fmt.Sprint("node-", i)
	m := *n.Measured
	m.Containers = slices.Clone(m.Containers)
	m.Containers[0].ID, m.Containers[0].PodUID = fmt.Sprintf("%064x", i), fmt.Sprint("uid-", i)
	for _, edit := range edits {
		edit(&m.Containers[0])
	}
	n.Measured = &m
	set.Nodes = append(set.Nodes, n)
	w.Owner.Name = fmt.Sprint("app-", i)
	w.Pods = slices.Clone(w.Pods)
	w.Pods[0].Name, w.Pods[0].UID, w.Pods[0].Node = w.Owner.Name, fmt.Sprint("uid-", i), n.Name
	w.Pods[0].Containers = slices.Clone(w.Pods[0].Containers)
	w.Pods[0].Containers[0].ID = m.Containers[0].ID
	set.Workloads = append(set.Workloads, w)
}

// drifted has workloads in three states.
func drifted() *fact.Set {
	set := cluster()
	add(set, 1, func(m *fact.MeasuredContainer) { m.Packages = &fact.PackageChange{Total: 1} })
	add(set, 2, func(m *fact.MeasuredContainer) { m.Root = nil })
	return set
}

func TestGolden(t *testing.T) {
	nodes := of(nil)
	nodes.Head.Nodes = []api.ReportNode{
		node("worker-1", true, api.Yes, api.Yes, api.No, api.Yes, api.NotApplicable, api.Unknown),
		node("control-plane-with-a-name-that-is-very-long-indeed.example.org", true, api.No, api.No, api.No, api.No, api.No, api.No),
		node("silent", false, api.Unknown, api.Unknown, api.Unknown, api.Unknown, api.Unknown, api.Unknown),
		node("strange", true, "perhaps", api.Yes, api.Yes, api.Yes, api.Yes),
	}
	stored := of(nil)
	stored.Stored = store(true, fact.ClassIdentityProtobuf, fact.ClassIdentityProtobuf, fact.ClassAESCBC, fact.ClassKMSv2, fact.ClassSecretbox,
		fact.ClassUnknownEncrypted, fact.ClassEmpty)
	stored.Stored.Held[0].Older = 2
	stored.Stored.DB.History = &fact.StoredHistory{Complete: true}
	for name, tc := range map[string]struct {
		id string
		r  *report.Report
	}{
		"nodes":        {"nodes", nodes},
		"capabilities": {"capabilities", of(cluster())},
		"secrets":      {"secrets", stored},
		"drift":        {"drift", of(drifted())},
	} {
		t.Run(name, func(t *testing.T) {
			p := draw(t, tc.r)[tc.id]
			got := p.Summary + "\n" + p.SVG
			path := filepath.Join("testdata", name+".golden")
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("differs from %s (run with -update and read the difference):\n%s", path, got)
			}
			if again := draw(t, tc.r)[tc.id]; again != p {
				t.Error("drawn twice, it differs")
			}
		})
	}
}

// What was not measured has no picture, and its sentence says so.
func TestNotMeasured(t *testing.T) {
	silent := of(&fact.Set{Nodes: []fact.Node{{Name: "n1"}}})
	silent.Head.Nodes = []api.ReportNode{node("n1", false, api.Unknown), node("n2", false, api.Unknown)}
	declared := of(facttest.Declared(fact.Container{Name: "app"}))
	empty := of(nil)
	empty.Stored = store(false)
	for name, tc := range map[string]struct {
		r    *report.Report
		want map[string]string
	}{
		"a report from a file": {of(nil), map[string]string{
			"nodes": "No node was measured", "capabilities": "no container were measured", "secrets": "No store", "drift": "No running container was measured",
		}},
		"silent nodes":                 {silent, map[string]string{"nodes": "None of 2 nodes was measured", "drift": "No running container was measured"}},
		"only declared":                {declared, map[string]string{"capabilities": "no container were measured", "drift": "No running container was measured"}},
		"a store cut at its beginning": {empty, map[string]string{"secrets": "holds no Secret that was read, so no picture shows how they are stored. It was not read whole"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := draw(t, tc.r)
			for id, want := range tc.want {
				if p := got[id]; p.SVG != "" || !strings.Contains(p.Summary, want) {
					t.Errorf("%s: %d bytes of picture, %q", id, len(p.SVG), p.Summary)
				}
			}
		})
	}
}

// A node that did not answer is a question mark, never a tick.
func TestSilentNodeIsUnknown(t *testing.T) {
	r := of(nil)
	r.Head.Nodes = []api.ReportNode{node("a", true, api.Yes), node("b", false)}
	p := draw(t, r)["nodes"]
	if !strings.Contains(p.Summary, "1 of 2 nodes answered the probe. builds: no on 0, unknown on 1.") {
		t.Error(p.Summary)
	}
	_, row, _ := strings.Cut(p.SVG, ">b</text>")
	row, _, _ = strings.Cut(row, "pic-rule")
	if strings.Contains(row, "pic-good") || strings.Count(row, ">?</text>") != 2 {
		t.Errorf("row of the silent node:\n%s", row)
	}
}

// Of many nodes, those left out are never the silent ones, and names of one domain stay apart.
func TestManyNodes(t *testing.T) {
	r := of(nil)
	questions := []api.Question{api.Builds, api.Immutable, api.Privileged, api.Hosts, api.Secrets, api.Drift}
	for i := range 64 { // each with other answers
		n := api.ReportNode{Name: fmt.Sprintf("ip-10-0-0-%d.eu-central-1.compute.internal", i), Measured: true}
		for j, q := range questions {
			n.Answers = append(n.Answers, api.NodeAnswer{Question: q, Answer: []api.AnswerWord{api.Yes, api.No}[i>>j&1]})
		}
		r.Head.Nodes = append(r.Head.Nodes, n)
	}
	for i := range 3 {
		r.Head.Nodes = append(r.Head.Nodes, node(fmt.Sprint("silent-", i), false))
	}
	p := draw(t, r)["nodes"]
	for _, want := range []string{">silent-0 and 2 more</text>", ">ip-10-0-0-63...</text>", ">ip-10-0-0-62...</text>"} {
		if strings.Count(p.SVG, want) != 1 {
			t.Errorf("no %s in:\n%s", want, p.SVG)
		}
	}
	if want := " 41 nodes with fewer no, or as many, are not shown."; !strings.HasSuffix(p.Summary, want) {
		t.Errorf("%q lacks %q", p.Summary, want)
	}
}

func TestStoreThatWasNotReadWhole(t *testing.T) {
	r := of(nil)
	r.Stored = store(false, fact.ClassAESCBC)
	r.Stored.DB.Total = 4
	p := draw(t, r)["secrets"]
	for _, want := range []string{"Of 4 Secrets", "1 encrypted, and of 3 the form is not known", "not read whole", "Older revisions were not read"} {
		if !strings.Contains(p.Summary, want) {
			t.Errorf("%q lacks %q", p.Summary, want)
		}
	}
}

// Masks that were not read are unknown, not empty.
func TestUnreadMask(t *testing.T) {
	for name, tc := range map[string]struct {
		edit func(*fact.Process)
		want string
	}{
		"no mask was read":       {func(p *fact.Process) { p.CapEff, p.CapPrm = fact.CapMask{}, fact.CapMask{} }, "1 container could not be read."},
		"one mask was not read":  {func(p *fact.Process) { p.CapPrm = fact.CapMask{} }, "Of 1 not every process was read"},
		"more than it declares":  {func(p *fact.Process) { p.CapEff = fact.NewCapMask(1 << 21) }, "1 with capabilities that the spec does not give, 1 with capabilities beyond"},
		"nothing beyond default": {func(p *fact.Process) { p.CapEff, p.CapPrm = fact.NewCapMask(1), fact.NewCapMask(1) }, "0 with capabilities that the spec does not give, 0 with"},
	} {
		t.Run(name, func(t *testing.T) {
			p := draw(t, of(facttest.Measured(facttest.With(tc.edit), fact.Container{Name: "app", Type: fact.RegularContainer})))["capabilities"]
			if !strings.Contains(p.Summary, tc.want) {
				t.Errorf("%q lacks %q", p.Summary, tc.want)
			}
		})
	}
}

// What one mask says is the least that is held: other capabilities are unknown.
func TestPartlyReadMask(t *testing.T) {
	partly := func(p *fact.Process) { p.CapPrm = fact.CapMask{} }
	p := draw(t, of(facttest.Measured(facttest.With(partly), fact.Container{})))["capabilities"]
	const capabilities, held, legend = 41, 14, 1
	if n := strings.Count(p.SVG, ">?</text>"); n != capabilities-held+legend {
		t.Errorf("%d question marks", n)
	}
	// Another pod of the same workload was read whole.
	set := cluster()
	add(set, 1, func(m *fact.MeasuredContainer) {
		m.Processes = slices.Clone(m.Processes)
		partly(&m.Processes[0])
	})
	set.Workloads[1].Owner = set.Workloads[0].Owner
	if p := draw(t, of(set))["capabilities"]; !strings.HasPrefix(p.Summary, "1 container of workloads") || !strings.Contains(p.Summary, "Of 1 not every process was read") {
		t.Error(p.Summary)
	}
}

// What a spec gives is unknown where none was read: nothing is said to be beyond it, or within it.
func TestUnreadSpec(t *testing.T) {
	set := cluster()
	set.Workloads = nil
	p := draw(t, of(set))["capabilities"]
	if want := "1 container of workloads measured: 1 with capabilities beyond the runtime's default. What the spec gives is not known for 1."; p.Summary != want {
		t.Errorf("%q, want %q", p.Summary, want)
	}
	const capabilities, legend = 41, 1
	if n := strings.Count(p.SVG, ">?</text>"); n != capabilities+legend {
		t.Errorf("%d question marks", n)
	}
	holds := func(p *fact.Process) { p.CapEff = fact.NewCapMask(1 << 21) }
	set = facttest.Measured(facttest.With(holds), fact.Container{CapAdd: []string{"NEW_ONE"}})
	if p := draw(t, of(set))["capabilities"]; !strings.Contains(p.Summary, ": 1 with capabilities that the spec does not give, 1 with") || !strings.HasSuffix(p.Summary, "What the spec gives is not known for 1.") {
		t.Error(p.Summary)
	}
}

// A newer kernel's capabilities have a row each, held or only declared.
func TestNewerCapabilities(t *testing.T) {
	for name, tc := range map[string]struct {
		mask, node uint64
		container  fact.Container
		want       string
	}{
		"held":     {1 << 43, facttest.AllCaps, fact.Container{}, ">43 cap_43</text>"},
		"declared": {1, 1<<42 - 1, fact.Container{Privileged: facttest.Ptr(true)}, ">41 cap_41</text>"},
		"neither":  {1, 1<<42 - 1, fact.Container{}, ">40 CHECKPOINT_RESTORE</text>"},
	} {
		t.Run(name, func(t *testing.T) {
			holds := func(p *fact.Process) { p.CapEff, p.CapPrm = fact.NewCapMask(tc.mask), fact.NewCapMask(tc.mask) }
			set := facttest.Measured(facttest.With(holds), tc.container)
			set.Nodes[0].Measured.HostCapBnd = fact.NewCapMask(tc.node)
			svg := draw(t, of(set))["capabilities"].SVG
			if !strings.Contains(svg, tc.want) {
				t.Errorf("no %s", tc.want)
			}
			rows := strings.Count(svg, "pic-rule")
			var last int
			if _, err := fmt.Sscanf(strings.TrimPrefix(tc.want, ">"), "%d", &last); err != nil || rows != last+1 {
				t.Errorf("%d rows, want %d: %v", rows, last+1, err)
			}
		})
	}
}

// A container that runs, of which the node showed nothing, is unknown.
func TestDriftOfUnseen(t *testing.T) {
	set := cluster()
	add(set, 1)
	set.Nodes[1].Measured.Containers = nil
	p := draw(t, of(set))["drift"]
	if !strings.HasPrefix(p.Summary, "Of 2 running containers in 2 workloads, drift was detected in 0, is possible in 1, prevented in 0 and unknown in 1.") {
		t.Error(p.Summary)
	}
}

func TestPercent(t *testing.T) {
	r := of(nil)
	classes := slices.Repeat([]fact.StorageClass{fact.ClassAESCBC}, 999)
	r.Stored = store(true, append(classes, fact.ClassIdentityJSON)...)
	p := draw(t, r)["secrets"]
	for _, want := range []string{">1 (&lt;1 %)<", ">999 (&gt;99 %)<"} {
		if !strings.Contains(p.SVG, want) {
			t.Errorf("no %s", want)
		}
	}
}

const hostileName = "</text></svg><script>alert(1)</script>\x00\x1b[31m\u202e\u200b\ue000\ufffe\xff&\"'=cmd|" // and what XML forbids

func TestHostileNames(t *testing.T) {
	long := hostileName + strings.Repeat("𝕏́", 1<<17)
	r := of(cluster())
	w := &r.Set.Workloads[0]
	w.Owner.Name, w.Owner.Kind, w.Owner.Namespace = long, hostileName, hostileName
	w.Spec.Containers[0].Name = hostileName
	r.Head.Nodes = []api.ReportNode{node(long, true, api.Yes), node(hostileName, true, api.AnswerWord(long))}
	r.Head.Nodes[0].Answers[0].Question = api.Question(long)
	r.Stored = store(true, fact.StorageClass(long), fact.ClassAESCBC)
	r.Stored.Source = long
	r.Stored.Held[1].Provider = "k8s:enc:aescbc:v1:" + hostileName + ":"
	for id, p := range draw(t, r) {
		if p.SVG == "" {
			t.Errorf("%s has no picture: %s", id, p.Summary)
		}
		for _, forbidden := range []string{"<script", "\x1b", "\x00", "\u202e", "\u200b", "\ue000", "\ufffe"} {
			if strings.Contains(p.SVG, forbidden) {
				t.Errorf("%s holds %q", id, forbidden)
			}
		}
		if strings.ContainsAny(p.Summary, "\x1b\x00\u202e\ue000") || len(p.Summary) > 4000 || len(p.SVG) > 100_000 {
			t.Errorf("%s: summary of %d bytes, picture of %d: %.200q", id, len(p.Summary), len(p.SVG), p.Summary)
		}
	}
}

// A large cluster gives small pictures, and they say how much they leave out.
func TestBounded(t *testing.T) {
	set := cluster()
	words := []api.AnswerWord{api.Yes, api.No, api.Unknown, api.NotApplicable}
	r := of(set)
	for i := range 5000 {
		add(set, i)
		answers := make([]api.AnswerWord, 6)
		for j := range answers {
			answers[j] = words[i>>(2*j)&3]
		}
		r.Head.Nodes = append(r.Head.Nodes, node(fmt.Sprint("node-", i), true, answers...))
	}
	classes := make([]fact.StorageClass, 1000)
	for i := range classes {
		classes[i] = fact.StorageClass(fmt.Sprint("form", i))
	}
	r.Stored = store(true, classes...)
	got := draw(t, r)
	for id, want := range map[string]string{
		"nodes":        "with fewer no, or as many, are not shown",
		"capabilities": "5001 containers of workloads measured: 5001 with capabilities that the spec does not give, 5001 with capabilities beyond the runtime's default. The picture shows the 5 with the gravest, and leaves out 4996.",
		"secrets":      "Of 1000 Secrets",
		"drift":        "shows the 14 worst workloads, and counts 4987 more together",
	} {
		p := got[id]
		if !strings.Contains(p.Summary, want) || len(p.SVG) > 100_000 || p.SVG == "" {
			t.Errorf("%s: %d bytes, %q", id, len(p.SVG), p.Summary)
		}
	}
}

// 5,000 nodes with 20 containers each.
func BenchmarkAll(b *testing.B) {
	set := cluster()
	for i := range 100_000 {
		add(set, i)
		if i%20 > 0 { // it runs on the node before
			last := len(set.Nodes) - 1
			own, node := set.Nodes[last], &set.Nodes[last-1]
			node.Measured.Containers = append(node.Measured.Containers, own.Measured.Containers...)
			set.Workloads[len(set.Workloads)-1].Pods[0].Node = node.Name
			set.Nodes = set.Nodes[:last]
		}
	}
	b.ReportMetric(float64(len(set.Nodes)), "nodes")
	b.ResetTimer()
	for b.Loop() {
		bytes := 0
		for _, p := range picture.All(of(set)) {
			bytes += len(p.SVG)
		}
		b.ReportMetric(float64(bytes), "bytes")
	}
}
