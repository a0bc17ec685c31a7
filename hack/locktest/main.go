//go:build linux && (amd64 || arm64)

// Command locktest locks itself as the probe does, and then tries what the lock must
// refuse. It prints one line for each attempt. It runs in place of the probe inside a real
// pod (-dir /proc/1/root/var/tmp -root /proc/1/root), or anywhere:
//
//	go run ./hack/locktest
//	go run ./hack/locktest -unlocked   # the same without the lock: the writes work
//	go run ./hack/locktest -net        # the net probe's lock
//
// The release's probe cannot be unlocked. This command is not part of it. The exit status
// is 1 if any result is wrong.
package main

import (
	"flag"
	"fmt"
	"os"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/probe/lock/attempt"
)

func main() {
	if attempt.IsChild() {
		os.Exit(attempt.Child())
	}
	var o attempt.Options
	flag.BoolVar(&o.Unlocked, "unlocked", false, "leave the lock out")
	flag.StringVar(&o.Dir, "dir", os.TempDir(), "existing directory in which files are tried")
	flag.StringVar(&o.Root, "root", "/", "directory whose files are read")
	flag.IntVar(&o.Stress, "stress", 0, "how many times to read all processes, or to shake hands, under garbage collection and new threads")
	flag.BoolVar(&o.Net, "net", false, "try the lock of the net probe")
	flag.Parse()
	results, err := attempt.Main(o)
	wrong := attempt.Summary(os.Stdout, results, o.Unlocked)
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	fmt.Printf("locked=%v attempts=%d wrong=%d\n", !o.Unlocked, len(results), wrong)
	if wrong > 0 {
		os.Exit(1)
	}
}
