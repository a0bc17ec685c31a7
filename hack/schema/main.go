// Command schema writes the JSON schemas of what kubectl checklist prints and saves, from the Go
// types of its API and their comments. It is run in the folder of the repository:
//
//	go -C hack/schema run . ../../docs/schema
package main

import (
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "expected one argument, the folder for the schemas")
		os.Exit(2)
	}
	for name, text := range schemas("../..") {
		if err := os.WriteFile(filepath.Join(os.Args[1], name), text, 0o644); err != nil { //nolint:gosec // it is published
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}
