//go:build race

package raced

// Enabled reports whether the race detector runs.
const Enabled = true
