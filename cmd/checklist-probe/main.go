//go:build linux && (amd64 || arm64)

// Command checklist-probe reads one node and ends: see package probe.
package main

import (
	"os"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/probe"
)

// version is set by the linker.
var version = "dev"

func main() { os.Exit(probe.Main(version, os.Args[1:])) }
