import type { ComponentChildren } from 'preact';
import { Icon } from './Icon';
import { Look } from './Look';

/** Where one is before and after a meeting: whose page it is, and below, how it looks. */
export function Foyer({ children }: { children: ComponentChildren }) {
    return (
        <div class="foyer">
            <header>
                <Icon name="bell" /> carillon
            </header>
            {children}
            <footer>
                <Look />
            </footer>
        </div>
    );
}
