// A meeting: connection, room, call and devices put together, as state that the page shows.

import { computed, signal } from '@preact/signals';
import { backOff } from './back_off';
import type { Wanted } from './channel';
import { ChatLog } from './chat';
import { inviteFocus } from './conference';
import type { Device } from './devices';
import { type Link, LoginRefused, StanzaError } from './link';
import { Media } from './media';
import { MuteOrders } from './mute_orders';
import type { Kind } from './offer';
import { BROWSER, type Outside } from './outside';
import { OwnMedia } from './own_media';
import type { Way } from './p2p_ways';
import type { Deployment } from './place';
import type { Departure } from './presence';
import { ProblemList } from './problem_list';
import { BRIDGE_TROUBLES, type BridgeProblem, JOIN_ERRORS, type Problem, REMOVALS, Refusal } from './problems';
import { Pulse } from './pulse';
import { Relays } from './relays';
import { Room, type Said } from './room';
import { Roster } from './roster';
import type { Medium } from './streams';
import { cleanMessage, cleanName } from './text';

/** `resuming`: the connection is broken and comes back by itself, media and everything else go on. */
export type Phase = 'idle' | 'connecting' | 'joined' | 'resuming' | 'reconnecting' | 'ended';

/** A break that is mended sooner is not worth a word. */
const UNSAID_MS = 1_000;

/** One entry into the room: what goes when the connection goes. */
interface Visit {
    link: Link;
    room: Room | null;
    media: Media | null;
    pulse: Pulse | null;
}

export class Meeting {
    readonly phase = signal<Phase>('idle');
    readonly problems = new ProblemList();
    /** What whoever removed us from the room said of it. */
    readonly reason = signal('');
    readonly moderator = signal(false);
    readonly speaker = signal('');
    readonly me = signal('');
    readonly displayName;
    readonly chat = new ChatLog();
    readonly roster = new Roster();
    /** Whether two alone in a room send directly, without the bridge, as far as the deployment allows it. */
    readonly p2p = signal(true);
    readonly p2pAllowed: boolean;
    /** The way that media take to us. */
    readonly way = signal<Way>('bridge');
    /** The loudspeaker's device id; "" = the default one. */
    readonly loudspeaker = signal('');

    private visit: Visit | null = null;
    private wanted: Wanted | null = null;
    private readonly orders: MuteOrders;
    private readonly formerIds = new Set<string>();
    private lastHere: Date | null = null;
    private retries = 0;
    private timer: ReturnType<typeof setTimeout> | undefined;
    private awayTimer: ReturnType<typeof setTimeout> | undefined;

    constructor(
        private readonly deployment: Deployment,
        readonly name: string,
        displayName: string,
        private readonly outside: Outside = BROWSER,
        /** Devices that may be open already. */
        readonly own = new OwnMedia(outside),
    ) {
        this.displayName = signal(cleanName(displayName));
        this.p2pAllowed = deployment.p2p;
        this.orders = new MuteOrders(own);
        own.attach({
            changed: (medium) => this.ownChanged(medium),
            trouble: (kind, trouble) => this.problems.replaceDevice(kind, trouble),
            opened: (kind) => this.problems.removeDevice(kind),
            screenFailed: () => this.problems.add('screen-failed'),
            plugged: ({ output }) => this.plugged(output),
        });
    }

    /** Open the devices and join; stay until `leave`: a lost connection is made again. */
    start(): void {
        addEventListener('online', this.hurry);
        void this.own.start();
        void this.join();
    }

    leave(): void {
        if (this.phase.value === 'ended') return;
        this.visit?.room?.leave();
        this.finish([]);
    }

    /** Another name for us; an empty one changes nothing. */
    rename(name: string): void {
        const clean = cleanName(name);
        if (!clean) return;
        this.displayName.value = clean;
        this.visit?.room?.rename(clean);
    }

    say(text: string): void {
        const clean = cleanMessage(text);
        if (clean) this.visit?.room?.say(clean);
    }

    /** Rejects with a StanzaError when that is refused. */
    async muteOther(id: string, kind: Kind): Promise<void> {
        await this.visit?.room?.muteOther(id, kind);
    }

    /** Rejects with a StanzaError when that is refused. */
    async kick(id: string): Promise<void> {
        await this.visit?.room?.kick(id);
    }

    /** Which height each source is shown at, by name (0 = not at all); every other one gets `other`. */
    show(maxHeights: Record<string, number>, other: number, onStage: string[] = []): void {
        this.wanted = { maxHeights, other, onStage };
        this.visit?.media?.receive(this.wanted);
    }

    /** That loudspeaker is not to be had: back to the default one. */
    loudspeakerFailed(id: string): void {
        if (!id || this.loudspeaker.value !== id) return;
        this.loudspeaker.value = '';
        this.problems.add('output-replaced');
    }

    /** What we send is another thing now, or nothing. */
    private ownChanged(medium: Medium): void {
        const { own, visit } = this;
        // The others first hear what a stream is, then get it.
        visit?.room?.share(own.sent('desktop') !== null);
        visit?.media?.send(medium);
        visit?.room?.mute(own.told());
        this.orders.review(visit?.room ?? null);
    }

    private plugged(outputs: readonly Device[]): void {
        const chosen = this.loudspeaker.value;
        if (chosen && outputs.length > 0 && outputs.every(({ id }) => id !== chosen)) this.loudspeakerFailed(chosen);
    }

    /** What the browser counts of sound and pictures; null = none go now. */
    async statistics(): Promise<RTCStatsReport | null> {
        return (await this.visit?.media?.statistics()) ?? null;
    }

    private async join(): Promise<void> {
        this.phase.value = this.lastHere ? 'reconnecting' : 'connecting';
        const link = this.outside.connect(this.deployment);
        const visit: Visit = { link, room: null, media: null, pulse: null };
        this.visit = visit;
        const lost = () => this.again(visit, 'server-gone');
        try {
            await link.login();
            if (this.visit !== visit) return;
            link.onLost = lost;
            link.onAway = (away) => this.away(visit, away);
            await this.enter(visit);
        } catch (error) {
            if (this.visit !== visit) return;
            if (error instanceof Refusal) this.finish([error.problem]);
            else if (error instanceof LoginRefused) this.again(visit, 'guests-refused');
            else if (error instanceof StanzaError) this.again(visit, 'no-focus');
            else lost();
        }
    }

    /** Whether the room has let us in and has not let us go. */
    private get inside(): boolean {
        return this.phase.value === 'joined' || this.phase.value === 'resuming';
    }

    /** The connection is broken, or there again: said when it takes a moment. */
    private away(visit: Visit, away: boolean): void {
        clearTimeout(this.awayTimer);
        if (this.visit !== visit) return;
        if (!away) visit.media?.renewChannel();
        if (!this.inside) return;
        if (away) {
            this.awayTimer = setTimeout(() => {
                this.phase.value = 'resuming';
            }, UNSAID_MS);
        } else {
            this.phase.value = 'joined';
        }
    }

    /** Rejects when we are in the room no more. A connection on which nobody answers is not left with the room. */
    private async check(link: Link, room: Room): Promise<void> {
        if (link.away) return;
        try {
            await room.ping();
        } catch (error) {
            const silent = error instanceof StanzaError && error.condition === 'remote-server-timeout';
            if (!silent || !link.renew()) throw error;
        }
    }

    private async enter(visit: Visit): Promise<void> {
        const { link } = visit;
        const relays = new Relays(link, [this.deployment.focus, this.deployment.domain]);
        void relays.current();
        const jid = `${this.name}@${this.deployment.muc}`;
        const focusJid = await inviteFocus(link, this.deployment.focus, jid);
        if (this.visit !== visit) return;
        const room = new Room(link, jid, focusJid, this.displayName.value, {
            occupant: (occupant) => this.roster.update(occupant),
            left: (id) => this.left(visit, id),
            self: (moderator) => this.entered(visit, moderator),
            refused: (condition) => this.refused(visit, condition),
            removed: (why, reason) => this.removed(visit, why, reason),
            focus: (here, bridge) => this.focus(visit, here, bridge),
            said: (said) => this.said(said),
            unsaid: () => this.problems.add('chat-refused'),
        });
        visit.room = room;
        visit.media = this.media(visit, room, relays);
        this.orders.obey(link, room);
        if (this.own.sent('desktop')) room.share(true);
        await room.join(this.own.told(), this.lastHere);
        if (this.visit !== visit) return;
        // From now on: a room that never lets us in is noticed by the same question.
        visit.pulse = new Pulse(
            () => this.check(link, room),
            () => this.again(visit, 'server-gone'),
        );
    }

    private media(visit: Visit, room: Room, relays: Relays): Media {
        const { link } = visit;
        const joined = computed(() => this.phase.value === 'joined' || this.phase.value === 'resuming');
        const direct = computed(() => this.p2p.value && this.p2pAllowed);
        const sent = (medium: Medium) => this.own.sent(medium);
        const parts = { link, room, relays, roster: this.roster, sent, joined, direct, outside: this.outside };
        const media = new Media(parts, {
            speaker: (id) => {
                this.speaker.value = id;
            },
            problem: (problem) => {
                this.problems.remove('media-interrupted', 'media-failed');
                if (problem) this.problems.add(problem);
            },
            crossed: (way) => {
                this.way.value = way;
            },
            screenRefused: () => this.screenRefused(),
            lost: () => this.again(visit, 'media-failed'),
        });
        if (this.wanted) media.receive(this.wanted);
        return media;
    }

    private screenRefused(): void {
        if (!this.own.sent('desktop')) return;
        this.own.screen.unshare();
        this.problems.add('screen-failed');
    }

    private entered(visit: Visit, moderator: boolean): void {
        const { room } = visit;
        if (this.visit !== visit || !room) return;
        this.moderator.value = moderator;
        if (this.inside) return;
        this.retries = 0;
        this.formerIds.add(room.id);
        this.me.value = room.id;
        this.phase.value = 'joined';
        this.problems.remove('server-gone', 'guests-refused', 'no-focus', 'media-failed');
    }

    private refused(visit: Visit, condition: string): void {
        if (this.visit !== visit) return;
        const problem = JOIN_ERRORS[condition];
        if (problem) this.finish([problem]);
        else this.again(visit, 'server-gone');
    }

    private removed(visit: Visit, why: Departure, reason: string): void {
        if (this.visit !== visit) return;
        const problem = REMOVALS[why];
        this.reason.value = problem ? reason : '';
        if (problem) this.finish([problem]);
        else this.again(visit, 'server-gone');
    }

    private focus(visit: Visit, here: boolean, bridge: BridgeProblem | null): void {
        if (this.visit !== visit) return;
        this.problems.remove(...Object.values(BRIDGE_TROUBLES));
        if (here && bridge) this.problems.add(bridge);
        if (here) this.problems.remove('no-focus');
        else void this.recall(visit);
    }

    /** The focus is away. Media go on without it: stay, and ask it back; it then offers all of us new sessions. */
    private async recall(visit: Visit): Promise<void> {
        this.problems.add('no-focus');
        const { link, room } = visit;
        const needed = () => this.visit === visit && room && !room.hasFocus;
        for (let tries = 0; needed(); tries++) {
            await new Promise((resolve) => setTimeout(resolve, backOff(tries)));
            if (needed()) await inviteFocus(link, this.deployment.focus, room?.jid ?? '').catch(() => {});
        }
    }

    private left(visit: Visit, id: string): void {
        this.roster.remove(id);
        if (this.speaker.value === id) this.speaker.value = '';
        visit.media?.forget(id);
    }

    private said({ id, name, text, at }: Said): void {
        const own = this.formerIds.has(id);
        const other = this.roster.nameOf(id) || name || cleanName(id);
        this.chat.add({ from: id, name: own ? this.displayName.value : other, text, at, own });
    }

    /** The end: nothing starts by itself after this. */
    private finish(problems: Problem[]): void {
        removeEventListener('online', this.hurry);
        this.teardown();
        this.own.stop();
        this.problems.replace(problems);
        this.phase.value = 'ended';
    }

    /** Something broke: start over after a while that grows. */
    private again(visit: Visit, problem: Problem): void {
        if (this.visit !== visit) return;
        this.teardown();
        this.phase.value = 'reconnecting';
        this.problems.add(problem);
        this.timer = setTimeout(() => void this.join(), backOff(this.retries++));
    }

    /** The network is back: no need to wait any longer. */
    private readonly hurry = (): void => {
        if (this.visit || this.phase.value !== 'reconnecting') return;
        clearTimeout(this.timer);
        void this.join();
    };

    private teardown(): void {
        clearTimeout(this.timer);
        clearTimeout(this.awayTimer);
        const { visit } = this;
        this.visit = null; // first: whatever is still under way belongs to nobody now
        if (this.inside) this.lastHere = new Date();
        visit?.pulse?.stop();
        visit?.media?.close();
        visit?.link.close();
        this.roster.clear();
        this.speaker.value = '';
        this.way.value = 'bridge';
        this.orders.forget();
    }
}
