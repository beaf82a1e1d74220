// A plain Jingle client: stanza.js as it is, with a button for everything a test wants to do.
import { createClient } from 'stanza';
import { exportToSDP, importFromSDP } from 'stanza/jingle/sdp/Intermediate';
import { convertIntermediateToRequest, convertRequestToIntermediate } from 'stanza/jingle/sdp/Protocol';

const JMI = 'urn:xmpp:jingle-message:0';
let client;
let session;
let stream;
const heard = { presence: {}, chat: [], jmi: [], ended: null, events: [], signalled: {} };

function reading(text) {
    const stanza = new DOMParser().parseFromString(text, 'text/xml').documentElement;
    if (stanza.localName === 'message') {
        for (const child of stanza.children) {
            if (child.namespaceURI === JMI) heard.jmi.push([child.localName, child.getAttribute('id'), stanza.getAttribute('from')]);
            if (child.localName === 'body') heard.chat.push(child.textContent);
        }
    }
    if (stanza.localName === 'presence') {
        const caps = [...stanza.children].some(child => child.localName === 'c');
        heard.presence[stanza.getAttribute('from')] = { type: stanza.getAttribute('type') ?? '', caps };
    }
    const reason = stanza.querySelector('jingle[action=session-terminate] > reason');
    if (reason) heard.ended = [...reason.children].map(child => (child.localName === 'text' ? child.textContent : child.localName));
    const jingle = stanza.querySelector('jingle');
    for (const content of jingle?.querySelectorAll('content') ?? []) {
        const sources = [...content.querySelectorAll('description > source')].map(source => Number(source.getAttribute('ssrc')));
        if (sources.length > 0) heard.signalled[content.getAttribute('name')] = [...(heard.signalled[content.getAttribute('name')] ?? []), ...sources];
    }
    if (jingle) heard.events.push(`${stanza.getAttribute('type')} ${jingle.getAttribute('action')}`);
    if (stanza.getAttribute('type') === 'error') heard.events.push(text.slice(0, 600));
}

async function login({ jid, password, server, websocket, anonymous }) {
    client = createClient({
        jid, password, server,
        credentials: anonymous ? undefined : { username: jid.split('@')[0], password },
        sasl: anonymous ? ['anonymous'] : undefined,
        resource: 'caller', allowResumption: false, autoReconnect: false,
        transports: { websocket, bosh: false },
        jingle: { iceServers: [] },
    });
    client.jingle.config.iceServers = [];
    client.on('raw:incoming', reading);
    client.on('jingle:terminated', (_, reason) => heard.events.push(`terminated ${JSON.stringify(reason)}`));
    client.on('disconnected', () => heard.events.push('disconnected'));
    client.on('auth:failed', () => heard.events.push('auth failed'));
    const started = new Promise((resolve, reject) => {
        client.on('session:started', resolve);
        setTimeout(() => reject(new Error(`no session: ${heard.events}`)), 15000);
    });
    client.connect();
    await started;
    client.sendPresence({});
    return client.jid;
}

async function media(video) {
    stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: video && { width: 640, height: 360, frameRate: 15 } });
    return stream;
}

async function start(to, sid, video) {
    session = client.jingle.createMediaSession(to, sid, await media(video));
    client.jingle.on('peerTrackAdded', (_, track, remote) => {
        const element = document.createElement(track.kind);
        Object.assign(element, { autoplay: true, srcObject: remote ?? new MediaStream([track]) });
        document.body.append(element);
    });
    await session.start();
    return session.sid;
}

// stanza.js leaves content-add to the application: this is what XEP-0166 §7.2.2 asks of it.
async function addVideo() {
    const pc = session.pc;
    const camera = await navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 360, frameRate: 15 } });
    pc.addTrack(camera.getVideoTracks()[0], stream);
    const offer = await pc.createOffer();
    const added = convertIntermediateToRequest(importFromSDP(offer.sdp), 'initiator', session.transportType).contents.at(-1);
    await pc.setLocalDescription(offer);
    const accepted = new Promise((resolve, reject) => {
        session.onContentAccept = (changes, done) => { done(); resolve(changes); };
        session.onContentReject = (changes, done) => { done(); reject(new Error('content-reject')); };
    });
    session.send('content-add', { contents: [{ ...added, creator: 'initiator' }] });
    const remote = importFromSDP(pc.remoteDescription.sdp);
    const [media] = convertRequestToIntermediate(await accepted, 'responder').media;
    remote.media.push(media);
    remote.groups = [{ semantics: 'BUNDLE', mids: remote.media.map(one => one.mid) }];
    await pc.setRemoteDescription({ type: 'answer', sdp: exportToSDP(remote) });
    return added.name;
}

// Takes the last content back (XEP-0166 §7.2.6), as far as the other side is concerned.
const removeVideo = () => session.send('content-remove', { contents: [{ creator: 'initiator', name: '1' }] });

async function restart() {
    const fragment = () => /a=ice-ufrag:(\S+)/.exec(session.pc.remoteDescription.sdp)[1];
    const before = fragment();
    await session.restartIce();
    for (let i = 0; i < 100 && fragment() === before; i++) await new Promise(resolve => setTimeout(resolve, 50));
    return [before, fragment()];
}

async function propose(to, video) {
    const id = crypto.randomUUID();
    const descriptions = ['audio', ...(video ? ['video'] : [])].map(kind => `<description xmlns="urn:xmpp:jingle:apps:rtp:1" media="${kind}"/>`);
    const text = `<message xmlns="jabber:client" type="chat" id="${id}" to="${to}"><propose xmlns="${JMI}" id="${id}">${descriptions.join('')}</propose></message>`;
    client.transport.socket.send(text);
    return id;
}

async function received() {
    const found = { state: session?.pc.connectionState, ice: session?.pc.iceConnectionState, session: session?.state,
        frames: 0, packets: 0, energy: 0, audioPackets: 0, sent: 0, sentAudio: 0, ssrcs: { audio: [], video: [] }, ids: [], width: 0 };
    for (const one of (await session?.pc.getStats())?.values() ?? []) {
        if (one.type === 'inbound-rtp') found.ssrcs[one.kind].push(one.ssrc);
        if (one.type === 'inbound-rtp') found.ids.push(one.id);
        if (one.type === 'inbound-rtp' && one.kind === 'video') {
            found.frames += one.framesDecoded;
            found.packets += one.packetsReceived;
            found.width = one.frameWidth ?? 0;
        }
        if (one.type === 'inbound-rtp' && one.kind === 'audio') {
            found.audioPackets += one.packetsReceived;
            found.energy += one.totalAudioEnergy ?? 0;
        }
        if (one.type === 'outbound-rtp' && one.kind === 'video') found.sent += one.framesEncoded;
        if (one.type === 'outbound-rtp' && one.kind === 'audio') found.sentAudio += one.packetsSent;
    }
    return found;
}

window.caller = {
    heard, login, start, propose, received, addVideo, removeVideo, restart,
    info: to => client.getDiscoInfo(to),
    probe: to => client.sendPresence({ to, type: 'probe' }),
    subscribe: to => client.sendPresence({ to, type: 'subscribe' }),
    chat: (to, body) => client.sendMessage({ to, body, type: 'chat' }),
    mute: kind => {
        stream.getTracks().filter(track => track.kind === kind).forEach(track => (track.enabled = false));
        return session.mute('initiator', kind === 'audio' ? '0' : '1');
    },
    unmute: kind => {
        stream.getTracks().filter(track => track.kind === kind).forEach(track => (track.enabled = true));
        return session.unmute('initiator', kind === 'audio' ? '0' : '1');
    },
    modify: senders => session.send('content-modify', { contents: [{ creator: 'initiator', name: '1', senders }] }),
    hold: () => session.hold(),
    resume: () => session.resume(),
    end: () => session?.end(),
    // Gone without a word: the connection to the server, but not the media; or the media alone.
    vanish: () => { session.pc.close = () => {}; client.transport.socket.close(4000); },
    freeze: () => session.pc.close(),
};
