// How many columns make the pictures largest.

/** Between the 16:9 of a camera and a square: a tile may cut a little of its picture. */
const TILE_ASPECT = 4 / 3;

/** Columns for so many tiles in a window of that size. */
export function columns(count: number, width: number, height: number): number {
    let best = { columns: 1, size: 0 };
    for (let tried = 1; tried <= count; tried++) {
        const tileHeight = height / Math.ceil(count / tried);
        const size = Math.min(width / tried, tileHeight * TILE_ASPECT);
        if (size > best.size + 0.5) best = { columns: tried, size };
    }
    return best.columns;
}

/** The height worth asking the bridge for (pixels): the layer that fills a tile of that height. */
export function pictureHeight(tileHeight: number, pixelRatio: number): number {
    const pixels = tileHeight * pixelRatio;
    if (pixels > 400) return 720;
    return pixels > 200 ? 360 : 180;
}
