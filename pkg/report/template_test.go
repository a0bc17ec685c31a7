package report

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/printers"
)

// Templates give what kubectl's printer gives, which is Go's own text/template.
func TestGoTemplateIsKubectls(t *testing.T) {
	report := sample()
	report.CreationTimestamp = metav1.Time{Time: time.Date(2026, 11, 29, 1, 2, 3, 0, time.UTC)}
	for _, text := range []string{
		`plain text`,
		`{{.}}`,
		`{{.kind}} {{.nosuch}} {{.nosuch.field}}`,
		`{{printf "%T" .answers}}|{{len .findings}}|{{index .findings 0}}`,
		`{{range $i, $f := .findings}}{{$i}} {{$f.check}} {{with .subject}}{{.name}}{{else}}none{{end}}{{"\n"}}{{else}}empty{{end}}`,
		`{{range .nosuch}}x{{else}}empty{{end}}`,
		`{{range $k, $v := (index .findings 0).subject}}{{$k}}={{$v}},{{end}}`,
		`{{range .findings}}{{if eq .verdict "fail"}}{{.check | printf "%q"}}{{else if ne .severity "high"}}-{{end}}{{end}}`,
		`{{range .findings}}{{if gt (len .evidence) 1}}{{continue}}{{end}}{{.check}}{{break}}{{end}}`,
		`{{define "line"}}<{{.check}}>{{end}}{{range .findings}}{{template "line" .}}{{end}}`,
		`{{block "b" .kind}}{{.}}{{end}}{{/* a comment */}}{{- "  " -}}  {{html "<&>"}}{{js "'"}}{{urlquery "a b"}}`,
		`{{exists . "findings" 0 "check"}} {{exists . "findings" 99}} {{exists . "findings" -1}} {{exists . "findings" "x"}} {{exists . "nosuch"}} {{exists . "kind" 0}} {{exists . "kind" "a"}} {{exists . 1}} {{exists .nosuch}} {{exists nil}} {{exists . "nosuch" "x"}} {{exists . nil}} {{exists 1 1}}`,
		`{{exists . "findings" (len .kind)}} {{exists . "findings" 1.5}}`,
		`{{base64decode "aGVsbG8="}}`,
		`{{base64decode "%"}}`,
		`{{.kind.nosuch}}`,
		`{{index .findings 99}}`,
		`{{slice .kind 2 4}}{{slice .findings 0 1 | len}}`,
		`{{and .kind .nosuch}} {{or .nosuch .kind}} {{not .kind}}`,
		`{{.String}} {{.findings.Len}}`,
		`{{nosuch .}}`,
		`{{.kind`,
		`{{call .kind}}`,
		`{{$x := 1}}{{range .findings}}{{$x = len .check}}{{end}}{{$x}}`,
		`{{range 3}}{{.}}{{end}}`,
		`{{template "nosuch"}}`,
		`{{println .metadata 1.5 0x10 'a' true nil}}`,
		`{{println .metadata 1.5 0x10 'a' true}}`,
	} {
		t.Run(text, func(t *testing.T) {
			want, wantErr := "", ""
			kubectls, err := printers.NewGoTemplatePrinter([]byte(text))
			if err != nil {
				wantErr = err.Error()
			} else {
				kubectls.AllowMissingKeys(true)
				var out bytes.Buffer
				if err := kubectls.PrintObj(report, &out); err != nil {
					wantErr = err.Error()
				} else {
					want = out.String()
				}
			}
			got, gotErr := "", ""
			ours, err := NewPrinter("go-template="+text, Options{})
			if err == nil {
				var out bytes.Buffer
				if err = ours.Print(&out, Of(report)); err == nil {
					got = out.String()
				}
			}
			if err != nil {
				gotErr = err.Error()
			}
			if got != want {
				t.Errorf("expected %q, found %q", want, got)
			}
			if (wantErr == "") != (gotErr == "") || !strings.HasSuffix(gotErr, wantErr) {
				t.Errorf("expected the error %q, found %q", wantErr, gotErr)
			}
		})
	}
}

// The formats whose template is in a file give what those whose template is an argument
// give, and say what is wrong with the file.
func TestTemplateFiles(t *testing.T) {
	for name, text := range map[string]string{
		"go-template": `{{range .findings}}{{.check}}{{"\n"}}{{end}}`,
		"jsonpath":    `{range .findings[*]}{.check}{"\n"}{end}`,
	} {
		file := filepath.Join(t.TempDir(), "template")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var printed []string
		for _, output := range []string{name + "=" + text, name + "-file=" + file} {
			printer, err := NewPrinter(output, Options{})
			if err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			if err := printer.Print(&out, Of(sample())); err != nil {
				t.Fatal(err)
			}
			printed = append(printed, out.String())
		}
		if printed[0] != printed[1] || strings.Count(printed[0], "\n") != len(sample().Findings) {
			t.Errorf("%s: expected a line for each finding, the same from a file, found %q and %q", name, printed[0], printed[1])
		}
		_, err := NewPrinter(name+"-file="+file+".nosuch", Options{})
		if want := `output format "` + name + `-file": reading the template: open ` + file + ".nosuch: "; err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("expected an error that starts with %q, found %v", want, err)
		}
	}
}

// An error quotes only the beginning of a template: a file can be any file, and of any length.
func TestTemplateThatCannotBeParsed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "template")
	for name, text := range map[string]string{"jsonpath-file": "{.x\x1b" + strings.Repeat("x", 1<<19) + "KEY", "go-template-file": "{{.x\x1b" + strings.Repeat("x", 1<<19) + "KEY"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := NewPrinter(name+"="+path, Options{})
		if err == nil || len(err.Error()) > 600 || strings.Contains(err.Error(), "KEY") || strings.Contains(err.Error(), "\x1b") {
			t.Errorf("%s: %.700v", name, err)
		}
		if err := os.WriteFile(path, make([]byte, mostTemplate+1), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := NewPrinter(name+"="+path, Options{}); err == nil || !strings.Contains(err.Error(), "expected at most 1048576 bytes, found more") {
			t.Errorf("%s: a file of more than 1 MiB: %.300v", name, err)
		}
	}
}
