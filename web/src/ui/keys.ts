import { useEffect } from 'preact/hooks';

/** Calls what belongs to a key, unless its user is typing or pressing something else. */
export function useKeys(actions: Record<string, () => void>) {
    useEffect(() => {
        const press = (event: KeyboardEvent) => {
            const elsewhere = (event.target as Element | null)?.closest?.('input,textarea,select,[contenteditable]');
            const action = Object.hasOwn(actions, event.key.toLowerCase()) && actions[event.key.toLowerCase()];
            if (!action || elsewhere || event.repeat || event.ctrlKey || event.altKey || event.metaKey) return;
            event.preventDefault(); // else the letter lands in the field that it opens
            action();
        };
        addEventListener('keydown', press);
        return () => removeEventListener('keydown', press);
    });
}
