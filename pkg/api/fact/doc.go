// Package fact holds what was read, in plain structs: no verdicts, no I/O and
// no imports beyond the standard library, for the probe links it too and has
// to stay small. Collectors fill a Set, checks judge it, and a facts file is a
// Set with a header, so whatever is here can be saved and judged again.
//
// Three rules hold for every field:
//   - absent is not zero: what was not read is nil, "" or the zero CapMask, and
//     a Gap says why;
//   - no value of a Secret, decoded or not, has a field to go into;
//   - text read from a node or a cluster is untrusted. It is valid UTF-8 (other
//     bytes are written as \xNN by the collector) and escaped where printed.
//
// +k8s:deepcopy-gen=package
package fact
