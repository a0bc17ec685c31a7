package waiverfile

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/waiver"
)

// DraftDays is how long a drafted waiver lasts.
const DraftDays = 90

// roomToFill is how many bytes a reason and a name may take, of each draft.
const roomToFill = 200

// ErrTooLarge says that drafts do not fit into a file.
var ErrTooLarge = fmt.Errorf("the drafts take more than %d MiB: narrow the run with --check, -n or names", MaxBytes>>20)

// bounded is a writer of at most so many bytes.
type bounded struct {
	out  io.Writer
	left int
}

func (b *bounded) Write(data []byte) (int, error) {
	if b.left -= len(data); b.left < 0 {
		return 0, ErrTooLarge
	}
	return b.out.Write(data)
}

// Write writes drafts as a file. Reasons and names are empty, so Read refuses it until somebody
// fills them in. Cluster is the UID of kube-system, "" if it was not read. Write returns ErrTooLarge
// if Read would refuse the file for its size.
func Write(out io.Writer, drafts []waiver.Draft, cluster string, now time.Time) error {
	w := bufio.NewWriter(&bounded{out, MaxBytes - roomToFill*len(drafts)})
	today := now.UTC()
	fmt.Fprintf(w, "# Drafts of waivers: one for each finding that fails. Delete what should be fixed.\n"+
		"# Fill in reason and acceptedBy of the others: an entry without them is refused.\n"+
		"apiVersion: %s\nkind: %s\nwaivers:", api.GroupVersion, Kind)
	if len(drafts) == 0 {
		fmt.Fprint(w, " []")
	}
	fmt.Fprint(w, "\n")
	for i := range drafts {
		d := &drafts[i]
		fmt.Fprintf(w, "# %s\n- check: %s\n  subject: {kind: %s", comment(d.Message), quoted(d.Check), quoted(d.Subject.Kind))
		for _, field := range []struct{ name, text string }{
			{"namespace", d.Subject.Namespace}, {"name", d.Subject.Name}, {"container", d.Subject.Container},
		} {
			if field.text != "" {
				fmt.Fprintf(w, ", %s: %s", field.name, quoted(field.text))
			}
		}
		fmt.Fprint(w, "}\n")
		if cluster != "" {
			fmt.Fprintf(w, "  cluster: %s\n", quoted(cluster))
		}
		fmt.Fprintf(w, "  severity: %s\n  evidence:\n", quoted(string(d.Severity)))
		for _, e := range d.Evidence {
			fmt.Fprintf(w, "  - {field: %s, value: %s}\n", quoted(e.Field), quoted(e.Value))
		}
		fmt.Fprintf(w, "  reason: \"\"\n  acceptedBy: \"\"\n  accepted: %s\n  expires: %s\n",
			today.Format(time.DateOnly), today.AddDate(0, 0, DraftDays).Format(time.DateOnly))
	}
	return w.Flush()
}

// plainText matches what YAML reads as a text without quotes: letters first, and no word of its
// own.
func plainText(text string) bool {
	switch strings.ToLower(text) {
	case "", "y", "n", "yes", "no", "on", "off", "true", "false", "null":
		return false
	}
	for i := range len(text) {
		c := text[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || !(c >= '0' && c <= '9' || c == '/' || c == '-' || c == '.')) {
			return false
		}
	}
	return true
}

// quoted is a text as YAML: a JSON string is one.
func quoted(text string) string {
	if plainText(text) {
		return text
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(text) // of a text, into memory: never an error
	return strings.ReplaceAll(strings.TrimSuffix(out.String(), "\n"), "\x7f", `\u007f`)
}

// comment is a text on one line.
func comment(text string) string { return strings.Join(strings.Fields(text), " ") }
