package etcd

import "io"

// ValidMeta reports whether bytes from the start of a file hold a valid first meta page
// of bbolt. It needs 80 of them.
func ValidMeta(lead []byte) bool {
	_, err := parseMeta(lead)
	return err == nil
}

// IsDatabase reports whether a file has a meta page of bbolt with a valid checksum, the
// first or the second one.
func IsDatabase(src io.ReaderAt) bool {
	_, err := readMetas(src)
	return err == nil
}

// Extent is the size in bytes that the newest meta page gives a file, without what may
// lie behind its last page; 0 if no meta page is valid, or if it is not a possible size.
func Extent(src io.ReaderAt) int64 {
	m, err := readMetas(src)
	if err != nil {
		return 0
	}
	newest := m.newest()
	if newest.highWater > (1<<62)/uint64(newest.pageSize) {
		return 0
	}
	return int64(newest.highWater) * int64(newest.pageSize)
}
