#!/bin/sh
# Installs the Debian packages that the project's tests, cluster and demo need:
# only those that are missing, so a second run takes no time and no network.
# This is the project's only list. The first column is the package, the rest says what
# needs it.
#
# usage: hack/deps.sh [--check|--list]
#   --check  names what is missing and exits 1, installs nothing
#   --list   prints the package names
set -eu

list() {
	cat <<'EOF'
binutils                  readelf and objdump: compares the loader with a rebuild
bubblewrap                containers without Kubernetes
busybox-static            busybox image of the test cluster, containers without Kubernetes
bzip2                     unpacks fixtures: lists of RPM packages
ca-certificates           module downloads over TLS
chromium                  shows the HTML page in tests
containernetworking-plugins  pod networks of the test cluster
createrepo-c              repositories of RPM packages: fixtures
db5.3-util                db_load: writes RPM databases of Berkeley DB
debsecan                  oracle for known vulnerabilities
dnf                       oracle for updates of RPM packages
gcc                       race detector, the loader
gcc-aarch64-linux-gnu     the loader for arm64
iproute2                  network namespaces of the test cluster
iptables                  CNI plugins call it
libc6-dev                 race detector
libcap2-bin               getpcaps, capsh: oracles for capability masks
libcap-ng-utils           pscap: oracle for capability masks
makepkg                   vercmp: oracle for versions of pacman
openssl                   oracle for handshakes
pacman-package-manager  pacman: oracle for updates on Arch
prometheus                promtool: oracle for the format prometheus, rules of examples/; scrapes in tests
prometheus-pushgateway    takes the metrics of examples/ in tests
procps                    ps, sysctl
qemu-user-static          runs the arm64 loader
rpm                       oracle for RPM databases
runc                      runs the containers of the test cluster, and those without Kubernetes
sqlite3                   writes kine and RPM fixtures
strace                    lists the probe's system calls
systemd-container         systemd-nspawn: containers without Kubernetes
tmux                      records terminal output for the demo
util-linux                nsenter, unshare, setpriv
zypper                    oracle for updates of RPM packages: patches
EOF
}

packages=$(list | cut -d' ' -f1)
# One query: a name that dpkg does not know is simply not printed.
# shellcheck disable=SC2086 # a list of words
installed=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' $packages 2>/dev/null | sed -n 's/ installed$//p' || true)
missing=
for p in $packages; do
	case " $(echo $installed) " in
	*" $p "*) ;;
	*)
		# Ubuntu has chromium as a snap only, and GitHub's machines have the program without a package.
		[ "$p" = chromium ] && command -v chromium >/dev/null && continue
		missing="$missing $p"
		;;
	esac
done

case ${1-} in
--list)
	echo "$packages"
	exit 0
	;;
--check)
	[ -z "$missing" ] && exit 0
	echo "missing Debian packages:$missing" >&2
	exit 1
	;;
'') ;;
*)
	echo "usage: hack/deps.sh [--check|--list], found \"$1\"" >&2
	exit 2
	;;
esac

[ -z "$missing" ] && exit 0
if ! command -v apt-get >/dev/null; then
	echo "hack/deps.sh: expected a Debian or Ubuntu machine with apt-get; install by hand:$missing" >&2
	exit 2
fi
if [ "$(id -u)" -ne 0 ]; then
	echo "hack/deps.sh: expected root, found uid $(id -u); missing:$missing" >&2
	exit 2
fi
echo "installing Debian packages:$missing" >&2
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
install() {
	# shellcheck disable=SC2086 # a list of words
	apt-get -q -y -o DPkg::Lock::Timeout=120 install --no-install-recommends $missing >"$log" 2>&1
}
# Package lists may be missing, or name versions that the mirror has dropped. Then update.
if ! install; then
	if ! apt-get -q -o DPkg::Lock::Timeout=120 update >"$log" 2>&1 || ! install; then
		cat "$log" >&2
		exit 1
	fi
fi
