// Package vaporacle compares what package admission predicts with what a real API server
// answers, and its matching with the API server's own matcher. It has only tests.
package vaporacle
