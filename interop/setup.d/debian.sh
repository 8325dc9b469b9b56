# SPDX-License-Identifier: MIT
#
# Programs from the machine's own Debian. chromium and debootstrap are installed;
# caddy is only unpacked, since its package would start a service.

debian_install() {
  local package missing=()
  for package in chromium debootstrap; do
    rm -f "$out/skipped/$package"
    command -v "$package" >/dev/null || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  say "installing ${missing[*]} ..."
  if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    {
      apt-get update -q
      DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"
    } >"$out/log/setup-debian.log" 2>&1 9>&- || true
  fi
  for package in "${missing[@]}"; do
    command -v "$package" >/dev/null || skip "$package" "no Debian package could be installed"
  done
}

caddy_unpack() {
  command -v apt-get >/dev/null || give_up "no apt-get on this machine"
  cd "$1" || return
  # An unprivileged apt complains about a folder that its sandbox user cannot enter.
  apt-get -o APT::Sandbox::User=root download caddy ||
    { apt-get update -q && apt-get -o APT::Sandbox::User=root download caddy; } ||
    give_up "the Debian package could not be fetched"
  dpkg -x caddy_*.deb . && rm caddy_*.deb
}

debian_install
provide caddy "$(key "$here/setup.d/debian.sh")" caddy_unpack
