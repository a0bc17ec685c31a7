package mend

import "testing"

func TestPathString(t *testing.T) {
	for want, path := range map[string]Path{
		"securityContext.capabilities.add":               fields("securityContext", "capabilities", "add"),
		"volumes[name=tmp]":                              {item("volumes", "name", "tmp")},
		"ports[0].hostPort":                              {at("ports", 0), {Name: "hostPort"}},
		"volumeMounts[mountPath=/var/run/app.d]":         {item("volumeMounts", "mountPath", "/var/run/app.d")},
		`volumeMounts[mountPath="/a].b"]`:                {item("volumeMounts", "mountPath", "/a].b")},
		`metadata.annotations."a.b/c"`:                   {{Name: "metadata"}, {Name: "annotations"}, {Name: "a.b/c"}},
		`securityContext.sysctls[name="kernel.\x1b[1m"]`: {{Name: "securityContext"}, item("sysctls", "name", "kernel.\x1b[1m")},
	} {
		if got := path.String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
