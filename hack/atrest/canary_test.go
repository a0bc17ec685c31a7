package atrest

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// marker is in every value of a Secret, and nowhere else.
const marker = "CaNaRy7Q2xv9"

// spelled are the marker's spellings that must not come out.
var spelled = func() []string {
	reverse := []byte(marker)
	slices.Reverse(reverse)
	hex := fmt.Sprintf("%x", marker)
	out := []string{marker, string(reverse), hex, strings.ToUpper(hex)}
	for shift := range 3 { // base64 of it behind 0, 1 or 2 other bytes, without what those decide
		text := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", shift) + marker))
		out = append(out, text[(shift*8+5)/6:(shift+len(marker))*8/6])
	}
	return out
}()

// silent fails if a value of a Secret is in what came out.
func silent(t *testing.T, what string, out []byte) {
	t.Helper()
	for _, text := range spelled {
		if i := bytes.Index(out, []byte(text)); i >= 0 {
			t.Errorf("%s holds a Secret's value: %.200q", what, out[max(0, i-80):])
		}
	}
}

// TestSpelled: the marker is found in every spelling, wherever it lies in a value.
func TestSpelled(t *testing.T) {
	found := func(text string) bool {
		return slices.ContainsFunc(spelled, func(s string) bool { return strings.Contains(text, s) })
	}
	for _, before := range []string{"", "a", "ab", "abc"} {
		value := before + marker + "-behind"
		backwards := []byte(value)
		slices.Reverse(backwards)
		for _, text := range []string{
			value, string(backwards), fmt.Sprintf("%x", value), fmt.Sprintf("%X", value),
			base64.StdEncoding.EncodeToString([]byte(value)), base64.RawURLEncoding.EncodeToString([]byte(value)),
		} {
			if !found(text) {
				t.Errorf("not found in %s", text)
			}
		}
	}
	if found("CaNaRy") || found(marker[1:]) {
		t.Error("found where it is not")
	}
}
