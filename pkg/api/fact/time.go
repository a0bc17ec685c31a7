package fact

import "time"

// Time is a UTC time, in JSON as RFC 3339. The zero Time means "not read".
type Time struct{ time.Time }

// NewTime converts to UTC; sub-second parts are kept. A time that RFC 3339 has
// no way to write, as a file system of a container's own can give its files, is
// "not read": encoding/json would refuse the whole document.
func NewTime(t time.Time) Time {
	t = t.UTC()
	if year := t.Year(); year < 0 || year > 9999 {
		return Time{}
	}
	return Time{t}
}

// DeepCopyInto copies the time, which shares nothing.
func (t *Time) DeepCopyInto(out *Time) { *out = *t }
