// Command cluster runs a real Kubernetes cluster on one Linux machine, without
// a container engine: the control plane as kubeadm makes it, three nodes, each
// a set of namespaces. The end-to-end tests run against it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

func main() {
	// The two ways in which this program is a node's first process.
	if filepath.Base(os.Args[0]) == "node-init" {
		runNode(os.Args[1:])
	}
	if len(os.Args) == 3 && os.Args[1] == "enter-node" {
		fmt.Fprintf(os.Stderr, "node-init: %v\n", enterNode(os.Args[2]))
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, unix.SIGTERM)
	defer stop()
	if err := newCommand().ExecuteContext(ctx); err != nil {
		fmt.Fprintf(os.Stderr, "cluster: %v\n", err)
		stop()
		os.Exit(exitStatus(err))
	}
}

// exitStatus returns the status of the failed command for verbs that run one. It returns
// 1 for status if the cluster is not whole, and otherwise 2.
func exitStatus(err error) int {
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() > 0 {
		return exit.ExitCode()
	}
	if errors.Is(err, errNotWhole) {
		return 1
	}
	return 2
}

var errNotWhole = errors.New("the cluster is not whole")

func newCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "cluster",
		Short: "Runs the test cluster: a real control plane and three nodes in namespaces",
		Long: "Runs the test cluster: a real control plane and three nodes in namespaces.\n\n" +
			"  " + stateVariable + "  state, removed by down (default " + defaultState + ")\n" +
			"  " + cacheVariable + "  binaries and images, kept (default: kubectl-checklist/cluster in the user's cache)\n" +
			"  " + prefixVariable + " of names, for a second cluster with its own state (default klist-)\n" +
			"  " + sourceVariable + " hack/cluster of the checkout (default: found from the current directory)",
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.CompletionOptions.DisableDefaultCmd = true
	verb := func(use, short string, args cobra.PositionalArgs, run func(c *Cluster, cmd *cobra.Command, args []string) error) *cobra.Command {
		cmd := &cobra.Command{Use: use, Short: short, Args: args, RunE: func(cmd *cobra.Command, args []string) error {
			c, err := newCluster(cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			if err := run(c, cmd, args); err != nil {
				return fmt.Errorf("%s: %w", cmd.Name(), err)
			}
			return nil
		}}
		root.AddCommand(cmd)
		return cmd
	}
	// passThrough takes every argument after the verb as it is, for another
	// command's flags.
	passThrough := func(cmd *cobra.Command) { cmd.Flags().SetInterspersed(false) }

	verb("deps", "install the Debian packages that tests and cluster need (hack/deps.sh)", cobra.NoArgs, func(c *Cluster, cmd *cobra.Command, _ []string) error {
		if c.Source == "" {
			return fmt.Errorf("hack/cluster was not found: set %s", sourceVariable)
		}
		script := exec.CommandContext(cmd.Context(), filepath.Join(c.Source, "..", "deps.sh"))
		script.Stdout, script.Stderr = cmd.OutOrStdout(), cmd.ErrOrStderr()
		return script.Run()
	})
	verb("build", "build the components and images into the cache, and print its directory", cobra.NoArgs, func(c *Cluster, cmd *cobra.Command, _ []string) error {
		dir, err := c.build(cmd.Context())
		if err == nil {
			fmt.Fprintln(cmd.OutOrStdout(), dir)
		}
		return err
	})
	verb("up", "bring the cluster up; does nothing if it is up", cobra.NoArgs, func(c *Cluster, cmd *cobra.Command, _ []string) error {
		return c.up(cmd.Context())
	})
	verb("down", "remove every process, mount, namespace, cgroup and interface of the cluster", cobra.NoArgs, func(c *Cluster, _ *cobra.Command, _ []string) error {
		return c.down()
	})
	verb("status", "say what runs; exit status 1 unless everything runs", cobra.NoArgs, func(c *Cluster, cmd *cobra.Command, _ []string) error {
		return c.status(cmd.Context(), cmd.OutOrStdout())
	})
	verb("kubeconfig", "print the path of the administrator's kubeconfig", cobra.NoArgs, func(c *Cluster, cmd *cobra.Command, _ []string) error {
		if _, err := os.Stat(c.kubeconfig()); err != nil {
			return errNoCluster
		}
		fmt.Fprintln(cmd.OutOrStdout(), c.kubeconfig())
		return nil
	})
	passThrough(verb("exec -- COMMAND [ARGUMENT ...]", "run a command where the cluster can be reached, with KUBECONFIG and kubectl "+kubernetesVersion, cobra.MinimumNArgs(1), func(c *Cluster, _ *cobra.Command, args []string) error {
		return c.replace(args)
	}))
	for _, name := range []string{"kubectl", "etcdctl", "etcdutl"} {
		cmd := verb(name+" [ARGUMENT ...]", "exec -- "+name, cobra.ArbitraryArgs, func(c *Cluster, _ *cobra.Command, args []string) error {
			return c.replace(append([]string{name}, args...))
		})
		cmd.DisableFlagParsing = true
	}
	verb("etcd-snapshot FILE", "save a snapshot of etcd", cobra.ExactArgs(1), func(c *Cluster, cmd *cobra.Command, args []string) error {
		file, err := filepath.Abs(args[0])
		if err != nil {
			return err
		}
		_, err = c.client(cmd.Context(), nil, "etcdctl", "snapshot", "save", file)
		return err
	})
	passThrough(verb("node-exec NODE -- COMMAND [ARGUMENT ...]", "run a command in a node's namespaces and root", cobra.MinimumNArgs(2), func(c *Cluster, _ *cobra.Command, args []string) error {
		pid, err := c.pidOf(args[0])
		if err != nil {
			return err
		}
		argv := args[1:]
		if argv[0] == "--" { // flag parsing ends at the node's name
			argv = argv[1:]
		}
		if len(argv) == 0 {
			return errors.New("expected a command after the node's name")
		}
		nsenter, err := exec.LookPath("nsenter")
		if err != nil {
			return err
		}
		return unix.Exec(nsenter, append([]string{"nsenter"}, enterArgs(pid, argv)...), os.Environ())
	}))
	put := verb("node-put NODE FILE|- DESTINATION", "put a file into a node's root, under a temporary name first", cobra.ExactArgs(3), nil)
	mode := put.Flags().String("mode", "", "permission bits, octal (default: the file's own, 0644 for -)")
	put.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := newCluster(cmd.ErrOrStderr())
		if err != nil {
			return err
		}
		if err := c.nodePut(cmd.Context(), cmd.InOrStdin(), args[0], args[1], args[2], *mode); err != nil {
			return fmt.Errorf("node-put: %w", err)
		}
		return nil
	}
	verb("node-rm NODE PATH", "remove a file or a directory from a node's root", cobra.ExactArgs(2), func(c *Cluster, cmd *cobra.Command, args []string) error {
		n, err := nodeNamed(args[0])
		if err != nil {
			return err
		}
		if !filepath.IsAbs(args[1]) || filepath.Clean(args[1]) == "/" {
			return fmt.Errorf("path %q: expected an absolute path below /", args[1])
		}
		return c.inNode(cmd.Context(), n, nil, io.Discard, "rm", "-r", "--", args[1])
	})
	verb("node-pid NODE", "print the machine's pid of a node's process 1", cobra.ExactArgs(1), func(c *Cluster, cmd *cobra.Command, args []string) error {
		pid, err := c.pidOf(args[0])
		if err == nil {
			fmt.Fprintln(cmd.OutOrStdout(), pid)
		}
		return err
	})
	verb("stop-node NODE", "kill a node, as if its power was cut", cobra.ExactArgs(1), func(c *Cluster, _ *cobra.Command, args []string) error {
		n, err := nodeNamed(args[0])
		if err != nil {
			return err
		}
		if _, err := c.binDir(); err != nil {
			return err
		}
		unlock, err := c.lockCluster()
		if err != nil {
			return err
		}
		defer unlock()
		return c.stopNode(n)
	})
	verb("start-node NODE", "start a stopped node and wait until it is Ready", cobra.ExactArgs(1), func(c *Cluster, cmd *cobra.Command, args []string) error {
		n, err := nodeNamed(args[0])
		if err != nil {
			return err
		}
		unlock, err := c.lockCluster()
		if err != nil {
			return err
		}
		defer unlock()
		if err := c.startNode(cmd.Context(), n); err != nil {
			return err
		}
		return c.waitNode(cmd.Context(), n)
	})
	verb("import-image FILE.tar [NODE ...]", "import a docker archive or OCI archive (default: into every node)", cobra.MinimumNArgs(1), func(c *Cluster, cmd *cobra.Command, args []string) error {
		targets, err := nodesNamed(args[1:])
		if err != nil {
			return err
		}
		for _, n := range targets {
			if err := c.importImage(cmd.Context(), n, args[0]); err != nil {
				return err
			}
		}
		return nil
	})
	verb("images NODE", "list a node's images", cobra.ExactArgs(1), func(c *Cluster, cmd *cobra.Command, args []string) error {
		n, err := nodeNamed(args[0])
		if err != nil {
			return err
		}
		return c.inNode(cmd.Context(), n, nil, cmd.OutOrStdout(), "/usr/bin/ctr", "-n", "k8s.io", "images", "list", "-q")
	})
	verb("rm-image REF [NODE ...]", "remove an image (default: from every node)", cobra.MinimumNArgs(1), func(c *Cluster, cmd *cobra.Command, args []string) error {
		targets, err := nodesNamed(args[1:])
		if err != nil {
			return err
		}
		for _, n := range targets {
			if err := c.removeImage(cmd.Context(), n, args[0]); err != nil {
				return err
			}
		}
		return nil
	})
	verb("encryption FILE|-", "restart the API server with an EncryptionConfiguration", cobra.ExactArgs(1), func(c *Cluster, cmd *cobra.Command, args []string) error {
		config, err := readInput(cmd.InOrStdin(), args[0])
		if err != nil {
			return err
		}
		unlock, err := c.lockCluster()
		if err != nil {
			return err
		}
		defer unlock()
		return c.encrypt(cmd.Context(), config)
	})
	verb("settle", "wait until a pod starts on every node (after a restart of the API server its clients back off for up to a minute)", cobra.NoArgs, func(c *Cluster, cmd *cobra.Command, _ []string) error {
		return c.settle(cmd.Context())
	})
	return root
}

func (c *Cluster) pidOf(name string) (int, error) {
	n, err := nodeNamed(name)
	if err != nil {
		return 0, err
	}
	return c.nodePID(n)
}

func nodesNamed(names []string) ([]Node, error) {
	if len(names) == 0 {
		return nodes, nil
	}
	var found []Node
	for _, name := range names {
		n, err := nodeNamed(name)
		if err != nil {
			return nil, err
		}
		found = append(found, n)
	}
	return found, nil
}

func readInput(stdin io.Reader, file string) ([]byte, error) {
	if file == "-" {
		return io.ReadAll(stdin)
	}
	return os.ReadFile(file)
}

func (c *Cluster) nodePut(ctx context.Context, stdin io.Reader, node, file, dest, modeText string) error {
	n, err := nodeNamed(node)
	if err != nil {
		return err
	}
	mode := os.FileMode(0o644)
	content := stdin
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return err
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			return fmt.Errorf("%s: expected a regular file, found %s", file, info.Mode().Type())
		}
		mode, content = info.Mode().Perm(), f
	}
	if modeText != "" {
		var bits uint32
		if _, err := fmt.Sscanf(modeText, "%o", &bits); err != nil || bits > 0o777 {
			return fmt.Errorf("--mode %q: expected octal permission bits, such as 0755", modeText)
		}
		mode = os.FileMode(bits)
	}
	return c.put(ctx, n, content, mode, dest)
}

// replace executes a command in this process's place, in the bridge's network
// namespace.
func (c *Cluster) replace(argv []string) error {
	env, err := c.clientEnv()
	if err != nil {
		return err
	}
	bin, err := c.binDir()
	if err != nil {
		return err
	}
	path := filepath.Join(bin, argv[0])
	if _, err := os.Stat(path); err != nil || strings.Contains(argv[0], "/") {
		if path, err = exec.LookPath(argv[0]); err != nil {
			return err
		}
	}
	return inNetns(bridgeNetns, func() error { return unix.Exec(path, argv, env) })
}

// status prints one line for each part.
func (c *Cluster) status(ctx context.Context, out io.Writer) error {
	if _, err := c.binDir(); err != nil {
		fmt.Fprintln(out, "no cluster")
		return errNotWhole
	}
	whole := networkExists()
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	row := func(name, state, detail string) { fmt.Fprintf(w, "%s\t%s\t%s\n", name, state, detail) }
	row("NAME", "STATE", "DETAIL")
	if whole {
		row("network", "up", bridgeNetns+" "+bridgeIP)
	} else {
		row("network", "missing", "")
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	err := c.ready(ctx)
	if err == nil {
		row("apiserver", "ready", "https://"+controlPlane().IP+":"+apiPort)
	} else {
		whole = false
		row("apiserver", "unreachable", strings.SplitN(err.Error(), "\n", 2)[0])
	}
	for _, n := range nodes {
		pid, pidErr := c.nodePID(n)
		switch {
		case pidErr != nil:
			whole = false
			row(n.Name, "stopped", "")
		case err != nil:
			row(n.Name, "running", fmt.Sprintf("pid %d, readiness unknown", pid))
		default:
			ready, readyErr := c.kubectl(ctx, "", "get", "node", n.Name, "-o", `jsonpath={.status.conditions[?(@.type=="Ready")].status}`)
			state := "Ready"
			if readyErr != nil || ready != "True" {
				whole, state = false, "NotReady"
			}
			row(n.Name, state, fmt.Sprintf("pid %d, %s", pid, n.IP))
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if !whole {
		return errNotWhole
	}
	return nil
}
