#!/bin/sh
# Installs the Debian packages that niwaki is built with, those that are missing.
set -eu
packages="g++ cmake ninja-build ccache lld llvm-19-dev libfmt-dev doctest-dev nlohmann-json3-dev
libutf8proc-dev libxxhash-dev"
missing=""
for package in $packages; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
    missing="$missing $package"
done
[ -n "$missing" ] || exit 0
run=""
[ "$(id -u)" = 0 ] || run="sudo"
$run apt-get update -qq
# shellcheck disable=SC2086
$run env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
