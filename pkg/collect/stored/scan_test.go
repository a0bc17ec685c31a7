package stored

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/stored/storedtest"
)

// The zero Span is empty: nothing is read from a Source that is not there.
func TestZeroSpan(t *testing.T) {
	var s Span
	if b, err := s.Lead(leadSize); len(b) != 0 || err != nil {
		t.Errorf("Lead gives %q, %v", b, err)
	}
	c := Scanner{Span: s.after(3)}
	if _, _, ok := c.Tag(); ok || c.Err != nil || len(c.Take(0)) != 0 || c.Skip(1) {
		t.Errorf("a scanner reads from it, %v", c.Err)
	}
	got, err := Classify(s, "shop", "a", nil)
	if diff := cmp.Diff(Form{Class: fact.ClassEmpty}, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// A Span leads to no byte outside of the Source.
func TestOutside(t *testing.T) {
	for _, s := range []Span{{memory("abc"), 1, 3}, {memory("abc"), -1, 2}, {memory("abc"), 9, 1}} {
		if b, err := s.Lead(3); err == nil {
			t.Errorf("%+v gives %q", s, b)
		}
	}
}

// failing is a Source of which the bytes from an offset on cannot be read.
type failing struct {
	memory
	at int
}

var errFailing = errors.New("cannot be read")

func (f failing) Bytes(off, n int) ([]byte, error) {
	if off+n > f.at {
		return nil, errFailing
	}
	return f.memory.Bytes(off, n)
}

// What the Source answers is handed back as it is, wherever it comes up, and
// nothing is said of the value then.
func TestSourceFails(t *testing.T) {
	long := make([]byte, 2*leadSize)
	key := storedtest.Field(storedtest.Field(storedtest.Field([]byte("k8s:enc:kms:v2:vault:"), 1, long), 2, []byte("id")), 3, []byte("dek"))
	for name, tc := range map[string]struct {
		value []byte
		at    int
	}{
		"at the start":               {storedtest.ProtobufSecret("shop", "a", nil), 0},
		"behind a Secret's data":     {storedtest.ProtobufSecret("shop", "a", long), 3 * leadSize / 2},
		"behind KMS v2's ciphertext": {key, 3 * leadSize / 2},
	} {
		t.Run(name, func(t *testing.T) {
			form, err := Classify(Span{failing{tc.value, tc.at}, 0, len(tc.value)}, "shop", "a", nil)
			if !errors.Is(err, errFailing) || form.Provider != "" || form.Class != "" && form.Class != fact.ClassUnknown && form.Class != fact.ClassUnknownEncrypted {
				t.Errorf("%+v, %v", form, err)
			}
		})
	}
}
