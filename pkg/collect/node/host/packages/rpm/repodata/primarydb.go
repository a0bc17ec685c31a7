package repodata

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/host/packages/unpack"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/sqlite"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/rootfs"
)

// maxDBObsoletes bounds the wanted obsoletes of all packages of a database.
const maxDBObsoletes = 50_000

// ReadPrimaryDB is ReadPrimary for yum's primary_db.sqlite (createrepo_c's
// sqlite.c): tables packages and obsoletes. Obsoletes are only those of wanted
// names.
func ReadPrimaryDB(ctx context.Context, r io.ReaderAt, size int64, wanted func(name []byte) bool, each func(*Package) error) (count int, err error) {
	db, err := sqlite.Open(r, size, nil, 0)
	if err != nil {
		return 0, err
	}
	obsoletes := map[int64][]Relation{}
	total := 0
	err = rows(ctx, db, "obsoletes", []string{"name", "flags", "epoch", "version", "release"}, "pkgKey", func(key int64, c [][]byte) error {
		if !wanted(c[0]) {
			return nil
		}
		if total++; total > maxDBObsoletes {
			return fmt.Errorf("%w of %d obsoletes", rootfs.ErrTooLarge, maxDBObsoletes)
		}
		clone := func(b []byte) []byte { return append([]byte(nil), b...) }
		obsoletes[key] = append(obsoletes[key], Relation{clone(c[0]), clone(c[1]), clone(c[2]), clone(c[3]), clone(c[4])})
		return nil
	})
	if err != nil {
		return 0, err
	}
	err = rows(ctx, db, "packages", []string{"name", "arch", "epoch", "version", "release", "rpm_vendor"}, "pkgKey", func(key int64, c [][]byte) error {
		if len(c[0]) == 0 || len(c[1]) == 0 || len(c[3]) == 0 {
			return fmt.Errorf("expected a name, an architecture and a version of package %d, found a row that lacks one of them", key)
		}
		if count++; count > maxPackages {
			return fmt.Errorf("%w of %d packages", rootfs.ErrTooLarge, maxPackages)
		}
		return each(&Package{Name: c[0], Arch: c[1], Epoch: c[2], Version: c[3], Release: c[4], Vendor: c[5], Obsoletes: obsoletes[key]})
	})
	return count, err
}

// rows calls do with each row of a table: the number in the column key, and the
// texts in others, "" for NULL.
func rows(ctx context.Context, db *sqlite.DB, name string, columns []string, key string, do func(key int64, columns [][]byte) error) error {
	if db.Encoding() != sqlite.UTF8 {
		return fmt.Errorf("encoding %v is %w", db.Encoding(), errUnsupported)
	}
	table, err := db.Table(name)
	if err != nil {
		return err
	}
	at := make([]int, len(columns))
	for i, column := range append([]string{key}, columns...) {
		n := table.Column(column)
		if n < 0 {
			return fmt.Errorf("expected a column %s in table %s, found none", column, name)
		}
		if i > 0 {
			at[i-1] = n
		}
	}
	keyAt := table.Column(key)
	texts := make([][]byte, len(columns))
	for row, err := range table.Rows(math.MinInt64) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		number, err := row.Value(keyAt)
		if err == nil && number.Type != sqlite.Integer {
			err = fmt.Errorf("expected an integer, found a %v", number.Type)
		}
		for i := range columns {
			if err != nil {
				break
			}
			var v sqlite.Value
			if v, err = row.Value(at[i]); err != nil {
				break
			}
			switch {
			case v.Type == sqlite.Null:
				texts[i] = nil
			case v.Type != sqlite.Text || v.Len > maxText:
				err = fmt.Errorf("expected a text of at most %d bytes in column %s, found a %v of %d", maxText, columns[i], v.Type, v.Len)
			default:
				texts[i], err = v.First(maxText)
			}
		}
		if err != nil {
			return fmt.Errorf("table %s, row %d: %w", name, row.RowID, err)
		}
		if err := do(number.Int, texts); err != nil {
			return err
		}
	}
	return nil
}

// ReadOpen gives parse a file of the repository that the host keeps unpacked at path,
// if it has the checksum that repomd.xml says of the content.
func (f *File) ReadOpen(ctx context.Context, root *rootfs.Root, path string, parse func(r io.ReaderAt, size int64) error) error {
	file, err := root.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if info.Size > unpack.MaxBytes {
		return fmt.Errorf("%s: %w of %d bytes", path, rootfs.ErrTooLarge, int64(unpack.MaxBytes))
	}
	content := &File{Sum: f.OpenSum, SumType: f.OpenSumType}
	if f.OpenSum == "" { // it is not packed
		content = f
	}
	if err := content.check(unpack.Limit(ctx, io.NewSectionReader(file, 0, info.Size))); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := parse(file, info.Size); err != nil {
		var fault *sqlite.Fault
		if errors.As(err, &fault) {
			return rootfs.NewError(fault.Reason, path+": "+err.Error())
		}
		return fmt.Errorf("%s: %w", path, err)
	}
	if now, err := file.Stat(); err != nil || now.Size != info.Size || !now.Mtime.Equal(info.Mtime) {
		return rootfs.NewError(fact.Changing, path+": it was written while it was read")
	}
	return nil
}
