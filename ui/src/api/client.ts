// The only file that reaches Rust.
import { invoke } from '@tauri-apps/api/core';
import type { Dashboard, UnixMillis } from './types';

export type Days = 7 | 30 | 90;

/** What every command answers when it cannot do what it was asked. */
export type Failure = { code: string; message: string; hint: string };

export const dashboard = (days: Days) => call<Dashboard>('dashboard', { days });

/** Changes whenever the ledger does; cheap enough to ask a few times a second. */
export const revision = () => call<number>('revision');

export const openConfig = () => call<void>('open_config');

/** `null` resumes. */
export const pauseNotifications = (until: UnixMillis | null) => call<void>('pause_notifications', { until });

async function call<Reply>(command: string, args?: Record<string, unknown>): Promise<Reply> {
  try {
    return await invoke<Reply>(command, args);
  } catch (thrown) {
    throw asFailure(thrown, command);
  }
}

/** Commands throw a `Failure`; the bridge itself throws strings and Errors. */
export function asFailure(thrown: unknown, command = 'unknown'): Failure {
  if (typeof thrown === 'object' && thrown !== null && 'code' in thrown && 'message' in thrown) {
    const { code, message, hint } = thrown as Partial<Failure>;
    return { code: String(code), message: String(message), hint: hint ?? '' };
  }
  const cause = thrown instanceof Error ? thrown.message : String(thrown);
  return {
    code: command,
    message: `asking Clawspend for ${command}: ${cause}`,
    hint: 'Close this window and open it again.',
  };
}
