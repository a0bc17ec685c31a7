// Package krew holds the manifest as krew-index wants it (a file named after
// the plugin), and the test of krew's rules for it. plugin.yaml at the top of
// the repository is the same file.
package krew
