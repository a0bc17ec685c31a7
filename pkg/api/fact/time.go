package fact

import "time"

// Time is a UTC time, in JSON as RFC 3339. The zero Time means "not read".
type Time struct{ time.Time }

// NewTime converts to UTC and keeps fractions of seconds. A container's own file
// system can give its files times that RFC 3339 cannot express. Such a time becomes
// "not read", because encoding/json would refuse the whole document.
func NewTime(t time.Time) Time {
	t = t.UTC()
	if year := t.Year(); year < 0 || year > 9999 {
		return Time{}
	}
	return Time{t}
}

// DeepCopyInto copies the time, which holds nothing that is shared.
func (t *Time) DeepCopyInto(out *Time) { *out = *t }
