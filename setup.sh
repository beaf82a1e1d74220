#!/usr/bin/env bash
# Has the system packages that carillon needs, with the argument `test` those that its tests need too, with `dino` and
# `image` those of the tests with Dino and of the container image. `make` calls it; it says nothing when all are there.
#
# What is missing is installed with apt-get, which takes root. Where that is not possible, the script says what to
# install and fails. A Prosody that it installs is neither started nor enabled as a service: `carillon dev` runs one
# of its own; the same holds of ejabberd, which the tests use as well. (coturn comes for its clients, which the tests
# let loose on our relay, nginx and HAProxy because tests put them before our front.) What was there before is left as it
# is.
set -euo pipefail
export LC_ALL=C DEBIAN_FRONTEND=noninteractive

POLICY=/usr/sbin/policy-rc.d
UNITS=/etc/systemd/system

# What Dino, which one test drives, needs beside its package: a display, sound, and the codecs of its calls.
dino=(xvfb xdotool dbus pulseaudio pulseaudio-utils gstreamer1.0-plugins-base gstreamer1.0-plugins-good
  gstreamer1.0-plugins-bad gstreamer1.0-nice gstreamer1.0-pulseaudio)

OLDEST_PYTHON=3.11
OLDEST_NODE=20.19 # what the bundler of the page asks for

have() {
  PATH="$PATH:/usr/sbin:/usr/bin:/usr/local/bin" command -v "$1" >/dev/null
}

installed() { # whether dpkg knows the package as installed; true where there is no dpkg to ask
  ! have dpkg-query || [[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" == installed ]]
}

missing_packages() {
  have prosody || echo prosody
  have npm || echo nodejs npm
  "${PYTHON:-python3}" -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
  installed libopus0 || echo libopus0
  if [[ "${1:-}" == dino ]]; then
    have dino-im || echo dino-im "${dino[@]}"
  fi
  if [[ "${1:-}" == image ]]; then
    have buildah || echo buildah
    have debootstrap || echo debootstrap
  fi
  if [[ -z "${1:-}" ]]; then
    return
  fi
  have chromium || echo chromium
  have firefox-esr || echo firefox-esr
  have Xvfb || echo xvfb # Firefox shares no screen without one, and Pidgin does not start
  have pidgin || echo pidgin
  have dbus-daemon || echo dbus-daemon # of these two: a bus that Pidgin is driven by, without the system's own
  have dbus-send || echo dbus-bin
  installed fonts-dejavu-core || echo fonts-dejavu-core
  have turnutils_uclient || echo coturn
  have ejabberdctl || echo ejabberd
  installed prosody-modules || echo prosody-modules # for mod_delegation alone
  have nginx || echo nginx-light
  have haproxy || echo haproxy
  have mandoc || echo mandoc
  have systemd-analyze || echo systemd # looks at units; it need not run
  have curl || echo curl
  have openssl || echo openssl
  have ip || echo iproute2
  have nft || echo nftables
  have faketime || echo faketime
  have redis-server || echo redis-server
}

# Debian starts and enables a service when it is installed. policy-rc.d, which init scripts ask first, forbids the start.
forbid_starts() {
  if [[ -e "$POLICY" || -L "$POLICY" ]]; then
    mv "$POLICY" "$POLICY.before-carillon"
  fi
  trap allow_starts EXIT
  printf '#!/bin/sh\nexit 101\n' >"$POLICY"
  chmod 755 "$POLICY"
}

allow_starts() {
  rm -f "$POLICY"
  if [[ -e "$POLICY.before-carillon" || -L "$POLICY.before-carillon" ]]; then
    mv "$POLICY.before-carillon" "$POLICY"
  fi
}

disable() { # service $1, which has just come with its package
  if have update-rc.d; then
    update-rc.d "$1" disable >/dev/null 2>&1 || true
  fi
  rm -f "$UNITS"/*.target.wants/"$1".{service,socket}
}

old() { # whether version $1 is older than $2
  [[ "$1" != "$2" && "$(printf '%s\n' "$1" "$2" | sort -V | head -n 1)" == "$1" ]]
}

require_versions() {
  local python node
  python="$("${PYTHON:-python3}" -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
  node="$(node --version)"
  if old "$python" "$OLDEST_PYTHON"; then
    echo "setup: Python $python is too old: install $OLDEST_PYTHON or newer, and say make PYTHON=..." >&2
    exit 1
  fi
  if old "${node#v}" "$OLDEST_NODE"; then
    echo "setup: Node.js ${node#v} is too old to build the page: install $OLDEST_NODE or newer" >&2
    exit 1
  fi
}

mapfile -t packages < <(missing_packages "$@" | tr ' ' '\n')
if ((${#packages[@]} == 0)); then
  require_versions
  exit 0
fi
if ! have apt-get || [[ "$(id -u)" != 0 ]]; then
  echo "setup: these packages are missing, and installing them takes root and apt-get:" >&2
  echo "setup:     apt-get install --no-install-recommends ${packages[*]}" >&2
  echo "setup: (elsewhere: the packages of your system for the same programs)" >&2
  exit 1
fi
echo "setup: installing ${packages[*]}"
erlang_was_there="$(installed erlang-base && echo yes || true)"
forbid_starts
apt-get update -qq </dev/null
apt-get install -qq -y --no-install-recommends "${packages[@]}" </dev/null
for service in prosody coturn nginx haproxy ejabberd redis-server; do
  if [[ " ${packages[*]/prosody-modules} " == *" $service"[\ -]* ]]; then
    disable "$service"
  fi
done
if [[ " ${packages[*]} " == *" ejabberd "* && -z "$erlang_was_there" ]]; then
  disable epmd # Erlang's port mapper, of the package erlang-base
fi
require_versions
