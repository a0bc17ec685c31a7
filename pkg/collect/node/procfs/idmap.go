package procfs

import (
	"bytes"
	"fmt"
	"strconv"
)

// IDRange is one line of /proc/PID/uid_map (user_namespaces(7)): Count ids from
// Inside are those from Outside in the reader's namespace.
type IDRange struct{ Inside, Outside, Count int64 }

// ParseIDMap parses a whole file. A namespace whose map is not yet written has
// an empty one.
func ParseIDMap(data []byte) ([]IDRange, error) {
	var ranges []IDRange
	for number := 1; len(data) > 0; number++ {
		var line []byte
		line, data, _ = bytes.Cut(data, []byte{'\n'})
		var n [3]int64
		count := 0
		for word := range words(line) {
			v, err := strconv.ParseUint(string(word), 10, 32)
			if err != nil || count == len(n) {
				count = 0
				break
			}
			n[count] = int64(v)
			count++
		}
		if count != len(n) {
			return nil, fmt.Errorf("uid_map line %d: expected three numbers, found %.80q", number, line)
		}
		ranges = append(ranges, IDRange{n[0], n[1], n[2]})
		// The kernel's limit is 340 lines.
		if len(ranges) > 340 {
			return nil, fmt.Errorf("uid_map: expected at most 340 lines")
		}
	}
	return ranges, nil
}

// RootOf is the host's uid of a namespace's uid 0; false if uid 0 is not
// mapped.
func RootOf(ranges []IDRange) (int64, bool) {
	for _, r := range ranges {
		if r.Inside == 0 && r.Count > 0 {
			return r.Outside, true
		}
	}
	return 0, false
}
