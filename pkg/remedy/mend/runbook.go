package mend

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

// Runbook is commands for a person, in order. The plugin never runs them: some stop services, and
// some delete files.
type Runbook struct {
	// Node is the node that they are for, "" for the whole cluster.
	Node  string    `json:"node,omitempty"`
	Steps []Command `json:"steps"`
}

// Place says where a command runs.
type Place string

// The places.
const (
	OnNode      Place = "as root on the node"
	WithKubectl Place = "where kubectl reaches the cluster"
	WithCloud   Place = "with the provider's own tool"
	ByHand      Place = "by hand"
)

// Command is one step of a runbook.
type Command struct {
	Place Place `json:"place"`
	// Text says what the step does, and why, in sentences.
	Text string `json:"text"`
	// Lines are for a POSIX shell; none if the step is not a command. What a node or an object
	// named is quoted.
	Lines []string `json:"lines,omitempty"`
}

// Script is the runbook as a POSIX shell script: each step's text is a comment. It stops at the
// first command that fails.
func (r *Runbook) Script() string {
	var b strings.Builder
	b.WriteString("#!/bin/sh\n# Read each step before you run it: nothing here was run.\nset -eu\n")
	for i, s := range r.Steps {
		b.WriteString("\n# " + number(i+1) + ". " + comment(s.Text) + "\n# " + strings.ToUpper(string(s.Place[:1])) + string(s.Place[1:]) + ".\n")
		for _, line := range s.Lines {
			b.WriteString(line + "\n")
		}
	}
	return b.String()
}

// comment makes one line of a text.
func comment(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
}

// Quote makes one word of a text for a POSIX shell. Ok is false for a text that no name or path
// here can be: one with control characters, invalid UTF-8 or more than 4096 bytes.
func Quote(text string) (word string, ok bool) {
	const most = 4096 // PATH_MAX of Linux
	if text == "" || len(text) > most || !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return "", false
	}
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-:@+,", r)
	}
	if !strings.ContainsFunc(text, func(r rune) bool { return !plain(r) }) {
		return text, true
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'", true
}

// book collects what the failing findings of a node, or of the cluster, ask for.
type book struct {
	*Mender
	node     *fact.Node // nil for the cluster
	findings []api.Finding
	wants    map[want]bool
}

// want is a part of a runbook. The order is that of the steps.
type want int

const (
	wantIndex want = iota
	wantUpdate
	wantReboot
	wantPermissions
	wantTLSEtcd
	wantTLSServer
	wantTLSKubelet
	wantCertificates
	wantEncryption
	wantRewrite
	wantCompact
	wantNewFile
	wantNewLog
	wantBackups
	wantNewValues
	wantAnnotation
	wantTokens
	wantLabels
	wantPolicy
)

func (b *book) want(list ...want) {
	for _, w := range list {
		b.wants[w] = true
	}
}

func refreshIndex(b *book)    { b.want(wantIndex) }
func updateAndReboot(b *book) { b.want(wantIndex, wantUpdate, wantReboot) }
func reboot(b *book)          { b.want(wantReboot) }

func filePermissions(b *book)   { b.want(wantPermissions) }
func etcdTLS(b *book)           { b.want(wantTLSEtcd) }
func serverTLS(b *book)         { b.want(wantTLSServer) }
func kubeletTLS(b *book)        { b.want(wantTLSKubelet) }
func renewCertificates(b *book) { b.want(wantCertificates) }

// What was in plaintext stays in old revisions, in free pages, in the write-ahead log and in
// backups after it is encrypted, so that one asks for the rest.
func encryptAtRest(b *book) {
	b.want(wantEncryption, wantRewrite, wantCompact, wantNewFile, wantNewLog, wantBackups, wantNewValues)
}

func rewrite(b *book) { b.want(wantRewrite, wantCompact, wantNewFile, wantNewLog) }
func cleanHistory(b *book) {
	b.want(wantRewrite, wantCompact, wantNewFile, wantNewLog, wantBackups, wantNewValues)
}

func cleanResidue(b *book) { b.want(wantCompact, wantNewFile, wantNewLog, wantBackups, wantNewValues) }

func deleteBackups(b *book) { b.want(wantBackups, wantNewValues) }
func lastApplied(b *book)   { b.want(wantAnnotation) }
func legacyToken(b *book)   { b.want(wantTokens) }
func enforce(b *book)       { b.want(wantPolicy) }

// Node returns the commands for one node, by the failing findings about it. It is false if no
// command answers any of them.
func (m *Mender) Node(name string, findings []api.Finding) (Runbook, bool) {
	node := m.view.Node(name)
	if node == nil {
		return Runbook{}, false
	}
	b := m.book(node, findings, func(s fact.Subject) bool {
		return s.Kind == fact.SubjectNode && s.Name == name || s.Node == name
	})
	return b.render()
}

// Cluster returns the commands for what Secrets are stored as, for Secrets themselves and for
// namespaces, by all findings of the cluster. Labels of namespaces are made from the workloads of
// the set; without any (Mender.Levels takes them one by one) there are none.
func (m *Mender) Cluster(findings []api.Finding) (Runbook, bool) {
	b := m.book(nil, findings, func(fact.Subject) bool { return true })
	for i := range findings {
		f := &findings[i]
		if f.Check == "privileged/pod-security-level" && f.Subject.Kind == fact.SubjectNamespace && (f.Verdict == api.Fail || f.Verdict == api.VerdictUnknown) {
			b.want(wantLabels)
			break
		}
	}
	for w := range b.wants {
		if w < wantEncryption {
			delete(b.wants, w)
		}
	}
	return b.render()
}

func (m *Mender) book(node *fact.Node, findings []api.Finding, about func(fact.Subject) bool) *book {
	b := &book{Mender: m, node: node, wants: map[want]bool{}}
	for i := range findings {
		f := &findings[i]
		if f.Verdict != api.Fail || !about(f.Subject) {
			continue
		}
		e, ok := Lookup(f.Check)
		if !ok || e.steps == nil {
			continue
		}
		b.findings = append(b.findings, *f)
		e.steps(b)
	}
	return b
}

func (b *book) render() (Runbook, bool) {
	if len(b.wants) == 0 {
		return Runbook{}, false
	}
	var r Runbook
	if b.node != nil {
		r.Node = b.node.Name
	}
	wants := make([]want, 0, len(b.wants))
	for w := range b.wants {
		wants = append(wants, w)
	}
	slices.Sort(wants)
	hosts := false
	for _, w := range wants {
		if w <= wantReboot {
			if !hosts && b.node != nil {
				r.Steps = append(r.Steps, b.hostSteps()...)
			}
			hosts = true
			continue
		}
		r.Steps = append(r.Steps, b.storeSteps(w)...)
	}
	return r, len(r.Steps) > 0
}
