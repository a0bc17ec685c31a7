// Package procfs parses files of /proc (proc(5)). It reads nothing itself: a
// parser takes bytes and returns a complete value or an error that names the
// line and quotes what it found.
//
// The bytes are hostile. A process chooses its name and arguments, a directory
// given as --root holds anything, and a read may be cut short. So no parser
// panics, none allocates more than a small multiple of its input, and a line
// that is missing leaves nil, "" or an unread mask, never a zero that could
// be taken for a measurement.
package procfs
