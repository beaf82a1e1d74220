#!/usr/bin/env bash
# Builds the image and runs it as its user, on a read-only root file system, beside a Prosody: `make test-image`.
#
# Takes root, buildah, debootstrap and unshare. The base image is made here where the store has none. No container
# runtime is needed: namespaces and chroot do what the test is about.
set -euo pipefail
cd "$(dirname "$0")/.."

kept=${IMAGE_TEST_DIR:-/var/tmp/carillon-image} # base image and layers, so that the next run is quick
work=$(mktemp -d)
python=$PWD/.venv/bin/python
export STORAGE_DRIVER=vfs BUILDAH_ISOLATION=chroot
started=() container=

fail() {
  echo "image: $*" >&2
  exit 1
}

in_store() {
  buildah --root "$kept/store" --runroot "$kept/run" "$@"
}

stop() { # the process $1, which this script has started
  kill "$1" 2>/dev/null || true
  wait "$1" 2>/dev/null || true
}

clean_up() {
  for pid in "${started[@]}"; do
    stop "$pid"
  done
  if [[ -n "$container" ]]; then
    in_store rm "$container" >/dev/null
  fi
  rm -rf "$work"
}
trap clean_up EXIT

base_image() {
  if in_store inspect --type image debian:12-slim >/dev/null 2>&1; then
    return
  fi
  local from
  debootstrap --variant=minbase --include=ca-certificates bookworm "$work/base" >"$work/debootstrap.log" 2>&1 ||
    fail "no base image: $(tail -n 3 "$work/debootstrap.log")"
  cp /etc/ssl/certs/ca-certificates.crt "$work/base/etc/ssl/certs/" # whom this machine trusts
  from=$(in_store from scratch)
  in_store copy -q "$from" "$work/base" / >/dev/null
  in_store commit -q "$from" debian:12-slim >/dev/null
  in_store rm "$from" >/dev/null
}

# A configuration with its Prosody: those that `carillon dev` makes, which is stopped again.
deployment() {
  local port
  port=$("$python" -c 'from tests.ports import free_base_port; print(free_base_port())')
  "$python" -m carillon dev --dir "$work/dev" --base-port "$port" >"$work/dev.log" 2>&1 &
  started+=($!)
  until [[ -e "$work/dev/endpoints.json" ]]; do
    kill -0 "${started[-1]}" || fail "carillon dev: $(tail "$work/dev.log")"
    sleep 0.2
  done
  stop "${started[-1]}"
  unset 'started[-1]'
  page="http://127.0.0.1:$port/"
  mkdir "$work/etc" "$work/var"
  cp -r "$work/dev/carillon.toml" "$work/dev/secrets" "$work/dev/certs" "$work/etc"
  sed -i '/^control = /d' "$work/etc/carillon.toml" # the image says where
  chown -R 10001:10001 "$work/etc" "$work/var"
  (umask 077; exec prosody -F --config "$work/dev/prosody/prosody.cfg.lua") >"$work/prosody.log" 2>&1 &
  started+=($!)
}

of_image() { # a field of the image's configuration, as words
  in_store inspect --type image --format "{{range .OCIv1.Config.$1}}{{println .}}{{end}}" carillon | sed '/^$/d'
}

# Becomes a command in the image as a container runs it: its user, its variables, a read-only root, two volumes.
contained() {
  # shellcheck disable=SC2016
  exec unshare --mount --pid --fork --mount-proc --kill-child=SIGKILL bash -euc '
    root=$1 etc=$2 var=$3
    shift 3
    mount --bind "$root" "$root"
    mount --bind "$etc" "$root/etc/carillon"
    mount -o remount,bind,ro "$root/etc/carillon"
    mount --bind "$var" "$root/var/lib/carillon"
    mount -t proc proc "$root/proc"
    mount --bind /dev "$root/dev"
    mount -o remount,bind,ro "$root"
    exec env -i "$@"
  ' contained "$root" "$work/etc" "$work/var" "${environment[@]}" \
    /usr/sbin/chroot --userspec="$user" --groups= "$root" "$@"
}

base_image
in_store build --pull=never --quiet --format docker --file Containerfile --tag carillon . >/dev/null
deployment
container=$(in_store from --pull=never carillon)
root=$(in_store mount "$container")
user=$(in_store inspect --type image --format '{{.OCIv1.Config.User}}' carillon)
mapfile -t environment < <(of_image Env)
mapfile -t command < <(of_image Entrypoint && of_image Cmd)

[[ "$user" == 10001:10001 ]] || fail "the user is $user"
if (contained touch /opt/carillon/new) 2>/dev/null; then
  fail "its user may write to the root file system"
fi
if (contained sh -c 'command -v gcc || command -v cc || command -v pip') >/dev/null; then
  fail "there is a compiler or pip in it"
fi

(contained "${command[@]}") >"$work/carillon.log" 2>&1 &
started+=($!)
for _ in {1..100}; do
  if (contained carillon health) >"$work/health" 2>&1 && [[ "$(wc -l <"$work/health")" == 4 ]]; then
    break
  fi
  sleep 0.3
done
[[ "$(cat "$work/health")" == $'component: ok\nbridge: ok\nrelay: ok\nfront: ok' ]] ||
  fail "not healthy: $(cat "$work/health"; tail -n 20 "$work/carillon.log")"
curl --silent --fail "$page" | grep -q '<script' || fail "the front does not serve the page"
(contained carillon man run) | grep -q '^\.TH' || fail "no manual page"

carillon=$(pgrep --parent "${started[-1]}") # the first process of its namespace
[[ "$(stat --format=%u "/proc/$carillon")" == 10001 ]] || fail "it runs as another user"
kill -TERM "$carillon"
wait "${started[-1]}" || fail "SIGTERM: it ended with status $?"
unset 'started[-1]'
echo "image: healthy as $user on a read-only root, $(du -sm --apparent-size "$root" | cut -f 1) MB with its base"
