import { svelte } from '@sveltejs/vite-plugin-svelte';
import { svelteTesting } from '@testing-library/svelte/vite';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  plugins: [svelte(), svelteTesting()],
  clearScreen: false,
  server: { host: '127.0.0.1', port: 1420, strictPort: true },
  build: { target: ['es2022', 'safari16'], modulePreload: { polyfill: false } },
  test: {
    environment: 'jsdom',
    isolate: false,
    include: ['src/**/*.test.ts'],
    setupFiles: 'src/testing.ts',
    // Generous, because machines differ; nothing here waits for it.
    testTimeout: 60_000,
    env: { TZ: 'UTC' },
  },
});
