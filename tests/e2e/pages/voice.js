// Runs in a tab before its page: a camera of one colour (window.ownColour) and a microphone that speaks when a test
// says so, so that it can be told whose media arrives where.
(() => {
    const devices = navigator.mediaDevices;
    if (!devices) return;
    const original = devices.getUserMedia.bind(devices);
    const SYLLABLE_MS = 180;
    let gain;
    let speaking = false;

    function microphone() {
        const context = new AudioContext();
        const oscillator = new OscillatorNode(context, { frequency: 220, type: 'sawtooth' });
        const out = context.createMediaStreamDestination();
        gain = new GainNode(context, { gain: 0 });
        oscillator.connect(gain).connect(out);
        oscillator.start();
        let step = 0;
        setInterval(() => {
            // Syllables with short pauses between them, as people speak.
            gain.gain.setTargetAtTime(speaking && step++ % 4 < 3 ? 0.5 : 0, context.currentTime, 0.01);
        }, SYLLABLE_MS);
        return out.stream.getAudioTracks()[0];
    }

    function camera({ width, height }) {
        const canvas = Object.assign(document.createElement('canvas'), { width, height });
        const context = canvas.getContext('2d');
        let x = 0;
        setInterval(() => {
            context.fillStyle = window.ownColour;
            context.fillRect(0, 0, width, height);
            context.fillStyle = 'black';
            context.fillRect((x = (x + 7) % width), 0, 8, 8);
        }, 50);
        return canvas.captureStream(20).getVideoTracks()[0];
    }

    devices.getUserMedia = async wanted => {
        const stream = await original(wanted);
        for (const old of stream.getTracks()) {
            const settings = old.getSettings();
            const track = old.kind === 'audio' ? microphone() : camera({ width: 640, height: 360 });
            track.getSettings = () => settings;
            track.applyConstraints = async () => {};
            old.stop();
            stream.removeTrack(old);
            stream.addTrack(track);
        }
        return stream;
    };

    // Begin or end to speak; gives the time.
    window.speak = on => {
        speaking = on;
        return Date.now();
    };

    // What the others' audio has brought so far, by SSRC.
    window.energies = async () => {
        const found = {};
        for (const connection of window.peerConnections) {
            if (connection.connectionState === 'closed') continue;
            for (const one of (await connection.getStats()).values()) {
                if (one.type === 'inbound-rtp' && one.kind === 'audio') found[one.ssrc] = one.totalAudioEnergy ?? 0;
            }
        }
        return found;
    };

    // Notes whenever the picture becomes another colour (the strongest of red, green and blue): [ms, colour].
    window.watch = () => {
        const seen = (window.seen = []);
        const canvas = Object.assign(document.createElement('canvas'), { width: 8, height: 8 });
        const context = canvas.getContext('2d', { willReadFrequently: true });
        setInterval(() => {
            const video = [...document.querySelectorAll('video')].find(one => one.videoWidth);
            if (!video) return;
            context.drawImage(video, 0, 0, 8, 8);
            const [r, g, b] = context.getImageData(4, 4, 1, 1).data;
            const colour = { [r]: 'red', [g]: 'green', [b]: 'blue' }[Math.max(r, g, b)];
            if (Math.max(r, g, b) > 60 && seen.at(-1)?.[1] !== colour) seen.push([Date.now(), colour]);
        }, 20);
    };
})();
