package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/gather"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/launch"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/launch/embedded"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/mapping"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/report/formats"
)

// outputFlags say in which formats a command prints, and into which files.
type outputFlags struct {
	output     string
	outputFile []string
}

// add adds the flags of a command that has these formats.
func (f *outputFlags) add(flags *pflag.FlagSet, names []string) {
	flags.StringVarP(&f.output, "output", "o", "", "Output format. One of: "+strings.Join(names, ", ")+".")
	flags.StringArrayVar(&f.outputFile, "output-file", nil, "Also write the results to a file, as FORMAT=PATH. Repeatable.")
}

// validate checks formats by a function that returns an error for one that the command does not
// have, and finds before a run what would only fail after it.
func (f *outputFlags) validate(check func(format string) error) error {
	if err := check(f.output); err != nil {
		return err
	}
	for _, o := range f.outputFile {
		format, path, ok := formats.SplitFile(o)
		if !ok || format == "" {
			return fmt.Errorf("--output-file: expected FORMAT=PATH, found %q", o)
		}
		if err := check(format); err != nil {
			return fmt.Errorf("--output-file: %w", err)
		}
		if path == "-" {
			return fmt.Errorf("--output-file: expected a path, found -: use -o %s for stdout", format)
		}
		if err := writable(path); err != nil {
			return fmt.Errorf("--output-file: %w", err)
		}
	}
	return nil
}

// written are the files of --output-file.
func (f *outputFlags) written() []writtenFile {
	var out []writtenFile
	for _, o := range f.outputFile {
		_, path, _ := formats.SplitFile(o)
		out = append(out, writtenFile{"--output-file", path})
	}
	return out
}

// write writes each file of --output-file by a function that prints in a format.
func (f *outputFlags) write(show func(out io.Writer, format string) error) error {
	for _, o := range f.outputFile {
		format, path, _ := formats.SplitFile(o)
		if err := writeFile(path, func(out io.Writer) error { return show(out, format) }); err != nil {
			return err
		}
	}
	return nil
}

// reportFlags say what is judged, printed and saved.
type reportFlags struct {
	outputFlags

	questions  []string
	checks     []string
	skip       []string
	severity   string
	failOn     string
	noHeaders  bool
	showPasses bool
	limit      int
	mapping    string

	allowUnknown bool
	progress     string
	color        string
	saveFacts    string
	keepFacts    int
	pushgateway  string

	waiverFlags

	// vulnerabilities is a flag only of commands that look at hosts or containers.
	vulnerabilities string
	// writePatches is a flag only of commands that look at workloads.
	writePatches string
	// whatIf is a flag of the same commands.
	whatIf string

	// at is the time against which verify judges; zero for every other command.
	at time.Time
	// patches is set by verify if the report has patches: nothing is written.
	patches bool
}

func (f *reportFlags) add(flags *pflag.FlagSet) {
	f.outputFlags.add(flags, formats.Names())
	flags.StringSliceVar(&f.questions, "question", nil, "Answer only these questions: builds, immutable, privileged, hosts, secrets, drift, or 1 to 6.")
	flags.StringSliceVar(&f.checks, "check", nil, "Run only these checks: by ID, glob (privileged/host-*), question (privileged), or part (secrets:stored).")
	flags.StringSliceVar(&f.skip, "skip", nil, "Do not run these checks; same names as for --check.")
	flags.StringVar(&f.severity, "severity", "", "Print findings of at least this severity: critical, high, medium, low. What is unknown is printed too. The answers do not change.")
	flags.StringVar(&f.failOn, "fail-on", "", "Exit with status 1 if findings reach this severity: critical, high, medium, low.")
	flags.BoolVar(&f.allowUnknown, "allow-unknown", false, "With --fail-on: do not exit with status 3 if something could not be read.")
	flags.BoolVar(&f.noHeaders, "no-headers", false, "When using the table, wide or custom-columns format, don't print headers.")
	flags.BoolVar(&f.showPasses, "show-passes", false, "With -o wide: print passes too.")
	flags.StringVar(&f.mapping, "mapping", "",
		"Group findings by the controls of a benchmark or guide that they give evidence for, and list the controls without a check: "+strings.Join(mapping.Names(), ", ")+
			". cis is the newest for the cluster's version.")
	flags.IntVar(&f.limit, "limit", 0,
		"With -o markdown: the greatest length in characters; the worst findings come first. The default, 60000, fits a comment on GitHub; Bitbucket takes 32768.")
	flags.StringVar(&f.progress, "progress", "auto", "Show progress on stderr: auto, always, never.")
	flags.StringVar(&f.color, "color", "auto", "Colour the table: auto, always, never.")
	f.waiverFlags.add(flags)
	flags.StringVar(&f.saveFacts, "save-facts", "", "Save what was read to this file; --facts judges it again.")
	flags.IntVar(&f.keepFacts, "keep-facts", 0, "With --save-facts: keep the files of this many earlier runs, as FILE.1 (the run before), FILE.2 and so on.")
	flags.StringVar(&f.pushgateway, "pushgateway", "",
		"Also send the metrics of -o prometheus to this Pushgateway, in place of those of the run before: a `URL` such as http://HOST:9091/metrics/job/NAME.")
}

// addVulnerabilities adds the flag of a database to compare with.
func (f *reportFlags) addVulnerabilities(flags *pflag.FlagSet) {
	flags.StringVar(&f.vulnerabilities, "vulnerabilities", "",
		"Compare the packages of hosts and containers with this OSV database: a directory, or a zip file as osv.dev publishes it. Nothing is downloaded.")
}

// addPatches adds the flag of a directory for patches.
func (f *reportFlags) addPatches(flags *pflag.FlagSet) {
	flags.StringVar(&f.writePatches, "write-patches", "",
		"Write patches that answer findings to this new directory, and put them into JSON and YAML. Nothing is applied.")
}

func (f *reportFlags) validate() error {
	for _, s := range []struct{ flag, value string }{{"--severity", f.severity}, {"--fail-on", f.failOn}} {
		if s.value != "" && api.Severity(s.value).Rank() == 0 {
			return fmt.Errorf("%s: expected critical, high, medium or low, found %q", s.flag, s.value)
		}
	}
	for _, s := range []struct{ flag, value string }{{"--progress", f.progress}, {"--color", f.color}} {
		if !slices.Contains([]string{"auto", "always", "never"}, s.value) {
			return fmt.Errorf("%s: expected auto, always or never, found %q", s.flag, s.value)
		}
	}
	if f.allowUnknown && f.failOn == "" {
		return errors.New("--allow-unknown has no effect without --fail-on")
	}
	if f.showPasses && f.output != "wide" && !slices.ContainsFunc(f.outputFile, func(o string) bool { return strings.HasPrefix(o, "wide=") }) {
		return errors.New("--show-passes has no effect without -o wide")
	}
	if f.limit != 0 && !f.prints("markdown") {
		return errors.New("--limit has no effect without -o markdown")
	}
	err := f.outputFlags.validate(func(format string) error {
		_, err := formats.NewPrinter(format, report.Options{Limit: f.limit})
		return badFormat(err, format)
	})
	if err != nil {
		return err
	}
	if f.saveFacts != "" {
		if err := writable(f.saveFacts); err != nil {
			return fmt.Errorf("--save-facts: %w", err)
		}
	}
	if err := errors.Join(distinct(f.written()), f.keeps("--waivers", f.waivers), f.keeps("--vulnerabilities", f.vulnerabilities), f.keepsBelow("--what-if", f.whatIf, true), f.keepsTemplates()); err != nil {
		return err
	}
	if err := f.validateWatch(); err != nil {
		return err
	}
	if f.writePatches != "" {
		if err := freeDirectory(f.writePatches); err != nil {
			return fmt.Errorf("--write-patches: %w", err)
		}
	}
	return errors.Join(f.validateMapping(), f.waiverFlags.validate(), f.validateWhatIf())
}

// writtenFile is a file that a run writes, and the flag that names it.
type writtenFile struct{ flag, path string }

// written are the files that the run writes.
func (f *reportFlags) written() []writtenFile {
	out := f.outputFlags.written()
	if f.saveFacts != "" {
		out = append(out, writtenFile{"--save-facts", f.saveFacts})
	}
	if f.writeWaivers != "" {
		out = append(out, writtenFile{"--write-waivers", f.writeWaivers})
	}
	return out
}

// keeps refuses an output that would replace a file that the run reads.
func (f *reportFlags) keeps(flag, input string) error { return keeps(f.written(), flag, input) }

// distinct refuses two outputs with one file: the last one would replace the others.
func distinct(files []writtenFile) error {
	for i, file := range files {
		if isStream(file.path) {
			return fmt.Errorf("%s: expected a file of its own, found the one that stdout or stderr goes to: %q", file.flag, file.path)
		}
		for _, before := range files[:i] {
			if sameFile(file.path, before.path) {
				return fmt.Errorf("%s and %s: expected two files, found one: %q", before.flag, file.flag, file.path)
			}
		}
	}
	return nil
}

// keeps refuses an output that would replace the file of an input.
func keeps(files []writtenFile, flag, input string) error {
	if input == "" {
		return nil
	}
	for _, file := range files {
		if sameFile(file.path, input) {
			return fmt.Errorf("%s would replace the file of %s: %q", file.flag, flag, file.path)
		}
	}
	return nil
}

// sameFile reports whether two paths are of one file. Devices and pipes take any number of outputs.
func sameFile(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	if errX == nil && errY == nil {
		return x.Mode().IsRegular() && os.SameFile(x, y)
	}
	if errX == nil || errY == nil {
		return false
	}
	return target(a) == target(b) // neither is there yet
}

// prints reports whether one of the outputs has this format.
func (f *reportFlags) prints(format string) bool {
	return f.output == format || slices.ContainsFunc(f.outputFile, func(o string) bool {
		of, _, _ := formats.SplitFile(o)
		return of == format
	})
}

// groups are the formats that group by controls.
var groups = []string{"table", "wide", "html", "markdown", "csv"}

// validateMapping refuses a mapping that no output would show.
func (f *reportFlags) validateMapping() error {
	if f.mapping == "" {
		return nil
	}
	if !mapping.Known(f.mapping) {
		return fmt.Errorf("--mapping: expected one of %s, found %q%s", strings.Join(mapping.Names(), ", "), f.mapping, didYouMean(nearest(f.mapping, mapping.Names())))
	}
	grouped := slices.Contains(groups, cmp.Or(f.output, "table"))
	for _, o := range f.outputFile {
		format, _, _ := formats.SplitFile(o)
		grouped = grouped || slices.Contains(groups, format)
	}
	if !grouped {
		return fmt.Errorf("--mapping has no effect without one of the formats %s: json and yaml always name the controls of each check, and other formats cannot group", strings.Join(groups, ", "))
	}
	return nil
}

// objects reports whether to read how workloads can be changed: for patches now, or later from
// the facts.
func (f *reportFlags) objects() bool {
	return f.writePatches != "" || f.saveFacts != "" || f.whatIf != ""
}

// showsLines reports whether an output of the run shows lines of files.
func (f *reportFlags) showsLines() bool {
	return formats.ShowsLines(f.output) || slices.ContainsFunc(f.outputFile, func(output string) bool {
		format, _, _ := formats.SplitFile(output)
		return formats.ShowsLines(format)
	})
}

// sourceFlags say where facts come from, if not from a cluster.
type sourceFlags struct {
	local bool
	root  string
	facts string
}

func (f *sourceFlags) add(flags *pflag.FlagSet) {
	flags.BoolVar(&f.local, "local", false, "Measure this machine as the node (Linux only); no cluster is contacted.")
	flags.StringVar(&f.root, "root", "", "With --local: the node's root file system is this directory.")
	flags.StringVar(&f.facts, "facts", "", "Judge facts that --save-facts wrote; no cluster is contacted.")
}

func (f *sourceFlags) validate() error {
	switch {
	case f.root != "" && !f.local:
		return errors.New("--root needs --local")
	case f.facts != "" && f.local:
		return errors.New("--facts and --local cannot be used together")
	}
	return nil
}

// machine returns the source of --local.
func (f *sourceFlags) machine(r *evaluation, probe *probeFlags, namespace string) *gather.Machine {
	_, net, _ := parseLevels(probe.level) // validated before
	return &gather.Machine{Root: f.root, Kinds: r.kinds(), Timeout: probe.timeout, Namespace: namespace, Net: net}
}

// probeFlags say how nodes are measured.
type probeFlags struct {
	noProbe     bool
	level       string
	image       string
	namespace   string
	pullSecret  string
	timeout     time.Duration
	maxInFlight int
	yes         bool
}

func (f *probeFlags) add(flags *pflag.FlagSet) {
	flags.BoolVar(&f.noProbe, "no-probe", false, "Use only the API: nothing is created, and what needs a node is unknown.")
	flags.StringVar(&f.level, "probe-level", defaultLevels,
		"How much the probe may read: api (no pod), proc (host PIDs, no capability), full (two capabilities). "+
			"net adds a second pod (host network, no capability) that makes TLS handshakes with the node's own listeners: net, proc,net or full,net.")
	flags.StringVar(&f.image, "probe-image", "auto", "The probe's image: a reference, embedded (nothing is pulled), or auto.")
	flags.StringVar(&f.namespace, "probe-namespace", "kubectl-checklist", "The namespace that probe pods run in. A run creates it if it does not exist, and then also removes it if it holds nothing else.")
	flags.StringVar(&f.pullSecret, "probe-pull-secret", "", "Name of an image pull secret in the probe's namespace.")
	flags.DurationVar(&f.timeout, "probe-timeout", 2*time.Minute, "Time limit for one node.")
	flags.IntVar(&f.maxInFlight, "max-in-flight", 50, "How many nodes are probed at once.")
}

// addYes adds the flag of commands that create pods.
func (f *probeFlags) addYes(flags *pflag.FlagSet) {
	flags.BoolVar(&f.yes, "yes", false, "Create probe pods without asking. Only a run on a terminal asks, before its first pods on a cluster.")
}

func (f *probeFlags) validate() error {
	if _, _, err := parseLevels(f.level); err != nil {
		return err
	}
	if f.timeout < launch.MinTimeout {
		return fmt.Errorf("--probe-timeout: expected at least %s, found %s", launch.MinTimeout, f.timeout)
	}
	if f.maxInFlight < 1 {
		return fmt.Errorf("--max-in-flight: expected at least 1, found %d", f.maxInFlight)
	}
	if problems := validation.IsDNS1123Label(f.namespace); len(problems) > 0 {
		return fmt.Errorf("--probe-namespace: expected a namespace's name, found %q", f.namespace)
	}
	if f.image == "" {
		return errors.New("--probe-image: expected auto, embedded or an image reference, found \"\"")
	}
	return nil
}

// options returns the probe's options from the flags.
func (f *probeFlags) options(env *Env) launch.Options {
	level, net := f.levels()
	return launch.Options{
		Level:        level,
		Net:          net,
		Image:        f.image,
		ReleaseImage: env.ReleaseImage,
		Embedded:     embedded.Probe,
		NetEmbedded:  embedded.NetProbe,
		Namespace:    f.namespace,
		PullSecret:   f.pullSecret,
		Timeout:      f.timeout,
		MaxInFlight:  f.maxInFlight,
	}
}

// defaultLevels reads everything that a probe can read.
const defaultLevels = string(fact.LevelFull) + "," + string(fact.LevelNet)

// levels returns what the probe may read of a node's files and processes, and whether a
// second pod makes handshakes. --no-probe means level api.
func (f *probeFlags) levels() (level fact.Level, net bool) {
	if f.noProbe {
		return fact.LevelAPI, false
	}
	level, net, _ = parseLevels(f.level) // validated before
	return level, net
}

// parseLevels reads the value of --probe-level: api, or one of proc and full, or net, or
// one of the two and net, separated by a comma.
func parseLevels(text string) (level fact.Level, net bool, err error) {
	level = fact.LevelAPI
	words := strings.Split(text, ",")
	for _, word := range words {
		switch l := fact.Level(word); {
		case l == fact.LevelNet && !net:
			net = true
		case (l == fact.LevelProc || l == fact.LevelFull) && level == fact.LevelAPI:
			level = l
		case l == fact.LevelAPI && len(words) == 1:
		default:
			return "", false, fmt.Errorf(`--probe-level: expected api, proc, full, net, "proc,net" or "full,net", found %q`, text)
		}
	}
	return level, net, nil
}

// levelNames are the values of --probe-level.
var levelNames = []string{"api", "proc", "full", "net", "proc,net", "full,net"}

// configMapFlags say whether the data of ConfigMaps is read.
type configMapFlags struct {
	noConfigMaps bool
}

func (f *configMapFlags) add(flags *pflag.FlagSet) {
	flags.BoolVar(&f.noConfigMaps, "no-configmaps", false,
		"Do not read the data of ConfigMaps: whether they hold credentials, and what the scripts in them install, is unknown. Otherwise up to 256 MiB of them are read, and dropped at once.")
}

// refuse returns an error if the flag is given together with a source that reads none.
func (f *configMapFlags) refuse(with string) error {
	if f.noConfigMaps {
		return fmt.Errorf("%s and --no-configmaps cannot be used together: no cluster is asked", with)
	}
	return nil
}

// controlPlaneFlags say which nodes hold the cluster's etcd and API servers.
type controlPlaneFlags struct {
	controlPlaneNodes []string
}

func (f *controlPlaneFlags) add(flags *pflag.FlagSet) {
	flags.StringSliceVar(&f.controlPlaneNodes, "control-plane-node", nil,
		"A `node` that runs the cluster's etcd or API server, if no role label says so. Repeatable.")
}

// refuse returns an error if the flag is given together with another one.
func (f *controlPlaneFlags) refuse(with string) error {
	if len(f.controlPlaneNodes) > 0 {
		return fmt.Errorf("%s and --control-plane-node cannot be used together", with)
	}
	return nil
}
