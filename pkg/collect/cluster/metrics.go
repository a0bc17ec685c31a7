package cluster

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/escape"
)

const (
	// configInfo is the metric of the encryption configuration that an API server has
	// loaded, at its start too (Kubernetes 1.34, kubernetes#132299). Its labels are
	// hashes: of the API server's identity, which is the name of its lease, and of the
	// file (k8s.io/apiserver, pkg/server/options/encryptionconfig/metrics).
	configInfo = "apiserver_encryption_config_controller_last_config_info"

	maxMetrics     = 32 << 20 // bytes that are read of all metrics
	maxMetricLine  = 4 << 10  // bytes; longer lines are of other metrics
	maxConfigInfos = 16
	metricsTimeout = 15 * time.Second
)

// loadedEncryption asks for that metric. Through a load balancer one API server answers,
// and this says nothing about others. Without the right, or without the metric, nothing is
// known, and no run fails: some checks then remain unknown.
func (c *clients) loadedEncryption(ctx context.Context, leases *coordinationv1.LeaseList) []fact.LoadedEncryption {
	ctx, cancel := context.WithTimeout(ctx, metricsTimeout)
	defer cancel()
	body, err := c.core.RESTClient().Get().AbsPath("/metrics").SetHeader("Accept", "text/plain").Stream(ctx)
	if err != nil {
		return nil
	}
	defer func() { _ = body.Close() }()
	loaded := parseConfigInfo(io.LimitReader(body, maxMetrics))
	for i := range loaded {
		loaded[i].Node = hostOf(leases, loaded[i].Server)
	}
	return loaded
}

// hostOf returns the host name in the lease of the API server whose identity has this
// hash, "" if there is no such lease.
func hostOf(leases *coordinationv1.LeaseList, idHash string) string {
	if leases == nil {
		return ""
	}
	for i := range leases.Items {
		lease := &leases.Items[i]
		if sum := sha256.Sum256([]byte(lease.Name)); "sha256:"+hex.EncodeToString(sum[:]) == idHash {
			return escape.Short(lease.Labels[corev1.LabelHostname], 253)
		}
	}
	return ""
}

// parseConfigInfo finds the metric in the text format of Prometheus, a line for each
// series:
//
//	NAME{apiserver_id_hash="sha256:HEX",hash="sha256:HEX"} 1
//
// Nothing else is kept. Metrics are sorted by name, so it ends after them.
func parseConfigInfo(body io.Reader) []fact.LoadedEncryption {
	var loaded []fact.LoadedEncryption
	lines := bufio.NewReaderSize(body, maxMetricLine)
	for len(loaded) < maxConfigInfos {
		line, err := lines.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			for errors.Is(err, bufio.ErrBufferFull) {
				_, err = lines.ReadSlice('\n')
			}
			line = nil
		}
		if rest, ok := bytes.CutPrefix(line, []byte(configInfo+"{")); ok {
			// A line that is cut off has no newline and may lack the end of a value.
			if one, ok := parseLabels(string(rest)); ok && err == nil {
				loaded = append(loaded, one)
			}
		} else if len(loaded) > 0 && len(line) > 0 {
			break
		}
		if err != nil {
			break
		}
	}
	return loaded
}

// parseLabels reads what follows the brace. Hashes hold nothing that the format escapes.
func parseLabels(text string) (one fact.LoadedEncryption, ok bool) {
	labels, value, found := strings.Cut(text, "}")
	if fields := strings.Fields(value); !found || len(fields) == 0 || fields[0] != "1" {
		return one, false
	}
	for label := range strings.SplitSeq(labels, ",") {
		name, quoted, _ := strings.Cut(strings.TrimSpace(label), "=")
		value, isQuoted := strings.CutPrefix(quoted, `"`)
		value, closed := strings.CutSuffix(value, `"`)
		if !isQuoted || !closed || !isHash(value) {
			continue
		}
		switch name {
		case "apiserver_id_hash":
			one.Server = value
		case "hash":
			one.Hash = value
		}
	}
	return one, one.Server != "" && one.Hash != ""
}

// isHash reports whether text is "sha256:" and 64 hex digits.
func isHash(text string) bool {
	digits, ok := strings.CutPrefix(text, "sha256:")
	_, err := hex.DecodeString(digits)
	return ok && err == nil && len(digits) == 64 && strings.ToLower(digits) == digits
}
