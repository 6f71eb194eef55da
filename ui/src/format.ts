import type { Amount, Tokens } from './api/types';

/** Nano-dollars for people, exactly as the tray writes them: "$1.23", "$0.004" below one cent, "-$3.00". */
export function money(nanos: number): string {
  const sign = nanos < 0 ? '-' : '';
  const size = Math.abs(shown(nanos));
  if (size > 0 && size < 10_000_000) return `${sign}$0.00${size / 1_000_000}`;
  const cents = size / 10_000_000;
  const dollars = Math.floor(cents / 100);
  return `${sign}$${count(dollars)}.${String(cents % 100).padStart(2, '0')}`;
}

/** What `money` shows, in nano-dollars: what is said of two amounts beside each other must agree with it. */
export function shown(nanos: number): number {
  const size = Math.abs(nanos);
  const rounded =
    size < 10_000_000
      ? Math.ceil(size / 1_000_000) * 1_000_000
      : Math.floor((size + 5_000_000) / 10_000_000) * 10_000_000;
  return nanos < 0 ? -rounded : rounded;
}

/** One amount as a share of another, as far as both are shown. */
export const share = (part: number, whole: number) => percent(shown(part) / shown(whole));

/** A tick of a money axis: no cents where every tick is whole dollars. */
export function axisMoney(nanos: number, whole: boolean): string {
  return whole ? `$${count(Math.round(nanos / 1e9))}` : money(nanos);
}

/** No response of the sum has a price: its cost is not known at all. */
export const isUnpriced = (sum: Amount) => sum.responses > 0 && sum.unpriced_responses === sum.responses;

/** A sum's cost, never more certain than it is: "$1.20", "≥ $1.20", "unpriced". */
export function cost(sum: Amount): string {
  if (isUnpriced(sum)) return 'unpriced';
  return sum.unpriced_responses > 0 ? `≥ ${money(sum.cost)}` : money(sum.cost);
}

export const totalTokens = (all: Tokens) =>
  all.input + all.output + all.cache_read + all.cache_write_5m + all.cache_write_1h + all.unsplit;

/** "1,234,567" */
export const count = (value: number) => value.toLocaleString('en-US');

/** "1 response", "1,204 responses" */
export const plural = (value: number, noun: string) => `${count(value)} ${noun}${value === 1 ? '' : 's'}`;

/** "873", "5.3k", "18.4M": one decimal below a hundred. */
export const tokens = (value: number) => scaled(value, ['', 'k', 'M', 'B', 'T']);

/** "873 B", "5.3 kB", "1.0 GB"; powers of a thousand. */
export const bytes = (value: number) => scaled(value, [' B', ' kB', ' MB', ' GB', ' TB']);

function scaled(value: number, units: string[]): string {
  let unit = 0;
  // 999.5 would be written as 1000 of the smaller unit.
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const decimals = unit > 0 && value < 99.95 ? 1 : 0;
  return value.toFixed(decimals) + (units[unit] ?? '');
}

/** A share of 1 as "42 %"; "< 1 %" for what would round to nothing. */
export function percent(share: number): string {
  return share > 0 && share < 0.01 ? '< 1 %' : `${Math.round(share * 100)} %`;
}

/** Seconds as "12 s", "3 min", "1 h 05 min". */
export function duration(seconds: number): string {
  if (seconds < 60) return `${Math.max(0, Math.round(seconds))} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, '0')} min`;
}

/** "just now", "12 s ago", "3 min ago", "5 h ago", "2 days ago" */
export function ago(at: number, now: number): string {
  const seconds = Math.floor((now - at) / 1000);
  if (seconds < 2) return 'just now';
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${plural(Math.floor(seconds / 86_400), 'day')} ago`;
}

const dayFormats = {
  full: new Intl.DateTimeFormat('en-GB', { weekday: 'long', day: 'numeric', month: 'long', timeZone: 'UTC' }),
  short: new Intl.DateTimeFormat('en-GB', { weekday: 'short', day: 'numeric', timeZone: 'UTC' }),
  date: new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', timeZone: 'UTC' }),
};

/** A `YYYY-MM-DD` day as "Friday 20 November" (full), "Fri 20" (short), "20 Nov" (date). */
export function dayName(day: string, style: keyof typeof dayFormats): string {
  return dayFormats[style].format(Date.parse(day)).replace(',', '');
}

/** An instant as "15:30", or "20 Nov, 15:30" with its date; in the system's zone when `zone` is not known here. */
export function clock(at: number, zone: string, dated = false): string {
  const date = dated ? ({ day: 'numeric', month: 'short' } as const) : {};
  return formatIn(zone, { ...date, hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }).format(at);
}

/** An instant as "15:30", with its date when that is not the date of `now`. */
export function when(at: number, now: number, zone: string): string {
  const date = formatIn(zone, { dateStyle: 'short' });
  return clock(at, zone, date.format(at) !== date.format(now));
}

/** The first instant of the day after `day` in `zone`. */
export function endOfDay(day: string, zone: string): number {
  const midnight = Date.parse(day) + 86_400_000;
  // The offset at the wrong side of a clock change is corrected by the second look.
  const guess = midnight - offset(midnight, zone);
  return midnight - offset(guess, zone);
}

/** How far `zone` is ahead of UTC at `at`, in milliseconds. */
function offset(at: number, zone: string): number {
  const format = formatIn(zone, {
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    hourCycle: 'h23',
  });
  const part = Object.fromEntries(format.formatToParts(at).map(({ type, value }) => [type, Number(value)]));
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0 } = part;
  return Date.UTC(year, month - 1, day, hour, minute) - Math.floor(at / 60_000) * 60_000;
}

function formatIn(zone: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  try {
    return new Intl.DateTimeFormat('en-GB', { ...options, timeZone: zone });
  } catch {
    return new Intl.DateTimeFormat('en-GB', options);
  }
}

/** A path's last segment: "/home/mia/atlas/" is "atlas". */
export const lastSegment = (path: string) => path.split(/[\\/]/).filter(Boolean).at(-1) ?? path;

/** A session id short enough for a table: "0c5f2a1e…". */
export const shortId = (id: string) => (id.length > 12 ? `${id.slice(0, 8)}…` : id);
