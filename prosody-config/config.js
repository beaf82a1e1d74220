// What a Jitsi Meet needs to hold its meetings with carillon, as `carillon snippet jitsi-meet` prints it.
//
// Put this at the end of the config.js of that Jitsi Meet, like /etc/jitsi/meet/NAME-config.js. Its own Prosody, Jicofo
// and Videobridge have no part in these meetings.
@if origins
//
// front.origins in carillon.toml must name the address of that Jitsi Meet.
@end

config.hosts = {
    domain: ${domain},
    anonymousdomain: ${guest_domain}, // where people without an account log in
    muc: ${muc},
    focus: ${focus}
};
config.websocket = ${websocket};
config.bosh = ${bosh}; // for networks without WebSocket
config.openBridgeChannel = 'websocket';
