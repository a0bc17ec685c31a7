// Package immutable holds the checks of question 2: Is all executable code
// added at image build time?
package immutable
