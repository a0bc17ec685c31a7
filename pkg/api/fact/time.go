package fact

import "time"

// Time is a UTC time, in JSON as RFC 3339. The zero Time means "not read".
type Time struct{ time.Time }

// NewTime converts to UTC; sub-second parts are kept.
func NewTime(t time.Time) Time { return Time{t.UTC()} }

// DeepCopyInto copies the time, which shares nothing.
func (t *Time) DeepCopyInto(out *Time) { *out = *t }
