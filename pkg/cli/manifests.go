package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/cluster"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/launch"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/launch/embedded"
)

// The groups of objects that manifests prints.
const (
	onlyGrants = "grants"
	onlyRun    = "run"
)

// manifestsFlags say what manifests prints.
type manifestsFlags struct {
	probeFlags
	only     string
	bind     []string
	creates  bool // the probe's namespace is created and removed by runs
	offline  bool
	forNodes []string
	selector string
}

func newManifestsCommand(env *Env, config *genericclioptions.ConfigFlags) *cobra.Command {
	var f manifestsFlags
	cmd := &cobra.Command{
		Use:   "manifests [NODE ...]",
		Short: "Print what a run creates, and the rights to grant beforehand",
		Long: describe(`
			Prints two groups of objects as YAML, and creates none of them.

			An administrator applies "grants" before the first run. They are the probe's
			namespace, and roles with exactly the rights that a run uses, to read as well as
			to create. Runs never create roles.

			A run creates "run" itself: the namespace if it does not exist, a job, ConfigMaps
			(printed here without their bytes), and a pod for each node. A run removes all of
			these, except a namespace that existed before or that holds anything else.

			The cluster is asked only for its version, its nodes and the images on them. With
			--only grants, --for-node or --offline it is not asked. Without a kubeconfig, or
			if the server of the current context cannot be reached, placeholders are printed
			for the nodes, and a line on stderr says so.

			A probe pod can read the node's files and processes through /proc. As root it
			could also write there, and no field of a pod forbids that. So before the probe
			reads anything, it installs a seccomp filter that refuses to write, execute and
			connect. It cannot give up reading, and that includes the memory of processes.

			A second pod on each node has the host's network and no capability. Its program
			reads the table of the node's listeners, then gives up opening files. It connects
			only to loopback and to the node's own addresses, and makes TLS handshakes there.
			--probe-level full leaves this pod out.`),
		Example: env.examples(`
			# Print the objects for the nodes of the current cluster
			kubectl checklist manifests

			# Grant a group everything that a run needs
			kubectl checklist manifests --only grants --bind group:auditors | kubectl apply -f -

			# Print what a run creates on two nodes, without asking a cluster
			kubectl checklist manifests --only run --for-node worker-1=amd64 --for-node worker-2=arm64`),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.validate(cmd.Flags().Changed, args); err != nil {
				return err
			}
			return f.run(cmd.Context(), env, config, args)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.only, "only", "", "Print only one `group`: grants or run.")
	flags.StringArrayVar(&f.bind, "bind", nil,
		"Bind the roles to this `subject`: user:NAME, group:NAME or serviceaccount:NAMESPACE:NAME. Repeatable.")
	flags.BoolVar(&f.creates, "create-namespace", false,
		"Grant rights for runs that create and remove the probe's namespace. These rights apply to all namespaces.")
	flags.BoolVar(&f.offline, "offline", false, "Ask no cluster; print placeholders for the nodes.")
	flags.StringSliceVar(&f.forNodes, "for-node", nil, "Ask no cluster; print the pods of these nodes, as NAME or NAME=ARCH (amd64 if left out).")
	flags.StringVarP(&f.selector, "selector", "l", "", "Label selector of nodes.")
	f.add(flags)
	cmd.ValidArgsFunction = completer{env, config}.names("nodes")
	return cmd
}

// validate checks the flags. given reports whether a flag was set, to any value.
func (f *manifestsFlags) validate(given func(flag string) bool, args []string) error {
	if err := f.probeFlags.validate(); err != nil {
		return err
	}
	if given("only") && f.only != onlyGrants && f.only != onlyRun {
		return fmt.Errorf("--only: expected %s or %s, found %q", onlyGrants, onlyRun, f.only)
	}
	var ways []string // to choose nodes
	if len(args) > 0 {
		ways = append(ways, "names")
	}
	for _, flag := range []string{"selector", "for-node", "offline"} {
		if given(flag) && (flag != "offline" || f.offline) {
			ways = append(ways, "--"+flag)
		}
	}
	switch {
	case len(ways) > 1:
		return errors.New(strings.Join(ways, " and ") + " cannot be used together")
	case len(ways) > 0 && ways[0] != "--offline" && f.only == onlyGrants:
		return fmt.Errorf("%s and --only grants cannot be used together: grants are the same for all nodes", ways[0])
	case given("for-node") && len(f.forNodes) == 0:
		return errors.New(`--for-node: expected NAME or NAME=ARCH, found ""`)
	case f.only == onlyRun && len(f.bind) > 0:
		return errors.New("--bind has no effect with --only run")
	case f.only == onlyRun && f.creates:
		return errors.New("--create-namespace has no effect with --only run")
	case f.creates && f.createsNothing():
		return errors.New("--create-namespace has no effect at probe level api, which creates nothing")
	}
	return nil
}

// createsNothing reports whether a run with these flags creates nothing.
func (f *probeFlags) createsNothing() bool {
	level, net := f.levels()
	return level == fact.LevelAPI && !net
}

func (f *manifestsFlags) run(ctx context.Context, env *Env, config *genericclioptions.ConfigFlags, args []string) error {
	subjects, err := parseSubjects(f.bind)
	if err != nil {
		return err
	}
	opts := f.options(env)
	var out bytes.Buffer
	if f.only != onlyRun {
		docs, err := launch.Grants(opts, subjects, f.creates)
		if err != nil {
			return err
		}
		if err := writeGroup(&out, f.grantsHeader(), docs); err != nil {
			return err
		}
	}
	if f.only != onlyGrants {
		plan, err := f.plan(ctx, env, config, &opts, args)
		if err != nil {
			return err
		}
		docs, err := launch.Objects(opts, plan)
		if err != nil {
			return err
		}
		if err := writeGroup(&out, runHeader(docs), docs); err != nil {
			return err
		}
	}
	_, err = env.Streams.Out.Write(out.Bytes())
	return err
}

// plan chooses the nodes: those that were named, those of the cluster, or
// placeholders. It says on stderr if no cluster was asked, and which nodes a run
// would skip.
func (f *manifestsFlags) plan(ctx context.Context, env *Env, config *genericclioptions.ConfigFlags, opts *launch.Options, args []string) (launch.Plan, error) {
	var nodes []fact.Node
	var err error
	asked := false
	switch {
	case f.createsNothing(): // creates nothing on any node
	case len(f.forNodes) > 0:
		if nodes, err = parseNodes(f.forNodes); err != nil {
			return launch.Plan{}, err
		}
		env.warn("no cluster was asked")
	case f.offline:
		nodes = placeholders(*opts)
		env.warn("no cluster was asked: %s", standIns(nodes))
	default:
		nodes, err = f.ask(ctx, env, config, opts, args)
		chosen := len(args) > 0 || f.selector != "" || namesCluster(config)
		switch {
		case err == nil:
			asked = true
		case chosen && clientcmd.IsEmptyConfig(err):
			return launch.Plan{}, errors.New("no kubeconfig found, so no cluster can be asked for its nodes; --for-node and --offline need no cluster")
		case chosen, !clientcmd.IsEmptyConfig(err) && !unreachable(err):
			return launch.Plan{}, err
		default:
			nodes = placeholders(*opts)
			if clientcmd.IsEmptyConfig(err) {
				env.warn("no cluster was asked, because no kubeconfig was found: %s", standIns(nodes))
			} else {
				env.warn("no cluster answered: %s; %s", strings.TrimPrefix(Message(err, env.server), "error: "), standIns(nodes))
			}
		}
	}
	plan, gaps, err := launch.NewPlan(*opts, nodes)
	if err != nil {
		return launch.Plan{}, err
	}
	if asked {
		launch.Resolve(ctx, *opts, &plan)
	}
	skipped := map[string]bool{}
	for _, gap := range gaps {
		if !skipped[gap.Subject.Name] {
			skipped[gap.Subject.Name] = true
			env.warn("node %s would be skipped: %s: %s", gap.Subject.Name, gap.Reason, gap.Detail)
		}
	}
	return plan, nil
}

// ask lists the cluster's nodes, and puts a client into the options.
func (f *manifestsFlags) ask(ctx context.Context, env *Env, config *genericclioptions.ConfigFlags, opts *launch.Options, args []string) ([]fact.Node, error) {
	rc, err := restConfig(env, config)
	if err != nil {
		return nil, err
	}
	client, err := launch.NewClient(rc)
	if err != nil {
		return nil, err
	}
	result, err := cluster.Collect(ctx, cluster.Options{Config: rc, Nodes: true, NodeNames: args, NodeSelector: f.selector})
	if err != nil {
		return nil, err
	}
	for _, gap := range result.Gaps {
		return nil, fmt.Errorf("%s: %s; --for-node and --offline need no cluster", gap.Detail, gap.Hint)
	}
	opts.Client = client
	return result.Nodes, nil
}

// namesCluster reports whether the command line says which cluster is meant. Then
// placeholders would not be an answer.
func namesCluster(config *genericclioptions.ConfigFlags) bool {
	for _, flag := range []*string{config.KubeConfig, config.Context, config.ClusterName, config.APIServer} {
		if flag != nil && *flag != "" {
			return true
		}
	}
	return false
}

// unreachable reports whether an error means that no server answered. A server that
// refuses us, or has a wrong certificate, has answered.
func unreachable(err error) bool {
	var dns *net.DNSError
	var op *net.OpError
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, context.Canceled):
		return false
	case errors.As(err, &dns):
		return true
	case errors.As(err, &op):
		return op.Op == "dial"
	}
	return errors.As(err, &timeout) && timeout.Timeout()
}

// placeholders returns nodes with made-up names, for when no cluster is asked: one
// for each architecture whose pods differ.
func placeholders(opts launch.Options) []fact.Node {
	node := func(name, arch string) fact.Node {
		return fact.Node{Name: name, Arch: arch, OS: "linux", Ready: true}
	}
	if plan, _, err := launch.NewPlan(opts, nil); err == nil && !plan.Embedded {
		return []fact.Node{node("each-node", "any")}
	}
	var nodes []fact.Node
	for _, arch := range embedded.Architectures() {
		nodes = append(nodes, node("each-"+arch+"-node", arch))
	}
	return nodes
}

// standIns says that the nodes are placeholders.
func standIns(nodes []fact.Node) string {
	names := make([]string, len(nodes))
	for i := range nodes {
		names[i] = nodes[i].Name
	}
	are := "is a placeholder"
	if len(names) > 1 {
		are = "are placeholders"
	}
	return fmt.Sprintf("%s %s for the nodes", strings.Join(names, " and "), are)
}

// parseNodes reads the values of --for-node.
func parseNodes(words []string) ([]fact.Node, error) {
	nodes := make([]fact.Node, 0, len(words))
	for _, word := range words {
		name, arch, ok := strings.Cut(word, "=")
		if !ok {
			arch = "amd64"
		}
		if len(validation.IsDNS1123Subdomain(name)) > 0 || arch == "" {
			return nil, fmt.Errorf("--for-node: expected NAME or NAME=ARCH, found %q", word)
		}
		nodes = append(nodes, fact.Node{Name: name, Arch: arch, OS: "linux", Ready: true})
	}
	return nodes, nil
}

// parseSubjects reads the values of --bind. A user's name may hold colons.
func parseSubjects(words []string) ([]rbacv1.Subject, error) {
	var subjects []rbacv1.Subject
	for _, word := range words {
		kind, name, _ := strings.Cut(word, ":")
		subject := rbacv1.Subject{Name: name}
		valid := name != ""
		switch kind {
		case "user":
			subject.Kind, subject.APIGroup = rbacv1.UserKind, rbacv1.GroupName
		case "group":
			subject.Kind, subject.APIGroup = rbacv1.GroupKind, rbacv1.GroupName
		case "serviceaccount":
			subject.Kind = rbacv1.ServiceAccountKind
			subject.Namespace, subject.Name, _ = strings.Cut(name, ":")
			valid = len(validation.IsDNS1123Label(subject.Namespace)) == 0 && len(validation.IsDNS1123Subdomain(subject.Name)) == 0
		default:
			valid = false
		}
		if !valid {
			return nil, fmt.Errorf("--bind: expected user:NAME, group:NAME or serviceaccount:NAMESPACE:NAME, found %q", word)
		}
		if !slices.Contains(subjects, subject) {
			subjects = append(subjects, subject)
		}
	}
	return subjects, nil
}

func (f *manifestsFlags) grantsHeader() string {
	text := "GRANTS: an administrator applies these once, before the first run.\n" +
		"Runs do not create or remove them."
	if len(f.bind) == 0 {
		text += "\nThe roles are bound to nobody: --bind user:NAME (or group:NAME, serviceaccount:NAMESPACE:NAME)\nadds the bindings."
	}
	return text
}

func runHeader(docs []launch.Document) string {
	if len(docs) == 0 {
		return "RUN: nothing. A run at this probe level creates no object."
	}
	return "RUN: a run creates these itself and removes them when it ends. Do not apply them.\n" +
		"A namespace that existed before, or that holds anything else, stays.\n" +
		"Placeholders are printed for what is known only during a run: the run's id (run), the\n" +
		"owner's uid (set-at-creation), and the node's image or name if no cluster was asked.\n" +
		"ConfigMaps are printed without their bytes."
}

// writeGroup writes documents as a YAML stream, each with its comment. The header
// is a comment before the first document.
func writeGroup(out *bytes.Buffer, header string, docs []launch.Document) error {
	comment := func(text string) {
		for line := range strings.Lines(text) {
			out.WriteString(strings.TrimRight("# "+line, "\n") + "\n")
		}
	}
	out.WriteString("---\n")
	comment(header)
	for i, doc := range docs {
		if i > 0 {
			out.WriteString("---\n")
		} else {
			out.WriteString("\n")
		}
		if doc.Comment != "" {
			comment(doc.Comment)
		}
		data, err := yaml.Marshal(doc.Object)
		if err != nil {
			return err
		}
		out.Write(data)
	}
	return nil
}
