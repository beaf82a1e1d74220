import type { Problem } from '../meeting/problems';
import { PROBLEMS } from './words';

/** A problem in words, with a way on when there is one. */
export function Notice({ problem, again, dismiss }: { problem: Problem; again?: () => void; dismiss?: () => void }) {
    return (
        <div class="notice" role="alert">
            <p>{PROBLEMS[problem]}</p>
            {again && (
                <button type="button" onClick={again}>
                    Try again
                </button>
            )}
            {dismiss && (
                <button type="button" onClick={dismiss}>
                    Close
                </button>
            )}
        </div>
    );
}
