// Package secrets holds the checks of question 5: Are secrets encrypted at rest
// and in transit?
package secrets
