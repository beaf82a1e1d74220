// Text of other people, made harmless before anybody sees it.

const NAME_LENGTH = 60;
const MESSAGE_LENGTH = 4000;

/** Controls, bidi overrides and isolates, and invisible spaces: they could make one name look like another. */
const INVISIBLE = /[\u200B\u200E\u200F\u061C\u2060\u202A-\u202E\u2066-\u2069\uFEFF\u00AD]/gu;
/** More marks on one letter than any script uses: they paint over other lines. */
const PILED_MARKS = /(\p{M}{4})\p{M}+/gu;

function cut(text: string, length: number): string {
    // Twice: by UTF-16 units first, so that a huge text is never split into an array as a whole.
    const points = [...text.slice(0, 2 * length)];
    return points.length > length || text.length > 2 * length ? `${points.slice(0, length).join('')}…` : text;
}

/** A name on one line, without tricks; "" when nothing is left. */
export function cleanName(name: string): string {
    const short = name.slice(0, 8 * NAME_LENGTH);
    const visible = short.replaceAll(INVISIBLE, '').replaceAll(/[\s\p{Cc}]+/gu, ' ');
    return cut(visible.replaceAll(PILED_MARKS, '$1').trim(), NAME_LENGTH);
}

/** A chat message: lines stay, controls and overrides do not. */
export function cleanMessage(text: string): string {
    const visible = text
        .slice(0, 2 * MESSAGE_LENGTH)
        .replaceAll(INVISIBLE, '')
        .replaceAll(/(?!\n)\p{Cc}/gu, '');
    return cut(
        visible
            .replaceAll(/\n{3,}/g, '\n\n')
            .replaceAll(PILED_MARKS, '$1')
            .trim(),
        MESSAGE_LENGTH,
    );
}
