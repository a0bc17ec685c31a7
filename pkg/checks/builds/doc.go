// Package builds holds the checks of question 1: Are builds running separately
// from the production cluster?
package builds
