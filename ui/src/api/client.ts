// The only file that reaches Rust.
import { invoke } from '@tauri-apps/api/core';
import type { ApiError, Dashboard, UnixMillis } from './types';

export type Days = 7 | 30 | 90;

export const dashboard = (days: Days) => call<Dashboard>('dashboard', { days });

/** Changes whenever the ledger does; cheap enough to ask a few times a second. */
export const revision = () => call<number>('revision');

export const openConfig = () => call<void>('open_config');

/** `null` resumes. */
export const pauseNotifications = (until: UnixMillis | null) => call<void>('pause_notifications', { until });

/** What to be warned of before a token is given to a gateway at this URL. */
export const gatewayWarning = (url: string) => call<string | null>('gateway_warning', { url });

/** An empty token is none. */
export const addGateway = (name: string, url: string, token: string) =>
  call<void>('add_gateway', { name, url, token });

/** An empty token leaves the known one as it is, unless the URL is another. */
export const changeGateway = (name: string, url: string, token: string) =>
  call<void>('change_gateway', { name, url, token });

/** Its tokens are forgotten too. */
export const removeGateway = (name: string) => call<void>('remove_gateway', { name });

export const makeDefaultGateway = (name: string) => call<void>('make_default_gateway', { name });

async function call<Reply>(command: string, args?: Record<string, unknown>): Promise<Reply> {
  try {
    return await invoke<Reply>(command, args);
  } catch (thrown) {
    throw asApiError(thrown, command);
  }
}

/** Commands throw an `ApiError`; the bridge itself throws strings and Errors. */
export function asApiError(thrown: unknown, command = 'unknown'): ApiError {
  if (typeof thrown === 'object' && thrown !== null && 'code' in thrown && 'message' in thrown) {
    const { code, message, hint } = thrown as Partial<ApiError>;
    return { code: String(code), message: String(message), hint: hint ?? '' };
  }
  const cause = thrown instanceof Error ? thrown.message : String(thrown);
  return {
    code: command,
    message: `asking Clawspend for ${command}: ${cause}`,
    hint: 'Close this window and open it again.',
  };
}
