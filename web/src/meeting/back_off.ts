/** A time to wait before the next try (ms): doubled each time up to a limit, spread so that not all come at once. */
export function backOff(tries: number, firstMs = 500, limitMs = 15_000): number {
    return Math.min(limitMs, firstMs * 2 ** tries) * (0.5 + Math.random() / 2);
}
