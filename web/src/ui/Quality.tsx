import type { Level } from '../meeting/quality';
import { t } from './words';

const BARS: Record<Level, number> = { good: 3, middling: 2, poor: 1 };

/** How well a connection is: three bars of which fewer are filled, and the same in words. */
export function Quality({ level }: { level: Level }) {
    const text = t(`quality.${level}`);
    return (
        <svg class="quality" viewBox="0 0 16 14" role="img" aria-label={text} data-level={level}>
            <title>{text}</title>
            {[1, 2, 3].map((bar) => (
                <rect
                    key={bar}
                    class={bar <= BARS[level] ? 'full' : 'empty'}
                    x={bar * 5 - 4}
                    y={14 - bar * 4.5}
                    width="4"
                    height={bar * 4.5}
                    rx="1"
                />
            ))}
        </svg>
    );
}
