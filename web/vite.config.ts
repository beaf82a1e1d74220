import { defineConfig } from 'vite';

// The front serves what is built here: see bosh/pages.py.
export default defineConfig({
    base: '/',
    build: { outDir: '../bosh/pages', emptyOutDir: true, target: 'es2022', sourcemap: false },
});
