// What stands in the way now.

import { signal } from '@preact/signals';
import type { DeviceTrouble } from './devices';
import type { Kind } from './offer';
import type { Problem } from './problems';

export class ProblemList {
    /** In the order in which they came up, none twice. */
    readonly list = signal<Problem[]>([]);

    add(problem: Problem): void {
        if (!this.list.value.includes(problem)) this.list.value = [...this.list.value, problem];
    }

    /** These are gone, or were read. */
    remove(...problems: Problem[]): void {
        this.list.value = this.list.value.filter((known) => !problems.includes(known));
    }

    removeDevice(kind: Kind): void {
        this.list.value = this.list.value.filter((known) => !known.startsWith(`${kind}-`));
    }

    replaceDevice(kind: Kind, trouble: DeviceTrouble): void {
        this.removeDevice(kind);
        this.add(`${kind}-${trouble}`);
    }

    replace(problems: Problem[]): void {
        this.list.value = problems;
    }
}
