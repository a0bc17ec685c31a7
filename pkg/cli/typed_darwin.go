package cli

import (
	"os"

	"golang.org/x/sys/unix"
)

// flushInput is FREAD of sys/fcntl.h: only the input.
const flushInput = 1

// dropTyped drops what was typed on a terminal and not read yet.
func dropTyped(terminal *os.File) {
	_ = unix.IoctlSetPointerInt(int(terminal.Fd()), unix.TIOCFLUSH, flushInput)
}
