package cli

import (
	"context"
	"errors"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/gather"
)

// replay judges saved facts by a command's checks. If the same command saved the
// facts, it uses the checks that the command had selected.
func replay(ctx context.Context, env *Env, flags reportFlags, named controlPlaneFlags, path, command string, ofCommand []checks.Check) error {
	if flags.saveFacts != "" {
		return errors.New("--facts and --save-facts cannot be used together")
	}
	source := gather.Saved{Path: path, ControlPlaneNodes: named.controlPlaneNodes, Warn: env.warnLine}
	got, err := source.Gather(ctx)
	if err != nil {
		return err
	}
	saved := got.Saved
	if command == "checklist" {
		// The root command replays whatever was saved.
		command = saved.Command
		ofCommand = checksOf(command, *saved)
	}
	if command == saved.Command && len(saved.Scope.Checks) > 0 && len(flags.checks) == 0 && len(flags.questions) == 0 && len(flags.skip) == 0 {
		flags.checks = saved.Scope.Checks
	}
	r, err := newEvaluation(ctx, env, flags, command, ofCommand)
	if err != nil {
		return err
	}
	r.summary = command == "checklist"
	return r.finish(ctx, got)
}
