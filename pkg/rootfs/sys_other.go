//go:build !linux

package rootfs

import (
	"errors"
	"io/fs"
)

// Without Linux there is no node to read, and every call says so. What is built
// on this package still compiles everywhere.

const (
	flagsPath = iota
	flagsMagic
	flagsRead
	flagsFile
	flagsDir
	flagsEnter
	flagsStart
)

const cwd = -1

// What the kernel answers, for callers on every platform.
var (
	ErrNoProcess = errors.New("no such process")
	ErrNotDir    = errors.New("not a directory")
	ErrLoop      = errors.New("too many levels of symbolic links")
	ErrNotLink   = errors.New("not a link")
	ErrIO        = errors.New("input/output error")
	ErrInvalid   = errors.New("invalid argument")
	errNotExist  = fs.ErrNotExist
	errTooLong   = errors.New("file name too long")
	errBadName   = errors.New("invalid argument")
)

var errUnsupported = errors.New("reading a node needs Linux")

func isErrno(error) bool { return false }

// Mkdev makes the number of a file system, as in Info.Dev, from the two numbers
// that mountinfo shows.
func Mkdev(major, minor uint32) uint64 { return uint64(major)<<32 | uint64(minor) }

// Anonymous reports whether a device number is that of a file system without a device,
// as overlay is.
func Anonymous(dev uint64) bool { return dev>>32 == 0 }

func openat(int, string, int) (int, error)   { return -1, errUnsupported }
func openKernel(int, []byte) (int, error)    { return -1, errUnsupported }
func read(int, []byte) (int, error)          { return 0, errUnsupported }
func pread(int, []byte, int64) (int, error)  { return 0, errUnsupported }
func readlinkat(int, string) (string, error) { return "", errUnsupported }
func closeFD(int) error                      { return nil }
func noData(int) bool                        { return false }
func capabilities(int) ([]byte, error)       { return nil, errUnsupported }
func hasACL(int) (bool, error)               { return false, errUnsupported }
func getdents(int, []byte) (int, error)      { return 0, errUnsupported }
func entryType(byte) (fs.FileMode, bool)     { return fs.ModeIrregular, true }
func stat(int) (Info, bool, error)           { return Info{}, false, errUnsupported }
func lstat(int, string) (Info, bool, error)  { return Info{}, false, errUnsupported }
func lstatRaw(int, []byte, *rawStat) error   { return errUnsupported }

type rawStat struct{}

func (*rawStat) modeSize() (fs.FileMode, int64) { return 0, 0 }
