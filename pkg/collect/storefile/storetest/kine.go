package storetest

import (
	"encoding/binary"
)

// KineSchema is the table as kine 0.14 makes it.
const KineSchema = `CREATE TABLE kine
			(
				id INTEGER PRIMARY KEY AUTOINCREMENT,
				name INTEGER,
				created INTEGER,
				deleted INTEGER,
				create_revision INTEGER,
				prev_revision INTEGER,
				lease INTEGER,
				value BLOB,
				old_value BLOB
			)`

const kinePage = 4096

// Kine is an SQLite file of kine's with these rows, with ids from 2 on, behind the row
// that kine itself writes first. Each keeps the value before it in old_value, as kine
// does. They must fit into a page.
func Kine(rows ...Row) []byte {
	ids, created, values := map[string]int64{}, map[string]int64{}, map[string][]byte{}
	cells := [][]byte{cell(1, nil, "compact_rev_key", int64(1), int64(0), int64(0), int64(0), int64(0), []byte{}, []byte{})}
	for i, row := range rows {
		id := int64(i + 2)
		deleted := int64(0)
		if row.Value == nil {
			deleted = 1
		}
		isNew := int64(0)
		if ids[row.Key] == 0 {
			isNew, created[row.Key] = 1, id
		}
		create := created[row.Key]
		if isNew == 1 {
			create = 0
		}
		cells = append(cells, cell(id, nil, row.Key, isNew, deleted, create, ids[row.Key], int64(0), row.Value, values[row.Key]))
		ids[row.Key], values[row.Key] = id, row.Value
	}
	head := make([]byte, 100)
	copy(head, "SQLite format 3\x00")
	binary.BigEndian.PutUint16(head[16:], kinePage)
	copy(head[18:], []byte{2, 2, 0, 64, 32, 32}) // WAL
	binary.BigEndian.PutUint32(head[24:], 1)
	binary.BigEndian.PutUint32(head[28:], 2) // pages
	binary.BigEndian.PutUint32(head[44:], 4)
	binary.BigEndian.PutUint32(head[56:], 1) // UTF-8
	binary.BigEndian.PutUint32(head[92:], 1)
	binary.BigEndian.PutUint32(head[96:], 3045000)
	first := leaf(head, cell(1, "table", "kine", "kine", int64(2), KineSchema))
	return append(first, leaf(nil, cells...)...)
}

// KineLog is the write-ahead log of a file of Kine's that replaces its rows.
func KineLog(rows ...Row) []byte {
	log := binary.BigEndian.AppendUint32(nil, 0x377f0682)
	for _, v := range []uint32{3007000, kinePage, 0, 0x11111111, 0x22222222} {
		log = binary.BigEndian.AppendUint32(log, v)
	}
	var s0, s1 uint32
	add := func(b []byte) { // words in little endian, as the magic number says
		for ; len(b) >= 8; b = b[8:] {
			s0 += binary.LittleEndian.Uint32(b) + s1
			s1 += binary.LittleEndian.Uint32(b[4:]) + s0
		}
	}
	sums := func() { log = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(log, s0), s1) }
	add(log)
	sums()
	pages := Kine(rows...)
	for n := uint32(1); n <= 2; n++ {
		commit := uint32(0)
		if n == 2 {
			commit = 2
		}
		head := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, n), commit)
		page := pages[(n-1)*kinePage:][:kinePage]
		add(head)
		add(page)
		log = append(log, head...)
		log = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(log, 0x11111111), 0x22222222)
		sums()
		log = append(log, page...)
	}
	return log
}

// leaf is a leaf page of a table, behind the file's header where it is the first page.
func leaf(head []byte, cells ...[]byte) []byte {
	page := make([]byte, kinePage)
	at := copy(page, head)
	page[at] = 13
	binary.BigEndian.PutUint16(page[at+3:], uint16(len(cells)))
	end := kinePage
	for i, c := range cells {
		end -= len(c)
		copy(page[end:], c)
		binary.BigEndian.PutUint16(page[at+8+2*i:], uint16(end))
	}
	if end < at+8+2*len(cells) {
		panic("the rows do not fit into a page")
	}
	binary.BigEndian.PutUint16(page[at+5:], uint16(end))
	return page
}

// cell is a row: nil is NULL, int64, string and []byte are what they are.
func cell(rowid int64, columns ...any) []byte {
	var types, body []byte
	for _, c := range columns {
		switch v := c.(type) {
		case nil:
			types = sqliteVarint(types, 0)
		case int64:
			types = sqliteVarint(types, 6)
			body = binary.BigEndian.AppendUint64(body, uint64(v))
		case string:
			types = sqliteVarint(types, uint64(13+2*len(v)))
			body = append(body, v...)
		case []byte:
			if v == nil {
				types = sqliteVarint(types, 0)
				continue
			}
			types = sqliteVarint(types, uint64(12+2*len(v)))
			body = append(body, v...)
		}
	}
	payload := append(sqliteVarint(nil, uint64(len(types)+1)), types...)
	payload = append(payload, body...)
	return append(sqliteVarint(sqliteVarint(nil, uint64(len(payload))), uint64(rowid)), payload...)
}

// sqliteVarint appends a number below 2^28.
func sqliteVarint(b []byte, v uint64) []byte {
	for shift := 21; shift > 0; shift -= 7 {
		if v >= 1<<shift {
			b = append(b, byte(v>>shift)|0x80)
		}
	}
	return append(b, byte(v)&0x7f)
}
