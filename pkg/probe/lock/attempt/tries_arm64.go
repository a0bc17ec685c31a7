//go:build linux

package attempt

// arm64 has no older calls for the same thing, and no second ABI that Go's
// assembler could reach.
var archTries []try
