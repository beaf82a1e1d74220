import { chooseTheme, THEMES, theme } from './theme';
import { LANGUAGES, language, speak, t } from './words';

/** Each language in its own words. */
const LANGUAGE_NAMES = { en: 'English', de: 'Deutsch' } as const;

function Choice<T extends string>({
    label,
    values,
    chosen,
    name,
    choose,
}: {
    label: string;
    values: readonly T[];
    chosen: T;
    name: (value: T) => string;
    choose: (value: T) => void;
}) {
    return (
        <label>
            {label}
            <select onChange={(event) => choose(event.currentTarget.value as T)}>
                {values.map((value) => (
                    <option key={value} value={value} selected={value === chosen}>
                        {name(value)}
                    </option>
                ))}
            </select>
        </label>
    );
}

/** Language and theme, to choose. */
export function Look() {
    return (
        <div class="look">
            <Choice
                label={t('look.language')}
                values={LANGUAGES}
                chosen={language.value}
                name={(value) => LANGUAGE_NAMES[value]}
                choose={speak}
            />
            <Choice
                label={t('look.theme')}
                values={THEMES}
                chosen={theme.value}
                name={(value) => t(`look.${value}`)}
                choose={chooseTheme}
            />
        </div>
    );
}
