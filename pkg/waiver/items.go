package waiver

import (
	"regexp"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/escape"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/weburl"
)

// Item is one thing that was found, without what changes by itself: pids, revisions, the names of
// pods and of the nodes that they run on.
type Item struct {
	// Field is where: "spec.containers[].securityContext.privileged", "node /proc/PID/status
	// CapEff".
	Field string
	Value string
}

// message is the field of an item that is a finding's message.
const message = "message"

func (i Item) words() string {
	if i.Field == message {
		return i.Value
	}
	field := i.Field
	if at := strings.LastIndexByte(field, ' '); at >= 0 {
		field = field[at+1:]
	}
	if at := strings.LastIndex(field, "[]."); at >= 0 {
		field = field[at+len("[]."):]
	}
	return field + " " + i.Value
}

// more is how checks say that they name only some of what they found: "a, b and 3 more", "; 2 more
// commands", "; 4 vulnerabilities more than are listed".
var more = regexp.MustCompile(`\band (?:more|others)\b|\b[0-9]+ (?:[a-z]+ )?(?:more|others)\b`)

// Items are what a finding found, sorted. The message is one of them if there is no evidence, or
// if it does not name all: then it has the number.
func Items(f *api.Finding) []Item {
	items := make([]Item, 0, len(f.Evidence)+1)
	for i := range f.Evidence {
		items = append(items, itemsOf(f.Subject.Kind, f.Subject.Container != "", f.Evidence[i].Source, f.Evidence[i].Value)...)
	}
	if len(items) == 0 || more.MatchString(f.Message) {
		items = append(items, itemsOf(f.Subject.Kind, f.Subject.Container != "", message, f.Message)...)
	}
	slices.SortFunc(items, compareItems)
	return slices.Compact(items)
}

func compareItems(a, b Item) int {
	if c := strings.Compare(a.Field, b.Field); c != 0 {
		return c
	}
	return strings.Compare(a.Value, b.Value)
}

// rule is a line of the table of what changes by itself in an untouched cluster.
type rule struct {
	// in limits a rule of values to fields with this text; "" is every field.
	in   string
	text *regexp.Regexp
	with string
}

// fieldRules are for where a value was read.
var fieldRules = []rule{
	{text: regexp.MustCompile(`/proc/[0-9]+`), with: "/proc/PID"},
	{text: regexp.MustCompile(` rev [0-9]+$`), with: " rev N"},                                       // etcd's revision of a key
	{text: regexp.MustCompile(`[0-9]{4}-[0-9]{2}-[0-9]{2}`), with: "DATE"},                           // of the tables of this program
	{text: regexp.MustCompile(`/snapshots/[0-9]+/`), with: "/snapshots/N/"},                          // containerd's directories
	{text: regexp.MustCompile(`/[0-9a-f]{64}(?:/|$)`), with: "/ID/"},                                 // containers and layers
	{text: regexp.MustCompile(`/(?:pod)?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}`), with: "/UID"}, // pods
}

// valueRules are for what was read.
var valueRules = []rule{
	{text: regexp.MustCompile(`\b[0-9]+ process(?:es)?\b`), with: "N processes"},
	{in: "/environ", text: regexp.MustCompile(` and [0-9]+ more$`), with: ""}, // processes with the variable
	{in: "/ns/", text: regexp.MustCompile(`[0-9]{6,}`), with: "N"},            // the number of a namespace's inode
	{in: "/registry/", text: regexp.MustCompile(`the newest is [0-9]+`), with: "the newest is N"},
	{in: "database ", text: regexp.MustCompile(`^[0-9]+ records, the newest of .*$`), with: "records"},
	{text: regexp.MustCompile(`; ready on [0-9]+ of [0-9]+ nodes?, and its process was (?:looked for on none|measured on [0-9]+ of [0-9]+ nodes?)$`), with: "; its nodes"}, // a runtime agent's
	{in: "installed packages", text: regexp.MustCompile(`^[0-9]+ packages? compared`), with: "packages compared"},
	{in: "root of the container", text: regexp.MustCompile(`^[0-9]+ packages? compared`), with: "packages compared"},
}

// stateField is the evidence of question 6 that counts containers by state.
const stateField = "drift state"

// itemsOf makes the items of one entry of evidence of a subject. It gives the same for an item's
// own field and value.
func itemsOf(kind string, container bool, source, value string) []Item {
	field, value := clean(source), clean(value)
	if ofNode, ok := strings.CutPrefix(field, "node/"); ok && roams(kind) {
		// A workload's pods run on any node. Of a node or a cluster, the node counts.
		if _, rest, found := strings.Cut(ofNode, " "); found {
			field = "node " + rest
		}
	}
	for i := range fieldRules {
		field = fieldRules[i].text.ReplaceAllString(field, fieldRules[i].with)
	}
	field = path(field, container)
	for i := range valueRules {
		if r := &valueRules[i]; strings.Contains(field, r.in) {
			value = r.text.ReplaceAllString(value, r.with)
		}
	}
	switch {
	case field == stateField:
		// How many containers are in a state changes with the number of pods.
		var items []Item
		for _, word := range strings.Split(value, ", ") {
			items = append(items, Item{field, strings.TrimRight(word, " 0123456789")})
		}
		return items
	case strings.HasSuffix(field, "capabilities.add"):
		var items []Item
		for _, word := range strings.Split(value, ", ") {
			items = append(items, Item{field, word})
		}
		return items
	}
	return []Item{{field, value}}
}

func clean(text string) string { return escape.Line(weburl.Clean(text)) }

// roams reports whether a kind of subject is a workload, whose pods move.
func roams(kind string) bool {
	switch kind {
	case fact.SubjectNode, fact.SubjectSecret, fact.SubjectConfigMap:
		return false
	}
	return !Aggregate(kind)
}

// at finds where the path of a field begins behind the object that has it.
var at = regexp.MustCompile(`(?:^| )(?:spec|metadata|status|data|kind)(?:[.\[]|$)`)

// Places in lists of a pod change when something else comes into the list. Other lists (a
// workflow's templates, the groups of a RayCluster) are of pods: another place is another pod.
var (
	index          = regexp.MustCompile(`((?:^|\.)(?:volumes|volumeMounts|volumeDevices|env|envFrom|ports|command|args|sysctls|sources|items|tolerations|claims|imagePullSecrets))\[[0-9]+\]`)
	containerIndex = regexp.MustCompile(`((?:^|\.)(?:containers|initContainers|ephemeralContainers|steps|sidecars))\[[0-9]+\]`)
)

// templates are where controllers have the fields of their pods. A custom resource can have
// several pods (a launcher and a worker), so it keeps the whole path.
var templates = []string{"spec.template.spec.", "spec.jobTemplate.spec.template.spec."}

// path is a field without the object that has it, and without places in lists of a pod. If the
// subject is a whole pod, it says which container: another one is something new.
func path(field string, container bool) string {
	if strings.HasPrefix(field, "node/") || strings.HasPrefix(field, "node ") {
		return field
	}
	if found := at.FindAllStringIndex(field, -1); len(found) > 0 {
		field = strings.TrimPrefix(field[found[len(found)-1][0]:], " ")
	} else {
		return field
	}
	for _, template := range templates {
		if rest, ok := strings.CutPrefix(field, template); ok && !strings.Contains(rest, "template.spec.") {
			field = "spec." + rest
			break
		}
	}
	field = index.ReplaceAllString(field, "$1[]")
	if container { // its name says which
		field = containerIndex.ReplaceAllString(field, "$1[]")
	}
	return field
}
