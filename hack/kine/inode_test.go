package kine

import (
	"fmt"
	"syscall"
)

// inode gives a log its number, by which a new file of the same name is told apart.
type inode struct{ disk }

func (i inode) ID() string {
	info, err := i.Stat()
	if err != nil {
		return "gone"
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return "unknown"
	}
	return fmt.Sprintf("%d:%d", st.Dev, st.Ino)
}
