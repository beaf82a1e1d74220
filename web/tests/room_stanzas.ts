// What a room and its focus send, as short as it can be.

export const ROOM = 'room@conference.example';
const USER = 'http://jabber.org/protocol/muc#user';

export function self(nick: string): string {
    return `<presence from='${ROOM}/${nick}'><x xmlns='${USER}'><item role='moderator'/><status code='110'/></x></presence>`;
}

export function theFocus(jid = 'focus@focus.example/r'): string {
    return `<presence from='${ROOM}/focus'><x xmlns='${USER}'><item role='moderator' jid='${jid}'/></x></presence>`;
}

export function somebody(id: string, name: string): string {
    return `<presence from='${ROOM}/${id}'><nick xmlns='http://jabber.org/protocol/nick'>${name}</nick></presence>`;
}

export function leave(id: string, inner: string): string {
    return `<presence from='${ROOM}/${id}' type='unavailable'><x xmlns='${USER}'>${inner}</x></presence>`;
}

export function initiate(sid: string): string {
    return `<iq type='set' from='${ROOM}/focus' id='${sid}'>
        <jingle xmlns='urn:xmpp:jingle:1' action='session-initiate' sid='${sid}' initiator='focus@focus.example'>
        <content name='audio'><description xmlns='urn:xmpp:jingle:apps:rtp:1' media='audio'>
        <payload-type id='111' name='opus' clockrate='48000' channels='2'/></description>
        <transport xmlns='urn:xmpp:jingle:transports:ice-udp:1' ufrag='u' pwd='p'>
        <fingerprint xmlns='urn:xmpp:jingle:apps:dtls:0' hash='sha-256'>AA</fingerprint></transport></content>
        <bridge-session xmlns='http://jitsi.org/protocol/focus' id='b'/></jingle></iq>`;
}

export function add(sid: string, owner: string, ssrc: number): string {
    const sources = JSON.stringify({ sources: { [owner]: [[], [], [{ s: ssrc, m: `${owner} t` }]] } });
    return `<iq type='set' from='${ROOM}/focus' id='a${ssrc}'>
        <jingle xmlns='urn:xmpp:jingle:1' action='source-add' sid='${sid}'>
        <json-message xmlns='http://jitsi.org/jitmeet'>${sources}</json-message></jingle></iq>`;
}
