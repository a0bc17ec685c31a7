// Package sqlite reads rows of tables from an SQLite 3 file while others may
// write to it. It is for rpm's database and for kine's store.
//
// The reader is our own and small. It only calls ReadAt: it takes no lock,
// creates no -shm file and recovers nothing, so it can read a file on a
// read-only mount, or one of a running server. It reads tables with rowids,
// and no SQL but the column names of CREATE TABLE; of indexes it only checks the pages. The format is
// https://www.sqlite.org/fileformat2.html; each layer knows only the one below:
//
//	file.go    the header, pages in the state of the last commit, what changed
//	wal.go     the write-ahead log
//	btree.go   a table's tree in rowid order
//	record.go  a row, its values, the overflow pages
//	schema.go  a table by its name, its columns
//	audit.go   what every page is used for, as far as that shows damage
//	remains.go what the newest state does not use
//
// # What it reads
//
// Open fixes one committed state: the pages of the main file, and over them
// those of the write-ahead log up to its last valid commit. A writer does not
// wait for us, so a checkpoint can change the main file below that state. After
// a scan, the caller asks Changed, and reads again unless the answer is Same.
// A rollback journal (FILE-journal, mode DELETE) is not read. Where one exists
// that is not empty and does not begin with zeros, its writer is in the middle
// of a transaction or has crashed in one, and the main file mixes two states. A
// caller looks for it before Open and again before Changed.
//
// A value is a Text or Blob as it is stored. What SQL would add is not added: a
// row that is older than a column has no default for it (Value.Absent says so).
//
// # Limits
//
// Nothing in the file is trusted. Every offset is checked. Cycles and shared
// pages in a tree contradict the order of rowids, and cycles in an overflow
// chain are noticed. Trees are at most 20 pages deep. A good page of a tree is
// visited once, each visit of a bad one is a fault, and a scan ends after 1,000
// faults.
//
// A scan holds one page for each level of the tree (four, with a million rows of
// kine) and one overflow page; a record's header of at most 18 kB where it
// reaches into overflow pages; and 8 to 16 bytes for each page of the write-ahead
// log, of at most 786,432. It allocates nothing by the size of the database
// or of a value, but for what the caller asks of Value.First and Value.Text.
//
// A file can be sparse, and then its size and that of a value say little about
// what there is to read. A caller bounds the bytes that it reads of all values.
//
// # Errors
//
// Open and Table say what was expected and found. Rows yields a *Fault with a
// page number for each page that is damaged or cannot be read, and continues.
// No error has bytes of the file, except names of tables that the caller gave.
package sqlite
