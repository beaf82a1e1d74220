// Runs in every tab before its page: keeps hold of the peer connections, and reads what they receive.
(() => {
    const query = new URLSearchParams(location.search);
    const Original = window.RTCPeerConnection;
    const connections = (window.peerConnections = []);

    // ?ice=relay-tcp: a network that lets only TCP out: nothing but relays, and those by TCP. ?ice=relay-udp: by UDP.
    function restricted(configuration) {
        const transport = /^relay-(tcp|udp)$/.exec(query.get('ice') ?? '')?.[1];
        if (!transport) return configuration;
        const allowed = url => new RegExp(`^turns?:.*transport=${transport}`).test(url);
        const servers = (configuration?.iceServers ?? []).map(server => ({ ...server, urls: [server.urls].flat().filter(allowed) }));
        return { ...configuration, iceTransportPolicy: 'relay', iceServers: servers.filter(server => server.urls.length > 0) };
    }
    window.RTCPeerConnection = function (configuration, ...rest) {
        const connection = new Original(restricted(configuration), ...rest);
        connections.push(connection);
        return connection;
    };
    window.RTCPeerConnection.prototype = Original.prototype;
    Object.setPrototypeOf(window.RTCPeerConnection, Original);

    // ?p2p=off: our page is used by somebody who switched direct connections off.
    if (query.get('p2p') === 'off') localStorage.setItem('carillon.direct', 'off');

    // Every answer to a conference request that passed a WebSocket of this tab: "true" or "false".
    const ready = (window.conferenceAnswers = []);
    const OriginalSocket = window.WebSocket;
    window.WebSocket = class extends OriginalSocket {
        constructor(...parameters) {
            super(...parameters);
            this.addEventListener('message', event => {
                const found = typeof event.data === 'string' && /<conference [^>]*ready=["'](\w+)["']/.exec(event.data);
                if (found) ready.push(found[1]);
            });
        }
    };

    // ?camera=640x360: a smaller camera than the page asks for, so that more tabs fit on one machine.
    const camera = query.get('camera');
    if (camera && navigator.mediaDevices) {
        const [width, height] = camera.split('x').map(Number);
        const devices = navigator.mediaDevices;
        const original = devices.getUserMedia.bind(devices);
        devices.getUserMedia = wanted => original({ ...wanted, video: wanted.video && { width, height } });
    }

    // The fake camera compresses to almost nothing: a canvas of noise needs the bits that a real scene needs.
    const noise = query.get('noise');
    if (noise) {
        const [width, height] = noise.split('x').map(Number);
        const devices = navigator.mediaDevices;
        const original = devices.getUserMedia.bind(devices);
        devices.getUserMedia = async constraints => {
            const stream = await original(constraints);
            const old = stream.getVideoTracks()[0];
            if (!old) return stream;
            const canvas = Object.assign(document.createElement('canvas'), { width, height });
            const context = canvas.getContext('2d');
            setInterval(() => {
                context.drawImage(canvas, 3, 1);
                for (let i = 0; i < 400; i++) {
                    context.fillStyle = `hsl(${Math.random() * 360} 70% 50%)`;
                    context.fillRect(Math.random() * width, Math.random() * height, 24, 24);
                }
            }, 40);
            const track = canvas.captureStream(25).getVideoTracks()[0];
            const settings = { width, height, frameRate: 25, deviceId: old.getSettings().deviceId };
            track.getSettings = () => settings;
            track.applyConstraints = async () => {};
            old.stop();
            stream.removeTrack(old);
            stream.addTrack(track);
            return stream;
        };
    }

    async function reports() {
        const all = [];
        for (const connection of connections) {
            if (connection.connectionState === 'closed') continue;
            (await connection.getStats()).forEach(report => all.push(report));
        }
        return all;
    }

    // What each other participant's tile receives: {id: {frames, height, audioPackets, videoBytes, audioMuted, videoMuted}}.
    window.received = async () => {
        const inbound = (await reports()).filter(report => report.type === 'inbound-rtp');
        const result = {};
        for (const tile of document.querySelectorAll('[data-participant]:not([data-self])')) {
            const entry = { frames: 0, height: 0, audioPackets: 0, videoBytes: 0, audioMuted: tile.dataset.audioMuted, videoMuted: tile.dataset.videoMuted };
            const tracks = [...tile.querySelectorAll('audio,video')].flatMap(media => media.srcObject?.getTracks() ?? []);
            // A stream may be decoded and reach no element: nobody sees that.
            const shown = [...tile.querySelectorAll('video')].some(video => video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA);
            for (const report of inbound) {
                if (!tracks.some(track => track.id === report.trackIdentifier)) continue;
                if (report.kind === 'audio') entry.audioPackets += report.packetsReceived;
                else {
                    entry.frames += shown ? report.framesDecoded ?? 0 : 0;
                    entry.videoBytes += report.bytesReceived;
                    entry.height = Math.max(entry.height, report.frameHeight ?? 0);
                }
            }
            result[tile.dataset.participant] = entry;
        }
        return result;
    };

    // The connection this tab sends on: bandwidth estimate (bit/s) and the types of the chosen candidates.
    window.sending = async () => {
        const all = await reports();
        const pair = all.find(report => report.type === 'candidate-pair' && report.nominated && report.state === 'succeeded');
        const local = all.find(report => report.id === pair?.localCandidateId);
        const layers = all.filter(report => report.type === 'outbound-rtp' && report.kind === 'video')
            .map(report => [report.frameHeight ?? 0, report.framesEncoded ?? 0]);
        return { estimate: pair?.availableOutgoingBitrate ?? 0, candidate: local?.candidateType, relayProtocol: local?.relayProtocol, layers };
    };
})();
