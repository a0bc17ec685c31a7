package main

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// ubuntuRelease is the kernel that the other distribution's node has installed.
// What runs is this machine's kernel: namespaces share it.
const ubuntuRelease = "5.15.0-91-generic"

// ubuntuFiles returns the files that make w2 look like Ubuntu 22.04: its identity, a
// kernel image, and a small package database with one archive, so that apt-get -s works
// there. At first nothing is pending. A test plants an update by writing a newer version
// into the security archive's list.
func ubuntuFiles() map[string]string {
	return map[string]string{
		"/usr/lib/os-release": `PRETTY_NAME="Ubuntu 22.04.3 LTS"
NAME="Ubuntu"
VERSION_ID="22.04"
VERSION="22.04.3 LTS (Jammy Jellyfish)"
VERSION_CODENAME=jammy
ID=ubuntu
ID_LIKE=debian
HOME_URL="https://www.ubuntu.com/"
SUPPORT_URL="https://help.ubuntu.com/"
BUG_REPORT_URL="https://bugs.launchpad.net/ubuntu/"
PRIVACY_POLICY_URL="https://www.ubuntu.com/legal/terms-and-policies/privacy-policy"
UBUNTU_CODENAME=jammy
`,
		"/etc/lsb-release":    "DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE=22.04\nDISTRIB_CODENAME=jammy\nDISTRIB_DESCRIPTION=\"Ubuntu 22.04.3 LTS\"\n",
		"/etc/debian_version": "bookworm/sid\n",
		"/etc/issue":          "Ubuntu 22.04.3 LTS \\n \\l\n\n",
		"/etc/apt/sources.list": "deb [trusted=yes] http://archive.ubuntu.com/ubuntu jammy main\n" +
			"deb [trusted=yes] http://security.ubuntu.com/ubuntu jammy-security main\n",
		"/etc/apt/apt.conf.d/01node":                                       "Acquire::Languages \"none\";\n",
		"/var/lib/dpkg/status":                                             ubuntuStatus(),
		"/var/lib/dpkg/available":                                          "\n",
		"/var/lib/dpkg/arch":                                               "amd64\n",
		"/var/lib/dpkg/info/format":                                        "1\n",
		"/var/lib/apt/extended_states":                                     "\n",
		"/var/lib/apt/lists/lock":                                          "\n",
		"/var/lib/apt/lists/partial/.keep":                                 "\n",
		ubuntuLists + "_jammy_InRelease":                                   ubuntuReleaseFile("jammy"),
		ubuntuLists + "_jammy_main_binary-amd64_Packages":                  ubuntuPackages(ubuntuInstalled),
		ubuntuSecurityLists + "_jammy-security_InRelease":                  ubuntuReleaseFile("jammy-security"),
		ubuntuSecurityLists + "_jammy-security_main_binary-amd64_Packages": ubuntuPackages(nil),
		"/boot/vmlinuz-" + ubuntuRelease: bzImageHeader(ubuntuRelease +
			" (buildd@lcy02-amd64-045) #101-Ubuntu SMP Tue Nov 14 13:30:08 UTC 2023"),
		"/boot/config-" + ubuntuRelease: "CONFIG_MODULES=y\n",
	}
}

const (
	ubuntuLists         = "/var/lib/apt/lists/archive.ubuntu.com_ubuntu_dists"
	ubuntuSecurityLists = "/var/lib/apt/lists/security.ubuntu.com_ubuntu_dists"
)

// ubuntuInstalled: name, version, section of each installed package.
var ubuntuInstalled = [][3]string{
	{"base-files", "12ubuntu4.4", "admin"},
	{"bash", "5.1-6ubuntu1", "shells"},
	{"coreutils", "8.32-4.1ubuntu1", "utils"},
	{"curl", "7.81.0-1ubuntu1.15", "web"},
	{"dpkg", "1.21.1ubuntu2.2", "admin"},
	{"libc6", "2.35-0ubuntu3.4", "libs"},
	{"libssl3", "3.0.2-0ubuntu1.12", "libs"},
	{"linux-image-" + ubuntuRelease, "5.15.0-91.101", "kernel"},
	{"linux-image-generic", "5.15.0.91.88", "kernel"},
	{"openssh-server", "1:8.9p1-3ubuntu0.4", "net"},
	{"openssl", "3.0.2-0ubuntu1.12", "utils"},
	{"systemd", "249.11-0ubuntu3.11", "admin"},
	{"tar", "1.34+dfsg-1ubuntu0.1.22.04.1", "utils"},
}

func ubuntuStatus() string {
	var b strings.Builder
	for _, p := range ubuntuInstalled {
		fmt.Fprintf(&b, "Package: %s\nStatus: install ok installed\nPriority: optional\nSection: %s\n"+
			"Maintainer: Ubuntu Developers <ubuntu-devel-discuss@lists.ubuntu.com>\nArchitecture: amd64\nVersion: %s\n"+
			"Description: %[1]s of the test cluster's second distribution\n\n", p[0], p[2], p[1])
	}
	return b.String()
}

func ubuntuPackages(packages [][3]string) string {
	var b strings.Builder
	for _, p := range packages {
		fmt.Fprintf(&b, "Package: %s\nArchitecture: amd64\nVersion: %s\nPriority: optional\nSection: %s\nOrigin: Ubuntu\n"+
			"Filename: pool/main/%[1]s_amd64.deb\nSize: 1000\nSHA256: %s\nDescription: %[1]s\n\n", p[0], p[1], p[2], strings.Repeat("0", 64))
	}
	return b.String()
}

func ubuntuReleaseFile(suite string) string {
	return fmt.Sprintf("Origin: Ubuntu\nLabel: Ubuntu\nSuite: %s\nVersion: 22.04\nCodename: jammy\n"+
		"Date: Thu, 11 Jan 2024 12:00:00 UTC\nArchitectures: amd64\nComponents: main\nDescription: Ubuntu Jammy 22.04\n", suite)
}

// bzImageHeader returns the start of an x86 kernel image. It has only what names its
// version: "HdrS" at 0x202 and, at 0x20e, the offset of the version string minus 0x200
// (Documentation/arch/x86/boot.rst).
func bzImageHeader(version string) string {
	image := make([]byte, 0x1000)
	copy(image[0x1fe:], "\x55\xaa")
	copy(image[0x202:], "HdrS")
	binary.LittleEndian.PutUint16(image[0x206:], 0x020f)
	binary.LittleEndian.PutUint16(image[0x20e:], 0x400)
	copy(image[0x600:], version+"\x00")
	return string(image)
}
