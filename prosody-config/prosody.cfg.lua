-- The Prosody that `carillon dev` runs, and that the tests use. It is a whole configuration of Prosody 0.12 with
-- nothing but modules of Debian's package `prosody`. A word in braces after a dollar sign is filled in by
-- carillon/prosody.py; put your own values there to use this file by hand.
--
-- What carillon needs of ANY Prosody is marked with [carillon].

-- A server of its own: nothing of it lies outside its directory, and no system-wide module is picked up.
data_path = "${data_path}"
certificates = "${data_path}"
pidfile = "${pid_file}"
plugin_paths = {}
installer_plugin_path = "${data_path}/plugins"
run_as_root = ${run_as_root} -- only where carillon dev itself runs as root, as in a container
log = { { levels = { min = "info" }, to = "file", filename = "${log_file}" } }

-- Every listener by name: clients (carillon's front, and XMPP clients by hand) and components, both on loopback.
interfaces = { "${server}" }
c2s_interfaces = { "${server}" }
c2s_ports = { ${c2s_port} }
c2s_direct_tls_ports = {}
component_interfaces = { "${server}" }
component_ports = { ${component_port} }
s2s_ports = {}
http_ports = {}
https_ports = {}

-- [carillon] Small stanzas leave at once: with Nagle's algorithm each hop of the signalling waits up to 40 ms for
-- an acknowledgement, and joining a meeting takes about four times as long.
network_settings = { nagle = false }

modules_enabled = {
  "posix";
  "saslauth"; "disco"; "roster"; "ping"; "time"; "version"; "pep"; "carbons"; "blocklist"; "vcard4"; "vcard_legacy";
  "external_services"; -- [carillon] XEP-0215: where the TURN relay is, asked by clients of their own server
}
modules_disabled = { "s2s"; "s2s_auth_certs" }

-- Plain TCP, because it is loopback; passwords still travel only as SCRAM.
c2s_require_encryption = false
allow_unencrypted_plain_auth = false
password_hash = "SHA-1"

-- [carillon] The TURN relay. The secret is the one of `turn.secret_file` in carillon.toml, from which relay and
-- XMPP server make the same time-limited passwords.
external_service_host = "${turn_host}"
external_service_secret = "${turn_secret}"
external_service_ttl = ${turn_ttl_s}
external_services = {
  { type = "stun", transport = "udp", port = ${turn_udp_port} };
  { type = "turn", transport = "udp", port = ${turn_udp_port}, secret = true };
  { type = "turn", transport = "tcp", port = ${turn_tcp_port}, secret = true };
  -- TURN over TLS, if there is a port for it. Prosody 0.12 makes passwords for "turns" only when told how.
  ${turn_tls_port} > 0 and {
    type = "turns", transport = "tcp", host = "${turn_tls_host}", port = ${turn_tls_port};
    secret = true, algorithm = "turn";
  } or nil;
}

-- People with accounts.
VirtualHost "${domain}"
  authentication = "internal_hashed"

-- [carillon] Guests: a host of their own, because one with accounts refuses anonymous login.
VirtualHost "${guest_domain}"
  authentication = "anonymous"
  disco_items = { { "${proxy}", "file transfers" } } -- a server names only components below its own domain by itself

-- [carillon] The rooms. The focus is an administrator of this service and with that owner of every room; it creates
-- them. Rooms open unlocked, and real addresses are shown: clients recognise the focus by its real JID.
Component "${muc}" "muc"
  name = "Meetings"
  admins = { "focus@${focus}" }
  restrict_room_creation = true
  muc_room_locking = false
  muc_room_default_public_jids = true
  muc_tombstones = false -- a room that the focus has closed can be opened again at once

-- [carillon] The conference focus, an external component. A new connection replaces the old one, so that a
-- restarted focus need not wait until the server has noticed that the old one is gone.
Component "${focus}"
  component_secret = "${component_secret}"
  component_conflict_resolve = "kick_old"
  component_stanza_size_limit = 524288
  modules_disabled = { "s2s" }

-- [carillon] The bytestream proxy (XEP-0065) for file transfers: clients find it among the items of their domain.
Component "${proxy}"
  component_secret = "${component_secret}"
  component_conflict_resolve = "kick_old"
  modules_disabled = { "s2s" }

-- [carillon] Calls of ordinary XMPP clients, to echo@ and ROOM@ this host: an external component as well.
Component "${calls}"
  component_secret = "${component_secret}"
  component_conflict_resolve = "kick_old"
  component_stanza_size_limit = 524288
  modules_disabled = { "s2s" }
