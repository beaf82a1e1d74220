import { defineConfig } from 'eslint/config';
import tseslint from 'typescript-eslint';

// What the compiler does not see: promises nobody waits for, values that are `any`, switches, old habits.
export default defineConfig(
    {
        files: ['src/**/*.{ts,tsx}', 'tests/**/*.ts'],
        extends: [tseslint.configs.recommendedTypeChecked],
        languageOptions: { parserOptions: { projectService: true } },
        rules: {
            eqeqeq: 'error',
            '@typescript-eslint/consistent-type-imports': 'error',
            '@typescript-eslint/prefer-readonly': 'error',
            // An interface may promise what one of its kind has at once.
            '@typescript-eslint/require-await': 'off',
            '@typescript-eslint/await-thenable': 'off',
            // Callbacks may be async; of events they are not.
            '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: { arguments: false } }],
        },
    },
    {
        // They look into what was sent, which has no types.
        files: ['tests/**/*.ts'],
        rules: {
            '@typescript-eslint/no-unsafe-assignment': 'off',
            '@typescript-eslint/no-unsafe-member-access': 'off',
            '@typescript-eslint/no-unsafe-argument': 'off',
        },
    },
);
