// Command kubectl-checklist answers the container security checklist from
// evidence, as a plugin of kubectl.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	_ "k8s.io/client-go/plugin/pkg/client/auth"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/cli"
)

// Set by the linker: -X main.version=v0.1.0 -X main.releaseImage=registry/probe@sha256:...
var (
	version      = unknownVersion
	releaseImage = ""
)

const unknownVersion = "v0.0.0-dev"

func main() { os.Exit(run(os.Args)) }

func run(argv []string) int {
	args := argv[1:]
	// kubectl completes plugins with a program of this name (kubectl 1.26+).
	name := argv[0]
	if plugin, ok := cli.AsCompleter(name); ok {
		args = append([]string{cobra.ShellCompRequestCmd}, args...)
		name = plugin
	}
	cli.QuietLibraries()
	// Go's runtime ends a process that writes to a closed stdout or stderr. Once somebody
	// listens for the signal, such a write fails instead: the run removes what it created,
	// and its exit status is the documented one. (To ignore the signal would change it for
	// credential plugins too.)
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	// The first signal cancels the run, which then cleans up; a second one
	// ends the process at once.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	go func() {
		<-ctx.Done()
		stop()
	}()
	return cli.Main(ctx, cli.NewEnv(name, versionOf(debug.ReadBuildInfo()), releaseImage), args)
}

// versionOf returns the version that the linker was given. go install gives it none, but
// writes the module's version into the program.
func versionOf(info *debug.BuildInfo, ok bool) string {
	if version == unknownVersion && ok && strings.HasPrefix(info.Main.Version, "v") {
		return info.Main.Version
	}
	return version
}
