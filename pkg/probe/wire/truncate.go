package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// cut is one kind of list in a measurement that can be shortened.
type cut struct {
	name  string      // of its elements, for the gap
	kinds []fact.Kind // what is incomplete afterwards
	// longest gives the length of the longest such list.
	longest func(m *fact.Measurement) int
	// weigh gives the bytes that all such lists take as JSON, without what other
	// cuts weigh inside their elements.
	weigh func(m *fact.Measurement) int
	// keep shortens each such list of m to n elements. m is the caller's own,
	// down to the lists of containers and databases; elements are shared.
	keep func(m *fact.Measurement, n int)
	// count counts the elements in all such lists.
	count func(m *fact.Measurement) int
}

// cuts are all of them.
var cuts = []cut{
	inContainers("executables in writable layers", []fact.Kind{fact.Upperdir},
		func(c *fact.MeasuredContainer) []fact.UpperFile {
			if c.Upper == nil {
				return nil
			}
			return c.Upper.Files
		},
		func(c *fact.MeasuredContainer, files []fact.UpperFile) {
			upper := *c.Upper
			upper.Total = max(upper.Total, len(upper.Files))
			upper.Files = files
			c.Upper = &upper
		}),
	inContainers("processes", []fact.Kind{fact.Processes, fact.Executables},
		func(c *fact.MeasuredContainer) []fact.Process { return c.Processes },
		func(c *fact.MeasuredContainer, p []fact.Process) { c.Processes = p }),
	inContainers("mounts", []fact.Kind{fact.Mounts},
		func(c *fact.MeasuredContainer) []fact.Mount { return c.Mounts },
		func(c *fact.MeasuredContainer, m []fact.Mount) { c.Mounts = m }),
	inContainers("devices", []fact.Kind{fact.Devices},
		func(c *fact.MeasuredContainer) []fact.Device { return c.Devices },
		func(c *fact.MeasuredContainer, d []fact.Device) { c.Devices = d }),
	{
		name:  "Secrets in etcd",
		kinds: []fact.Kind{fact.Etcd},
		longest: func(m *fact.Measurement) int {
			n := 0
			for _, db := range m.Etcd {
				n = max(n, len(db.Secrets))
			}
			return n
		},
		weigh: func(m *fact.Measurement) int {
			n := 0
			for _, db := range m.Etcd {
				n += weight(db.Secrets, nil)
			}
			return n
		},
		keep: func(m *fact.Measurement, n int) {
			for i := range m.Etcd {
				db := &m.Etcd[i]
				if len(db.Secrets) <= n {
					continue
				}
				db.Total = max(db.Total, len(db.Secrets))
				db.Complete = false
				db.Secrets = plaintextFirst(db.Secrets, n)
			}
		},
		count: func(m *fact.Measurement) int {
			n := 0
			for _, db := range m.Etcd {
				n += len(db.Secrets)
			}
			return n
		},
	},
	{
		name:    "pending updates",
		kinds:   []fact.Kind{fact.Packages},
		longest: pendingCount,
		count:   pendingCount,
		weigh: func(m *fact.Measurement) int {
			if m.Host.Packages == nil {
				return 0
			}
			return weight(m.Host.Packages.Pending, nil)
		},
		keep: func(m *fact.Measurement, n int) {
			if pendingCount(m) <= n {
				return
			}
			packages := *m.Host.Packages
			packages.Pending = securityFirst(packages.Pending, n)
			m.Host.Packages = &packages
		},
	},
	whole("installed kernels", []fact.Kind{fact.Kernel},
		func(m *fact.Measurement) *[]fact.InstalledKernel { return &m.Host.Installed }, nil),
	whole("API servers", []fact.Kind{fact.EncryptionConfig},
		func(m *fact.Measurement) *[]fact.APIServer { return &m.APIServers }, nil),
	whole("etcd databases", []fact.Kind{fact.Etcd},
		func(m *fact.Measurement) *[]fact.EtcdDB { return &m.Etcd },
		func(db *fact.EtcdDB) { db.Secrets = nil }),
	whole("containers", fact.KindsOf(fact.OfContainer),
		func(m *fact.Measurement) *[]fact.MeasuredContainer { return &m.Containers },
		func(c *fact.MeasuredContainer) {
			c.Processes, c.Mounts, c.Devices = nil, nil, nil
			if c.Upper != nil {
				upper := *c.Upper
				upper.Files = nil
				c.Upper = &upper
			}
		}),
	// A gap that is cut is still a gap: see shorten.
	whole("gaps", nil, func(m *fact.Measurement) *[]fact.NodeGap { return &m.Gaps }, nil),
}

func pendingCount(m *fact.Measurement) int {
	if m.Host.Packages == nil {
		return 0
	}
	return len(m.Host.Packages.Pending)
}

// inContainers is a cut of a list that each container has.
func inContainers[T any](name string, kinds []fact.Kind, get func(*fact.MeasuredContainer) []T, set func(*fact.MeasuredContainer, []T)) cut {
	return cut{
		name:  name,
		kinds: kinds,
		longest: func(m *fact.Measurement) int {
			n := 0
			for i := range m.Containers {
				n = max(n, len(get(&m.Containers[i])))
			}
			return n
		},
		weigh: func(m *fact.Measurement) int {
			n := 0
			for i := range m.Containers {
				n += weight(get(&m.Containers[i]), nil)
			}
			return n
		},
		keep: func(m *fact.Measurement, n int) {
			for i := range m.Containers {
				if items := get(&m.Containers[i]); len(items) > n {
					set(&m.Containers[i], items[:n:n])
				}
			}
		},
		count: func(m *fact.Measurement) int {
			n := 0
			for i := range m.Containers {
				n += len(get(&m.Containers[i]))
			}
			return n
		},
	}
}

// whole is a cut of a list that the measurement has once. bare empties, in a copy
// of an element, the lists that are cut by themselves.
func whole[T any](name string, kinds []fact.Kind, field func(*fact.Measurement) *[]T, bare func(*T)) cut {
	length := func(m *fact.Measurement) int { return len(*field(m)) }
	return cut{
		name:    name,
		kinds:   kinds,
		longest: length,
		count:   length,
		weigh:   func(m *fact.Measurement) int { return weight(*field(m), bare) },
		keep: func(m *fact.Measurement, n int) {
			items := field(m)
			*items = (*items)[:min(n, len(*items))]
		},
	}
}

// weight is the size of a list as JSON, one element in memory at a time.
func weight[T any](items []T, bare func(*T)) int {
	n := 0
	for _, item := range items {
		if bare != nil {
			bare(&item)
		}
		data, err := json.Marshal(item)
		if err != nil {
			return n // the next attempt to write it reports the error
		}
		n += len(data) + 1
	}
	return n
}

// plaintextFirst keeps n Secrets in their order, and among them those that
// anybody can read.
func plaintextFirst(secrets []fact.StoredSecret, n int) []fact.StoredSecret {
	return preferred(secrets, n, func(s fact.StoredSecret) bool { return s.Class.Plaintext() })
}

// securityFirst keeps n updates in their order, and among them those of a
// security archive.
func securityFirst(updates []fact.PendingUpdate, n int) []fact.PendingUpdate {
	return preferred(updates, n, func(u fact.PendingUpdate) bool { return u.Security != "" })
}

// preferred keeps n items in order: those that are wanted, then the others.
func preferred[T any](items []T, n int, wanted func(T) bool) []T {
	want := 0
	for _, item := range items {
		if wanted(item) {
			want++
		}
	}
	others := max(0, n-want)
	kept := make([]T, 0, n)
	for _, item := range items {
		if len(kept) == n {
			break
		}
		if wanted(item) {
			kept = append(kept, item)
		} else if others > 0 {
			others--
			kept = append(kept, item)
		}
	}
	return kept
}

// fit compresses the measurement, cut until its frames have at most limit
// bytes: each time, the kind of list that takes most is halved.
func fit(m *fact.Measurement, limit int) (payload []byte, jsonSize int, err error) {
	payload, jsonSize, err = compress(m, payloadLimit(limit))
	if !errors.Is(err, errTooLarge) {
		return payload, jsonSize, err
	}
	caps := make([]int, len(cuts))
	for i, c := range cuts {
		caps[i] = c.longest(m)
	}
	short := m
	for {
		heaviest, weighs := -1, 0
		for i, c := range cuts {
			if w := c.weigh(short); caps[i] > 0 && w > weighs {
				heaviest, weighs = i, w
			}
		}
		if heaviest < 0 {
			return nil, 0, fmt.Errorf("encoding the measurement: expected at most %d bytes, found more although every list is empty", limit)
		}
		caps[heaviest] /= 2
		short = shorten(m, caps, limit)
		payload, jsonSize, err = compress(short, payloadLimit(limit))
		if !errors.Is(err, errTooLarge) {
			return payload, jsonSize, err
		}
	}
}

// shorten returns a copy of m in which every list has at most the elements that
// caps allows, with a gap for each kind of facts that lost some.
func shorten(m *fact.Measurement, caps []int, limit int) *fact.Measurement {
	short := *m
	short.Containers = slices.Clone(m.Containers)
	short.Etcd = slices.Clone(m.Etcd)
	var added []fact.NodeGap
	lost := map[fact.Kind]bool{}
	for i, c := range cuts {
		before := c.count(&short)
		c.keep(&short, caps[i])
		after := c.count(&short)
		if after == before {
			continue
		}
		for _, kind := range c.kinds {
			added = append(added, truncated(kind, fmt.Sprintf("%d of %d %s sent", after, before, c.name), limit))
		}
	}
	for _, gap := range m.Gaps[len(short.Gaps):] {
		if !lost[gap.What] {
			lost[gap.What] = true
			added = append(added, truncated(gap.What, "its gaps were not all sent", limit))
		}
	}
	short.Gaps = append(slices.Clone(short.Gaps), added...)
	return &short
}

func truncated(kind fact.Kind, what string, limit int) fact.NodeGap {
	return fact.NodeGap{
		What:   kind,
		Reason: fact.Truncated,
		Detail: fmt.Sprintf("%s: the answer of one node has at most %d bytes", what, limit),
	}
}
