package etcd

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/stored"
)

// The format of etcd's write-ahead log (server/storage/wal, api/raftpb,
// api/etcdserverpb), as etcd 3.0 to 3.7 write it.
const (
	// A frame is a u64 (little endian) and a record. Its low 56 bits are the record's
	// size; if bit 63 is set, bits 56 to 58 are the bytes of padding behind it. Zero
	// is the end: etcd fills files with zeros in advance.
	walFrame    = 8
	walSizeMask = 1<<56 - 1

	// maxWALRecord is etcd's own limit for a record, bytes.
	maxWALRecord = 10 << 20

	// Types of records: {type 1, crc 2, data 3}.
	walMetadata = 1
	walEntry    = 2
	walState    = 3
	walCRC      = 4
	walSnapshot = 5

	// maxTxnDepth bounds transactions in transactions.
	maxTxnDepth = 32
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// wal reads the directory wal.
func (m *member) wal() []fact.Remains {
	all := fact.Remains{Place: fact.InLog, Path: m.opts.Path + "/wal", Complete: true}
	names, exists := m.names("wal", func(string) bool { return false }, &all)
	if !exists {
		return nil
	}
	newest := ""
	for _, name := range names {
		if strings.HasSuffix(name, ".wal") {
			newest = name // names start with the sequence number in hex
		}
	}
	log := &walReader{member: m, finder: stored.NewFinder(m.opts.Prefix), seen: map[uint64]uint32{}}
	old := fact.Remains{Place: fact.InOldStore, Path: all.Path, Complete: true}
	var oldFound stored.Found
	for _, name := range names {
		if strings.HasSuffix(name, ".broken") {
			entry, _ := m.copied("wal/"+name, &oldFound)
			old.Scanned += entry.Scanned
			if !entry.Complete {
				incomplete(&old, entry.Reason, oneLine(name)+": "+entry.Detail)
			}
			continue
		}
		entry, _ := m.file("wal/"+name, func(src DirFile, size int64, entry *fact.Remains) {
			log.file(src, size, entry, name == newest || !strings.HasSuffix(name, ".wal"))
		})
		all.Scanned += entry.Scanned
		if !entry.Complete {
			incomplete(&all, entry.Reason, oneLine(name)+": "+entry.Detail)
		}
	}
	if newest == "" {
		incomplete(&all, fact.NotPresent, "it holds no file of the log")
	}
	fill(&all, log.finder.Found(), all.Scanned)
	if old.Scanned == 0 && old.Complete {
		return []fact.Remains{all}
	}
	fill(&old, oldFound, old.Scanned)
	return []fact.Remains{all, old}
}

// walReader reads files of the log in their order.
type walReader struct {
	*member
	finder *stored.Finder
	// seen counts the puts in plaintext of Secrets whose rows hold plaintext too. A
	// put does not say its revision. But compaction keeps the newest rows of a key, so
	// the last puts are the ones in the rows.
	seen map[uint64]uint32

	buf []byte // a window of the file
	at  int64
}

// file reads one file to its end. What is no record goes through the Finder, and so
// does everything behind it. In the newest file this is no fault if the record is one
// that was being written: then there are only zeros behind it. Nor are records there that
// were written after the end was found.
func (w *walReader) file(src io.ReaderAt, size int64, entry *fact.Remains, newest bool) {
	w.buf = w.buf[:0]
	end, length, problem, err := w.records(src, size, newest)
	if err != nil {
		entry.Scanned = end
		w.ended(entry, err, end)
		return
	}
	last := lastByte{Writer: w.finder, at: end}
	w.finder.Break()
	n, err := scanRaw(w.ctx, src, end, size, &last, w.expired)
	w.finder.Break()
	entry.Scanned = end + n
	switch {
	case errors.Is(err, errEnd): // etcd cuts a file where it goes on in the next
	case err != nil:
		w.ended(entry, err, end+n)
	case problem != "" && !(newest && last.used <= end+length):
		incomplete(entry, fact.Corrupt, fmt.Sprintf("%s at %d: from there the file was searched without its structure", problem, end))
	case problem == "" && last.used > end && !(newest && w.written(src, end, size)):
		incomplete(entry, fact.Corrupt, fmt.Sprintf("zeros at %d and other bytes behind them: from there the file was searched without its structure", end))
	}
}

// written reports whether there is a record now where there were zeros.
func (w *walReader) written(src io.ReaderAt, at, size int64) bool {
	w.buf = w.buf[:0]
	head, err := w.bytes(src, at, walFrame, size)
	return err == nil && !zero(head)
}

// lastByte notes where the last byte ends that is not zero.
type lastByte struct {
	io.Writer
	at, used int64
}

func (l *lastByte) Write(b []byte) (int, error) {
	if !zero(b) {
		l.used = l.at + int64(len(bytes.TrimRight(b, "\x00")))
	}
	l.at += int64(len(b))
	return l.Writer.Write(b)
}

// records reads records up to the end or the first fault. It returns where this is,
// and of a record with a fault how long it says it is.
//
// In the newest file, etcd may be writing a record while it is read, and it writes more
// while those before are read. So what ends the records there is read a second time.
func (w *walReader) records(src io.ReaderAt, size int64, newest bool) (end, long int64, problem string, err error) {
	crc := uint32(0)
	again := int64(-1) // what was read a second time
	for {
		if w.expired() {
			return end, 0, "", errDeadline
		}
		next, sum, problem, err := w.record(src, end, size, crc)
		if problem == "" && err == nil && next > end {
			end, crc = next, sum
			continue
		}
		if err != nil || !newest || again == end {
			return end, next - end, problem, err
		}
		again = end
		w.buf = w.buf[:0]
		if problem != "" {
			time.Sleep(tornWait)
		}
	}
}

// tornWait is how long a record may take to be written. It is a variable for tests.
var tornWait = 10 * time.Millisecond

// record reads the record at an offset. It returns where the next one is, or the offset at
// the end of the log, and the checksum so far.
func (w *walReader) record(src io.ReaderAt, at, size int64, crc uint32) (next int64, sum uint32, problem string, err error) {
	head, err := w.bytes(src, at, walFrame, size)
	if err != nil || head == nil {
		return at, crc, "", err // the end of a file without zeros
	}
	frame := binary.LittleEndian.Uint64(head)
	if frame == 0 {
		return at, crc, "", nil
	}
	length := frame & walSizeMask
	padding := uint64(0)
	if frame>>63 != 0 {
		padding = frame >> 56 & 7
	}
	if length > maxWALRecord || frame>>63 == 0 && frame>>56 != 0 {
		return at, crc, fmt.Sprintf("a record of %d bytes", length), nil
	}
	next = at + walFrame + int64(length+padding)
	record, err := w.bytes(src, at+walFrame, int64(length+padding), size)
	if err != nil {
		return at, crc, "", err
	}
	if record == nil && length+padding > 0 {
		return next, crc, "a record that goes on behind the end of the file", nil
	}
	kind, sum, data, ok := parseWALRecord(record[:length])
	if !ok {
		return next, crc, "bytes that are no record", nil
	}
	if kind == walCRC {
		// The first record carries on the sum of the file before.
		if at > 0 && crc != 0 && sum != crc {
			return next, crc, "a checksum that does not match", nil
		}
		return next, sum, "", nil
	}
	if crc32.Update(crc, castagnoli, data) != sum {
		return next, crc, "a checksum that does not match", nil
	}
	if kind == walEntry {
		w.entry(data)
	}
	return next, sum, "", nil
}

// bytes returns n bytes of the file at an offset, valid until the next call; nil if the
// file ends before.
func (w *walReader) bytes(src io.ReaderAt, off, n, size int64) ([]byte, error) {
	if n > size-off {
		return nil, nil
	}
	if off < w.at || off+n > w.at+int64(len(w.buf)) {
		want := min(max(n, scanBuffer), size-off)
		if int64(cap(w.buf)) < want {
			w.buf = make([]byte, want)
		}
		w.buf, w.at = w.buf[:want], off
		got, err := src.ReadAt(w.buf, off)
		w.buf = w.buf[:max(got, 0)]
		if int64(len(w.buf)) < n {
			if err == nil || errors.Is(err, io.EOF) {
				return nil, nil
			}
			return nil, err
		}
	}
	return w.buf[off-w.at:][:n:n], nil
}

// protoField reads the next field of a message: its number, and either its bytes or
// its value. Ok is false if this is not a message; then the number is that of a field that
// goes on behind the end, or 0.
func protoField(b []byte) (number int, value uint64, body, rest []byte, ok bool) {
	tag, n := binary.Uvarint(b)
	if n <= 0 || tag>>3 == 0 || tag>>3 > 1<<29-1 {
		return 0, 0, nil, nil, false
	}
	b = b[n:]
	switch tag & 7 {
	case stored.WireVarint:
		value, n = binary.Uvarint(b)
		return int(tag >> 3), value, nil, b[max(n, 0):], n > 0
	case stored.WireBytes:
		size, n := binary.Uvarint(b)
		if n <= 0 || size > uint64(len(b)-n) {
			return int(tag >> 3), 0, nil, nil, false
		}
		return int(tag >> 3), 0, b[n : n+int(size) : n+int(size)], b[n+int(size):], true
	case 1: // 64 bits
		return int(tag >> 3), 0, nil, b[min(8, len(b)):], len(b) >= 8
	case 5: // 32 bits
		return int(tag >> 3), 0, nil, b[min(4, len(b)):], len(b) >= 4
	}
	return 0, 0, nil, nil, false
}

// parseWALRecord reads {type 1, crc 2, data 3}.
func parseWALRecord(b []byte) (kind uint64, sum uint32, data []byte, ok bool) {
	for len(b) > 0 {
		number, value, body, rest, ok := protoField(b)
		if !ok {
			return 0, 0, nil, false
		}
		switch number {
		case 1:
			kind = value
		case 2:
			sum = uint32(value)
		case 3:
			data = body
		}
		b = rest
	}
	return kind, sum, data, kind >= walMetadata && kind <= walSnapshot
}

// entry reads a raftpb.Entry {Type 1, Term 2, Index 3, Data 4}. Only entries of type
// 0, which is not written, hold requests.
func (w *walReader) entry(b []byte) {
	whole := b
	var kind uint64
	var data []byte
	for len(b) > 0 {
		number, value, body, rest, ok := protoField(b)
		if !ok {
			w.raw(whole)
			return
		}
		switch number {
		case 1:
			kind = value
		case 4:
			data = body
		}
		b = rest
	}
	if kind != 0 || len(data) == 0 {
		return
	}
	// InternalRaftRequest {put 4, txn 6}.
	for b := data; len(b) > 0; {
		number, _, body, rest, ok := protoField(b)
		if !ok {
			w.raw(data) // a request of etcd 2
			return
		}
		switch number {
		case 4:
			w.put(body)
		case 6:
			w.txn(body, 0)
		}
		b = rest
	}
}

// txn reads a TxnRequest {compare 1, success 2, failure 3}, whose RequestOps are
// {range 1, put 2, deleteRange 3, txn 4}.
func (w *walReader) txn(b []byte, depth int) {
	whole := b
	if depth >= maxTxnDepth {
		w.raw(whole)
		return
	}
	for len(b) > 0 {
		number, _, op, rest, ok := protoField(b)
		if !ok {
			w.raw(b)
			return
		}
		b = rest
		if number != 2 && number != 3 {
			continue
		}
		for len(op) > 0 {
			number, _, body, rest, ok := protoField(op)
			if !ok {
				w.raw(op)
				break
			}
			switch number {
			case 2:
				w.put(body)
			case 4:
				w.txn(body, depth+1)
			}
			op = rest
		}
	}
}

// put reads a PutRequest {key 1, value 2}.
func (w *walReader) put(b []byte) {
	whole := b
	var key, value []byte
	for len(b) > 0 {
		number, _, body, rest, ok := protoField(b)
		if !ok {
			w.raw(whole)
			return
		}
		switch number {
		case 1:
			key = body
		case 2:
			value = body
		}
		b = rest
	}
	if len(value) == 0 {
		return
	}
	ns, name, ok := secretKey(key, w.opts.Prefix)
	if !ok {
		plain, err := stored.IsPlainSecret(stored.Of(value))
		if err != nil || plain || w.opts.Prefix == "" {
			before := w.finder.Found().Values
			if w.raw(whole); plain && w.finder.Found().Values == before {
				w.finder.Add("", "", 0) // only its key would show the Finder what it is
			}
		}
		return
	}
	form, err := stored.Classify(stored.Of(value), ns, name, nil)
	switch {
	case err != nil || form.Problem != "" || form.Class == fact.ClassUnknown:
		w.raw(whole) // the Finder knows forms that the API server does not write
	case form.Class.Plaintext():
		w.plain(ns, name)
	}
}

// plain counts a put, unless the rows have it.
func (w *walReader) plain(ns, name string) {
	if k := w.opts.Known; k != nil && len(k.puts) > 0 {
		full := nameHash(ns, name)
		if in := k.puts[full]; in > 0 {
			w.seen[full]++
			if w.seen[full] <= in {
				return
			}
		}
	}
	w.finder.Add(ns, name, 0)
}

// raw gives bytes to the Finder.
func (w *walReader) raw(b []byte) {
	w.finder.Break()
	_, _ = w.finder.Write(b)
	w.finder.Break()
}

// secretKey reads the names from a key PREFIX/secrets/NAMESPACE/NAME.
func secretKey(key []byte, prefix string) (ns, name string, ok bool) {
	prefix = strings.Trim(prefix, "/")
	if prefix == "" || len(key) == 0 || len(key) > maxHeldKey {
		return "", "", false
	}
	if key[0] == '/' {
		key = key[1:]
	}
	rest, ok := cutPrefix(key, prefix)
	if ok {
		rest, ok = cutPrefix(rest, secretsDir)
	}
	if !ok {
		return "", "", false
	}
	ns, name, ok = strings.Cut(string(rest), "/")
	return ns, name, ok && label(ns) && subdomain(name)
}
