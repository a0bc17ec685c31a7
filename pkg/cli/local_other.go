//go:build !linux

package cli

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

func gatherLocal(context.Context, string, []fact.Kind, time.Duration) (*fact.Set, error) {
	return nil, fmt.Errorf("--local reads /proc and needs Linux; this is %s", runtime.GOOS)
}
