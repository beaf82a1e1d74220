import { useEffect, useRef, useState } from 'preact/hooks';
import { Icon } from './Icon';
import { t } from './words';

const CONFIRMED_MS = 3000;

/** The address to invite others with: copied, or shown to be copied by hand where the browser gives no clipboard. */
export function CopyLink() {
    const [state, setState] = useState<'idle' | 'copied' | 'shown'>('idle');
    const field = useRef<HTMLInputElement>(null);
    const address = location.origin + location.pathname;
    useEffect(() => {
        if (state === 'shown') field.current?.select();
        if (state !== 'copied') return;
        const timer = setTimeout(() => setState('idle'), CONFIRMED_MS);
        return () => clearTimeout(timer);
    }, [state]);
    const copy = async () => {
        try {
            await navigator.clipboard.writeText(address);
            setState('copied');
        } catch {
            setState((before) => (before === 'shown' ? 'idle' : 'shown'));
        }
    };
    const label = t(state === 'copied' ? 'link.copied' : 'link.copy');
    return (
        <>
            <button type="button" title={label} onClick={() => void copy()}>
                <Icon name="link" />
                <span class="label" aria-live="polite">
                    {label}
                </span>
            </button>
            {state === 'shown' && (
                <div class="address">
                    <label>
                        {t('link.by-hand')} <input ref={field} readOnly value={address} />
                    </label>
                    <button type="button" onClick={() => setState('idle')}>
                        {t('link.done')}
                    </button>
                </div>
            )}
        </>
    );
}
