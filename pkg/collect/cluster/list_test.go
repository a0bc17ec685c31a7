package cluster

import (
	"context"
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The next page is requested while the objects of one are taken, and no further one.
func TestTheNextPageIsRequestedAhead(t *testing.T) {
	requested := make(chan string, 10)
	list := func(_ context.Context, o metav1.ListOptions) ([]int, string, error) {
		requested <- o.Continue
		n := 0
		if o.Continue != "" {
			_, _ = fmt.Sscan(o.Continue, &n)
		}
		if n == 3 {
			return []int{n}, "", nil
		}
		return []int{n}, fmt.Sprint(n + 1), nil
	}
	var got []int
	err := eachPage(t.Context(), 1, metav1.ListOptions{}, list, func() {}, func(n *int) {
		if *n == 0 {
			<-requested // the first page itself
		}
		if *n < 3 {
			select {
			case next := <-requested:
				if next != fmt.Sprint(*n+1) {
					t.Errorf("while page %d is taken, page %q was requested", *n, next)
				}
			case <-time.After(time.Minute):
				t.Errorf("while page %d is taken, no page was requested", *n)
			}
		}
		if len(requested) > 0 {
			t.Errorf("while page %d is taken, %d more were requested", *n, len(requested))
		}
		got = append(got, *n)
	})
	if err != nil || fmt.Sprint(got) != "[0 1 2 3]" {
		t.Errorf("%v, %v", got, err)
	}
}
