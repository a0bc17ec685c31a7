package readback

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/html"

	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report/markdown/markdowntest"
)

// corpus has texts that a format could take as its own.
func corpus() map[string]string {
	long := strings.Repeat("<&\"'|`@é\u202e", 1<<20/14)
	return map[string]string{
		"empty":       "",
		"html":        `<script>alert(1)</script><img src=x onerror=alert(1)>"'><b>&lt;&#x3c;`,
		"html data":   `</script><script type="application/octet-stream" id="data">eJw=</script>`,
		"xml":         `]]><!--</testcase></testsuite><?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]>&b;`,
		"json":        `","verdict":"pass","x":"\u0000\ud800`,
		"yaml":        "a: b\n- c\n---\n!!binary x\n&a *a {} [] # no\n\ttab",
		"sarif":       `[link](0) [link](https://evil.example) {0} {{0}} javascript:alert(1) file:///etc/passwd ../../etc/passwd`,
		"markdown":    "# h\n* x | y | z\n```sh\n``` `c` [l](http://evil.example) ![i](http://evil.example/i.png) <https://evil.example> https://evil.example www.evil.example",
		"backticks":   strings.Repeat("`", 90) + " @team <b>",
		"slashes":     `a\|@team \\|<b> \`,
		"formula":     `=HYPERLINK("http://evil.example","x")`,
		"formula +":   "+1+cmd|' /C calc'!A0",
		"formula -":   "-2+3",
		"formula @":   "@SUM(1+9)*cmd|' /C calc'!A0",
		"formula tab": "\t=1+1",
		"formula cr":  "\r=1+1",
		"mentions":    "@team @org/security #1 org/repo#2 GH-3 !4 %5 ~label &6 jo@example.com 0123456789abcdef0123456789abcdef01234567",
		"controls":    "a\x00b\x01\x08\x0b\x0c\x0e\x1b[31mred\x1b]0;title\x07\x7f\u0085\u009b",
		"direction":   "a\u202egnp.exe\u2066x\u2069\u200f\u061c",
		"zero width":  "a\u200bb\u200c\u200d\u2060\ufeff\u00ad\u180e",
		"private use": "a\ue000\uf8ff\U000f0000\U0010fffd",
		"not UTF-8":   "a\xff\xfe\xc0\x80\xed\xa0\x80\xf4\x90\x80\x80",
		"nothing":     "a\ufffe\uffff\ufdd0\U0001ffff",
		"metrics":     "a\"} 1\nkubectl_checklist_answer{question=\"x\",answer=\"yes\"} 1\n# HELP x \\",
		"our words":   "pass\n- Left out: 7 fail, because of the limit\n| `fail` | x |",
		"template":    "{{.}} ${x} $(x) `x` %s %n",
		"long":        long,
	}
}

// fill sets every text of a value, also map keys, and gives each list one element. So a new field of
// a report is in the test.
func fill(t testing.TB, v reflect.Value, text string, depth int) {
	t.Helper()
	if depth > 12 {
		t.Fatalf("%s is too deep", v.Type())
	}
	raw := reflect.TypeFor[json.RawMessage]()
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem(), text, depth+1)
	case reflect.Slice:
		if v.Type() == raw {
			quoted, err := json.Marshal(text)
			if err != nil {
				t.Fatal(err)
			}
			v.SetBytes(quoted)
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(t, v.Index(0), text, depth+1)
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(t, key, text[:min(len(text), 200)], depth+1)
		fill(t, value, text, depth+1)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.Struct:
		for i := range v.NumField() {
			if field := v.Field(i); field.CanSet() && !strings.HasPrefix(v.Type().Field(i).Name, "ManagedFields") {
				fill(t, field, text, depth+1)
			}
		}
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(1)
	case reflect.Bool:
		v.SetBool(true)
	default:
	}
}

// injected is a report whose every text is one text. Findings have every verdict, also the text.
func injected(t testing.TB, text string) *api.ChecklistReport {
	t.Helper()
	r := &api.ChecklistReport{}
	fill(t, reflect.ValueOf(r).Elem(), text, 0)
	for _, mapping := range []string{"cis", "nsa"} {
		r.Checks[0].Controls = append(r.Checks[0].Controls, api.Control{Mapping: mapping, Version: text, ID: text})
	}
	one := r.Findings[0]
	for _, verdict := range []api.Verdict{api.Fail, api.VerdictUnknown, api.Accepted, api.Pass} {
		f := one
		f.Verdict, f.Severity = verdict, api.High
		r.Findings = append(r.Findings, f)
	}
	r.Findings = append(r.Findings, one) // the same names twice
	return r
}

// mostOutput bounds the output of every format that shortens texts, for five findings whose texts
// have 1 MiB each.
const mostOutput = 6 << 20

// whole are the formats that are the full record.
var whole = map[string]bool{"json": true, "yaml": true}

// unseen finds characters that nobody can see, or that a terminal obeys.
func unseen(text string) string {
	for _, r := range text {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
		case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Zl, unicode.Zp, unicode.Noncharacter_Code_Point):
			return fmt.Sprintf("%U", r)
		}
	}
	return ""
}

// TestInjection prints reports that come from a file, whose every text is hostile. Each format stays
// valid by its own parser, shows no character that is not seen, and is bounded.
func TestInjection(t *testing.T) {
	for name, text := range corpus() {
		r := injected(t, text)
		for _, format := range all(t) {
			if name == "long" && whole[format.Name] {
				continue // the full record cuts nothing
			}
			t.Run(format.Name+"/"+name, func(t *testing.T) {
				for _, opts := range injectedOptions {
					safe(t, &format, r, opts)
				}
			})
		}
	}
}

// injectedOptions make formats print everything that they can.
var injectedOptions = []report.Options{{}, {Mapping: "nsa", AllowUnknown: true, MinSeverity: api.Low}}

func safe(t *testing.T, format *report.Format, r *api.ChecklistReport, opts report.Options) {
	t.Helper()
	output := printed(t, format, r, opts)
	if !utf8.Valid(output) {
		t.Error("the output is no UTF-8")
	}
	if !whole[format.Name] {
		if len(output) > mostOutput {
			t.Errorf("%d bytes", len(output))
		}
		if found := unseen(string(output)); found != "" {
			t.Errorf("the output has %s", found)
		}
	}
	if wrong := validate(format.Name, output); wrong != nil {
		t.Errorf("%s: %v\n%.2000s", format.Name, wrong, output)
	}
}

// FuzzInjection does the same for any text, in one of the formats.
func FuzzInjection(f *testing.F) {
	texts := corpus()
	for i, name := range slices.Sorted(maps.Keys(texts)) {
		f.Add(texts[name][:min(len(texts[name]), 300)], uint8(i)) //nolint:gosec // few
	}
	f.Fuzz(func(t *testing.T, text string, which uint8) {
		const enough = 100_000
		list := all(t)
		safe(t, &list[int(which)%len(list)], injected(t, text[:min(len(text), enough)]), injectedOptions[int(which)/len(list)%len(injectedOptions)])
	})
}

// FuzzReaders reads any bytes as each format: an error, or what can be compared.
func FuzzReaders(f *testing.F) {
	readers := Readers()
	names := slices.Sorted(maps.Keys(readers))
	for i, name := range names {
		for _, format := range all(f) {
			if format.Name == name {
				f.Add(printed(f, &format, injected(f, "plain"), report.Options{}), uint8(i)) //nolint:gosec // few
			}
		}
		f.Add([]byte("{}\n"), uint8(i)) //nolint:gosec // few
	}
	f.Fuzz(func(t *testing.T, data []byte, which uint8) {
		content, err := readers[names[int(which)%len(names)]](data)
		if err != nil {
			return
		}
		if different := Different(content, content, false); len(different) > 0 {
			t.Errorf("it differs from itself: %q", different)
		}
		TurnsGood(content, content)
	})
}

// validate checks an output by the format's own rules.
func validate(format string, output []byte) error {
	switch format {
	case "json", "openreports", "policyreport", "sarif":
		var any any
		return json.Unmarshal(output, &any)
	case "yaml":
		_, err := YAML(output)
		return err
	case "junit":
		return validXML(output)
	case "markdown":
		return validMarkdown(string(output))
	case "prometheus":
		_, err := Prometheus(output)
		return err
	case "csv":
		return validCSV(output)
	case "html":
		return validPage(output)
	}
	return fmt.Errorf("no rules for format %q", format)
}

func validXML(output []byte) error {
	decoder := xml.NewDecoder(bytes.NewReader(output))
	known := map[string]bool{
		"testsuites": true, "testsuite": true, "properties": true, "property": true, "testcase": true,
		"failure": true, "error": true, "skipped": true, "system-out": true,
	}
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		switch e := token.(type) {
		case xml.StartElement:
			if !known[e.Name.Local] {
				return fmt.Errorf("element %q", e.Name.Local)
			}
		case xml.Directive, xml.Comment:
			return fmt.Errorf("a directive or comment: %q", e)
		case xml.ProcInst:
			if decoder.InputOffset() > 60 {
				return fmt.Errorf("an instruction: %q", e.Inst)
			}
		}
	}
}

var heading = regexp.MustCompile(`^###? [A-Za-z0-9 /,.()-]+\n$`)

// validMarkdown finds nothing outside of code spans that is markup, a mention or a link, but what the
// format itself writes.
func validMarkdown(output string) error {
	if n := utf8.RuneCountInString(output); n > 60_000 {
		return fmt.Errorf("%d characters", n)
	}
	for line := range strings.Lines(output) {
		if heading.MatchString(line) {
			continue
		}
		outside := markdowntest.OutsideCode(line)
		if strings.ContainsAny(outside, "@#<>[]!`\\&~") || strings.Contains(outside, "://") || strings.Contains(outside, "www.") {
			return fmt.Errorf("outside of a code span: %q", outside)
		}
		if c := line[0]; !strings.ContainsRune("|-LO\n", rune(c)) && !('A' <= c && c <= 'Z') {
			return fmt.Errorf("a line begins with %q", c)
		}
	}
	_, err := Markdown([]byte(output)) // as many cells in each row
	return err
}

func validCSV(output []byte) error {
	records, err := records(output)
	if err != nil {
		return err
	}
	for _, record := range records {
		for _, cell := range record {
			trimmed := strings.TrimSpace(cell)
			if trimmed != "" && strings.ContainsRune("=+-@", rune(trimmed[0])) || strings.ContainsAny(cell, "\t\r\n") || len(cell) > 32_767 {
				return fmt.Errorf("cell %.100q", cell)
			}
		}
	}
	return nil
}

// validPage finds no element, attribute or script that the format does not write itself.
func validPage(output []byte) error {
	root, err := html.Parse(bytes.NewReader(output))
	if err != nil {
		return err
	}
	scripts := 0
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		switch n.Data {
		case "script":
			scripts++
		case "img", "iframe", "object", "embed", "link", "base", "form", "a":
			if attribute(n, "href") != "" && !strings.HasPrefix(attribute(n, "href"), "#") || n.Data != "a" && n.Data != "form" {
				return fmt.Errorf("element %q %v", n.Data, n.Attr)
			}
		}
		for _, a := range n.Attr {
			if strings.HasPrefix(a.Key, "on") || a.Key == "style" || a.Key == "src" {
				return fmt.Errorf("attribute %s of %s", a.Key, n.Data)
			}
		}
	}
	if scripts != 2 {
		return fmt.Errorf("expected the data and the script, found %d scripts", scripts)
	}
	_, err = HTML(output)
	return err
}
