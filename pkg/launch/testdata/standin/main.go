// Command standin takes the probe's place on a node of the real cluster, where
// a test needs a probe that misbehaves. main.mode is set by the linker.
package main

import (
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/probe/wire"
)

// mode is answer, large, slow, hang or crash.
var mode = "answer"

func main() {
	level := flag.String("level", "", "")
	node := flag.String("node", "", "")
	_ = flag.String("kinds", "", "")
	_ = flag.String("pod-uid", "", "")
	_ = flag.Duration("timeout", 0, "")
	flag.Parse()
	m := &fact.Measurement{Level: fact.Level(*level), Host: fact.Host{Hostname: *node}}
	switch mode {
	case "hang":
		time.Sleep(time.Hour)
	case "slow":
		time.Sleep(10 * time.Second)
	case "crash":
		panic("as a crash would")
	case "large":
		// 600 KiB that do not compress.
		for i, seed := 0, uint64(1); i < 12000; i++ {
			seed = seed*6364136223846793005 + 1442695040888963407
			m.Host.Installed = append(m.Host.Installed, fact.InstalledKernel{Release: fmt.Sprintf("%d-%016x%016x%016x", i, seed, seed*seed, ^seed*3)})
		}
	}
	message, err := wire.Encode(m, wire.Options{Version: "standin"})
	if err != nil {
		os.Exit(wire.ExitFailed)
	}
	for frame := range message.Frames() {
		if _, err := os.Stdout.Write(frame); err != nil {
			os.Exit(wire.ExitOutput)
		}
	}
	if err := os.WriteFile("/dev/termination-log", message.Trailer, 0); err != nil {
		os.Exit(wire.ExitOutput)
	}
}
