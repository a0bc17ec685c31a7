// Sleeper says that it runs, and waits for the end of its input.
package main

import (
	"io"
	"os"
)

func main() {
	_, _ = os.Stdout.WriteString("x")
	_, _ = io.Copy(io.Discard, os.Stdin)
}
