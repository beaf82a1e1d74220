-- What Prosody needs for carillon, as `carillon snippet prosody` prints it.
--
-- 1. Put this into a file of its own that Prosody reads, like /etc/prosody/conf.d/carillon.cfg.lua. It holds secrets:
--    nobody but Prosody's user may read it.
@if delegation
-- 2. Have the community module mod_delegation (Debian: the package prosody-modules), and add "delegation" to
--    modules_enabled in prosody.cfg.lua, for people with accounts on ${domain}.
@end
@if not delegation
-- 2. Add "external_services" to modules_enabled in prosody.cfg.lua, for people with accounts on ${domain}.
@end
-- 3. Restart Prosody.
@if not delegation
--
-- Nothing but modules that come with Prosody 0.12 is used.
@end

-- Small stanzas leave at once: with Nagle's algorithm each hop of the signalling waits up to 40 ms for an
-- acknowledgement, and joining a meeting takes about four times as long.
network_settings = { nagle = false }
@if not delegation

-- Where the TURN relay is (XEP-0215), for clients that ask their own server. From the secret relay and server make the
-- same time-limited passwords.
external_service_host = "${turn_host}"
external_service_secret = "${turn_secret}"
external_service_ttl = ${turn_ttl_s}
external_services = {
  { type = "stun", transport = "udp", port = ${turn_udp_port} };
  { type = "turn", transport = "udp", port = ${turn_udp_port}, secret = true };
  { type = "turn", transport = "tcp", port = ${turn_tcp_port}, secret = true };
@if turns
  -- Prosody 0.12 makes passwords for "turns" only when told how.
  {
    type = "turns", transport = "tcp", host = "${turn_tls_host}", port = ${turn_tls_port};
    secret = true, algorithm = "turn";
  };
@end
}
@end
@if other_component_port

-- Where Prosody listens for carillon's components; by itself it does on port 5347.
component_ports = { ${component_port} }
@end
@if other_machine

-- carillon connects from another machine.
component_interfaces = { "${server}" }
@end

-- The rooms. The focus is an administrator of this service and with that owner of every room; it creates them. Rooms
-- open unlocked, and real addresses are shown: clients recognise the focus by its real JID.
Component "${muc}" "muc"
  name = "Meetings"
  admins = { "focus@${focus}" }
  component_admins_as_room_owners = true -- Prosody 0.12 does so by itself, 13 only when told
  restrict_room_creation = true
  muc_room_locking = false
  muc_room_default_public_jids = true
  muc_tombstones = false -- a room that the focus has closed can be opened again at once

-- The conference focus. A new connection replaces the old one, so that a restarted focus need not wait until the
-- server has noticed that the old one is gone.
Component "${focus}"
  component_secret = "${component_secret}"
  component_conflict_resolve = "kick_old"
@if delegation
  modules_enabled = { "delegation" }
@end
@if calls_enabled

-- Calls of ordinary XMPP clients, to echo@ and ROOM@ this host.
Component "${calls}"
  component_secret = "${component_secret}"
  component_conflict_resolve = "kick_old"
@end
@if proxy_enabled

-- The proxy for file transfers (XEP-0065), instead of Prosody's own "proxy65".
Component "${proxy}"
  component_secret = "${component_secret}"
  component_conflict_resolve = "kick_old"
@end
@if guest_host

-- Guests: a host of their own, because one with accounts refuses anonymous login. carillon's front connects without
-- TLS, on this machine; guests have no password that TLS would guard.
VirtualHost "${guest_domain}"
  authentication = "anonymous"
  c2s_require_encryption = false
@if delegation
  modules_enabled = { "delegation" }
  delegations = { ["urn:xmpp:extdisco:2"] = { jid = "${focus}" }, ["urn:xmpp:extdisco:1"] = { jid = "${focus}" } }
@end
@if not delegation
  modules_enabled = { "external_services" }
@end
@if proxy_enabled
  -- A server names only components below its own domain by itself.
  disco_items = { { "${proxy}", "file transfers" } }
@end
@end
@if delegation

-- Where the TURN relay is (XEP-0215): carillon answers in the server's name, with credentials that name who asks.
VirtualHost "${domain}"
  delegations = { ["urn:xmpp:extdisco:2"] = { jid = "${focus}" }, ["urn:xmpp:extdisco:1"] = { jid = "${focus}" } }
@end

-- People with accounts join through the page too if the front may log them in. Only where port ${c2s_port} is not open to
-- other machines, or where you accept SCRAM without TLS there:
--
-- VirtualHost "${domain}"
--   c2s_require_encryption = false
