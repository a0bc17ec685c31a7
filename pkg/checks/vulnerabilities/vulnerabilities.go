// Package vulnerabilities judges packages by what a database of vulnerabilities says of
// them, for checks about hosts and about images.
package vulnerabilities

import (
	"fmt"
	"strings"
	"time"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	api "github.com/kubectl-checklist/kubectl-checklist/pkg/api/v1alpha1"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/checks"
)

// maxAge is the age above which a database says too little about what is known today.
// The large ones change every day.
const maxAge = 30 * 24 * time.Hour

// Names is how many packages a message names.
const Names = 3

// None is the message of a pass.
const None = "no known vulnerability in its packages"

// Judge decides about packages that were compared with a database. A fail has no reason
// and no message, which are the caller's.
func Judge(data *fact.VulnerabilityData, h *fact.HostVulnerabilities) (verdict api.Verdict, reason fact.Reason, message string) {
	switch {
	case len(h.Found) > 0:
		return api.Fail, "", ""
	case h.Unsupported != "":
		return api.VerdictUnknown, fact.Unsupported, h.Unsupported
	case data.Incomplete != "":
		return api.VerdictUnknown, fact.Truncated, "no known vulnerability was found, but the database was not read whole: " + data.Incomplete
	case data.Unreadable > 0:
		return api.VerdictUnknown, fact.Corrupt,
			fmt.Sprintf("no known vulnerability was found, but %s of the database could not be read", checks.Count(data.Unreadable, "record"))
	case !h.Covered:
		return api.VerdictUnknown, fact.NotPresent, "the database has no record of " + h.Ecosystem
	case h.UndecidedCount > 0:
		return api.VerdictUnknown, fact.Unsupported,
			fmt.Sprintf("no known vulnerability was found, but %s about its packages cannot be compared", checks.Count(h.UndecidedCount, "record"))
	case h.Modified.IsZero() || data.Compared.IsZero():
		return api.VerdictUnknown, fact.NotPresent, "no known vulnerability was found, but the age of the database is unknown"
	case data.Compared.Sub(h.Modified.Time) > maxAge:
		return api.VerdictUnknown, fact.NotPresent, fmt.Sprintf("no known vulnerability was found, but the database's newest record of %s is %s old",
			h.Ecosystem, checks.Count(int(data.Compared.Sub(h.Modified.Time)/(24*time.Hour)), "day"))
	case h.Packages == 0:
		return api.VerdictUnknown, fact.NotPresent, "no installed package was compared"
	}
	return api.Pass, "", None
}

// Database says what was read of a database.
func Database(data *fact.VulnerabilityData) string {
	text := checks.Count(data.Records, "record")
	if !data.Modified.IsZero() {
		text += ", the newest of " + data.Modified.UTC().Format(time.DateOnly)
	}
	if data.Unreadable > 0 {
		text += fmt.Sprintf("; %d could not be read: %s", data.Unreadable, strings.Join(data.Faults, "; "))
	}
	if data.Incomplete != "" {
		text += "; not read whole: " + data.Incomplete
	}
	return text
}

// Severity is the worst of the vulnerabilities with a fix, medium where it is unknown.
// Without a fix there is nothing to install: low.
func Severity(h *fact.HostVulnerabilities) api.Severity {
	worst := api.Low
	for i := range h.Found {
		v := &h.Found[i]
		severity := api.Severity(v.Severity)
		if severity.Rank() == 0 {
			severity = api.Medium
		}
		if v.Fixed != "" && severity.Rank() > worst.Rank() {
			worst = severity
		}
	}
	return worst
}

// Count counts vulnerabilities: "12 known vulnerabilities, 9 with a fix".
func Count(total, fixable int) string {
	text := fmt.Sprintf("%d known vulnerabilities", total)
	if total == 1 {
		text = "1 known vulnerability"
	}
	if fixable == 0 {
		return text + ", none with a fix"
	}
	return text + fmt.Sprintf(", %d with a fix", fixable)
}

// Describe describes a vulnerability for evidence.
func Describe(v *fact.Vulnerability) string {
	text := v.Installed + " installed, no fix"
	if v.Fixed != "" {
		text = v.Installed + " installed, fixed in " + v.Fixed
	}
	severity := v.Severity
	if severity == "" {
		severity = "unknown"
	}
	text = v.ID + ": " + text + ", severity " + severity
	if len(v.Records) > 0 && (len(v.Records) > 1 || v.Records[0] != v.ID) {
		text += " (" + strings.Join(v.Records, ", ") + ")"
	}
	return text
}
