package builder

import "testing"

func TestCommand(t *testing.T) {
	for name, tc := range map[string]struct {
		words []string
		want  string
	}{
		"by name":                              {[]string{"buildah", "bud", "."}, "Buildah"},
		"by its path":                          {[]string{"/usr/bin/buildah"}, "Buildah"},
		"known by its path alone":              {[]string{"/kaniko/executor", "--context=."}, "kaniko"},
		"an untidy path":                       {[]string{"/kaniko//./executor"}, "kaniko"},
		"another program of that name":         {[]string{"/usr/bin/executor"}, ""},
		"a client that builds":                 {[]string{"docker", "build", "-t", "app", "."}, "docker build"},
		"with options before the word":         {[]string{"/usr/local/bin/docker", "--debug", "buildx", "build"}, "docker build"},
		"a client that does something else":    {[]string{"docker", "ps"}, ""},
		"build is an argument of another word": {[]string{"docker", "rm", "build"}, ""},
		"what it does is in a variable":        {[]string{"docker", ""}, ""},
		"the client alone":                     {[]string{"podman"}, ""},
		"no builder":                           {[]string{"nginx", "build"}, ""},
		"the program is in a variable":         {[]string{"", "build"}, ""},
		"nothing":                              {nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Command(tc.words); got != tc.want {
				t.Errorf("want %q, got %q", tc.want, got)
			}
		})
	}
}
