import { defineConfig } from 'vite';

// For work on the page: `npx vite` beside `assay serve RUN`. The server answers only requests that come from itself.
const server = 'http://127.0.0.1:8321';

export default defineConfig({
  esbuild: { jsx: 'automatic', jsxImportSource: 'preact' },
  build: { target: 'es2022', assetsInlineLimit: 0 },
  server: { proxy: { '/api': { target: server, changeOrigin: true, headers: { origin: server } } } },
});
