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
    screen: 'M3 5h18v11H3zM8 20h8M12 16v4M12 13V8M9.5 10.5L12 8l2.5 2.5',
    'screen-off': 'M3 5h18v11H3zM8 20h8M12 16v4M9.5 8l5 5M14.5 8l-5 5',
    devices: 'M4 7h9M17 7h3M15 5v4M4 12h3M11 12h9M9 10v4M4 17h9M17 17h3M15 15v4',
    tiles: 'M3 4h8v7H3zM13 4h8v7h-8zM3 13h8v7H3zM13 13h8v7h-8z',
    stage: 'M3 4h18v11H3zM3 18h5v2H3zM10 18h4v2h-4zM16 18h5v2h-5z',
    chart: 'M3 20h18M4 16l5-6 4 3 7-9',
    settings: 'M12 9a3 3 0 1 0 0 6 3 3 0 0 0 0-6M12 2.5v3M12 18.5v3M2.5 12h3M18.5 12h3M5.3 5.3l2.1 2.1M16.6 16.6l2.1 2.1M5.3 18.7l2.1-2.1M16.6 7.4l2.1-2.1',
    pin: 'M9 3h6l-1 6 4 4H6l4-4zM12 13v8',
    bell: 'M12 3v2M6 17c1-2 1-4 1-6a5 5 0 0 1 10 0c0 2 0 4 1 6zM10 20h4',
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
