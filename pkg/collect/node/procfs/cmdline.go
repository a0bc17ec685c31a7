package procfs

import (
	"bytes"
	"strings"
)

// SplitCmdline splits /proc/PID/cmdline at the NULs. A process can overwrite
// its own, so it is a hint and not a proof. Arguments can hold secrets, so they
// are used only in comparisons.
func SplitCmdline(data []byte) [][]byte {
	if len(data) == 0 {
		return nil
	}
	return bytes.Split(bytes.TrimSuffix(data, []byte{0}), []byte{0})
}

// Flags finds the flags of a pflag command line whose names are in wanted, as EachFlag
// does; the last wins.
func Flags(args [][]byte, wanted, bools []string) map[string]string {
	flags := map[string]string{}
	EachFlag(args, wanted, bools, func(name, value string) { flags[name] = value })
	return flags
}

// EachFlag calls do with the flags of a pflag command line whose names are in wanted, in
// their order: "--name=value" and "--name value"; '_' is '-'. Flags named in bools take
// no next word; alone they mean "true". After "--" nothing is a flag. Other flags are
// skipped unread.
func EachFlag(args [][]byte, wanted, bools []string, do func(name, value string)) {
	for i := 0; i < len(args); i++ {
		if string(args[i]) == "--" {
			break
		}
		word, ok := bytes.CutPrefix(args[i], []byte("--"))
		if !ok {
			continue
		}
		rawName, value, hasValue := bytes.Cut(word, []byte{'='})
		name := strings.ReplaceAll(string(rawName), "_", "-")
		switch {
		case contains(bools, name):
			if !hasValue {
				value = []byte("true")
			}
			do(name, string(value))
		case hasValue:
			if contains(wanted, name) {
				do(name, string(value))
			}
		case contains(wanted, name) && i+1 < len(args):
			// Only for a flag that is known to take a value is the next word one.
			i++
			do(name, string(args[i]))
		}
	}
}

func contains(list []string, word string) bool {
	for _, s := range list {
		if s == word {
			return true
		}
	}
	return false
}
