package environment

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/credential"
)

// Values that were made up for these tests, in parts.
const (
	token    = "ghp_" + "q7Rk2Vw9Lx4Tz8Bn3Mc6Yd1Hf5Jp0GsXaEuK"
	password = "Rk29xQmVd81LzW7t"
)

func TestLook(t *testing.T) {
	for name, tc := range map[string]struct {
		environ string
		cut     bool
		want    []string // NAME rule
	}{
		"nothing":                           {environ: ""},
		"plain variables":                   {environ: "PATH=/usr/bin\x00HOME=/root\x00"},
		"a form, and a telling name":        {environ: "GH=" + token + "\x00DB_PASSWORD=" + password + "\x00", want: []string{"DB_PASSWORD telling-name", "GH github-token"}},
		"of two rules the graver":           {environ: "GITHUB_TOKEN=" + token + "\x00", want: []string{"GITHUB_TOKEN github-token"}},
		"the same twice is one":             {environ: "GH=" + token + "\x00GH=" + token + "\x00", want: []string{"GH github-token"}},
		"no NUL at the end":                 {environ: "GH=" + token, want: []string{"GH github-token"}},
		"cut short, the last is left out":   {environ: "A=b\x00GH=" + token, cut: true},
		"a value with = in it":              {environ: "URL=postgres://a:" + password + "@db/x?y=z\x00", want: []string{"URL database-url"}},
		"a name in dots and dashes":         {environ: "app.db-password=" + password + "\x00", want: []string{"app.db-password telling-name"}},
		"a title that the process has set":  {environ: "postgres: writer " + token + "\x00"},
		"a name that is none":               {environ: "my token=" + token + "\x00=" + token + "\x001A=" + token + "\x00\xffA=" + token + "\x00"},
		"a name that is a credential":       {environ: token + "=" + token + "\x00", want: []string{credential.Withheld + " github-token"}},
		"a name that is too long":           {environ: strings.Repeat("A", maxName+1) + "=" + token + "\x00"},
		"a title with a variable behind it": {environ: "nginx: worker\x00\x00\x00GH=" + token + "\x00", want: []string{"GH github-token"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := finds{}
			f.look([]byte(tc.environ), !tc.cut, 7, "web")
			list, total := f.list()
			var got []string
			for _, e := range list {
				got = append(got, e.Name+" "+e.Rule)
				if e.PID != 7 || e.Comm != "web" || e.Processes != 1 {
					t.Errorf("%+v", e)
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" || total != len(tc.want) {
				t.Errorf("%d found (-want +got):\n%s", total, diff)
			}
		})
	}
}

// Processes that have the same variable count once each, and the first is named.
func TestLookCountsProcesses(t *testing.T) {
	f := finds{}
	for pid := 10; pid < 13; pid++ {
		f.look([]byte("GH="+token+"\x00GH="+token+"\x00"), true, pid, "web")
	}
	want := []fact.EnvironmentCredential{{Name: "GH", Rule: "github-token", PID: 10, Comm: "web", Processes: 3}}
	if got, total := f.list(); !slices.Equal(got, want) || total != 1 {
		t.Errorf("%+v, %d", got, total)
	}
}

// The gravest are kept.
func TestListIsBounded(t *testing.T) {
	var b bytes.Buffer
	for i := range fact.MaxEnvironment + 10 {
		fmt.Fprintf(&b, "A%03d_PASSWORD=%s\x00", i, password)
	}
	fmt.Fprintf(&b, "Z=%s\x00", token)
	f := finds{}
	f.look(b.Bytes(), true, 7, "web")
	got, total := f.list()
	if len(got) != fact.MaxEnvironment || total != fact.MaxEnvironment+11 {
		t.Errorf("%d of %d", len(got), total)
	}
	if got[0].Name != "A000_PASSWORD" || got[len(got)-1].Name != "Z" {
		t.Errorf("from %s to %s", got[0].Name, got[len(got)-1].Name)
	}
}

// FuzzLook: any bytes are read, and names are all that comes out of them.
func FuzzLook(f *testing.F) {
	f.Add([]byte("PATH=/usr/bin\x00GH="+token+"\x00"), true)
	f.Add([]byte("nginx: worker\x00\x00DB_PASSWORD="+password), false)
	f.Fuzz(func(t *testing.T, environ []byte, whole bool) {
		found := finds{}
		found.look(environ, whole, 7, "web")
		list, total := found.list()
		if total != len(found) || len(list) > fact.MaxEnvironment || total > maxFinds {
			t.Errorf("%d of %d", len(list), total)
		}
		for _, e := range list {
			if _, known := credential.Lookup(e.Rule); !known || !isName([]byte(e.Name)) || e.Name != credential.Withheld && !bytes.Contains(environ, []byte(e.Name+"=")) {
				t.Errorf("%+v", e)
			}
		}
	})
}
