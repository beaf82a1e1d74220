/** Line drawings of 24 × 24, one path each. */
const PATHS = {
    microphone: 'M12 3a3 3 0 0 0-3 3v5a3 3 0 0 0 6 0V6a3 3 0 0 0-3-3M5 11a7 7 0 0 0 14 0M12 18v3',
    'microphone-off': 'M12 3a3 3 0 0 0-3 3v5a3 3 0 0 0 6 0V6a3 3 0 0 0-3-3M5 11a7 7 0 0 0 14 0M12 18v3M3 3l18 18',
    camera: 'M3 7h12v10H3zM15 11l6-4v10l-6-4',
    'camera-off': 'M3 7h12v10H3zM15 11l6-4v10l-6-4M3 3l18 18',
    people: 'M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7M2 20a7 7 0 0 1 14 0M16 4.5a3.5 3.5 0 0 1 0 6M18.5 14a7 7 0 0 1 3.5 6',
    chat: 'M4 4h16v12H9l-5 4z',
    link: 'M10 14a4 4 0 0 0 6 0l3-3a4 4 0 0 0-6-6l-1 1M14 10a4 4 0 0 0-6 0l-3 3a4 4 0 0 0 6 6l1-1',
    leave: 'M3 15c5-5 13-5 18 0l-3 2-3-2v-2c-2-.7-4-.7-6 0v2l-3 2z',
    close: 'M5 5l14 14M19 5L5 19',
};

export type IconName = keyof typeof PATHS;

/** A drawing beside or instead of words; screen readers pass it by. */
export function Icon({ name }: { name: IconName }) {
    return (
        <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
            <path d={PATHS[name]} />
        </svg>
    );
}
