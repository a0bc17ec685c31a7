package builder

import (
	"path"
	"strings"
	"testing"
)

// Every row has a name, a role, a source and a date, and can match what it is compared with:
// lower-case repositories and cleaned paths.
func TestTables(t *testing.T) {
	check := func(key string, r row) {
		t.Helper()
		if key == "" || r.Name == "" || r.Role == 0 || r.source == "" || r.date == "" {
			t.Errorf("%q is not complete: %+v", key, r)
		}
	}
	seen := map[string]bool{}
	for _, i := range images {
		check(i.tail, i.row)
		if strings.ToLower(i.tail) != i.tail || strings.HasPrefix(i.tail, "/") {
			t.Errorf("image %q can never match", i.tail)
		}
		if _, err := path.Match(i.tail, ""); err != nil {
			t.Errorf("image %q: %v", i.tail, err)
		}
		if key := i.registry + " " + i.tail; seen[key] {
			t.Errorf("image %q is listed twice", key)
		} else {
			seen[key] = true
		}
		// An example of each row gives that row's tool.
		registry := i.registry
		if registry == "" {
			registry = "mirror.example"
		}
		if got, ok := OfImage(registry, strings.ReplaceAll("proxy/"+i.tail, "*", "x"), "1", false); !ok || got.Tool != i.Tool {
			t.Errorf("image %q gives %+v", i.tail, got)
		}
	}
	for program, r := range programs {
		check(program, r)
		if path.Clean(program) != program {
			t.Errorf("program %q can never match", program)
		}
		if got := Program(program); got != r.Name {
			t.Errorf("program %q gives %q", program, got)
		}
	}
	for _, c := range commands {
		for _, name := range c.names {
			check(name, c.row)
			for _, chain := range c.words {
				if got := Command(append([]string{"/usr/bin/" + name}, strings.Fields(chain)...)); got != c.Name {
					t.Errorf("command %s %s gives %q", name, chain, got)
				}
			}
		}
	}
	for _, l := range labels {
		check(l.key, l.row)
	}
	for _, table := range []map[string]row{kinds, variables, containerNames} {
		for key, r := range table {
			check(key, r)
		}
	}
	if Signs() < 200 {
		t.Errorf("want all signs counted, got %d", Signs())
	}
}

func TestCommand(t *testing.T) {
	for name, tc := range map[string]struct {
		words string // "_" is a word that is not literal
		want  string
	}{
		"by name":                                   {"buildah bud .", "Buildah"},
		"by its path":                               {"/usr/bin/buildah", "Buildah"},
		"Buildah with an option before":             {"buildah --storage-driver vfs bud .", "Buildah"},
		"Buildah that only signs in":                {"buildah login registry.example", ""},
		"Buildah's version":                         {"buildah --version", ""},
		"known by its path alone":                   {"/kaniko/executor --context=.", "kaniko"},
		"an untidy path":                            {"/kaniko//./executor", "kaniko"},
		"kaniko's version":                          {"/kaniko/executor version", ""},
		"another program of that name":              {"/usr/bin/executor", ""},
		"kaniko in another place, by its options":   {"/tools/executor --dockerfile=Dockerfile --destination=r.example/x:1", "kaniko"},
		"kaniko by the arguments of an image":       {"--context=git://example/web.git --destination=r.example/x:1", "kaniko"},
		"kaniko with separate values":               {"--context dir:///workspace --no-push", "kaniko"},
		"a context of a cluster":                    {"--context=prod --destination=backup", ""},
		"a destination alone":                       {"--destination=backup", ""},
		"an option alone":                           {"--debug", ""},
		"a client that builds":                      {"docker build -t app .", "docker build"},
		"with options before the word":              {"/usr/local/bin/docker --debug buildx build", "docker build"},
		"with an option's value before the word":    {"docker -H tcp://dind:2375 build .", "docker build"},
		"with a context called build":               {"docker --context build ps", ""},
		"an image of the client":                    {"docker image build .", "docker build"},
		"bake":                                      {"docker buildx bake --push", "docker build"},
		"compose that builds":                       {"docker compose -f ci.yaml build", "docker build"},
		"compose that builds as it starts":          {"docker compose up -d web api --build", "docker build"},
		"compose that starts":                       {"docker compose up -d", ""},
		"the old compose":                           {"docker-compose build", "docker build"},
		"a client that does something else":         {"docker ps", ""},
		"the client's cache":                        {"docker builder prune", ""},
		"build is an argument of another word":      {"docker rm build", ""},
		"an image called build":                     {"docker run build", ""},
		"what it does is in a variable":             {"docker _", ""},
		"an option is in a variable":                {"docker _ build .", "docker build"},
		"the client alone":                          {"podman", ""},
		"podman build":                              {"podman build .", "podman build"},
		"podman build with its storage":             {"podman --storage-driver vfs build .", "podman build"},
		"podman run":                                {"podman run alpine", ""},
		"the daemon":                                {"dockerd --host=unix:///x", "Docker-in-Docker"},
		"the daemon's entry point":                  {"/usr/local/bin/dockerd-entrypoint.sh", "Docker-in-Docker"},
		"the daemon's version":                      {"dockerd --version", ""},
		"BuildKit in a user namespace":              {"rootlesskit --net=slirp4netns buildkitd --oci-worker-no-process-sandbox", "BuildKit"},
		"BuildKit's client":                         {"buildctl --addr tcp://buildkitd:1234 build --frontend dockerfile.v0", "buildctl, with BuildKit elsewhere"},
		"BuildKit's client, joined":                 {"buildctl --addr=kube-pod://buildkitd build", "buildctl, with BuildKit elsewhere"},
		"BuildKit's client of a socket":             {"buildctl --addr unix:///run/buildkit/buildkitd.sock build", "BuildKit"},
		"BuildKit's client of an unknown address":   {"buildctl --addr $ADDR build", "BuildKit"},
		"BuildKit's client, the last address":       {"buildctl --addr tcp://b:1 --addr unix:///b.sock build", "BuildKit"},
		"BuildKit's client that only looks":         {"buildctl debug workers", ""},
		"BuildKit in one command":                   {"buildctl-daemonless.sh build", "BuildKit"},
		"earthly":                                   {"earthly +image", "Earthly"},
		"Jib with Maven":                            {"./mvnw -B package jib:build", "Jib"},
		"Jib's full name":                           {"mvn com.google.cloud.tools:jib-maven-plugin:3.4.0:build", "Jib"},
		"Jib with Gradle":                           {"gradle :app:jib --no-daemon", "Jib"},
		"Maven without an image":                    {"mvn package", ""},
		"Spring's image":                            {"./gradlew bootBuildImage", "Cloud Native Buildpacks"},
		"melange":                                   {"melange build --arch x86_64", "melange"},
		"Nix":                                       {"nix --extra-experimental-features nix-command build", "Nix"},
		"Nix's other commands":                      {"nix store gc", ""},
		"a lifecycle of buildpacks":                 {"/cnb/lifecycle/detector", "Cloud Native Buildpacks"},
		"kpack":                                     {"/cnb/process/build-init", "a kpack build"},
		"ko":                                        {"ko resolve -f config/", "ko"},
		"source to image":                           {"s2i build . builder app", "Source-to-Image"},
		"a Jenkins agent":                           {"java -jar /usr/share/jenkins/agent.jar -url x", "a Jenkins agent"},
		"a Jenkins controller":                      {"java -Xmx1g -jar /usr/share/jenkins/jenkins.war", "a Jenkins controller"},
		"another jar":                               {"java -jar /app.jar", ""},
		"a GitLab runner":                           {"gitlab-runner run --user=gitlab-runner", "a GitLab runner"},
		"a GitLab runner that only checks":          {"gitlab-runner verify", ""},
		"a Concourse worker":                        {"concourse worker --work-dir /w", "a Concourse worker"},
		"Concourse's web":                           {"concourse web", ""},
		"a Forgejo runner":                          {"forgejo-runner daemon", "a Forgejo runner"},
		"a GitHub runner":                           {"/home/runner/run.sh", "a GitHub Actions runner"},
		"another run.sh":                            {"/app/run.sh", ""},
		"no builder":                                {"nginx build", ""},
		"the program is in a variable":              {"_ build", ""},
		"rootlesskit that starts itself many times": {strings.Repeat("rootlesskit ", 100) + "buildkitd", ""},
		"nothing":                                   {"", ""},
	} {
		t.Run(name, func(t *testing.T) {
			words := strings.Fields(tc.words)
			for i := range words {
				if words[i] == "_" {
					words[i] = ""
				}
			}
			got := Command(words)
			if got != tc.want {
				t.Errorf("want %q, got %q", tc.want, got)
			}
			if got != "" && roles[got] == 0 {
				t.Errorf("%q is in no table", got)
			}
			if got != "" && !Begins(words[0]) {
				t.Errorf("a command line that begins with %q is not evaluated", words[0])
			}
		})
	}
	if got := RoleOf("a tool of another version"); got != Builds {
		t.Errorf("want an unknown name to build, got %v", got)
	}
}

func TestImages(t *testing.T) {
	daemon := Tool{"Docker-in-Docker", Builds}
	client := Tool{"docker's client", Client}
	for name, tc := range map[string]struct {
		registry, repository, tag string
		digested                  bool
		want                      Image
		ok                        bool
	}{
		"dind":                                 {"docker.io", "library/docker", "dind", false, Image{Tool: daemon}, true},
		"a version of dind":                    {"docker.io", "library/docker", "27.3.1-dind", false, Image{Tool: daemon}, true},
		"dind on a base":                       {"reg.corp:5000", "mirror/docker", "24.0.5-dind-alpine3.18", false, Image{Tool: daemon}, true},
		"dind without root":                    {"docker.io", "library/docker", "27-dind-rootless", false, Image{Tool: daemon, Rootless: true}, true},
		"latest is the daemon":                 {"docker.io", "library/docker", "latest", false, Image{Tool: daemon, Entrypoint: true}, true},
		"no tag is latest":                     {"docker.io", "library/docker", "", false, Image{Tool: daemon, Entrypoint: true}, true},
		"a number is the daemon":               {"docker.io", "library/docker", "29.7.2", false, Image{Tool: daemon, Entrypoint: true}, true},
		"so it is with git":                    {"docker.io", "library/docker", "29-git", false, Image{Tool: daemon, Entrypoint: true}, true},
		"so it is in a mirror":                 {"mirror.example", "hub/library/docker", "29", false, Image{Tool: daemon, Entrypoint: true}, true},
		"cli is the client":                    {"docker.io", "library/docker", "29-cli", false, Image{Tool: client}, true},
		"cli on a base":                        {"docker.io", "library/docker", "29-cli-alpine3.22", false, Image{Tool: client}, true},
		"Windows has the client alone":         {"docker.io", "library/docker", "29-windowsservercore-ltsc2022", false, Image{Tool: client}, true},
		"before 23 a number is the client":     {"docker.io", "library/docker", "20.10.24", false, Image{Tool: client}, true},
		"a digest alone says neither":          {"docker.io", "library/docker", "", true, Image{Tool: daemon, Entrypoint: true, Unsure: true}, true},
		"a tag says it next to a digest":       {"docker.io", "library/docker", "dind", true, Image{Tool: daemon}, true},
		"another owner's docker":               {"docker.io", "shop/docker", "29", false, Image{}, false},
		"another owner's docker with dind":     {"docker.io", "shop/docker", "dind", false, Image{Tool: daemon}, true},
		"dind as a part of a word":             {"docker.io", "shop/docker", "undinded", false, Image{}, false},
		"the client of a cloud":                {"gcr.io", "cloud-builders/docker", "", false, Image{Tool: client}, true},
		"a customer's kaniko of Chainguard":    {"cgr.dev", "shop.example/kaniko", "latest", false, Image{Tool: Tool{"kaniko", Builds}}, true},
		"kaniko of nobody":                     {"docker.io", "shop/kaniko", "latest", false, Image{}, false},
		"rootless BuildKit":                    {"docker.io", "moby/buildkit", "v0.12-rootless", false, Image{Tool: Tool{"BuildKit", Builds}, Rootless: true}, true},
		"a controller before its runners":      {"docker.io", "summerwind/actions-runner-controller", "v1", false, Image{Tool: Tool{"the controller of GitHub Actions runners", Manages}}, true},
		"runners of many names":                {"docker.io", "summerwind/actions-runner-dind", "v1", false, Image{Tool: Tool{"a GitHub Actions runner", Jobs}}, true},
		"a builder of Paketo":                  {"docker.io", "paketobuildpacks/builder-jammy-base", "1", false, Image{Tool: Tool{"Cloud Native Buildpacks", Builds}}, true},
		"a run image of Paketo":                {"docker.io", "paketobuildpacks/run-jammy-base", "1", false, Image{}, false},
		"a longer last element":                {"docker.io", "moby/buildkit-docs", "1", false, Image{}, false},
		"a longer element before":              {"docker.io", "mymoby/buildkit", "1", false, Image{}, false},
		"an element after":                     {"docker.io", "moby/buildkit/docs", "1", false, Image{}, false},
		"the last element alone":               {"docker.io", "buildkit", "1", false, Image{}, false},
		"a registry in which docker is a repo": {"dhi.io", "docker", "29-dind", false, Image{Tool: daemon}, true},
		"nothing":                              {"", "", "", false, Image{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := OfImage(tc.registry, tc.repository, tc.tag, tc.digested)
			if got != tc.want || ok != tc.ok {
				t.Errorf("want %+v %t, got %+v %t", tc.want, tc.ok, got, ok)
			}
		})
	}
}

func TestSandbox(t *testing.T) {
	for handler, want := range map[string]string{
		"runsc": "gVisor", "runsc-kvm": "gVisor", "gvisor": "gVisor", "kata": "Kata Containers", "kata-qemu": "Kata Containers", "Kata-CLH": "Kata Containers",
		"sysbox-runc": "Sysbox", "runc": "", "": "", "katana": "", "notrunsc": "",
	} {
		if got := Sandbox(handler); got != want {
			t.Errorf("%q: want %q, got %q", handler, want, got)
		}
	}
}

// Words come from whoever writes a manifest.
func FuzzCommand(f *testing.F) {
	for _, line := range []string{"docker build .", "rootlesskit buildkitd", "--context=. --destination=x", "mvn :::jib", "java -jar", "docker -H"} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		words := strings.Split(line, " ")
		if name := Command(words); name != "" && (roles[name] == 0 || !Begins(words[0])) {
			t.Errorf("%q is in no table, or is not asked for", name)
		}
		registry, repository, _ := strings.Cut(line, "/")
		OfImage(registry, repository, line, false)
		OfLabels(map[string]string{line: line}, words)
	})
}
