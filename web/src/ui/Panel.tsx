import type { ComponentChildren } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';
import { Icon } from './Icon';
import { t } from './words';

/** What can stand beside the pictures, one at a time. */
export type PanelName = 'none' | 'people' | 'chat' | 'devices' | 'statistics' | 'settings';

/** A panel beside the pictures: takes the focus when it opens; Escape closes it. */
export function Panel({
    id,
    title,
    close,
    children,
}: {
    id: string;
    title: string;
    close: () => void;
    children: ComponentChildren;
}) {
    const section = useRef<HTMLElement>(null);
    // Before the next key is pressed: it is meant for the panel.
    useLayoutEffect(() => {
        (section.current?.querySelector<HTMLElement>('[data-first]') ?? section.current)?.focus();
    }, []);
    const press = (event: KeyboardEvent) => {
        if (event.key !== 'Escape') return;
        event.stopPropagation();
        close();
    };
    return (
        <section ref={section} id={id} class="panel" aria-label={title} tabIndex={-1} onKeyDown={press}>
            <div class="panel-head">
                <h2>{title}</h2>
                <button type="button" class="plain" aria-label={t('panel.close')} onClick={close}>
                    <Icon name="close" />
                </button>
            </div>
            {children}
        </section>
    );
}
