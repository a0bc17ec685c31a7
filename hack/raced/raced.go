// Package raced says to tests whether the race detector runs. A property that one
// goroutine tries on many inputs gives it nothing to find, at ten times the
// price: all of them are tried without it, in the same test.
package raced

// Fewer is all, and less under the race detector.
func Fewer(all, less int) int {
	if Enabled {
		return less
	}
	return all
}
