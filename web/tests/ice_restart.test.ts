import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { IceRestarts, iceRestartAnswer, iceRestartRequest, parseIceRestart } from '../src/meeting/ice_restart';
import { parseOffer } from '../src/meeting/offer';
import { initiate } from './room_stanzas';
import { jingleOf, stanza } from './stanza';

const offer = parseOffer(jingleOf(initiate('s1')));

function transportInfo(attributes: string): Element {
    return stanza(`<jingle xmlns='urn:xmpp:jingle:1' action='transport-info' sid='s1'>
        <content name='audio' creator='initiator'>
        <transport xmlns='urn:xmpp:jingle:transports:ice-udp:1' ${attributes}>
        <fingerprint xmlns='urn:xmpp:jingle:apps:dtls:0' hash='sha-256'>AA</fingerprint>
        <candidate foundation='1' component='1' protocol='tcp' priority='7' ip='192.0.2.1' port='10000' type='host'
            tcptype='passive'/></transport></content></jingle>`);
}

describe('the stanzas of a restart', () => {
    it('ask with the id of the bridge session', () => {
        const asked = iceRestartRequest(offer).firstElementChild;
        expect([asked?.getAttribute('id'), asked?.getAttribute('ice-restart')]).toEqual(['b', 'true']);
    });

    it('bring credentials, candidates and a generation', () => {
        const fresh = parseIceRestart(transportInfo("ufrag='n' pwd='q' ice-generation='2'"));
        expect(fresh).toMatchObject({ ufrag: 'n', pwd: 'q', generation: 2 });
        expect(fresh?.candidates.map((candidate) => candidate.tcpType)).toEqual(['passive']);
    });

    it.each(["ufrag='n' pwd='q'", "ufrag='n' pwd='q' ice-generation='0'", "ufrag='n' pwd='q' ice-generation='x'"])(
        'are not those of %s',
        (attributes) => {
            expect(parseIceRestart(transportInfo(attributes))).toBeNull();
        },
    );

    it('answer in every content, with the generation', () => {
        const answer = iceRestartAnswer(offer, { ufrag: 'own', pwd: 'word' }, 2);
        const transports = [...answer.getElementsByTagName('transport')];
        expect(transports.map((one) => one.getAttribute('ice-generation'))).toEqual(['2']);
        expect(transports.map((one) => one.getAttribute('ufrag'))).toEqual(['own']);
    });
});

describe('a restart', () => {
    const ask = vi.fn(() => Promise.resolve());
    const giveUp = vi.fn();
    let restarts: IceRestarts;

    beforeEach(() => {
        vi.useFakeTimers();
        vi.clearAllMocks();
        restarts = new IceRestarts(ask, giveUp);
    });
    afterEach(() => {
        restarts.stop();
        vi.useRealTimers();
    });

    it('is not asked for when an interruption passes', async () => {
        restarts.state('disconnected');
        await vi.advanceTimersByTimeAsync(1900);
        restarts.state('connected');
        await vi.advanceTimersByTimeAsync(60_000);
        expect([ask.mock.calls.length, giveUp.mock.calls.length]).toEqual([0, 0]);
    });

    it('is asked for once when it does not, and given up when that does not help', async () => {
        restarts.state('disconnected');
        await vi.advanceTimersByTimeAsync(2100);
        restarts.state('failed');
        expect(ask).toHaveBeenCalledTimes(1);
        await vi.advanceTimersByTimeAsync(6000);
        expect(giveUp).toHaveBeenCalledTimes(1);
        expect(ask).toHaveBeenCalledTimes(1);
    });

    it('is asked for at once when the network is back', () => {
        dispatchEvent(new Event('online'));
        restarts.state('disconnected');
        expect(ask).not.toHaveBeenCalled();
        dispatchEvent(new Event('online'));
        expect(ask).toHaveBeenCalledTimes(1);
    });

    it('is asked for at once when an interruption becomes a failure', () => {
        restarts.state('disconnected');
        restarts.state('failed');
        expect(ask).toHaveBeenCalledTimes(1);
    });

    it('gives a relay that has died a moment to come back, and is given up sooner', async () => {
        restarts.state('failed');
        await vi.advanceTimersByTimeAsync(1900);
        expect(ask).not.toHaveBeenCalled();
        await vi.advanceTimersByTimeAsync(200);
        expect(ask).toHaveBeenCalledTimes(1);
        await vi.advanceTimersByTimeAsync(4000);
        expect(giveUp).toHaveBeenCalledTimes(1);
    });

    it('is asked for again at the next failure', async () => {
        for (let failure = 1; failure <= 2; failure++) {
            restarts.state('failed');
            await vi.advanceTimersByTimeAsync(2000);
            expect(ask).toHaveBeenCalledTimes(failure);
            restarts.state('connected');
        }
    });

    it('is given up at once when it is refused', async () => {
        vi.spyOn(console, 'warn').mockImplementationOnce(() => {});
        ask.mockImplementationOnce(() => Promise.reject(new Error('no')));
        restarts.state('failed');
        await vi.advanceTimersByTimeAsync(2000);
        expect(giveUp).toHaveBeenCalledTimes(1);
    });
});
