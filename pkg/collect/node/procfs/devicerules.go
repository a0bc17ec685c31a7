package procfs

import (
	"bytes"
	"fmt"
)

// maxDeviceRules bounds the rules of one cgroup.
const maxDeviceRules = 256

// ParseDeviceRules parses devices.list of a cgroup, version 1
// (https://docs.kernel.org/admin-guide/cgroup-v1/devices.html): lines of type, major
// and minor number, and access:
//
//	c 1:3 rwm
//	a *:* rwm
func ParseDeviceRules(data []byte) ([]string, error) {
	rules := []string{}
	for number := 1; len(data) > 0; number++ {
		line, rest, ok := bytes.Cut(data, []byte{'\n'})
		if !ok || !deviceRule(line) {
			return nil, fmt.Errorf("devices.list line %d: expected a rule such as %q, found %.80q", number, "c 1:3 rwm", line)
		}
		if number > maxDeviceRules {
			return nil, fmt.Errorf("devices.list: expected at most %d rules", maxDeviceRules)
		}
		rules, data = append(rules, string(line)), rest
	}
	return rules, nil
}

func deviceRule(line []byte) bool {
	kind, rest, ok := bytes.Cut(line, []byte{' '})
	numbers, access, ok2 := bytes.Cut(rest, []byte{' '})
	major, minor, ok3 := bytes.Cut(numbers, []byte{':'})
	number := func(s []byte) bool {
		return string(s) == "*" || len(s) > 0 && len(s) <= 10 && len(bytes.Trim(s, "0123456789")) == 0
	}
	return ok && ok2 && ok3 && len(kind) == 1 && bytes.IndexByte([]byte("abc"), kind[0]) >= 0 &&
		number(major) && number(minor) && len(access) > 0 && len(access) <= 3 && len(bytes.Trim(access, "rwm")) == 0
}
