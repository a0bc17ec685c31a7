package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// maxExpired bounds how often in a row a server may call a page expired.
const maxExpired = 3

// eachPage lists page by page and passes every object to fn. Before the first
// page it calls restart, which forgets what fn was given.
//
// A page whose token expired (410 Gone) is requested again with the token in
// the refusal. The list then goes on after the same key at a newer revision, as
// https://kubernetes.io/docs/reference/using-api/api-concepts/#retrieving-large-results-sets-in-chunks
// says; no key comes twice. Without such a token, everything is listed again in
// one answer. client-go's pager does neither when it is given a function for
// each object: it fails.
func eachPage[T any](ctx context.Context, size int64, options metav1.ListOptions,
	list func(context.Context, metav1.ListOptions) (items []T, next string, err error), restart func(), fn func(*T),
) error {
	options.Limit = size
	restart()
	get := func(options metav1.ListOptions) answered[T] {
		items, next, err := list(ctx, options)
		return answered[T]{items, next, err}
	}
	var ahead chan answered[T] // the page that is requested while fn is given the one before
	for expired := 0; ; {
		var p answered[T]
		if ahead != nil {
			p, ahead = <-ahead, nil
		} else {
			p = get(options)
		}
		items, next, err := p.items, p.next, p.err
		if isExpired(err) && options.Continue != "" && expired < maxExpired {
			expired++
			if options.Continue = nextOf(err); options.Continue == "" {
				options.Limit = 0
				restart()
			}
			continue
		}
		if err != nil {
			return err
		}
		again := next == options.Continue
		if options.Continue = next; next != "" && !again {
			ahead = make(chan answered[T], 1)
			go func(options metav1.ListOptions) { ahead <- get(options) }(options)
		}
		for i := range items {
			fn(&items[i])
		}
		switch {
		case next == "":
			return nil
		case again:
			return fmt.Errorf("the server's answer leads to the same page again (continue %.20q)", next)
		}
		expired = 0
	}
}

// answered is an answer to a request for a page.
type answered[T any] struct {
	items []T
	next  string
	err   error
}

func isExpired(err error) bool { return apierrors.IsResourceExpired(err) || apierrors.IsGone(err) }

// nextOf is the token in a 410 to continue with, "" if it has none.
func nextOf(err error) string {
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		return status.Status().Continue
	}
	return ""
}

// listMetadata lists a resource as PartialObjectMetadata.
func (c *clients) listMetadata(resource schema.GroupVersionResource, namespace string,
) func(context.Context, metav1.ListOptions) ([]metav1.PartialObjectMetadata, string, error) {
	return func(ctx context.Context, options metav1.ListOptions) ([]metav1.PartialObjectMetadata, string, error) {
		list, err := c.metadata.Resource(resource).Namespace(namespace).List(ctx, options)
		if err != nil {
			return nil, "", err
		}
		return list.Items, list.Continue, nil
	}
}

// metadataOnly keeps only those media types of client-go's metadata client that
// are metadata. The client's last one is plain JSON: a server that does not
// know PartialObjectMetadata would answer with whole Secrets.
type metadataOnly struct{ next http.RoundTripper }

func (m metadataOnly) RoundTrip(request *http.Request) (*http.Response, error) {
	var accept []string
	for _, media := range strings.Split(request.Header.Get("Accept"), ",") {
		if strings.Contains(media, ";as=PartialObjectMetadata") {
			accept = append(accept, media)
		}
	}
	if len(accept) == 0 {
		return nil, fmt.Errorf("a request for metadata accepts %q", request.Header.Get("Accept"))
	}
	request = request.Clone(request.Context())
	request.Header.Set("Accept", strings.Join(accept, ","))
	return m.next.RoundTrip(request)
}
