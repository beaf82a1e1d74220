// A meeting made with an unchanged build of lib-jitsi-meet (which one, the page says): what a page of somebody else would do with it.
// The tiles carry the same data attributes as those of carillon's own page, so that tests measure both alike.
/* global JitsiMeetJS */
const query = new URLSearchParams(location.search);
const meeting = (window.meeting = { events: [], localTracks: [], conferenceAnswers: [] });
// Sources have names: said in one place by older builds, in another one by newer ones.
const names = { sourceNameSignaling: true, flags: { sourceNameSignaling: true } };
const note = (event, detail) => meeting.events.push([Math.round(performance.now()), event, detail ?? null]);

function tile(id) {
    let element = document.querySelector(`[data-participant="${id}"]`);
    if (!element) {
        element = document.createElement('section');
        element.dataset.participant = id;
        element.dataset.audioMuted = element.dataset.videoMuted = 'true';
        document.getElementById('tiles').append(element);
    }
    return element;
}

function show(track) {
    const owner = tile(track.getParticipantId());
    const element = document.createElement(track.getType());
    element.autoplay = true;
    element.playsInline = true;
    owner.append(element);
    track.attach(element);
    owner.dataset[`${track.getType()}Muted`] = String(track.isMuted());
    note('track', `${track.getParticipantId()} ${track.getType()}`);
}

function listen(conference) {
    const events = JitsiMeetJS.events.conference;
    conference.on(events.CONFERENCE_JOINED, () => {
        document.body.dataset.state = 'joined';
        document.body.dataset.me = conference.myUserId();
        note('joined');
    });
    conference.on(events.CONFERENCE_FAILED, reason => { document.body.dataset.state = 'failed'; note('failed', reason); });
    conference.on(events.KICKED, () => { document.body.dataset.state = 'kicked'; note('kicked'); });
    conference.on(events.USER_JOINED, id => { tile(id); note('user-joined', id); });
    conference.on(events.USER_LEFT, id => { tile(id).remove(); note('user-left', id); });
    conference.on(events.USER_ROLE_CHANGED, (id, role) => {
        if (id === conference.myUserId()) document.body.dataset.role = role;
    });
    conference.on(events.TRACK_ADDED, track => { if (!track.isLocal()) show(track); });
    conference.on(events.TRACK_REMOVED, track => { if (!track.isLocal()) note('track-removed', track.getParticipantId()); });
    conference.on(events.TRACK_MUTE_CHANGED, track => {
        const owner = track.isLocal() ? document.body : tile(track.getParticipantId());
        owner.dataset[`${track.getType()}Muted`] = String(track.isMuted());
        note('mute', `${track.getParticipantId()} ${track.getType()} ${track.isMuted()}`);
    });
    conference.on(events.MESSAGE_RECEIVED, (id, text) => note('chat', text));
    conference.on(events.DOMINANT_SPEAKER_CHANGED, id => { document.body.dataset.speaker = id; note('speaker', id); });
    conference.on(events.ENDPOINT_MESSAGE_RECEIVED, (from, payload) => note('endpoint-message', payload));
    conference.on(events.DATA_CHANNEL_OPENED, () => note('channel-open'));
}

async function start() {
    JitsiMeetJS.setLogLevel(JitsiMeetJS.logLevels.WARN);
    JitsiMeetJS.init({ disableThirdPartyRequests: true, enableAnalyticsLogging: false, ...names });
    const connection = new JitsiMeetJS.JitsiConnection(null, null, {
        hosts: {
            domain: query.get('domain'), anonymousdomain: query.get('guest_domain'),
            muc: query.get('muc'), focus: query.get('focus')
        },
        serviceUrl: query.get('websocket'), bosh: query.get('websocket')
    });
    meeting.connection = connection;
    meeting.localTracks = await JitsiMeetJS.createLocalTracks({ devices: ['audio', 'video'], resolution: Number(query.get('height') ?? 360) });
    connection.addEventListener(JitsiMeetJS.events.connection.CONNECTION_FAILED, reason => { document.body.dataset.state = 'failed'; note('connection-failed', reason); });
    connection.addEventListener(JitsiMeetJS.events.connection.CONNECTION_ESTABLISHED, () => {
        note('connected');
        const conference = connection.initJitsiConference(query.get('room'), { p2p: { enabled: query.get('p2p') === 'on' }, openBridgeChannel: true, ...names });
        meeting.conference = conference;
        listen(conference);
        conference.setDisplayName(query.get('name'));
        for (const track of meeting.localTracks) conference.addTrack(track);
        conference.join();
        note('join');
    });
    note('connect');
    connection.connect();
}

meeting.local = kind => meeting.localTracks.find(track => track.getType() === kind);
meeting.mute = (kind, muted) => (muted ? meeting.local(kind).mute() : meeting.local(kind).unmute());
meeting.muteOther = (id, kind) => meeting.conference.muteParticipant(id, kind);
meeting.remove = id => meeting.conference.kickParticipant(id);
meeting.chat = text => meeting.conference.sendTextMessage(text);
meeting.leave = async () => { await meeting.conference.leave(); await meeting.connection.disconnect(); };
meeting.receive = constraints => meeting.conference.setReceiverConstraints(constraints);

window.addEventListener('unhandledrejection', event => note('rejection', String(event.reason)));
start().catch(error => { document.body.dataset.state = 'failed'; note('error', String(error)); });
