package wire

import (
	"fmt"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
)

// record is one line of the stream: exactly one of its fields is set. They come
// in the order of the fields, with the pages of a database behind it.
type record struct {
	// Host is the measurement without the lists that have records of their own.
	Host      *fact.Measurement `json:"host,omitempty"`
	APIServer *fact.APIServer   `json:"apiServer,omitempty"`
	// Etcd is a database without its Secrets; Secrets is a page of them, of the
	// database before it: 1 to MaxPage.
	Etcd        *fact.EtcdDB            `json:"etcd,omitempty"`
	Secrets     []fact.StoredSecret     `json:"secrets,omitempty"`
	Backup      *fact.Backup            `json:"backup,omitempty"`
	Listener    *fact.Listener          `json:"listener,omitempty"`
	Component   *fact.Component         `json:"component,omitempty"`
	Certificate *fact.CertificateFile   `json:"certificate,omitempty"`
	Container   *fact.MeasuredContainer `json:"container,omitempty"`
	Image       *fact.ImageInventory    `json:"image,omitempty"`
	Gap         *fact.NodeGap           `json:"gap,omitempty"`
	// End is the last.
	End *ending `json:"end,omitempty"`
}

// ending counts what came before it, Secrets and not their pages.
type ending struct {
	APIServers   int `json:"apiServers"`
	Etcd         int `json:"etcd"`
	Secrets      int `json:"secrets"`
	Backups      int `json:"backups"`
	Listeners    int `json:"listeners"`
	Components   int `json:"components"`
	Certificates int `json:"certificates"`
	Containers   int `json:"containers"`
	Images       int `json:"images"`
	Gaps         int `json:"gaps"`
}

// String is for errors.
func (e ending) String() string {
	return fmt.Sprintf("%d API servers, %d databases, %d Secrets, %d backups, %d listeners, %d components, %d certificate files, %d containers, %d images and %d gaps",
		e.APIServers, e.Etcd, e.Secrets, e.Backups, e.Listeners, e.Components, e.Certificates, e.Containers, e.Images, e.Gaps)
}

// section is a group of records that shares the answer with the others: each has
// a reserved part of it.
type section int

// The sections, in the order of the stream.
const (
	hostSection section = iota
	serverSection
	etcdSection
	backupSection
	listenerSection
	componentSection
	certificateSection
	containerSection
	imageSection
	gapSection
	endSection
	sections = int(endSection) // those that can be cut
)

// records gives every record of a measurement in the order of the stream, each
// with its section. It stops at the first error.
func records(m *fact.Measurement, write func(section, record) error) error {
	head := *m
	head.APIServers, head.Etcd, head.Backups, head.Containers, head.Images, head.Gaps = nil, nil, nil, nil, nil, nil
	head.Listeners, head.Components, head.Certificates = nil, nil, nil
	if err := write(hostSection, record{Host: &head}); err != nil {
		return err
	}
	end := ending{
		APIServers: len(m.APIServers), Etcd: len(m.Etcd), Backups: len(m.Backups),
		Listeners: len(m.Listeners), Components: len(m.Components), Certificates: len(m.Certificates),
		Containers: len(m.Containers), Images: len(m.Images), Gaps: len(m.Gaps),
	}
	for i := range m.APIServers {
		if err := write(serverSection, record{APIServer: &m.APIServers[i]}); err != nil {
			return err
		}
	}
	for i := range m.Etcd {
		db := m.Etcd[i]
		secrets := db.Secrets
		db.Secrets = nil
		if err := write(etcdSection, record{Etcd: &db}); err != nil {
			return err
		}
		end.Secrets += len(secrets)
		for len(secrets) > 0 {
			page := secrets[:min(MaxPage, len(secrets))]
			secrets = secrets[len(page):]
			if err := write(etcdSection, record{Secrets: page}); err != nil {
				return err
			}
		}
	}
	for i := range m.Backups {
		if err := write(backupSection, record{Backup: &m.Backups[i]}); err != nil {
			return err
		}
	}
	for i := range m.Listeners {
		if err := write(listenerSection, record{Listener: &m.Listeners[i]}); err != nil {
			return err
		}
	}
	for i := range m.Components {
		if err := write(componentSection, record{Component: &m.Components[i]}); err != nil {
			return err
		}
	}
	for i := range m.Certificates {
		if err := write(certificateSection, record{Certificate: &m.Certificates[i]}); err != nil {
			return err
		}
	}
	for i := range m.Containers {
		if err := write(containerSection, record{Container: &m.Containers[i]}); err != nil {
			return err
		}
	}
	for i := range m.Images {
		if err := write(imageSection, record{Image: &m.Images[i]}); err != nil {
			return err
		}
	}
	for i := range m.Gaps {
		if err := write(gapSection, record{Gap: &m.Gaps[i]}); err != nil {
			return err
		}
	}
	return write(endSection, record{End: &end})
}

// fault says what is wrong with a text, where, and what was expected there. It
// quotes nothing of the text: names of fields come from the types.
type fault struct {
	record     int // from 1; 0 where it is the stream itself
	path, text string
}

func (f *fault) Error() string {
	text := f.text
	if f.path != "" {
		text = strings.TrimPrefix(f.path, ".") + ": " + text
	}
	if f.record > 0 {
		text = fmt.Sprintf("record %d: %s", f.record, text)
	}
	return text
}

// in adds the place of the value that has the fault.
func (f *fault) in(path string) *fault {
	f.path = path + f.path
	return f
}
