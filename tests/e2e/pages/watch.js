// Runs in a tab before its page: notes when something of each of the others arrives, who is shown muted, and what the
// server says that would end or begin a session. Times are ms since 1970, as the clock of the test has them.
(() => {
    const PERIOD_MS = 100;
    const now = () => performance.timeOrigin + performance.now();
    const owners = new Map(); // who sends it, by track
    const counters = new Map(); // frames decoded or packets received, by connection and report
    const muted = new Map();
    const looks = []; // when it was looked
    const rises = {}; // when something had come since the look before, by stream: "WHO audio", "* audio" for anybody's
    const notes = [];
    const note = (what, ...detail) => notes.push([now(), what, ...detail]);

    let me = '';

    function tiles() {
        const { state, me: id = '' } = document.body?.dataset ?? {};
        if (state === 'joined' && id !== me) {
            me = id;
            note('joined', id);
        }
        for (const tile of document.querySelectorAll('[data-participant]:not([data-self])')) {
            const who = tile.dataset.participant;
            for (const media of tile.querySelectorAll('audio,video')) {
                for (const track of media.srcObject?.getTracks() ?? []) owners.set(track.id, who);
            }
            if (muted.get(who) !== tile.dataset.audioMuted) {
                muted.set(who, tile.dataset.audioMuted);
                note('muted', who, tile.dataset.audioMuted === 'true');
            }
        }
    }

    async function look() {
        const risen = new Set();
        tiles();
        for (const [number, connection] of (window.peerConnections ?? []).entries()) {
            if (connection.connectionState === 'closed') continue;
            for (const report of (await connection.getStats()).values()) {
                if (report.type !== 'inbound-rtp') continue;
                const count = (report.kind === 'audio' ? report.packetsReceived : report.framesDecoded) ?? 0;
                const key = `${number} ${report.id} ${report.trackIdentifier}`;
                const owner = owners.get(report.trackIdentifier);
                if (count > (counters.get(key) ?? 0)) {
                    risen.add(`* ${report.kind}`);
                    if (owner) risen.add(`${owner} ${report.kind}`);
                }
                counters.set(key, count);
            }
        }
        const at = now();
        looks.push(at);
        for (const stream of risen) (rises[stream] ??= []).push(at);
    }

    async function watch() {
        for (;;) {
            const next = now() + PERIOD_MS;
            await look();
            await new Promise(resolve => setTimeout(resolve, Math.max(0, next - now())));
        }
    }
    watch().catch(error => note('watch-failed', String(error)));

    const Original = window.WebSocket;
    window.WebSocket = class extends Original {
        constructor(url, ...rest) {
            super(url, ...rest);
            const kind = String(url).includes('/colibri-ws/') ? 'channel' : 'stream';
            this.addEventListener('open', () => note(`${kind}-open`));
            this.addEventListener('close', () => note(`${kind}-closed`));
            if (kind === 'stream') this.addEventListener('message', event => read(event.data));
        }
    };

    function read(text) {
        if (typeof text !== 'string' || !/^<(iq|presence)/.test(text)) return;
        const stanza = new DOMParser().parseFromString(text, 'text/xml').documentElement;
        const jingle = stanza.localName === 'iq' && stanza.getAttribute('type') === 'set' && stanza.querySelector('jingle');
        if (jingle) note('jingle', jingle.getAttribute('action'));
        const who = (stanza.getAttribute('from') ?? '').split('/')[1] ?? '';
        if (stanza.localName !== 'presence') return;
        const gone = stanza.getAttribute('type') === 'unavailable';
        if (who === 'focus') note(gone ? 'focus-left' : 'focus-here');
        else if (gone) note('left', who);
    }

    window.watched = {
        // What has been noted since that moment.
        notes: from => notes.filter(([at]) => at >= from),
        // The moment when something of that stream ("WHO video") first came after `from`; null: it has not.
        risen: (stream, from) => (rises[stream] ?? []).find(at => at >= from) ?? null,
        // How long at most nothing came, by stream (ms), between two moments; and how long at most nobody looked.
        silences(from, to) {
            const within = looks.filter(at => at >= from && at <= to);
            const longest = { streams: {}, blind: 0 };
            within.forEach((at, place) => {
                if (place) longest.blind = Math.max(longest.blind, at - within[place - 1]);
            });
            for (const [stream, times] of Object.entries(rises)) {
                const came = new Set(times);
                let last = within[0]; // when something was last seen to have come
                let most = 0;
                within.forEach((at, place) => {
                    if (came.has(at)) last = at;
                    // A look that comes late says nothing of the time before it: it counts as one in time.
                    else if (place) most = Math.max(most, within[place - 1] - last + Math.min(at - within[place - 1], PERIOD_MS));
                });
                longest.streams[stream] = Math.round(most);
            }
            return longest;
        }
    };
})();
