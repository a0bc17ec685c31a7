package main

import (
	"bytes"
	"cmp"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/launch/embedded"
)

// A bom is a software bill of materials in the format CycloneDX 1.6
// (https://cyclonedx.org/docs/1.6/json/). It has no serial number and no time, so that two
// builds are the same to the byte.
type bom struct {
	Schema       string       `json:"$schema"`
	Format       string       `json:"bomFormat"`
	SpecVersion  string       `json:"specVersion"`
	Version      int          `json:"version"`
	Metadata     metadata     `json:"metadata"`
	Components   []component  `json:"components"`
	Dependencies []dependency `json:"dependencies"`
}

type metadata struct {
	Component component `json:"component"`
}

type component struct {
	Type       string      `json:"type"`
	Ref        string      `json:"bom-ref"`
	Name       string      `json:"name"`
	Version    string      `json:"version"`
	Scope      string      `json:"scope,omitempty"`
	Hashes     []hash      `json:"hashes,omitempty"`
	Licenses   []license   `json:"licenses,omitempty"`
	PURL       string      `json:"purl"`
	References []reference `json:"externalReferences,omitempty"`
	Properties []property  `json:"properties,omitempty"`
}

type hash struct {
	Algorithm string `json:"alg"`
	Content   string `json:"content"`
}

type license struct {
	License struct {
		ID string `json:"id"`
	} `json:"license"`
}

type reference struct {
	Type string `json:"type"`
	URL  string `json:"url"`
}

type property struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type dependency struct {
	Ref       string   `json:"ref"`
	DependsOn []string `json:"dependsOn,omitempty"`
}

// sum is the SHA-256 of an executable, or "".
func (c component) sum() string {
	if len(c.Hashes) == 0 {
		return ""
	}
	return c.Hashes[0].Content
}

// parseBOM reads what sbom wrote.
func parseBOM(data []byte) (bom, error) {
	var b bom
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(&b)
	return b, err
}

// sbomName is the name of an executable's bill of materials.
func sbomName(program string, p platform) string {
	return program + "_" + p.os + "_" + p.arch + ".cdx.json"
}

// aProbe is an executable that the plugin carries. A scan of the plugin cannot see it,
// because it is compressed.
type aProbe struct {
	program  string
	platform platform
	binary   []byte
}

// carried returns the probes in a directory of embedded files.
func carried(read func(file string) ([]byte, error)) ([]aProbe, error) {
	var found []aProbe
	for _, arch := range embedded.Architectures() {
		file, err := read(embedded.File(arch))
		if err != nil {
			return nil, err
		}
		for _, program := range embedded.Programs() {
			binary, err := embedded.Unpack(file, program)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", embedded.File(arch), err)
			}
			found = append(found, aProbe{program, platform{"linux", arch}, binary})
		}
	}
	return found, nil
}

// sbom returns the bill of materials of an executable that Go built: every module in it,
// as the executable itself says, and Go's standard library. probes are those that it
// carries, with their own modules.
func sbom(program string, p platform, tag string, binary []byte, probes []aProbe) ([]byte, error) {
	main, modules, err := inventory(program, p, tag, binary)
	if err != nil {
		return nil, err
	}
	all := map[string]component{}
	needs := map[string][]string{}
	add := func(ref string, modules []component) {
		for _, m := range modules {
			all[m.Ref] = m
			needs[ref] = append(needs[ref], m.Ref)
		}
	}
	add(main.Ref, modules)
	for _, carried := range probes {
		probe, modules, err := inventory(carried.program, carried.platform, tag, carried.binary)
		if err != nil {
			return nil, err
		}
		probe.References = []reference{{"bom", download(tag, sbomName(carried.program, carried.platform))}}
		add(main.Ref, []component{probe})
		add(probe.Ref, modules)
	}
	out := bom{
		Schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
		Format: "CycloneDX", SpecVersion: "1.6", Version: 1,
		Metadata: metadata{main},
	}
	refs := []string{main.Ref}
	for ref, c := range all {
		out.Components = append(out.Components, c)
		refs = append(refs, ref)
	}
	slices.SortFunc(out.Components, func(a, b component) int { return cmp.Compare(a.Ref, b.Ref) })
	slices.Sort(refs)
	for _, ref := range refs {
		slices.Sort(needs[ref])
		out.Dependencies = append(out.Dependencies, dependency{ref, needs[ref]})
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(out); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// inventory reads what an executable says of itself. It returns the executable as a
// component, and its modules with the standard library.
func inventory(program string, p platform, tag string, binary []byte) (component, []component, error) {
	info, err := buildinfo.Read(bytes.NewReader(binary))
	if err != nil {
		return component{}, nil, fmt.Errorf("%s for %s: reading the build information: %w", program, p, err)
	}
	for key, want := range map[string]string{"GOOS": p.os, "GOARCH": p.arch} {
		if found := setting(info, key); found != want {
			return component{}, nil, fmt.Errorf("%s for %s: expected %s %s in the build information, found %q", program, p, key, want, found)
		}
	}
	if want := info.Main.Path + "/cmd/" + program; info.Path != want {
		return component{}, nil, fmt.Errorf("%s for %s: expected the build information of %s, found %s", program, p, want, info.Path)
	}
	main := component{
		Type: "application", Name: program, Version: tag,
		Hashes: []hash{{"SHA-256", sum(binary)}},
		PURL:   purl(info.Main.Path, tag, "goarch="+p.arch, "goos="+p.os) + "#cmd/" + program,
	}
	main.Ref = main.PURL
	main.Licenses = make([]license, 1)
	main.Licenses[0].License.ID = licenseID
	modules := []component{module("std", strings.TrimPrefix(info.GoVersion, "go"), "")}
	for _, m := range info.Deps {
		if m.Replace != nil {
			return component{}, nil, fmt.Errorf("%s for %s: expected no replaced module in a release, found %s", program, p, m.Path)
		}
		modules = append(modules, module(m.Path, m.Version, m.Sum))
	}
	return main, modules, nil
}

// module describes a Go module. sum is its line in go.sum. That is no hash of a file, so
// it is not among the hashes.
func module(path, version, sum string) component {
	c := component{Type: "library", Name: path, Version: version, Scope: "required", PURL: purl(path, version)}
	if path == "std" { // as scanners know the standard library
		c.Name, c.PURL = "stdlib", "pkg:golang/stdlib@"+version
	}
	c.Ref = c.PURL
	if sum != "" {
		c.Properties = []property{{"go:sum", sum}}
	}
	return c
}

// purl is a package URL of type golang. Scanners compare the path with its capital letters,
// although the type's definition wants lower case.
func purl(path, version string, qualifiers ...string) string {
	parts := strings.Split(path, "/")
	for i, part := range parts {
		parts[i] = url.PathEscape(part)
	}
	return "pkg:golang/" + strings.Join(parts, "/") + "@" + strings.ReplaceAll(url.PathEscape(version), "+", "%2B") +
		"?" + strings.Join(append(qualifiers, "type=module"), "&")
}

func setting(info *debug.BuildInfo, key string) string {
	for _, s := range info.Settings {
		if s.Key == key {
			return s.Value
		}
	}
	return ""
}
