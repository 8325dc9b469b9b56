# SPDX-License-Identifier: MIT
#
# A Debian 13 folder with a second generation of stacks: curl on OpenSSL's QUIC,
# nginx, haproxy, aioquic; and beside them, under /opt/backports, curl on ngtcp2.
# The archive is the one that the machine's own apt uses.

# archive LABEL: the address of that Debian archive in this machine's apt sources.
archive() {
  # shellcheck disable=SC2016  # apt's own variables
  apt-get indextargets --format '$(LABEL)|$(REPO_URI)' 'Created-By: Packages' |
    sed -n "s/^$1|//p" | head -n 1
}

trixie_sources() {
  local main=$1 security=$2 suite
  for suite in trixie trixie-updates trixie-backports; do
    echo "deb $main $suite main"
  done
  [ -z "$security" ] || echo "deb $security trixie-security main"
}

# The machine's own transport settings (proxy, certificates, date checks).
trixie_settings() {
  apt-config dump | grep -E '^Acquire::(http|https|Check-|Retries)' || true
}

# shellcheck disable=SC2016  # expanded by the shell inside the folder
trixie_packages='
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -q
  apt-get install -y -q --no-install-recommends \
    ca-certificates curl nginx haproxy python3-aioquic ngtcp2-client ngtcp2-server
  mkdir -p /opt/debs/partial /opt/backports
  apt-get install -y -q --download-only --no-install-recommends -t trixie-backports \
    -o Dir::Cache::archives=/opt/debs curl
  for package in /opt/debs/*.deb; do dpkg -x "$package" /opt/backports; done
  rm -rf /opt/debs
  apt-get clean
'

trixie_build() {
  local folder=$1 main security
  [ "$(id -u)" -eq 0 ] || give_up "debootstrap needs root"
  command -v debootstrap >/dev/null || give_up "debootstrap is not installed"
  unshare --mount true || give_up "no mount namespaces on this machine"
  main=$(archive Debian)
  security=$(archive Debian-Security)
  [ -n "$main" ] || give_up "no Debian archive in this machine's apt sources"
  debootstrap --variant=minbase trixie "$folder" "$main" || give_up "debootstrap failed"
  trixie_sources "$main" "$security" >"$folder/etc/apt/sources.list"
  trixie_settings >"$folder/etc/apt/apt.conf.d/90machine"
  echo force-unsafe-io >"$folder/etc/dpkg/dpkg.cfg.d/unsafe-io"
  printf '#!/bin/sh\nexit 101\n' >"$folder/usr/sbin/policy-rc.d"
  chmod +x "$folder/usr/sbin/policy-rc.d"
  cp -L /etc/resolv.conf "$folder/etc/resolv.conf"
  "$here/enter.sh" "$folder" "$out/log" sh -euxc "$trixie_packages" ||
    give_up "the packages could not be installed"
  # The runs are IPv4 only.
  echo "127.0.0.1 localhost" >"$folder/etc/hosts"
}

provide trixie "$(key "$here/setup.d/trixie.sh")" trixie_build
