package crash

import (
	"errors"
	"regexp"
	"strings"
	"testing"
)

func TestDescribe(t *testing.T) {
	const canary = "CANARY"
	var list []int
	var none *struct{ a [9]int }
	var something any = canary
	for name, tc := range map[string]struct {
		do   func()
		want string
	}{
		"a string":               {func() { panic(canary) }, `^string in `},
		"an error":               {func() { panic(errors.New(canary)) }, `^\*errors\.errorString in `},
		"an index out of range":  {func() { _ = list[len(canary)] }, `^index out of range in `},
		"a pointer that is nil":  {func() { none.a[0]++ }, `^invalid memory address or nil pointer dereference in `},
		"a type that is another": {func() { _ = something.(int) }, `^interface conversion in `},
	} {
		t.Run(name, func(t *testing.T) {
			var got string
			func() {
				defer func() { got = Describe(recover()) }()
				tc.do()
			}()
			if !regexp.MustCompile(tc.want + `crash\.TestDescribe\.func\d+ \(crash_test\.go:\d+\)$`).MatchString(got) {
				t.Errorf("want %s, got %s", tc.want, got)
			}
			if strings.Contains(got, canary) {
				t.Errorf("the value is in it: %s", got)
			}
		})
	}
}
