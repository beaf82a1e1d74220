// Which pictures there are, which one is on stage, and how high each is wanted from the bridge.

import type { Participant } from '../meeting/roster';

export type View = 'tiles' | 'stage';

/** A camera or a screen; who has no camera on has a picture too: their initials. */
export interface Picture {
    /** The same from view to view. */
    key: string;
    owner: string;
    /** What the bridge calls it; "" = our own. */
    source: string;
    screen: boolean;
}

/** A wish of the page's user: it holds until a screen comes that was not there when it was made. */
export interface Wish<T> {
    value: T;
    screens: readonly string[];
}

/** No source is higher. */
const WHOLE = 4320;

export function cameraKey(owner: string): string {
    return owner;
}

export function screenKey(owner: string): string {
    return `${owner} screen`;
}

/** Ours first, then everybody's in the order in which they came, a screen after its owner's camera. */
export function picturesOf(own: { id: string; screen: boolean }, others: readonly Participant[]): Picture[] {
    const ours = [{ key: 'own', owner: own.id, source: '', screen: false }];
    if (own.screen) ours.push({ key: screenKey('own'), owner: own.id, source: '', screen: true });
    return [...ours, ...others.flatMap(theirs)];
}

function theirs({ id, desktop, screens }: Participant): Picture[] {
    const camera = { key: cameraKey(id), owner: id, source: `${id}-v0`, screen: false };
    const shared = Object.entries(screens).find(([, muted]) => !muted)?.[0];
    if (!desktop || !shared) return [camera];
    return [camera, { key: screenKey(id), owner: id, source: shared, screen: true }];
}

/** The keys of the screens that others share. */
export function sharedScreens(pictures: readonly Picture[]): string[] {
    return pictures.filter(({ screen, source }) => screen && source !== '').map(({ key }) => key);
}

function holds(wish: Wish<unknown>, screens: readonly string[]): boolean {
    return screens.every((key) => wish.screens.includes(key));
}

/** The view that was chosen; a screen that somebody begins to share brings the stage. */
export function viewOf(chosen: Wish<View>, pictures: readonly Picture[]): View {
    return holds(chosen, sharedScreens(pictures)) ? chosen.value : 'stage';
}

/** The key of what was pinned, while it is there and the wish holds; "" = nothing. */
export function pinnedOf(wish: Wish<string>, pictures: readonly Picture[]): string {
    const there = pictures.some(({ key }) => key === wish.value);
    return there && holds(wish, sharedScreens(pictures)) ? wish.value : '';
}

/** On stage: what is pinned, else a shared screen, else who spoke last of the others; alone, oneself. */
export function stagedOf(pictures: readonly Picture[], pinned: string, speaker: string): Picture | undefined {
    for (const wanted of [pinned, sharedScreens(pictures)[0], speaker]) {
        const found = pictures.find(({ key }) => key === wanted);
        if (found) return found;
    }
    return pictures.find(({ source }) => source !== '') ?? pictures[0];
}

/** What to ask the bridge for: heights in pixels by source, that of all others, and what comes first. */
export interface WantedHeights {
    heights: Record<string, number>;
    other: number;
    onStage: string[];
}

/**
 * Pictures at the height of the place where they are shown, screens whole, what is scrolled away not at all.
 * `small` is the height in the strip or grid, `large` that of the stage, in pixels that a layer has.
 */
export function wantedHeights(
    pictures: readonly Picture[],
    staged: Picture | undefined,
    hidden: ReadonlySet<string>,
    small: number,
    large: number,
): WantedHeights {
    const heights: Record<string, number> = {};
    for (const { key, source, screen } of pictures) {
        if (!source) continue;
        const shown = key === staged?.key ? large : small;
        const height = hidden.has(key) && key !== staged?.key ? 0 : screen ? WHOLE : shown;
        if (height !== small) heights[source] = height;
    }
    return { heights, other: small, onStage: staged?.source ? [staged.source] : [] };
}
