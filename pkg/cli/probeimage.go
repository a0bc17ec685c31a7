package cli

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/launch/embedded"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/launch/probeimage"
)

func newProbeImageCommand(env *Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "probe-image",
		Short: "Write the probe's image for a registry of your own",
		Long: describe(`
			The plugin carries the probe, and nodes read it from the API server. For many
			nodes, or where a policy refuses code from ConfigMaps, a registry is better.`),
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return fmt.Errorf("expected export, found nothing: %s probe-image export FILE", env.Name)
		},
	}
	cmd.AddCommand(newProbeImageExportCommand(env))
	return cmd
}

func newProbeImageExportCommand(env *Env) *cobra.Command {
	var platforms []string
	cmd := &cobra.Command{
		Use:   "export FILE|-",
		Short: "Write the probe's image as an archive, and print its digest",
		Long: describe(`
			Writes the image of both probes as an archive for any registry, and prints the
			image's digest. It needs no network and no registry, so it works behind an air
			gap. The image holds the same bytes as the embedded probe, and nothing else. The
			same version of the plugin always writes the same bytes.

			Use it for more than 100 nodes: with the embedded probe each node reads some 13 MB
			from the API server. Use it also where a policy refuses code from ConfigMaps.

			The archive is an OCI image layout in a tar file, for skopeo, crane (after tar -x),
			ctr and podman. docker load reads it too, under a tag for each architecture. Copy
			the whole index (skopeo: --all). Otherwise the digest in the registry is another
			one.

			Then give the image to a run: kubectl checklist nodes --probe-image REPOSITORY@DIGEST. The image must be of
			the same version as the plugin. --probe-pull-secret names the password of a private
			registry.`),
		Example: env.examples(`
			# Write the image, and copy it to a registry with skopeo
			kubectl checklist probe-image export probe.tar
			skopeo copy --all oci-archive:probe.tar docker://registry.example/checklist-probe:v1

			# Or copy it with crane
			mkdir probe && kubectl checklist probe-image export - | tar -xf - -C probe
			crane push probe registry.example/checklist-probe:v1

			# Write the image for one architecture
			kubectl checklist probe-image export probe.tar --platform linux/arm64`),
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 || args[0] == "" {
				return fmt.Errorf("expected one file to write, or - for stdout, found %d", len(args))
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			return exportProbeImage(env, args[0], platforms)
		},
	}
	cmd.Flags().StringSliceVar(&platforms, "platform", probePlatforms(),
		"The image's `platforms`, as in linux/amd64. Nodes of others cannot pull it.")
	return cmd
}

// probePlatforms are those that there are probes for.
func probePlatforms() []string {
	platforms := embedded.Architectures()
	for i, arch := range platforms {
		platforms[i] = "linux/" + arch
	}
	return platforms
}

// exportProbeImage writes the archive and prints the digest, which goes to stderr if the
// archive goes to stdout.
func exportProbeImage(env *Env, file string, platforms []string) error {
	var architectures []string
	for _, platform := range platforms {
		if !slices.Contains(probePlatforms(), platform) {
			return fmt.Errorf("--platform: expected some of %s, found %q", strings.Join(probePlatforms(), ","), platform)
		}
		arch := strings.TrimPrefix(platform, "linux/")
		if slices.Contains(architectures, arch) {
			return fmt.Errorf("--platform: expected each platform once, found %s twice", platform)
		}
		architectures = append(architectures, arch)
	}
	if len(architectures) == 0 {
		return fmt.Errorf("--platform: expected some of %s, found none", strings.Join(probePlatforms(), ","))
	}
	toStdout := file == "-" || file == "/dev/stdout"
	if toStdout && env.OutIsTerminal {
		return errors.New("expected a file or a pipe for the image, found a terminal")
	}
	image, err := probeimage.Build(architectures, env.Version)
	if err != nil {
		return err
	}
	write := func(w io.Writer) error {
		_, err := image.WriteTo(w)
		return err
	}
	says := env.Streams.Out
	if toStdout {
		says, err = env.Streams.ErrOut, write(env.Streams.Out)
	} else {
		err = writeFile(file, write)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(says, image.Digest())
	return err
}
