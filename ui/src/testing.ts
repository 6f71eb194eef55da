// Runs before each file of unit tests.
import { clearMocks } from '@tauri-apps/api/mocks';
import { afterEach } from 'vitest';

/** jsdom lays nothing out, so nothing is ever resized. */
globalThis.ResizeObserver = class {
  observe() {}
  unobserve() {}
  disconnect() {}
};

afterEach(() => {
  clearMocks();
  localStorage.clear();
});
