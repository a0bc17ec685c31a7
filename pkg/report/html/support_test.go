package html

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

// version is the oldest version of Chrome (and of Edge), Firefox and Safari that knows a name.
type version struct{ chrome, firefox, safari float64 }

// newer are the names of browsers' interfaces that the script uses and that Chrome 69, Firefox 63
// or Safari 12 (of 2018) do not all know. The versions are those of MDN's compatibility data, read
// in November 2026.
var newer = map[string]version{
	"new DecompressionStream": {80, 113, 16.4}, // "deflate"
	".stream(":                {76, 69, 14.1},  // of Blob
	".pipeThrough(":           {59, 102, 10.1},
	".replaceChildren(":       {86, 78, 14},
}

// older are those that each of them knows, by the same data.
var older = strings.Split("new Array,new Blob,new DataView,new Map,new Response,new TextDecoder,new Uint32Array,new Uint8Array,"+
	"JSON.parse,Math.ceil,Math.max,Math.min,Object.prototype,Element.prototype,"+
	".add(,.addEventListener(,.append(,.arrayBuffer(,.call(,.catch(,.charCodeAt(,.createElement(,.decode(,.every(,.fill(,"+
	".filter(,.flatMap(,.focus(,.forEach(,.get(,.getElementById(,.getUint32(,.includes(,.indexOf(,.join(,.map(,.push(,.querySelectorAll(,.reduce(,"+
	".remove(,.replace(,.set(,.setAttribute(,.slice(,.sort(,.split(,.subarray(,.then(,.toLowerCase(,.trim(", ",")

// guarded are names that the script asks for before it uses them.
var guarded = []string{"Uint8Array.fromBase64"}

var (
	comments = regexp.MustCompile(`(?m)//.*$`)
	uses     = regexp.MustCompile(`\bnew [A-Z]\w*|\b[A-Z]\w*[a-z]\w*\.[a-zA-Z]\w*|\b(?:JSON)\.\w+|\.[a-zA-Z]\w*\(`)
	// newSyntax is younger than those browsers too: a script that has it does not run at all there.
	newSyntax = regexp.MustCompile(`\?\.[^0-9]|\?\?|\|\|=|&&=|\(\?<|\bstatic \{|\bawait import|[0-9]_[0-9]|[0-9]n\b|catch \{|#[a-z]\w*\(`)
)

// The page says which browsers show all findings. That is what the names in its script need.
func TestBrowsers(t *testing.T) {
	code := strings.ReplaceAll(comments.ReplaceAllString(script, ""), "...", " ") // without spreads
	if s := newSyntax.FindString(code); s != "" {
		t.Errorf("page.js has the syntax %q: browsers that do not know it show no reason", s)
	}
	known := map[string]bool{}
	for _, name := range append(older, guarded...) {
		known[name] = true
	}
	var least version
	for _, name := range uses.FindAllString(code, -1) {
		v, ok := newer[name]
		if !ok && !known[name] {
			t.Errorf("page.js uses %s: look up which browsers know it, and list it here", name)
		}
		least = version{max(least.chrome, v.chrome), max(least.firefox, v.firefox), max(least.safari, v.safari)}
	}
	for name := range newer {
		if !strings.Contains(code, name) {
			t.Errorf("page.js does not use %s any more", name)
		}
	}
	if want := fmt.Sprintf("Chrome or Edge %v, Firefox %v, Safari %v, or newer.", least.chrome, least.firefox, least.safari); needs != want {
		t.Errorf("the page says %q, and its script needs %q", needs, want)
	}
	if !strings.Contains(script, `"`+needs+`"`) {
		t.Errorf("page.js does not say %q", needs)
	}
	docs, err := os.ReadFile("../../../docs/formats.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(strings.Join(strings.Fields(string(docs)), " "), strings.TrimSuffix(needs, ".")) {
		t.Errorf("docs/formats.md does not say %q", needs)
	}
}
