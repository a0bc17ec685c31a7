// Package installation tests what a release ships. Its tests build the plugin and pack it
// as a release does. With CHECKLIST_RELEASE, the directory of a release that make release
// wrote, they take that.
package installation
