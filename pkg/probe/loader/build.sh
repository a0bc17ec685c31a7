#!/bin/sh
# Builds loader_linux_amd64 and loader_linux_arm64 from loader.c into the
# directory named by the first argument, by default the one of this script.
#
# The objects are checked in, and made by gcc 12.2.0 and binutils 2.40 (Debian
# 12: packages gcc and gcc-aarch64-linux-gnu). Another version may choose other
# instructions. CC_AMD64 and CC_ARM64 name other compilers.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=${1:-$here}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

build() { # ARCH COMPILER FLAGS...
	arch=$1 cc=$2
	shift 2
	"$cc" "$@" -std=c11 -Os -Wall -Wextra -Werror -mgeneral-regs-only \
		-ffreestanding -nostdlib -static -fno-pie -no-pie \
		-fno-stack-protector -fno-stack-clash-protection -fno-tree-loop-distribute-patterns \
		-fno-asynchronous-unwind-tables -fno-ident \
		-Wl,-T,"$here/loader.ld" -Wl,--build-id=none -Wl,-z,max-page-size=65536 -Wl,-z,norelro \
		-o "$tmp/$arch" "$here/loader.c"

	# The kernel reads the segment alone. Cut what is behind it (section table
	# and symbols), and clear the header's fields about that: e_shoff, and
	# e_shentsize, e_shnum, e_shstrndx. At 96 is the first p_filesz.
	size=$(od -An -tu8 -j96 -N8 "$tmp/$arch" | tr -d ' ')
	head -c "$size" "$tmp/$arch" >"$tmp/cut"
	head -c 8 /dev/zero | dd of="$tmp/cut" bs=1 seek=40 conv=notrunc 2>/dev/null
	head -c 6 /dev/zero | dd of="$tmp/cut" bs=1 seek=58 conv=notrunc 2>/dev/null
	cat "$tmp/cut" >"$out/loader_linux_$arch"
}

build amd64 "${CC_AMD64:-x86_64-linux-gnu-gcc}" -m64 -fcf-protection=none
build arm64 "${CC_ARM64:-aarch64-linux-gnu-gcc}" -mbranch-protection=none
