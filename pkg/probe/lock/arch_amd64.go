//go:build linux

package lock

import "golang.org/x/sys/unix"

const (
	auditArch = unix.AUDIT_ARCH_X86_64
	// largeFile is the kernel's O_LARGEFILE, which the runtime and libc may add;
	// 0 in package unix because a 64-bit kernel implies it.
	largeFile = 0x8000
	// settls is added by the amd64 assembly of runtime.clone only.
	settls = unix.CLONE_SETTLS
)
