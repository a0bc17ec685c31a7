// Package procfs parses files of /proc (proc(5)). It reads nothing itself: a
// parser takes bytes and returns a complete value or an error that names the
// line and quotes what it found.
//
// The bytes are hostile. A process chooses its name and arguments, a directory
// given as --root can hold anything, and a read can be cut short. So no parser
// panics or allocates more than a small multiple of its input. A missing line
// leaves nil, "" or an unread mask, never a zero that could be taken for a
// measurement.
package procfs
