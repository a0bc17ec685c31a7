package endoflife

import (
	"strings"
	"time"
)

// table has the releases of one distribution, kept by hand: no package that Debian
// serves has them. To bring one up to date, compare each date with the page of Source
// and set made to that day.
type table struct {
	id     string // of os-release
	source string // the vendor's page
	made   time.Time
	// parts is how many numbers of VERSION_ID name a release: RHEL 9.4 is release 9.
	parts int
	// paid says that extended updates have to be bought.
	paid bool
	// version, day of the release, last day of security updates, of extended ones
	rows [][4]string
}

// others are the tables. Dates of the future are those that the vendor has announced.
var others = []table{
	{
		id: "rhel", source: "https://access.redhat.com/support/policy/updates/errata", made: day("2025-03-07"), parts: 1, paid: true,
		rows: [][4]string{
			{"6", "2010-11-10", "2020-11-30", "2024-06-30"},
			{"7", "2014-06-10", "2024-06-30", "2028-06-30"},
			{"8", "2019-05-07", "2029-05-31", "2032-05-31"},
			{"9", "2022-05-18", "2032-05-31", "2035-05-31"},
		},
	},
	{
		id: "rocky", source: "https://wiki.rockylinux.org/rocky/version/", made: day("2025-12-01"), parts: 1,
		rows: [][4]string{
			{"8", "2021-06-21", "2029-05-31", ""},
			{"9", "2022-07-14", "2032-05-31", ""},
			{"10", "2025-06-11", "2035-05-31", ""},
		},
	},
	{
		id: "almalinux", source: "https://wiki.almalinux.org/release-notes/", made: day("2025-05-28"), parts: 1,
		rows: [][4]string{
			{"8", "2021-03-30", "2029-03-01", ""},
			{"9", "2022-05-26", "2032-05-31", ""},
			{"10", "2025-05-27", "2035-05-31", ""},
		},
	},
	{
		// CentOS Linux and CentOS Stream have the same ID. CentOS Linux 8 ended with
		// 2021: who still runs it is told that the later end, of Stream 8, is over too.
		id: "centos", source: "https://www.centos.org/cl-vs-cs/", made: day("2024-12-12"), parts: 1,
		rows: [][4]string{
			{"6", "2011-07-10", "2020-11-30", ""},
			{"7", "2014-07-07", "2024-06-30", ""},
			{"8", "2019-09-24", "2024-05-31", ""},
			{"9", "2021-12-03", "2027-05-31", ""},
			{"10", "2024-12-12", "2030-01-01", ""},
		},
	},
	{
		id: "ol", source: "https://www.oracle.com/a/ocom/docs/elsp-lifetime-069338.pdf", made: day("2023-11-21"), parts: 1, paid: true,
		rows: [][4]string{
			{"6", "2011-02-12", "2021-03-01", "2024-12-01"},
			{"7", "2014-07-23", "2024-12-01", "2026-06-01"},
			{"8", "2019-07-19", "2029-07-01", "2031-07-01"},
			{"9", "2022-07-06", "2032-06-30", "2034-06-30"},
		},
	},
	{
		id: "amzn", source: "https://aws.amazon.com/linux/amazon-linux-2023/faqs/", made: day("2026-08-13"), parts: 1,
		rows: [][4]string{
			{"2018", "2018-04-25", "2023-12-31", ""}, // 2018.03, of Amazon Linux AMI
			{"2", "2018-06-26", "2026-06-30", ""},
			{"2023", "2023-03-15", "2029-06-30", ""},
		},
	},
	{
		id: "fedora", source: "https://docs.fedoraproject.org/en-US/releases/eol/", made: day("2025-12-15"), parts: 1,
		rows: [][4]string{
			{"36", "2022-05-10", "2023-05-16", ""},
			{"37", "2022-11-15", "2023-12-05", ""},
			{"38", "2023-04-18", "2024-05-21", ""},
			{"39", "2023-11-07", "2024-11-26", ""},
			{"40", "2024-04-23", "2025-05-13", ""},
			{"41", "2024-10-29", "2025-12-15", ""},
			{"42", "2025-04-15", "2026-05-13", ""},
			{"43", "2025-10-28", "2026-12-09", ""},
		},
	},
	{
		id: "sles", source: "https://www.suse.com/lifecycle", made: day("2026-01-01"), parts: 2, paid: true,
		rows: [][4]string{
			{"12.3", "2017-09-07", "2019-06-30", "2022-06-30"},
			{"12.4", "2018-12-12", "2020-06-30", "2023-06-30"},
			{"12.5", "2019-12-09", "2024-10-31", "2027-10-31"},
			{"15", "2018-07-16", "2019-12-31", "2022-12-31"},
			{"15.1", "2019-06-24", "2021-01-31", "2024-01-31"},
			{"15.2", "2020-07-21", "2021-12-31", "2024-12-31"},
			{"15.3", "2021-06-22", "2022-12-31", "2025-12-31"},
			{"15.4", "2022-06-21", "2023-12-31", "2026-12-31"},
			{"15.5", "2023-06-20", "2024-12-31", "2027-12-31"},
			{"15.6", "2024-06-26", "2025-12-31", "2028-12-31"},
		},
	},
	{
		id: "opensuse-leap", source: "https://en.opensuse.org/Lifetime", made: day("2025-12-15"), parts: 2,
		rows: [][4]string{
			{"15.2", "2020-07-02", "2022-01-04", ""},
			{"15.3", "2021-06-02", "2022-12-31", ""},
			{"15.4", "2022-06-09", "2023-12-07", ""},
			{"15.5", "2023-06-07", "2024-12-31", ""},
			{"15.6", "2024-06-12", "2026-04-30", ""},
			{"16.0", "2025-10-01", "2027-10-31", ""},
		},
	},
	{
		id: "alpine", source: "https://alpinelinux.org/releases/", made: day("2026-01-27"), parts: 2,
		rows: [][4]string{
			{"3.15", "2021-11-24", "2023-11-01", ""},
			{"3.16", "2022-05-23", "2024-05-23", ""},
			{"3.17", "2022-11-22", "2024-11-22", ""},
			{"3.18", "2023-05-09", "2025-05-09", ""},
			{"3.19", "2023-12-07", "2025-11-01", ""},
			{"3.20", "2024-05-22", "2026-04-01", ""},
			{"3.21", "2024-12-05", "2026-11-01", ""},
			{"3.22", "2025-05-30", "2027-05-01", ""},
			{"3.23", "2025-12-04", "2027-11-01", ""},
		},
	},
	{
		id: "mariner", source: "https://learn.microsoft.com/azure/azure-linux/support-cycle", made: day("2026-07-08"), parts: 2,
		rows: [][4]string{
			{"1.0", "2020-09-16", "2023-08-31", ""},
			{"2.0", "2022-05-25", "2025-07-31", ""},
		},
	},
	{
		id: "azurelinux", source: "https://learn.microsoft.com/azure/azure-linux/support-cycle", made: day("2026-07-08"), parts: 2,
		rows: [][4]string{{"3.0", "2024-08-01", "2027-08-31", ""}},
	},
}

// other finds a release in the tables that are kept by hand.
func other(id, version string) (Release, bool) {
	for i := range others {
		t := &others[i]
		if t.id != id {
			continue
		}
		numbers := strings.Split(version, ".")
		name := strings.Join(numbers[:min(len(numbers), t.parts)], ".")
		for _, row := range t.rows {
			if row[0] == name {
				return Release{
					ID: id, Version: row[0], Released: day(row[1]), Standard: day(row[2]), Extended: day(row[3]),
					Paid: t.paid, Source: t.source, Made: t.made,
				}, true
			}
		}
	}
	return Release{}, false
}
