//go:build !linux

package gather

import (
	"context"
	"fmt"
	"runtime"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

func (s *Machine) measure(context.Context) (string, *fact.Measurement, error) {
	return "", nil, fmt.Errorf("--local reads /proc and needs Linux; this is %s", runtime.GOOS)
}
