// The loudness of a microphone, for the eye.

const INTERVAL_MS = 60;
const SAMPLES = 1024;
/** What counts as silence (dB below full scale): the noise of a quiet room. */
const SILENCE_DB = -60;

/** From 0 for silence to 1 for full scale, even steps of dB between. */
export function loudness(samples: Float32Array): number {
    const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
    const db = 10 * Math.log10(power);
    return Math.min(1, Math.max(0, 1 - db / SILENCE_DB));
}

/** Tells the loudness again and again; call the result to end that. Browsers may wait for a gesture before. */
export function watchLevel(track: MediaStreamTrack, tell: (level: number) => void): () => void {
    const context = new AudioContext();
    const analyser = new AnalyserNode(context, { fftSize: SAMPLES });
    context.createMediaStreamSource(new MediaStream([track])).connect(analyser);
    const samples = new Float32Array(SAMPLES);
    const timer = setInterval(() => {
        analyser.getFloatTimeDomainData(samples);
        tell(loudness(samples));
    }, INTERVAL_MS);
    const wake = () => void context.resume();
    const gestures = ['pointerdown', 'keydown'];
    for (const gesture of gestures) addEventListener(gesture, wake);
    return () => {
        clearInterval(timer);
        for (const gesture of gestures) removeEventListener(gesture, wake);
        void context.close();
    };
}
