package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/pflag"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/whatif"
)

// addWhatIf adds the flag of a directory with changes.
func (f *reportFlags) addWhatIf(flags *pflag.FlagSet) {
	flags.StringVar(&f.whatIf, "what-if", "",
		"Judge as if the patches, the kustomization or the manifests in this `directory` were applied. Nothing is applied, and no answer is YES: measure after.")
}

// refuseWhatIf returns an error if the flag is given together with a source that has no whole
// objects.
func (f *reportFlags) refuseWhatIf(with, because string) error {
	if f.whatIf == "" {
		return nil
	}
	return fmt.Errorf("--what-if and %s cannot be used together: %s", with, because)
}

// states are the formats whose consumers keep the state of a cluster: metrics and objects.
var states = []string{"openreports", "policyreport", "prometheus"}

// validateWhatIf refuses outputs that would pass for those of what there is.
func (f *reportFlags) validateWhatIf() error {
	switch {
	case f.whatIf == "":
		return nil
	case f.saveFacts != "":
		return f.refuseWhatIf("--save-facts", "facts are of what there is")
	case f.writePatches != "":
		return f.refuseWhatIf("--write-patches", "patches are for objects as they are")
	case f.writeWaivers != "":
		return f.refuseWhatIf("--write-waivers", "waivers are for what there is")
	case f.pushgateway != "":
		return f.refuseWhatIf("--pushgateway", "metrics are of what there is")
	}
	for _, format := range states {
		if f.prints(format) {
			return f.refuseWhatIf("the format "+format, "what reads it takes it for what there is")
		}
	}
	return nil
}

// changes reads what --what-if names; nil without the flag.
func (f *reportFlags) changes(ctx context.Context, namespace string) (*whatif.Changes, error) {
	if f.whatIf == "" {
		return nil, nil
	}
	builder, err := kustomizer()
	if err != nil {
		return nil, err
	}
	changes, err := whatif.Load(ctx, f.whatIf, whatif.Options{Namespace: namespace, Builder: builder})
	if err != nil {
		return nil, whatIfError(err)
	}
	return changes, nil
}

// defaultNamespace is that of objects in --what-if that name none, as kubectl apply has it.
func defaultNamespace(config *genericclioptions.ConfigFlags) string {
	namespace, _, err := config.ToRawKubeConfigLoader().Namespace()
	if err != nil { // said when the cluster is asked
		return ""
	}
	return namespace
}

// whatIfError names the flag in each of the errors that are joined in one.
func whatIfError(err error) error {
	var all interface{ Unwrap() []error }
	if !errors.As(err, &all) {
		return fmt.Errorf("--what-if: %w", err)
	}
	var out []error
	for _, one := range all.Unwrap() {
		out = append(out, fmt.Errorf("--what-if: %w", one))
	}
	return errors.Join(out...)
}
