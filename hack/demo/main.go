// Command demo plants one fault for each of the six questions on the real
// cluster, shows the tool finding them, and removes them again. Then it takes
// workloads from no to yes by the patches and commands that the tool writes.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"github.com/kubectl-checklist/kubectl-checklist/hack/faults"
	"github.com/kubectl-checklist/kubectl-checklist/hack/harness"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := run(ctx)
	if err == nil {
		var c *harness.Cluster
		if c, err = harness.New(); err == nil {
			err = closeLoop(ctx, c)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	c, err := harness.New()
	if err != nil {
		return err
	}
	say("A cluster with encryption on, and a pod without findings")
	if err := faults.Encrypt(ctx, c, "aescbc"); err != nil {
		return err
	}
	if err := faults.CreateNamespace(ctx, c); err != nil {
		return err
	}
	defer func() {
		say("Removing the faults")
		clean := context.WithoutCancel(ctx)
		for _, f := range faults.All() {
			if f.Remove != nil {
				if err := f.Remove(clean, c); err != nil {
					fmt.Fprintln(os.Stderr, "demo: removing", f.Title+":", err)
				}
			}
		}
		if err := faults.DeleteNamespace(clean, c); err != nil {
			fmt.Fprintln(os.Stderr, "demo:", err)
		}
	}()
	if err := faults.RewriteSecrets(ctx, c); err != nil {
		return err
	}
	before, _, err := c.Report(ctx)
	if err != nil {
		return err
	}
	for _, f := range faults.All() {
		say(fmt.Sprintf("Planting for %s: %s", f.Question, f.Title))
		if err := f.Plant(ctx, c); err != nil {
			return err
		}
	}
	say("$ kubectl checklist")
	result, err := c.Checklist(ctx)
	if err != nil {
		return err
	}
	os.Stdout.Write(result.Stdout) //nolint:errcheck // a demo
	after, _, err := c.Report(ctx)
	if err != nil {
		return err
	}
	return compare(before, after)
}

// compare shows what the faults added, and fails if one was not found.
func compare(before, after *api.ChecklistReport) error {
	say("What the faults added")
	found := harness.Failing(after, before)
	missing := 0
	for _, f := range faults.All() {
		for _, fingerprint := range f.Expect {
			finding, ok := found[fingerprint]
			if !ok {
				missing++
				fmt.Printf("%-11s NOT FOUND  %s\n", f.Question, fingerprint)
				continue
			}
			fmt.Printf("%-11s %-8s  %s: %s\n", f.Question, finding.Severity, fingerprint, finding.Message)
			for _, e := range finding.Evidence {
				fmt.Printf("%23s%s: %s = %s\n", "", e.Basis, e.Source, e.Value)
			}
		}
	}
	if missing > 0 {
		return fmt.Errorf("%d expected findings are missing", missing)
	}
	return nil
}

func say(line string) { fmt.Printf("\n== %s\n", line) }
