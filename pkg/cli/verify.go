package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"regexp"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks/catalogue"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/escape"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/gather"
)

// Bounds of a report that is verified. A parsed YAML document takes many times its size.
const (
	maxReport     = min(4<<30, math.MaxInt>>2) // 512 MiB on 32 bits
	maxReportYAML = 256 << 20
)

// verifyFlags name what the facts were judged with.
type verifyFlags struct {
	vulnerabilities string
	waivers         string
}

func newVerifyCommand(env *Env) *cobra.Command {
	var f verifyFlags
	cmd := &cobra.Command{
		Use:   "verify FACTS REPORT",
		Short: "Check whether a report follows from saved facts",
		Long: describe(`
			Judges saved facts again, in the way that a report says of itself, and compares
			what comes out with the report, byte for byte. The report is JSON or YAML. It
			names the SHA-256 of the facts, of the waivers and the vulnerability database if
			there were any, the time of judging, and the checks that ran.

			It cannot be decided if another version judged the report, or if the report does
			not say from which facts it was made. A digest is no signature: who holds both
			files can change both. The documentation shows how to sign them.`),
		Example: env.examples(`
			# Both files are of one run: --save-facts facts.json -o json > report.json
			kubectl checklist verify facts.json report.json`),
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return fmt.Errorf("expected two files, FACTS and REPORT, found %d", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd.Context(), env, args[0], args[1]) },
	}
	cmd.Flags().StringVar(&f.vulnerabilities, "vulnerabilities", "",
		"The OSV database with which the report's run compared saved facts.")
	cmd.Flags().StringVar(&f.waivers, "waivers", "", "The waivers that the report's run was given.")
	return cmd
}

// claims is what a report says of itself.
type claims struct {
	APIVersion string         `json:"apiVersion"`
	Kind       string         `json:"kind"`
	Spec       api.ReportSpec `json:"spec"`
}

var errNotAReport = errors.New("expected a report that -o json or -o yaml printed, found another file")

// readReport reads a report's bytes and what it says of itself.
func readReport(path string) (data []byte, format string, of claims, err error) {
	fail := func(err error) ([]byte, string, claims, error) {
		return nil, "", claims{}, fmt.Errorf("reading the report %q: %w", path, err)
	}
	file, err := os.Open(path)
	if err != nil {
		return fail(gather.Cause(err))
	}
	defer file.Close() //nolint:errcheck // only read
	if data, err = io.ReadAll(io.LimitReader(file, maxReport+1)); err != nil {
		return fail(gather.Cause(err))
	}
	head := data
	switch {
	case len(data) > maxReport:
		return fail(fmt.Errorf("larger than %d bytes", int64(maxReport)))
	case bytes.HasPrefix(data, []byte("{")):
		format = "json"
	case len(data) > maxReportYAML:
		return fail(fmt.Errorf("a YAML report is larger than %d bytes; reports of this size can be verified as JSON", maxReportYAML))
	default:
		format = "yaml"
		if head, err = yaml.YAMLToJSON(data); err != nil {
			return fail(errNotAReport) // the library's own error quotes the file
		}
	}
	if json.Unmarshal(head, &of) != nil || of.Kind == "" {
		return fail(errNotAReport)
	}
	switch {
	case of.Kind == api.FactsKind:
		return fail(errors.New("expected a report, found facts; the first file is the facts, the second the report"))
	case of.Kind != api.ReportKind:
		return fail(errNotAReport)
	}
	return data, format, of, nil
}

// cannotTell is the error of a report that cannot be judged again.
func cannotTell(format string, args ...any) error {
	return &ExitError{Code: ExitPartial, Err: fmt.Errorf("cannot tell: "+format, args...)}
}

// doesNotFollow is the error of a report that differs.
func doesNotFollow(format string, args ...any) error {
	return &ExitError{Code: ExitFindings, Err: fmt.Errorf("the report does not follow from the facts: "+format, args...)}
}

// printable matches a version or digest that a report may give, so that it can be shown.
var printable = regexp.MustCompile(`^[a-zA-Z0-9.:+_-]{1,80}$`)

func shown(text string) string {
	switch {
	case text == "":
		return "none"
	case !printable.MatchString(text):
		return "another value"
	}
	return text
}

func (f *verifyFlags) run(ctx context.Context, env *Env, factsPath, reportPath string) error {
	data, format, of, err := readReport(reportPath)
	if err != nil {
		return err
	}
	spec := &of.Spec
	switch {
	case of.APIVersion != api.GroupVersion.String():
		return cannotTell("the report is of another version, %s; this plugin reads %s", shown(of.APIVersion), api.GroupVersion)
	case spec.CatalogueVersion != catalogue.Version:
		return cannotTell("the report was judged by catalogue %s, and this plugin has %s", shown(spec.CatalogueVersion), catalogue.Version)
	case spec.Version != env.Version:
		return cannotTell("the report was made by version %s, and this plugin is %s", shown(spec.Version), env.Version)
	case spec.Inputs.Facts == "":
		return cannotTell("the report does not say from which facts it was made; a run with --save-facts or --facts makes one that does")
	}
	at, err := time.Parse(time.RFC3339, spec.Inputs.JudgedAt)
	if err != nil {
		return doesNotFollow("its time of judging is no time")
	}
	digest, err := digestOfFile(ctx, factsPath)
	if err != nil {
		return fmt.Errorf("reading facts %q: %w", factsPath, err)
	}
	if digest != spec.Inputs.Facts {
		return doesNotFollow("it was made from facts with %s, and these have %s", shown(spec.Inputs.Facts), digest)
	}
	switch waivers := spec.Inputs.Waivers; {
	case f.waivers == "" && waivers != "":
		return cannotTell("the report was made with waivers, %s; give them with --waivers", shown(waivers))
	case f.waivers != "":
		given, err := digestOfFile(ctx, f.waivers)
		if err != nil {
			return fmt.Errorf("--waivers: reading %q: %w", f.waivers, err)
		}
		if given != waivers {
			return doesNotFollow("its waivers have %s, and these have %s", shown(waivers), given)
		}
	}
	if f.vulnerabilities != "" {
		database, err := gather.Digest(ctx, f.vulnerabilities)
		if err != nil {
			return fmt.Errorf("--vulnerabilities: %w", err)
		}
		if database != spec.Inputs.Vulnerabilities {
			return doesNotFollow("its vulnerability database has %s, and this one has %s", shown(spec.Inputs.Vulnerabilities), database)
		}
	}
	if f.waivers == "" && f.vulnerabilities == "" {
		at = time.Time{} // as of the facts: a run can choose no other time
	}
	again := judgeAgain{env: env, path: factsPath, format: format, spec: spec, at: at.UTC(), with: f}
	first, err := again.compare(ctx, data)
	if err != nil {
		return err
	}
	if !first.equal {
		return doesNotFollow("%s", first.where)
	}
	_, err = fmt.Fprintf(env.Streams.Out, "The report follows from the facts: judging them again by catalogue %s gives the same %d bytes.\n", catalogue.Version, len(data))
	return err
}

// digestOfFile is the digest of a file that is read again later: nothing would be left of a pipe.
func digestOfFile(ctx context.Context, path string) (string, error) {
	switch info, err := os.Stat(path); {
	case err != nil:
		return "", gather.Cause(err)
	case info.IsDir():
		return "", errors.New("is a directory")
	case !info.Mode().IsRegular():
		return "", errors.New("expected a file, found a pipe or device: it is read twice")
	}
	return gather.Digest(ctx, path)
}

// longestRun bounds how long before the facts' time a run can have read its waivers.
const longestRun = time.Hour

// judgeAgain judges facts as a report says that it did.
type judgeAgain struct {
	env          *Env
	path, format string
	spec         *api.ReportSpec
	at           time.Time // zero: as of the facts
	with         *verifyFlags
}

// difference is the first place at which two reports differ.
type difference struct {
	equal bool
	where string
}

// compare judges the facts by each set of checks that the report's command can have run, until
// one of them has the checks that the report names.
func (j *judgeAgain) compare(ctx context.Context, data []byte) (difference, error) {
	last := difference{where: "the checks that it names are not those that the command runs"}
	for _, ofCommand := range checksOfReport(j.spec) {
		source := gather.Saved{Path: j.path, ControlPlaneNodes: j.spec.Scope.ControlPlaneNodes, Warn: func(string) {}}
		got, err := source.Gather(ctx)
		if err != nil {
			return difference{}, err
		}
		if !j.at.IsZero() && j.at.Before(got.Set.CollectedAt.Add(-longestRun)) {
			return difference{where: "its time of judging is before the facts were collected"}, nil
		}
		if j.with.vulnerabilities == "" && got.Saved.Inputs.Vulnerabilities != j.spec.Inputs.Vulnerabilities {
			return difference{}, cannotTell("the report was compared with the vulnerability database %s; give it with --vulnerabilities", shown(j.spec.Inputs.Vulnerabilities))
		}
		flags := reportFlags{
			outputFlags: outputFlags{output: j.format}, severity: string(j.spec.Inputs.Severity), checks: j.spec.Scope.Checks,
			vulnerabilities: j.with.vulnerabilities, at: j.at, patches: j.spec.Inputs.Patches, progress: "auto", color: "auto",
		}
		flags.waivers, flags.platformNamespaces = j.with.waivers, j.spec.Scope.PlatformNamespaces
		r, err := newEvaluation(ctx, j.env, flags, j.spec.Command, ofCommand)
		if err != nil {
			last.where = "what it says that was asked is not what a run can be asked"
			continue
		}
		if err := r.compare(ctx, got); err != nil {
			return difference{}, err
		}
		r.setScope(got)
		if !slices.Equal(r.spec.Scope.LeftOutChecks, j.spec.Scope.LeftOutChecks) {
			continue
		}
		out := comparer{want: data}
		r.out = &out
		if err := r.present(got.Set, checks.Judge(r.plan(), got.Set)); err != nil && !errors.Is(err, errDiffers) {
			return difference{}, err
		}
		return out.result(), nil
	}
	return last, nil
}

// checksOfReport are the sets of checks that a command runs, by flags that a report does not
// name otherwise.
func checksOfReport(spec *api.ReportSpec) [][]checks.Check {
	switch spec.Command {
	case "pods":
		var all [][]checks.Check
		for _, measure := range []bool{false, true} {
			for _, narrowed := range []bool{false, true} {
				all = append(all, podChecks(measure, narrowed))
			}
		}
		return all
	case "checklist", "nodes", "secrets":
		return [][]checks.Check{checksOf(spec.Command, *spec)}
	}
	return nil
}

// errDiffers ends printing at the first difference.
var errDiffers = errors.New("the report differs")

// comparer is a writer that compares what is written with a text.
type comparer struct {
	want    []byte
	at      int
	differs bool
	got     []byte // the line that differs, as far as it was written
}

func (c *comparer) Write(data []byte) (int, error) {
	if c.differs {
		return 0, errDiffers
	}
	rest := c.want[c.at:]
	n := min(len(rest), len(data))
	if bytes.Equal(rest[:n], data[:n]) && n == len(data) {
		c.at += n
		return n, nil
	}
	for n = 0; n < min(len(rest), len(data)) && rest[n] == data[n]; {
		n++
	}
	start := bytes.LastIndexByte(data[:n], '\n') + 1
	line, _, _ := bytes.Cut(data[start:], []byte("\n"))
	c.differs, c.at, c.got = true, c.at+n, bytes.Clone(line)
	return n, errDiffers
}

// maxShownLine bounds what is shown of a line that differs.
const maxShownLine = 100

func (c *comparer) result() difference {
	if !c.differs && c.at == len(c.want) {
		return difference{equal: true}
	}
	line := 1 + bytes.Count(c.want[:c.at], []byte("\n"))
	start := bytes.LastIndexByte(c.want[:c.at], '\n') + 1
	found, _, _ := bytes.Cut(c.want[start:], []byte("\n"))
	short := func(text []byte) string { return escape.Short(string(bytes.TrimSpace(text)), maxShownLine) }
	switch {
	case !c.differs:
		return difference{where: fmt.Sprintf("line %d: it goes on after its end", line)}
	case c.at == len(c.want):
		return difference{where: fmt.Sprintf("line %d: it is cut short", line)}
	}
	return difference{where: fmt.Sprintf("line %d: expected %q, found %q", line, short(c.got), short(found))}
}
