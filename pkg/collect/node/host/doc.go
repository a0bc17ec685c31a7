// Package host reads what is installed on a node and what runs: os-release,
// running and installed kernels, and the packages (package packages). It asks no
// network and starts no program, and it never judges.
package host
