//go:build linux

package lock

import "golang.org/x/sys/unix"

const (
	auditArch = unix.AUDIT_ARCH_AARCH64
	// largeFile is the kernel's O_LARGEFILE (arch/arm64 uapi fcntl.h, octal
	// 0400000). amd64's 0x8000 means O_NOFOLLOW here.
	largeFile = 0x20000
	settls    = 0
)
