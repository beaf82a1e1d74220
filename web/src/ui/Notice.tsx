import type { Problem } from '../meeting/problems';
import { t } from './words';

/** A problem in words, with a way on when there is one. */
export function Notice({ problem, again, dismiss }: { problem: Problem; again?: () => void; dismiss?: () => void }) {
    return (
        <div class="notice" role="alert">
            <p>{t(`problem.${problem}`)}</p>
            {again && (
                <button type="button" onClick={again}>
                    {t('problem.try-again')}
                </button>
            )}
            {dismiss && (
                <button type="button" onClick={dismiss}>
                    {t('problem.close')}
                </button>
            )}
        </div>
    );
}
