// Presence in the room (XEP-0045) read as data: who is here, who went and why, what the focus says.

import { stanzaError } from './link';
import { NS } from './namespaces';
import { BRIDGE_TROUBLES, type BridgeProblem } from './problems';
import { cleanMessage, cleanName } from './text';
import { attribute, child, children, textOf } from './xml';

export interface Occupant {
    id: string;
    name: string;
    moderator: boolean;
    audioMuted: boolean;
    videoMuted: boolean;
    /** Names of the sources that show a screen, and whether each is muted. */
    screens: Readonly<Record<string, boolean>>;
}

export type Departure = 'left' | 'kicked' | 'banned' | 'destroyed' | 'members-only' | 'shutdown' | 'technical';

export type RoomPresence =
    | { type: 'error'; condition: string }
    /** `reason` is what whoever removed them said of it. */
    | { type: 'gone'; id: string; self: boolean; why: Departure; reason: string }
    /** `bridge` is what the focus says of bridges: a problem, or null. */
    | { type: 'here'; occupant: Occupant; self: boolean; jid: string; bridge: BridgeProblem | null };

/** A nick that is longer is nobody's endpoint. */
const ID_LENGTH = 128;
const SOURCE_INFO_LENGTH = 20_000;

/** Read a presence stanza of `room`; null when it is from elsewhere or names nobody. */
export function readPresence(stanza: Element, room: string): RoomPresence | null {
    const from = attribute(stanza, 'from');
    const type = attribute(stanza, 'type');
    if (type === 'error' && (from === room || from.startsWith(`${room}/`))) {
        return { type: 'error', condition: stanzaError(stanza).condition };
    }
    const id = from.slice(room.length + 1);
    if (!from.startsWith(`${room}/`) || !id || id.length > ID_LENGTH) return null;
    const user = child(stanza, 'x', NS.mucUser);
    const codes = children(user, 'status').map((status) => attribute(status, 'code'));
    const self = codes.includes('110');
    if (type === 'unavailable') return { type: 'gone', id, self, why: departure(user, codes), reason: reasonOf(user) };
    if (type) return null;
    const item = child(user, 'item');
    const sources = sourceInfo(textOf(stanza, 'SourceInfo'));
    const muted = mutedSources(stanza, sources);
    const occupant = {
        id,
        name: cleanName(textOf(stanza, 'nick', NS.nick)),
        moderator: attribute(item, 'role') === 'moderator',
        audioMuted: muted('a', 'audiomuted'),
        videoMuted: muted('v', 'videomuted'),
        screens: Object.fromEntries(sources.filter(isScreen).map(({ name, muted }) => [name, muted])),
    };
    return { type: 'here', occupant, self, jid: attribute(item, 'jid'), bridge: bridgeProblem(stanza) };
}

/** Why no bridge takes the conference, as far as the focus says why: Jicofo only says that none does. */
function bridgeProblem(stanza: Element): BridgeProblem | null {
    if (!child(stanza, 'bridgeNotAvailable')) return null;
    const properties = children(child(stanza, 'conference-properties'), 'property');
    const why = properties.find((property) => attribute(property, 'key') === 'bridge-trouble');
    return BRIDGE_TROUBLES[why ? attribute(why, 'value') : ''] ?? 'no-bridge';
}

/** Status codes of XEP-0045 §15.6.2; a technical problem (333) may be told beside 307 and is no kick. */
function departure(user: Element | null, codes: string[]): Departure {
    if (child(user, 'destroy')) return 'destroyed';
    if (codes.includes('333')) return 'technical';
    if (codes.includes('332')) return 'shutdown';
    if (codes.includes('301')) return 'banned';
    if (codes.includes('321') || codes.includes('322')) return 'members-only';
    return codes.includes('307') ? 'kicked' : 'left';
}

function reasonOf(user: Element | null): string {
    return cleanMessage(textOf(child(user, 'destroy') ?? child(user, 'item'), 'reason'));
}

/** A source as its owner tells it. */
interface ToldSource {
    name: string;
    muted: boolean;
    videoType: unknown;
}

const isScreen = ({ videoType }: ToldSource) => videoType === 'desktop';

/**
 * How a presence says what its owner mutes: SourceInfo, else the older elements; nothing said = muted.
 * Screens are not asked: they stand for themselves.
 */
function mutedSources(stanza: Element, sources: ToldSource[]): (letter: 'a' | 'v', element: string) => boolean {
    return (letter, element) => {
        const own = sources.filter((source) => !isScreen(source) && new RegExp(`-${letter}\\d+$`).test(source.name));
        if (own.length > 0) return own.every(({ muted }) => muted);
        return textOf(stanza, element) !== 'false';
    };
}

/** The sources of SourceInfo; what cannot be read says nothing. */
function sourceInfo(text: string): ToldSource[] {
    if (!text || text.length > SOURCE_INFO_LENGTH) return [];
    try {
        const found: unknown = JSON.parse(text);
        if (typeof found !== 'object' || found === null) return [];
        return Object.entries(found).map(([name, source]) => {
            const { muted, videoType } = (source ?? {}) as { muted?: unknown; videoType?: unknown };
            return { name, muted: muted !== false, videoType };
        });
    } catch {
        return [];
    }
}
