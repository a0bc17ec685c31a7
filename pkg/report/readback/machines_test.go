package readback

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	formatcsv "github.com/kubectl-checklist/kubectl-checklist/pkg/report/csv"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report/junit"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report/policyreport"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report/sarif"
)

type outcome struct {
	Message string `xml:"message,attr"`
	Body    string `xml:",chardata"`
}

type suite struct {
	Tests      int `xml:"tests,attr"`
	Failures   int `xml:"failures,attr"`
	Errors     int `xml:"errors,attr"`
	Skipped    int `xml:"skipped,attr"`
	Properties []struct {
		Name  string `xml:"name,attr"`
		Value string `xml:"value,attr"`
	} `xml:"properties>property"`
	Cases []struct {
		Class   string   `xml:"classname,attr"`
		Name    string   `xml:"name,attr"`
		Failure *outcome `xml:"failure"`
		Error   *outcome `xml:"error"`
		Skipped *outcome `xml:"skipped"`
		Out     string   `xml:"system-out"`
	} `xml:"testcase"`
}

// present is 1 if there is an outcome.
func present(o *outcome) int {
	if o == nil {
		return 0
	}
	return 1
}

// JUnit reads the test cases and the properties of the suite. It fails if the sums of the head are
// not those of the cases, or if two cases have one name.
func JUnit(output []byte) (*Content, error) {
	var all struct {
		XMLName xml.Name `xml:"testsuites"`
		Suites  []suite  `xml:"testsuite"`
	}
	if err := xml.Unmarshal(output, &all); err != nil {
		return nil, err
	}
	if len(all.Suites) != 1 {
		return nil, fmt.Errorf("expected one suite, found %d", len(all.Suites))
	}
	s := &all.Suites[0]
	c, sums, names := newContent(), [4]int{}, map[string]bool{}
	for i := range s.Cases {
		t := &s.Cases[i]
		words := strings.SplitN(t.Class, ".", 3)
		if len(words) != 3 || words[0] != "checklist" {
			return nil, fmt.Errorf("expected checklist.QUESTION.CHECK, found %q", t.Class)
		}
		if key := t.Class + "\n" + t.Name; names[key] {
			return nil, fmt.Errorf("two cases are named %q", key)
		}
		names[t.Class+"\n"+t.Name] = true
		check := words[1] + "/" + words[2]
		sums[0]++
		if strings.HasPrefix(t.Name, junit.LeftOut) { // it stands for others, which the properties count
			sums[1] += present(t.Failure)
			sums[2] += present(t.Error)
			sums[3] += present(t.Skipped)
			continue
		}
		switch {
		case t.Failure != nil:
			sums[1]++
			c.item(check, t.Name, string(api.Fail))
		case t.Error != nil:
			sums[2]++
			c.item(check, t.Name, string(api.VerdictUnknown))
		case t.Skipped != nil:
			sums[3]++
			verdict := string(api.Accepted)
			if strings.HasPrefix(t.Skipped.Message, "unknown: ") {
				verdict = string(api.VerdictUnknown)
			}
			c.item(check, t.Name, verdict)
		default:
			n, err := number(strings.TrimSuffix(t.Out, " pass"))
			if err != nil {
				return nil, err
			}
			c.add(check, string(api.Pass), n)
		}
	}
	if head := [4]int{s.Tests, s.Failures, s.Errors, s.Skipped}; head != sums {
		return nil, fmt.Errorf("the head says %d, the cases are %d", head, sums)
	}
	for _, p := range s.Properties {
		if name, ok := strings.CutPrefix(p.Name, "answer."); ok {
			c.Answers[name] = p.Value
		} else if name, ok := strings.CutPrefix(p.Name, "part."); ok {
			c.Parts[name] = p.Value
		} else if name, ok := strings.CutPrefix(p.Name, "leftOut."); ok {
			n, err := number(p.Value)
			if err != nil {
				return nil, err
			}
			c.leave(name, n)
		}
	}
	return c, nil
}

// PolicyReports reads a List of OpenReports or PolicyReports.
func PolicyReports(output []byte) (*Content, error) {
	var list struct {
		Kind  string
		Items []struct {
			Metadata struct {
				Name        string
				Namespace   string
				Annotations map[string]string
			}
			Summary map[string]int
			Results []struct {
				Policy, Result string
				Properties     map[string]string
			}
		}
	}
	if err := json.Unmarshal(output, &list); err != nil {
		return nil, err
	}
	c, said, summaries := newContent(), map[string]int{}, 0
	words := map[string]string{"pass": "pass", "fail": "fail", "warn": "accepted", "error": "unknown"}
	for i := range list.Items {
		item := &list.Items[i]
		sums := map[string]int{}
		for _, r := range item.Results {
			verdict := words[r.Result]
			if verdict == "" || verdict != r.Properties["verdict"] {
				return nil, fmt.Errorf("result %q has verdict %q", r.Result, r.Properties["verdict"])
			}
			sums[r.Result]++
			c.item(r.Policy, r.Properties["fingerprint"], verdict)
		}
		for word, n := range item.Summary {
			if sums[word] != n {
				return nil, fmt.Errorf("%s: the summary says %d %s, found %d", item.Metadata.Name, n, word, sums[word])
			}
		}
		notes := item.Metadata.Annotations
		if notes[policyreport.AnnotationAnswers] == "" {
			continue
		}
		summaries++
		for name, to := range map[string]any{
			policyreport.AnnotationAnswers: &c.Answers, policyreport.AnnotationParts: &c.Parts,
			policyreport.AnnotationVerdicts: &said, policyreport.AnnotationLeftOut: &c.LeftOut,
		} {
			if err := json.Unmarshal([]byte(notes[name]), to); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
		}
		if n, err := number(notes[policyreport.AnnotationReports]); err != nil || n != len(list.Items)-1 {
			return nil, fmt.Errorf("expected %d reports, found %d (%w)", len(list.Items)-1, n, err)
		}
	}
	if summaries != 1 {
		return nil, fmt.Errorf("expected one object with the answers, found %d", summaries)
	}
	counted := c.Verdicts()
	for _, verdict := range union(said, counted) {
		if said[verdict] != counted[verdict] {
			return nil, fmt.Errorf("the summary says %d %s, found %d", said[verdict], verdict, counted[verdict])
		}
	}
	return c, nil
}

// Prometheus reads the text format by Prometheus's own parser.
func Prometheus(output []byte) (*Content, error) {
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(output))
	if err != nil {
		return nil, err
	}
	c := newContent()
	for name, family := range families {
		for _, m := range family.Metric {
			label := map[string]string{}
			for _, l := range m.Label {
				label[l.GetName()] = l.GetValue()
			}
			n := m.Gauge.GetValue()
			switch {
			case name == "kubectl_checklist_answer" && n == 1:
				c.Answers[label["question"]] += label["answer"] // two answers are a word that no question has
			case name == "kubectl_checklist_part_answer" && n == 1:
				c.Parts[label["question"]+":"+label["part"]] += label["answer"]
			case name == "kubectl_checklist_findings":
				c.add(label["check"], label["verdict"], int(n))
			}
		}
	}
	return c, nil
}

// records reads a file of comma-separated values with a header. Each record has as many fields.
func records(output []byte) ([][]string, error) {
	records, err := csv.NewReader(bytes.NewReader(output)).ReadAll()
	if err != nil {
		return nil, err
	}
	if len(records) == 0 {
		return nil, errors.New("no header")
	}
	return records, nil
}

// SARIF reads a log with one run. Results that stand for others, and those about gaps, are no
// findings.
func SARIF(output []byte) (*Content, error) {
	var log struct {
		Runs []struct {
			Results []struct {
				RuleID              string
				PartialFingerprints map[string]string
				Properties          struct {
					Check, Verdict               string
					Affects                      []string
					AlsoFails, AlsoUnknown       int
					FailsLeftOut, UnknownLeftOut int
				}
			}
			Properties sarif.Properties
		}
	}
	if err := json.Unmarshal(output, &log); err != nil {
		return nil, err
	}
	if len(log.Runs) != 1 {
		return nil, fmt.Errorf("expected one run, found %d", len(log.Runs))
	}
	run := &log.Runs[0]
	c := newContent()
	c.Answers, c.Parts = run.Properties.Answers, run.Properties.Parts
	gaps, stands := 0, [2]int{}
	for i := range run.Results {
		r := &run.Results[i]
		switch {
		case r.RuleID == sarif.RuleNotMeasured && r.Properties.UnknownLeftOut > 0:
		case r.RuleID == sarif.RuleNotMeasured:
			gaps++
		case r.Properties.FailsLeftOut+r.Properties.UnknownLeftOut > 0:
			stands[0] += r.Properties.FailsLeftOut
			stands[1] += r.Properties.UnknownLeftOut
		default:
			c.item(r.Properties.Check, r.PartialFingerprints[sarif.KeyOwn], r.Properties.Verdict)
			c.add(r.Properties.Check, string(api.Fail), r.Properties.AlsoFails)
			c.add(r.Properties.Check, string(api.VerdictUnknown), r.Properties.AlsoUnknown)
		}
	}
	for what, n := range run.Properties.LeftOut {
		switch what {
		case "limitFail":
			what = string(api.Fail)
		case "limitUnknown":
			what = string(api.VerdictUnknown)
		case "limitGap":
			continue
		}
		c.leave(what, n)
	}
	if limit := [2]int{run.Properties.LeftOut["limitFail"], run.Properties.LeftOut["limitUnknown"]}; stands != limit || gaps != run.Properties.Gaps {
		return nil, fmt.Errorf("the run says %d left out and %d gaps, its results say %d and %d", limit, run.Properties.Gaps, stands, gaps)
	}
	counts := c.Verdicts()
	for _, verdict := range []api.Verdict{api.Fail, api.VerdictUnknown, api.Accepted, api.Pass} {
		counts[string(verdict)] += c.LeftOut[string(verdict)]
	}
	counts[string(api.Fail)] += c.LeftOut[Severity]
	for verdict, n := range counts {
		if said := run.Properties.Counts[verdict]; said != n {
			return nil, fmt.Errorf("the run says %d %s, found %d", said, verdict, n)
		}
	}
	return c, nil
}

// CSV reads the records by the names of the columns.
func CSV(output []byte) (*Content, error) {
	records, err := records(output)
	if err != nil {
		return nil, err
	}
	for _, column := range []string{"check", "fingerprint", "verdict", "kind", "question", "part", "message"} {
		if !slices.Contains(records[0], column) {
			return nil, fmt.Errorf("no column %q", column)
		}
	}
	c := newContent()
	for _, record := range records[1:] {
		of := func(column string) string { return record[slices.Index(records[0], column)] }
		switch {
		case of("check") != "":
			c.item(of("check"), of("fingerprint"), of("verdict"))
		case of("kind") == formatcsv.KindAnswer && of("part") == "":
			c.Answers[of("question")] = of("verdict")
		case of("kind") == formatcsv.KindAnswer:
			c.Parts[of("question")+":"+of("part")] = of("verdict")
		case of("kind") == formatcsv.KindLeftOut:
			text, _, _ := strings.Cut(strings.TrimPrefix(of("message"), "left out: "), " ")
			n, err := number(text)
			if err != nil {
				return nil, err
			}
			c.leave(Severity, n)
		case of("kind") == formatcsv.KindGap, of("kind") == formatcsv.KindControl, of("kind") == formatcsv.KindUncovered, of("kind") == formatcsv.KindMapping, of("kind") == formatcsv.KindAbout:
		default:
			return nil, fmt.Errorf("unexpected record %q", record)
		}
	}
	return c, nil
}
