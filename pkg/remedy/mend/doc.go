// Package mend says which change answers which finding. Everything in it is a pure function of
// facts and findings: it reads nothing and writes nothing. Package remedy turns mends into patches
// of objects.
//
// A mend is safe only if something measured shows that the pods do not need what it takes away.
// Every other mend is one to try, and says what may break.
package mend
