package certificate

import "strconv"

// Tags of DER elements (X.690), with the bit of a constructed one where they have it.
const (
	tagBoolean         = 0x01
	tagInteger         = 0x02
	tagBitString       = 0x03
	tagOctetString     = 0x04
	tagOID             = 0x06
	tagUTF8String      = 0x0c
	tagNumericString   = 0x12
	tagPrintableString = 0x13
	tagT61String       = 0x14
	tagIA5String       = 0x16
	tagUTCTime         = 0x17
	tagGeneralizedTime = 0x18
	tagBMPString       = 0x1e
	tagSequence        = 0x30
	tagSet             = 0x31
	tagContext0        = 0xa0 // [0], constructed
	tagContext3        = 0xa3
)

// input is a run of DER elements that is read from its start. Nothing is copied: what it
// gives lies in the same array.
type input []byte

// next takes the first element: its tag, what is in it, and the whole of it. Lengths are
// in the shortest form, of at most four bytes, as DER wants it.
func (in *input) next() (tag byte, content, whole input, ok bool) {
	b := *in
	if len(b) < 2 || b[0]&0x1f == 0x1f {
		return 0, nil, nil, false // no certificate has a tag of several bytes
	}
	head, length := 2, int64(b[1])
	if b[1] >= 0x80 {
		n := int(b[1] & 0x7f)
		if n == 0 || n > 4 || len(b) < 2+n || b[2] == 0 {
			return 0, nil, nil, false
		}
		length = 0
		for _, c := range b[2 : 2+n] {
			length = length<<8 | int64(c)
		}
		if length < 0x80 {
			return 0, nil, nil, false
		}
		head += n
	}
	if length > int64(len(b)-head) {
		return 0, nil, nil, false
	}
	end := head + int(length)
	*in = b[end:]
	return b[0], b[head:end], b[:end], true
}

// take takes the first element if it has this tag.
func (in *input) take(tag byte) (content input, ok bool) {
	content, _, ok = in.takeWhole(tag)
	return content, ok
}

func (in *input) takeWhole(tag byte) (content, whole input, ok bool) {
	if len(*in) == 0 || (*in)[0] != tag {
		return nil, nil, false
	}
	_, content, whole, ok = in.next()
	return content, whole, ok
}

// skip takes the first element if it has this tag. It is false only for one that has the
// tag and cannot be read.
func (in *input) skip(tag byte) bool {
	if len(*in) == 0 || (*in)[0] != tag {
		return true
	}
	_, ok := in.take(tag)
	return ok
}

// bits is the content of a BIT STRING of whole bytes.
func (in input) bits() (input, bool) {
	if len(in) == 0 || in[0] != 0 {
		return nil, false
	}
	return in[1:], true
}

// oid writes an object identifier with dots, "" if it is none. Parts above 63 bits, which
// nobody uses, are not read.
func (in input) oid() string {
	var text []byte
	var part uint64
	started := false
	for _, c := range in {
		if part>>56 != 0 || !started && c == 0x80 {
			return ""
		}
		part, started = part<<7|uint64(c&0x7f), true
		if c&0x80 != 0 {
			continue
		}
		switch {
		case text != nil:
			text = strconv.AppendUint(append(text, '.'), part, 10)
		case part < 80: // the first two parts are in one: X*40+Y
			text = strconv.AppendUint(append(strconv.AppendUint(nil, part/40, 10), '.'), part%40, 10)
		default:
			text = strconv.AppendUint([]byte("2."), part-80, 10)
		}
		part, started = 0, false
	}
	if started {
		return ""
	}
	return string(text)
}
