// What was said in the room: a bounded list, with what has not been read yet.

import { signal } from '@preact/signals';

export interface ChatLine {
    key: number;
    from: string;
    name: string;
    text: string;
    at: Date;
    own: boolean;
}

const MAX_LINES = 500;

export class ChatLog {
    readonly lines = signal<ChatLine[]>([]);
    readonly unread = signal(0);
    private nextKey = 0;
    private open = false;

    add(line: Omit<ChatLine, 'key'>): void {
        // The server's history is told again after a rejoin, to the second.
        const { from, text, at } = line;
        if (this.lines.value.some((old) => old.from === from && old.text === text && +old.at === +at)) return;
        this.lines.value = [...this.lines.value.slice(1 - MAX_LINES), { ...line, key: this.nextKey++ }];
        if (!this.open && !line.own) this.unread.value++;
    }

    /** Whether its user looks at it. */
    show(open: boolean): void {
        this.open = open;
        if (open) this.unread.value = 0;
    }
}
