package rpmdb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/sqlite"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// sqliteTable has a row for each package: its number and its header
// (rpm's lib/backend/sqlite.cc).
const (
	sqliteTable  = "Packages"
	sqliteColumn = "blob"
)

// sqliteDB is an open rpmdb.sqlite. The log is of an installation that is under
// way, or was interrupted; at rest it is empty.
type sqliteDB struct {
	db    *sqlite.DB
	table *sqlite.Table
	blob  int // column
	size  int64
	now   func() (size, logSize int64, same bool) // same: the files are still those that were opened
}

func openSQLite(main io.ReaderAt, size int64, log io.ReaderAt, logSize int64) (*sqliteDB, error) {
	db, err := sqlite.Open(main, size, log, logSize)
	if err != nil {
		return nil, err
	}
	table, err := db.Table(sqliteTable)
	if err != nil {
		return nil, fmt.Errorf("table %s: %w", sqliteTable, err)
	}
	blob := table.Column(sqliteColumn)
	if blob < 0 {
		return nil, fmt.Errorf("expected a column %s in table %s, found none", sqliteColumn, sqliteTable)
	}
	return &sqliteDB{db, table, blob, size + logSize, func() (int64, int64, bool) { return size, logSize, true }}, nil
}

// openSQLiteFiles opens a database with its log. closeDB closes both, also after
// an error.
func openSQLiteFiles(root *rootfs.Root, path string, main *rootfs.File, info rootfs.Info) (db *sqliteDB, size int64, closeDB func(), err error) {
	closeDB = func() { _ = main.Close() }
	calm := !journal(root, path)
	var log *rootfs.File
	var logInfo rootfs.Info
	switch log, err = root.Open(path + "-wal"); {
	case err == nil:
		closeDB = func() { _, _ = main.Close(), log.Close() }
		if logInfo, err = log.Stat(); err != nil {
			return nil, 0, closeDB, err
		}
		db, err = openSQLite(main, info.Size, log, logInfo.Size)
	case errors.Is(err, fs.ErrNotExist):
		db, err = openSQLite(main, info.Size, nil, 0)
	}
	if err != nil {
		return nil, 0, closeDB, err
	}
	db.now = func() (size, logSize int64, same bool) {
		calm = calm && !journal(root, path)
		mainNow, err := main.Stat()
		if err != nil {
			return 0, 0, false
		}
		// A log that was removed and made again is another file.
		logNow, err := root.Stat(path + "-wal")
		if errors.Is(err, fs.ErrNotExist) {
			return mainNow.Size, 0, calm && log == nil
		}
		if err != nil {
			return 0, 0, false
		}
		same = logNow.Size == 0 || log != nil && logNow.Ino == logInfo.Ino && logNow.Dev == logInfo.Dev
		return mainNow.Size, logNow.Size, calm && same
	}
	return db, db.size, closeDB, nil
}

// journal reports whether a transaction is under way, or was interrupted, that
// writes to the main file itself (SQLite's rollback journal).
func journal(root *rootfs.Root, path string) bool {
	file, err := root.Open(path + "-journal")
	if err != nil {
		return !errors.Is(err, fs.ErrNotExist)
	}
	defer file.Close()
	var magic [8]byte
	_, err = file.ReadAt(magic[:], 0)
	return magic != [8]byte{} || err != nil && !errors.Is(err, io.EOF)
}

func (s *sqliteDB) changed() bool {
	size, logSize, same := s.now()
	if !same {
		return true
	}
	change, err := s.db.Changed(size, logSize)
	return err != nil || change != sqlite.Same
}

func (s *sqliteDB) records(ctx context.Context, do func(record) bool) error {
	left := room(s.size)
	for row, err := range s.table.Rows(math.MinInt64) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			if !do(record{err: err}) {
				return nil
			}
			continue
		}
		r := record{kind: "row", at: row.RowID}
		value, err := row.Value(s.blob)
		switch {
		case err != nil:
			r.err = err
		case value.Type != sqlite.Blob:
			r.err = fmt.Errorf("expected a %v, found a %v", sqlite.Blob, value.Type)
		default:
			r.src, r.size = value, value.Len
		}
		if !do(left.limit(r)) {
			return nil
		}
	}
	return nil
}
