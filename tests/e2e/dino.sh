#!/usr/bin/env bash
# Runs Dino with a display of its own, a microphone that hums, and a loudspeaker nobody hears.
#
#   unshare -m dbus-run-session dino.sh HOME AUTHORITIES [XMPP-URI]
#
# It writes HOME/display (the number of the display) and HOME/dino.log (every stanza). AUTHORITIES takes the place of
# the system's certificate authorities, in this mount namespace alone: Dino has no other way to be told of one.
set -eu
home=$1
mount --bind "$2" /etc/ssl/certs/ca-certificates.crt
shift 2

export HOME="$home" XDG_RUNTIME_DIR="$home/run" XDG_DATA_HOME="$home/share" XDG_CONFIG_HOME="$home/config"
export XDG_CACHE_HOME="$home/cache" GDK_BACKEND=x11 GSK_RENDERER=cairo
mkdir -p "$XDG_RUNTIME_DIR" "$XDG_CONFIG_HOME"
chmod 700 "$XDG_RUNTIME_DIR"

Xvfb -displayfd 3 -screen 0 1200x800x24 3>"$home/display" >"$home/xvfb.log" 2>&1 &
# A bare sine source comes in bursts; the monitor of a sink that plays it is a steady microphone.
pulseaudio --daemonize=no --exit-idle-time=-1 -n -L module-native-protocol-unix \
  -L "module-null-sink sink_name=hum rate=48000" -L "module-sine sink=hum frequency=440" \
  -L "module-remap-source source_name=microphone master=hum.monitor" \
  -L "module-null-sink sink_name=loudspeaker rate=48000" >"$home/pulseaudio.log" 2>&1 &
until [[ -s "$home/display" ]] && pactl info >/dev/null 2>&1; do sleep 0.1; done
pactl set-default-source microphone
pactl set-default-sink loudspeaker
DISPLAY=":$(cat "$home/display")" exec dino-im --print-xmpp=all "$@" >"$home/dino.log" 2>&1
