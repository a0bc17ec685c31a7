package report

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/catalogue"
)

// afterRotation is a store in the middle of a rotation: most Secrets are under the new
// key, some under the old one, and some were never rewritten.
func afterRotation() *fact.EtcdDB {
	db := &fact.EtcdDB{
		Path: "/var/lib/etcd/member/snap/db", Snapshot: true, Prefix: "/registry", Revision: 18_231, Complete: true,
		History: &fact.StoredHistory{Complete: true, Compacted: 9000, Revisions: 31, Plaintext: 14, Deleted: []fact.DeletedSecret{
			{Namespace: "shop", Name: "old-token", Plaintext: 3, Revision: 9100}, {Namespace: "shop", Name: "older-token", Plaintext: 1, Revision: 9007},
		}, DeletedTotal: 2},
	}
	add := func(namespace, name string, s fact.StoredSecret) {
		s.Namespace, s.Name, s.Revision, s.Size = namespace, name, int64(10_000+len(db.Secrets)), 312
		db.Secrets = append(db.Secrets, s)
		db.Total++
	}
	const vault = "k8s:enc:kms:v2:vault:"
	for i := range 30 {
		ns := fmt.Sprintf("team-%02d", i)
		add(ns, "db-password", fact.StoredSecret{Class: fact.ClassKMSv2, Provider: vault, KeyID: "3f2a91c04be7"})
		add(ns, "token", fact.StoredSecret{Class: fact.ClassKMSv2, Provider: vault, KeyID: "c04be73f2a91", Older: int32(i % 3), OlderRevision: int64(9500 + i)})
	}
	add("kube-system", "cloud", fact.StoredSecret{Class: fact.ClassAESCBC, Provider: "k8s:enc:aescbc:v1:aescbckey-2026-03-09T09:46:54+01:00:"})
	add("kube-system", "guessed", fact.StoredSecret{Class: fact.ClassAESCBC, Provider: "k8s:enc:aescbc:v1:aescbckey-2026-03-09T09…", KeyGuessed: true})
	add("kube-system", "nameless", fact.StoredSecret{Class: fact.ClassSecretbox, KeyGuessed: true, Older: 2, OlderRevision: 9900, OldValue: true})
	add("shop", "web", fact.StoredSecret{Class: fact.ClassIdentityProtobuf, Older: 1, OlderRevision: 9600})
	add("shop", "web-yaml", fact.StoredSecret{Class: fact.ClassIdentityYAML})
	add("shop-\x1b[31m\n日本", strings.Repeat("long-name-", 20), fact.StoredSecret{Class: fact.ClassUnknownEncrypted, Provider: "k8s:enc:rot13:v1:"})
	add(strings.Repeat("a-long-namespace-", 4), "empty", fact.StoredSecret{Class: fact.ClassEmpty, OldValue: true, Older: 1, OlderRevision: 9999})
	return db
}

// secretsReport is the report of kubectl checklist secrets about a store.
func secretsReport(db *fact.EtcdDB) *Report {
	set := &fact.Set{Snapshot: db, CollectedAt: fact.NewTime(time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC))}
	return Stream(api.ReportSpec{Command: "secrets", Scope: api.Scope{Snapshot: db.Path}}, set, checks.Judge(catalogue.Whole(), set))
}

func streamed(t *testing.T, output string, opts Options, report *Report) string {
	t.Helper()
	printer, err := NewPrinter(output, opts)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := Print(&out, printer, report); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// tableOf cuts the table of stored Secrets out of a screen.
func tableOf(screen string) string {
	at := strings.Index(screen, "Stored in ")
	if at < 0 {
		return ""
	}
	table, _, _ := strings.Cut(screen[at:], "\n\n")
	return table + "\n"
}

func TestScreensOfStored(t *testing.T) {
	for _, output := range []string{"table", "wide"} {
		for _, width := range append([]int{0}, screenWidths...) {
			t.Run(fmt.Sprintf("%s-%d", output, width), func(t *testing.T) {
				got := tableOf(streamed(t, output, Options{Width: width}, secretsReport(afterRotation())))
				if diff := cmp.Diff(golden(t, filepath.Join("screens", fmt.Sprintf("stored-%s-%d", output, width)), got), got); diff != "" {
					t.Errorf("screen (-want +got), go test ./pkg/report -update writes it again:\n%s", diff)
				}
				if width > 0 {
					narrower(t, got, width)
				}
			})
		}
	}
}

// The numbers of the table add up to those of the store.
func TestStoredAddsUp(t *testing.T) {
	db := afterRotation()
	secrets, older := 0, 0
	for i := range db.Secrets {
		secrets++
		older += int(db.Secrets[i].Older)
	}
	report := secretsReport(db)
	for name, list := range map[string][]*stored{"all": countStored(report.Stored), "grouped": grouped(countStored(report.Stored))} {
		gotSecrets, gotOlder := 0, 0
		for _, s := range list {
			gotSecrets, gotOlder = gotSecrets+s.secrets, gotOlder+s.older
		}
		if gotSecrets != secrets || gotOlder != older {
			t.Errorf("%s: %d Secrets and %d older revisions, want %d and %d", name, gotSecrets, gotOlder, secrets, older)
		}
	}
	wide := tableOf(streamed(t, "wide", Options{NoHeaders: false}, report))
	if lines := strings.Count(wide, "\n"); lines != secrets+len(db.History.Deleted)+2 {
		t.Errorf("%d lines for %d Secrets:\n%s", lines, secrets, wide)
	}
	for i := range db.Secrets {
		if s := &db.Secrets[i]; !strings.Contains(wide, fmt.Sprintf("  %d  ", s.Revision)) {
			t.Errorf("%s/%s is not named with its revision", s.Namespace, s.Name)
		}
	}
}

// A number that nobody looked for is not 0, and what was left out is said.
func TestStoredSaysWhatWasNotRead(t *testing.T) {
	db := afterRotation()
	db.History, db.Total = nil, db.Total+15
	for i := range db.Secrets {
		db.Secrets[i].Older, db.Secrets[i].OldValue = 0, false
	}
	table := tableOf(streamed(t, "table", Options{}, secretsReport(db)))
	lines := strings.Split(strings.TrimSpace(table), "\n")
	for _, line := range lines[2:] {
		if !strings.HasSuffix(line, "      ?") {
			t.Errorf("older revisions are unknown, found %q", line)
		}
	}
	if total := lines[len(lines)-1]; !strings.Contains(total, "67 of 82") {
		t.Errorf("want 67 of 82 Secrets, found %q", total)
	}
	for what, report := range map[string]*Report{
		"no Secret":    secretsReport(&fact.EtcdDB{Path: "db", Prefix: "/registry", Complete: true}),
		"all commands": func() *Report { r := secretsReport(db); r.Stored = nil; return r }(),
		"a live store": Stream(api.ReportSpec{Command: "secrets"}, &fact.Set{}, checks.Judge(catalogue.Whole(), &fact.Set{})),
	} {
		if got := tableOf(streamed(t, "table", Options{}, report)); got != "" {
			t.Errorf("%s: want no table, found:\n%s", what, got)
		}
	}
}
