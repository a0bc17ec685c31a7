package diff

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

// The checks of the tests: one that measures what runs, one that reads declarations, one of nodes, one
// of stored Secrets.
const (
	runs     = "drift/running"
	declares = "privileged/flag"
	ofHost   = "hosts/kernel"
	ofStore  = "secrets/stored"
)

var (
	web     = fact.Subject{Kind: "Deployment", Namespace: "shop", Name: "web", Container: "app"}
	cluster = fact.Subject{Kind: fact.SubjectCluster}
	secret  = fact.Subject{Kind: "Secret", Namespace: "shop", Name: "db"}
)

func node(name string) fact.Subject { return fact.Subject{Kind: fact.SubjectNode, Name: name} }

// whole is a report of a whole cluster in which all checks ran.
func whole(findings ...api.Finding) *api.ChecklistReport {
	r := &api.ChecklistReport{Findings: findings}
	r.Kind, r.APIVersion = api.ReportKind, api.GroupVersion.String()
	r.CreationTimestamp = metav1.NewTime(time.Date(2026, 11, 29, 9, 0, 0, 0, time.UTC))
	r.Spec = api.ReportSpec{Command: "checklist", CatalogueVersion: "2026.11.12", Scope: api.Scope{AllNamespaces: true}}
	r.Cluster = api.ReportCluster{UID: "u1", Nodes: 2, MeasuredNodes: 2}
	for _, id := range []string{runs, declares, ofHost, ofStore} {
		r.Checks = append(r.Checks, api.ReportCheck{Check: id, Severity: api.Critical})
	}
	return r
}

// of is a finding; the basis is that of the check.
func of(check string, subject fact.Subject, verdict api.Verdict, severity api.Severity, nodes ...string) api.Finding {
	f := api.Finding{Check: check, Question: api.Privileged, Subject: subject, Verdict: verdict, Severity: severity, Basis: api.Measured, Message: "says so"}
	if check == declares {
		f.Basis = api.Declared
	}
	for _, n := range nodes {
		f.Evidence = append(f.Evidence, api.Evidence{Source: "node/" + n + " /proc/1/status", Value: "x"})
	}
	return f
}

func fails(check string, subject fact.Subject, nodes ...string) api.Finding {
	return of(check, subject, api.Fail, api.High, nodes...)
}

func passes(check string, subject fact.Subject, nodes ...string) api.Finding {
	return of(check, subject, api.Pass, api.Critical, nodes...)
}

func unknown(check string, subject fact.Subject) api.Finding {
	f := of(check, subject, api.VerdictUnknown, api.High)
	f.Reason = fact.NotReady
	return f
}

func accepted(check string, subject fact.Subject) api.Finding {
	return of(check, subject, api.Accepted, api.High)
}

func gapOf(what fact.Kind, subject fact.Subject, affects ...string) fact.Gap {
	return fact.Gap{What: what, Subject: subject, Reason: fact.NotReady, Affects: affects}
}

func with(r *api.ChecklistReport, change func(r *api.ChecklistReport)) *api.ChecklistReport {
	change(r)
	return r
}

func gaps(list ...fact.Gap) func(*api.ChecklistReport) {
	return func(r *api.ChecklistReport) { r.Gaps = append(r.Gaps, list...) }
}

func scope(change func(*api.Scope)) func(*api.ChecklistReport) {
	return func(r *api.ChecklistReport) { change(&r.Spec.Scope) }
}

// without leaves out a check that the catalogue has.
func without(check string) func(*api.ChecklistReport) {
	return func(r *api.ChecklistReport) {
		r.Checks = slices.DeleteFunc(r.Checks, func(c api.ReportCheck) bool { return c.Check == check })
		r.Spec.Scope.LeftOutChecks = append(r.Spec.Scope.LeftOutChecks, check)
	}
}

func compared(t *testing.T, old, now *api.ChecklistReport) *api.ChecklistDiff {
	t.Helper()
	a, err := Of(old, false)
	if err != nil {
		t.Fatal(err)
	}
	b, err := Of(now, false)
	if err != nil {
		t.Fatal(err)
	}
	d, err := Compare(a, b, Options{Unchanged: true})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// words are the changes in short: "class check: reason", sorted as they are.
func words(d *api.ChecklistDiff) []string {
	var out []string
	for _, c := range d.Changes {
		text := string(c.Class) + " " + c.Check
		if c.Reason != "" {
			text += ": " + c.Reason
		}
		if c.Catalogue {
			text += " (catalogue)"
		}
		out = append(out, text)
	}
	return out
}

const (
	notThere = "it was not there before"
	scaled   = "new: " + noList
)

func TestClasses(t *testing.T) {
	severity := func(f api.Finding, s api.Severity) api.Finding { f.Severity = s; return f }
	declaredOnly := func(f api.Finding) api.Finding { f.Basis = api.Declared; return f }
	fromGap := func(f api.Finding) api.Finding { f.FromGap = true; return f }
	open := func(f api.Finding) api.Finding { f.Reason = fact.NotReady; return f }
	unmeasured := func(r *api.ChecklistReport) { r.Cluster.MeasuredNodes = 0 }
	platform := scope(func(s *api.Scope) { s.PlatformNamespaces = []string{"infra"} })
	controlPlane := scope(func(s *api.Scope) { s.ControlPlaneNodes = []string{"a"} })
	silent := gaps(gapOf(fact.Processes, node("b"), runs, ofHost, ofStore))
	noPods := gaps(gapOf(fact.Pods, fact.Subject{Kind: fact.SubjectCluster}, runs, declares))
	type both struct {
		old, now *api.ChecklistReport
		want     []string
	}
	for name, tc := range map[string]both{
		"a pass that fails is new":                       {whole(passes(runs, web)), whole(fails(runs, web)), []string{"new " + runs}},
		"a pass that fails under a waiver is new":        {whole(passes(runs, web)), whole(accepted(runs, web)), []string{"new " + runs}},
		"a fail that was not there is new":               {whole(), whole(fails(declares, web)), []string{"new " + declares + ": " + notThere}},
		"a fail of higher severity is worse":             {whole(fails(runs, web)), whole(severity(fails(runs, web), api.Critical)), []string{"worse " + runs}},
		"a fail of lower severity is better":             {whole(fails(runs, web)), whole(severity(fails(runs, web), api.Low)), []string{"better " + runs}},
		"a fail that stays is unchanged":                 {whole(fails(runs, web)), whole(fails(runs, web)), []string{"unchanged " + runs}},
		"a fail that passes is fixed":                    {whole(fails(runs, web)), whole(passes(runs, web)), []string{"fixed " + runs}},
		"a waived fail that passes is fixed":             {whole(accepted(runs, web)), whole(passes(runs, web)), []string{"fixed " + runs}},
		"a declared fail of a deleted workload is gone":  {whole(fails(declares, web)), whole(), []string{"gone " + declares}},
		"a pass of a deleted workload is gone":           {whole(passes(declares, web)), whole(), []string{"gone " + declares}},
		"a fail that becomes unknown is not measured":    {whole(fails(runs, web)), whole(unknown(runs, web)), []string{"no longer measured " + runs}},
		"a pass that becomes unknown is not measured":    {whole(passes(runs, web)), whole(unknown(runs, web)), []string{"no longer measured " + runs}},
		"a waived fail that becomes unknown":             {whole(accepted(runs, web)), whole(unknown(runs, web)), []string{"no longer measured " + runs}},
		"an unknown that passes is newly measured":       {whole(unknown(runs, web)), whole(passes(runs, web)), []string{"newly measured " + runs}},
		"an unknown that fails is newly measured":        {whole(unknown(runs, web)), whole(fails(runs, web)), []string{"newly measured " + runs}},
		"an unknown that stays is unchanged":             {whole(unknown(runs, web)), whole(unknown(runs, web)), []string{"unchanged " + runs}},
		"a new object that passes is newly measured":     {whole(), whole(passes(declares, web)), []string{"newly measured " + declares + ": " + notThere}},
		"a new object that is unknown is new":            {whole(), whole(unknown(ofStore, secret)), []string{"new " + ofStore + ": " + notThere}},
		"an unknown of a deleted Secret is gone":         {whole(unknown(ofStore, secret)), whole(), []string{"gone " + ofStore + ": " + orMended}},
		"an unknown workload that vanishes is no news":   {whole(unknown(runs, web)), whole(), []string{"unchanged " + runs + ": " + scaled}},
		"an unknown workload that appears is no news":    {whole(), whole(unknown(runs, web)), []string{"unchanged " + runs + ": neither run has a verdict"}},
		"a pass that is only declared now":               {whole(passes(runs, web)), whole(declaredOnly(passes(runs, web))), []string{"no longer measured " + runs + ": " + onlyDeclared}},
		"a pass that was only declared":                  {whole(declaredOnly(passes(runs, web))), whole(passes(runs, web)), []string{"newly measured " + runs + ": it was only declared before"}},
		"a pass that fails only as declared, unmeasured": {whole(passes(runs, web)), whole(func() api.Finding { f := declaredOnly(fails(runs, web)); f.Reason = fact.NotReady; return f }()), []string{"no longer measured " + runs + ": it fails, but " + onlyDeclared}},
		"a pass that fails as declared":                  {whole(passes(runs, web)), whole(declaredOnly(fails(runs, web))), []string{"new " + runs}},
		"a fail that passes only as declared":            {whole(fails(runs, web)), whole(declaredOnly(passes(runs, web))), []string{"no longer measured " + runs + ": it passes, but " + onlyDeclared}},
		"a fail that is less severe only as declared":    {whole(fails(runs, web)), whole(severity(declaredOnly(fails(runs, web)), api.Low)), []string{"no longer measured " + runs + ": its severity is less, but " + onlyDeclared}},
		"a deleted Secret is gone":                       {whole(fails(ofStore, secret)), whole(), []string{"gone " + ofStore + ": " + orMended}},
		"a deleted node is gone":                         {whole(fails(ofHost, node("b"))), whole(), []string{"gone " + ofHost}},
		"a verdict of another word is unknown":           {whole(fails(runs, web)), whole(of(runs, web, "good", api.High)), []string{"no longer measured " + runs}},
		"a renamed container is gone, and another new":   {whole(fails(declares, web)), whole(fails(declares, fact.Subject{Kind: "Deployment", Namespace: "shop", Name: "web", Container: "main"})), []string{"new " + declares + ": " + notThere, "gone " + declares}},
		"a bare pod with a new name is gone, and new":    {whole(fails(declares, fact.Subject{Kind: "Pod", Namespace: "shop", Name: "job-1"})), whole(fails(declares, fact.Subject{Kind: "Pod", Namespace: "shop", Name: "job-2"})), []string{"new " + declares + ": " + notThere, "gone " + declares}},
		"the pods of a rollout do not count":             {whole(withPods(fails(runs, web), "web-1")), whole(withPods(fails(runs, web), "web-2", "web-3")), []string{"unchanged " + runs}},
		"two clusters in one report are kept apart":      {whole(inCluster(fails(declares, web), "a"), inCluster(passes(declares, web), "b")), whole(inCluster(passes(declares, web), "a"), inCluster(fails(declares, web), "b")), []string{"new " + declares, "fixed " + declares}},
		"a gap of another cluster hides nothing":         {whole(inCluster(fails(runs, web), "a")), with(whole(inCluster(passes(runs, web), "a")), gaps(gapOf(fact.Processes, fact.Subject{Kind: fact.SubjectNode, Name: "b", Cluster: "b"}, runs))), []string{"fixed " + runs}},
		"a gap of the same cluster hides":                {whole(inCluster(fails(runs, web), "a")), with(whole(inCluster(passes(runs, web), "a")), gaps(gapOf(fact.Processes, fact.Subject{Kind: fact.SubjectNode, Name: "b", Cluster: "a"}, runs))), []string{"no longer measured " + runs + ": it passes, but " + nodeUnread}},
		"of duplicates the worst counts before":          {whole(passes(runs, web), fails(runs, web)), whole(passes(runs, web)), []string{"fixed " + runs}},
		"of duplicates the worst counts after":           {whole(passes(runs, web)), whole(fails(runs, web), passes(runs, web)), []string{"new " + runs}},
		"of duplicates an unknown is worse than a pass":  {whole(passes(runs, web)), whole(unknown(runs, web), passes(runs, web)), []string{"no longer measured " + runs}},
		"the severity of duplicates is the worst":        {whole(fails(runs, web)), whole(severity(fails(runs, web), api.Low), fails(runs, web)), []string{"unchanged " + runs}},
		"a waiver is no fix":                             {whole(fails(runs, web)), whole(accepted(runs, web)), []string{"unchanged " + runs + ": a waiver covers it now"}},
		"a waiver makes nothing better":                  {whole(fails(runs, web)), whole(severity(accepted(runs, web), api.Low)), []string{"unchanged " + runs + ": a waiver covers it now"}},
		"a waiver hides nothing that is worse":           {whole(fails(runs, web)), whole(severity(accepted(runs, web), api.Critical)), []string{"worse " + runs}},
		"a waiver that ended is worse":                   {whole(accepted(runs, web)), whole(fails(runs, web)), []string{"worse " + runs + ": no waiver covers it any more"}},
		"a waiver that ended is worse at less severity":  {whole(accepted(runs, web)), whole(severity(fails(runs, web), api.Low)), []string{"worse " + runs + ": no waiver covers it any more"}},
		"a waiver of a new finding is no fix":            {whole(unknown(runs, web)), whole(accepted(runs, web)), []string{"newly measured " + runs}},
		"a silent node fixes no workload":                {whole(fails(runs, web, "b")), with(whole(passes(runs, web, "a")), silent), []string{"no longer measured " + runs + ": it passes, but " + nodeUnread}},
		"a silent node makes no workload better":         {whole(fails(runs, web, "b")), with(whole(severity(fails(runs, web, "a"), api.Low)), silent), []string{"no longer measured " + runs + ": its severity is less, but " + nodeUnread}},
		"a silent node deletes no workload":              {whole(fails(runs, web, "b")), with(whole(), silent), []string{"no longer measured " + runs + ": new: " + nodeUnread}},
		"a silent node deletes no Secret":                {whole(fails(ofStore, secret, "b")), with(whole(), silent), []string{"no longer measured " + ofStore + ": new: " + nodeUnread}},
		"a silent node fixes no Secret":                  {whole(fails(ofStore, secret, "b")), with(whole(passes(ofStore, secret, "a")), silent), []string{"no longer measured " + ofStore + ": it passes, but " + nodeUnread}},
		"a silent node that was silent hides no fix":     {with(whole(fails(runs, web, "a")), silent), with(whole(passes(runs, web, "a")), silent), []string{"fixed " + runs}},
		"a silent node that was silent may have the pod": {with(whole(fails(runs, web, "c")), silent), with(whole(passes(runs, web, "a")), silent), []string{"no longer measured " + runs + ": it passes, but " + nodeUnread}},
		"a silent node hides no fix of a declaration":    {whole(fails(declares, web)), with(whole(passes(declares, web)), silent), []string{"fixed " + declares}},
		"a silent node hides no deletion that a list shows": {
			whole(fails(runs, web, "b"), passes(declares, web)), with(whole(), silent), []string{"gone " + runs, "gone " + declares},
		},
		"another node can be fixed":                       {whole(fails(ofHost, node("a"))), with(whole(passes(ofHost, node("a"))), silent), []string{"fixed " + ofHost}},
		"a silent node itself is not gone":                {whole(fails(ofHost, node("b"))), with(whole(), silent), []string{"no longer measured " + ofHost + ": new: " + nodeUnread}},
		"a node that was not measured, without a gap":     {whole(fails(runs, web, "b")), with(whole(passes(runs, web, "a")), func(r *api.ChecklistReport) { r.Nodes = []api.ReportNode{{Name: "b"}, {Name: "a", Measured: true}} }), []string{"no longer measured " + runs + ": it passes, but " + nodeUnread}},
		"a gap that a silent node leaves":                 {whole(), with(whole(fromGap(unknown(runs, node("b")))), silent), []string{"no longer measured " + runs + ": it could not be read, and the old run has no such gap"}},
		"a gap that stays":                                {with(whole(fromGap(unknown(runs, node("b")))), silent), with(whole(fromGap(unknown(runs, node("b")))), silent), []string{"unchanged " + runs}},
		"a gap that is closed":                            {with(whole(fromGap(unknown(runs, node("b")))), silent), whole(), []string{"newly measured " + runs + ": the gap is closed"}},
		"a gap of a check that does not run now":          {with(whole(fromGap(unknown(runs, node("b")))), silent), with(whole(), without(runs)), []string{"unchanged " + runs + ": new: " + notRun}},
		"a scaled down workload is not gone":              {whole(fails(runs, web), passes(declares, web)), whole(passes(declares, web)), []string{"no longer measured " + runs + ": new: " + stillThere, "unchanged " + declares}},
		"a workload that only measuring shows":            {whole(fails(runs, web)), whole(), []string{"no longer measured " + runs + ": " + scaled}},
		"a measured fail of a new workload":               {whole(), whole(fails(runs, web), passes(declares, web)), []string{"new " + runs + ": " + notThere, "newly measured " + declares + ": " + notThere}},
		"a measured fail of a workload that was there":    {whole(passes(declares, web)), whole(fails(runs, web), passes(declares, web)), []string{"newly measured " + runs + ": old: " + stillThere, "unchanged " + declares}},
		"a list of nodes that is not complete":            {whole(fails(ofHost, node("b"))), with(whole(), gaps(gapOf(fact.Nodes, fact.Subject{Kind: fact.SubjectCluster}, ofHost))), []string{"no longer measured " + ofHost + ": new: " + notListed}},
		"a list of nodes that affects other checks":       {whole(fails(ofHost, node("b"))), with(whole(), gaps(gapOf(fact.Nodes, fact.Subject{Kind: fact.SubjectCluster}, runs))), []string{"no longer measured " + ofHost + ": new: " + notListed}},
		"a list of pods that is not complete":             {whole(fails(declares, web)), with(whole(), noPods), []string{"no longer measured " + declares + ": new: " + notListed}},
		"a list of pods that is not complete, and pass":   {whole(fails(declares, web)), with(whole(passes(declares, web)), noPods), []string{"no longer measured " + declares + ": it passes, but " + notListed}},
		"a list that was never complete hides no fix":     {with(whole(fails(declares, web)), noPods), with(whole(passes(declares, web)), noPods), []string{"fixed " + declares}},
		"a list that was never complete deletes not":      {with(whole(fails(declares, web)), noPods), with(whole(), noPods), []string{"no longer measured " + declares + ": new: " + notListed}},
		"an old list that was not complete":               {with(whole(), noPods), whole(fails(declares, web)), []string{"newly measured " + declares + ": old: " + notListed}},
		"a gap of the namespace":                          {whole(fails(declares, web)), with(whole(), gaps(gapOf(fact.Pods, fact.Subject{Kind: "Namespace", Name: "shop"}, declares))), []string{"no longer measured " + declares + ": new: " + subjectUnread}},
		"a gap of another namespace":                      {whole(fails(declares, web)), with(whole(), gaps(gapOf(fact.Pods, fact.Subject{Kind: "Namespace", Name: "other"}, declares))), []string{"gone " + declares}},
		"a gap of the workload":                           {whole(fails(declares, web)), with(whole(passes(declares, web)), gaps(gapOf(fact.Pods, fact.Subject{Kind: "Deployment", Namespace: "shop", Name: "web"}, declares))), []string{"no longer measured " + declares + ": it passes, but " + subjectUnread}},
		"a gap on a node that another check needs":        {whole(fails(runs, web, "a")), with(whole(passes(runs, web, "a")), gaps(gapOf(fact.Backups, node("b"), ofStore))), []string{"no longer measured " + runs + ": it passes, but " + nodeUnread}},
		"a gap on a node that was there before":           {with(whole(fails(runs, web, "a")), gaps(gapOf(fact.Backups, node("b"), ofStore))), with(whole(passes(runs, web, "a")), gaps(gapOf(fact.Backups, node("b"), ofStore))), []string{"fixed " + runs}},
		"a list that another check needs":                 {whole(fails(declares, web)), with(whole(passes(declares, web)), gaps(gapOf(fact.Secrets, fact.Subject{Kind: fact.SubjectCluster}, ofStore))), []string{"no longer measured " + declares + ": it passes, but " + notListed}},
		"a node that is still there without a verdict":    {whole(fails(ofHost, node("b")), passes(ofStore, node("b"))), whole(passes(ofStore, node("b"))), []string{"no longer measured " + ofHost + ": new: " + stillThere, "unchanged " + ofStore}},
		"a gap that names no check":                       {whole(fails(declares, web)), with(whole(), gaps(gapOf(fact.Pods, fact.Subject{Kind: fact.SubjectCluster}))), []string{"no longer measured " + declares + ": new: " + notListed}},
		"a file that could not be read":                   {onFiles(whole(fails(declares, inFile(web, "a.yaml")))), with(onFiles(whole()), gaps(gapOf(fact.Pods, fact.Subject{Kind: fact.SubjectFile, Name: "a.yaml"}, declares))), []string{"no longer measured " + declares + ": new: " + subjectUnread}},
		"another file that could not be read":             {onFiles(whole(fails(declares, inFile(web, "a.yaml")))), with(onFiles(whole()), gaps(gapOf(fact.Pods, fact.Subject{Kind: fact.SubjectFile, Name: "b.yaml"}, declares))), []string{"no longer measured " + declares + ": new: " + notListed}},
		"a fix beside a file that could not be read":      {onFiles(whole(fails(declares, inFile(web, "a.yaml")))), with(onFiles(whole(passes(declares, inFile(web, "a.yaml")))), gaps(gapOf(fact.Pods, fact.Subject{Kind: fact.SubjectFile, Name: "b.yaml"}, declares))), []string{"fixed " + declares}},
		"a file that was not given":                       {onFiles(whole(fails(declares, inFile(web, "a.yaml")))), with(onFiles(whole()), scope(func(s *api.Scope) { s.Files = []string{"other"} })), []string{"no longer measured " + declares + ": new: " + narrower}},
		"files after a cluster":                           {whole(fails(declares, web)), onFiles(whole()), []string{"no longer measured " + declares + ": new: " + otherSource}},
		"another namespace was looked at":                 {whole(fails(declares, web)), with(whole(), scope(inNamespace("other"))), []string{"no longer measured " + declares + ": new: " + narrower}},
		"its own namespace was looked at":                 {whole(fails(declares, web)), with(whole(), scope(inNamespace("shop"))), []string{"gone " + declares}},
		"a fix in a narrower scope that has it":           {whole(fails(declares, web)), with(whole(passes(declares, web)), scope(inNamespace("shop"))), []string{"fixed " + declares}},
		"a node in a narrower scope":                      {whole(fails(ofHost, node("b"))), with(whole(), scope(inNamespace("shop"))), []string{"no longer measured " + ofHost + ": new: " + narrower}},
		"the namespace itself in its scope":               {whole(fails(declares, fact.Subject{Kind: "Namespace", Name: "shop"})), with(whole(), scope(inNamespace("shop"))), []string{"gone " + declares}},
		"a wider scope makes nothing new":                 {with(whole(), scope(inNamespace("other"))), whole(fails(declares, web)), []string{"newly measured " + declares + ": old: " + narrower}},
		"a selector":                                      {whole(fails(declares, web)), with(whole(), scope(func(s *api.Scope) { s.Selector = "a=b" })), []string{"no longer measured " + declares + ": new: " + narrower}},
		"a selector hides a part of the subject":          {whole(fails(runs, web)), with(whole(passes(runs, web)), scope(func(s *api.Scope) { s.Selector = "a=b" })), []string{"no longer measured " + runs + ": it passes, but " + narrower}},
		"the same selector":                               {with(whole(fails(declares, web)), scope(func(s *api.Scope) { s.Selector = "a=b" })), with(whole(), scope(func(s *api.Scope) { s.Selector = "a=b" })), []string{"gone " + declares}},
		"a field selector":                                {whole(fails(declares, web)), with(whole(), scope(func(s *api.Scope) { s.FieldSelector = "spec.nodeName=a" })), []string{"no longer measured " + declares + ": new: " + narrower}},
		"names":                                           {whole(fails(declares, web)), with(whole(passes(declares, web)), scope(func(s *api.Scope) { s.Names = []string{"pod/web-1"} })), []string{"no longer measured " + declares + ": it passes, but " + narrower}},
		"fewer names":                                     {with(whole(fails(declares, web)), scope(func(s *api.Scope) { s.Names = []string{"deploy/web", "deploy/api"} })), with(whole(), scope(func(s *api.Scope) { s.Names = []string{"deploy/api"} })), []string{"no longer measured " + declares + ": new: " + narrower}},
		"names of another command":                        {with(whole(fails(declares, web)), scope(func(s *api.Scope) { s.Names = []string{"a"} })), with(whole(), func(r *api.ChecklistReport) { r.Spec.Command, r.Spec.Scope.Names = "nodes", []string{"a"} }), []string{"no longer measured " + declares + ": new: " + narrower}},
		"a scope that is only said in words":              {whole(fails(declares, web)), with(whole(), scope(func(s *api.Scope) { s.Narrowed = "only some pods" })), []string{"no longer measured " + declares + ": new: " + narrower}},
		"a machine of another root":                       {with(whole(fails(ofHost, node("b"))), scope(func(s *api.Scope) { s.Local = true })), with(whole(), scope(func(s *api.Scope) { s.Local, s.Root = true, "/mnt" })), []string{"no longer measured " + ofHost + ": new: " + narrower}},
		"a severity hides":                                {whole(fails(declares, web)), with(whole(), func(r *api.ChecklistReport) { r.Spec.Inputs.Severity = api.Critical }), []string{"no longer measured " + declares + ": new: " + hidden}},
		"a severity hid":                                  {with(whole(), func(r *api.ChecklistReport) { r.Spec.Inputs.Severity = api.Critical }), whole(fails(declares, web)), []string{"newly measured " + declares + ": old: " + hidden}},
		"a skipped check":                                 {whole(fails(declares, web)), with(whole(), without(declares)), []string{"no longer measured " + declares + ": new: " + notRun}},
		"a check that was skipped":                        {with(whole(), without(declares)), whole(fails(declares, web)), []string{"newly measured " + declares + ": old: " + notRun}},
		"a skipped list shows no deletion":                {whole(fails(runs, web), passes(declares, web)), with(whole(), without(declares)), []string{"no longer measured " + runs + ": " + scaled[:5] + notRun, "no longer measured " + declares + ": new: " + notRun}},
		"an earlier version's report after":               {whole(fails(declares, web)), with(whole(), func(r *api.ChecklistReport) { r.Checks = nil }), []string{"no longer measured " + declares + ": new: " + noChecks}},
		"an earlier version's report before":              {with(whole(), func(r *api.ChecklistReport) { r.Checks = nil }), whole(fails(declares, web)), []string{"newly measured " + declares + ": old: " + noChecks}},
		"a check that the old catalogue lacks":            {with(whole(), older(declares)), whole(fails(declares, web)), []string{"newly measured " + declares + ": " + inCatalogue + " (catalogue)"}},
		"an unknown that the old catalogue lacks":         {with(whole(), older(declares)), whole(unknown(declares, web)), []string{"unchanged " + declares + ": " + inCatalogue + " (catalogue)"}},
		"a check that the new catalogue lacks":            {whole(fails(declares, web)), with(whole(), older(declares)), []string{"no longer measured " + declares + ": " + notCatalogued + " (catalogue)"}},
		"a severity of the catalogue rises":               {with(whole(severity(fails(runs, web), api.High)), graded(runs, api.High)), with(whole(severity(fails(runs, web), api.Critical)), newer), []string{"unchanged " + runs + ": the catalogue gives the check another severity (catalogue)"}},
		"a severity of the catalogue falls":               {whole(severity(fails(runs, web), api.Critical)), with(whole(severity(fails(runs, web), api.High)), graded(runs, api.High)), []string{"unchanged " + runs + ": the catalogue gives the check another severity (catalogue)"}},
		"a fix by another catalogue":                      {whole(fails(runs, web)), with(whole(passes(runs, web)), newer), []string{"newly measured " + runs + ": it failed, but " + otherCatalogue + " (catalogue)"}},
		"less severe by another catalogue":                {whole(fails(runs, web)), with(whole(severity(fails(runs, web), api.Low)), newer), []string{"unchanged " + runs + ": its severity is less, but " + otherCatalogue + " (catalogue)"}},
		"a new fail by another catalogue":                 {whole(passes(runs, web)), with(whole(fails(runs, web)), newer), []string{"new " + runs}},
		"worse by another catalogue":                      {whole(fails(runs, web)), with(whole(severity(fails(runs, web), api.Critical)), newer), []string{"worse " + runs}},
		"a deletion under another catalogue":              {whole(fails(declares, web)), with(whole(), newer), []string{"gone " + declares}},
		"a silent node is named before the catalogue":     {whole(fails(runs, web, "b")), with(with(whole(passes(runs, web, "a")), silent), newer), []string{"no longer measured " + runs + ": it passes, but " + nodeUnread}},
		"a fix of which something is unknown":             {whole(fails(runs, web)), whole(open(passes(runs, web))), []string{"no longer measured " + runs + ": it passes, but " + partly}},
		"less severe, and something is unknown":           {whole(fails(declares, web)), whole(open(severity(fails(declares, web), api.Low))), []string{"no longer measured " + declares + ": its severity is less, but " + partly}},
		"less severe, and nothing was ever measured":      {with(whole(fails(declares, web)), unmeasured), whole(open(severity(fails(declares, web), api.Low))), []string{"better " + declares}},
		"a fix, unknown, and nothing was ever measured":   {with(whole(fails(declares, web)), unmeasured), with(whole(open(passes(declares, web))), unmeasured), []string{"no longer measured " + declares + ": it passes, but " + partly}},
		"as severe, and something is unknown":             {whole(fails(declares, web)), whole(open(fails(declares, web))), []string{"unchanged " + declares}},
		"a fail for lack of measuring is measured":        {whole(open(declaredOnly(fails(runs, web)))), whole(passes(runs, web)), []string{"newly measured " + runs + ": " + wasDeclared}},
		"a declared fail that is measured":                {whole(declaredOnly(fails(runs, web))), whole(passes(runs, web)), []string{"fixed " + runs}},
		"a silent node that was deleted":                  {with(whole(fromGap(unknown(runs, node("b"))), passes(declares, node("b"))), silent), whole(), []string{"gone " + runs, "gone " + declares}},
		"a silent node that may be deleted":               {with(whole(fromGap(unknown(runs, node("b"))), passes(declares, node("b"))), silent), with(whole(), without(declares)), []string{"newly measured " + runs + ": the gap is closed", "no longer measured " + declares + ": new: " + notRun}},
		"a platform's namespace fixes nothing":            {whole(fails(declares, web)), with(whole(passes(declares, web)), platform), []string{"no longer measured " + declares + ": it passes, but " + toldOther}},
		"a platform's namespace makes nothing better":     {with(whole(fails(declares, web)), platform), whole(severity(fails(declares, web), api.Low)), []string{"no longer measured " + declares + ": its severity is less, but " + toldOther}},
		"the same namespaces of the platform":             {with(whole(fails(declares, web)), platform), with(whole(passes(declares, web)), platform), []string{"fixed " + declares}},
		"a control plane node fixes nothing":              {with(whole(fails(runs, web)), controlPlane), whole(passes(runs, web)), []string{"no longer measured " + runs + ": it passes, but " + toldOther}},
		"other facts of its namespace":                    {whole(fails(declares, web)), with(whole(passes(declares, web)), gaps(gapOf(fact.Secrets, fact.Subject{Kind: fact.SubjectNamespace, Name: "shop"}, ofStore))), []string{"no longer measured " + declares + ": it passes, but " + subjectUnread}},
		"other facts of its namespace, as before":         {with(whole(fails(declares, web)), gaps(gapOf(fact.Secrets, fact.Subject{Kind: fact.SubjectNamespace, Name: "shop"}, ofStore))), with(whole(passes(declares, web)), gaps(gapOf(fact.Secrets, fact.Subject{Kind: fact.SubjectNamespace, Name: "shop"}, ofStore))), []string{"fixed " + declares}},
		"other facts of the namespace itself":             {whole(fails(declares, fact.Subject{Kind: fact.SubjectNamespace, Name: "shop"})), with(whole(passes(declares, fact.Subject{Kind: fact.SubjectNamespace, Name: "shop"})), gaps(gapOf(fact.Secrets, fact.Subject{Kind: fact.SubjectNamespace, Name: "shop"}, ofStore))), []string{"no longer measured " + declares + ": it passes, but " + subjectUnread}},
		"other facts of another namespace":                {whole(fails(declares, web)), with(whole(passes(declares, web)), gaps(gapOf(fact.Secrets, fact.Subject{Kind: fact.SubjectNamespace, Name: "other"}, ofStore))), []string{"fixed " + declares}},
		"other facts of the workload":                     {whole(fails(runs, web)), with(whole(passes(runs, web)), gaps(gapOf(fact.Executables, web, ofStore))), []string{"no longer measured " + runs + ": it passes, but " + subjectUnread}},
		"a container that no list has any more":           {whole(), with(whole(fails(runs, fact.Subject{Kind: fact.SubjectContainer, Name: "c1", Node: "a"})), gaps(gapOf(fact.Pods, fact.Subject{Kind: fact.SubjectNamespace, Name: "shop"}, declares))), []string{"newly measured " + runs + ": new: " + notListed + ": it may be part of a workload"}},
		"a container that no list ever had":               {whole(), whole(fails(runs, fact.Subject{Kind: fact.SubjectContainer, Name: "c1", Node: "a"})), []string{"new " + runs + ": " + notThere}},
		"a deleted Secret that passed":                    {whole(passes(ofStore, secret)), whole(), []string{"gone " + ofStore}},
		"a Secret that is still there":                    {whole(fails(declares, secret), fails(ofStore, secret)), whole(fails(ofStore, secret)), []string{"no longer measured " + declares + ": new: " + stillThere, "unchanged " + ofStore}},
		"a Secret of which another check finds more":      {whole(fails(ofStore, secret)), whole(fails(declares, secret), fails(ofStore, secret)), []string{"newly measured " + declares + ": old: " + stillThere, "unchanged " + ofStore}},
		"a measured namespace, of which there is no list": {whole(fails(runs, fact.Subject{Kind: fact.SubjectNamespace, Name: "shop"})), whole(), []string{"no longer measured " + runs + ": new: " + noList}},
		"a cluster is never gone":                         {whole(fails(declares, cluster)), whole(), []string{"no longer measured " + declares + ": new: " + stillThere}},
		"a cluster is never new":                          {whole(), whole(fails(declares, cluster)), []string{"newly measured " + declares + ": old: " + stillThere}},
		"something of the cluster is unknown":             {whole(), whole(unknown(declares, cluster)), []string{"no longer measured " + declares + ": it could not be read, and the old run has no such gap"}},
		"something of the cluster is not unknown now":     {whole(unknown(declares, cluster)), whole(), []string{"newly measured " + declares + ": the gap is closed"}},
		"something of the cluster is not asked now":       {whole(unknown(declares, cluster)), with(whole(), without(declares)), []string{"unchanged " + declares + ": new: " + notRun}},
		"other facts of another workload":                 {whole(fails(runs, web)), with(whole(passes(runs, web)), gaps(gapOf(fact.Executables, fact.Subject{Kind: "Deployment", Namespace: "shop", Name: "api"}, ofStore))), []string{"fixed " + runs}},
		"a severity that the catalogue does not explain": {
			with(whole(severity(fails(runs, web), api.Low)), graded(runs, api.High)), with(whole(severity(fails(runs, web), api.Critical)), newer), []string{"worse " + runs},
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := compared(t, tc.old, tc.now)
			if diff := cmp.Diff(tc.want, words(d)); diff != "" {
				t.Errorf("changes (-want +got):\n%s", diff)
			}
			s := d.Summary
			if n := s.New + s.Worse + s.Better + s.Unchanged + s.Fixed + s.Gone + s.NoLongerMeasured + s.NewlyMeasured; n != len(d.Changes) {
				t.Errorf("%d are counted, %d listed", n, len(d.Changes))
			}
		})
	}
}

func withPods(f api.Finding, pods ...string) api.Finding {
	f.Subject.Pods, f.Subject.PodCount = pods, len(pods)
	return f
}

func inCluster(f api.Finding, cluster string) api.Finding {
	f.Subject.Cluster = cluster
	return f
}

func inFile(s fact.Subject, file string) fact.Subject {
	s.File = file
	return s
}

func onFiles(r *api.ChecklistReport) *api.ChecklistReport {
	r.Spec.Scope = api.Scope{Files: []string{"deploy"}, Narrowed: "only what files declare"}
	r.Cluster = api.ReportCluster{}
	return r
}

func inNamespace(name string) func(*api.Scope) {
	return func(s *api.Scope) {
		s.AllNamespaces, s.Namespaces, s.Narrowed = false, []string{name}, "only namespace "+name
	}
}

// older is of a catalogue that does not have the check.
func older(check string) func(*api.ChecklistReport) {
	return func(r *api.ChecklistReport) {
		without(check)(r)
		r.Spec.Scope.LeftOutChecks = nil
		r.Spec.CatalogueVersion = "2026.01.01"
	}
}

func newer(r *api.ChecklistReport) { r.Spec.CatalogueVersion = "2026.12.01" }

// graded is of another catalogue in which the check has the severity.
func graded(check string, s api.Severity) func(*api.ChecklistReport) {
	return func(r *api.ChecklistReport) {
		r.Spec.CatalogueVersion = "2026.01.01"
		for i := range r.Checks {
			if r.Checks[i].Check == check {
				r.Checks[i].Severity = s
			}
		}
	}
}

// What counts for --fail-on.
func TestCounts(t *testing.T) {
	critical := fails(runs, web)
	critical.Severity = api.Critical
	silentPass := unknown(runs, web)
	for name, tc := range map[string]struct {
		old, now          *api.ChecklistReport
		worse, unmeasured bool
	}{
		"nothing changed":                      {whole(fails(runs, web)), whole(fails(runs, web)), false, false},
		"a new fail":                           {whole(passes(runs, web)), whole(critical), true, false},
		"a new fail of less severity":          {whole(passes(runs, web)), whole(fails(runs, web)), false, false},
		"a worse fail":                         {whole(fails(runs, web)), whole(critical), true, false},
		"an unknown that fails":                {whole(unknown(runs, web)), whole(critical), true, false},
		"a fail of a wider scope":              {with(whole(), scope(inNamespace("other"))), whole(func() api.Finding { f := critical; f.Check = declares; return f }()), true, false},
		"an unknown that passes":               {whole(unknown(runs, web)), whole(passes(runs, web)), false, false},
		"a new fail under a waiver":            {whole(passes(runs, web)), whole(func() api.Finding { f := critical; f.Verdict = api.Accepted; return f }()), false, false},
		"a waiver that ended":                  {whole(accepted(runs, web)), whole(critical), true, false},
		"a fail that the old catalogue lacks":  {with(whole(), older(runs)), whole(critical), false, false},
		"a fix":                                {whole(critical), whole(passes(runs, web)), false, false},
		"a pass that is measured no more":      {whole(passes(runs, web)), whole(silentPass), false, true},
		"a check that the new catalogue lacks": {whole(passes(runs, web)), with(whole(), older(runs)), false, true},
		"a new Secret that is unknown":         {whole(), whole(unknown(ofStore, secret)), false, true},
		"a deletion":                           {whole(fails(ofStore, secret)), whole(), false, false},
	} {
		t.Run(name, func(t *testing.T) {
			d := compared(t, tc.old, tc.now)
			if got := Worse(d, api.Critical); got != tc.worse {
				t.Errorf("worse: want %v, got %v of %q", tc.worse, got, words(d))
			}
			if got := Unmeasured(d); got != tc.unmeasured {
				t.Errorf("unmeasured: want %v, got %v of %q", tc.unmeasured, got, words(d))
			}
		})
	}
}

func TestRefused(t *testing.T) {
	whatIf := with(whole(), scope(func(s *api.Scope) { s.WhatIf = &api.WhatIf{} }))
	other := with(whole(), func(r *api.ChecklistReport) { r.Cluster.UID = "u2" })
	at := func(uid, server string) func(*api.ChecklistReport) {
		return func(r *api.ChecklistReport) { r.Cluster.UID, r.Cluster.Server = uid, server }
	}
	for name, tc := range map[string]struct {
		old, now *api.ChecklistReport
		opts     Options
		want     error
	}{
		"an old report of what would be": {whatIf, whole(), Options{}, ErrWhatIf},
		"a new report of what would be":  {whole(), whatIf, Options{OtherCluster: true}, ErrWhatIf},
		"two clusters":                   {whole(), other, Options{}, ErrOtherCluster},
		"two clusters that were meant":   {whole(), other, Options{OtherCluster: true}, nil},
		"one cluster":                    {whole(), whole(), Options{}, nil},
		"two servers without a UID":      {with(whole(), at("", "https://a")), with(whole(), at("u1", "https://b")), Options{}, ErrOtherServer},
		"two servers, new without a UID": {with(whole(), at("u1", "https://a")), with(whole(), at("", "https://b")), Options{}, ErrOtherServer},
		"two servers that were meant":    {with(whole(), at("", "https://a")), with(whole(), at("", "https://b")), Options{OtherCluster: true}, nil},
		"one server without a UID":       {with(whole(), at("", "https://a")), with(whole(), at("", "https://a")), Options{}, nil},
		"no server and no UID":           {with(whole(), at("", "")), with(whole(), at("", "https://a")), Options{}, nil},
		"two servers of one cluster":     {with(whole(), at("u1", "https://a")), with(whole(), at("u1", "https://b")), Options{}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			a, errA := Of(tc.old, false)
			b, errB := Of(tc.now, false)
			if errA != nil || errB != nil {
				t.Fatal(errA, errB)
			}
			if _, err := Compare(a, b, tc.opts); err != tc.want { //nolint:errorlint // these very errors
				t.Errorf("want %v, got %v", tc.want, err)
			}
		})
	}
}

func TestWarnings(t *testing.T) {
	noUID := func(r *api.ChecklistReport) { r.Cluster.UID = "" }
	database := func(digest string) func(*api.ChecklistReport) {
		return func(r *api.ChecklistReport) { r.Spec.Inputs.Vulnerabilities = digest }
	}
	for name, tc := range map[string]struct {
		old, now *api.ChecklistReport
		want     []string
	}{
		"one cluster":     {whole(), whole(), nil},
		"no UID":          {with(whole(), noUID), whole(), []string{"Whether both are of one cluster is unknown: the UID of the namespace kube-system is missing. Names are compared."}},
		"files have none": {onFiles(whole()), onFiles(whole()), nil},
		"two sources":     {onFiles(whole()), whole(), []string{"The old one is about files, the new one about a cluster."}},
		"the wrong order": {whole(), with(whole(), func(r *api.ChecklistReport) { r.CreationTimestamp = metav1.NewTime(time.Unix(1, 0)) }), []string{"The new one was collected before the old one."}},
		"no time":         {whole(), with(whole(), func(r *api.ChecklistReport) { r.CreationTimestamp = metav1.Time{} }), nil},
		"two catalogues":  {whole(), with(whole(), newer), []string{"Different catalogues judged: a change of a verdict can come from that. Facts are judged again by one catalogue."}},
		"one database":    {with(whole(), database("sha256:a")), with(whole(), database("sha256:a")), nil},
		"two databases":   {with(whole(), database("sha256:a")), with(whole(), database("sha256:b")), []string{"They were compared with different vulnerability databases: a change of a verdict can come from that."}},
		"earlier version": {with(whole(), func(r *api.ChecklistReport) { r.Checks = nil }), whole(), []string{"The old report is of an earlier version: it does not say which checks ran."}},
		"severity":        {whole(), with(whole(), func(r *api.ChecklistReport) { r.Spec.Inputs.Severity = api.Low }), []string{"The new report was made with --severity: what it does not have proves nothing."}},
		"a repeated one":  {whole(), whole(passes(runs, web), passes(runs, web), fails(runs, web)), []string{"The new report has 2 findings with the check and subject of another one: the worst counts."}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, compared(t, tc.old, tc.now).Warnings); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCatalogueChange(t *testing.T) {
	old := with(whole(), func(r *api.ChecklistReport) {
		older(declares)(r)
		r.Checks = append(r.Checks, api.ReportCheck{Check: "secrets/removed"})
		r.Spec.Scope.LeftOutChecks = []string{"secrets/left-out"}
		graded(runs, api.Low)(r)
	})
	want := &api.CatalogueChange{
		Old: "2026.01.01", New: "2026.11.12", Added: []string{declares}, Removed: []string{"secrets/left-out", "secrets/removed"},
		Severities: []api.SeverityChange{{Check: runs, Old: api.Low, New: api.Critical}},
	}
	if diff := cmp.Diff(want, compared(t, old, whole()).Catalogue); diff != "" {
		t.Errorf("catalogue (-want +got):\n%s", diff)
	}
	if got := compared(t, whole(), whole()).Catalogue; got != nil {
		t.Errorf("one catalogue changed: %v", got)
	}
}

func TestAnswers(t *testing.T) {
	answers := func(list ...api.Answer) func(*api.ChecklistReport) {
		return func(r *api.ChecklistReport) { r.Answers = list }
	}
	old := with(whole(), answers(
		api.Answer{Question: api.Secrets, Answer: api.No, Parts: []api.PartAnswer{{Part: "stored", Answer: api.No}, {Part: "transit", Answer: api.Yes}}},
		api.Answer{Question: api.Builds, Answer: api.Yes}, api.Answer{Question: api.Hosts, Answer: api.Yes},
	))
	now := with(whole(), answers(
		api.Answer{Question: api.Secrets, Answer: api.Unknown, Reason: "NotReady", Parts: []api.PartAnswer{{Part: "stored", Answer: "good", Reason: "r"}, {Part: "transit", Answer: api.Yes}, {Part: "pods", Answer: api.No}}},
		api.Answer{Question: api.Builds, Answer: api.Yes},
	))
	want := []api.AnswerChange{
		{Question: api.Hosts, Old: api.Yes},
		{Question: api.Secrets, Old: api.No, New: api.Unknown, Reason: "NotReady"},
		{Question: api.Secrets, Part: "stored", Old: api.No, New: api.Unknown, Reason: "r"},
		{Question: api.Secrets, Part: "pods", New: api.No},
	}
	if diff := cmp.Diff(want, compared(t, old, now).Answers); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
}

// The order is that of the classes, then the worst.
func TestOrder(t *testing.T) {
	old, now := whole(), whole()
	for i := range 50 {
		s := web
		s.Name = fmt.Sprintf("web-%02d", i)
		old.Findings = append(old.Findings, of(runs, s, []api.Verdict{api.Pass, api.Fail, api.VerdictUnknown}[i%3], api.Severities()[i%4]))
		now.Findings = append(now.Findings, of(runs, s, []api.Verdict{api.Pass, api.Fail, api.VerdictUnknown, api.Accepted}[i/3%4], api.Severities()[i%4]))
	}
	d := compared(t, old, now)
	for i := 1; i < len(d.Changes); i++ {
		if compareChanges(d.Changes[i-1], d.Changes[i]) >= 0 {
			t.Errorf("%v is before %v", d.Changes[i-1], d.Changes[i])
		}
	}
	if d.Changes[0].Class != api.ChangeNew || d.Changes[len(d.Changes)-1].Class != api.ChangeUnchanged {
		t.Errorf("from %s to %s", d.Changes[0].Class, d.Changes[len(d.Changes)-1].Class)
	}
	for range 5 {
		if diff := cmp.Diff(d, compared(t, old, now)); diff != "" {
			t.Errorf("another order (-want +got):\n%s", diff)
		}
	}
}
