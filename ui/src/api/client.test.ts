import { mockIPC } from '@tauri-apps/api/mocks';
import { expect, test } from 'vitest';
import * as client from './client';
import { dashboard, openConfig, pauseNotifications, revision } from './client';

test('each call is one command with its arguments', async () => {
  const calls: unknown[] = [];
  mockIPC((command, args) => void calls.push([command, args]));
  await dashboard(90);
  await revision();
  await openConfig();
  await pauseNotifications(null);
  await client.gatewayWarning('ws://claw');
  await client.addGateway('home', 'ws://claw', 't');
  await client.changeGateway('home', 'ws://claw', '');
  await client.removeGateway('home');
  await client.makeDefaultGateway('home');
  expect(calls).toEqual([
    ['dashboard', { days: 90 }],
    ['revision', {}],
    ['open_config', {}],
    ['pause_notifications', { until: null }],
    ['gateway_warning', { url: 'ws://claw' }],
    ['add_gateway', { name: 'home', url: 'ws://claw', token: 't' }],
    ['change_gateway', { name: 'home', url: 'ws://claw', token: '' }],
    ['remove_gateway', { name: 'home' }],
    ['make_default_gateway', { name: 'home' }],
  ]);
});

test.each([
  [
    { code: 'ledger', message: 'opening the ledger', hint: 'update' },
    { code: 'ledger', message: 'opening the ledger', hint: 'update' },
  ],
  [
    'not allowed',
    { code: 'revision', message: 'asking Clawspend for revision: not allowed', hint: expect.any(String) },
  ],
  [
    new Error('gone'),
    { code: 'revision', message: 'asking Clawspend for revision: gone', hint: expect.any(String) },
  ],
])('a failed call throws message and hint', async (thrown, failure) => {
  mockIPC(() => {
    throw thrown;
  });
  await expect(revision()).rejects.toEqual(failure);
});
