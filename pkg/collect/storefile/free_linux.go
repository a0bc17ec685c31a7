package storefile

import (
	"bufio"
	"os"
	"strconv"
	"strings"
)

// freeMemory is how much this process can still take, bytes: what the kernel says of
// the machine (MemAvailable, proc_meminfo(5)), or less where its cgroup has a limit.
// It is 0 if that is not known.
func freeMemory() int64 {
	free := available("/proc/meminfo")
	for _, limit := range []int64{
		cgroupRoom("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
		cgroupRoom("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
	} {
		if limit > 0 && (free == 0 || limit < free) {
			free = limit
		}
	}
	return free
}

func available(path string) int64 {
	file, err := os.Open(path)
	if err != nil {
		return 0
	}
	defer file.Close() //nolint:errcheck // only read
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		rest, ok := strings.CutPrefix(lines.Text(), "MemAvailable:")
		if !ok {
			continue
		}
		kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
		if err != nil || kib < 0 || kib > 1<<50 {
			return 0
		}
		return kib << 10
	}
	return 0
}

// cgroupRoom is what a cgroup's limit leaves, 0 if there is no limit. The pages of files
// that it has read count as used, so that this is less than it could have.
func cgroupRoom(limit, used string) int64 {
	most, err := number(limit)
	if err != nil {
		return 0
	}
	now, err := number(used)
	if err != nil {
		return 0
	}
	return max(1, most-now)
}

func number(path string) (int64, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64)
}
