//go:build linux && (amd64 || arm64)

// Command checklist-probe-net shakes hands with the listeners of one node and ends: see
// package netprobe.
package main

import (
	"os"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/netprobe"
)

// version is set by the linker.
var version = "dev"

func main() { os.Exit(netprobe.Main(version, os.Args[1:])) }
