import { describe, expect, test } from 'vitest';
import type { Amount } from './api/types';
import * as format from './format';

describe('money', () => {
  // The cases of `amounts_are_shown_for_people_and_for_programs` in money.rs, and its borders.
  test.each([
    [0, '$0.00'],
    [1, '$0.001'],
    [4_000_000, '$0.004'],
    [4_000_001, '$0.005'],
    [9_000_000, '$0.009'],
    [9_500_000, '$0.01'],
    [10_000_000, '$0.01'],
    [14_999_999, '$0.01'],
    [15_000_000, '$0.02'],
    [1_234_567_890, '$1.23'],
    [1_235_000_000, '$1.24'],
    [999_995_000_000, '$1,000.00'],
    [1_234_567_890_000_000, '$1,234,567.89'],
    [-3_000_000_000, '-$3.00'],
    [-4_000_000, '-$0.004'],
  ])('%i is %s', (nanos, text) => expect(format.money(nanos)).toBe(text));

  test.each([
    [3_300_000, 1_100_000, '200 %'],
    [37_020_000_000, 12_340_000_000, '300 %'],
    [0, 1, '0 %'],
  ])('%i is a share of %i as they are shown: %s', (part, whole, text) =>
    expect(format.share(part, whole)).toBe(text),
  );

  test('on an axis without needless cents', () => {
    expect(format.axisMoney(1_500_000_000_000, true)).toBe('$1,500');
    expect(format.axisMoney(500_000_000, false)).toBe('$0.50');
  });
});

test.each([
  [3, 0, '$2.00'],
  [3, 1, '≥ $2.00'],
  [3, 3, 'unpriced'],
])('%i responses, %i without a price: %s', (responses, unpriced_responses, text) => {
  const tokens = { input: 1, output: 2, cache_read: 4, cache_write_5m: 8, cache_write_1h: 16, unsplit: 32 };
  const sum: Amount = { cost: 2e9, responses, unpriced_responses, tokens };
  expect(format.cost(sum)).toBe(text);
  expect(format.totalTokens(tokens)).toBe(63);
});

test.each([
  [0, '0', '0 B'],
  [873, '873', '873 B'],
  [999, '999', '999 B'],
  [1_000, '1.0k', '1.0 kB'],
  [5_349, '5.3k', '5.3 kB'],
  [99_949, '99.9k', '99.9 kB'],
  [99_950, '100k', '100 kB'],
  [999_499, '999k', '999 kB'],
  [999_500, '1.0M', '1.0 MB'],
  [1_234_567, '1.2M', '1.2 MB'],
  [2_000_000_000, '2.0B', '2.0 GB'],
])('%i as tokens and bytes', (value, tokens, bytes) => {
  expect([format.tokens(value), format.bytes(value)]).toEqual([tokens, bytes]);
});

test.each([
  [0, '0 %'],
  [0.004, '< 1 %'],
  [0.425, '43 %'],
  [1, '100 %'],
])('a share of %d is %s', (share, text) => expect(format.percent(share)).toBe(text));

test.each([
  [0, '0 s'],
  [59.4, '59 s'],
  [90, '2 min'],
  [3_599, '1 h 00 min'],
  [3_900, '1 h 05 min'],
])('%d seconds are %s', (seconds, text) => expect(format.duration(seconds)).toBe(text));

test.each([
  [-5, 'just now'],
  [1.9, 'just now'],
  [12, '12 s ago'],
  [61, '1 min ago'],
  [7_300, '2 h ago'],
  [86_400, '1 day ago'],
  [200_000, '2 days ago'],
])('%d seconds before now: %s', (seconds, text) => {
  const now = 1_795_178_223_424;
  expect(format.ago(now - seconds * 1000, now)).toBe(text);
});

test('days and times are written in the zone of the figures', () => {
  expect(format.dayName('2026-11-20', 'full')).toBe('Friday 20 November');
  expect(format.dayName('2026-11-20', 'short')).toBe('Fri 20');
  expect(format.dayName('2026-11-20', 'date')).toBe('20 Nov');
  const at = Date.parse('2026-11-20T23:30:00Z');
  expect(format.clock(at, 'Asia/Tokyo')).toBe('08:30');
  expect(format.clock(at, 'Asia/Tokyo', true)).toBe('21 Nov, 08:30');
  expect(format.clock(at, 'Nowhere/Known')).toBe('23:30');
  expect(format.when(at, at - 3_600_000, 'UTC')).toBe('23:30');
  expect(format.when(at, at + 3_600_000, 'UTC')).toBe('20 Nov, 23:30');
  expect(format.when(at, at + 3_600_000, 'Asia/Tokyo')).toBe('08:30');
});

test.each([
  ['2026-11-20', 'UTC', '2026-11-21T00:00Z'],
  ['2026-11-20', 'Asia/Kathmandu', '2026-11-20T18:15Z'],
  ['2026-11-20', 'America/Los_Angeles', '2026-11-21T08:00Z'],
  ['2026-03-28', 'Europe/Berlin', '2026-03-28T23:00Z'],
  ['2026-03-29', 'Europe/Berlin', '2026-03-29T22:00Z'],
  ['2026-10-25', 'Europe/Berlin', '2026-10-25T23:00Z'],
  ['2026-11-01', 'America/New_York', '2026-11-02T05:00Z'],
])('%s in %s ends at %s', (day, zone, end) => {
  expect(new Date(format.endOfDay(day, zone))).toEqual(new Date(end));
});

test('names are cut to what tells them apart', () => {
  const paths = ['/home/mia/atlas/', 'C:\\src\\atlas', 'atlas', '/', ''];
  expect(paths.map(format.lastSegment)).toEqual(['atlas', 'atlas', 'atlas', '/', '']);
  expect(['0c5f2a1e-41d7-4b0e', 'agent:main'].map(format.shortId)).toEqual(['0c5f2a1e…', 'agent:main']);
  expect([format.plural(1, 'response'), format.plural(1_204, 'response')]).toEqual([
    '1 response',
    '1,204 responses',
  ]);
});
