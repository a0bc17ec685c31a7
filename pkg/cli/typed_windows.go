package cli

import (
	"os"

	"golang.org/x/sys/windows"
)

// dropTyped drops what was typed on a terminal and not read yet.
func dropTyped(terminal *os.File) {
	_ = windows.FlushConsoleInputBuffer(windows.Handle(terminal.Fd()))
}
