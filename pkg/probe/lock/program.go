//go:build linux && (amd64 || arm64)

package lock

import (
	"fmt"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Offsets in struct seccomp_data (linux/seccomp.h): int nr, u32 arch, u64
// instruction_pointer, u64 args[6]. Both architectures are little-endian, so
// the low half of an argument comes first.
const (
	offsetNr   = 0
	offsetArch = 4
	offsetArgs = 16
)

const (
	retAllow  = unix.SECCOMP_RET_ALLOW
	retRefuse = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)
)

// program compiles the list. Its shape makes it right: the number of the call
// is loaded once and compared with each entry in turn, and every path through
// an entry's block ends in a return. So a call's number is never compared while
// the accumulator holds something else.
//
//	ld arch; jne ARCH, refuse
//	ld nr
//	for each entry:       jne NR, next entry
//	  for each alternative: for each condition: ld, and, jne: next alternative
//	                        ret allow
//	                      ret refuse      (unless there are no conditions)
//	ret refuse
//
// Numbers are compared whole, so x32's (bit 30 set) match nothing.
func program(list []allow) ([]bpf.Instruction, error) {
	out := []bpf.Instruction{
		bpf.LoadAbsolute{Off: offsetArch, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: auditArch, SkipTrue: 1},
		bpf.RetConstant{Val: retRefuse},
		bpf.LoadAbsolute{Off: offsetNr, Size: 4},
	}
	seen := map[uint32]string{}
	for _, entry := range list {
		if other, twice := seen[entry.nr]; twice {
			return nil, fmt.Errorf("allow list: %s and %s have the same number %d", other, entry.name, entry.nr)
		}
		seen[entry.nr] = entry.name
		block := entryBlock(entry)
		if len(block) > 255 {
			return nil, fmt.Errorf("allow list: %s takes %d instructions, expected at most 255 (the reach of a BPF jump)", entry.name, len(block))
		}
		out = append(out, bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: entry.nr, SkipTrue: uint8(len(block))})
		out = append(out, block...)
	}
	out = append(out, bpf.RetConstant{Val: retRefuse})
	return out, nil
}

func entryBlock(entry allow) []bpf.Instruction {
	if len(entry.any) == 0 {
		return []bpf.Instruction{bpf.RetConstant{Val: retAllow}}
	}
	var block []bpf.Instruction
	for _, alternative := range entry.any {
		var tests []bpf.Instruction
		for _, c := range alternative {
			low, high := uint32(c.mask), uint32(c.mask>>32)
			at := offsetArgs + 8*c.arg
			if high != 0 {
				tests = append(tests, compare(at+4, high, uint32(c.want>>32))...)
			}
			if low != 0 {
				tests = append(tests, compare(at, low, uint32(c.want))...)
			}
		}
		tests = append(tests, bpf.RetConstant{Val: retAllow})
		for i, instruction := range tests {
			if jump, ok := instruction.(bpf.JumpIf); ok {
				jump.SkipTrue = uint8(len(tests) - 1 - i)
				tests[i] = jump
			}
		}
		block = append(block, tests...)
	}
	return append(block, bpf.RetConstant{Val: retRefuse})
}

// compare tests the masked word at an offset; the jump, taken where it differs,
// is aimed by the caller.
func compare(offset, mask, want uint32) []bpf.Instruction {
	return []bpf.Instruction{
		bpf.LoadAbsolute{Off: offset, Size: 4},
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: mask},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: want & mask},
	}
}

// assemble compiles the list into what the kernel takes.
func assemble(list []allow) ([]unix.SockFilter, error) {
	instructions, err := program(list)
	if err != nil {
		return nil, err
	}
	raw, err := bpf.Assemble(instructions)
	if err != nil {
		return nil, fmt.Errorf("assembling the filter: %w", err)
	}
	// BPF_MAXINSNS, linux/bpf_common.h.
	if len(raw) > 4096 {
		return nil, fmt.Errorf("the filter has %d instructions, expected at most 4096", len(raw))
	}
	filter := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		filter[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	return filter, nil
}
