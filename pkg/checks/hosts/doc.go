// Package hosts holds the checks of question 4: Are hosts up to date with the
// latest security releases?
package hosts
