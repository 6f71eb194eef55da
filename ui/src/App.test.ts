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

/** Opens the window on `make`'s dashboards; returns the commands it calls. Others are answered by `answers`. */
async function open(
  make: (days?: number) => Dashboard,
  answers: Record<string, () => unknown> = {},
): Promise<Call[]> {
  const calls: Call[] = [];
  mockIPC((command, args) => {
    calls.push([command, args]);
    const answer = answers[command];
    if (answer) return answer();
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
  expect(notices.map(({ dataset }) => dataset.tone)).toEqual(['danger', 'warn', 'warn', 'info', 'info']);
  expect(screen.getByText('2 more notices')).toBeTruthy();
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

test('gateways say how things stand, and of when their totals are', async () => {
  await open(fixtures.ordinary);
  expect(texts('gateway')).toEqual([
    'home connected default found on this machine Connected to OpenClaw 2026.9.6 at ws://127.0.0.1:18789.',
    'office offline since 15:03 Make default Change Remove ' +
      'The gateway at wss://claw.example.org cannot be reached since 2026-11-20 15:03:12: no answer came in time. ' +
      'Try again; the tray app does so by itself. Its totals are as of 14:58 (34 min ago).',
  ]);
});

test('quotas say how full they are, until when, and how old that is', async () => {
  await open(fixtures.ordinary);
  expect(texts('quota')).toEqual([
    'Claude 5h Max · gateway home 91 % resets 17:00 told 4 min ago',
    'ClawRouter Monthly budget Managed monthly budget · gateway office 24 % resets 30 Nov, 15:32 told 34 min ago',
  ]);
  const meters = screen
    .getAllByRole('meter')
    .map((meter) => [meter.getAttribute('aria-label'), meter.getAttribute('aria-valuetext')]);
  expect(meters).toEqual([
    ['Claude 5h', '91 % used'],
    ['ClawRouter Monthly budget', '24 % used'],
  ]);
});

test('without gateways and quotas there is nothing about them, but a way to add one', async () => {
  await open(() => {
    const data = fixtures.ordinary();
    return { ...data, quotas: [], status: { ...data.status, gateways: [] } };
  });
  expect([screen.queryByTestId('gateways'), screen.queryByTestId('quotas')]).toEqual([null, null]);
  expect(screen.getByRole('button', { name: 'Add a gateway' })).toBeTruthy();
});

test('while nothing follows, no gateway is said to be anything, and an old quota is not said to be full', async () => {
  await open(fixtures.stopped);
  expect(screen.queryByTestId('gateways')).toBeNull();
  expect(screen.queryByRole('meter')).toBeNull();
  expect(texts('quota')[0]).toBe('Claude 5h Max · gateway home 91 % used 3 h ago; empty again since 14:32');
});

test('a gateway that waits shows the command to be copied', async () => {
  const user = userEvent.setup();
  await open(fixtures.waiting);
  const command = 'openclaw devices approve 1ab96fea-41d7-4b0e-9a3c-5d2e88aa3101';
  expect(texts('notice')).toEqual([
    `Gateway lab: waiting for approval. On the gateway’s machine, run: ${command}`,
  ]);
  const field = screen.getByLabelText<HTMLInputElement>('Command that lets lab in');
  expect([field.value, field.readOnly]).toEqual([command, true]);
  expect(texts('gateway')[0]).toMatch(
    /ws:\/\/lab\.example\.org:18789 is not encrypted: everybody on the way/,
  );

  await user.click(screen.getByRole('button', { name: 'Copy' }));
  expect(await navigator.clipboard.readText()).toBe(command);
  expect(screen.getByText('Copied')).toBeTruthy();
  vi.spyOn(navigator.clipboard, 'writeText').mockRejectedValue(new Error('not allowed'));
  await user.click(screen.getByRole('button', { name: 'Copy' }));
  expect(screen.getByText('Selected: copy it with the keyboard')).toBeTruthy();
  expect([field.selectionStart, field.selectionEnd]).toEqual([0, command.length]);
});

/** Opens the form for a new gateway, and fills it. */
async function fillIn(name: string, url: string, token: string) {
  await userEvent.click(screen.getByRole('button', { name: 'Add a gateway' }));
  expect(document.activeElement).toBe(screen.getByLabelText('Name'));
  await userEvent.type(screen.getByLabelText('Name'), name);
  await userEvent.type(screen.getByLabelText('URL'), url);
  await userEvent.type(screen.getByLabelText('Token or password'), token);
}

test('a gateway is added, and its token goes nowhere else', async () => {
  const calls = await open(fixtures.firstRun, { gateway_warning: () => null, add_gateway: () => null });
  await fillIn('lab', 'wss://lab.example.org', 'SECRET');
  expect(screen.getByLabelText<HTMLInputElement>('Token or password').type).toBe('password');
  await userEvent.click(screen.getByRole('button', { name: 'Add' }));
  expect(calls.filter(([command]) => command.includes('gateway'))).toEqual([
    ['gateway_warning', { url: 'wss://lab.example.org' }],
    ['add_gateway', { name: 'lab', url: 'wss://lab.example.org', token: 'SECRET' }],
  ]);
  expect(screen.queryByTestId('gateway-form')).toBeNull();
  expect(screen.getByText('lab is added. Clawspend’s tray app connects to it by itself.')).toBeTruthy();
  expect(document.activeElement).toBe(screen.getByRole('button', { name: 'Add a gateway' }));
  await userEvent.click(screen.getByRole('button', { name: 'Add a gateway' }));
  expect(screen.getByLabelText<HTMLInputElement>('Token or password').value).toBe('');
});

test('what is wrong with a gateway is said at its field, in the API’s words', async () => {
  await open(fixtures.ordinary, {
    gateway_warning: () => 'ws://lab.example.org is not encrypted',
    add_gateway: () => {
      throw {
        code: 'gateway_name',
        message: 'a gateway is called home already',
        hint: 'give this one another name',
      };
    },
  });
  await fillIn('home', 'ws://lab.example.org', 'SECRET');
  expect(screen.getByRole('alert').textContent).toBe('ws://lab.example.org is not encrypted.');
  await userEvent.click(screen.getByRole('button', { name: 'Add' }));
  expect(screen.getAllByRole('alert').map((alert) => alert.textContent)).toEqual([
    'ws://lab.example.org is not encrypted.',
    'A gateway is called home already. Give this one another name.',
  ]);
  const name = screen.getByLabelText('Name');
  expect([name.getAttribute('aria-invalid'), name.getAttribute('aria-describedby')]).toEqual([
    'true',
    screen.getAllByRole('alert')[1]?.id,
  ]);
  await userEvent.keyboard('{Escape}');
  expect(screen.queryByTestId('gateway-form')).toBeNull();
});

test('what stands in the config can be changed, made the default, and removed after a question', async () => {
  const calls = await open(fixtures.ordinary);
  const asked = () => calls.filter(([command]) => command.includes('gateway'));
  await userEvent.click(screen.getByRole('button', { name: 'Change' }));
  const [name, url, token] = ['Name', 'URL', 'Token or password'].map((label) =>
    screen.getByLabelText<HTMLInputElement>(label),
  );
  expect([name?.value, name?.readOnly, url?.value, token?.value]).toEqual([
    'office',
    true,
    'wss://claw.example.org',
    '',
  ]);
  await userEvent.type(token as HTMLInputElement, 'SECRET');
  await userEvent.click(screen.getByRole('button', { name: 'Save' }));
  await userEvent.click(screen.getByRole('button', { name: 'Make default' }));
  await userEvent.click(screen.getByRole('button', { name: 'Remove' }));
  await userEvent.click(screen.getByRole('button', { name: 'Keep it' }));
  expect(document.activeElement).toBe(screen.getByRole('button', { name: 'Remove' }));
  expect(asked()).toEqual([
    ['change_gateway', { name: 'office', url: 'wss://claw.example.org', token: 'SECRET' }],
    ['make_default_gateway', { name: 'office' }],
  ]);
  await userEvent.click(screen.getByRole('button', { name: 'Remove' }));
  await userEvent.click(screen.getByRole('button', { name: 'Remove office' }));
  expect(asked().at(-1)).toEqual(['remove_gateway', { name: 'office' }]);
  expect(screen.queryByTestId('gateway-form')).toBeNull();
});
