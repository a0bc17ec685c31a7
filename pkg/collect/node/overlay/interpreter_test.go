package overlay

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
)

func TestInterpreterFiles(t *testing.T) {
	for name, tc := range map[string]struct {
		exe  string
		argv []string
		want []string
	}{
		"a shell's first word that is no option":  {"/bin/dash", []string{"sh", "-eu", "/tmp/x.sh", "/data/in"}, []string{"/tmp/x.sh"}},
		"options with a value":                    {"/bin/bash", []string{"bash", "-eo", "pipefail", "x.sh"}, []string{"x.sh"}},
		"a shell's plus options":                  {"/bin/bash", []string{"bash", "+x", "x.sh"}, []string{"x.sh"}},
		"inline code of a shell":                  {"/bin/bash", []string{"bash", "-c", "/tmp/secret.sh", "x"}, nil},
		"inline code in a cluster":                {"/bin/sh", []string{"-sh", "-lc", "/tmp/x.sh"}, nil},
		"an rcfile is code as well":               {"/usr/bin/bash", []string{"bash", "--rcfile", "/tmp/rc", "x"}, []string{"/tmp/rc", "x"}},
		"after a double hyphen":                   {"/bin/sh", []string{"sh", "--", "-x.sh"}, []string{"-x.sh"}},
		"standard input":                          {"/bin/sh", []string{"sh", "-", "/tmp/x"}, nil},
		"busybox called as a shell":               {"/bin/busybox", []string{"/bin/sh", "/x.sh"}, []string{"/x.sh"}},
		"busybox and its applet":                  {"/bin/busybox", []string{"busybox", "ash", "/x.sh"}, []string{"/x.sh"}},
		"a static busybox and its applet":         {"/bin/busybox.static", []string{"busybox.static", "sh", "/x.sh"}, []string{"/x.sh"}},
		"perl for one architecture":               {"/usr/bin/perl5.36-x86_64-linux-gnu", []string{"perl", "/x"}, []string{"/x"}},
		"python with flags of its build":          {"/usr/local/bin/python3.7m", []string{"python3", "/x"}, []string{"/x", "/x/__main__.py"}},
		"luajit's beta":                           {"/usr/bin/luajit-2.1.0-beta3", []string{"luajit", "/x"}, []string{"/x"}},
		"an exporter of metrics is none":          {"/bin/node_exporter", []string{"node_exporter", "/x"}, nil},
		"busybox called as something else":        {"/bin/busybox", []string{"tail", "/tmp/log"}, nil},
		"python with a version":                   {"/usr/bin/python3.11", []string{"python3", "-u", "-W", "error", "app.py", "in.csv"}, []string{"app.py", "app.py/__main__.py"}},
		"a module of python":                      {"/usr/bin/python3.11", []string{"python3", "-m", "http.server"}, []string{"http/server.py", "http/server/__main__.py"}},
		"inline code of python":                   {"/usr/bin/python3", []string{"python3", "-Ic", "print(1)"}, nil},
		"perl's attached values":                  {"/usr/bin/perl", []string{"perl", "-w", "-Mstrict", "-x", "x.pl"}, []string{"x.pl"}},
		"perl's inline code":                      {"/usr/bin/perl", []string{"perl", "-ne", "print", "/tmp/in"}, nil},
		"node's required module":                  {"/usr/local/bin/node", []string{"node", "-r", "./hook.js", "--import=./b.mjs", "--max-old-space-size=1", "app.js"}, []string{"./hook.js", "./b.mjs", "app.js", "app.js/index.js"}},
		"node's evaluated code":                   {"/usr/local/bin/node", []string{"node", "--eval", "1", "x"}, nil},
		"php's file":                              {"/usr/bin/php8.2", []string{"php", "-d", "a=b", "-f", "x.php"}, []string{"x.php"}},
		"a jar":                                   {"/opt/jdk/bin/java", []string{"java", "-Xmx1g", "-javaagent:/a.jar=k=v", "-jar", "/app.jar", "/in"}, []string{"/a.jar", "/app.jar"}},
		"a class path":                            {"/opt/jdk/bin/java", []string{"java", "-cp", "/a.jar:/b.jar", "Main", "x"}, []string{"/a.jar", "/b.jar", "Main"}},
		"an argument file decides what java runs": {"/opt/jdk/bin/java", []string{"java", "@/opt/args", "--add-modules", "x.y", "Main"}, []string{"/opt/args", "Main"}},
		"dotnet":                                      {"/usr/share/dotnet/dotnet", []string{"dotnet", "exec", "--depsfile", "x.json", "/app/app.dll", "secret"}, []string{"/app/app.dll"}},
		"dotnet's file without a command":             {"/usr/share/dotnet/dotnet", []string{"dotnet", "app.dll", "exec"}, []string{"app.dll"}},
		"mono":                                        {"/usr/bin/mono-sgen", []string{"mono", "--debug", "/app/x.exe"}, []string{"/app/x.exe"}},
		"awk's program file, not its data":            {"/usr/bin/mawk", []string{"awk", "-F", ":", "-f", "/tmp/x.awk", "-v", "a=b", "/data"}, []string{"/tmp/x.awk"}},
		"awk's inline program":                        {"/usr/bin/gawk", []string{"gawk", "{ print }", "/data"}, nil},
		"gawk's included file and long option":        {"/usr/bin/gawk", []string{"gawk", "-i", "inc.awk", "--file=x.awk", "/data"}, []string{"inc.awk", "x.awk"}},
		"sed's script file after an expression":       {"/bin/sed", []string{"sed", "-n", "-e", "p", "-f", "/tmp/x.sed", "/data"}, []string{"/tmp/x.sed"}},
		"sed's inline script":                         {"/bin/sed", []string{"sed", "-i.bak", "s/a/b/", "/data"}, nil},
		"sed's script file after its data":            {"/bin/sed", []string{"sed", "-n", "/data", "-f", "/tmp/x.sed"}, []string{"/tmp/x.sed"}},
		"awk's script file after its data is data":    {"/usr/bin/gawk", []string{"gawk", "-e", "{ print }", "-f", "a.awk", "/data", "-f", "b.awk"}, []string{"a.awk"}},
		"make's files by default":                     {"/usr/bin/make", []string{"make", "-j4", "all"}, []string{"GNUmakefile", "makefile", "Makefile"}},
		"make's file below its directory":             {"/usr/bin/make", []string{"make", "-C/src", "-C", "sub", "-f", "x.mk", "all"}, []string{"/src/sub/x.mk"}},
		"make's long options":                         {"/usr/bin/gmake", []string{"gmake", "--directory=/src", "--makefile=x.mk"}, []string{"/src/x.mk"}},
		"Rscript":                                     {"/usr/bin/Rscript", []string{"Rscript", "--vanilla", "x.R", "in"}, []string{"x.R"}},
		"R, as Rscript starts it":                     {"/usr/lib/R/bin/exec/R", []string{"R", "--no-echo", "--file=/tmp/x.R", "--args", "in"}, []string{"/tmp/x.R"}},
		"julia":                                       {"/opt/julia/bin/julia", []string{"julia", "-t", "4", "-L", "pre.jl", "x.jl"}, []string{"pre.jl", "x.jl"}},
		"lua's code and file":                         {"/usr/bin/lua5.4", []string{"lua", "-e", "x=1", "-l", "mod", "x.lua"}, []string{"x.lua"}},
		"deno":                                        {"/usr/bin/deno", []string{"deno", "run", "--allow-net", "-c", "deno.json", "/srv/x.ts", "arg"}, []string{"/srv/x.ts"}},
		"deno's inline code":                          {"/usr/bin/deno", []string{"deno", "eval", "/srv/x.ts"}, nil},
		"bun":                                         {"/usr/bin/bun", []string{"bun", "--preload", "p.ts", "run", "x.ts"}, []string{"p.ts", "x.ts", "x.ts/index.ts"}},
		"node's debugger":                             {"/usr/bin/node", []string{"node", "inspect", "x.js"}, []string{"x.js", "x.js/index.js"}},
		"pwsh's file":                                 {"/opt/microsoft/powershell/7/pwsh", []string{"pwsh", "-NoProfile", "-ExecutionPolicy", "Bypass", "-File", "/tmp/x.ps1"}, []string{"/tmp/x.ps1"}},
		"pwsh's file without an option":               {"/usr/bin/pwsh", []string{"pwsh", "-nologo", "x.ps1", "-File"}, []string{"x.ps1"}},
		"pwsh's inline code":                          {"/usr/bin/pwsh", []string{"pwsh", "-c", "/tmp/x.ps1"}, nil},
		"expect":                                      {"/usr/bin/expect", []string{"expect", "-f", "/tmp/x.exp", "arg"}, []string{"/tmp/x.exp", "arg"}},
		"tclsh with a version":                        {"/usr/bin/tclsh8.6", []string{"tclsh", "x.tcl"}, []string{"x.tcl"}},
		"guile":                                       {"/usr/bin/guile-3.0", []string{"guile", "-e", "main", "-s", "x.scm"}, []string{"x.scm"}},
		"an escript":                                  {"/usr/lib/erlang/erts-13.1/bin/beam.smp", []string{"beam.smp", "--", "-root", "/usr/lib/erlang", "-boot", "/opt/b", "-run", "escript", "start", "-extra", "/tmp/x.escript", "a"}, []string{"/opt/b.boot", "/opt/b", "/tmp/x.escript"}},
		"an Elixir script":                            {"/usr/lib/erlang/erts-13.1/bin/beam.smp", []string{"beam.smp", "-boot", "/opt/b", "-s", "elixir", "start_cli", "-extra", "--no-halt", "/tmp/x.exs"}, []string{"/opt/b.boot", "/opt/b", "/tmp/x.exs"}},
		"a WebAssembly module":                        {"/usr/bin/wasmtime", []string{"wasmtime", "run", "--dir", "/x", "--preload", "env=/a.wasm", "/b.wasm", "arg"}, []string{"/a.wasm", "/b.wasm"}},
		"a program of another processor":              {"/usr/bin/qemu-aarch64-static", []string{"qemu-aarch64-static", "-L", "/sysroot", "/tmp/prog", "/x"}, []string{"/tmp/prog"}},
		"an emulated machine is none":                 {"/usr/bin/qemu-system-x86_64", []string{"qemu-system-x86_64", "/disk"}, nil},
		"an interpreter that ld.so runs":              {"/lib64/ld-linux-x86-64.so.2", []string{"ld.so", "--library-path", "/lib", "/usr/bin/python3", "/tmp/x.py"}, []string{"/tmp/x.py", "/tmp/x.py/__main__.py"}},
		"musl's ld.so":                                {"/lib/ld-musl-x86_64.so.1", []string{"ld.so", "--preload", "x.so", "/bin/sh", "/tmp/x"}, []string{"/tmp/x"}},
		"a program that ld.so runs is mapped":         {"/lib64/ld-linux-x86-64.so.2", []string{"ld.so", "/tmp/prog", "/x"}, nil},
		"ld.so that runs itself":                      {"/lib64/ld-linux-x86-64.so.2", []string{"ld.so", "/lib64/ld-linux-x86-64.so.2", "/bin/sh", "/x"}, nil},
		"busybox as awk":                              {"/bin/busybox", []string{"awk", "-f", "/tmp/x.awk"}, []string{"/tmp/x.awk"}},
		"busybox that calls itself":                   {"/bin/busybox", []string{"busybox", "busybox", "sh", "/x"}, nil},
		"a wrapper is none":                           {"/usr/bin/tini", []string{"tini", "--", "/tmp/x"}, nil},
		"env is none":                                 {"/usr/bin/env", []string{"env", "/tmp/x"}, nil},
		"ldconfig is none":                            {"/sbin/ldconfig", []string{"ldconfig", "/tmp/x"}, nil},
		"a static shell":                              {"/bin/bash-static", []string{"bash", "/x"}, []string{"/x"}},
		"no words":                                    {"/bin/sh", nil, nil},
		"a value that is missing":                     {"/bin/bash", []string{"bash", "-o"}, nil},
		"an empty word":                               {"/bin/sh", []string{"sh", "", "x"}, nil},
		"a program that only begins like one is none": {"/usr/bin/python3-config", []string{"x", "y"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var argv [][]byte
			for _, a := range tc.argv {
				argv = append(argv, []byte(a))
			}
			var got []string
			if i := interpreterOf(tc.exe); i != nil {
				got = i.command(argv).files
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
		})
	}
}

// When code comes from standard input.
func TestInterpreterStdin(t *testing.T) {
	for name, tc := range map[string]struct {
		exe  string
		argv []string
		want bool
	}{
		"a shell without words":               {"/bin/sh", []string{"sh"}, true},
		"a login shell":                       {"/bin/bash", []string{"-bash", "-l"}, true},
		"a shell's hyphen":                    {"/bin/sh", []string{"sh", "-"}, true},
		"a shell's -s with words":             {"/bin/bash", []string{"bash", "-es", "a"}, true},
		"a shell's -s after a double hyphen":  {"/bin/bash", []string{"bash", "-s", "--", "a"}, true},
		"a shell's +s":                        {"/bin/bash", []string{"bash", "+s", "x.sh"}, false},
		"a script":                            {"/bin/sh", []string{"sh", "x.sh", "-s"}, false},
		"inline code":                         {"/bin/sh", []string{"sh", "-c", "x", "-s"}, false},
		"a shell's rcfile and standard input": {"/bin/bash", []string{"bash", "--rcfile", "/tmp/rc"}, true},
		"php's file is all":                   {"/usr/bin/php", []string{"php", "-f", "x.php"}, false},
		"a double hyphen and nothing":         {"/bin/sh", []string{"sh", "--"}, true},
		"python's hyphen":                     {"/usr/bin/python3", []string{"python3", "-", "x"}, true},
		"python's module":                     {"/usr/bin/python3", []string{"python3", "-m", "x"}, false},
		"awk's standard input is data":        {"/usr/bin/mawk", []string{"awk", "-f", "-"}, false},
		"sed's standard input is data":        {"/bin/sed", []string{"sed", "p"}, false},
		"busybox as a shell":                  {"/bin/busybox", []string{"sh"}, true},
		"busybox as another program":          {"/bin/busybox", []string{"cat"}, false},
		"make's file":                         {"/usr/bin/make", []string{"make", "-f", "-"}, true},
		"pwsh":                                {"/usr/bin/pwsh", []string{"pwsh", "-NoExit"}, true},
		"java reads no code":                  {"/usr/bin/java", []string{"java"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			var argv [][]byte
			for _, a := range tc.argv {
				argv = append(argv, []byte(a))
			}
			if got := interpreterOf(tc.exe).command(argv); got.stdin != tc.want {
				t.Errorf("standard input %t, files %q", got.stdin, got.files)
			}
		})
	}
}

func TestDescriptorOf(t *testing.T) {
	for name, want := range map[string]int{
		"/dev/stdin": 0, "/dev/fd/3": 3, "/proc/self/fd/63": 63, "/proc/thread-self/fd/4": 4,
		"/dev/fd/": -1, "/dev/fd/x": -1, "/dev/fd/+1": -1, "/dev/fd/-1": -1, "/dev/fd/99999999999999999999": -1, "/dev/stdout": -1, "/proc/1/fd/3": -1,
	} {
		if n, ok := descriptorOf(name); ok != (want >= 0) || ok && n != want {
			t.Errorf("%s: %d, %t", name, n, ok)
		}
	}
}

// Whatever a command line is: what comes out are words of it, or parts of words with
// a known ending.
func FuzzCommand(f *testing.F) {
	for _, i := range append(slices.Clone(interpreters), emulator, loader) {
		name := "ld.so"
		if len(i.names) > 0 {
			name = i.names[0]
		}
		f.Add(name, "x\x00-f\x00/tmp/x\x00--file=/y\x00-c\x00-C\x00dir")
		f.Add(name, "x\x00--\x00-\x00@a\x00-cp\x00/a:/b\x00run\x00x.wasm")
		f.Add(name, name+"\x00/lib/ld.so\x00python3\x00-m\x00a.b")
	}
	f.Fuzz(func(t *testing.T, exe, line string) {
		i := interpreterOf(exe)
		if i == nil {
			return
		}
		argv := procfs.SplitCmdline([]byte(line))
		c := i.command(argv)
		for _, name := range c.files {
			if name == "" || len(name) >= pathMax {
				t.Fatalf("a name of %d bytes", len(name))
			}
			descriptorOf(name)
		}
		if len(c.files) > maxScriptNames {
			t.Fatalf("%d names", len(c.files))
		}
	})
}
