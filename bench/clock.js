// Runs in every tab of the benchmark before its page: notes when things happen, in ms of the machine's clock, so that
// tabs compare. Nothing here polls: each note hangs on the event itself.
//
// A tab is loaded first and held at the door: `enter()` lets it go on, and that is where the measurement begins.
(() => {
    const clock = (window.clock = { marks: {}, held: null });
    let shown;
    clock.shown = new Promise(resolve => (shown = resolve));
    const mark = name => (clock.marks[name] ??= performance.timeOrigin + performance.now());

    const hold = go => {
        clock.held = go;
        document.documentElement.dataset.held = 'true';
    };
    clock.enter = () => {
        mark('enter');
        clock.held();
    };

    // Our page is held at the click that joins, a library's page at its devices, which it opens before it connects.
    addEventListener('click', event => {
        const button = event.target.closest?.('button');
        if (clock.held || button?.textContent.trim() !== 'Join') return;
        event.preventDefault();
        event.stopImmediatePropagation();
        hold(() => button.click());
    }, true);

    const devices = navigator.mediaDevices;
    const original = devices.getUserMedia.bind(devices);
    const own = new Set();
    devices.getUserMedia = async wanted => {
        const video = wanted.video && { ...Object(wanted.video), width: 640, height: 360, frameRate: 30 };
        const stream = await original({ ...wanted, video });
        for (const track of stream.getTracks()) own.add(track);
        if (location.pathname.startsWith('/pages/') && !clock.held) await new Promise(hold);
        return stream;
    };

    // Every stanza that is a step of joining, by what only it contains.
    const SENT = [
        ['request', /<conference [^>]*http:\/\/jitsi\.org\/protocol\/focus/],
        ['join', /<x [^>]*http:\/\/jabber\.org\/protocol\/muc["']/],
        ['accept', /session-accept/],
    ];
    const RECEIVED = [
        ['bound', /urn:ietf:params:xml:ns:xmpp-bind["'][^]*<jid>/],
        ['answer', /<conference [^>]*ready=["']true/],
        ['joined', /<presence [^]*<status [^>]*code=["']110["']/],
        ['offer', /session-initiate/],
    ];
    const note = (steps, data) => {
        if (typeof data !== 'string') return;
        for (const [name, pattern] of steps) if (!(name in clock.marks) && pattern.test(data)) mark(name);
    };
    window.WebSocket = class extends window.WebSocket {
        constructor(url, ...rest) {
            super(url, ...rest);
            if (String(url).includes('/colibri-ws/')) {
                this.addEventListener('open', () => mark('channel'));
                return;
            }
            mark('connect');
            this.addEventListener('message', event => note(RECEIVED, event.data));
        }

        send(data) {
            note(SENT, data);
            super.send(data);
        }
    };

    const Connection = window.RTCPeerConnection;
    window.RTCPeerConnection = function (...parameters) {
        const connection = new Connection(...parameters);
        connection.addEventListener('iceconnectionstatechange', () => {
            if (['connected', 'completed'].includes(connection.iceConnectionState)) mark('ice');
        });
        connection.addEventListener('connectionstatechange', () => {
            if (connection.connectionState === 'connected') mark('dtls');
        });
        return connection;
    };
    window.RTCPeerConnection.prototype = Connection.prototype;
    Object.setPrototypeOf(window.RTCPeerConnection, Connection);

    // The first picture of somebody else that is shown, in whichever element that happens.
    const source = Object.getOwnPropertyDescriptor(HTMLMediaElement.prototype, 'srcObject');
    const watch = element => element.requestVideoFrameCallback(() => {
        const tracks = element.srcObject?.getVideoTracks() ?? [];
        if (tracks.length === 0) watch(element);
        else if (!tracks.some(track => own.has(track))) shown(mark('frame'));
    });
    Object.defineProperty(HTMLMediaElement.prototype, 'srcObject', {
        ...source,
        set(stream) {
            source.set.call(this, stream);
            if (stream && this instanceof HTMLVideoElement && !('frame' in clock.marks)) watch(this);
        },
    });
})();
