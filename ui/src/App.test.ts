import { mockIPC } from '@tauri-apps/api/mocks';
import { render, screen, within } from '@testing-library/svelte';
import userEvent from '@testing-library/user-event';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import * as fixtures from '../fixtures/dashboards.js';
import type { Dashboard } from './api/types';
import App from './App.svelte';

type Call = [command: string, args: unknown];

beforeEach(() => vi.useFakeTimers({ now: fixtures.NOW, toFake: ['Date'] }));
afterEach(() => vi.useRealTimers());

/** Opens the window on `make`'s dashboards; returns the commands it calls. */
async function open(make: (days?: number) => Dashboard): Promise<Call[]> {
  const calls: Call[] = [];
  mockIPC((command, args) => {
    calls.push([command, args]);
    return command === 'dashboard' ? make((args as { days: number }).days) : 1;
  });
  render(App);
  await vi.waitFor(() => expect(screen.getByTestId('state').dataset.state).not.toBe('loading'));
  return calls;
}

const texts = (id: string) =>
  screen.getAllByTestId(id).map((each) => each.textContent?.replace(/\s+/g, ' ').trim());

test('an ordinary day', async () => {
  await open(fixtures.ordinary);
  expect(texts('today')).toEqual(['$12.34']);
  expect(texts('state')).toEqual(['Live · updated 3 s ago']);
  const data = fixtures.ordinary(30);
  const shown = screen
    .getAllByTestId('model-row')
    .map(({ dataset }) => [dataset.model, Number(dataset.nanos)]);
  expect(shown).toEqual(data.by_model.map((row) => [row.name, row.amount.cost]));
  const bars = screen.getAllByTestId('day-bar').map(({ dataset }) => dataset.day);
  expect(bars).toEqual(data.days.map(({ day }) => day));
});

test('another range is asked for and shown', async () => {
  const calls = await open(fixtures.ordinary);
  await userEvent.click(screen.getByTestId('range-7'));
  expect(calls.at(-1)).toEqual(['dashboard', { days: 7 }]);
  await vi.waitFor(() => expect(screen.getAllByTestId('day-bar')).toHaveLength(7));
});

test('the arrows walk over the days', async () => {
  await open(fixtures.ordinary);
  screen.getAllByTestId('day-bar').at(-1)?.focus();
  await userEvent.keyboard('{ArrowLeft}{ArrowLeft}');
  expect(screen.getByRole('tooltip').textContent).toContain('Wednesday 18 November');
  await userEvent.keyboard('{Escape}');
  expect(screen.queryByRole('tooltip')).toBeNull();
});

test('projects by their last segment, sessions by a short id and their project', async () => {
  await open(fixtures.ordinary);
  await userEvent.click(screen.getByTestId('by-project'));
  const project = within(screen.getAllByTestId('project-row')[1] as HTMLElement).getByRole('rowheader');
  expect([project.querySelector('.first')?.textContent.trim(), project.title]).toEqual([
    'tile-server',
    '/home/mia/src/atlas/packages/tile-server',
  ]);
  await userEvent.click(screen.getByTestId('by-session'));
  expect(texts('session-row')[0]).toMatch(/^9c5f2a1e… atlas · in the last 15 min/);
  await userEvent.click(screen.getByRole('button', { name: 'Show all 34' }));
  expect(screen.getAllByTestId('session-row')).toHaveLength(34);
});

test('nothing found: where it looked, and how to point it elsewhere', async () => {
  const calls = await open(fixtures.firstRun);
  expect(screen.queryByTestId('today')).toBeNull();
  expect(texts('root')).toEqual([
    'Claude Code /home/mia/.claude/projects default place no such folder',
    'Claude Code /srv/agents/claude/projects from CLAUDE_CONFIG_DIR cannot be read: Permission denied (os error 13)',
    'OpenClaw /home/mia/.openclaw default place there, but without logs',
  ]);
  await userEvent.click(screen.getByRole('button', { name: 'Open config' }));
  expect(calls).toContainEqual(['open_config', {}]);
});

test('catching up shows how far, and what is known so far', async () => {
  await open(fixtures.catchingUp);
  expect(texts('state')).toEqual(['Catching up 42 % · 12 s left · updated 3 s ago']);
  expect(screen.getByRole('progressbar').getAttribute('aria-valuenow')).toBe('42');
  expect(texts('today')).toEqual(['$12.34']);
});

test('what the totals may lack is said below them', async () => {
  const remark = 'Claude Code: not all of these days are known whole.';
  await open(() => ({ ...fixtures.ordinary(), remarks: [remark] }));
  expect(texts('remark')).toEqual([remark]);
});

test('unpriced models are named and the figure is a lower bound', async () => {
  await open(fixtures.unpriced);
  expect(texts('notice')[0]).toMatch(/^No price is known for mystery-coder-1-preview\./);
  expect(screen.getByTestId('today').parentElement?.textContent).toMatch(/≥\s+\$12\.34/);
});

test('serious problems come first, the rest is folded', async () => {
  await open(fixtures.problems);
  const notices = screen.getAllByTestId('notice');
  expect(notices.map(({ dataset }) => dataset.tone)).toEqual(['danger', 'warn', 'info', 'info']);
  expect(screen.getByText('1 more notice')).toBeTruthy();
});

test('notifications are paused for an hour, until tomorrow, and resumed', async () => {
  const calls = await open(fixtures.ordinary);
  await userEvent.click(screen.getByRole('button', { name: '1 h' }));
  await userEvent.click(screen.getByRole('button', { name: 'Until tomorrow' }));
  const pauses = calls.filter(([command]) => command === 'pause_notifications').map(([, args]) => args);
  expect(pauses).toEqual([{ until: fixtures.NOW + 3_600_000 }, { until: Date.parse('2026-11-20T23:00Z') }]);
});

test('paused notifications say until when', async () => {
  await open(fixtures.problems);
  expect(texts('notifications')[0]).toBe('Paused until 16:30 Resume');
});
