import { expect, test } from 'vitest';
import type { Amount, DayAmounts } from '../api/types';
import { dearestModels, stackDays } from './stack';

const tokens = { input: 1, output: 0, cache_read: 0, cache_write_5m: 0, cache_write_1h: 0, unsplit: 0 };
const sum = (cost: number, unpriced_responses = 0): Amount => ({
  cost,
  responses: 1,
  unpriced_responses,
  tokens,
});
const day = (name: string, costs: Record<string, number>): DayAmounts => ({
  day: name,
  models: Object.entries(costs).map(([model, cost]) => ({ model, amount: sum(cost, cost === 0 ? 1 : 0) })),
});

test('the dearest seven models of all days are named, those without cost are not', () => {
  const days = [
    day('2026-11-19', { a: 1, b: 9, free: 0 }),
    day('2026-11-20', { a: 10, c: 2, d: 3, e: 4, f: 5, g: 6, h: 7 }),
  ];
  expect(dearestModels(days)).toEqual(['a', 'b', 'h', 'g', 'f', 'e', 'd']);
});

test('segments pile up from the dearest to "other"', () => {
  const [bar, empty] = stackDays(
    [day('2026-11-20', { x: 1, b: 2, a: 3, y: 4, free: 0 }), day('2026-11-21', {})],
    ['a', 'b'],
  );
  expect(bar?.segments).toEqual([
    { model: 'a', nanos: 3, from: 0, to: 3 },
    { model: 'b', nanos: 2, from: 3, to: 5 },
    { model: 'other', nanos: 5, from: 5, to: 10 },
  ]);
  expect(bar?.total).toEqual({
    cost: 10,
    responses: 5,
    unpriced_responses: 1,
    tokens: { ...tokens, input: 5 },
  });
  expect(empty?.segments).toEqual([]);
});
