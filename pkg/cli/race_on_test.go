//go:build race

package cli

// underRace is true in tests with the race detector, ten times as slow.
const underRace = true
