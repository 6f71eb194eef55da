import { mockIPC } from '@tauri-apps/api/mocks';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { catchingUp, ordinary } from '../../fixtures/dashboards.js';
import { Live } from './live.svelte';

let answers: { revision: unknown; dashboard: (days: number) => unknown };
let calls: string[];
let stop: () => void = () => {};

beforeEach(() => {
  vi.useFakeTimers({ now: Date.parse('2026-11-20T14:32:08.400Z') });
  answers = { revision: 1, dashboard: (days) => ordinary(days) };
  calls = [];
  mockIPC((command, args) => {
    calls.push(command);
    const answer =
      command === 'dashboard'
        ? answers.dashboard((args as { days: number }).days)
        : answers[command as 'revision'];
    if (answer instanceof Error) throw answer;
    return answer;
  });
});

afterEach(() => {
  stop();
  vi.restoreAllMocks();
  vi.useRealTimers();
});

async function started(): Promise<Live> {
  const live = new Live();
  stop = live.start();
  await vi.advanceTimersByTimeAsync(0);
  return live;
}

const fetches = () => calls.filter((command) => command === 'dashboard').length;

test('fetches at the start, then only when the revision has moved', async () => {
  const live = await started();
  expect(live.data?.days).toHaveLength(30);
  await vi.advanceTimersByTimeAsync(5_000);
  expect(fetches()).toBe(1);
  answers.revision = 2;
  await vi.advanceTimersByTimeAsync(400);
  expect(fetches()).toBe(2);
});

test('fetches once a minute, so that the day rolls over', async () => {
  await started();
  await vi.advanceTimersByTimeAsync(61_000);
  expect(fetches()).toBe(2);
});

test('fetches about every second while catching up', async () => {
  answers.dashboard = (days) => catchingUp(days);
  await started();
  await vi.advanceTimersByTimeAsync(6_000);
  expect(fetches()).toBe(6);
});

test('asks nothing while the window is hidden, and at once when it is back', async () => {
  await started();
  const state = vi.spyOn(document, 'visibilityState', 'get').mockReturnValue('hidden');
  await vi.advanceTimersByTimeAsync(400);
  const before = calls.length;
  await vi.advanceTimersByTimeAsync(600_000);
  expect(calls.length).toBe(before);
  state.mockReturnValue('visible');
  document.dispatchEvent(new Event('visibilitychange'));
  await vi.advanceTimersByTimeAsync(0);
  expect(calls.slice(before)).toEqual(['revision', 'dashboard']);
});

test('a failure keeps the last good figures and goes away by itself', async () => {
  const live = await started();
  answers.revision = new Error('ledger busy');
  await vi.advanceTimersByTimeAsync(400);
  expect(live.failure?.message).toContain('ledger busy');
  expect(live.data?.summary.today.cost).toBe(12_340_000_000);
  answers.revision = 1;
  await vi.advanceTimersByTimeAsync(2_000);
  expect(live.failure).toBeNull();
});

test('the answer for a range no longer wanted is dropped', async () => {
  const live = await started();
  let answerLate: (data: unknown) => void = () => {};
  answers.dashboard = (days) =>
    days === 90 ? new Promise((resolve) => (answerLate = resolve)) : ordinary(days);
  const slow = live.select(90);
  await live.select(7);
  answerLate(ordinary(90));
  await slow;
  expect(live.data?.days).toHaveLength(7);
});

test('a refused click is told apart from unreadable figures', async () => {
  const live = await started();
  Object.assign(answers, { open_config: new Error('no editor') });
  await live.openConfig();
  expect([live.failure, live.refusal?.message]).toEqual([
    null,
    'asking Clawspend for open_config: no editor',
  ]);
});
