package procfs

import (
	"fmt"
	"strconv"
	"strings"
)

// SwapArea is one line of /proc/swaps (proc_swaps(5)).
type SwapArea struct {
	Name string // of the device or file, decoded
	Type string // "partition" or "file"
	Size int64  // bytes
	Used int64  // bytes
}

// InMemory reports whether the area is a compressed part of the memory itself: zram
// writes to a disk only where it was given one (its backing_dev), which is not looked at.
func (a *SwapArea) InMemory() bool {
	name := a.Name[strings.LastIndexByte(a.Name, '/')+1:]
	digits, ok := strings.CutPrefix(name, "zram")
	_, err := strconv.ParseUint(digits, 10, 32)
	return ok && err == nil
}

// ParseSwaps reads /proc/swaps:
//
//	Filename				Type		Size		Used		Priority
//	/dev/dm-1                               partition	8388604		0		-2
//
// Sizes are in KiB. Without any area there is only the first line; without CONFIG_SWAP
// there is no such file.
func ParseSwaps(data []byte) ([]SwapArea, error) {
	header, rest, _ := strings.Cut(string(data), "\n")
	if fields := strings.Fields(header); len(fields) < 4 || fields[0] != "Filename" {
		return nil, fmt.Errorf("swaps: expected a first line with names of columns")
	}
	var areas []SwapArea
	number := 1
	for line := range strings.Lines(rest) {
		number++
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		if len(fields) < 5 {
			return nil, fmt.Errorf("swaps line %d: expected 5 fields, found %d", number, len(fields))
		}
		size, errSize := strconv.ParseInt(fields[2], 10, 64)
		used, errUsed := strconv.ParseInt(fields[3], 10, 64)
		if errSize != nil || errUsed != nil || size < 0 || used < 0 || size > 1<<50 || used > 1<<50 {
			return nil, fmt.Errorf("swaps line %d: expected two sizes in KiB as fields 3 and 4", number)
		}
		areas = append(areas, SwapArea{Name: unescape(fields[0]), Type: fields[1], Size: size << 10, Used: used << 10})
	}
	return areas, nil
}
