package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/kubectl-checklist/kubectl-checklist/hack/harness"
	"github.com/kubectl-checklist/kubectl-checklist/hack/loop"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
)

// closeLoop shows how answers for workloads go from no to yes: by the patches and commands that
// the tool writes, and by what they say is to be done by hand.
func closeLoop(ctx context.Context, c *harness.Cluster) (err error) {
	dir, err := os.MkdirTemp("", "demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary directory
	stop, err := loop.Serve(ctx, c, dir)
	if err != nil {
		return err
	}
	defer stop()
	config := ""
	defer func() {
		say("Removing the workloads of the loop")
		err = errors.Join(err, loop.Remove(context.WithoutCancel(ctx), c, config))
	}()
	say("From no to yes: a Deployment, a DaemonSet, a StatefulSet and a builder with plain faults; Secrets in plaintext")
	if err := loop.Plant(ctx, c); err != nil {
		return err
	}
	measure := func(name string) (string, error) {
		patches := filepath.Join(dir, name)
		say("$ kubectl checklist --write-patches " + name)
		report, result, err := c.Report(ctx, "--write-patches", patches)
		if err != nil {
			return "", err
		}
		if result.Code != 0 {
			return "", fmt.Errorf("kubectl checklist: exit status %d: %s", result.Code, bytes.TrimSpace(result.Stderr))
		}
		printAnswers(report)
		return patches, nil
	}
	patches, err := measure("first")
	if err != nil {
		return err
	}
	say("$ sh first/apply.sh safe")
	out, err := loop.Patched(ctx, c, patches, "safe")
	fmt.Print(out)
	if err != nil {
		return err
	}
	say("By hand, as the texts say: the builder goes, the image carries what was installed at start, the Secret becomes a file")
	if err := loop.ByHand(ctx, c); err != nil {
		return err
	}
	if patches, err = measure("second"); err != nil {
		return err
	}
	say("$ sh second/apply.sh all")
	out, err = loop.Patched(ctx, c, patches, "all")
	fmt.Print(out)
	if err != nil {
		return err
	}
	say("second/commands/cluster.sh, step by step")
	config, err = loop.Run(ctx, c, filepath.Join(patches, "commands", "cluster.sh"), func(s loop.Step) {
		fmt.Printf("%2s. %s\n", s.Number, s.Text)
	})
	if err != nil {
		return err
	}
	if patches, err = measure("third"); err != nil {
		return err
	}
	say("$ sh third/commands/namespaces.sh")
	result, err := c.Exec(ctx, nil, "sh", filepath.Join(patches, "commands", "namespaces.sh"))
	if err != nil {
		return err
	}
	os.Stdout.Write(result.Stdout) //nolint:errcheck // a demo
	if result.Code != 0 {
		return fmt.Errorf("namespaces.sh: exit status %d: %s", result.Code, bytes.TrimSpace(result.Stderr))
	}
	say("$ kubectl checklist")
	report, _, err := c.Report(ctx)
	if err != nil {
		return err
	}
	printAnswers(report)
	for _, a := range report.Answers {
		if a.Question != api.Hosts && a.Workloads != api.Yes {
			return fmt.Errorf("the loop is not closed: %s is %s for the workloads", a.Question, a.Workloads)
		}
	}
	return nil
}

// printAnswers prints the answers for the workloads. Static pods of the control plane keep some
// of the others at no, and hosts have no workloads.
func printAnswers(report *api.ChecklistReport) {
	for _, a := range report.Answers {
		fmt.Printf("%-11s workloads: %-8s all: %s\n", a.Question, a.Workloads, a.Answer)
	}
}
