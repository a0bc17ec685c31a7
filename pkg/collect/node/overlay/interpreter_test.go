package overlay

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestInterpreterFiles(t *testing.T) {
	for name, tc := range map[string]struct {
		exe  string
		argv []string
		want []string
	}{
		"a shell's first word that is no option":      {"/bin/dash", []string{"sh", "-eu", "/tmp/x.sh", "/data/in"}, []string{"/tmp/x.sh"}},
		"options with a value":                        {"/bin/bash", []string{"bash", "-eo", "pipefail", "x.sh"}, []string{"x.sh"}},
		"a shell's plus options":                      {"/bin/bash", []string{"bash", "+x", "x.sh"}, []string{"x.sh"}},
		"inline code of a shell":                      {"/bin/bash", []string{"bash", "-c", "/tmp/secret.sh", "x"}, nil},
		"inline code in a cluster":                    {"/bin/sh", []string{"-sh", "-lc", "/tmp/x.sh"}, nil},
		"an rcfile is code as well":                   {"/usr/bin/bash", []string{"bash", "--rcfile", "/tmp/rc", "x"}, []string{"/tmp/rc", "x"}},
		"after a double hyphen":                       {"/bin/sh", []string{"sh", "--", "-x.sh"}, []string{"-x.sh"}},
		"standard input":                              {"/bin/sh", []string{"sh", "-", "/tmp/x"}, nil},
		"busybox called as a shell":                   {"/bin/busybox", []string{"/bin/sh", "/x.sh"}, []string{"/x.sh"}},
		"busybox and its applet":                      {"/bin/busybox", []string{"busybox", "ash", "/x.sh"}, []string{"/x.sh"}},
		"busybox called as something else":            {"/bin/busybox", []string{"tail", "/tmp/log"}, nil},
		"python with a version":                       {"/usr/bin/python3.11", []string{"python3", "-u", "-W", "error", "app.py", "in.csv"}, []string{"app.py", "app.py/__main__.py"}},
		"a module of python":                          {"/usr/bin/python3.11", []string{"python3", "-m", "http.server"}, []string{"http/server.py", "http/server/__main__.py"}},
		"inline code of python":                       {"/usr/bin/python3", []string{"python3", "-Ic", "print(1)"}, nil},
		"perl's attached values":                      {"/usr/bin/perl", []string{"perl", "-w", "-Mstrict", "-x", "x.pl"}, []string{"x.pl"}},
		"perl's inline code":                          {"/usr/bin/perl", []string{"perl", "-ne", "print", "/tmp/in"}, nil},
		"node's required module":                      {"/usr/local/bin/node", []string{"node", "-r", "./hook.js", "--import=./b.mjs", "--max-old-space-size=1", "app.js"}, []string{"./hook.js", "./b.mjs", "app.js", "app.js/index.js"}},
		"node's evaluated code":                       {"/usr/local/bin/node", []string{"node", "--eval", "1", "x"}, nil},
		"php's file":                                  {"/usr/bin/php8.2", []string{"php", "-d", "a=b", "-f", "x.php"}, []string{"x.php"}},
		"a jar":                                       {"/opt/jdk/bin/java", []string{"java", "-Xmx1g", "-javaagent:/a.jar=k=v", "-jar", "/app.jar", "/in"}, []string{"/a.jar", "/app.jar"}},
		"a class path":                                {"/opt/jdk/bin/java", []string{"java", "-cp", "/a.jar:/b.jar", "Main", "x"}, []string{"/a.jar", "/b.jar", "Main"}},
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
