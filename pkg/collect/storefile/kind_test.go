package storefile

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"encoding/hex"
	"math/rand"
	"strings"
	"testing"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/storefile/storetest"
)

func unhex(t testing.TB, text string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func tarOf(t testing.TB, format tar.Format) []byte {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	if err := w.WriteHeader(&tar.Header{Name: "snapshot.db", Size: 4, Mode: 0o600, Format: format}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("text")); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestRecognise(t *testing.T) {
	var zipped, emptyZip bytes.Buffer
	w := zip.NewWriter(&zipped)
	if _, err := w.Create("x"); err != nil {
		t.Fatal(err)
	}
	w.Close()
	zip.NewWriter(&emptyZip).Close()
	bare := storetest.Etcd(t, rows...)
	v7 := tarOf(t, tar.FormatUSTAR)[:512] // without the magic, as the first tar wrote it
	sum := 0
	for i := range v7 {
		if i >= 257 && i < 265 {
			v7[i] = 0
		}
		if i < 148 || i >= 156 {
			sum += int(v7[i])
		} else {
			sum += ' '
		}
	}
	for i := range 6 {
		v7[148+5-i] = byte('0' + sum>>(3*i)&7)
	}
	big := make([]byte, 80)
	copy(big[16:], "\xed\x0c\xda\xed")
	damaged := bytes.Clone(bare)
	damaged[40] ^= 1
	for name, tc := range map[string]struct {
		lead []byte
		want Kind
	}{
		"bbolt":                           {bare, BBolt},
		"80 bytes of bbolt":               {bare[:80], BBolt},
		"79 bytes of bbolt":               {bare[:79], Unknown},
		"bbolt with a damaged first page": {damaged, Unknown},
		"bbolt, big endian":               {big, Unknown},
		"SQLite":                          {[]byte("SQLite format 3\x00"), SQLite},
		"SQLite 2":                        {[]byte("** This file contains an SQLite 2.1 database **\x00"), Unknown},
		"gzip":                            {gzipped(t, bare), Gzip},
		"zstd":                            {zstded(t, bare), Zstd},
		"pzstd":                           {pzstded(t, bare), Zstd},
		"zip":                             {zipped.Bytes(), Zip},
		"an empty zip":                    {emptyZip.Bytes(), Zip},
		"ustar":                           {tarOf(t, tar.FormatUSTAR), Tar},
		"GNU tar":                         {tarOf(t, tar.FormatGNU), Tar},
		"pax":                             {tarOf(t, tar.FormatPAX), Tar},
		"the first tar":                   {v7, Tar},
		"half a tar header":               {v7[:511], Unknown},
		"age":                             {[]byte("age-encryption.org/v1\n-> X25519 "), Age},
		"age, armored":                    {[]byte("-----BEGIN AGE ENCRYPTED FILE-----\n"), Age},
		"OpenPGP, armored":                {[]byte("-----BEGIN PGP MESSAGE-----\n"), OpenPGP},
		"a public key of PGP":             {[]byte("-----BEGIN PGP PUBLIC KEY BLOCK-----\n"), PEM},
		// What gpg 2.2 writes with --symmetric, and for an RSA key of 4096 bits.
		"OpenPGP, passphrase": {unhex(t, "8c0d 0409 0302 b496 c804 5cbb 4dd1 ffd2 ed01 d40a"), OpenPGP},
		"OpenPGP, RSA":        {append(append(unhex(t, "8502 0c03 e409 a98e c124 904b 010f ff"), make([]byte, 512)...), 0xd2, 0xed), OpenPGP},
		"OpenPGP, cut":        {unhex(t, "8c0d 0409 0302 b496 c804 5cbb 4d"), Unknown},
		"a PEM file":          {[]byte("-----BEGIN CERTIFICATE-----\n"), PEM},
		"YAML":                {[]byte("apiVersion: v1\nkind: Secret\n"), Text},
		"text, cut in a rune": {[]byte(strings.Repeat("a", textSize-1) + "ä"), Text},
		"an ELF file":         {[]byte("\x7fELF\x02\x01\x01\x00"), Unknown},
		"zeros":               {make([]byte, 100), Zeros},
		"a page of zeros":     {make([]byte, 4096), Unknown},
		"nothing":             {nil, Empty},
	} {
		if got := Recognise(tc.lead); got != tc.want {
			t.Errorf("%s is %s, want %s", name, got, tc.want)
		}
	}
	for k := Unknown; k <= Empty; k++ {
		if text := k.String(); !strings.HasPrefix(text, "a ") && !strings.HasPrefix(text, "an ") {
			t.Errorf("kind %d is %q", int(k), text)
		}
	}
	// Noise is nothing, even if it begins as an OpenPGP packet can.
	r := rand.New(rand.NewSource(1))
	noise := make([]byte, LeadSize)
	for i := range 20_000 {
		r.Read(noise)
		noise[0] = []byte{0x84, 0x85, 0x8c, 0xc1, 0xc3}[i%5]
		if got := Recognise(noise); got != Unknown {
			t.Errorf("noise %d is %s", i, got)
		}
	}
}

func FuzzRecognise(f *testing.F) {
	bare := storetest.Etcd(f, rows...)
	for _, seed := range [][]byte{
		bare, gzipped(f, bare), zstded(f, bare), pzstded(f, bare), tarOf(f, tar.FormatGNU),
		unhex(f, "8c0d 0409 0302 b496 c804 5cbb 4dd1 ffd2"), []byte("age-encryption.org/v1\n"), storetest.Kine(rows...), nil,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, lead []byte) {
		kind := Recognise(lead)
		if (kind == Empty) != (len(lead) == 0) || kind < Unknown || kind > Empty {
			t.Errorf("%d bytes are %s", len(lead), kind)
		}
		if len(lead) > LeadSize && Recognise(lead[:LeadSize]) != kind {
			t.Errorf("%s needs more than the lead", kind)
		}
	})
}

// Whatever comes through a pipe ends with a result or an error of ours.
func FuzzRead(f *testing.F) {
	bare, snapshot := storetest.Etcd(f, rows...), storetest.Snapshot(f, rows...)
	for _, seed := range [][]byte{bare, snapshot, gzipped(f, bare), zstded(f, snapshot), pzstded(f, bare), storetest.Kine(rows...), gzipped(f, storetest.Kine(rows...))} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		db, gaps, err := Read(t.Context(), Stdin, Options{Stdin: bytes.NewReader(content), limit: 4 << 20})
		switch {
		case err != nil && (db != nil || !strings.HasPrefix(err.Error(), "reading standard input: ")):
			t.Errorf("%+v, %v", db, err)
		case err == nil && !db.Complete && len(gaps) == 0:
			t.Errorf("incomplete without a gap: %+v", db)
		case err != nil && strings.Contains(err.Error(), "hunter2"):
			t.Errorf("a value came out: %v", err)
		}
		for _, g := range gaps {
			if strings.Contains(g.Detail, "hunter2") {
				t.Errorf("a value came out: %v", g)
			}
			if strings.Contains(g.Detail, "a bug in this program") {
				t.Error(g.Detail)
			}
		}
	})
}
