// Package host reads what is installed on a node and what runs: os-release,
// running and installed kernels, and the packages (package packages). It uses
// no network, starts no program and never judges.
package host
