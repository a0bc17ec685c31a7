package cli

import (
	"bytes"
	"encoding/csv"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/escape"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/weburl"
)

// invocation is how the user called the plugin. It makes every command that is
// printed for a user to copy. Such a command keeps the user's own flags, because
// without them it would ask another cluster.
type invocation struct {
	command []string // the subcommand's words; empty for the root command
	args    []string
	flags   []givenFlag // sorted by name
}

// givenFlag is a flag that the user has set, as words for a command line.
type givenFlag struct {
	name       string
	connection bool // one of kubectl's flags, by which a cluster is reached
	words      []string
}

// neverRepeated are flags whose values are secret.
var neverRepeated = []string{"token", "password", "username"}

// ofOneRun are flags that a printed command leaves out if it shows more of the same
// run: outputs, and files that it would write again.
var ofOneRun = []string{"output", "output-file", "save-facts", "keep-facts", "pushgateway", "write-waivers", "color", "progress"}

// elsewhere are flags with which no cluster is asked.
var elsewhere = []string{"local", "facts", "snapshot", "filename", "kustomize"}

// namingCluster are flags that say which cluster is meant.
var namingCluster = []string{"context", "kubeconfig", "cluster", "server"}

// keptFlags are the flags, by subcommand, that a printed subcommand keeps if the
// user has set them.
var keptFlags = map[string][]string{
	"cleanup":   {"probe-namespace"},
	"manifests": probeFlagNames,
	"nodes":     append(slices.Clone(probeFlagNames), "yes"),
}

// probeFlagNames are the flags that change what a run creates.
var probeFlagNames = []string{"max-in-flight", "no-probe", "probe-image", "probe-level", "probe-namespace", "probe-pull-secret", "probe-timeout"}

// namespaced are the subcommands that look at the namespace of -n.
var namespaced = []string{"", "pods", "secrets"}

// offline are the subcommands that ask no cluster. They still keep connection flags
// that were given, because explain prints commands too.
var offline = []string{"completion", "diff", "explain", "probe-image", "verify", "version"}

// invocationOf reads a parsed command line.
func invocationOf(cmd *cobra.Command, args []string) invocation {
	in := invocation{args: args}
	for c := cmd; c.HasParent(); c = c.Parent() {
		in.command = slices.Insert(in.command, 0, c.Name())
	}
	connection := cmd.Root().PersistentFlags()
	cmd.Flags().Visit(func(flag *pflag.Flag) {
		if slices.Contains(neverRepeated, flag.Name) {
			return
		}
		in.flags = append(in.flags, givenFlag{
			name: flag.Name, connection: connection.Lookup(flag.Name) != nil, words: flagWords(flag),
		})
	})
	return in
}

// flagWords are the words that set a flag to its value.
func flagWords(flag *pflag.Flag) []string {
	value := flag.Value
	if wrapped, ok := value.(notEmpty); ok {
		value = wrapped.Value
	}
	name := "--" + flag.Name
	list, isList := value.(pflag.SliceValue)
	switch {
	case value.Type() == "bool" && value.String() == "true":
		return []string{name}
	case value.Type() == "bool":
		return []string{name + "=" + value.String()}
	case !isList:
		return []string{name, value.String()}
	}
	var words []string
	for _, element := range list.GetSlice() {
		if value.Type() == "stringSlice" {
			element = csvWord(element)
		}
		words = append(words, name, element)
	}
	return words
}

// csvWord writes one element of a list as pflag reads it.
func csvWord(element string) string {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	if w.Write([]string{element}) != nil {
		return element
	}
	w.Flush()
	return strings.TrimSuffix(b.String(), "\n")
}

// safeWord matches a word that no shell changes.
var safeWord = regexp.MustCompile(`^[A-Za-z0-9_@%+=:,./-]+$`)

// quoted makes words safe for a POSIX shell and for a terminal, and removes
// passwords from URLs.
func quoted(words []string) []string {
	out := make([]string, len(words))
	for i, word := range words {
		word = escape.Line(weburl.Clean(word))
		if !safeWord.MatchString(word) {
			word = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
		}
		out[i] = word
	}
	return out
}

func (in *invocation) given(names ...string) bool {
	return slices.ContainsFunc(in.flags, func(f givenFlag) bool { return slices.Contains(names, f.name) })
}

// sets reports whether the user has set a flag to this value.
func (in *invocation) sets(name, value string) bool {
	return slices.ContainsFunc(in.flags, func(f givenFlag) bool {
		return f.name == name && f.words[len(f.words)-1] == value
	})
}

// wordsOf returns the quoted words of the flags that are kept.
func (in *invocation) wordsOf(keep func(givenFlag) bool) []string {
	var words []string
	for _, f := range in.flags {
		if keep(f) {
			words = append(words, quoted(f.words)...)
		}
	}
	return words
}

// connectionWords returns the flags by which a command reaches the user's cluster.
// If facts came from elsewhere and no flag names a cluster, it returns a placeholder
// for the context: a copied command must not ask the cluster that happens to be
// current.
func (in *invocation) connectionWords(namespace bool) []string {
	var words []string
	if in.given(elsewhere...) && !in.given(namingCluster...) {
		words = []string{"--context", "CONTEXT"}
	}
	return append(words, in.wordsOf(func(f givenFlag) bool { return f.connection && (namespace || f.name != "namespace") })...)
}

// again returns the user's own command line with other words at its end, such as
// "-o wide".
func (e *Env) again(words ...string) string {
	line := slices.Concat([]string{e.Name}, e.user.command, quoted(e.user.args),
		e.user.wordsOf(func(f givenFlag) bool { return !slices.Contains(ofOneRun, f.name) }), words)
	return strings.Join(line, " ")
}

// printedCommand finds commands in texts. Texts hold commands without any of the
// user's flags. Of kubectl's own commands only those that ask a cluster are found.
var printedCommand = regexp.MustCompile(`\bkubectl (?:(checklist)(?: (cleanup|completion|explain|manifests|nodes|pods|secrets|version))?|` +
	`(?:annotate|apply|config view|delete|describe|drain|get|label|logs|replace))\b`)

// withoutCluster matches what follows a command that asks no cluster.
var withoutCluster = regexp.MustCompile(`^[^;,()|]*(--(local|facts|snapshot|help)\b| -[fk] )`)

// probeFlag matches hints that need a new run.
var probeFlag = regexp.MustCompile(`--(probe-|no-probe|max-in-flight|yes\b)`)

// expand adds the user's own flags to the commands of a text.
func (e *Env) expand(text string) string {
	var b strings.Builder
	if e.user.given("facts") && probeFlag.MatchString(text) {
		b.WriteString("in a new run: ")
	}
	for {
		at := printedCommand.FindStringSubmatchIndex(text)
		if at == nil {
			b.WriteString(text)
			return b.String()
		}
		found, rest := text[at[0]:at[1]], text[at[1]:]
		b.WriteString(text[:at[0]])
		switch {
		case at[2] >= 0:
			command := ""
			if at[4] >= 0 {
				command = text[at[4]:at[5]]
			}
			b.WriteString(e.plugin(command, !withoutCluster.MatchString(rest)))
		default:
			verb := strings.TrimPrefix(found, "kubectl ")
			b.WriteString(strings.Join(slices.Concat([]string{"kubectl"}, e.user.connectionWords(false), []string{verb}), " "))
		}
		text = rest
	}
}

// plugin returns one of the plugin's own commands, for the user's cluster.
func (e *Env) plugin(command string, asksCluster bool) string {
	words := []string{e.Name}
	if command != "" {
		words = append(words, command)
	}
	switch {
	case !asksCluster:
	case slices.Contains(offline, command):
		if !e.user.given(elsewhere...) {
			words = append(words, e.user.connectionWords(false)...)
		}
	default:
		words = append(words, e.user.connectionWords(slices.Contains(namespaced, command))...)
		words = append(words, e.user.wordsOf(func(f givenFlag) bool { return slices.Contains(keptFlags[command], f.name) })...)
	}
	return strings.Join(words, " ")
}
