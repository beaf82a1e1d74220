// How the pictures fill the window.

const CAMERA_ASPECT = 16 / 9;
/** A tile may cut a little of its picture; in a window that is higher than wide, more of it. */
const TILE_ASPECT = 4 / 3;
const TALL_TILE_ASPECT = 3 / 4;
/** In pixels of the page: smaller ones are scrolled to. */
const LEAST_HEIGHT = 96;

/** In pixels of the page. */
export interface Size {
    width: number;
    height: number;
}

/** The size of each of so many tiles in a window of that size, so that they are largest; `gap` between them. */
export function tileSize(count: number, width: number, height: number, gap: number): Size {
    const least = width > height ? TILE_ASPECT : TALL_TILE_ASPECT;
    let best: Size = { width: 0, height: 0 };
    for (let columns = 1; columns <= count; columns++) {
        const rows = Math.ceil(count / columns);
        const cell = { width: (width - (columns - 1) * gap) / columns, height: (height - (rows - 1) * gap) / rows };
        const size = {
            width: Math.floor(Math.min(cell.width, Math.max(cell.height, LEAST_HEIGHT) * CAMERA_ASPECT)),
            height: Math.floor(Math.min(Math.max(cell.height, LEAST_HEIGHT), cell.width / least)),
        };
        if (size.width * size.height > best.width * best.height) best = size;
    }
    return best;
}

/** The height worth asking the bridge for (pixels): the layer that fills a tile of that height. */
export function pictureHeight(tileHeight: number, pixelRatio: number): number {
    const pixels = tileHeight * pixelRatio;
    if (pixels > 400) return 720;
    return pixels > 200 ? 360 : 180;
}

export interface StageLayout {
    /** Where the strip of small pictures is. */
    strip: 'below' | 'beside';
    /** Of one small picture, in pixels of the page. */
    small: Size;
    /** Of the place for the large one. */
    height: number;
}

/** The strip below or beside the stage, whichever leaves the large picture larger; `gap` between them. */
export function stageLayout(width: number, height: number, gap: number): StageLayout {
    const low = Math.min(150, Math.max(64, height * 0.2));
    const narrow = Math.min(220, Math.max(110, width * 0.18));
    const below = { width, height: height - low - gap };
    const beside = { width: width - narrow - gap, height };
    const shown = (place: Size) => Math.min(place.width / CAMERA_ASPECT, place.height);
    return shown(beside) > shown(below)
        ? { strip: 'beside', small: { width: narrow, height: narrow / TILE_ASPECT }, height: beside.height }
        : { strip: 'below', small: { width: low * TILE_ASPECT, height: low }, height: below.height };
}
