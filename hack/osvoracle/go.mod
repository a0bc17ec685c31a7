// Compares pkg/osv with osv-scalibr, in tests only.
module github.com/kubectl-checklist/kubectl-checklist/hack/osvoracle

go 1.26.8

require (
	github.com/google/osv-scalibr v0.5.3
	github.com/kubectl-checklist/kubectl-checklist v0.0.0
)

require github.com/pandatix/go-cvss v0.6.4 // indirect

replace github.com/kubectl-checklist/kubectl-checklist => ../..
