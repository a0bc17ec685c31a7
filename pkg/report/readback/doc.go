// Package readback tests that every output format says the same: it reads the output of each back
// into the same few numbers, and compares them with the report. It has only tests.
package readback
