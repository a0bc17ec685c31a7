// Package fact holds what was read, in plain structs. It has no verdicts, no I/O and
// no imports except the standard library, because the probe links it too and must
// stay small. Collectors fill a Set, and checks judge it. A facts file is a Set with
// a header, so everything here can be saved and judged again.
//
// Three rules apply to every field:
//   - absent is not zero: what was not read is nil, "" or the zero CapMask, and a
//     Gap says why;
//   - no field can hold a value of a Secret, decoded or not;
//   - text read from a node or a cluster is untrusted. It is valid UTF-8 (other
//     bytes are written as \xNN by the collector) and is escaped when it is printed.
//
// +k8s:deepcopy-gen=package
package fact
