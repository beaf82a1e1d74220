#!/usr/bin/env bash
# Runs Pidgin with a display and a session bus of its own.
#
#   pidgin.sh HOME
#
# HOME has accounts.xml and prefs.xml. The bus is at HOME/bus; HOME/pidgin.log is what Pidgin says.
set -eu
home=$1
export HOME="$home" XDG_RUNTIME_DIR="$home/run" DBUS_SESSION_BUS_ADDRESS="unix:path=$home/bus" NO_AT_BRIDGE=1
mkdir -p "$XDG_RUNTIME_DIR"
chmod 700 "$XDG_RUNTIME_DIR"

Xvfb -displayfd 3 -screen 0 800x600x24 3>"$home/display" >"$home/xvfb.log" 2>&1 &
dbus-daemon --session --nofork --nopidfile --address="$DBUS_SESSION_BUS_ADDRESS" >"$home/bus.log" 2>&1 &
until [[ -s "$home/display" && -S "$home/bus" ]]; do sleep 0.05; done
DISPLAY=":$(cat "$home/display")" exec pidgin --config="$home" --debug --multiple >"$home/pidgin.log" 2>&1
