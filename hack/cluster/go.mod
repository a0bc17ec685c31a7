// Runs the test cluster. The components that it runs are pinned by modules of
// their own below components/.
module github.com/kubectl-checklist/kubectl-checklist/hack/cluster

go 1.26.8

require (
	github.com/google/go-containerregistry v0.22.1
	github.com/kubectl-checklist/kubectl-checklist/hack/image v0.0.0
	github.com/spf13/cobra v1.10.2
	golang.org/x/sys v0.50.0
)

replace github.com/kubectl-checklist/kubectl-checklist/hack/image => ../image
