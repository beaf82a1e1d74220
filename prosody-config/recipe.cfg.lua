-- What a Prosody that you already run needs for carillon: put this file into conf.d/ (or its lines at the end of
-- prosody.cfg.lua), with your domain for example.org. Nothing but modules that come with Prosody 0.12 is used.

-- The rooms. The focus creates them and grants rights in them, as an administrator of this service alone.
Component "conference.example.org" "muc"
  admins = { "focus@focus.example.org" }
  restrict_room_creation = true        -- the focus creates a room when somebody asks it for a meeting
  muc_room_locking = false             -- or a new room is closed until somebody has configured it
  muc_room_default_public_jids = true  -- clients recognise the focus by its real address
  muc_tombstones = false               -- or a room that was closed stays closed

-- The focus, run by carillon.
Component "focus.example.org"
  component_secret = "the content of secrets/component"
  component_conflict_resolve = "kick_old" -- a restarted focus need not wait for the end of the old connection

-- Calls of ordinary XMPP clients to echo@ and ROOM@ this host, run by carillon too. Leave it out and set
-- enabled = false under [calls] in carillon.toml where nobody shall call.
Component "calls.example.org"
  component_secret = "the content of secrets/component"
  component_conflict_resolve = "kick_old"

-- The proxy for file transfers (XEP-0065), run by carillon too, instead of Prosody's own "proxy65". Leave it out and
-- set enabled = false under [socks5] in carillon.toml where nobody shall use it.
Component "proxy.example.org"
  component_secret = "the content of secrets/component"
  component_conflict_resolve = "kick_old"

-- Guests. carillon's front connects without TLS, on this machine; guests have no password that TLS would guard.
VirtualHost "guest.example.org"
  authentication = "anonymous"
  c2s_require_encryption = false
  disco_items = { { "proxy.example.org", "file transfers" } } -- guests find only what stands here

-- People with accounts join through the page too if the front may log them in: only where port 5222 is not open to
-- other machines, or where you accept SCRAM without TLS there.
-- VirtualHost "example.org"
--   c2s_require_encryption = false

-- Joining a meeting is about four times faster without Nagle's algorithm: this line before the first VirtualHost.
-- network_settings = { nagle = false }

-- Where the TURN relay is (XEP-0215), for clients that ask their own server: add "external_services" to
-- modules_enabled, and these lines before the first VirtualHost.
-- external_service_secret = "the content of secrets/turn"
-- external_services = {
--   { type = "turn", transport = "udp", host = "192.0.2.10", port = 3478, secret = true };
--   { type = "turn", transport = "tcp", host = "192.0.2.10", port = 3478, secret = true };
--   -- With a certificate for that name; 0.12 makes passwords for "turns" only when told how.
--   { type = "turns", transport = "tcp", host = "meet.example.org", port = 5349, secret = true, algorithm = "turn" };
-- }
