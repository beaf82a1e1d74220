import { defineConfig } from 'vitest/config';

// The front serves what is built here: see bosh/pages.py.
export default defineConfig({
    base: '/',
    build: { outDir: '../bosh/pages', emptyOutDir: true, target: 'es2022', sourcemap: false },
    // The tests read recorded stanzas of the repository.
    server: { fs: { allow: ['..'] } },
    test: {
        environment: 'jsdom',
        include: ['tests/**/*.test.ts'],
        // The build for browsers: the one for Node.js brings a DOM and a WebSocket of its own.
        alias: { 'strophe.js': `${import.meta.dirname}/node_modules/strophe.js/dist/strophe.esm.js` },
        server: { deps: { inline: ['strophe.js'] } },
        // One DOM for all files of a process, not one for each: a fifth of the time. A test leaves it as it found it.
        isolate: false,
        restoreMocks: true,
        unstubGlobals: true,
    },
});
