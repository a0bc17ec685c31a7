// Package examples tests the examples: CronJobs, pipelines, alerts and a dashboard. It has no
// code of its own. What needs a cluster is tested in hack/e2e.
package examples
