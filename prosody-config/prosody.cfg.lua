-- The Prosody that `carillon dev` runs, and that the tests use: a frame around what `carillon snippet prosody` prints
-- for the Prosody that you run. It is a whole configuration of Prosody 0.12 with nothing but modules of Debian's package
-- `prosody`. carillon/prosody.py fills in the words in braces.

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
@if not other_machine
component_interfaces = { "${server}" }
@end
s2s_ports = {}
http_ports = {}
https_ports = {}

modules_enabled = {
  "posix";
  "saslauth"; "disco"; "roster"; "ping"; "time"; "version"; "pep"; "carbons"; "blocklist"; "vcard4"; "vcard_legacy";
@if delegation
  "delegation"; -- as the snippet says; this module alone is not of the package
@end
@if not delegation
  "external_services"; -- as the snippet says
@end
}
modules_disabled = { "s2s"; "s2s_auth_certs" }

-- Plain TCP, because it is loopback; passwords still travel only as SCRAM.
c2s_require_encryption = false
allow_unencrypted_plain_auth = false
password_hash = "SHA-1"

-- People with accounts.
VirtualHost "${domain}" {
  authentication = "internal_hashed";
}

---------------------------------------------------------------------------------------------------- the snippet

${snippet}